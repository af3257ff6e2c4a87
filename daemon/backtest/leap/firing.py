"""A timer that fires between two quotes of a leap: the feed's probe, or the account's periodic report.

Each is a look of its own. The report says again what the venue told as it happened: it prices the legs anew at the
greeks that stand, its own look follows the timer's, and nothing else comes of it (`resting.reports_quietly`).
"""

# ruff: noqa: PLR0917, PLR0911, C901 -- compiled functions take numbers one by one; a reason to stop is a line

import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.arithmetic import valued
from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.looking import looked
from daemon.backtest.leap.moments import looked_at, noted, written
from daemon.backtest.leap.pricing import attributed, day, legs_usd, marked, sums
from daemon.backtest.leap.state import (
    END,
    GREEKS,
    LIMIT,
    SILENCE,
    TABLE,
    TIME,
    Legs,
    Notes,
    Rows,
    Standing,
    Terms,
)


def _core_fires(terms: Terms, now: Standing, due_us: int, ts_us: int, is_report: bool) -> int:
    """Why the core must fire it: a clock's tick comes first, the feed is silent, or something else is due; else END."""
    if due_us > now.ts_us + terms.clock_us or (ts_us - now.quote_us) / 1000.0 >= terms.old_ms:
        return SILENCE
    if not is_report and not now.feed_seen:
        return SILENCE
    return TIME if due_us >= terms.other_timer_us or ts_us >= terms.stop_us else END


core_fires = compiled(_core_fires)


def _reported(terms: Terms, legs: Legs, now: Standing, values: NDArray[np.float64], ts_us: int) -> None:
    """Count the report, start its timer anew, and attribute what was earned up to it, by the greeks that stand."""
    now.reports += 1
    now.reported_us = ts_us
    now.report_due_us, now.report_turn = ts_us + terms.report_us, now.turns
    delta, gamma, theta = sums(legs, values, now.values)
    attributed(legs, values, now, ts_us, now.mid, delta, gamma, theta)


reported = compiled(_reported)


def _fired(
    terms: Terms,
    legs: Legs,
    now: Standing,
    rings: NDArray[np.float64],
    values: NDArray[np.float64],
    notes: Notes,
    rows: Rows,
    due_us: int,
    first_row: int,
    is_report: bool,
) -> int:
    """Fire the timer that is due and give END; or leave everything as it was, and give the reason."""
    ts_us = max(due_us, now.ts_us)
    why_not = core_fires(terms, now, due_us, ts_us, is_report)
    if why_not != END:
        return int(why_not)
    squares = now.earlier_sum + now.bucket_sum
    first, last = rings[now.ring, 1, 0], rings[now.ring, 1, now.closes - 1]
    why, code, trading, refused, needed, measured, limit, net = looked(
        terms, ts_us, now.mid, now.spread_pct, now.option_delta, now.gamma, now.start_us, squares,
        first, last, now.path, now.trading, now.refused,
    )  # fmt: skip
    if why != END:
        return int(why)
    is_priced = is_report and ts_us != now.valued_us
    slot = 1 - now.values if is_priced else now.values
    earned_usd, unrealised, equity = now.legs_usd, now.unrealised_usd, now.equity_usd
    peak, drawdown = now.peak_usd, now.drawdown_pct
    if is_report:
        again, _, moved, _, _, _, _, _ = looked(
            terms, ts_us, now.mid, now.spread_pct, now.option_delta, now.gamma, now.start_us, squares,
            first, last, now.path, trading, refused,
        )  # fmt: skip
        if again != END or moved != trading:
            return TABLE
        if is_priced and not valued(legs, values, slot, now.mid, ts_us, terms.rate):
            return GREEKS
        earned_usd = legs_usd(terms, legs, values, slot)
        unrealised, equity, peak, drawdown, reached = day(terms, now, now.mid, earned_usd)
        if reached:
            return LIMIT
    is_new = ts_us > now.ts_us
    if is_priced and not is_new and not needed and now.row == first_row:
        return TIME  # the report's look would say more than the last row before this leap
    # Quiet: take it.
    if is_new:
        written(rows, now, ts_us, now.mid, net, now.option_usd, code, needed, refused, measured, limit)
    looked_at(now, ts_us, code, trading, refused)
    noted(notes, now, net, is_report)
    now.turns += 1
    if not is_report:
        now.feed_seen = False
        now.probes += 1
        now.probe_due_us, now.probe_turn = ts_us + terms.probe_us, now.turns
        return END
    reported(terms, legs, now, values, ts_us)
    now.unrealised_usd, now.legs_usd, now.equity_usd = unrealised, earned_usd, equity
    now.drawdown_pct, now.peak_usd = drawdown, peak
    if is_priced:
        now.option_usd = marked(legs, values, slot)
        if not needed:  # of a moment's looks the first counts that wanted a hedge, else the last
            rows[now.row - 1].option_value_usd = now.option_usd
    return END


fired = compiled(_fired)
