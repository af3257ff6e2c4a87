"""How much of the disk a desk takes, how fast that grows, and what maintenance would give back."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from config.schema import Storage
from state.journal_reader import decode_line
from state.layout import DeskPaths
from state.maintenance import Rules, plan
from state.records import Snapshot
from state.reserve import RESERVE_NAME
from state.segments import ARCHIVE_ERRORS, JournalError, list_segments, open_segment
from state.times import us_from_iso

PARTS: Final = ("journal", "tape", "history", "audit", "logs", "cache", "simulator", "reports", "control")
_WINDOW_DAYS: Final = 7.0
_DAY_S: Final = 86_400.0
_SHORTEST_S: Final = 3600.0
"""A shorter time says nothing of a day."""
_MIB: Final = 1024 * 1024


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes a day, as measured over so many days."""

    bytes_a_day: float
    over_days: float


class Freed(msgspec.Struct, frozen=True, kw_only=True):
    """What `bifrost maintain` would do now, or why that cannot be said."""

    remove_files: int = 0
    remove_bytes: int = 0
    compress_files: int = 0
    compress_bytes: int = 0
    """As they are now; text is compressed to about a tenth."""
    problem: str | None = None


class DiskUse(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes. `parts` is folder -> bytes, with `rest` for what belongs to none."""

    free_bytes: int
    total_bytes: int
    parts: dict[str, int]
    growth: Growth | None
    reserve_bytes: int | None
    """What is kept back beside the journal for a full disk; None where there is no such file."""
    freed: Freed | None
    min_free_bytes: float | None
    """The profile's: below it no new hedge leaves. None where the profile is unknown."""

    @property
    def used_bytes(self) -> int:
        """The desk's folder."""
        return sum(self.parts.values())

    @property
    def days_left(self) -> float | None:
        """Until no new hedge leaves, or the disk is full, at this growth; None where nothing grows."""
        if self.growth is None or self.growth.bytes_a_day <= 0:
            return None
        return max(0.0, self.free_bytes - (self.min_free_bytes or 0)) / self.growth.bytes_a_day


def measure(paths: DeskPaths, snapshot: Snapshot | None, storage: Storage | None, *, wall_us: int) -> DiskUse:
    """Walk the desk's folder. Raises OSError only where its disk cannot be asked."""
    disk = shutil.disk_usage(paths.folder)
    parts = dict.fromkeys(PARTS, 0) | {"rest": 0}
    recent_bytes, now_s = 0, wall_us / 1e6
    for part, name, status in _files(paths.folder):
        taken = status.st_blocks * 512
        parts[part if part in parts else "rest"] += taken
        # A cache is built anew now and then, logs turn in a circle, the reserve stays as it is: none is growth.
        if part in ("journal", "tape", "history", "audit") and name != RESERVE_NAME:
            recent_bytes += taken if now_s - status.st_mtime < _WINDOW_DAYS * _DAY_S else 0
    began_s = _first_seen_s(paths)
    return DiskUse(
        free_bytes=disk.free,
        total_bytes=disk.total,
        parts=parts,
        growth=None if began_s is None else _growth(recent_bytes, now_s - began_s),
        reserve_bytes=_size(paths.journal / RESERVE_NAME),
        freed=None if storage is None else _freed(paths, snapshot, storage, wall_us),
        min_free_bytes=None if storage is None else storage.min_free_mib * _MIB,
    )


def _files(folder: Path) -> Iterator[tuple[str, str, os.stat_result]]:
    """Every file: the part that it belongs to, its name, its state. What vanishes meanwhile is left out."""
    for place, _, names in os.walk(folder):
        relative = Path(place).relative_to(folder).parts
        for name in names:
            try:
                status = (Path(place) / name).lstat()
            except OSError:
                continue
            yield (relative[0] if relative else "rest"), name, status


def _first_seen_s(paths: DeskPaths) -> float | None:
    """When the journal that is there begins, in seconds since the epoch."""
    try:
        segments = list_segments(paths.journal)
        if not segments:
            return None
        with open_segment(segments[0]) as file:
            line = decode_line(file.readline())
        return None if line is None else us_from_iso(line.wall_ts) / 1e6
    except (OSError, *ARCHIVE_ERRORS, JournalError, ValueError):
        return None


def _growth(recent_bytes: int, age_s: float) -> Growth | None:
    if age_s < _SHORTEST_S:
        return None
    days = min(_WINDOW_DAYS, age_s / _DAY_S)
    return Growth(bytes_a_day=recent_bytes / days, over_days=days)


def _freed(paths: DeskPaths, snapshot: Snapshot | None, storage: Storage, wall_us: int) -> Freed:
    rules = Rules(
        compress_after_days=storage.compress_after_days,
        keep_days=storage.keep_days,
        tape_keep_days=storage.tape_keep_days,
        tape_max_bytes=int(storage.tape_max_mib * _MIB),
    )
    runs = snapshot is not None and snapshot.daemon_state != "stopped"
    try:
        todo = plan(paths, rules, wall_us=wall_us, running_run_id=snapshot.run_id if snapshot and runs else None)
    except (OSError, JournalError) as error:
        return Freed(problem=str(error))
    remove = [step.size_bytes for step in todo.steps if step.action == "remove"]
    compress = [step.size_bytes for step in todo.steps if step.action == "compress"]
    return Freed(
        remove_files=len(remove),
        remove_bytes=sum(remove),
        compress_files=len(compress),
        compress_bytes=sum(compress),
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
