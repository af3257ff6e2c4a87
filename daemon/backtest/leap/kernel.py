"""The compiled loop of a leap: what one quiet tick changes, tick by tick, and when to stop.

Each number is computed by the core's own functions, or by the same operations in the same order, so that the bits are
the same. What is kept differently here (rings of bucket sums as arrays, codes as numbers) is bookkeeping; that both
come to the same is what tests/backtest/leap shows. A tick is first computed aside and taken only when all of it is
quiet: a stop leaves everything as it was before that tick.

One function holds the loop, long as it is: everything that moves is a local variable of it, and so a register.
"""

# ruff: noqa: PLR0917, C901, PLR0912, PLR0915 -- see above; and compiled functions take their numbers one by one

import math

import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.arithmetic import jump_pct, new_bucket, valued
from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.looking import looked
from daemon.backtest.leap.rows import Buffers, liquidity_of
from daemon.backtest.leap.state import (
    END,
    EXTREME,
    FULL,
    GREEKS,
    JUMP,
    LIMIT,
    NOTES,
    QUOTE,
    SILENCE,
    TIME,
    WIDE,
    Legs,
    Scratch,
    Standing,
    Terms,
)
from daemon.core.black_scholes import US_PER_YEAR
from daemon.core.day import CHECKPOINT_US, MINUTE_US, SETTLE_US
from daemon.strategies.gamma_scalper.market import BUCKETS

_liquidity_of = compiled(liquidity_of)


def _held_at(reason: int, before: int, now: int, since_us: int, ts_us: int) -> int:
    """When a data reason last held: one that held at the last look has held until this one."""
    return ts_us if reason in (before, now) else since_us


_held_at = compiled(_held_at)


def _write(
    rows: Buffers,
    row: int,
    ts_us: int,
    spot: float,
    net: float,
    option_usd: float,
    code: int,
    needed: bool,
    refused: int,
    measured: float,
    limit: float,
) -> None:
    rows.ts_us[row] = ts_us
    rows.spot[row] = spot
    rows.net_delta_shares[row] = net
    rows.option_value_usd[row] = option_usd
    rows.code[row] = code
    rows.needed[row] = needed
    rows.refused[row] = refused
    rows.measured[row] = measured
    rows.limit[row] = limit


_write = compiled(_write)


def _note(
    room: Scratch,
    notes: int,
    ts_us: int,
    is_late: bool,
    is_new: bool,
    spot: float,
    unrealised_usd: float,
    legs_usd: float,
    equity_usd: float,
    drawdown_pct: float,
    delta_usd: float,
    gamma_usd: float,
    theta_usd: float,
    net: float,
) -> None:
    """Keep what a checkpoint (`is_late`) or a minute's sample (`is_new`) at this moment tells."""
    room.noted_us[notes] = ts_us
    room.noted_late[notes] = is_late
    room.noted_new[notes] = is_new
    room.noted[notes, 0] = spot
    room.noted[notes, 1] = unrealised_usd
    room.noted[notes, 2] = legs_usd
    room.noted[notes, 3] = equity_usd
    room.noted[notes, 4] = drawdown_pct
    room.noted[notes, 5] = delta_usd
    room.noted[notes, 6] = gamma_usd
    room.noted[notes, 7] = theta_usd
    room.noted[notes, 8] = net


_note = compiled(_note)


