"""A timer that fires between two quotes of a leap: the feed's probe, or the account's periodic report.

Each is a look of its own. The report says again what the venue told as it happened: it prices the legs anew at the
greeks that stand, its own look follows the timer's, and nothing else comes of it (`entering.reports_quietly`).
"""

# ruff: noqa: PLR0917, PLR0911, PLR0912, C901 -- compiled functions take numbers one by one; a reason to stop is a line

from daemon.backtest.leap.arithmetic import valued
from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.looking import looked
from daemon.backtest.leap.moments import looked_at, noted, written
from daemon.backtest.leap.pricing import attributed, day, legs_usd, marked, sums
from daemon.backtest.leap.rows import Buffers
from daemon.backtest.leap.state import (
    END,
    GREEKS,
    LIMIT,
    SILENCE,
    TABLE,
    TIME,
    Legs,
    Scratch,
    Standing,
    Terms,
)


def _fired(
    terms: Terms, legs: Legs, now: Standing, room: Scratch, rows: Buffers, due_us: int, first_row: int, is_report: bool
) -> int:
    """Fire the timer that is due and give END; or leave everything as it was, and give the reason."""
    ts_us = max(due_us, now.ts_us)
    if due_us > now.ts_us + terms.clock_us or (ts_us - now.quote_us) / 1000.0 >= terms.old_ms:
        return SILENCE
    if not is_report and not now.feed_seen:
        return SILENCE
    if due_us >= terms.other_timer_us or ts_us >= terms.stop_us:
        return TIME
    squares = now.earlier_sum + now.bucket_sum
    first, last = room.closes[now.ring, 0], room.closes[now.ring, now.closes - 1]
    why, code, trading, refused, needed, measured, limit, net = looked(
        terms, ts_us, now.mid, now.spread_pct, now.option_delta, now.gamma, now.start_us, squares,
        first, last, now.path, now.trading, now.refused,
    )  # fmt: skip
    if why != END:
        return int(why)
    is_priced = is_report and ts_us != now.valued_us
    values = 1 - now.values if is_priced else now.values
    earned_usd, unrealised, equity = now.legs_usd, now.unrealised_usd, now.equity_usd
    peak, drawdown = now.peak_usd, now.drawdown_pct
    if is_report:
        again, _, moved, _, _, _, _, _ = looked(
            terms, ts_us, now.mid, now.spread_pct, now.option_delta, now.gamma, now.start_us, squares,
            first, last, now.path, trading, refused,
        )  # fmt: skip
        if again != END or moved != trading:
            return TABLE
        if is_priced and not valued(legs, now.mid, ts_us, terms.rate, room, values):
            return GREEKS
        earned_usd = legs_usd(terms, legs, room, values)
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
    noted(room, now, net, is_report)
    now.turns += 1
    if not is_report:
        now.feed_seen = False
        now.probes += 1
        now.probe_due_us, now.probe_turn = ts_us + terms.probe_us, now.turns
        return END
    now.reports += 1
    now.reported_us = ts_us
    now.report_due_us, now.report_turn = ts_us + terms.report_us, now.turns
    now.unrealised_usd, now.legs_usd, now.equity_usd = unrealised, earned_usd, equity
    now.drawdown_pct, now.peak_usd = drawdown, peak
    delta, gamma, theta = sums(legs, room, now.values)
    attributed(legs, now, room, ts_us, now.mid, delta, gamma, theta)
    if is_priced:
        now.option_usd = marked(legs, room, values)
        if not needed:  # of a moment's looks the first counts that wanted a hedge, else the last
            rows.option_value_usd[now.row - 1] = now.option_usd
    return END


fired = compiled(_fired)
