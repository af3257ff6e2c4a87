"""What happens again and again: the clock event, the liveness probe; and the record of how fast orders leave."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from daemon.core.events import Clock as ClockEvent
from daemon.core.link_fsm import LinkState
from daemon.core.timekeeping import WALL_OFFSET_MS
from daemon.runtime.clocks import Clock, WallClock
from daemon.runtime.engine import Engine
from state.records import LatencyMs

_FINEST_MS: Final = 500.0
"""Live, a tick at least this often: reasons clear after two clean seconds, breakers after five."""
_WINDOW: Final = 1000


class Ticker:
    """Emits a `Clock` event each period, and shows that the loop turns."""

    def __init__(self, engine: Engine, clock: Clock, *, period_ms: float) -> None:
        self._engine = engine
        self._clock = clock
        self._interval_s = (min(period_ms, _FINEST_MS) if isinstance(clock, WallClock) else period_ms) / 1000

    async def run(self) -> None:
        """Tick until cancelled; a late tick says how late and does not hurry the next."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._interval_s
            await asyncio.sleep(self._interval_s)
            lag_ms = max(0.0, (loop.time() - due) * 1000)
            self._engine.alive()
            self._engine.emit(
                ClockEvent(ts_us=self._clock.now_us(), loop_lag_ms=lag_ms, wall_offset_ms=self._wall_offset_ms())
            )

    def _wall_offset_ms(self) -> float:
        """Whole milliseconds, and 0 where nothing is wrong: the tape must not say something else at every tick."""
        offset_ms = self._clock.wall_offset_ms() if isinstance(self._clock, WallClock) else 0.0
        return round(offset_ms) if abs(offset_ms) > WALL_OFFSET_MS else 0.0


class Prober:
    """Probes the venue every so often while there is a link to probe, and where asked only when that is `due`."""

    def __init__(
        self,
        *,
        link: Callable[[], LinkState],
        probe: Callable[[], None],
        every_s: float,
        due: Callable[[], bool] = lambda: True,
    ) -> None:
        self._link = link
        self._probe = probe
        self._every_s = every_s
        self._due = due

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            if self._link() != "DOWN" and self._due():
                self._probe()


class Silence:
    """Whether a market's clock has said nothing since the last question: then nobody else will probe the line.

    In lock-step a probe means "decided up to here", so it must not come while a step is being decided: the questions
    lie further apart (`ASKED_EVERY_S`) than a stepped market waits for an answer.
    """

    ASKED_EVERY_S: Final = 3.0

    def __init__(self, stamps: Callable[[], int]) -> None:
        self._stamps = stamps
        self._seen = stamps()

    def __call__(self) -> bool:
        """Ask, and remember for the next time."""
        before, self._seen = self._seen, self._stamps()
        return self._seen == before


class LatencyWindow:
    """Decision to order handed over, in milliseconds, over the last thousand orders."""

    def __init__(self) -> None:
        self._latencies_ms: deque[float] = deque(maxlen=_WINDOW)

    def add(self, latency_ms: float) -> None:
        """One more order left."""
        self._latencies_ms.append(latency_ms)

    def percentiles(self) -> LatencyMs | None:
        """Nearest-rank percentiles; None before the first order. Called in the publisher's thread, hence the copy."""
        ordered = sorted(self._latencies_ms.copy())
        if not ordered:
            return None
        p50, p95, p99 = (ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 95, 99))
        return LatencyMs(p50=p50, p95=p95, p99=p99)
