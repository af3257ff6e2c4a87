"""Scheduled restarts of TWS or the broker (`ib.restart_windows`): idle before they begin, patient until they end.

From a minute before a window no hedge leaves and own hedges are cancelled, so that none is under way when the
connection goes. Within it a lost link is expected: the light stays yellow until the window's end plus the usual
deadline, and turns red then, whatever the broker says.
"""

from daemon.core.book import Book, restart_window
from daemon.core.effects import Alarm
from daemon.core.events import RestartWindows
from daemon.core.orders import cancel_in_flight
from daemon.core.turn import Turn
from state.times import iso_from_us


def on_windows(turn: Turn, event: RestartWindows) -> None:
    """The windows of the coming days."""
    turn.put(restart_windows=event.windows)


def patience_ms(book: Book, deadline_s: float) -> float:
    """How long waiting for IB is expected from now on: `deadline_s`, within a window counted from its end."""
    window = restart_window(book)
    left_us = 0 if window is None else window.end_us - book.ts_us
    return left_us / 1000 + deadline_s * 1000


def keep(turn: Turn) -> None:
    """Cancel own hedges before a window begins; say it loudly where that is not confirmed in time."""
    book = turn.book
    window = restart_window(book)
    if window is None:
        return
    gone = cancel_in_flight(turn, "restart window", closing_too=False)
    if gone or book.ts_us < window.start_us or book.warned_window_us == window.start_us:
        return
    turn.put(warned_window_us=window.start_us)
    names = ", ".join(order.order_ref for order in turn.book.in_flight() if not order.closing)
    turn.do(
        Alarm(
            text=f"the restart window of {iso_from_us(window.start_us)} begins and these own orders are not confirmed "
            f"cancelled: {names}; look in TWS"
        )
    )
