"""From journal lines back to a ledger, and from a book to the checkpoint that later recoveries start from."""

from collections.abc import Iterable
from typing import Any

import msgspec

from daemon.core.book import Book
from daemon.core.effects import Record
from daemon.core.flatten_fsm import RUNNING
from daemon.core.fsm import IllegalTransitionError
from daemon.core.instruments import TOLERANCE
from daemon.core.ledger import (
    Fill,
    ForeignFill,
    Halt,
    Ledger,
    book_commission,
    book_fill,
    book_reject,
    book_reset,
    book_sent,
    count_order_message,
    is_news,
    known_fill,
)
from daemon.core.order_life import ORDER_LIFE, Modification, OrderState, OrderTrigger, OwnOrder
from state.records import JournalLine, JournalType
from state.times import us_from_iso


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal remembers. `ledger` is None for a new desk; `orders` are those that had not ended."""

    ledger: Ledger | None = None
    orders: dict[str, OwnOrder] = {}
    ended: dict[str, OwnOrder] = {}
    """Orders that ended lately: an execution that raced a cancel may still come for them."""
    flatten_started: bool = False
    """A flatten was started and has no end: it resumes at any age."""
    flatten_agreed: bool = False
    """The operator's number for that flatten was found to be right."""
    flatten_done_us: int | None = None
    """`since_us` of the file of the last flatten that was verified: that very file asks for nothing any more."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The `data` of a `ledger_checkpoint` line."""

    ledger: Ledger
    orders: dict[str, OwnOrder] = {}
    flatten_started: bool = False
    flatten_agreed: bool = False
    flatten_done_us: int | None = None

    def record(self) -> Record:
        """The line that holds it. A whole ledger is large: a backtest, which journals nothing, never makes it plain."""
        return Record(type=JournalType.LEDGER_CHECKPOINT, status="checkpoint", data=self)


def checkpoint(book: Book) -> Record:
    """The journal line from which `recover` can start without reading anything older."""
    ledger = msgspec.structs.replace(book.ledger, attribution=book.day.attribution)
    if book.day.marks:
        ledger = msgspec.structs.replace(ledger, last_marks=book.day.marks)
    whole = Checkpoint(
        ledger=ledger,
        orders=book.orders,
        flatten_started=book.flatten.resuming or book.flatten.state in RUNNING,
        flatten_agreed=book.flatten.agreed,
        flatten_done_us=book.flatten.done_us,
    )
    return whole.record()


def recover(lines: Iterable[JournalLine]) -> Recovered:
    """Fold journal lines, oldest first. Lines before the last checkpoint may be left out by the caller.

    Raises msgspec.ValidationError on a checkpoint that does not fit, ValueError on lines that contradict it.
    What the run's own table forbade is not folded either: a line of it says that the order had moved on.
    """
    recovered = Recovered()
    for line in lines:
        recovered = fold(recovered, line)
    return settled(recovered)


def fold(recovered: Recovered, line: JournalLine) -> Recovered:
    """What is remembered after one more line; ended orders are still among `orders`. Raises as `recover`."""
    if line.type == JournalType.LEDGER_CHECKPOINT:
        start = msgspec.convert(line.data, Checkpoint)
        return Recovered(
            ledger=start.ledger,
            orders=start.orders,
            flatten_started=start.flatten_started,
            flatten_agreed=start.flatten_agreed,
            flatten_done_us=start.flatten_done_us,
        )
    return recovered if recovered.ledger is None else _fold(recovered, recovered.ledger, line)


def settled(recovered: Recovered) -> Recovered:
    """After the last line: the orders that had not ended apart from those that had."""
    in_flight = {ref: order for ref, order in recovered.orders.items() if order.in_flight}
    ended = {ref: order for ref, order in recovered.orders.items() if not order.in_flight}
    return msgspec.structs.replace(recovered, orders=in_flight, ended=ended)


def _fold(recovered: Recovered, ledger: Ledger, line: JournalLine) -> Recovered:
    kind = line.type
    if kind in _ORDER_LINES or (kind, line.status) in _ORDER_STATUSES:
        return _fold_order(recovered, ledger, line)
    if kind in _MODIFICATIONS:
        return _fold_modification(recovered, ledger, line)
    if kind in (JournalType.FILL, JournalType.PARTIAL_FILL):
        return _fold_fill(recovered, ledger, line)
    if kind == JournalType.COMMISSION:
        changed = book_commission(ledger, str(_data(line)["exec_key"]), _number(line.price))
        return recovered if changed is None else msgspec.structs.replace(recovered, ledger=changed)
    if kind in _CONTROL_LINES:
        return _fold_control(recovered, ledger, line)
    return msgspec.structs.replace(recovered, ledger=_fold_ledger(ledger, line))


