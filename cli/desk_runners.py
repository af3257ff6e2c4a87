"""Who runs a desk right now, by its locks, and what its last run was: what a command needs to know before it helps."""

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.errors import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from state.layout import DeskPaths
    from state.records import JournalLine

LOOP_OLDEST_MS = 3000.0
"""A loop that has not turned for longer obeys nothing, though the snapshot's thread goes on beside it."""
SEEN_WITHIN_S = 5.0
"""A daemon that lives has seen a command by then."""
START_WITHIN_S = 15.0
"""One that was just started reads its journal first."""
_GONE_WITHIN_S = 5.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Runners:
    """The processes behind a desk. A desk that another program runs (any bot) has neither lock."""

    supervisor_pid: int | None
    """None when nobody supervises; 0 when somebody does whose pid is not known."""
    daemon_pid: int | None
    """None when nobody holds the desk; 0 when somebody does whose pid is not known for sure."""


@dataclass(frozen=True)
class LastRun:
    """What the newest `run_started` line of the journal says of the daemon that ran."""

    profile: str
    """A path where that is known, else a name."""
    profile_hash: str | None
    ib_port: int | None
    pid: int | None


def runners(paths: "DeskPaths") -> Runners:
    """Ask the kernel who holds the desk's two locks. Nothing is changed by asking."""
    from daemon.runtime.locks import desk_lock_path, is_held, owner_pid, supervisor_lock_path

    def holder(lock: "Path") -> int | None:
        return (owner_pid(lock) or 0) if is_held(lock) else None

    return Runners(holder(supervisor_lock_path(paths.folder)), holder(desk_lock_path(paths.folder)))


def was_ours(paths: "DeskPaths") -> bool:
    """Whether a daemon of ours ever held this desk: then the lock, not the age of a snapshot, says whether one runs."""
    from daemon.runtime.locks import desk_lock_path

    return desk_lock_path(paths.folder).exists()


def last_run(paths: "DeskPaths") -> LastRun | None:
    """The newest run of a daemon of ours; None for a desk that never ran, or that another program runs."""
    from state.journal_reader import lines_backwards
    from state.records import JournalType
    from state.segments import JournalError

    try:
        line = next((each for each in lines_backwards(paths.journal) if each.type is JournalType.RUN_STARTED), None)
    except (OSError, JournalError):
        return None
    return None if line is None else _run_of(line)


def _run_of(line: "JournalLine") -> LastRun | None:
    data = line.data if line.data is not None else {}
    name, path, digest = (data.get(key) for key in ("profile", "profile_path", "profile_hash"))
    port, pid = data.get("ib_port"), data.get("pid")
    if not isinstance(name, str):
        return None
    return LastRun(
        profile=path if isinstance(path, str) else name,
        profile_hash=digest if isinstance(digest, str) else None,
        ib_port=port if isinstance(port, int) else None,
        pid=pid if isinstance(pid, int) else None,
    )


def is_answering(paths: "DeskPaths") -> bool:
    """Whether the desk's snapshot is young and its loop turns: such a daemon needs no help."""
    from daemon.runtime.clocks import wall_us
    from state.look import look_at

    seen = look_at(paths, wall_us())
    if seen.snapshot is None or seen.light.state == "not_live":
        return False
    age_ms = seen.snapshot.loop_age_ms
    return age_ms is None or age_ms <= LOOP_OLDEST_MS


def patience_s(paths: "DeskPaths", pid: int) -> float:
    """How long the holder of the desk may take to show that it saw a command: longer while it still starts."""
    last = last_run(paths)
    return SEEN_WITHIN_S if last is not None and last.pid == pid else START_WITHIN_S


def kill_hung(paths: "DeskPaths", pid: int) -> None:
    """SIGKILL the process that holds the desk, and nothing else, and wait until the desk is free. Raises CommandError.

    The owner is asked for once more in the same moment: a pid that stood in the file a second ago proves nothing.
    """
    from daemon.runtime.locks import desk_lock_path, is_held, owner_pid

    lock = desk_lock_path(paths.folder)
    if owner_pid(lock) != pid:
        raise CommandError(f"process {pid} does not hold the desk any more; nothing was killed: give the command again")
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise CommandError(f"process {pid} belongs to another user: end it as that user (kill -9 {pid})") from error
    end = time.monotonic() + _GONE_WITHIN_S
    while is_held(lock):
        if time.monotonic() > end:
            raise CommandError(f"process {pid} was killed and still holds the desk (it waits for the disk?); see ps")
        time.sleep(_POLL_S)
