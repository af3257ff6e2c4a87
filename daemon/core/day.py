"""The trading day: its roll, marks and P&L, the loss breaker, the samples of the history."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from daemon.core.account_rules import is_breached
from daemon.core.attribution import Attribution, advanced, new_day, point_of
from daemon.core.book import Book, DayView
from daemon.core.effects import Sample
from daemon.core.holdings import Holdings, multipliers
from daemon.core.ledger import Ledger, foreign_traded
from daemon.core.orders import cancel_in_flight
from daemon.core.pnl import DayPnl, day_pnl, drawdown_pct, equity_usd, settled_legs_usd
from daemon.core.recovery import checkpoint
from daemon.core.strategy import Marks
from daemon.core.turn import Turn

BREACH_US = 5_000_000
"""A loss limit must be breached this long before it halts: one bad quote is not a loss."""
PEAK_SHARE = 0.1
"""A fall by this part of the drawdown limit journals the peak that it fell from."""
CHECKPOINT_US = 300_000_000
"""The peak of the equity and the newest marks must survive a crash, so they are journaled this often."""
SETTLE_US = 1_000_000
"""While the stock's mark stands still, an interval of the attribution lasts so long: nothing but time goes on in it."""
MINUTE_US = 60_000_000
EARLIER_KEPT = 5000
"""Execution keys of earlier days to remember: TWS can be set to list a week of trades instead of the day's."""


def roll(turn: Turn) -> None:
    """Begin a new day when a session of another date has opened; yesterday's result is folded away."""
    session = turn.book.session_now()
    if session is None or session.date == turn.book.ledger.day:
        return
    # Yesterday's marks are where today begins, modelled or not; before a first day there is no yesterday.
    guessed = () if turn.book.ledger.day else turn.book.day.guessed
    if turn.book.ledger.day:
        turn.put_ledger(_folded(turn))
    turn.change_ledger(day=session.date, hedges_today=0, refused_today={}, consecutive_rejects=0, reject_until_us=None)
    attribution = new_day(turn.book.day.attribution)
    turn.put(
        day=msgspec.structs.replace(
            turn.book.day,
            loss_since_us=None,
            drawdown_since_us=None,
            attribution=attribution,
            guessed=guessed,
            pnl=_begun(turn),
        )
    )
    write_checkpoint(turn)


def _begun(turn: Turn) -> DayPnl | None:
    """The new day's P&L before anything is priced in it: yesterday's is in the ledger now and must not count twice."""
    book = turn.book
    if book.day.pnl is None:
        return None
    held = _holdings(turn, book.strategy)
    if held is None:
        return None
    return day_pnl(book.ledger, book.day.marks, held.contracts, held.multipliers, book.underlying)


def _folded(turn: Turn) -> Ledger:
    ledger = turn.book.ledger
    marks = turn.book.day.marks or ledger.last_marks
    held = _holdings(turn, turn.book.strategy)
    result = None
    if held is not None:
        result = day_pnl(ledger, marks, held.contracts, held.multipliers, turn.book.underlying)
    if result is not None:
        earned, cost = result.total_usd, marks.get(turn.book.underlying, ledger.average_cost)
        opening_marks = {leg: marks.get(leg, mark) for leg, mark in ledger.opening_marks.items()}
        if turn.book.underlying in marks:
            opening_marks[turn.book.underlying] = marks[turn.book.underlying]
    else:
        # Without marks only what was realised is certain; the rest stays open at its old cost.
        earned, cost = ledger.realised_usd - ledger.commission_usd, ledger.average_cost
        earned += settled_legs_usd(ledger, multipliers((), turn.book))
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
        carried_usd=0.0,
        restated_usd=0.0,
        carried_commission_usd=0.0,
        traded_usd=0.0,
        slippage_usd=0.0,
        legs_realised_usd=0.0,
        fills={},
        earlier_fills=ledger.fills,
        foreign_fills={},
        earlier_executions=(*ledger.earlier_executions, *ledger.fills, *ledger.foreign_fills)[-EARLIER_KEPT:],
        foreign_acknowledged=acknowledged,
        leg_quantities={leg: held + foreign_traded(ledger, leg) for leg, held in ledger.leg_quantities.items()},
        opening_marks=opening_marks,
    )