def _leap(
    ts: NDArray[np.int64],
    bids: NDArray[np.float64],
    asks: NDArray[np.float64],
    place: int,
    terms: Terms,
    legs: Legs,
    now: Standing,
    room: Scratch,
    rows: Buffers,
    row: int,
) -> tuple[Standing, int, int, int]:
    """Take quotes from `place` on until one is not quiet: (what stands then, next quote, next row, why)."""
    (
        ts_us, quote_us, feed_seen, probe_due_us, probes, probed_us, bid, ask, mid, spread_pct, bucket, bucket_sum,
        start_us, earlier_sum, path, buckets, closes, ring, values, option_delta, gamma, option_usd, unrealised_usd,
        legs_usd, equity_usd, drawdown_pct, peak_usd, point_us, point_spot, point_delta, point_gamma, point_theta,
        delta_usd, gamma_usd, theta_usd, code, trading, refused, bad, wide_us, extreme_us, minute, checkpoint_us,
        written_peak_usd, account_us, account_place, quotes, pointed, reports, notes,
    ) = now  # fmt: skip
    why = END
    count = legs.sign.shape[0]
    capacity = rows.ts_us.shape[0]
    while place < ts.shape[0]:
        tick_us, new_bid, new_ask = ts[place], bids[place], asks[place]
        if row + 2 > capacity or notes + 2 > NOTES:
            why = FULL
            break
        # The feed's probe, where it is due before this quote; other timers and the clock are the core's.
        if probe_due_us < tick_us:
            due_us = max(probe_due_us, ts_us)
            if probe_due_us > ts_us + terms.clock_us or not feed_seen or (due_us - quote_us) / 1000.0 >= terms.old_ms:
                why = SILENCE
                break
            if probe_due_us >= terms.other_timer_us or due_us >= terms.stop_us:
                why = TIME
                break
            found, at_code, at_trading, at_refused, needed, measured, limit, net = looked(
                terms, due_us, mid, spread_pct, option_delta, gamma, start_us, earlier_sum + bucket_sum,
                room.closes[ring, 0], room.closes[ring, closes - 1], path, trading, refused,
            )  # fmt: skip
            if found != END:
                why = found
                break
            if due_us > ts_us:
                _write(rows, row, due_us, mid, net, option_usd, at_code, needed, at_refused, measured, limit)
                row += 1
            now_bad = _liquidity_of(at_code)
            wide_us = _held_at(WIDE, bad, now_bad, wide_us, due_us)
            extreme_us = _held_at(EXTREME, bad, now_bad, extreme_us, due_us)
            code, trading, refused, bad = at_code, at_trading, at_refused, now_bad
            feed_seen = False
            ts_us = probed_us = due_us
            probes += 1
            probe_due_us = due_us + terms.probe_us
            is_late, is_new = ts_us - checkpoint_us >= CHECKPOINT_US, ts_us // MINUTE_US != minute
            if is_late or is_new:
                _note(
                    room, notes, ts_us, is_late, is_new, mid, unrealised_usd, legs_usd, equity_usd, drawdown_pct,
                    delta_usd, gamma_usd, theta_usd, net,
                )  # fmt: skip
                notes += 1
                minute = ts_us // MINUTE_US
            if is_late:
                checkpoint_us, written_peak_usd = ts_us, peak_usd
            continue
        if tick_us <= ts_us or not (0.0 < new_bid <= new_ask < math.inf):
            why = QUOTE
            break
        if tick_us >= terms.stop_us or tick_us > terms.other_timer_us:
            why = TIME
            break
        if ts_us + terms.clock_us < tick_us:
            why = SILENCE
            break
        # The window of mids.
        new_mid = (new_bid + new_ask) / 2
        if abs(new_mid / mid - 1.0) * 100.0 >= terms.outlier_pct:
            why = JUMP
            break
        at_bucket = tick_us // terms.bucket_us
        new_sum, new_earlier_sum, new_path = bucket_sum, earlier_sum, path
        new_ring, new_buckets, new_closes = ring, buckets, closes
        if new_mid != mid or at_bucket != bucket:
            if abs(jump_pct(new_mid, mid)) >= terms.gap_pct:
                why = JUMP
                break
            log_return = math.log(new_mid / mid)
            if at_bucket == bucket:
                new_sum = bucket_sum + log_return * log_return
            else:
                new_ring = 1 - ring
                skipped = min(at_bucket - bucket - 1, BUCKETS)
                new_buckets, new_closes, new_earlier_sum, new_path = new_bucket(
                    room, ring, buckets, closes, bucket_sum, mid, skipped
                )
                new_sum = log_return * log_return
        # The legs.
        new_values = 1 - values
        if not valued(legs, new_mid, tick_us, terms.rate, room, new_values):
            why = GREEKS
            break
        new_delta, new_gamma, new_theta = 0.0, 0.0, 0.0
        new_legs_usd = terms.settled_usd
        for leg in range(count):
            if legs.contracts[leg] == 0.0:
                continue
            shares = legs.shares[leg]
            new_delta += shares * room.values[new_values, leg, 1]
            new_gamma += shares * room.values[new_values, leg, 2]
            new_theta += shares * room.values[new_values, leg, 3]
            mark = legs.mark[leg] if legs.quoted[leg] else room.values[new_values, leg, 0]
            new_legs_usd += shares * (mark - legs.opening[leg])
        # The day.
        new_unrealised = 0.0
        if terms.own_shares != 0.0:
            new_unrealised = terms.own_shares * (new_mid - terms.average_cost)
        total_usd = terms.realised_usd + new_unrealised + new_legs_usd - terms.commission_usd
        new_equity = terms.base_usd + total_usd
        new_peak = peak_usd
        if new_equity > peak_usd:
            new_peak = new_equity
        new_drawdown = 0.0 if new_peak <= 0.0 else (new_peak - new_equity) / new_peak * 100
        if new_peak != written_peak_usd and new_drawdown >= terms.peak_fall_pct:
            why = LIMIT
            break
        if -total_usd >= terms.max_loss_usd or new_drawdown >= terms.max_drawdown_pct:
            why = LIMIT
            break
        # The look.
        new_spread = (new_ask - new_bid) / new_mid * 100.0
        found, at_code, at_trading, at_refused, needed, measured, limit, net = looked(
            terms, tick_us, new_mid, new_spread, new_delta, new_gamma, start_us, new_earlier_sum + new_sum,
            room.closes[new_ring, 0], room.closes[new_ring, new_closes - 1], new_path, trading, refused,
        )  # fmt: skip
        if found != END:
            why = found
            break
        # Quiet: take it.
        if new_mid != point_spot or tick_us - point_us >= SETTLE_US:
            move = new_mid - point_spot
            years = (tick_us - point_us) / US_PER_YEAR
            delta_usd += point_delta * move
            gamma_usd += 0.5 * point_gamma * move * move
            theta_usd += point_theta * years
            point_us, point_spot = tick_us, new_mid
            point_delta, point_gamma, point_theta = new_delta, new_gamma, new_theta
            for leg in range(count):
                room.point_vegas[leg] = legs.shares[leg] * room.values[new_values, leg, 4]
            pointed += 1
        option_usd = 0.0
        for leg in legs.valued:
            mark = legs.mark[leg] if legs.quoted[leg] else room.values[new_values, leg, 0]
            option_usd += legs.shares[leg] * mark
        _write(rows, row, tick_us, new_mid, net, option_usd, at_code, needed, at_refused, measured, limit)
        row += 1
        now_bad = _liquidity_of(at_code)
        wide_us = _held_at(WIDE, bad, now_bad, wide_us, tick_us)
        extreme_us = _held_at(EXTREME, bad, now_bad, extreme_us, tick_us)
        code, trading, refused, bad = at_code, at_trading, at_refused, now_bad
        ts_us = quote_us = tick_us
        feed_seen = True
        bid, ask = new_bid, new_ask
        mid, bucket, bucket_sum, earlier_sum, path = new_mid, at_bucket, new_sum, new_earlier_sum, new_path
        ring, buckets, closes, values = new_ring, new_buckets, new_closes, new_values
        option_delta, gamma, spread_pct = new_delta, new_gamma, new_spread
        unrealised_usd, legs_usd = new_unrealised, new_legs_usd
        equity_usd, drawdown_pct, peak_usd = new_equity, new_drawdown, new_peak
        is_late, is_new = ts_us - checkpoint_us >= CHECKPOINT_US, ts_us // MINUTE_US != minute
        if is_late or is_new:
            _note(
                room, notes, ts_us, is_late, is_new, mid, unrealised_usd, legs_usd, equity_usd, drawdown_pct,
                delta_usd, gamma_usd, theta_usd, net,
            )  # fmt: skip
            notes += 1
            minute = ts_us // MINUTE_US
        if is_late:
            checkpoint_us, written_peak_usd = ts_us, peak_usd
        if ts_us - account_us >= terms.account_every_us:
            account_us, account_place = ts_us, place
            reports += 1
        quotes += 1
        place += 1
    after = Standing(
        ts_us, quote_us, feed_seen, probe_due_us, probes, probed_us, bid, ask, mid, spread_pct, bucket, bucket_sum,
        start_us, earlier_sum, path, buckets, closes, ring, values, option_delta, gamma, option_usd, unrealised_usd,
        legs_usd, equity_usd, drawdown_pct, peak_usd, point_us, point_spot, point_delta, point_gamma, point_theta,
        delta_usd, gamma_usd, theta_usd, code, trading, refused, bad, wide_us, extreme_us, minute, checkpoint_us,
        written_peak_usd, account_us, account_place, quotes, pointed, reports, notes,
    )  # fmt: skip
    return after, place, row, why


leap = compiled(_leap)
