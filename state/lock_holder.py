"""Which process holds a file lock: of a desk's daemon, of its supervisor, or of a file that two want to write."""

from pathlib import Path
from typing import Final

DAEMON_LOCK: Final = ".daemon.lock"
"""In the desk's folder, held for life by its daemon."""
SUPERVISOR_LOCK: Final = ".supervisor.lock"
"""Likewise by its supervisor."""
_PROC_LOCKS = Path("/proc/locks")


def holder_of(lock_file: Path) -> str:
    """`process 4711` where the system tells (Linux), else `another process`. Never raises."""
    pid = holder_pid(lock_file)
    return "another process" if pid is None else f"process {pid}"


def holder_pid(lock_file: Path) -> int | None:
    """The process that holds the lock; None where nobody does, or the system does not tell. Never raises."""
    try:
        inode = str(lock_file.stat().st_ino)
        rows = [row.split() for row in _PROC_LOCKS.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError):
        return None
    for row in rows:
        # 1: FLOCK ADVISORY WRITE 4711 08:01:131090 0 EOF; who waits has an arrow before its kind.
        if row[1:2] == ["FLOCK"] and row[5].rpartition(":")[2] == inode and int(row[4]) > 0:
            return int(row[4])
    return None


def can_tell() -> bool:
    """Whether this system says who holds a lock."""
    return _PROC_LOCKS.exists()