def _fold_ledger(ledger: Ledger, line: JournalLine) -> Ledger:
    """Lines that change only the ledger."""
    if line.type == JournalType.HALT:
        return _fold_halt(ledger, line)
    if line.type == JournalType.TRANSITION and _data(line).get("machine") == REMAINDER:
        return msgspec.structs.replace(ledger, remainder=False)
    if line.type == JournalType.RESET:
        return book_reset(ledger)
    if line.type == JournalType.REFUSED and line.status == "refused":
        rule = _text(line.reason)
        counts = {**ledger.refused_today, rule: ledger.refused_today.get(rule, 0) + 1}
        return msgspec.structs.replace(ledger, refused_today=counts)
    if line.type == JournalType.BOOK_FOREIGN:
        return _fold_foreign(ledger, line)
    return ledger


def _fold_halt(ledger: Ledger, line: JournalLine) -> Ledger:
    halt = Halt(code=_text(line.reason), since_us=us_from_iso(line.ts), detail=str(_data(line).get("detail", "")))
    if any(each.code == halt.code for each in ledger.halts):
        return ledger
    return msgspec.structs.replace(ledger, halts=(*ledger.halts, halt))


def _fold_foreign(ledger: Ledger, line: JournalLine) -> Ledger:
    signed = _number(line.quantity) if line.side == "BUY" else -_number(line.quantity)
    data = _data(line)
    key = str(data["exec_key"])
    fill = ForeignFill(
        exec_key=key,
        instrument=_text(line.instrument),
        signed_quantity=signed,
        price=line.price if data.get("counts_from_price", False) else None,
        revision=int(data.get("revision", 1)),
    )
    return msgspec.structs.replace(ledger, foreign_fills={**ledger.foreign_fills, key: fill})


REMAINDER = "Remainder"
"""The machine's name in the `transition` line that ends a remainder; the order's own lines begin one."""

_CONTROL_LINES = frozenset(
    {
        JournalType.CONTROL_STARTED,
        JournalType.CONTROL_DONE,
        JournalType.CONTROL_REFUSED,
        JournalType.FLATTEN_SIZED,
        JournalType.FLATTEN_VERIFIED,
        JournalType.FLATTEN_ABORTED,
    }
)


def _fold_control(recovered: Recovered, ledger: Ledger, line: JournalLine) -> Recovered:
    data = _data(line)
    if data.get("command") != "flatten":
        return recovered
    if line.type == JournalType.FLATTEN_VERIFIED:
        left = line.quantity if line.status == "dust" else None
        return msgspec.structs.replace(recovered, ledger=msgspec.structs.replace(ledger, dust_own_shares=left))
    if line.type == JournalType.CONTROL_DONE and line.status == "done":
        done_us = data.get("since_us", recovered.flatten_done_us)
        recovered = msgspec.structs.replace(recovered, flatten_done_us=done_us)
    if line.type == JournalType.FLATTEN_SIZED:
        agreed = recovered.flatten_agreed or data.get("confirmed_shares") is not None
        return msgspec.structs.replace(recovered, flatten_agreed=agreed)
    started = line.type == JournalType.CONTROL_STARTED
    # A resumed flatten is the one that was agreed on; any other start, and every end, is of another.
    agreed = started and bool(data.get("resumed", False)) and recovered.flatten_agreed
    return msgspec.structs.replace(recovered, flatten_started=started, flatten_agreed=agreed)


_ORDER_LINES = frozenset(
    {
        JournalType.INTENT,
        JournalType.ORDER_SENT,
        JournalType.ORDER_ACKED,
        JournalType.CANCELLED,
        JournalType.REJECTED,
    }
)

_MODIFICATIONS = frozenset({JournalType.MODIFY_SENT, JournalType.MODIFIED, JournalType.MODIFY_REFUSED})

_ORDER_STATUSES = frozenset(
    {
        (JournalType.REFUSED, "not_sent"),
        (JournalType.RECONCILED, "lost"),
        (JournalType.UNKNOWN_OUTCOME, "unknown"),
    }
)
"""Lines that speak of an order only with this status."""

_MOVES = {
    JournalType.ORDER_SENT: OrderTrigger.SENT,
    JournalType.ORDER_ACKED: OrderTrigger.ACKED,
    JournalType.CANCELLED: OrderTrigger.CANCELLED,
    JournalType.REJECTED: OrderTrigger.REJECTED,
    JournalType.REFUSED: OrderTrigger.BLOCKED,
    JournalType.RECONCILED: OrderTrigger.CANCELLED,
    JournalType.UNKNOWN_OUTCOME: OrderTrigger.LOST_SIGHT,
}


def _fold_order(recovered: Recovered, ledger: Ledger, line: JournalLine) -> Recovered:
    ref, ts_us = _text(line.order_ref), us_from_iso(line.ts)
    orders = dict(recovered.orders)
    order = orders.get(ref)
    if line.type == JournalType.INTENT:
        orders[ref] = _order_from_intent(line)
        ledger = _claimed(ledger, ref)
    elif order is not None:
        order = msgspec.structs.replace(order, state=_next(order.state, _MOVES[line.type]))
        if line.type == JournalType.ORDER_SENT:
            order = msgspec.structs.replace(order, sent_us=ts_us)
        elif line.type == JournalType.ORDER_ACKED:
            order = msgspec.structs.replace(order, lost_us=None)
        elif line.type == JournalType.UNKNOWN_OUTCOME:
            order = msgspec.structs.replace(order, lost_us=ts_us if order.lost_us is None else order.lost_us)
        orders[ref] = order
        ledger = _settled(ledger, order)
    if line.type == JournalType.REJECTED:
        ledger = book_reject(ledger, ts_us)
    if line.type == JournalType.ORDER_SENT:
        ledger = book_sent(ledger, ts_us, closing=bool(_data(line).get("closing", False)))
    return msgspec.structs.replace(recovered, ledger=ledger, orders=orders)


