"""Machine-monotonic timers: the core asks with `StartTimer`, the loop answers with `TimerFired`."""

import asyncio
from collections.abc import Callable


class Timers:
    """Running timers by key; the same key replaces. Must be used from the loop's thread."""

    def __init__(self, fired: Callable[[str], None]) -> None:
        self._fired = fired
        self._running: dict[str, asyncio.TimerHandle] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the running timers."""
        return tuple(self._running)

    def start(self, key: str, delay_ms: float) -> None:
        """Call `fired(key)` after `delay_ms` machine milliseconds."""
        self.cancel(key)
        loop = asyncio.get_running_loop()
        self._running[key] = loop.call_later(delay_ms / 1000, self._expire, key)

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
