"""Drawdowns of an equity curve: how deep, since when, and when it was made good."""

import msgspec
import numpy as np
from numpy.typing import NDArray

SHALLOWEST_PCT = 0.01
"""Less than this below a peak is not told as a drawdown of its own."""
_DAY_US = 86_400_000_000


class Drawdown(msgspec.Struct, frozen=True, kw_only=True):
    """One fall from a peak. Times in microseconds since the epoch; `recovered_us` None while it lasts.

    `days` runs from the peak to the recovery, or to the last point while it lasts, in calendar days.
    """

    depth_pct: float
    depth_usd: float
    peak_usd: float
    peak_us: int
    trough_us: int
    recovered_us: int | None
    days: float


def drawdowns(
    ts_us: NDArray[np.int64],
    equity_usd: NDArray[np.float64],
    *,
    most: int = 10,
    shallowest_pct: float = SHALLOWEST_PCT,
) -> tuple[Drawdown, ...]:
    """The `most` deepest, by percent of their peak, deepest first. Both columns (n,), in time order, finite.

    A drawdown begins at the last point at a running maximum and ends at the first point that is at or above it again
    (M. Magdon-Ismail and A. Atiya, 2004). Two of the same depth stand in time order. Vectorised: one pass.
    """
    if len(equity_usd) < 2:
        return ()
    peaks = np.maximum.accumulate(equity_usd)
    below = equity_usd < peaks
    starts = np.flatnonzero(below & ~np.concatenate(([False], below[:-1])))
    if starts.size == 0:
        return ()
    above_again = np.flatnonzero(~below & np.concatenate(([False], below[:-1])))
    ends = np.append(above_again, len(below))[: starts.size]
    depths = np.maximum.reduceat(np.where(below, peaks - equity_usd, 0.0), starts)
    peak_values = peaks[starts]
    shares = np.divide(depths, peak_values, out=np.zeros_like(depths), where=peak_values > 0) * 100
    order = np.lexsort((starts, -shares))
    order = order[shares[order] >= shallowest_pct][:most]
    return tuple(_drawdown(ts_us, equity_usd, int(starts[at]), int(ends[at]), float(shares[at])) for at in order)


def _drawdown(
    ts_us: NDArray[np.int64], equity_usd: NDArray[np.float64], start: int, end: int, share_pct: float
) -> Drawdown:
    trough = start + int(np.argmin(equity_usd[start:end]))
    is_over = end < len(equity_usd)
    last_us = int(ts_us[end]) if is_over else int(ts_us[-1])
    peak_us = int(ts_us[start - 1])
    return Drawdown(
        depth_pct=share_pct,
        depth_usd=float(equity_usd[start - 1] - equity_usd[trough]),
        peak_usd=float(equity_usd[start - 1]),
        peak_us=peak_us,
        trough_us=int(ts_us[trough]),
        recovered_us=last_us if is_over else None,
        days=(last_us - peak_us) / _DAY_US,
    )
