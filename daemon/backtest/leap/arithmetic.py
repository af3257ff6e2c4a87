"""The core's own functions, compiled as they stand, and what the kernel needs beside them."""

# ruff: noqa: PLR0917 -- compiled functions take their numbers one by one

import math

import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.state import Legs
from daemon.core import black_scholes, hedge_rules, instruments
from daemon.core.black_scholes import US_PER_YEAR
from daemon.strategies.gamma_scalper import classifier, market, sizing
from daemon.strategies.gamma_scalper.market import BUCKETS

_NO_DEVIATION = black_scholes._NO_DEVIATION  # noqa: SLF001 -- the formula's own limit

_shared_terms = compiled(black_scholes.shared_terms)
_one_right = compiled(black_scholes.one_right)
jump_pct = compiled(market.jump_pct)
annualised_pct = compiled(market.annualised_pct)
efficiency_ratio = compiled(market.efficiency_ratio)
option_code = compiled(classifier.option_code)
delta_code = compiled(classifier.delta_code)
movement_code = compiled(classifier.movement_code)
spread_code = compiled(classifier.spread_code)
has_cooled = compiled(hedge_rules.has_cooled)
worst_position = compiled(hedge_rules.worst_position)
fits_position = compiled(hedge_rules.fits_position)
fits_spread = compiled(hedge_rules.fits_spread)
price_move_pct = compiled(hedge_rules.price_move_pct)
has_moved = compiled(hedge_rules.has_moved)
round_half_away = compiled(instruments.round_half_away)
floor_to_step = compiled(instruments.floor_to_step)
is_worth_sending = compiled(sizing.is_worth_sending)


def _exact_sum(values: NDArray[np.float64], count: int, partials: NDArray[np.float64]) -> float:
    """The correctly rounded sum, as `math.fsum`: exact partial sums by Shewchuk's algorithm, rounded once.

    J. Shewchuk, Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates (1997).
    """
    used = 0
    for place in range(count):
        x = values[place]
        kept = 0
        for number in range(used):
            y = partials[number]
            if abs(x) < abs(y):
                x, y = y, x
            high = x + y
            low = y - (high - x)
            if low != 0.0:
                partials[kept] = low
                kept += 1
            x = high
        partials[kept] = x
        used = kept + 1
    if used == 0:
        return 0.0
    used -= 1
    high, low = partials[used], 0.0
    while used > 0:
        x = high
        used -= 1
        y = partials[used]
        high = x + y
        low = y - (high - x)
        if low != 0.0:
            break
    # Half-way cases go to even only where nothing smaller is left that says otherwise.
    if used > 0 and ((low < 0.0 and partials[used - 1] < 0.0) or (low > 0.0 and partials[used - 1] > 0.0)):
        y = low * 2.0
        x = high + y
        if y == x - high:
            high = x
    return float(high)


exact_sum = compiled(_exact_sum)


def _shifted(
    ring: NDArray[np.float64], used: int, value: float, fill: float, fills: int, keep: int, out: NDArray[np.float64]
) -> int:
    """Write the newest `keep` of (ring, value, fill x fills) to `out`; gives how many there are."""
    whole = used + 1 + fills
    dropped = max(whole - keep, 0)
    for place in range(dropped, whole):
        out[place - dropped] = ring[place] if place < used else value if place == used else fill
    return whole - dropped


_shifted = compiled(_shifted)


def _valued(legs: Legs, values: NDArray[np.float64], slot: int, mid: float, ts_us: int, rate: float) -> bool:
    """Value every leg into `values[slot]`; False where one has no usable greeks."""
    for number in range(legs.shape[0]):
        leg = legs[number]
        twin = legs[leg.twin]
        if leg.twin == number:
            years = (leg.expiry_us - ts_us) / US_PER_YEAR
            leg.root = math.sqrt(max(years, 0.0))
            leg.deviation = leg.volatility * leg.root
            if leg.deviation < _NO_DEVIATION:
                return False
            leg.d1, leg.density, leg.discounted = _shared_terms(
                mid, leg.strike, years, rate, leg.volatility, leg.deviation
            )
        price, delta, gamma, theta, vega = _one_right(
            leg.sign, mid, rate, leg.volatility, twin.root, twin.deviation, twin.d1, twin.density, twin.discounted
        )
        if not (
            -1.0 <= delta <= 1.0
            and 0.0 <= gamma < math.inf
            and 0.0 <= vega < math.inf
            and 0.0 <= price < math.inf
            and -math.inf < theta < math.inf
        ):
            return False
        values[slot, number, 0] = price
        values[slot, number, 1] = delta
        values[slot, number, 2] = gamma
        values[slot, number, 3] = theta
        values[slot, number, 4] = vega
    return True


valued = compiled(_valued)


def _new_bucket(
    rings: NDArray[np.float64],
    work: NDArray[np.float64],
    ring: int,
    buckets: int,
    closes: int,
    complete: float,
    mid: float,
    skipped: int,
) -> tuple[int, int, float, float]:
    """Complete a bucket (its sum, its last mid) and leave out `skipped` ones, into the other one of `rings`.

    Gives buckets and closes there, the sum of the complete buckets, and the path of the closes.
    """
    other = 1 - ring
    buckets = _shifted(rings[ring, 0], buckets, complete, 0.0, skipped, BUCKETS - 1, rings[other, 0])
    closes = _shifted(rings[ring, 1], closes, mid, mid, skipped, BUCKETS, rings[other, 1])
    steps, partials = work[0], work[1]
    for step in range(closes - 1):
        steps[step] = abs(rings[other, 1, step + 1] - rings[other, 1, step])
    earlier_sum = exact_sum(rings[other, 0], buckets, partials)
    return buckets, closes, earlier_sum, exact_sum(steps, closes - 1, partials)


new_bucket = compiled(_new_bucket)
