"""One quote of a leap: everything is computed aside first, and taken only where all of it is quiet."""

# ruff: noqa: PLR0917, PLR0911, PLR0912, C901 -- compiled functions take numbers one by one; a reason to stop is a line

import math

import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.arithmetic import jump_pct, new_bucket, valued
from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.looking import looked
from daemon.backtest.leap.moments import looked_at, noted, written
from daemon.backtest.leap.pricing import attributed, day, legs_usd, marked, sums
from daemon.backtest.leap.state import (
    END,
    GREEKS,
    JUMP,
    LIMIT,
    QUOTE,
    SILENCE,
    TIME,
    Legs,
    Notes,
    Rows,
    Standing,
    Terms,
)
from daemon.strategies.gamma_scalper.market import BUCKETS


def _ticked(
    terms: Terms,
    legs: Legs,
    now: Standing,
    rings: NDArray[np.float64],
    values: NDArray[np.float64],
    work: NDArray[np.float64],
    notes: Notes,
    rows: Rows,
    ts_us: int,
    bid: float,
    ask: float,
) -> int:
    """Take this quote and give END; or leave everything as it was, and give the reason."""
    if ts_us <= now.ts_us or not (0.0 < bid <= ask < math.inf):
        return QUOTE
    if ts_us >= terms.stop_us or ts_us > terms.other_timer_us:
        return TIME
    if now.ts_us + terms.clock_us < ts_us:
        return SILENCE
    # The window of mids.
    mid = (bid + ask) / 2
    if abs(mid / now.mid - 1.0) * 100.0 >= terms.outlier_pct:
        return JUMP
    bucket = now.bucket
    if ts_us >= (bucket + 1) * terms.bucket_us:
        bucket = ts_us // terms.bucket_us
    bucket_sum, earlier_sum, path = now.bucket_sum, now.earlier_sum, now.path
    ring, buckets, closes = now.ring, now.buckets, now.closes
    if mid != now.mid or bucket != now.bucket:
        if abs(jump_pct(mid, now.mid)) >= terms.gap_pct:
            return JUMP
        log_return = math.log(mid / now.mid)
        if bucket == now.bucket:
            bucket_sum += log_return * log_return
        else:
            ring = 1 - ring
            skipped = min(bucket - now.bucket - 1, BUCKETS)
            buckets, closes, earlier_sum, path = new_bucket(
                rings, work, 1 - ring, buckets, closes, bucket_sum, now.mid, skipped
            )
            bucket_sum = log_return * log_return
    # The legs, and the day.
    slot = 1 - now.values
    if not valued(legs, values, slot, mid, ts_us, terms.rate):
        return GREEKS
    delta, gamma, theta = sums(legs, values, slot)
    earned_usd = legs_usd(terms, legs, values, slot)
    unrealised, equity, peak, drawdown, reached = day(terms, now, mid, earned_usd)
    if reached:
        return LIMIT
    # The look.
    spread_pct = (ask - bid) / mid * 100.0
    why, code, trading, refused, needed, measured, limit, net = looked(
        terms, ts_us, mid, spread_pct, delta, gamma, now.start_us, earlier_sum + bucket_sum,
        rings[ring, 1, 0], rings[ring, 1, closes - 1], path, now.trading, now.refused,
    )  # fmt: skip
    if why != END:
        return int(why)
    # Quiet: take it.
    now.quote_us = now.valued_us = ts_us
    now.feed_seen = True
    now.bid, now.ask, now.mid, now.spread_pct = bid, ask, mid, spread_pct
    now.bucket, now.bucket_sum, now.earlier_sum, now.path = bucket, bucket_sum, earlier_sum, path
    now.ring, now.buckets, now.closes, now.values = ring, buckets, closes, slot
    now.option_delta, now.gamma = delta, gamma
    now.unrealised_usd, now.legs_usd, now.equity_usd = unrealised, earned_usd, equity
    now.drawdown_pct, now.peak_usd = drawdown, peak
    attributed(legs, values, now, ts_us, mid, delta, gamma, theta)
    now.option_usd = marked(legs, values, slot)
    written(rows, now, ts_us, mid, net, now.option_usd, code, needed, refused, measured, limit)
    looked_at(now, ts_us, code, trading, refused)
    noted(notes, now, net, False)  # noqa: FBT003 -- positional, as compiled functions are called
    if ts_us - now.account_us >= terms.account_every_us:
        now.account_us, now.account_place = ts_us, now.place
        now.account_tellings += 1
    now.quotes += 1
    now.place += 1
    return END


ticked = compiled(_ticked)
