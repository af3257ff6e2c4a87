"""The daemon's clocks: the only place that reads the machine's time.

Three readings, never mixed: `now_us` is the core's `ts`; `wall_us` labels what is written (heartbeat, file ages);
`monotonic_ns` measures durations and deadlines.
"""

import time
from collections.abc import Callable

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def monotonic_ns() -> int:
    """Nanoseconds that only grow; for durations and deadlines."""
    return time.monotonic_ns()


def wall_us() -> int:
    """The machine's wall clock in microseconds since the epoch (UTC): it may step."""
    return time.time_ns() // 1000  # noqa: TID251 this is the one edge


def _awake_or_asleep_ns() -> int:
    """A monotonic clock that goes on while the machine sleeps, where the system has one (Linux)."""
    return time.monotonic_ns() if _BOOTTIME is None else time.clock_gettime_ns(_BOOTTIME)


class WallClock:
    """The core's time live: the wall clock at start, advanced by the monotonic clock.

    A step of the wall clock (NTP, an operator) therefore never reaches a cooldown or a quote's age, while a
    suspended laptop does: sessions must not lag behind the exchange after it wakes.
    """

    def __init__(
        self, *, wall: Callable[[], int] = wall_us, advance_ns: Callable[[], int] = _awake_or_asleep_ns
    ) -> None:
        self._wall = wall
        self._advance_ns = advance_ns
        self._start_us = wall()
        self._start_ns = advance_ns()

    def now_us(self) -> int:
        """The core's `ts` now."""
        return self._start_us + (self._advance_ns() - self._start_ns) // 1000

    def elapsed_ns(self) -> int:
        """Nanoseconds since the start, the machine's sleep included."""
        return self._advance_ns() - self._start_ns

    def wall_offset_ms(self) -> float:
        """How far the wall clock is ahead of `now_us`: what somebody has set it by since the start."""
        return (self._wall() - self.now_us()) / 1000

    def market_stamp(self, stamp_us: int) -> None:
        """Ignored: live, the market's word on the time changes nothing."""


class MarketClock:
    """The core's time in a replayed or accelerated market: the newest market stamp. It never goes back.

    Before the first stamp it stands at `start_us` (the last time the desk's journal knows; 0 for a new desk).
    `on_stamp` is called after every stamp, a repeated one too: the simulator asks for a probe that way.
    """

    def __init__(self, start_us: int = 0) -> None:
        self._now_us = start_us
        self.stamps = 0
        self.on_stamp: Callable[[], None] | None = None

    def now_us(self) -> int:
        """The core's `ts` now."""
        return self._now_us

    def market_stamp(self, stamp_us: int) -> None:
        """The market said what time it is."""
        self._now_us = max(self._now_us, stamp_us)
        self.stamps += 1
        if self.on_stamp is not None:
            self.on_stamp()

    def start_at(self, start_us: int) -> None:
        """Stand at least here until the first stamp: a restarted desk's time does not go back."""
        self._now_us = max(self._now_us, start_us)


Clock = WallClock | MarketClock
