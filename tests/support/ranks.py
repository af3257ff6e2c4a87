"""The rank of a session among the others (Linux's autogroups), for tests that wait for one that ranks last."""

from contextlib import suppress
from pathlib import Path


def lift_rank(pid: int) -> int:
    """Rank it as any other, because on a full machine the last one starves; gives the rank that it had.

    Where the system ranks no sessions, or the process is gone, that is the last one.
    """
    among_sessions, rank = Path(f"/proc/{pid}/autogroup"), 19
    with suppress(OSError):
        rank = int(among_sessions.read_text(encoding="ascii").split()[-1])
        among_sessions.write_text("0", encoding="ascii")
    return rank
