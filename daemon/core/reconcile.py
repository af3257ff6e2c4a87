"""Broker, journal and book made to agree: at every connect, every open question, and every few minutes.

A report is complete or it is not emitted. Executions are booked first, because they explain positions and orders;
what is left unexplained after that blocks hedging until the operator says what it is.
"""

import msgspec

from daemon.core import outcomes
from daemon.core.effects import RequestReconcile, StartTimer
from daemon.core.events import BrokerReport, PositionChanged, PositionItem
from daemon.core.explanation import Account, Change, Explanation, explain
from daemon.core.fills import on_commission, on_execution
from daemon.core.instruments import TOLERANCE
from daemon.core.ledger import expected_position, foreign_traded
from daemon.core.turn import Turn
from state.records import JournalType

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
    changes = [change for change in _changes(turn) if abs(change.jump) > TOLERANCE]
    if not changes:
        turn.put(unexplained=(), explanation=None)
        return
    turn.put(unexplained=tuple(change.instrument for change in changes), explanation=_explained(turn))


def _changes(turn: Turn) -> tuple[Change, ...]:
    """Every managed instrument whose opening balance is decided, with what it should and does hold."""
    book = turn.book
    found = []
    for instrument in (book.underlying, *turn.strategy.legs(book.strategy, book)):
        expected = expected_position(book.ledger, instrument, is_underlying=instrument == book.underlying)
        if expected is not None:
            held = book.account_positions.get(instrument, 0.0)
            found.append(Change(instrument=instrument, expected=expected, held=held))
    return tuple(found)


def _explained(turn: Turn) -> Explanation:
    book = turn.book
    held = book.account_positions.get(book.underlying, 0.0)
    changes = {change.instrument: change for change in _changes(turn)}
    stock = changes.pop(book.underlying, Change(instrument=book.underlying, expected=held, held=held))
    return explain(
        Account(
            desk=book.desk,
            ts_us=book.ts_us,
            stock=stock,
            legs=tuple(changes.values()),
            own_shares=book.ledger.own_shares,
            specs=book.specs,
            positions=book.account_positions,
            settled_at=_settled_at(turn),
        )
    )


def _settled_at(turn: Turn) -> float | None:
    """The stock's last close where the venue says it, else its newest mark."""
    book = turn.book
    quote = book.quotes.get(book.underlying)
    close = None if quote is None else quote.previous_close
    return book.day.marks.get(book.underlying) if close is None else close


def on_broker_report(turn: Turn, event: BrokerReport) -> None:
    """Take the broker's whole word: executions, commissions, positions, orders, in this order."""
    # The account's truth first, so that nothing in between compares new fills with old positions.
    _put_positions(turn, event.positions, replace=True)
    for execution in event.executions:
        on_execution(turn, execution)
    for commission in event.commissions:
        on_commission(turn, commission)
    first = not turn.book.synced_once
    awaited = turn.book.awaited_report
    seen = awaited in (None, event.reason) or event.connection > turn.book.connection
    turn.put(connection=event.connection, foreign_orders={}, mismatched=())
    _open_balances(turn)
    # Before the orders: one whose shares may have changed hands unseen is not lost.
    refresh_unexplained(turn)
    outcomes.judge(turn, event)
    turn.put(reconciled=seen, awaited_report=None if seen else awaited, synced_once=True)
    if first or event.reason != "periodic" or turn.book.unexplained or turn.book.unknown_orders:
        _record_outcome(turn, event)


def _put_positions(turn: Turn, items: tuple[PositionItem, ...], *, replace: bool) -> None:
    positions = {} if replace else dict(turn.book.account_positions)
    for item in items:
        positions[item.instrument] = item.quantity
    turn.put(account_positions=positions)


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
            "explanation": None if book.explanation is None else msgspec.to_builtins(book.explanation),
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
        if order.in_flight or ref in turn.book.mismatched or turn.book.ts_us - order.decided_us < 3_600_000_000
    }
    if len(kept) != len(turn.book.orders):
        turn.put(orders=kept)
