"""Executions and commissions: the only way shares, cash and an order's filled quantity ever change."""

import msgspec

from daemon.core.effects import CancelTimer, Sample
from daemon.core.events import Commission, Execution
from daemon.core.instruments import TOLERANCE, is_option_of
from daemon.core.ledger import SALVAGED, Fill, ForeignFill, book_commission, book_fill, book_sent, is_news, known_fill
from daemon.core.order_life import OrderState, OrderTrigger, OwnOrder
from daemon.core.turn import Turn
from state.records import JournalType

PARKED_KEPT = 256
"""Commissions without a known execution to remember: other clients' are among them."""


def is_own(turn: Turn, order_ref: str | None) -> bool:
    """Whether an order or execution carries this desk's reference."""
    prefix = f"{turn.book.desk}.{turn.book.ledger.ledger_id}."
    return order_ref is not None and order_ref.startswith(prefix)


def on_execution(turn: Turn, event: Execution) -> None:
    """Book one execution, ours or somebody else's; a repeat changes nothing."""
    if is_own(turn, event.order_ref) and event.instrument == turn.book.underlying:
        if is_news(turn.book.ledger, event.exec_key, event.revision):
            _own_execution(turn, event)
            _join_parked(turn, event.exec_key)
    elif not is_own(turn, event.order_ref):
        _foreign_execution(turn, event)


def claim_number(turn: Turn, order_ref: str) -> None:
    """A number that the venue knows, whatever the journal says, is never given to another order."""
    if _number(order_ref) >= turn.book.ledger.next_order:
        turn.change_ledger(next_order=_number(order_ref) + 1)


def _number(order_ref: str) -> int:
    """The number at the end of a reference; -1 for what this desk would not have written."""
    tail = order_ref.rsplit(".", 1)[-1]
    return int(tail) if tail.isascii() and tail.isdigit() else -1


def found_sent(turn: Turn, order: OwnOrder) -> OwnOrder:
    """An order whose sending a crash kept out of the journal has turned up at the venue: it counts from now."""
    if order.state != OrderState.INTENDED:
        return order
    moved = turn.move_order(order, OrderTrigger.SENT, sent_us=turn.book.ts_us)
    note_sent(turn, moved, reason="found at the venue")
    return moved


def note_sent(turn: Turn, order: OwnOrder, *, reason: str | None = None, latency_ms: float | None = None) -> None:
    """Journal that an order has left; a hedge counts for today and starts the cooldown."""
    turn.put_ledger(book_sent(turn.book.ledger, turn.book.ts_us, closing=order.closing))
    turn.record_order(
        JournalType.ORDER_SENT,
        order,
        status="sent",
        reason=reason,
        latency_ms=latency_ms,
        data={"closing": order.closing},
    )


def _own_execution(turn: Turn, event: Execution) -> None:
    order_ref = event.order_ref if event.order_ref is not None else ""
    earlier = known_fill(turn.book.ledger, event.exec_key)
    decided = turn.book.orders.get(order_ref)
    fill = Fill(
        exec_key=event.exec_key,
        revision=event.revision,
        order_ref=order_ref,
        side=event.side,
        quantity=event.quantity,
        price=event.price,
        executed_us=event.executed_us,
        commission_usd=None if earlier is None else earlier.commission_usd,
        decision_mid=decided.decision_mid if earlier is None and decided is not None else _decision_mid(earlier),
    )
    was_given = _number(order_ref) < turn.book.ledger.next_order
    turn.put_ledger(book_fill(turn.book.ledger, fill))
    claim_number(turn, order_ref)
    order = turn.book.orders.get(order_ref)
    if order is None and earlier is not None:
        # A correction of an order that ended long ago: only its executions are still remembered.
        _record_fill(turn, None, fill, complete=True)
        return
    if order is None and was_given and turn.book.ledger.is_salvaged:
        # Its intent lay in the lines that were lost: the broker's word is what the salvage counts on.
        _record_fill(turn, None, fill, complete=True, reason=SALVAGED)
        return
    if order is None:
        # Ours by its reference but not in this journal's memory: the shares are real all the same.
        turn.halt("orphan_execution", f"{event.exec_key} of {order_ref}: no intent in the journal")
        _record_fill(turn, None, fill, complete=True)
        return
    if order.state == OrderState.BLOCKED:
        turn.halt("orphan_execution", f"{event.exec_key} of {order_ref}: the order was kept here, yet it filled")
    order = _fill_order(turn, found_sent(turn, order), fill, earlier)
    _record_fill(turn, order, fill, complete=order.remaining <= TOLERANCE)
    if order.filled > order.quantity + TOLERANCE:
        turn.halt("overfill", f"{order_ref}: filled {order.filled:g} of {order.quantity:g}")
    if order.filled > 0 and not order.closing:
        turn.change_ledger(last_hedge_price=order.fill_value / order.filled)
    turn.do(Sample(kind="fill", data=_sampled(fill)))


def _decision_mid(earlier: Fill | None) -> float | None:
    return None if earlier is None else earlier.decision_mid


def _slippage_usd(fill: Fill) -> float | None:
    return None if fill.decision_mid is None else round(fill.slippage_usd, 6)


def _sampled(fill: Fill) -> dict[str, object]:
    """What the history keeps of a fill: enough for statistics of slippage without the journal."""
    return {
        "order_ref": fill.order_ref,
        "exec_key": fill.exec_key,
        "revision": fill.revision,
        "side": fill.side,
        "price": fill.price,
        "quantity": fill.quantity,
        "decision_mid": fill.decision_mid,
        "slippage_usd": _slippage_usd(fill),
    }


