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

import msgspec

from daemon.core.events import Side


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
    sent_us: int | None = None
    filled: float = 0.0
    fill_value: float = 0.0
    """Sum of quantity times price over the executions; average price = fill_value / filled."""
    decision_mid: float | None = None
    cancel_sent: bool = False
    reason: str | None = None
    run_id: str = ""

    @property
    def remaining(self) -> float:
        """Shares that may still trade."""
        return self.quantity - self.filled

    @property
    def in_flight(self) -> bool:
        """Whether this order may still change the position."""
        return self.state in IN_FLIGHT

    @property
    def signed_remaining(self) -> float:
        """Remaining shares, negative for a sale."""
        return self.remaining if self.side == "BUY" else -self.remaining
