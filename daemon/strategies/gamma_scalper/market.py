"""The rolling window of the underlying: realised volatility, efficiency ratio and gaps, in bounded memory.

The window of `vol_window_min` minutes is cut into `BUCKETS` buckets of equal time. A tick costs a few additions, a new
bucket two short tuples. Only mids of regular sessions come here, so nothing carries over from before the open.

| measure | formula |
|---|---|
| volatility_pct | 100 x sqrt(sum of squared log returns / seconds x seconds of a trading year), every tick a return |
| efficiency | abs(p_n - p_0) / sum of abs(p_i - p_(i-1)), p the last mid of each bucket, 0 to 1 |
| gap_pct | 100 x (mid / reference - 1); the reference is the mid before, at a session's first mid the last close |

Bucket closes, not ticks, make the path of the efficiency ratio: the bounce between bid and ask would drown any
direction. A random walk of n steps has an efficiency of about 1 / sqrt(n): 0.18 for the 30 buckets of a full window.

Sources: realised variance as the sum of squared returns: T. Andersen, T. Bollerslev, F. Diebold, P. Labys, Modeling
and Forecasting Realized Volatility, Econometrica 71 (2003). Efficiency ratio: P. Kaufman, Smarter Trading (1995),
chapter 6.
"""

import math
from itertools import pairwise

import msgspec

from daemon.core.instruments import TOLERANCE

BUCKETS = 30
TRADING_YEAR_S = 252 * 6.5 * 3600
"""Realised volatility is annualised over trading time: 252 sessions of 6.5 hours."""
MIN_FILL = 0.2
"""The window tells no volatility until this part of it is filled. Its efficiency needs all of it: of a few steps, even
a random walk's is large."""


# The measures are functions of plain floats: the backtest's fast path compiles them as they stand.


def jump_pct(mid: float, reference: float) -> float:
    """How far a mid is from the one before, in percent of that."""
    return (mid / reference - 1.0) * 100.0


def annualised_pct(squares: float, elapsed_us: int) -> float:
    """Volatility of a year of trading, in percent, from the sum of squared log returns over so much time."""
    return math.sqrt(squares / (elapsed_us / 1e6) * TRADING_YEAR_S) * 100.0


def efficiency_ratio(mid: float, first: float, last: float, path: float) -> float:
    """Net move from `first` to `mid` by the path (USD): that up to `last`, and from there to `mid`. NaN: none moved."""
    whole = path + abs(mid - last)
    return min(abs(mid - first) / whole, 1.0) if whole > 0.0 else math.nan


_replace = msgspec.structs.replace  # bound once: it is called at every tick


class MarketWindow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the last `vol_window_min` minutes of mids leave behind. Sums are of squared log returns."""

    mid: float | None = None
    start_us: int = 0
    """When this window began: the session's first mid, or a gap."""
    bucket: int = 0
    bucket_sum: float = 0.0
    earlier: tuple[float, ...] = ()
    """Sums of the complete buckets, oldest first."""
    earlier_sum: float = 0.0
    closes: tuple[float, ...] = ()
    """Last mids of the complete buckets, oldest first; before them the mid at which the oldest one began."""
    path: float = 0.0
    """Sum of the absolute steps between neighbours of `closes`, USD."""
    gap_us: int | None = None
    """When the last gap happened."""
    gap_pct: float = 0.0


class Market:
    """How the window moves.

    `window_us` is the profile's `vol_window_min`, `bucket_us` a bucket of it, `gap_pct` the profile's less its
    tolerance.
    """

    def __init__(self, *, vol_window_min: float, gap_pct: float) -> None:
        self.window_us = round(vol_window_min * 60_000_000)
        self.bucket_us = max(self.window_us // BUCKETS, 1)
        self.gap_pct = gap_pct - TOLERANCE

    def absorb(self, window: MarketWindow, mid: float, ts_us: int) -> MarketWindow:
        """The window after one mid (positive, of a two-sided quote in session)."""
        previous = window.mid
        if previous is None or window.start_us == 0:
            return self.begin(window, mid, ts_us, reference=previous)
        bucket = ts_us // self.bucket_us
        if mid == previous and bucket == window.bucket:
            return window
        jump = jump_pct(mid, previous)
        if abs(jump) >= self.gap_pct:
            # A jump is not diffusion: volatility and path of the window start again behind it.
            return MarketWindow(mid=mid, start_us=ts_us, bucket=bucket, closes=(mid,), gap_us=ts_us, gap_pct=jump)
        log_return = math.log(mid / previous)
        if bucket == window.bucket:
            return _replace(window, mid=mid, bucket_sum=window.bucket_sum + log_return * log_return)
        skipped = min(bucket - window.bucket - 1, BUCKETS)
        earlier = (*window.earlier, window.bucket_sum, *(0.0,) * skipped)[-(BUCKETS - 1) :]
        closes = (*window.closes, previous, *(previous,) * skipped)[-BUCKETS:]
        return MarketWindow(
            mid=mid,
            start_us=window.start_us,
            bucket=bucket,
            bucket_sum=log_return * log_return,
            earlier=earlier,
            earlier_sum=math.fsum(earlier),
            closes=closes,
            path=math.fsum([abs(after - before) for before, after in pairwise(closes)]),
            gap_us=window.gap_us,
            gap_pct=window.gap_pct,
        )

    def new_session(self, window: MarketWindow) -> MarketWindow:
        """Keep only the last mid (and the last gap): the night is not part of any volatility."""
        return MarketWindow(mid=window.mid, gap_us=window.gap_us, gap_pct=window.gap_pct)

    def begin(self, window: MarketWindow, mid: float, ts_us: int, *, reference: float | None) -> MarketWindow:
        """The session's first mid: a gap against the last session's close, but never a return of the window."""
        gap_us, gap_pct = window.gap_us, window.gap_pct
        if reference is not None and abs(jump_pct(mid, reference)) >= self.gap_pct:
            gap_us, gap_pct = ts_us, jump_pct(mid, reference)
        bucket = ts_us // self.bucket_us
        return MarketWindow(mid=mid, start_us=ts_us, bucket=bucket, closes=(mid,), gap_us=gap_us, gap_pct=gap_pct)

    def in_gap(self, window: MarketWindow, ts_us: int) -> bool:
        """Whether a gap happened within the last window's length."""
        return window.gap_us is not None and ts_us - window.gap_us < self.window_us

    def volatility_pct(self, window: MarketWindow, ts_us: int) -> float | None:
        """Realised, annualised, in percent; None until the window is filled enough to say something."""
        if window.start_us == 0:
            return None
        elapsed_us = min(ts_us - window.start_us, self.window_us)
        if elapsed_us < MIN_FILL * self.window_us:
            return None
        return annualised_pct(window.earlier_sum + window.bucket_sum, elapsed_us)

    def efficiency(self, window: MarketWindow, ts_us: int) -> float | None:
        """Net move by path, 0 (to and fro) to 1 (straight); None until the window is full, and where nothing moved."""
        mid, closes = window.mid, window.closes
        if mid is None or not closes or ts_us - window.start_us < self.window_us:
            return None
        ratio = efficiency_ratio(mid, closes[0], closes[-1], window.path)
        return None if math.isnan(ratio) else ratio
