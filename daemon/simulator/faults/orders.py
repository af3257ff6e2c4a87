"""Faults of an order's life: what becomes of it, and how that is told.

Which of them an order has is decided once, when it arrives: one order is one hit.
"""

from typing import Literal

from daemon.simulator.faults.base import FaultKind, LineEnd

Arrangement = Literal["executions_first", "executions_last", "commissions_first", "reversed", "shuffled"]


class RejectOrders(FaultKind, frozen=True, kw_only=True, tag="reject_orders"):
    """New orders are refused with this error and do not exist."""

    code: int = 201
    text: str = "Order rejected - reason:fault script"


class RejectModifies(FaultKind, frozen=True, kw_only=True, tag="reject_modifies"):
    """Changes of a working order are refused with this error; the order works on as it was."""

    code: int = 201
    text: str = "Order rejected - reason:fault script"


class SwallowOrders(FaultKind, frozen=True, kw_only=True, tag="swallow_orders"):
    """New orders get lost: neither obeyed nor answered."""


class DropAfterOrder(FaultKind, frozen=True, kw_only=True, tag="drop_after_order"):
    """The order is executed, then the connection ends before a word of it is said."""

    how: LineEnd = "rst"


class NoOrderStatus(FaultKind, frozen=True, kw_only=True, tag="no_order_status"):
    """Of this order only executions and commissions are told, never openOrder or orderStatus."""


class ArrangeOrderEvents(FaultKind, frozen=True, kw_only=True, tag="arrange_order_events"):
    """What is told of this order at one time comes in another order."""

    arrangement: Arrangement = "executions_first"
    seed: int = 0
    """Of `shuffled`: the same seed shuffles alike."""


class RepeatOrderEvents(FaultKind, frozen=True, kw_only=True, tag="repeat_order_events"):
    """Statuses of this order, and its executions where asked for, are told several times."""

    times: int = 3
    executions: bool = False


class PartialFills(FaultKind, frozen=True, kw_only=True, tag="partial_fills"):
    """The order is filled in these quantities; the rest is filled too, works on for ever, or is cancelled."""

    slices: tuple[float, ...]
    rest: Literal["fill", "wait", "cancel"] = "cancel"
    per_step: bool = False
    """One slice each step of the market instead of all at once."""


class Overfill(FaultKind, frozen=True, kw_only=True, tag="overfill"):
    """When the order is filled, so much more of it is executed."""

    quantity: float = 1.0


class CorrectExecutions(FaultKind, frozen=True, kw_only=True, tag="correct_executions"):
    """Each execution of this order is corrected once (revision .02) so many wall seconds later."""

    price_change_usd: float = 0.01
    quantity_change: float = 0.0
    delay_s: float = 0.0


class DelayCommissions(FaultKind, frozen=True, kw_only=True, tag="delay_commissions"):
    """Commission reports come so many wall seconds late; null is never."""

    delay_s: float | None = None


class ForeignCommissions(FaultKind, frozen=True, kw_only=True, tag="foreign_commissions"):
    """This client also hears the commissions of other clients' executions."""


class InformOrders(FaultKind, frozen=True, kw_only=True, tag="inform_orders"):
    """Behind the order's first status comes this code, which reads like an error and ends nothing."""

    code: int = 399
    text: str = "Order Message: Warning: your order is subject to a fault script"


class InactivateOrders(FaultKind, frozen=True, kw_only=True, tag="inactivate_orders"):
    """The order becomes Inactive: held with a `why_held`, and works after so many steps; without one it is dead."""

    why_held: str = "locate"
    hold_steps: int | None = 1
    """Null holds it until it is cancelled."""
    code: int = 201
    """Of the error that comes with a dead one."""
    text: str = "Order rejected - reason:margin (fault script)"


class RaceCancels(FaultKind, frozen=True, kw_only=True, tag="race_cancels"):
    """The order is filled while its cancel is on the way: refused, not found, or even confirmed before the fill."""

    outcome: Literal["filled_10148", "filled_10147", "filled_after_202"] = "filled_10148"


OrderFault = (
    RejectOrders
    | RejectModifies
    | SwallowOrders
    | DropAfterOrder
    | NoOrderStatus
    | ArrangeOrderEvents
    | RepeatOrderEvents
    | PartialFills
    | Overfill
    | CorrectExecutions
    | DelayCommissions
    | ForeignCommissions
    | InformOrders
    | InactivateOrders
    | RaceCancels
)