def _fill_order(turn: Turn, order: OwnOrder, fill: Fill, earlier: Fill | None) -> OwnOrder:
    filled = order.filled + fill.quantity - (0.0 if earlier is None else earlier.quantity)
    value = order.fill_value + fill.quantity * fill.price
    if earlier is not None:
        value -= earlier.quantity * earlier.price
    complete = filled >= order.quantity - TOLERANCE
    trigger = OrderTrigger.ALL_FILLED if complete else OrderTrigger.PART_FILLED
    moved = turn.move_order(order, trigger, filled=filled, fill_value=value)
    turn.do(CancelTimer(key=f"ack:{order.order_ref}"))
    if not moved.in_flight:
        settle(turn, moved)
    return moved


def without(order_refs: tuple[str, ...], order_ref: str) -> tuple[str, ...]:
    """All but that one; the very same where it is not among them, as nearly always."""
    return tuple(each for each in order_refs if each != order_ref) if order_ref in order_refs else order_refs


def settle(turn: Turn, order: OwnOrder) -> None:
    """What ends with an order: its deadlines, and the open questions about it."""
    ref = order.order_ref
    turn.do(*(CancelTimer(key=f"{name}:{ref}") for name in ("ack", "overdue", "inactive", "cancel")))
    if order.limit_price is not None:
        turn.do(CancelTimer(key=f"reprice:{ref}"), CancelTimer(key=f"modify:{ref}"))
        turn.put_order(msgspec.structs.replace(order, modification=None))
    book = turn.book
    turn.put(
        ack_overdue=without(book.ack_overdue, ref),
        overdue=without(book.overdue, ref),
        unknown_orders=without(book.unknown_orders, ref),
    )
    if order.filled > 0:
        turn.change_ledger(consecutive_rejects=0, reject_until_us=None)
        if not order.closing:
            turn.change_ledger(remainder=order.leaves_remainder)


def _record_fill(turn: Turn, order: OwnOrder | None, fill: Fill, *, complete: bool, reason: str | None = None) -> None:
    data = {
        "exec_key": fill.exec_key,
        "revision": fill.revision,
        "executed_us": fill.executed_us,
        "decision_mid": fill.decision_mid,
        "slippage_usd": _slippage_usd(fill),
        "own_shares": turn.book.ledger.own_shares,
    }
    turn.record(
        JournalType.FILL if complete else JournalType.PARTIAL_FILL,
        intent_id=None if order is None else order.intent_id,
        order_ref=fill.order_ref,
        instrument=turn.book.underlying,
        side=fill.side,
        quantity=fill.quantity,
        unit="share",
        price=fill.price,
        ccy="USD",
        status="corrected" if fill.revision > 1 else "filled",
        reason=reason,
        data=data,
    )


def _foreign_execution(turn: Turn, event: Execution) -> None:
    ledger = turn.book.ledger
    known = ledger.foreign_fills
    earlier = known.get(event.exec_key)
    if event.exec_key in ledger.earlier_executions or (earlier is not None and event.revision <= earlier.revision):
        return
    managed = event.instrument == turn.book.underlying or event.instrument in turn.book.specs
    # An option that is no leg yet may become one today: what was traded in it before must be known then.
    if not managed and not is_option_of(event.instrument, turn.book.underlying):
        return
    signed = event.quantity if event.side == "BUY" else -event.quantity
    fill = ForeignFill(
        exec_key=event.exec_key,
        instrument=event.instrument,
        signed_quantity=signed,
        # Before the desk first saw the leg, its trades are no part of the desk's result.
        price=event.price if event.instrument in ledger.leg_quantities else None,
        revision=event.revision,
    )
    turn.change_ledger(foreign_fills={**known, event.exec_key: fill})
    turn.record(
        JournalType.BOOK_FOREIGN,
        instrument=event.instrument,
        side=event.side,
        quantity=event.quantity,
        price=event.price,
        ccy="USD",
        unit="share" if event.instrument == turn.book.underlying else "contract",
        status="foreign",
        reason="executed by another client of the account",
        data={
            "exec_key": event.exec_key,
            "revision": event.revision,
            "client_id": event.client_id,
            "counts_from_price": fill.price is not None,
        },
    )


def on_commission(turn: Turn, event: Commission) -> None:
    """Join a commission to its execution by key; repeats change nothing, and others' are never charged."""
    if event.currency != "USD":
        return
    fill = known_fill(turn.book.ledger, event.exec_key)
    if fill is None:
        _park(turn, event)
        return
    ledger = book_commission(turn.book.ledger, event.exec_key, event.commission_usd)
    if ledger is None:
        return
    turn.put_ledger(ledger)
    order = turn.book.orders.get(fill.order_ref)
    turn.record(
        JournalType.COMMISSION,
        intent_id=None if order is None else order.intent_id,
        order_ref=fill.order_ref,
        instrument=turn.book.underlying,
        price=event.commission_usd,
        ccy=event.currency,
        status="charged",
        data={"exec_key": event.exec_key},
    )


def _park(turn: Turn, event: Commission) -> None:
    """Its execution may follow; of somebody else's it waits until newer ones push it out."""
    ledger = turn.book.ledger
    if event.exec_key in ledger.foreign_fills or event.exec_key in ledger.earlier_executions:
        return
    parked = {**turn.book.parked_commissions, event.exec_key: event.commission_usd}
    if len(parked) > PARKED_KEPT:
        del parked[next(iter(parked))]
    turn.put(parked_commissions=parked)


def _join_parked(turn: Turn, exec_key: str) -> None:
    """The commission that came before its execution."""
    parked = dict(turn.book.parked_commissions)
    commission_usd = parked.pop(exec_key, None)
    if commission_usd is None:
        return
    turn.put(parked_commissions=parked)
    on_commission(
        turn, Commission(ts_us=turn.book.ts_us, exec_key=exec_key, commission_usd=commission_usd, currency="USD")
    )
