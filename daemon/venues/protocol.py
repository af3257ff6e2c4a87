"""The one small protocol between the runtime and a venue.

A venue turns the broker's words into core events and core effects into the broker's calls. It decides nothing.
Prices, sizes and times are copied into events at the edge: no broker object leaves a venue.
"""

from collections.abc import Callable
from typing import Protocol

from daemon.core.effects import ModifyOrder, PlaceOrder
from daemon.core.events import AnyEvent

Emit = Callable[[AnyEvent], None]


class VenueClock(Protocol):
    """The clock whose time the events carry."""

    def now_us(self) -> int:
        """The core's `ts` now, in microseconds since the epoch."""
        ...

    def market_stamp(self, stamp_us: int) -> None:
        """The market said what time it is (IB tick 45). A wall clock ignores it; a market clock moves to it."""
        ...


class OrderNotSentError(Exception):
    """The order or cancel did not leave this process; the text says why."""


class FatalVenueError(Exception):
    """The daemon must not go on (exit 2): an unknown leg, a live account without consent."""


class Venue(Protocol):
    """Where orders go.

    The one rule: everything a venue learns is emitted as an event, in the order learned, from the loop's thread.
    """

    async def run(self, emit: Emit) -> None:
        """Connect, synchronise, serve and reconnect until cancelled.

        Emits `Link` on every change; before SYNCED it has emitted Instruments, Sessions, a complete
        BrokerReport (reason "connect") and the first AccountReported. Raises FatalVenueError.
        """
        ...

    def not_ready(self) -> str | None:
        """None when an order sent now would reach the socket at once; else the reason in a few words."""
        ...

    def place(self, order: PlaceOrder) -> None:
        """Send an order. Raises OrderNotSentError if it certainly did not leave."""
        ...

    def modify(self, order: ModifyOrder) -> None:
        """Change quantity and limit of an own working order in place: same order id, same orderRef, nothing new.

        Raises OrderNotSentError if it certainly did not leave (also when the order is not known to work on this
        connection). The venue's answer is an OrderReport with the new `limit_price`, or ModifyRefused.
        """
        ...

    def cancel(self, order_ref: str) -> None:
        """Ask to cancel an own order. Raises OrderNotSentError when it is not known here."""
        ...

    def reconcile(self, reason: str, *, fresh_connection: bool) -> None:
        """Gather a BrokerReport in the background and emit it; failures are retried or end in Link DOWN."""
        ...

    def probe(self) -> None:
        """Measure one round trip in the background and emit ProbeAnswered."""
        ...

    async def close(self) -> None:
        """Leave in an orderly way; no event follows."""
        ...
