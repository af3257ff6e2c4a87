"""Own orders from intent to end: minting, sending, acknowledgement, rejection, cancellation, deadlines."""

from typing import Any, Literal

import msgspec

from daemon.core.effects import CancelOrder, CancelTimer, PlaceOrder, RequestReconcile, StartTimer
from daemon.core.events import OrderBlocked, OrderReport, OrderSent, Side
from daemon.core.fills import claim_number, found_sent, is_own, note_sent, settle, without
from daemon.core.instruments import TOLERANCE
from daemon.core.ledger import REJECT_BACKOFF_S, book_reject
from daemon.core.limit_price import hedge_limit_price
from daemon.core.modification import note_price
from daemon.core.order_life import OrderState, OrderTrigger, OwnOrder
from daemon.core.recovery import checkpoint
from daemon.core.turn import Turn
from state.records import JournalType

REASON_MS = 250.0
"""How long an inactive order waits for the message that says why."""


def mint(
    turn: Turn,
    *,
    side: Side,
    quantity: float,
    reason: str,
    decision_mid: float | None,
    closing: bool,
    state_code: str | None = None,
    data: dict[str, Any] | None = None,
) -> OwnOrder:
    """Decide an order: journal its intent and ask for it to be placed. The intent is durable before it leaves."""
    book = turn.book
    number = book.ledger.next_order
    limit_price = None if closing else hedge_limit_price(turn.profile, book, side)
    order = OwnOrder(
        order_ref=f"{book.desk}.{book.ledger.ledger_id}.{number}",
        intent_id=f"{book.run_id}-{number}",
        instrument=book.underlying,
        side=side,
        quantity=quantity,
        state=OrderState.INTENDED,
        decided_us=book.ts_us,
        closing=closing,
        capped=data is not None and bool(data.get("capped", False)),
        order_type="MKT" if limit_price is None else "LMT",
        limit_price=limit_price,
        decision_mid=decision_mid,
        run_id=book.run_id,
        connection=book.connection,
    )
    turn.change_ledger(next_order=number + 1)
    turn.put_order(order)
    facts = {**(data if data is not None else {}), "decision_mid": decision_mid, "closing": closing}
    turn.record_order(
        JournalType.INTENT,
        order,
        status="intended",
        reason=reason,
        state_code=state_code,
        price=limit_price,
        data={**facts, "order_type": order.order_type},
    )
    turn.do(
        PlaceOrder(
            order_ref=order.order_ref,
            intent_id=order.intent_id,
            instrument=order.instrument,
            side=side,
            quantity=quantity,
            order_type=order.order_type,
            limit_price=limit_price,
            closing=closing,
        )
    )
    return order


def on_order_sent(turn: Turn, event: OrderSent) -> None:
    """The order is on its way: the cooldown runs from here, and the venue owes an answer."""
    order = turn.book.orders.get(event.order_ref)
    if order is None or order.state != OrderState.INTENDED:
        return  # an execution overtook the note that it was sent
    moved = turn.move_order(order, OrderTrigger.SENT, sent_us=turn.book.ts_us, connection=turn.book.connection)
    note_sent(turn, moved, latency_ms=event.latency_ms)
    turn.do(StartTimer(key=f"ack:{moved.order_ref}", delay_ms=turn.profile.execution.ack_deadline_s * 1000))
    watch_overdue(turn, moved)
    if moved.limit_price is not None:
        delay_ms = turn.profile.execution.reprice_after_s * 1000
        turn.do(StartTimer(key=f"reprice:{moved.order_ref}", delay_ms=delay_ms))


def on_order_blocked(turn: Turn, event: OrderBlocked) -> None:
    """The last look kept the order here: it never existed for the venue."""
    order = turn.book.orders.get(event.order_ref)
    if order is None:
        return
    moved = turn.move_order(order, OrderTrigger.BLOCKED, reason=event.reason)
    turn.record_order(JournalType.REFUSED, moved, status="not_sent", reason=event.reason)
    settle(turn, moved)