def _holdings(turn: Turn, state: Any) -> Holdings | None:
    return turn.holdings.of(turn.strategy.legs(state, turn.book), turn.book)


def _attributed(turn: Turn, state: Any, spot: float, held: Holdings) -> Attribution:
    """The legs' sums up to this mark."""
    book = turn.book
    before = book.day.attribution
    start = before.point
    if start is not None and spot == start.spot and book.ts_us - start.ts_us < SETTLE_US:
        return before
    point = point_of(book.ts_us, spot, turn.strategy.sensitivities(state, book), held.shares)
    return before if point is None else advanced(before, point)


def _marks(book: Book, found: Marks, *, is_open: bool) -> Marks:
    """The marks to price at, and which of them are modelled.

    While the market is closed the session's last ones stand: what is quoted then (wide, one-sided, forgotten) is no
    closing mark, and must neither halt the desk at night nor be where the new day starts from. An instrument without
    one takes what there is. A quote of the very close is the last of its session: a day's last minute bar.
    """
    known = book.day.marks
    if not is_open:
        known = known or book.ledger.last_marks
        found = Marks(
            {instrument: price for instrument, price in found.prices.items() if instrument not in known},
            tuple(instrument for instrument in found.modelled if instrument not in known),
        )
    modelled = found.modelled
    if book.day.modelled != modelled:
        modelled = (*modelled, *[each for each in book.day.modelled if each not in found.prices])
    return Marks({**known, **found.prices}, modelled)


def _unopened(ledger: Ledger, marks: dict[str, float]) -> dict[str, float]:
    """The marks of legs that have no opening mark yet: there their day begins."""
    known = ledger.opening_marks
    if ledger.leg_quantities.keys() <= known.keys():
        return {}  # nearly always
    return {leg: marks[leg] for leg in ledger.leg_quantities if leg in marks and leg not in known}


def _guessed(
    before: tuple[str, ...], missing: Mapping[str, float], better: Mapping[str, float], modelled: tuple[str, ...]
) -> tuple[str, ...]:
    """The legs whose opening mark is a model's, after those that were marked first or anew."""
    return (*[leg for leg in before if leg not in better], *[leg for leg in missing if leg in modelled])


def _better(day: DayView, found: Marks, marks: dict[str, float], modelled: tuple[str, ...]) -> dict[str, float]:
    """The marks of legs that are quoted now and whose day was begun at a model's guess.

    The stock is often quoted before its options: what a model guessed then must not be the whole day's beginning.
    """
    if not day.guessed or day.guessed == modelled:
        return {}  # nearly always
    return {leg: marks[leg] for leg in day.guessed if leg in found.prices and leg not in modelled}


def mark(turn: Turn, state: Any) -> None:
    """Price the book anew: marks, P&L, equity, drawdown, and the breaker that watches them.

    `state` is the strategy's from here on: it comes into the book together with what it prices.
    """
    book = turn.book
    is_open = book.session_now() is not None or book.at_close()
    found = turn.strategy.marks(state, book)
    marks, modelled = _marks(book, found, is_open=is_open)
    if not marks:
        turn.put(strategy=state)
        return
    ledger, day = book.ledger, book.day
    missing = _unopened(ledger, marks)
    better = _better(day, found, marks, modelled)
    if missing or better:
        turn.change_ledger(opening_marks={**ledger.opening_marks, **missing, **better})
        ledger = turn.book.ledger
    held = _holdings(turn, state)
    result = equity = drawdown = None
    earned = 0.0
    attribution = day.attribution
    if held is not None:
        result = day_pnl(ledger, marks, held.contracts, held.multipliers, book.underlying)
        spot = marks.get(book.underlying)
        # While the market is closed the sums rest: the night belongs to the new day.
        if is_open and spot is not None:
            attribution = _attributed(turn, state, spot, held)
    if result is not None:
        earned = result.total_usd
        equity = equity_usd(ledger, earned)
    if equity is not None:
        drawdown = drawdown_pct(ledger, equity)
    valued = msgspec.structs.replace(
        day,
        marks=marks,
        modelled=modelled,
        guessed=_guessed(day.guessed, missing, better, modelled) if missing or better else day.guessed,
        pnl=result,
        equity_usd=equity,
        drawdown_pct=drawdown,
        attribution=attribution,
    )
    turn.put_day(valued, state)
    if missing or better:
        write_checkpoint(turn)
    if equity is not None and (ledger.peak_equity_usd is None or equity > ledger.peak_equity_usd):
        turn.change_ledger(peak_equity_usd=equity)
    if result is not None:
        _watch_losses(turn, -earned, drawdown)