def _fold_modification(recovered: Recovered, ledger: Ledger, line: JournalLine) -> Recovered:
    ref, ts_us = _text(line.order_ref), us_from_iso(line.ts)
    order = recovered.orders.get(ref)
    asked = line.type == JournalType.MODIFY_SENT
    if order is not None and asked:
        change = Modification(quantity=_number(line.quantity), limit_price=_number(line.price), asked_us=ts_us)
        order = msgspec.structs.replace(order, modification=change, reprices=order.reprices + 1)
    elif order is not None:
        order = msgspec.structs.replace(order, modification=None, limit_price=line.price)
    return msgspec.structs.replace(
        recovered,
        ledger=count_order_message(ledger, ts_us) if asked else ledger,
        orders=recovered.orders if order is None else {**recovered.orders, ref: order},
    )


def _next(state: OrderState, trigger: OrderTrigger) -> OrderState:
    try:
        return ORDER_LIFE.next(state, trigger)
    except IllegalTransitionError:
        return state


def _claimed(ledger: Ledger, ref: str) -> Ledger:
    tail = ref.rsplit(".", 1)[1]
    number = int(tail) if tail.isascii() and tail.isdigit() else 0
    return msgspec.structs.replace(ledger, next_order=max(ledger.next_order, number + 1))


def _settled(ledger: Ledger, order: OwnOrder) -> Ledger:
    """An order that ended with a fill ends a row of rejects."""
    if order.in_flight or order.filled <= 0:
        return ledger
    remainder = ledger.remainder if order.closing else order.leaves_remainder
    return msgspec.structs.replace(ledger, consecutive_rejects=0, reject_until_us=None, remainder=remainder)


def _order_from_intent(line: JournalLine) -> OwnOrder:
    if line.side is None:
        raise ValueError(f"journal line {line.seq}: an intent without side")
    data = _data(line)
    return OwnOrder(
        order_ref=_text(line.order_ref),
        intent_id=_text(line.intent_id),
        instrument=_text(line.instrument),
        side=line.side,
        quantity=_number(line.quantity),
        state=OrderState.INTENDED,
        decided_us=us_from_iso(line.ts),
        closing=bool(data.get("closing", False)),
        capped=bool(data.get("capped", False)),
        order_type="MKT" if line.price is None else "LMT",
        limit_price=line.price,
        decision_mid=data.get("decision_mid"),
        run_id=line.run_id,
    )


def _fold_fill(recovered: Recovered, ledger: Ledger, line: JournalLine) -> Recovered:
    if line.side is None:
        raise ValueError(f"journal line {line.seq}: a fill without side")
    data = _data(line)
    fill = Fill(
        exec_key=str(data["exec_key"]),
        revision=int(data["revision"]),
        order_ref=_text(line.order_ref),
        side=line.side,
        quantity=_number(line.quantity),
        price=_number(line.price),
        executed_us=int(data["executed_us"]),
        decision_mid=data.get("decision_mid"),
    )
    if not is_news(ledger, fill.exec_key, fill.revision):
        return recovered
    earlier = known_fill(ledger, fill.exec_key)
    if earlier is not None:
        fill = msgspec.structs.replace(fill, commission_usd=earlier.commission_usd)
    ledger = _claimed(book_fill(ledger, fill), fill.order_ref)
    orders = dict(recovered.orders)
    order = orders.get(fill.order_ref)
    if order is not None:
        filled = order.filled + fill.quantity - (0.0 if earlier is None else earlier.quantity)
        value = order.fill_value + fill.quantity * fill.price
        value -= 0.0 if earlier is None else earlier.quantity * earlier.price
        complete = filled >= order.quantity - TOLERANCE
        state = _next(order.state, OrderTrigger.ALL_FILLED if complete else OrderTrigger.PART_FILLED)
        order = msgspec.structs.replace(order, state=state, filled=filled, fill_value=value)
        orders[fill.order_ref] = order
        ledger = _settled(ledger, order)
        if filled > 0 and not order.closing:
            ledger = msgspec.structs.replace(ledger, last_hedge_price=value / filled)
    return msgspec.structs.replace(recovered, ledger=ledger, orders=orders)


def _data(line: JournalLine) -> dict[str, Any]:
    return line.data if line.data is not None else {}


def _number(value: float | None) -> float:
    if value is None:
        raise ValueError("a journal line lacks a number that its type needs")
    return value


def _text(value: str | None) -> str:
    if value is None:
        raise ValueError("a journal line lacks a name that its type needs")
    return value
