"""The core's own functions, compiled as they stand, and what the kernel needs beside them."""

# ruff: noqa: PLR0917 -- compiled functions take their numbers one by one

import math

import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.state import Legs, Scratch
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


def _valued(legs: Legs, mid: float, ts_us: int, rate: float, room: Scratch, values: int) -> bool:
    """Value every leg into `room.values[values]`; False where one has no usable greeks."""
    for leg in range(legs.sign.shape[0]):
        twin = legs.twin[leg]
        volatility = legs.volatility[leg]
        if twin == leg:
            years = (legs.expiry_us[leg] - ts_us) / US_PER_YEAR
            root = math.sqrt(max(years, 0.0))
            deviation = volatility * root
            if deviation < _NO_DEVIATION:
                return False
            d1, density, discounted = _shared_terms(mid, legs.strike[leg], years, rate, volatility, deviation)
            room.shared[leg, 0] = d1
            room.shared[leg, 1] = density
            room.shared[leg, 2] = discounted
            room.shared[leg, 3] = root
            room.shared[leg, 4] = deviation
        price, delta, gamma, theta, vega = _one_right(
            legs.sign[leg],
            mid,
            rate,
            volatility,
            room.shared[twin, 3],
            room.shared[twin, 4],
            room.shared[twin, 0],
            room.shared[twin, 1],
            room.shared[twin, 2],
        )
        if not (
            -1.0 <= delta <= 1.0
            and 0.0 <= gamma < math.inf
            and 0.0 <= vega < math.inf
            and 0.0 <= price < math.inf
            and -math.inf < theta < math.inf
        ):
            return False
        room.values[values, leg, 0] = price
        room.values[values, leg, 1] = delta
        room.values[values, leg, 2] = gamma
        room.values[values, leg, 3] = theta
        room.values[values, leg, 4] = vega
    return True


valued = compiled(_valued)


def _new_bucket(
    room: Scratch, ring: int, buckets: int, closes: int, complete: float, mid: float, skipped: int
) -> tuple[int, int, float, float]:
    """Complete a bucket (its sum, its last mid) and leave out `skipped` ones, into the other ring of `room`.

    Gives buckets and closes there, the sum of the complete buckets, and the path of the closes.
    """
    other = 1 - ring
    buckets = _shifted(room.earlier[ring], buckets, complete, 0.0, skipped, BUCKETS - 1, room.earlier[other])
    closes = _shifted(room.closes[ring], closes, mid, mid, skipped, BUCKETS, room.closes[other])
    for step in range(closes - 1):
        room.steps[step] = abs(room.closes[other, step + 1] - room.closes[other, step])
    earlier_sum = exact_sum(room.earlier[other], buckets, room.partials)
    return buckets, closes, earlier_sum, exact_sum(room.steps, closes - 1, room.partials)


new_bucket = compiled(_new_bucket)