def on_order_report(turn: Turn, event: OrderReport) -> None:
    """The venue's word on an order. Statuses repeat, come late or never; fills are counted elsewhere."""
    if not is_own(turn, event.order_ref):
        _foreign_order(turn, event)
        return
    order = turn.book.orders.get(event.order_ref if event.order_ref is not None else "")
    if order is None:
        _adopt(turn, event)
        return
    if event.status not in ("submitted", "working") and order.order_ref in turn.book.mismatched:
        turn.put(mismatched=without(turn.book.mismatched, order.order_ref))
    note_price(turn, order, event)
    order = turn.book.orders[order.order_ref]
    if event.status in ("submitted", "working"):
        _acknowledged(turn, order)
    elif event.status == "filled" and order.in_flight and order.filled < order.quantity:
        # The word came before the execution that proves it; the ack deadline asks if none follows.
        _acknowledged(turn, order)
        turn.do(StartTimer(key=f"ack:{order.order_ref}", delay_ms=turn.profile.execution.ack_deadline_s * 1000))
    elif event.status == "cancelled" and order.in_flight:
        ended(turn, order, OrderTrigger.CANCELLED, JournalType.CANCELLED, event.reason)
    elif event.status == "inactive" and event.reason is None and order.in_flight:
        # A rejection whose text comes in a message of its own, just before or just after.
        turn.do(StartTimer(key=f"inactive:{order.order_ref}", delay_ms=REASON_MS))
    elif event.status in ("rejected", "inactive") and order.in_flight:
        _rejected(turn, order, event.reason)


def _rejected(turn: Turn, order: OwnOrder, reason: str | None) -> None:
    ended(turn, order, OrderTrigger.REJECTED, JournalType.REJECTED, reason)
    _back_off(turn, reason)


def on_reason_overdue(turn: Turn, order_ref: str) -> None:
    """Inactive, and nobody says why: rejected all the same (one that is held for a locate is not told as inactive).

    What the venue may only hold back could still come alive beside the next order, so it is asked to cancel it.
    """
    order = turn.book.orders.get(order_ref)
    if order is None or not order.in_flight:
        return
    _rejected(turn, order, "inactive; the venue gave no reason")
    turn.record_order(JournalType.CANCEL_SENT, order, status="cancelling", reason="inactive; the venue gave no reason")
    turn.do(CancelOrder(order_ref=order_ref))


def on_live_report(turn: Turn, event: OrderReport) -> None:
    """A status as it comes. What may be a false end is looked into before anything else leaves.

    Brokers have called orders cancelled that were live and filled. So a cancel that nobody here asked for, a status
    that calls an ended order live, and one that ends an order with more filled than its executions say make the desk
    ask for everything first: only the whole truth tells.
    """
    before = turn.book.orders.get(event.order_ref) if event.order_ref is not None else None
    on_order_report(turn, event)
    if before is None:
        return
    after = turn.book.orders[before.order_ref]
    if event.status == "cancelled" and before.in_flight and not before.cancel_sent:
        look_first(turn, "unasked_cancel")
    elif event.status in ("submitted", "working") and before.state in (OrderState.CANCELLED, OrderState.REJECTED):
        look_first(turn, "ended_order_live")
    elif not after.in_flight and event.filled > after.filled + TOLERANCE:
        look_first(turn, "execution_missing")


def look_first(turn: Turn, why: str) -> None:
    """Nothing leaves before a report that is asked for now: one that is under way was gathered before."""
    turn.put(reconciled=False, awaited_report=why)
    turn.do(RequestReconcile(reason=why))


def _foreign_order(turn: Turn, event: OrderReport) -> None:
    orders = dict(turn.book.foreign_orders)
    if event.status in ("submitted", "working"):
        orders[event.perm_id] = event
    else:
        orders.pop(event.perm_id, None)
    turn.put(foreign_orders=orders)


def _adopt(turn: Turn, event: OrderReport) -> None:
    """Ours by its reference, and working, but in no journal (it left while none could be written): cancel it."""
    if event.status not in ("submitted", "working") or event.order_ref is None:
        return
    order = OwnOrder(
        order_ref=event.order_ref,
        intent_id="",
        instrument=event.instrument,
        side=event.side,
        quantity=event.quantity,
        state=OrderState.WORKING,
        decided_us=turn.book.ts_us,
        run_id=turn.book.run_id,
        connection=turn.book.connection,
    )
    claim_number(turn, order.order_ref)
    turn.put_order(order)
    turn.record_order(JournalType.ORDER_ACKED, order, status="working", reason="no intent in the journal")
    cancel(turn, order, "no intent in the journal")
    watch_overdue(turn, order)
    turn.do(checkpoint(turn.book))


