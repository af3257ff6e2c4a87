"""One daemon per desk folder, per (account, underlying) and per (host, port, client id).

The kernel's own file locks: they end with the process, however it ends, so no lock is ever stale. The lock files
stay behind on purpose (removing a locked file splits the waiters over two inodes) and hold the holder's pid.
"""

import contextlib
import fcntl
import os
import re
from pathlib import Path
from typing import Final

import platformdirs
from filelock import FileLock, Timeout

from state.lock_holder import DAEMON_LOCK, SUPERVISOR_LOCK

RUN_DIR_VARIABLE: Final = "BIFROST_RUN_DIR"
TAKE_WITHIN_S: Final = 0.3
"""So long a lock is tried: whoever only asks whether it is held has it for a moment."""


class LockTakenError(Exception):
    """Somebody else holds the lock; the text names what and, if known, the holder's pid."""


def run_directory() -> Path:
    """The per-user directory of the locks that hold whatever `--root` says; `BIFROST_RUN_DIR` overrides it.

    The user's state directory, not the session's runtime directory: that one vanishes at logout while a
    daemon lives on, and a second daemon would then lock a different file.
    """
    override = os.environ.get(RUN_DIR_VARIABLE)
    if override:
        return Path(override)
    return Path(platformdirs.user_state_path("bifrost")) / "run"


def desk_lock_path(desk_folder: Path) -> Path:
    """The lock of one desk's folder."""
    return desk_folder / DAEMON_LOCK


def supervisor_lock_path(desk_folder: Path) -> Path:
    """The lock of the one supervisor of a desk."""
    return desk_folder / SUPERVISOR_LOCK


def client_lock_path(host: str, port: int, client_id: int) -> Path:
    """The lock of one API client identity."""
    return run_directory() / _file_name("client", host, str(port), str(client_id))


def account_lock_path(account: str, underlying: str, *, simulated_at: str | None = None) -> Path:
    """The lock of one underlying in one account.

    A simulated account exists only at its simulator (`simulated_at`, host:port): two simulators are two accounts.
    """
    place = () if simulated_at is None else (simulated_at,)
    return run_directory() / _file_name("account", account, underlying, *place)


def holder_pid(path: Path) -> int | None:
    """The pid written by whoever took this lock last; None when unknown. It says nothing of whether it is held."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def is_held(path: Path) -> bool:
    """Whether some process holds the lock now. One that may not be asked (another user's) counts as held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    with contextlib.closing(os.fdopen(descriptor, "rb")):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def owner_pid(path: Path) -> int | None:
    """The process that holds the lock now, as surely as can be told; None when nobody does or it is not sure.

    The holder wrote its pid right after taking the lock. Where the system lists a process's files (Linux), it must
    also have this one open: a pid that was given anew is never taken for it.
    """
    pid = holder_pid(path)
    if pid is None or pid <= 1 or not is_held(path):
        return None
    return pid if _has_open(pid, path) is not False else None


def _has_open(pid: int, path: Path) -> bool | None:
    """Whether the process has this very file open; None where the system does not list such things."""
    if not Path("/proc/self/fd").is_dir():
        return None
    try:
        wanted = path.stat()
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False  # gone, or somebody else's
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            found = descriptor.stat()
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


class Locks:
    """The locks of this process, released together."""

    def __init__(self) -> None:
        self._held: dict[Path, FileLock] = {}

    def take(self, path: Path, what: str) -> None:
        """Take a lock, or do nothing when this process has it.

        `what` names it in the error. Raises LockTakenError; OSError when the file cannot be made.
        """
        if path in self._held:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False)
        try:
            lock.acquire(timeout=TAKE_WITHIN_S, poll_interval=0.02)
        except Timeout:
            pid = holder_pid(path)
            holder = "another process" if pid is None else f"process {pid}"
            raise LockTakenError(f"{what} is in use by {holder}; stop it first, or choose another") from None
        self._held[path] = lock
        path.write_text(f"{os.getpid()}", encoding="ascii")

    def release_all(self) -> None:
        """Release every lock, last taken first."""
        while self._held:
            _, lock = self._held.popitem()
            lock.release()


def _file_name(kind: str, *parts: str) -> str:
    return "-".join([kind, *(re.sub(r"[^A-Za-z0-9.]+", "_", part) for part in parts)]) + ".lock"
