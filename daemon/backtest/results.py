"""What a run came to: the summary, from what the recorder wrote down. Statistics are those of `state.statistics`."""

import re
from collections.abc import Sequence

import numpy as np

from daemon.backtest.recorder import Recorder
from state.runs.records import AttributionUsd, DayRow, Figures, RatioValue
from state.statistics.days import PARTS, TradingDay, attribution, to_the_cent, trading_days
from state.statistics.drawdowns import drawdowns
from state.statistics.executions import hedges, sizes
from state.statistics.measures import sharpe, sortino, wear

_IN_BAND = re.compile(r"\bD0\b")
_DECIMALS = 6
"""Sums of floats are told to a millionth of a dollar: what lies beyond is the order of their addition."""


def figures_of(recorder: Recorder) -> Figures | None:
    """None where the book never had a price, so that nothing can be said."""
    book = recorder.book
    if book is None or book.day.pnl is None or book.day.equity_usd is None or book.ledger.base_equity_usd is None:
        return None
    pnl_usd = book.ledger.earlier_pnl_usd + book.day.pnl.total_usd
    days = trading_days(recorder.closed.parts)
    returns = [day.return_pct for day in days if day.return_pct is not None]
    falls = drawdowns(
        np.array(recorder.equity.column("ts_us"), dtype=np.int64),
        np.array(recorder.equity.column("equity_usd"), dtype=np.float64),
        most=max(1, len(recorder.equity.rows)),
        shallowest_pct=0.0,
    )
    traded = sizes(hedges(recorder.orders.as_digest()))
    exposure = recorder.exposure
    sharpe_ratio, sortino_ratio = sharpe(returns), sortino(returns)
    slippage = 0.0 if traded.slippage_usd is None else traded.slippage_usd
    worn_usd = wear([(pnl_usd, traded.value_usd)]).value
    inside = sum(exposure.states.values())
    in_band = sum(count for state, count in exposure.states.items() if _IN_BAND.search(state))
    return Figures(
        pnl_usd=_told(pnl_usd),
        attribution=_attribution(days, pnl_usd),
        base_equity_usd=_told(book.ledger.base_equity_usd),
        final_equity_usd=_told(book.day.equity_usd),
        max_drawdown_usd=_told(max((fall.depth_usd for fall in falls), default=0.0)),
        max_drawdown_pct=_told(max((fall.depth_pct for fall in falls), default=0.0)),
        sharpe=RatioValue(n=sharpe_ratio.n, value=sharpe_ratio.value),
        sortino=RatioValue(n=sortino_ratio.n, value=sortino_ratio.value),
        won_days=sum(day.pnl_usd is not None and day.pnl_usd > 0 for day in days),
        days=len(days),
        hedges=traded.n,
        hedges_per_session=traded.n / len(days) if days else 0.0,
        shares_traded=traded.shares,
        value_traded_usd=_told(traded.value_usd),
        slippage_usd=_told(slippage),
        slippage_bps=_told(slippage / traded.value_usd * 10_000) if traded.value_usd > 0 else None,
        wear_per_10k_usd=None if worn_usd is None else _told(worn_usd),
        mean_abs_net_delta_shares=_told(exposure.abs_delta_sum / exposure.known) if exposure.known else None,
        max_abs_net_delta_shares=exposure.abs_delta_most if exposure.known else None,
        max_abs_own_shares=exposure.abs_own_most,
        time_out_of_band_pct=_told((inside - in_band) / inside * 100) if inside else None,
    )


def day_rows(recorder: Recorder) -> tuple[DayRow, ...]:
    """One for each session, in order."""
    return tuple(
        DayRow(
            day=day.day,
            pnl_usd=day.pnl_usd,
            equity_usd=_told(day.equity_usd),
            hedges=day.hedges or 0,
            refusals=recorder.exposure.refused_in[day.day],
            slippage_usd=0.0 if day.parts is None or day.parts.slippage_usd is None else day.parts.slippage_usd,
            commission_usd=_told(recorder.closed.commissions_usd[day.day]),
        )
        for day in trading_days(recorder.closed.parts)
        if day.pnl_usd is not None and day.equity_usd is not None
    )


def _attribution(days: Sequence[TradingDay], pnl_usd: float) -> AttributionUsd:
    total = to_the_cent(pnl_usd)
    sums = attribution([day.parts for day in days if day.parts is not None], pnl_usd)
    return AttributionUsd(total_usd=total, **(sums or dict.fromkeys(PARTS, 0.0) | {"other_usd": total}))


def _told(value: float) -> float:
    return round(value, _DECIMALS)


def what_was_odd(recorder: Recorder) -> None:
    """Note what only the whole run shows."""
    exposure, oddities, book = recorder.exposure, recorder.oddities, recorder.book
    last_us = None if book is None else book.ts_us
    if exposure.needed and not recorder.hedges:
        rule = next(iter(exposure.refused.most_common(1)), ("no rule", 0))[0]
        oddities.note("never_hedged", rule, last_us, count=exposure.needed)
    if exposure.moments and not exposure.known:
        oddities.note("no_net_delta", "no leg had a volatility, or none is held; see greeks.volatility", last_us)
    modelled = [(day, legs) for day, legs in recorder.closed.modelled.items() if legs]
    if modelled:
        day, legs = modelled[0]
        closed_us = recorder.closed.parts[day].last_us
        oddities.note("modelled_close", ", ".join(legs), closed_us, count=len(modelled))
