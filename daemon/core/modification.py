"""A change of an own order's price, from the decision to the venue's answer.

A modification is asked for like an order: its record (`modify_sent`) is durable before it leaves, and it has an
outcome. Until the venue says which price the order has, it may have either; nothing is asked for twice meanwhile.
The order stays one order under one reference: a modification never makes a second one.
"""

import msgspec

from daemon.core.effects import CancelTimer, ModifyOrder, RequestReconcile, StartTimer
from daemon.core.events import BrokerReport, ModifyBlocked, ModifyRefused, ModifySent, OrderReport
from daemon.core.ledger import count_order_message
from daemon.core.limit_price import same_price
from daemon.core.order_life import Modification, OwnOrder
from daemon.core.turn import Turn
from state.records import JournalType


def modify(turn: Turn, order: OwnOrder, price: float) -> None:
    """Ask for another limit of a working order. It counts as an order message from the moment it is recorded."""
    change = Modification(
        quantity=order.quantity, limit_price=price, asked_us=turn.book.ts_us, connection=turn.book.connection
    )
    changed = msgspec.structs.replace(order, modification=change, reprices=order.reprices + 1)
    turn.put_order(changed)
    turn.put_ledger(count_order_message(turn.book.ledger, turn.book.ts_us))
    turn.record_order(
        JournalType.MODIFY_SENT,
        changed,
        status="modifying",
        price=price,
        reason="the touch has moved",
        data={"old_price": order.limit_price, "reprices": changed.reprices, "filled": order.filled},
    )
    turn.do(ModifyOrder(order_ref=order.order_ref, quantity=change.quantity, limit_price=price))


def on_modify_sent(turn: Turn, event: ModifySent) -> None:
    """The modification is on its way: the venue owes an answer."""
    order = turn.book.orders.get(event.order_ref)
    if order is not None and order.modification is not None:
        delay_ms = turn.profile.execution.ack_deadline_s * 1000
        turn.do(StartTimer(key=f"modify:{order.order_ref}", delay_ms=delay_ms))


def on_modify_blocked(turn: Turn, event: ModifyBlocked) -> None:
    """The last look kept it here: the order has its old price."""
    order = turn.book.orders.get(event.order_ref)
    if order is not None and order.modification is not None:
        _not_modified(turn, order, status="not_sent", reason=event.reason)


def on_modify_refused(turn: Turn, event: ModifyRefused) -> None:
    """The venue refused: the order has its old price, unless the refusal has ended it; the venue is asked which."""
    order = turn.book.orders.get(event.order_ref)
    if order is not None and order.modification is not None:
        _not_modified(turn, order, status="refused", reason=event.reason)
        turn.do(RequestReconcile(reason="modify_refused"))


def _not_modified(turn: Turn, order: OwnOrder, *, status: str, reason: str) -> None:
    asked = order.modification
    turn.put_order(msgspec.structs.replace(order, modification=None))
    turn.record_order(
        JournalType.MODIFY_REFUSED,
        order,
        status=status,
        reason=reason,
        price=order.limit_price,
        data={"asked_price": None if asked is None else asked.limit_price},
    )
    turn.do(CancelTimer(key=f"modify:{order.order_ref}"))


def on_modify_deadline(turn: Turn, order_ref: str) -> None:
    """No answer in time: which price the order has is unknown until the venue lists it. It is not asked for again."""
    order = turn.book.orders.get(order_ref)
    if order is None or not order.in_flight or order.modification is None or order.modification.overdue:
        return
    overdue = msgspec.structs.replace(order.modification, overdue=True)
    turn.put_order(msgspec.structs.replace(order, modification=overdue))
    turn.do(RequestReconcile(reason="modify_deadline"))


def note_price(turn: Turn, order: OwnOrder, event: OrderReport) -> None:
    """The venue's word on an own order's limit: it confirms a modification, or tells of another."""
    price = event.limit_price
    if price is None or order.limit_price is None or not order.in_flight:
        return
    asked = order.modification
    confirmed = asked is not None and same_price(asked.limit_price, price)
    if not confirmed and (asked is not None or same_price(order.limit_price, price)):
        return
    changed = msgspec.structs.replace(order, limit_price=price, modification=None)
    turn.put_order(changed)
    turn.record_order(
        JournalType.MODIFIED,
        changed,
        status="modified",
        price=price,
        reason=None if confirmed else "the venue has another price than was confirmed here",
        data={"old_price": order.limit_price, "reprices": order.reprices},
    )
    turn.do(CancelTimer(key=f"modify:{order.order_ref}"))


def judge_modification(turn: Turn, listed: OrderReport, event: BrokerReport) -> None:
    """A complete report lists the order with its old price: a modification that had time to arrive did not happen."""
    order = turn.book.orders.get(listed.order_ref) if listed.order_ref is not None else None
    if order is None or order.modification is None or not order.in_flight or listed.limit_price is None:
        return
    asked = order.modification
    if asked.overdue or asked.connection < event.connection:
        _not_modified(turn, order, status="not_taken", reason="the venue lists the order with its old price")
