"""Machine-monotonic timers: the core asks with `StartTimer`, the loop answers with `TimerFired`."""

import asyncio
from collections.abc import Callable


class Timers:
    """Running timers by key; the same key replaces. Must be used from the loop's thread.

    `speed` 10 lets every timer run ten times faster than the machine's clock: for scenarios that would wait
    for half a minute otherwise. A desk that trades runs at 1.
    """

    def __init__(self, fired: Callable[[str], None], *, speed: float = 1.0) -> None:
        self._fired = fired
        self._speed = speed
        self._running: dict[str, asyncio.TimerHandle] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the running timers."""
        return tuple(self._running)

    def start(self, key: str, delay_ms: float) -> None:
        """Call `fired(key)` after `delay_ms` machine milliseconds."""
        self.cancel(key)
        loop = asyncio.get_running_loop()
        self._running[key] = loop.call_later(delay_ms / 1000 / self._speed, self._expire, key)

    def cancel(self, key: str) -> None:
        """Forget a timer; unknown keys are fine."""
        handle = self._running.pop(key, None)
        if handle is not None:
            handle.cancel()

    def cancel_all(self) -> None:
        """Forget every timer."""
        for key in self.keys:
            self.cancel(key)

    def _expire(self, key: str) -> None:
        del self._running[key]
        self._fired(key)
