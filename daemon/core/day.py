"""The trading day: its roll, marks and P&L, the loss breaker, the samples of the history."""

import math

import msgspec

from daemon.core.effects import Sample
from daemon.core.ledger import Ledger, foreign_traded
from daemon.core.orders import cancel_in_flight
from daemon.core.pnl import DayPnl, day_pnl, drawdown_pct, equity_usd
from daemon.core.recovery import checkpoint
from daemon.core.turn import Turn

BREACH_US = 5_000_000
"""A loss limit must be breached this long before it halts: one bad quote is not a loss."""
CHECKPOINT_US = 300_000_000
"""The peak of the equity and the newest marks must survive a crash, so they are journaled this often."""
MINUTE_US = 60_000_000
EARLIER_KEPT = 5000
"""Execution keys of earlier days to remember: TWS can be set to list a week of trades instead of the day's."""


def roll(turn: Turn) -> None:
    """Begin a new day when a session of another date has opened; yesterday's result is folded away."""
    session = turn.book.session_now()
    if session is None or session.date == turn.book.ledger.day:
        return
    if turn.book.ledger.day:
        turn.put_ledger(_folded(turn))
    turn.change_ledger(day=session.date, hedges_today=0, refused_today={})
    turn.put(day=msgspec.structs.replace(turn.book.day, breach_since_us=None))
    write_checkpoint(turn)


def _folded(turn: Turn) -> Ledger:
    ledger = turn.book.ledger
    marks = turn.book.day.marks or ledger.last_marks
    result = _pnl_at(turn, marks)
    if result is not None:
        earned, cost = result.total_usd, marks.get(turn.book.underlying, ledger.average_cost)
        opening_marks = {leg: marks.get(leg, mark) for leg, mark in ledger.opening_marks.items()}
    else:
        # Without marks only what was realised is certain; the rest stays open at its old cost.
        earned, cost = ledger.realised_usd - ledger.commission_usd, ledger.average_cost
        opening_marks = ledger.opening_marks
    if ledger.own_shares == 0:
        cost = 0.0
    acknowledged = ledger.foreign_acknowledged
    if acknowledged is not None:
        acknowledged += foreign_traded(ledger, turn.book.underlying)
    return msgspec.structs.replace(
        ledger,
        earlier_pnl_usd=ledger.earlier_pnl_usd + earned,
        average_cost=cost,
        opening_shares=ledger.own_shares,
        opening_cost=cost,
        realised_usd=0.0,
        commission_usd=0.0,
        fills={},
        foreign_fills={},
        earlier_executions=(*ledger.earlier_executions, *ledger.fills, *ledger.foreign_fills)[-EARLIER_KEPT:],
        foreign_acknowledged=acknowledged,
        leg_quantities={leg: held + foreign_traded(ledger, leg) for leg, held in ledger.leg_quantities.items()},
        opening_marks=opening_marks,
    )


def _pnl_at(turn: Turn, marks: dict[str, float]) -> DayPnl | None:
    book = turn.book
    quantities = {leg: book.ledger.leg_quantities.get(leg, 0.0) for leg in turn.strategy.legs(book.strategy, book)}
    for leg in quantities:
        quantities[leg] += foreign_traded(book.ledger, leg)
    multipliers = {leg: book.specs[leg].multiplier for leg in quantities if leg in book.specs}
    if len(multipliers) < len(quantities):
        return None
    return day_pnl(book.ledger, marks, quantities, multipliers, book.underlying)


def mark(turn: Turn) -> None:
    """Price the book anew: marks, P&L, equity, drawdown, and the breaker that watches them."""
    book = turn.book
    found = turn.strategy.marks(book.strategy, book)
    if not found:
        return
    marks = {**book.day.marks, **{instrument: each.price for instrument, each in found.items()}}
    missing = {
        leg: marks[leg] for leg in book.ledger.leg_quantities if leg in marks and leg not in book.ledger.opening_marks
    }
    if missing:
        turn.change_ledger(opening_marks={**book.ledger.opening_marks, **missing})
    result = _pnl_at(turn, marks)
    equity = None if result is None else equity_usd(turn.book.ledger, result)
    drawdown = None if equity is None else drawdown_pct(turn.book.ledger, equity)
    turn.put(
        day=msgspec.structs.replace(
            book.day,
            marks=marks,
            modelled=tuple(instrument for instrument, each in found.items() if each.modelled),
            pnl=result,
            equity_usd=equity,
            drawdown_pct=drawdown,
        )
    )
    if missing:
        write_checkpoint(turn)
    if equity is not None:
        peak = turn.book.ledger.peak_equity_usd
        if peak is None or equity > peak:
            turn.change_ledger(peak_equity_usd=equity)
    if result is not None:
        _watch_losses(turn)


def _watch_losses(turn: Turn) -> None:
    day, risk = turn.book.day, turn.profile.gates.guard.risk
    loss = 0.0 if day.pnl is None else -day.pnl.total_usd
    fallen = 0.0 if day.drawdown_pct is None else day.drawdown_pct
    breached = loss >= risk.max_daily_loss_usd or fallen >= risk.max_drawdown_pct
    if not breached:
        if day.breach_since_us is not None:
            turn.put(day=msgspec.structs.replace(day, breach_since_us=None))
        return
    if day.breach_since_us is None:
        turn.put(day=msgspec.structs.replace(day, breach_since_us=turn.book.ts_us))
    elif turn.book.ts_us - day.breach_since_us >= BREACH_US:
        if loss >= risk.max_daily_loss_usd:
            turn.halt("daily_loss", f"loss {loss:.2f} USD, limit {risk.max_daily_loss_usd:.2f}")
        else:
            turn.halt("drawdown", f"drawdown {fallen:.2f} %, limit {risk.max_drawdown_pct:.2f} %")


def on_account(turn: Turn, values_usd: dict[str, float]) -> None:
    """Take the account's values; the first net liquidation is what the desk's equity curve starts from."""
    turn.put(account_values_usd={**turn.book.account_values_usd, **values_usd})
    worth = values_usd.get("NetLiquidation")
    if worth is None or turn.book.ledger.base_equity_usd is not None or not math.isfinite(worth):
        return
    turn.change_ledger(base_equity_usd=worth)
    write_checkpoint(turn)


def keep_time(turn: Turn) -> None:
    """What the passing of `ts` alone brings: checkpoints, a sample per minute, the last seconds of a session."""
    book = turn.book
    if book.ts_us - book.day.checkpoint_us >= CHECKPOINT_US and book.synced_once:
        write_checkpoint(turn)
    minute = book.ts_us // MINUTE_US
    if book.day.equity_usd is not None and minute != book.day.sampled_minute:
        turn.put(day=msgspec.structs.replace(turn.book.day, sampled_minute=minute))
        turn.do(Sample(kind="minute"))
    session = book.session_now()
    if session is not None and session.close_us - book.ts_us <= turn.profile.execution.cancel_before_close_s * 1e6:
        cancel_in_flight(turn, "session ends", closing_too=True)


def write_checkpoint(turn: Turn) -> None:
    """Journal the whole ledger."""
    turn.put(day=msgspec.structs.replace(turn.book.day, checkpoint_us=turn.book.ts_us))
    turn.do(checkpoint(turn.book))
