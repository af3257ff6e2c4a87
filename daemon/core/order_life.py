"""The life of one own order, as a total table.

    INTENDED --sent--> SENT --acked--> WORKING --part--> PARTIAL --filled--> FILLED
        |                |                |                 |
      blocked         rejected        cancelled         cancelled
        v                v                v                 v
     BLOCKED         REJECTED         CANCELLED         CANCELLED

Executions are the truth: a fill may arrive before any status, after a cancel, even after a rejection.
UNKNOWN is where an order waits whose outcome nobody can tell; it is reconciled, never sent again.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from daemon.core.events import Side
from daemon.core.fsm import Machine


class OrderState(StrEnum):
    """Where an own order is in its life."""

    INTENDED = "intended"
    SENT = "sent"
    WORKING = "working"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class OrderTrigger(StrEnum):
    """What can happen to an own order."""

    SENT = "sent"
    BLOCKED = "blocked"
    ACKED = "acked"
    PART_FILLED = "part_filled"
    ALL_FILLED = "all_filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    LOST_SIGHT = "lost_sight"


IN_FLIGHT = frozenset(
    {OrderState.INTENDED, OrderState.SENT, OrderState.WORKING, OrderState.PARTIAL, OrderState.UNKNOWN}
)
"""States in which shares may still change hands."""


class Modification(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an order's price that the venue has not answered yet; the order may have either price."""

    quantity: float
    limit_price: float
    asked_us: int
    connection: int = 0
    """The broker connection that it was sent over; a report from a later one tells whether it arrived."""
    overdue: bool = False
    """No answer within the deadline: the next report's word on the price ends it."""


class OwnOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order of this desk. Fills are counted from executions, never from statuses."""

    order_ref: str
    intent_id: str
    instrument: str
    side: Side
    quantity: float
    state: OrderState
    decided_us: int
    closing: bool = False
    capped: bool = False
    """More was needed than one order may trade: the rest follows at once."""
    order_type: Literal["MKT", "LMT"] = "MKT"
    limit_price: float | None = None
    """The limit as the venue last confirmed it, or as first sent; None for a market order."""
    modification: Modification | None = None
    """The change of price under way, if any."""
    reprices: int = 0
    """How often the price has been changed."""
    sent_us: int | None = None
    filled: float = 0.0
    fill_value: float = 0.0
    """Sum of quantity times price over the executions; average price = fill_value / filled."""
    decision_mid: float | None = None
    cancel_sent: bool = False
    reason: str | None = None
    run_id: str = ""
    connection: int = 0
    """The broker connection that it was sent over; a report from a later one must show it or its end."""
    lost_on_connection: int | None = None
    """The connection of the report that first missed it, in this run."""
    lost_us: int | None = None
    """`ts` of the first report that missed it, in whatever run; the next run's connection is a fresh one."""

    @property
    def remaining(self) -> float:
        """Shares that may still trade."""
        return self.quantity - self.filled

    @property
    def worst_remaining(self) -> float:
        """Shares that may still trade at worst: of the old and the new quantity, while the venue may hold either."""
        if self.modification is None:
            return self.remaining
        return max(self.quantity, self.modification.quantity) - self.filled

    @property
    def leaves_remainder(self) -> bool:
        """Whether some of what was needed is left over after this order has traded: the rest may follow at once."""
        return self.filled > 0 and (self.capped or self.filled < self.quantity)

    @property
    def in_flight(self) -> bool:
        """Whether this order may still change the position."""
        return self.state in IN_FLIGHT


_O, _T = OrderState, OrderTrigger

_FILLS = {_T.PART_FILLED: _O.PARTIAL, _T.ALL_FILLED: _O.FILLED}

ORDER_LIFE = Machine(
    "OrderLife",
    OrderState,
    OrderTrigger,
    {
        _O.INTENDED: {
            _T.SENT: _O.SENT,
            _T.BLOCKED: _O.BLOCKED,
            # Found in the journal after a crash: it may or may not have left, so the venue's word decides.
            _T.ACKED: _O.WORKING,
            _T.CANCELLED: _O.CANCELLED,
            _T.REJECTED: _O.REJECTED,
            _T.LOST_SIGHT: _O.UNKNOWN,
            **_FILLS,
        },
        _O.SENT: {
            _T.ACKED: _O.WORKING,
            _T.CANCELLED: _O.CANCELLED,
            _T.REJECTED: _O.REJECTED,
            _T.LOST_SIGHT: _O.UNKNOWN,
            **_FILLS,
        },
        _O.WORKING: {
            _T.ACKED: _O.WORKING,  # statuses repeat
            _T.CANCELLED: _O.CANCELLED,
            _T.REJECTED: _O.REJECTED,
            _T.LOST_SIGHT: _O.UNKNOWN,
            **_FILLS,
        },
        _O.PARTIAL: {
            _T.ACKED: _O.PARTIAL,
            _T.CANCELLED: _O.CANCELLED,
            _T.REJECTED: _O.REJECTED,
            _T.LOST_SIGHT: _O.UNKNOWN,
            **_FILLS,
        },
        _O.FILLED: {
            _T.ACKED: _O.FILLED,
            # A cancel that lost its race is answered after the fill.
            _T.CANCELLED: _O.FILLED,
            # A late reject of a cancel or modify names the order, not its fill.
            _T.REJECTED: _O.FILLED,
            # A correction may take shares back; the venue has ended the order all the same.
            _T.PART_FILLED: _O.CANCELLED,
            _T.ALL_FILLED: _O.FILLED,
        },
        _O.CANCELLED: {
            _T.ACKED: _O.CANCELLED,
            _T.CANCELLED: _O.CANCELLED,
            _T.REJECTED: _O.CANCELLED,
            # An execution that raced the cancel: the shares are real, the rest stays cancelled.
            _T.PART_FILLED: _O.CANCELLED,
            _T.ALL_FILLED: _O.FILLED,
        },
        _O.REJECTED: {
            _T.ACKED: _O.REJECTED,
            _T.CANCELLED: _O.REJECTED,
            _T.REJECTED: _O.REJECTED,
            # Brokers have filled what they called rejected; the execution is the truth.
            _T.PART_FILLED: _O.REJECTED,
            _T.ALL_FILLED: _O.FILLED,
        },
        # It never left this process. If the venue fills it nevertheless, the shares are real (and a halt says so).
        _O.BLOCKED: _FILLS,
        _O.UNKNOWN: {
            _T.ACKED: _O.WORKING,
            _T.CANCELLED: _O.CANCELLED,
            _T.REJECTED: _O.REJECTED,
            _T.LOST_SIGHT: _O.UNKNOWN,
            **_FILLS,
        },
    },
)
