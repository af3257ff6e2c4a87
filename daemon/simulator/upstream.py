"""The gateway's own connection to IB: while it is lost nothing is handled, and nothing is told of what happens.

The exchange goes on meanwhile, and what rests there is filled. All of it is told when IB is back.
"""

from collections.abc import Iterable
from typing import Literal

from daemon.simulator.incoming import Received
from daemon.simulator.sessions import Session
from daemon.venues.simulated.model import ExchangeEvent

_LOCAL = frozenset(
    {
        "startApi",
        "reqCurrentTime",
        "reqIds",
        "reqManagedAccts",
        "setServerLogLevel",
        "reqMarketDataType",
        "cancelMktData",
        "cancelPositions",
        "cancelAccountSummary",
        "cancelPnL",
        "cancelPnLSingle",
    }
)
"""What a gateway answers by itself."""
_ORDERS = frozenset({"placeOrder", "modifyOrder", "cancelOrder"})

LOST_TEXT = "Connectivity between IB and Trader Workstation has been lost."


class Upstream:
    """Whether IB is there, and what waits for it. The one rule: every event and request passes while it is lost."""

    def __init__(self) -> None:
        self.lost_code: int | None = None
        """1100 or 2110 while IB is lost."""
        self._orders: Literal["held", "lost"] = "held"
        self._events: list[ExchangeEvent] = []
        self._requests: list[tuple[Session, Received]] = []

    @property
    def is_lost(self) -> bool:
        """Whether IB is out of reach."""
        return self.lost_code is not None

    def lose(self, code: int, orders: Literal["held", "lost"]) -> None:
        """IB is gone; what waits already goes on waiting."""
        self.lost_code = code
        self._orders = orders

    def keeps(self, session: Session, received: Received, name: str) -> bool:
        """Whether this request has to wait (or is lost)."""
        if not self.is_lost or name in _LOCAL:
            return False
        if name not in _ORDERS or self._orders == "held":
            self._requests.append((session, received))
        return True

    def hold(self, events: Iterable[ExchangeEvent]) -> None:
        """Keep what the exchange said until IB is back."""
        self._events.extend(events)

    def restore(self) -> tuple[list[ExchangeEvent], list[tuple[Session, Received]]]:
        """IB is back: what is to be told and then done, in the order it came.

        Questions of clients that have left need no answer, but their orders are passed on all the same.
        """
        events, self._events = self._events, []
        requests, self._requests = self._requests, []
        self.lost_code = None
        return events, [kept for kept in requests if kept[0].link.is_open or kept[1].name in _ORDERS]
