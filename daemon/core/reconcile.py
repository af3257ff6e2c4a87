"""Broker, journal and book made to agree: at every connect, every open question, and every few minutes.

A report is complete or it is not emitted. Executions are booked first, because they explain positions and orders;
what is left unexplained after that blocks hedging until the operator says what it is.
"""

import msgspec

from daemon.core.effects import CancelOrder, RequestReconcile, StartTimer
from daemon.core.events import BrokerReport, OrderReport, PositionChanged, PositionItem
from daemon.core.fills import is_own, on_commission, on_execution, settle
from daemon.core.instruments import TOLERANCE
from daemon.core.ledger import expected_position, foreign_traded
from daemon.core.modification import judge_modification
from daemon.core.order_life import OrderState, OrderTrigger, OwnOrder
from daemon.core.orders import on_order_report
from daemon.core.turn import Turn
from state.records import JournalType

SECOND_LOOK_MS = 30_000.0
"""An order is lost only when a second report, this much later and on a fresh connection, misses it too."""
EXPLANATION_MS = 300.0
"""How long a position may run ahead of its execution before the broker is asked for others' executions."""


def on_position(turn: Turn, event: PositionChanged) -> None:
    """The account's position moved. Without an execution that explains it, hedging is blocked in this very step."""
    _put_positions(turn, (event.position,), replace=False)
    if event.position.instrument != turn.book.underlying and event.position.instrument not in turn.book.specs:
        return
    before = turn.book.unexplained
    refresh_unexplained(turn)
    if turn.book.unexplained and turn.book.unexplained != before:
        turn.do(StartTimer(key="explain", delay_ms=EXPLANATION_MS))


def on_explanation_overdue(turn: Turn) -> None:
    """The execution did not follow: somebody else may have traded, so ask for all executions."""
    if turn.book.unexplained:
        turn.do(RequestReconcile(reason="position_unexplained"))


def refresh_unexplained(turn: Turn) -> None:
    """Compare every managed instrument of the account with what the ledger expects."""
    book = turn.book
    found = []
    for instrument in (book.underlying, *turn.strategy.legs(book.strategy, book)):
        expected = expected_position(book.ledger, instrument, is_underlying=instrument == book.underlying)
        if expected is not None and abs(book.account_positions.get(instrument, 0.0) - expected) > TOLERANCE:
            found.append(instrument)
    turn.put(unexplained=tuple(found))


def on_broker_report(turn: Turn, event: BrokerReport) -> None:
    """Take the broker's whole word: executions, commissions, positions, orders, in this order."""
    # The account's truth first, so that nothing in between compares new fills with old positions.
    _put_positions(turn, event.positions, replace=True)
    for execution in event.executions:
        on_execution(turn, execution)
    for commission in event.commissions:
        on_commission(turn, commission)
    first = not turn.book.synced_once
    turn.put(connection=event.connection, foreign_orders={}, mismatched=())
    for report in event.open_orders:
        on_order_report(turn, report)
        judge_modification(turn, report, event)
        _judge_ended_order(turn, report)
    _judge_missing_orders(turn, event)
    _open_balances(turn)
    refresh_unexplained(turn)
    turn.put(reconciled=True, synced_once=True)
    if first or event.reason != "periodic" or turn.book.unexplained or turn.book.unknown_orders:
        _record_outcome(turn, event)


def _put_positions(turn: Turn, items: tuple[PositionItem, ...], *, replace: bool) -> None:
    positions = {} if replace else dict(turn.book.account_positions)
    for item in items:
        positions[item.instrument] = item.quantity
    turn.put(account_positions=positions)


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


def _judge_missing_orders(turn: Turn, event: BrokerReport) -> None:
    listed = {report.order_ref for report in event.open_orders if is_own(turn, report.order_ref)}
    for order in turn.book.in_flight():
        if order.order_ref in listed or not _should_be_visible(turn, order, event):
            continue
        if order.lost_on_connection is None:
            if order.lost_us is not None and turn.book.ts_us - order.lost_us >= SECOND_LOOK_MS * 1000:
                _lost(turn, order)  # an earlier run missed it long enough ago, over its own connection
            else:
                _lose_sight(turn, order, event)
        elif turn.book.second_look_due and event.connection > order.lost_on_connection:
            _lost(turn, order)
    if not turn.book.unknown_orders:
        turn.put(second_look_due=False)


