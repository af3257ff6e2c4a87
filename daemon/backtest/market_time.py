"""Time in a backtest: the newest market stamp, and timers that fire by it. No clock of the machine is read."""

import heapq
from collections.abc import Container


class MarketTime:
    """The clock that events carry (`daemon.venues.protocol.VenueClock`). It never goes back."""

    def __init__(self, start_us: int = 0) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        """The core's `ts` now."""
        return self._now_us

    def market_stamp(self, stamp_us: int) -> None:
        """The market said what time it is."""
        self._now_us = max(self._now_us, stamp_us)


class MarketTimers:
    """What the core asked for with `StartTimer`, due by market time; the same key replaces a running timer."""

    def __init__(self) -> None:
        self._due_us: dict[str, int] = {}
        self._queue: list[tuple[int, int, str]] = []
        self._count = 0

    def start(self, key: str, delay_ms: float, now_us: int) -> None:
        """Fire `key` once `delay_ms` of market time have passed."""
        due_us = now_us + round(delay_ms * 1000)
        self._due_us[key] = due_us
        self._count += 1
        heapq.heappush(self._queue, (due_us, self._count, key))

    def cancel(self, key: str) -> None:
        """Forget a timer; unknown keys are fine."""
        self._due_us.pop(key, None)

    @property
    def turns(self) -> int:
        """Timers that were ever started."""
        return self._count

    def due(self, key: str) -> tuple[int, int] | None:
        """When that timer is due, and its turn: of those due at once the lowest fires first. None: it does not run."""
        due_us = self._due_us.get(key)
        if due_us is None:
            return None
        return due_us, min(turn for at_us, turn, name in self._queue if name == key and at_us == due_us)

    def put(self, key: str, due_us: int, turn: int) -> None:
        """As though `key` had been started as the `turn`-th timer, to be due then."""
        self._due_us[key] = due_us
        self._count = max(self._count, turn)
        heapq.heappush(self._queue, (due_us, turn, key))

    def next_us_but(self, keys: Container[str]) -> int | None:
        """When the earliest timer but those is due."""
        return min((due_us for name, due_us in self._due_us.items() if name not in keys), default=None)

    def next_us(self) -> int | None:
        """When the earliest running timer is due."""
        while self._queue and self._due_us.get(self._queue[0][2]) != self._queue[0][0]:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None

    def pop(self) -> str:
        """The key of the earliest running timer, which runs no more. Raises IndexError without one."""
        if self.next_us() is None:
            raise IndexError("no timer is running")
        _, _, key = heapq.heappop(self._queue)
        del self._due_us[key]
        return key
