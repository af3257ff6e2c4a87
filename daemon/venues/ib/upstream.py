"""TWS's own line to the broker's servers, as TWS tells it, and how long its loss is waited out.

The nightly reset keeps our socket and comes back after a quarter of an hour: reconnecting would gain nothing. A loss
that outlasts `ib.upstream_deadline_s`, in a restart window counted from the window's end, ends the connection.
"""

from collections.abc import Callable, Iterable

from daemon.core.book import EMBARGO_LEAD_US
from daemon.core.events import Window


class Upstream:
    """Machine times in seconds. `window_left_s` gives how long the restart window of this moment still lasts, or 0."""

    def __init__(self, deadline_s: float, window_left_s: Callable[[], float]) -> None:
        self._deadline_s, self._window_left_s = deadline_s, window_left_s
        self._lost_s: float | None = None
        self._due_s = 0.0
        self.note = ""
        """TWS's words about the newest loss."""
        self.unsettled = False
        """Something was said since the last complete listing: what was read before may be old."""
        self.data_lost = False
        """TWS forgot our subscriptions (1101)."""

    @property
    def is_lost(self) -> bool:
        """Whether TWS has no servers now."""
        return self._lost_s is not None

    def lost(self, now_s: float, note: str) -> None:
        """1100, 2110; repeated for as long as it lasts."""
        if self._lost_s is None:
            self._lost_s, self._due_s = now_s, now_s + self._patience_s()
        self.note, self.unsettled = note, True

    def back(self, *, data_kept: bool) -> None:
        """1101, 1102."""
        self._lost_s, self.unsettled = None, True
        self.data_lost = self.data_lost or not data_kept

    def wait_s(self, now_s: float) -> float | None:
        """How long to wait on from now before looking again; None when the loss has outlasted its deadline."""
        if now_s >= self._due_s:
            if self._window_left_s() <= 0:
                return None
            self._due_s = now_s + self._patience_s()  # a restart window has begun meanwhile
        return self._due_s - now_s

    def overdue(self, now_s: float) -> str:
        """Why the connection is given up."""
        lasted_s = 0.0 if self._lost_s is None else now_s - self._lost_s
        return f"{self.note} (for {lasted_s:.0f} s): connecting anew"

    def _patience_s(self) -> float:
        return self._window_left_s() + self._deadline_s


def window_left_s(windows: Iterable[Window], now_us: int) -> float:
    """Until the end of the restart window that `now_us` is in, or comes to within the embargo's lead; 0 in none."""
    left_us = (each.end_us - now_us for each in windows if each.start_us - EMBARGO_LEAD_US <= now_us < each.end_us)
    return max(left_us, default=0) / 1e6
