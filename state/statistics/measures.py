"""Measures of a list of numbers: win rate, Sharpe and Sortino ratio, wear, percentiles, a histogram."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

Z_95 = 1.959963984540054
"""The standard normal quantile of 97.5 %."""
DAYS_PER_YEAR = 252
MIN_DAYS = 20
"""Below so many daily returns (a month) a ratio says nothing and is not given."""
MAX_BINS = 40
QUANTILES_PCT = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)


class WinRate(msgspec.Struct, frozen=True, kw_only=True):
    """Share of days with a P&L above zero, percent, and its 95 % interval. All None without a day."""

    n: int
    won: int
    lost: int
    rate_pct: float | None
    low_pct: float | None
    high_pct: float | None


def win_rate(pnl_usd: Sequence[float]) -> WinRate:
    """Won days / all days with a P&L; a day of exactly zero is neither won nor lost, and counts in n.

    The interval is Wilson's score interval without continuity correction (E. B. Wilson, 1927, JASA 22, 209): with
    p the rate, (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.96.
    """
    n, won, lost = len(pnl_usd), sum(each > 0 for each in pnl_usd), sum(each < 0 for each in pnl_usd)
    if n == 0:
        return WinRate(n=0, won=0, lost=0, rate_pct=None, low_pct=None, high_pct=None)
    rate, square = won / n, Z_95 * Z_95
    middle = (rate + square / (2 * n)) / (1 + square / n)
    half = Z_95 * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n)) / (1 + square / n)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return WinRate(n=n, won=won, lost=lost, rate_pct=rate * 100, low_pct=low * 100, high_pct=high * 100)


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """A ratio and over how many days; None where it would say nothing: too few days, nothing varies or was traded."""

    n: int
    value: float | None


def sharpe(returns_pct: Sequence[float]) -> Ratio:
    """Mean / standard deviation (n - 1) of daily returns x sqrt(252), risk-free rate 0 (W. F. Sharpe, 1994)."""
    n = len(returns_pct)
    if n < MIN_DAYS:
        return Ratio(n=n, value=None)
    returns = np.asarray(returns_pct, dtype=float)
    return _annualised(n, float(returns.mean()), float(returns.std(ddof=1)))


def sortino(returns_pct: Sequence[float]) -> Ratio:
    """As `sharpe`, by the downside deviation alone: the root of the mean over all n days of min(return, 0) squared.

    F. A. Sortino and L. N. Price, 1994; target 0.
    """
    n = len(returns_pct)
    if n < MIN_DAYS:
        return Ratio(n=n, value=None)
    returns = np.asarray(returns_pct, dtype=float)
    return _annualised(n, float(returns.mean()), math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2))))


def _annualised(n: int, mean: float, deviation: float) -> Ratio:
    if deviation <= 1e-12 * max(1.0, abs(mean)):
        return Ratio(n=n, value=None)
    return Ratio(n=n, value=mean / deviation * math.sqrt(DAYS_PER_YEAR))


def wear(pairs: Sequence[tuple[float, float]]) -> Ratio:
    """What each 10,000 USD of hedging took: -sum of P&L / sum of value traded x 10,000, USD; negative: it earned.

    Each pair is one day's (P&L net of commissions, value of own executions), both USD: the P&L is the desk's whole,
    legs included, and the value that of the shares alone. Days on which either is unknown must be left out by the
    caller, so that both sums are of the same `n` days. None where nothing was traded.
    """
    volume = math.fsum(value for _, value in pairs)
    lost = -math.fsum(pnl for pnl, _ in pairs)
    return Ratio(n=len(pairs), value=lost / volume * 10_000 if volume > 0 else None)


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """p50, p95 and p99 of n values, in their unit; None without any."""

    n: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


def percentiles(values: ArrayLike) -> Percentiles:
    """Linear between the two neighbours (Hyndman and Fan's type 7, numpy's default). Not finite ones are left out."""
    found = _finite(values)
    if found.size == 0:
        return Percentiles(n=0)
    p50, p95, p99 = (float(each) for each in np.percentile(found, (50, 95, 99)))
    return Percentiles(n=int(found.size), p50=p50, p95=p95, p99=p99)


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of n values in bins of one width; bin i is [edges[i], edges[i+1]), the last one closed."""

    n: int
    width: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


def histogram(values: ArrayLike, *, max_bins: int = MAX_BINS) -> Histogram:
    """Bins of a readable width (1, 2 or 5 times a power of ten) that meet at zero.

    The width is that of Freedman and Diaconis (1981), 2·IQR / n^(1/3), rounded up to a readable one; where the
    quartiles meet, a twentieth of the range; and wider where `max_bins` would not reach.
    """
    found = _finite(values)
    if found.size == 0:
        return Histogram(n=0, width=0.0, edges=(), counts=())
    low, high = float(found.min()), float(found.max())
    quartiles = np.percentile(found, (25, 75))
    raw = 2 * float(quartiles[1] - quartiles[0]) / found.size ** (1 / 3)
    smallest = max((high - low) / max(1, max_bins - 2), max(abs(low), abs(high)) * 1e-9, 1e-9)
    width = _readable(max(raw if raw > 0 else (high - low) / 20, smallest))
    first, last = math.floor(low / width), math.floor(high / width) + 1
    index = np.clip(np.floor(found / width).astype(np.int64) - first, 0, last - first - 1)
    counts = np.bincount(index, minlength=last - first)
    return Histogram(
        n=int(found.size),
        width=width,
        edges=tuple(number * width for number in range(first, last + 1)),
        counts=tuple(int(count) for count in counts),
    )


def quantiles(values: ArrayLike) -> dict[float, float]:
    """`QUANTILES_PCT` -> value, type 7 as `percentiles`; empty without values."""
    found = _finite(values)
    if found.size == 0:
        return {}
    return dict(zip(QUANTILES_PCT, (float(each) for each in np.percentile(found, QUANTILES_PCT)), strict=True))


def _readable(width: float) -> float:
    power = 10.0 ** math.floor(math.log10(width))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0, 20.0) if step * power >= width * (1 - 1e-9))


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=np.float64).ravel()
    return found[np.isfinite(found)]
