"""When the market moves: at the pace of `speed`, and in a replay never ahead of its slowest listener.

A synthetic market only keeps the pace. A replay (`lock_step`) in addition holds while nobody subscribes to prices,
and makes a step only when every subscriber has asked for the time (the probe) since the last stamp it was sent. The
wire is first-in-first-out, so that probe says: everything up to the stamp was decided, and its orders are here. A
subscriber that stays silent for two seconds of wall time is not waited for: that is counted and logged.
"""

import asyncio
from collections.abc import Callable

import structlog

from daemon.simulator.gateway import Gateway

PROBE_WAIT_S = 2.0
LONGEST_STEP_US = 60_000_000
"""A gap between two steps (a night, a lunch break) is paced as one minute."""
FIRST_STEP_US = 1_000_000

log = structlog.get_logger("simulator")


class MarketPacer:
    """Drives the exchange. The one rule: nothing else calls `exchange.advance` while `run` is running."""

    def __init__(
        self, gateway: Gateway, *, speed: float, on_finished: Callable[[], None], probe_wait_s: float = PROBE_WAIT_S
    ) -> None:
        self._gateway = gateway
        self._speed = speed
        self._on_finished = on_finished
        self._probe_wait_s = probe_wait_s
        self._last_step_us = FIRST_STEP_US
        self.steps = 0
        self.unprobed_steps = 0
        """Steps made although a subscriber had not answered in time."""
        self.is_finished = False

    def step(self) -> bool:
        """Make one step and tell everybody; False when the market has ended."""
        before_us = self._gateway.exchange.now_us
        moved = self._gateway.exchange.advance()
        if moved is None:
            if not self.is_finished:
                self.is_finished = True
                log.info("market_finished", steps=self.steps, unprobed_steps=self.unprobed_steps)
                self._on_finished()
            return False
        step, events = moved
        if before_us:
            self._last_step_us = min(step.ts_us - before_us, LONGEST_STEP_US)
        self.steps += 1
        self._gateway.publish_step(step, events)
        return True

    async def run(self) -> None:
        """Make steps until the market ends. A first step is made at once, so that quotes stand."""
        loop = asyncio.get_running_loop()
        if self._gateway.exchange.step is None and not self.step():
            return
        due_s = loop.time()
        while True:
            # a late step is not made up for: bursts would be a market of their own
            due_s = max(due_s + self._last_step_us / 1e6 / self._speed, loop.time())
            await asyncio.sleep(due_s - loop.time())
            if self._gateway.lock_step:
                await self._hold()
            if not self.step():
                return

    async def _hold(self) -> None:
        """Wait while nobody subscribes, then until every subscriber has probed or the patience ends."""
        loop = asyncio.get_running_loop()
        changed = self._gateway.probe_or_leave
        patience_ends_s: float | None = None
        while True:
            changed.clear()
            listening = [session for session in self._gateway.sessions if session.market_data]
            if listening and not any(session.owes_probe for session in listening):
                return
            if not listening:
                patience_ends_s = None
                await changed.wait()
                continue
            if patience_ends_s is None:
                patience_ends_s = loop.time() + self._probe_wait_s
            try:
                await asyncio.wait_for(changed.wait(), max(0.0, patience_ends_s - loop.time()))
            except TimeoutError:
                self.unprobed_steps += 1
                silent = [session.client_id for session in listening if session.owes_probe]
                log.warning("step_without_probe", clients=silent, count=self.unprobed_steps)
                return
