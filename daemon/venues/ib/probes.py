"""Liveness probes: one round trip each, answered in the order sent, never more than the throttle has room for.

The first unanswered probe is repeated by itself; a second one in a row ends the connection.
`isConnected()` stays true on a half-open socket (measured), so only an answer proves life. A probe is never merged
into another: in lock-step with the simulator each one says "decided up to here".
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from daemon.venues.ib.connection import RESERVED_SLOTS, Connection
from daemon.venues.ib.subscriptions import Later

RETRY_S = 0.02
DEADLY_FAILURES = 2


@dataclass
class _Probe:
    asked_s: float
    timer: asyncio.TimerHandle
    sent_us: int | None = None
    """The venue clock's time at which it went to the socket."""
    expired: bool = False


Answered = Callable[[float | None, int | None], None]
"""Gets the round trip in milliseconds and when the probe was sent (venue clock); None and None on a time-out."""


class Probes:
    """The probes of one connection."""

    def __init__(
        self, connection: Connection, timeout_s: float, answered: Answered, later: Later, now_us: Callable[[], int]
    ) -> None:
        self._connection, self._timeout_s, self._answered, self._later = connection, timeout_s, answered, later
        self._now_us = now_us
        self._waiting: deque[_Probe] = deque()
        self._sent: deque[_Probe] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self._failures = 0

    def ask(self) -> None:
        """Send a probe, or let it wait while orders might need the remaining requests of this second."""
        probe = _Probe(
            asked_s=asyncio.get_running_loop().time(), timer=self._later(self._timeout_s, self._expire_oldest)
        )
        self._waiting.append(probe)
        self._send()

    def on_current_time(self) -> None:
        """An answer: it belongs to the oldest sent probe, also when that one has already timed out."""
        if not self._sent:
            return
        probe = self._sent.popleft()
        self._failures = 0
        if not probe.expired:
            probe.timer.cancel()
            self._answered((asyncio.get_running_loop().time() - probe.asked_s) * 1000.0, probe.sent_us)

    def close(self) -> None:
        """The connection ended: every open probe failed."""
        if self._retry is not None:
            self._retry.cancel()
        open_probes = [probe for probe in (*self._sent, *self._waiting) if not probe.expired]
        self._sent.clear()
        self._waiting.clear()
        for probe in open_probes:
            probe.timer.cancel()
            self._answered(None, None)

    def _send(self) -> None:
        self._retry = None
        while self._waiting:
            if self._connection.not_ready() is not None or self._connection.free_slots() <= RESERVED_SLOTS:
                self._retry = self._later(RETRY_S, self._send)
                return
            probe = self._waiting.popleft()
            self._connection.client.reqCurrentTime()
            probe.sent_us = self._now_us()
            self._sent.append(probe)

    def _expire_oldest(self) -> None:
        # Time-outs are equal, so the oldest open probe is the one whose timer fired.
        oldest = next(probe for probe in (*self._sent, *self._waiting) if not probe.expired)
        oldest.expired = True
        self._waiting = deque(probe for probe in self._waiting if not probe.expired)
        # One that our own throttle kept back says nothing of the link; cutting it would only add requests.
        if oldest.sent_us is not None or self._connection.free_slots() > RESERVED_SLOTS:
            self._failures += 1
        self._answered(None, None)
        if self._failures >= DEADLY_FAILURES:
            self._connection.end(f"{self._failures} probes in a row without an answer")
        elif all(probe.expired for probe in (*self._sent, *self._waiting)):
            self.ask()  # nobody else may ask again: a market that stands still makes no step