def _watch_losses(turn: Turn, loss: float, fallen: float | None) -> None:
    """The drawdown's peak must survive a restart, and each limit has its five seconds before it halts."""
    book, risk = turn.book, turn.profile.gates.guard.risk
    if (
        fallen is not None
        and fallen >= PEAK_SHARE * risk.max_drawdown_pct
        and book.ledger.peak_equity_usd != book.day.written_peak_usd
    ):
        # Journaled as soon as equity falls from it, so that no restart forgives a drawdown.
        write_checkpoint(turn)
    lost, fell = is_breached(loss, risk.max_daily_loss_usd), is_breached(fallen, risk.max_drawdown_pct)
    if lost or fell or book.day.loss_since_us is not None or book.day.drawdown_since_us is not None:
        _breach(turn, loss, fallen, lost=lost, fell=fell)


def _breach(turn: Turn, loss: float, fallen: float | None, *, lost: bool, fell: bool) -> None:
    """Each limit has its own five seconds: a loss of three and then a drawdown of two are neither."""
    day, risk, now_us = turn.book.day, turn.profile.gates.guard.risk, turn.book.ts_us
    loss_since_us = _since(day.loss_since_us, now_us, breached=lost)
    fallen_since_us = _since(day.drawdown_since_us, now_us, breached=fell)
    if (loss_since_us, fallen_since_us) != (day.loss_since_us, day.drawdown_since_us):
        changed = msgspec.structs.replace(day, loss_since_us=loss_since_us, drawdown_since_us=fallen_since_us)
        turn.put(day=changed)
    if loss_since_us is not None and now_us - loss_since_us >= BREACH_US:
        turn.halt("daily_loss", f"loss {loss:.2f} USD, limit {risk.max_daily_loss_usd:.2f}")
    if fallen is not None and fallen_since_us is not None and now_us - fallen_since_us >= BREACH_US:
        turn.halt("drawdown", f"drawdown {fallen:.2f} %, limit {risk.max_drawdown_pct:.2f} %")


def _since(before_us: int | None, now_us: int, *, breached: bool) -> int | None:
    if not breached:
        return None
    return now_us if before_us is None else before_us


def on_account(turn: Turn, values_usd: dict[str, float]) -> None:
    """Take the account's values; the first net liquidation is what the desk's equity curve starts from."""
    turn.put(account_values_usd={**turn.book.account_values_usd, **values_usd}, account_values_us=turn.book.ts_us)
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
    session = book.session_now() if book.orders else None
    if session is not None and session.close_us - book.ts_us <= turn.profile.execution.cancel_before_close_s * 1e6:
        cancel_in_flight(turn, "session ends", closing_too=True)


def write_checkpoint(turn: Turn) -> None:
    """Journal the whole ledger."""
    day = turn.book.day
    peak = turn.book.ledger.peak_equity_usd
    turn.put(day=msgspec.structs.replace(day, checkpoint_us=turn.book.ts_us, written_peak_usd=peak))
    turn.do(checkpoint(turn.book))
