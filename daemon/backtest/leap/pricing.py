"""The book at one moment of a leap: the legs' sums, the day's figures, and the point of the attribution."""

# ruff: noqa: PLR0917 -- compiled functions take their numbers one by one

import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.state import Legs, Standing, Terms
from daemon.core.black_scholes import US_PER_YEAR
from daemon.core.day import SETTLE_US


def _sums(legs: Legs, values: NDArray[np.float64], slot: int) -> tuple[float, float, float]:
    """Delta, gamma and theta (USD a year) of the held legs, in shares, by the greeks in `values[slot]`."""
    delta, gamma, theta = 0.0, 0.0, 0.0
    for number in range(legs.shape[0]):
        leg = legs[number]
        if leg.contracts == 0.0:
            continue
        delta += leg.shares * values[slot, number, 1]
        gamma += leg.shares * values[slot, number, 2]
        theta += leg.shares * values[slot, number, 3]
    return delta, gamma, theta


sums = compiled(_sums)


def _legs_usd(terms: Terms, legs: Legs, values: NDArray[np.float64], slot: int) -> float:
    """What the legs have earned today, priced by their quotes or else in `values[slot]`."""
    found = terms.settled_usd
    for number in range(legs.shape[0]):
        leg = legs[number]
        if leg.contracts == 0.0:
            continue
        mark = leg.mark if leg.quoted else values[slot, number, 0]
        found += leg.shares * (mark - leg.opening)
    return found


legs_usd = compiled(_legs_usd)


def _day(terms: Terms, now: Standing, mid: float, earned_usd: float) -> tuple[float, float, float, float, bool]:
    """Unrealised, equity and peak (USD), drawdown (percent), and whether a limit or a fall from a peak is reached.

    `earned_usd` is the legs'.
    """
    unrealised = 0.0
    if terms.own_shares != 0.0:
        unrealised = terms.own_shares * (mid - terms.average_cost)
    total_usd = terms.realised_usd + unrealised + earned_usd - terms.commission_usd
    equity = terms.base_usd + total_usd
    peak = equity if equity > now.peak_usd else now.peak_usd  # noqa: FURB136 -- as the core compares them
    drawdown = 0.0 if peak <= 0.0 else (peak - equity) / peak * 100
    reached = (
        (peak != now.written_peak_usd and drawdown >= terms.peak_fall_pct)
        or -total_usd >= terms.max_loss_usd
        or drawdown >= terms.max_drawdown_pct
    )
    return unrealised, equity, peak, drawdown, reached


day = compiled(_day)


def _marked(legs: Legs, values: NDArray[np.float64], slot: int) -> float:
    """Let the marks of legs without a quote be those of `values[slot]`; gives the options' value, USD."""
    for number in range(legs.shape[0]):
        leg = legs[number]
        if not leg.quoted:
            leg.mark = values[slot, number, 0]
    option_usd = 0.0
    for number in range(legs.shape[0]):
        held = legs[number].held
        if held < 0:
            break
        option_usd += legs[held].shares * legs[held].mark
    return option_usd


marked = compiled(_marked)


def _attributed(
    legs: Legs,
    values: NDArray[np.float64],
    now: Standing,
    ts_us: int,
    mid: float,
    delta: float,
    gamma: float,
    theta: float,
) -> None:
    """Move the attribution's point here, where the mid has moved or a second has passed, by `values[now.values]`."""
    if mid == now.point_spot and ts_us - now.point_us < SETTLE_US:
        return
    move = mid - now.point_spot
    years = (ts_us - now.point_us) / US_PER_YEAR
    now.delta_usd += now.point_delta * move
    now.gamma_usd += 0.5 * now.point_gamma * move * move
    now.theta_usd += now.point_theta * years
    now.point_us, now.point_spot = ts_us, mid
    now.point_delta, now.point_gamma, now.point_theta = delta, gamma, theta
    for number in range(legs.shape[0]):
        legs[number].point_vega = legs[number].shares * values[now.values, number, 4]
    now.pointed += 1


attributed = compiled(_attributed)
