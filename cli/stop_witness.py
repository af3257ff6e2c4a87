"""A stop that no journal can confirm any more: what else the daemon left, and whether that is enough."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from state.layout import DeskPaths

_UNSURE: Final = frozenset({"stop_unconfirmed", "unknown_outcome"})


def stopped_without_journal(paths: "DeskPaths", since_us: int) -> bool:
    """Whether a daemon that could not write its journal has obeyed a stop of `since_us` (wall clock).

    Its last snapshot must say so, written since: stopped, no own order working, none unsure; and nobody holds the
    desk. A journal that could be written is the only receipt; then this is false.
    """
    from cli.desk_runners import runners
    from state.snapshot import read_snapshot
    from state.times import us_from_iso

    snapshot = read_snapshot(paths.snapshot).snapshot
    if snapshot is None or snapshot.daemon_state != "stopped":
        return False
    failed = {check.reason for check in snapshot.self_check.checks if not check.ok}
    if "journal_failed" not in failed or failed & _UNSURE or any(order.own for order in snapshot.working_orders):
        return False
    try:
        written_us = us_from_iso(snapshot.wall_ts)
    except ValueError:
        return False
    return written_us >= since_us and runners(paths).daemon_pid is None
