"""The rolling window of the underlying: realised volatility and gaps, in bounded memory.

Squared log returns of mids are summed in `BUCKETS` buckets of equal time; a bucket leaves when it is older than the
window. A tick costs one addition, a new bucket one short tuple. Only mids of regular sessions come here, so nothing
carries over from before the open; the last mid of one session and the first of the next do make a gap.
"""

import math

import msgspec

from daemon.core.instruments import TOLERANCE

BUCKETS = 30
TRADING_YEAR_S = 252 * 6.5 * 3600
"""Realised volatility is annualised over trading time: 252 sessions of 6.5 hours."""
MIN_FILL = 0.2
"""The window says nothing until this part of it is filled."""


class MarketWindow(msgspec.Struct, frozen=True, kw_only=True):
    """What the last `vol_window_min` minutes of mids leave behind. Sums are of squared log returns."""

    mid: float | None = None
    start_us: int = 0
    """When this window began: the session's first mid, or a gap."""
    bucket: int = 0
    bucket_sum: float = 0.0
    earlier: tuple[float, ...] = ()
    """Sums of the complete buckets, oldest first."""
    earlier_sum: float = 0.0
    gap_us: int | None = None
    """When the last gap happened."""
    gap_pct: float = 0.0


class Market:
    """How the window moves. `window_us` is the profile's `vol_window_min`, `gap_pct` its jump between two quotes."""

    def __init__(self, *, vol_window_min: float, gap_pct: float) -> None:
        self.window_us = round(vol_window_min * 60_000_000)
        self._bucket_us = max(self.window_us // BUCKETS, 1)
        self._gap_pct = gap_pct - TOLERANCE

    def absorb(self, window: MarketWindow, mid: float, ts_us: int) -> MarketWindow:
        """The window after one mid (positive, of a two-sided quote in session)."""
        previous = window.mid
        if previous is None or window.start_us == 0:
            return self._first_of_session(window, mid, ts_us)
        bucket = ts_us // self._bucket_us
        if mid == previous and bucket == window.bucket:
            return window
        jump_pct = (mid / previous - 1.0) * 100.0
        if abs(jump_pct) >= self._gap_pct:
            # A jump is not diffusion: the volatility of the window starts again behind it.
            return MarketWindow(mid=mid, start_us=ts_us, bucket=bucket, gap_us=ts_us, gap_pct=jump_pct)
        log_return = math.log(mid / previous)
        if bucket == window.bucket:
            return MarketWindow(
                mid=mid,
                start_us=window.start_us,
                bucket=bucket,
                bucket_sum=window.bucket_sum + log_return * log_return,
                earlier=window.earlier,
                earlier_sum=window.earlier_sum,
                gap_us=window.gap_us,
                gap_pct=window.gap_pct,
            )
        empty = (0.0,) * min(bucket - window.bucket - 1, BUCKETS)
        earlier = (*window.earlier, window.bucket_sum, *empty)[-(BUCKETS - 1) :]
        return MarketWindow(
            mid=mid,
            start_us=window.start_us,
            bucket=bucket,
            bucket_sum=log_return * log_return,
            earlier=earlier,
            earlier_sum=math.fsum(earlier),
            gap_us=window.gap_us,
            gap_pct=window.gap_pct,
        )

    def new_session(self, window: MarketWindow) -> MarketWindow:
        """Keep only the last mid (and the last gap): the night is not part of any volatility."""
        return MarketWindow(mid=window.mid, gap_us=window.gap_us, gap_pct=window.gap_pct)

    def _first_of_session(self, window: MarketWindow, mid: float, ts_us: int) -> MarketWindow:
        """The session's first mid: a gap against the last session's, but never a return of the window."""
        previous = window.mid
        gap_us, gap_pct = window.gap_us, window.gap_pct
        if previous is not None and abs((mid / previous - 1.0) * 100.0) >= self._gap_pct:
            gap_us, gap_pct = ts_us, (mid / previous - 1.0) * 100.0
        return MarketWindow(mid=mid, start_us=ts_us, bucket=ts_us // self._bucket_us, gap_us=gap_us, gap_pct=gap_pct)

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
        variance = (window.earlier_sum + window.bucket_sum) / (elapsed_us / 1e6)
        return math.sqrt(variance * TRADING_YEAR_S) * 100.0
