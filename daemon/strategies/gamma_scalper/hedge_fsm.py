"""HedgeFSM: the life of the hedge under way, as a total table.

    EXEC_IDLE -> PLAN -> SEND -> WAIT_ACK -> WORKING -> PARTIAL -> FILLED -> EXEC_IDLE
                                    any of them -> CANCEL | RECOVER | FAIL

The machine follows one own order through the book. A look may come after several reports at once, so an order in
flight may skip states forward; it never goes back without one of the odd rows below.
"""

from enum import StrEnum

from daemon.core.fsm import Machine
from daemon.core.order_life import OrderState, OwnOrder


class HedgeState(StrEnum):
    """Where the hedge under way is."""

    EXEC_IDLE = "EXEC_IDLE"
    PLAN = "PLAN"
    SEND = "SEND"
    WAIT_ACK = "WAIT_ACK"
    WORKING = "WORKING"
    PARTIAL = "PARTIAL"
    REPRICE = "REPRICE"
    CANCEL = "CANCEL"
    RECOVER = "RECOVER"
    FILLED = "FILLED"
    FAIL = "FAIL"


class HedgeTrigger(StrEnum):
    """What a look at the order finds."""

    WISHED = "wished"
    DROPPED = "dropped"
    INTENDED = "intended"
    SENT = "sent"
    ACKED = "acked"
    PART_FILLED = "part_filled"
    REPRICED = "repriced"
    CANCEL_SENT = "cancel_sent"
    LOST_SIGHT = "lost_sight"
    ALL_FILLED = "all_filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    SETTLED = "settled"


_S, _T = HedgeState, HedgeTrigger

_ENDS = {_T.ALL_FILLED: _S.FILLED, _T.CANCELLED: _S.FAIL, _T.REJECTED: _S.FAIL}
_LIVES = {
    _T.ACKED: _S.WORKING,
    _T.PART_FILLED: _S.PARTIAL,
    _T.CANCEL_SENT: _S.CANCEL,
    _T.LOST_SIGHT: _S.RECOVER,
    # While the venue owes an answer to a change of price; an order found after a restart may be in the middle of one.
    _T.REPRICED: _S.REPRICE,
}

HEDGE = Machine(
    "HedgeFSM",
    HedgeState,
    HedgeTrigger,
    {
        # An order that nobody planned in this run was found after a restart, or came back to life after its end.
        _S.EXEC_IDLE: {_T.WISHED: _S.PLAN, _T.INTENDED: _S.SEND, _T.SENT: _S.WAIT_ACK, **_LIVES},
        # DROPPED: the core had its own reason not to make an order of the wish.
        _S.PLAN: {
            _T.DROPPED: _S.EXEC_IDLE,
            _T.INTENDED: _S.SEND,
            _T.SENT: _S.WAIT_ACK,
            _T.BLOCKED: _S.FAIL,
            **_LIVES,
            **_ENDS,
        },
        _S.SEND: {_T.INTENDED: _S.SEND, _T.SENT: _S.WAIT_ACK, _T.BLOCKED: _S.FAIL, **_LIVES, **_ENDS},
        _S.WAIT_ACK: {_T.SENT: _S.WAIT_ACK, **_LIVES, **_ENDS},
        _S.WORKING: {**_LIVES, **_ENDS},
        _S.PARTIAL: {
            # An execution that was corrected down to nothing leaves the order merely working.
            **_LIVES,
            **_ENDS,
        },
        # Only limit orders come here; a market order has no price to move.
        _S.REPRICE: {**_LIVES, **_ENDS},
        # A cancel may lose its race: the order works on, or fills. Its own fills do not end it.
        _S.CANCEL: {**_LIVES, **_ENDS},
        # Lost from sight until a reconciliation tells; never sent again.
        _S.RECOVER: {**_LIVES, **_ENDS},
        # A broker's correction may take shares back after the fill.
        _S.FILLED: {_T.SETTLED: _S.EXEC_IDLE, **_LIVES},
        # A fill may arrive after a cancel, even after a rejection.
        _S.FAIL: {_T.SETTLED: _S.EXEC_IDLE, **_LIVES},
    },
)

_BY_ORDER_STATE = {
    OrderState.INTENDED: _T.INTENDED,
    OrderState.SENT: _T.SENT,
    OrderState.WORKING: _T.ACKED,
    OrderState.PARTIAL: _T.PART_FILLED,
    OrderState.FILLED: _T.ALL_FILLED,
    OrderState.CANCELLED: _T.CANCELLED,
    OrderState.REJECTED: _T.REJECTED,
    OrderState.BLOCKED: _T.BLOCKED,
    OrderState.UNKNOWN: _T.LOST_SIGHT,
}


def trigger_of(order: OwnOrder) -> HedgeTrigger:
    """What a look at this order finds; a cancel or a new price under way says more than the state it changes."""
    if order.cancel_sent and order.state in (OrderState.SENT, OrderState.WORKING, OrderState.PARTIAL):
        return _T.CANCEL_SENT
    if order.modification is not None and order.state in (OrderState.WORKING, OrderState.PARTIAL):
        return _T.REPRICED
    return _BY_ORDER_STATE[order.state]


def after_look(hedge: HedgeState, order: OwnOrder | None) -> HedgeState:
    """The hedge state after a look at the order that it follows; None when the book shows no such order."""
    if hedge is _S.EXEC_IDLE and (order is None or not order.in_flight):
        return hedge
    if hedge in (_S.FILLED, _S.FAIL) and (order is None or not order.in_flight):
        return HEDGE.next(hedge, _T.SETTLED)
    if order is None:
        return HEDGE.next(hedge, _T.DROPPED)
    return HEDGE.next(hedge, trigger_of(order))