def _acknowledged(turn: Turn, order: OwnOrder) -> None:
    if not order.in_flight:
        return
    first = order.state in (OrderState.INTENDED, OrderState.SENT, OrderState.UNKNOWN)
    # One that was out of sight, and has been filled in part since: a restart must not count from back then.
    first = first or order.lost_us is not None
    moved = turn.move_order(found_sent(turn, order), OrderTrigger.ACKED, lost_on_connection=None, lost_us=None)
    turn.do(CancelTimer(key=f"inactive:{order.order_ref}"))
    if first:
        turn.record_order(JournalType.ORDER_ACKED, moved, status="working")
        turn.do(CancelTimer(key=f"ack:{order.order_ref}"))
    if order.state == OrderState.UNKNOWN and order.cancel_sent:
        cancel(turn, moved, "found again")
    book = turn.book
    turn.put(
        unknown_orders=without(book.unknown_orders, order.order_ref),
        ack_overdue=without(book.ack_overdue, order.order_ref),
    )


def ended(
    turn: Turn,
    order: OwnOrder,
    trigger: Literal[OrderTrigger.CANCELLED, OrderTrigger.REJECTED],
    kind: JournalType,
    reason: str | None,
) -> None:
    """An order is over without being filled whole."""
    moved = turn.move_order(order, trigger, reason=reason)
    turn.record_order(
        kind,
        moved,
        status=moved.state.value,
        reason=reason,
        data={"filled": moved.filled, "remaining": moved.remaining},
    )
    settle(turn, moved)


def _back_off(turn: Turn, reason: str | None) -> None:
    turn.put_ledger(book_reject(turn.book.ledger, turn.book.ts_us))
    count = turn.book.ledger.consecutive_rejects
    if count >= len(REJECT_BACKOFF_S):
        turn.halt("repeated_rejects", f"{count} orders rejected in a row, last: {reason}")


def cancel_in_flight(turn: Turn, why: str, *, closing_too: bool) -> bool:
    """Ask for every own order in flight to be cancelled, once each; True when there is nothing left to cancel."""
    left = False
    for order in turn.book.in_flight():
        if order.closing and not closing_too:
            continue
        left = True
        if order.cancel_sent or order.state == OrderState.INTENDED:
            continue
        cancel(turn, order, why)
    return not left


def cancel(turn: Turn, order: OwnOrder, why: str) -> None:
    """Ask for a cancel now, or as soon as the link is synchronised."""
    turn.put_order(msgspec.structs.replace(order, cancel_sent=True))
    if turn.book.link.state == "SYNCED":
        turn.record_order(JournalType.CANCEL_SENT, order, status="cancelling", reason=why)
        turn.do(CancelOrder(order_ref=order.order_ref))
        delay_ms = turn.profile.execution.ack_deadline_s * 1000
        turn.do(StartTimer(key=f"cancel:{order.order_ref}", delay_ms=delay_ms))


def on_cancel_deadline(turn: Turn, order_ref: str) -> None:
    """A cancel without an answer: ask where the order stands, and ask for the cancel again, which harms nothing."""
    order = turn.book.orders.get(order_ref)
    if order is None or not order.in_flight or not order.cancel_sent:
        return
    turn.do(RequestReconcile(reason="cancel_deadline"))
    cancel(turn, order, "no answer to the first one")


def repeat_cancels(turn: Turn) -> None:
    """The link is synchronised again: a cancel that was asked for before may never have arrived."""
    for order in turn.book.in_flight():
        if order.cancel_sent:
            cancel(turn, order, "the link is back")


def watch_overdue(turn: Turn, order: OwnOrder) -> None:
    """From now on, an order unfilled for too long turns the light red."""
    turn.do(StartTimer(key=f"overdue:{order.order_ref}", delay_ms=turn.profile.execution.hedge_deadline_ms))


def on_ack_deadline(turn: Turn, order_ref: str) -> None:
    """No answer in time: ask the venue what became of the order; it is never sent again."""
    order = turn.book.orders.get(order_ref)
    if order is None or not order.in_flight or order_ref in turn.book.ack_overdue:
        return
    turn.put(ack_overdue=(*turn.book.ack_overdue, order_ref))
    turn.do(RequestReconcile(reason="ack_deadline"))


def on_overdue(turn: Turn, order_ref: str) -> None:
    """An order has been unfilled for too long: the light goes red until it ends. A limit order is given up."""
    order = turn.book.orders.get(order_ref)
    if order is None or not order.in_flight or order_ref in turn.book.overdue:
        return
    turn.put(overdue=(*turn.book.overdue, order_ref))
    if order.limit_price is not None and not order.cancel_sent:
        cancel(turn, order, "unfilled for too long; the rest is decided anew")
