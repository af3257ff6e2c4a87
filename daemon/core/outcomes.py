"""What became of own orders, judged by complete reports: open, ended, out of sight, or lost.

An order that no list shows is not lost yet. It is out of sight (UNKNOWN), it is never sent again, and nothing else
leaves meanwhile. It is lost, and its need decided anew, only when all of this holds:

    two reports miss it     at least `SECOND_LOOK_MS` apart, the second over a fresh connection
    among open orders       neither report lists it
    among completed orders  none says that more of it was executed than is known here
    among executions        none is of it (one would have moved it along)
    in the position         the account holds what the ledger expects: nothing changed hands unseen

Where the position does differ, the order stays out of sight until an execution or the operator explains it.
"""

import msgspec

from daemon.core.effects import CancelOrder, RequestReconcile, StartTimer
from daemon.core.events import BrokerReport, OrderReport
from daemon.core.fills import found_sent, is_own, settle
from daemon.core.instruments import TOLERANCE
from daemon.core.modification import judge_modification
from daemon.core.order_life import OrderState, OrderTrigger, OwnOrder
from daemon.core.orders import on_order_report
from daemon.core.turn import Turn
from state.records import JournalType

SECOND_LOOK_MS = 30_000.0
"""An order is lost only when a second report, this much later and on a fresh connection, misses it too."""


def judge(turn: Turn, event: BrokerReport) -> None:
    """Compare every own order with what the report lists; its executions are booked already."""
    for report in event.open_orders:
        on_order_report(turn, report)
        judge_modification(turn, report, event)
        _judge_ended_order(turn, report)
    claimed = _judge_completed_orders(turn, event)
    _judge_missing_orders(turn, event, claimed)


def _judge_ended_order(turn: Turn, report: OrderReport) -> None:
    """The broker lists as open what we hold for ended (a false cancel): it can still fill, so nothing else may leave.

    A filled order is left out: its execution may be here before its last status.
    """
    order = turn.book.orders.get(report.order_ref) if report.order_ref is not None else None
    if order is None or order.in_flight or order.state == OrderState.FILLED:
        return
    turn.halt("reconciliation_mismatch", f"{order.order_ref}: {order.state.value} here, but open at the broker")
    turn.put(mismatched=(*turn.book.mismatched, order.order_ref))
    turn.do(CancelOrder(order_ref=order.order_ref))


def _judge_completed_orders(turn: Turn, event: BrokerReport) -> set[str]:
    """End what the broker lists as ended; returns own orders of which it says that more was executed than is known."""
    claimed = set()
    for report in event.completed_orders if event.completed_orders is not None else ():
        order = turn.book.orders.get(report.order_ref) if report.order_ref is not None else None
        if order is None or not order.in_flight:
            continue
        if report.filled > order.filled + TOLERANCE:
            claimed.add(order.order_ref)  # an execution is missing, not the order
        elif report.status in ("cancelled", "rejected", "inactive"):
            found_sent(turn, order)
            on_order_report(turn, report)
    return claimed


def _judge_missing_orders(turn: Turn, event: BrokerReport, claimed: set[str]) -> None:
    listed = {report.order_ref for report in event.open_orders if is_own(turn, report.order_ref)}
    moved_unseen = turn.book.underlying in turn.book.unexplained
    for order in turn.book.in_flight():
        if order.order_ref in listed or not _should_be_visible(turn, order, event):
            continue
        keep = moved_unseen or order.order_ref in claimed
        if not keep and _second_report(turn, order, event):
            _lost(turn, order)
        elif order.lost_on_connection is None:
            _lose_sight(turn, order, event)
    if not turn.book.unknown_orders:
        turn.put(second_look_due=False)


def _second_report(turn: Turn, order: OwnOrder, event: BrokerReport) -> bool:
    """Whether this report is the second one that misses the order, late enough and over a connection of its own."""
    if order.lost_on_connection is None:
        # An earlier run missed it; this run's connection is a fresh one.
        return order.lost_us is not None and turn.book.ts_us - order.lost_us >= SECOND_LOOK_MS * 1000
    return turn.book.second_look_due and event.connection > order.lost_on_connection


def _lost(turn: Turn, order: OwnOrder) -> None:
    moved = turn.move_order(order, OrderTrigger.CANCELLED, reason="lost")
    turn.record_order(
        JournalType.RECONCILED, moved, status="lost", reason="two reports on two connections do not show it"
    )
    settle(turn, moved)


def settle_unknown(turn: Turn, why: str) -> None:
    """The operator has said what the account holds: orders out of sight are over, whatever had become of them."""
    for order in turn.book.in_flight():
        if order.state == OrderState.UNKNOWN:
            moved = turn.move_order(order, OrderTrigger.CANCELLED, reason="settled by the operator")
            turn.record_order(JournalType.RECONCILED, moved, status="lost", reason=why)
            settle(turn, moved)


def _should_be_visible(turn: Turn, order: OwnOrder, event: BrokerReport) -> bool:
    """A report gathered while an order was on its way says nothing about it; one that was acknowledged is listed."""
    return (
        order.state in (OrderState.WORKING, OrderState.PARTIAL)
        or order.connection < event.connection
        or order.run_id != turn.book.run_id
        or order.order_ref in turn.book.ack_overdue
        or order.lost_on_connection is not None
    )


def _lose_sight(turn: Turn, order: OwnOrder, event: BrokerReport) -> None:
    lost_us = turn.book.ts_us if order.lost_us is None else order.lost_us
    moved = turn.move_order(order, OrderTrigger.LOST_SIGHT, lost_on_connection=event.connection, lost_us=lost_us)
    # Every order has its own half minute: a second look that is due for another says nothing of this one.
    turn.put(unknown_orders=(*turn.book.unknown_orders, order.order_ref), second_look_due=False)
    turn.record_order(
        JournalType.UNKNOWN_OUTCOME,
        moved,
        status="unknown",
        reason="neither open nor wholly executed; it is not sent again",
        data={"filled": moved.filled, "remaining": moved.remaining},
    )
    turn.do(StartTimer(key="second_look", delay_ms=SECOND_LOOK_MS))


def on_second_look(turn: Turn) -> None:
    """Half a minute has passed: look again, over a fresh connection."""
    if turn.book.unknown_orders:
        turn.put(second_look_due=True)
        turn.do(RequestReconcile(reason="second_look", fresh_connection=True))


def restore_sight(order: OwnOrder) -> OwnOrder:
    """An order recovered from the journal: what an earlier run saw and asked over its connections is void."""
    change = order.modification
    return msgspec.structs.replace(
        order,
        connection=0,
        cancel_sent=False,
        lost_on_connection=None,
        modification=None if change is None else msgspec.structs.replace(change, connection=0),
    )
