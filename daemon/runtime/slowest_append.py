"""How slow the journal was in the last minute."""

from collections import deque
from typing import Final

_WINDOW_NS: Final = 60_000_000_000


class SlowestAppend:
    """The longest journal append of the last minute, in milliseconds.

    Kept as the appends that no later one has outlasted, longest first; adding one costs a comparison or two.
    """

    def __init__(self) -> None:
        self._falling: deque[tuple[int, float]] = deque()

    def add(self, ended_ns: int, duration_ms: float) -> None:
        """One more append; `ended_ns` is monotonic."""
        while self._falling and self._falling[-1][1] <= duration_ms:
            self._falling.pop()
        self._falling.append((ended_ns, duration_ms))
        self._forget(ended_ns)

    def within(self, now_ns: int) -> float:
        """The longest that ended in the minute before `now_ns`; 0 when there was none."""
        self._forget(now_ns)
        return self._falling[0][1] if self._falling else 0.0

    def _forget(self, now_ns: int) -> None:
        while self._falling and self._falling[0][0] <= now_ns - _WINDOW_NS:
            self._falling.popleft()
