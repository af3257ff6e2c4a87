"""The desk's disk: too little room on it pauses hedging early, a slow one is shown.

No order waits for room that is not there: the journal would fail in the middle of a day, and only the operator ends
that. A pause for lack of room ends by itself.
"""

from config.schema import Storage
from daemon.core.book import DiskView
from daemon.core.events import DiskReport
from daemon.core.turn import Turn

MIN_FREE_INODES = 1000
"""Files that must still be possible: a day's segments, tapes, logs and temporary snapshots are a few dozen."""
CLEAR_FACTOR = 1.1
"""Room must exceed its limit by a tenth before hedging goes on, so that a full disk does not flicker."""


def judge(before: DiskView, report: DiskReport, limits: Storage) -> DiskView:
    """The verdicts on a new measurement; `before` is the last one that the core heard of."""
    factor = CLEAR_FACTOR if before.low else 1.0
    low = report.free_mib < limits.min_free_mib * factor
    if report.free_inodes is not None:
        low = low or report.free_inodes < MIN_FREE_INODES * factor
    return DiskView(
        free_mib=report.free_mib,
        free_inodes=report.free_inodes,
        slowest_append_ms=report.slowest_append_ms,
        low=low,
        slow=report.slowest_append_ms >= limits.slow_sync_ms,
    )


def on_report(turn: Turn, event: DiskReport) -> None:
    """Take a new measurement."""
    turn.put(disk=judge(turn.book.disk, event, turn.profile.storage))