def _lost(turn: Turn, order: OwnOrder) -> None:
    moved = turn.move_order(order, OrderTrigger.CANCELLED, reason="lost")
    turn.record_order(
        JournalType.RECONCILED, moved, status="lost", reason="two reports on two connections do not show it"
    )
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
    if 0 < order.filled < order.quantity and order.connection < event.connection:
        # Part of it traded and the rest is on no list: the rest was cancelled while nobody listened.
        moved = turn.move_order(order, OrderTrigger.CANCELLED, reason="remainder not open any more")
        turn.record_order(JournalType.CANCELLED, moved, status="cancelled", reason=moved.reason)
        settle(turn, moved)
        return
    lost_us = turn.book.ts_us if order.lost_us is None else order.lost_us
    moved = turn.move_order(order, OrderTrigger.LOST_SIGHT, lost_on_connection=event.connection, lost_us=lost_us)
    turn.put(unknown_orders=(*turn.book.unknown_orders, order.order_ref))
    turn.record_order(
        JournalType.UNKNOWN_OUTCOME, moved, status="unknown", reason="neither open nor executed; it is not sent again"
    )
    turn.do(StartTimer(key="second_look", delay_ms=SECOND_LOOK_MS))


def on_second_look(turn: Turn) -> None:
    """Half a minute has passed: look again, over a fresh connection."""
    if turn.book.unknown_orders:
        turn.put(second_look_due=True)
        turn.do(RequestReconcile(reason="second_look", fresh_connection=True))


def _open_balances(turn: Turn) -> None:
    """Decide what a new ledger starts from: leg quantities as found, and no foreign shares if there are none."""
    book = turn.book
    ledger = book.ledger
    if ledger.foreign_acknowledged is None:
        unclaimed = book.foreign_shares - foreign_traded(ledger, book.underlying)
        if abs(book.foreign_shares) <= TOLERANCE:
            turn.change_ledger(foreign_acknowledged=unclaimed)
            turn.record(
                JournalType.BOOK_ACKNOWLEDGED,
                instrument=book.underlying,
                quantity=0.0,
                unit="share",
                status="opened",
                reason="the account holds no foreign shares",
            )
    quantities = dict(ledger.leg_quantities)
    for leg in turn.strategy.legs(book.strategy, book):
        held = book.account_positions.get(leg, 0.0)
        if leg not in quantities:
            quantities[leg] = held - foreign_traded(ledger, leg)
            turn.record(JournalType.BOOK_LEGS, instrument=leg, quantity=held, unit="contract", status="opened")
    if quantities != ledger.leg_quantities:
        turn.change_ledger(leg_quantities=quantities)


def _record_outcome(turn: Turn, event: BrokerReport) -> None:
    book = turn.book
    turn.record(
        JournalType.RECONCILED,
        instrument=book.underlying,
        quantity=book.account_positions.get(book.underlying, 0.0),
        unit="share",
        status="unexplained" if book.unexplained else "agrees",
        reason=event.reason,
        data={
            "own_shares": book.ledger.own_shares,
            "foreign_shares": book.foreign_shares,
            "foreign_acknowledged": book.ledger.foreign_acknowledged,
            "unexplained": list(book.unexplained),
            "unknown_orders": list(book.unknown_orders),
            "open_orders": len(event.open_orders),
            "executions": len(event.executions),
        },
    )


def forget_ended_orders(turn: Turn) -> None:
    """Keep the book small: orders that ended before today's are in the journal."""
    kept = {
        ref: order
        for ref, order in turn.book.orders.items()
        if order.in_flight or turn.book.ts_us - order.decided_us < 3_600_000_000
    }
    if len(kept) != len(turn.book.orders):
        turn.put(orders=kept)


def restore_sight(order: OwnOrder) -> OwnOrder:
    """An order recovered from the journal: what an earlier run saw and asked over its connections is void."""
    return msgspec.structs.replace(order, connection=0, cancel_sent=False, lost_on_connection=None)
