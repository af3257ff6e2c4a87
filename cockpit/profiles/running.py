"""Which profile a desk runs, by the newest `run_started` of its journal and by its snapshot."""

from pathlib import Path
from typing import Final

import msgspec

from config.loader import LoadedProfile, ProfileError, load_profile
from state.layout import DeskPaths
from state.query import Filter, newest
from state.records import JournalLine, JournalType, Snapshot
from state.segments import JournalError

_KEPT: Final = 64
_STARTS: dict[tuple[Path, str], JournalLine] = {}
"""Desk's folder and run -> the line that began it."""


class RunningProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk's daemon took when it started. `path` None where only the name is known."""

    name: str
    path: str | None
    hash: str | None
    ib_port: int | None = None
    """Where it connects; may be another than the profile's."""

    @property
    def source(self) -> str:
        """What the loader takes."""
        return self.path if self.path is not None else self.name


def running_profile(paths: DeskPaths, snapshot: Snapshot | None) -> RunningProfile | None:
    """Of the newest run; None for a desk that never ran, or that tells of no profile."""
    line = _start_of(paths, snapshot)
    data = line.data if line is not None and line.data is not None else {}
    name, path, digest, port = (data.get(key) for key in ("profile", "profile_path", "profile_hash", "ib_port"))
    if isinstance(name, str):
        return RunningProfile(
            name=name,
            path=path if isinstance(path, str) else None,
            hash=digest if isinstance(digest, str) else None,
            ib_port=port if isinstance(port, int) else None,
        )
    if snapshot is None or snapshot.profile is None:
        return None
    return RunningProfile(name=snapshot.profile, path=None, hash=snapshot.profile_hash)


def loaded(running: RunningProfile | None) -> LoadedProfile | None:
    """That profile as its file says now; None where it cannot be loaded any more."""
    if running is None:
        return None
    try:
        return load_profile(running.source)
    except ProfileError:
        return None


def _start_of(paths: DeskPaths, snapshot: Snapshot | None) -> JournalLine | None:
    """The start of the run that the snapshot tells of, looked for once: it may lie weeks back in the journal."""
    if snapshot is None:
        return _newest_start(paths)
    key = (paths.folder, snapshot.run_id)
    known = _STARTS.get(key)
    if known is not None:
        return known
    found = _newest_start(paths)
    if found is not None:
        while len(_STARTS) >= _KEPT:
            _STARTS.pop(next(iter(_STARTS)), None)
        _STARTS[key] = found
    return found


def _newest_start(paths: DeskPaths) -> JournalLine | None:
    wanted = Filter(types=frozenset({JournalType.RUN_STARTED}))
    try:
        return next(iter(newest(paths.journal, wanted, 1)), None)
    except (OSError, JournalError):
        return None
