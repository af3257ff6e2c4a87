"""Black-Scholes for European options without dividends, in scalar code: a leg costs about a microsecond.

Arguments come in one order everywhere: right ("C" or "P"), spot and strike (USD), years (ACT/365, to the last
trading time), rate (a year, continuous), volatility (a year, 0.35 = 35 %). Results are per share:

| name | meaning |
|---|---|
| price | USD |
| delta | USD per USD of spot |
| gamma | delta per USD of spot |
| theta_usd_year, theta_usd_day | USD by which the price changes as a year, or one calendar day (1/365), goes by |
| vega | USD per 1.00 of volatility (100 points); per point it is a hundredth of that |

Degenerate inputs are defined, never an exception: `years <= 0` is expired (intrinsic value, delta 0 or +-1,
exactly at the strike half of that), `volatility <= 0` is a sure forward (the same against the discounted strike).
A spot or strike that is not positive raises ValueError.

Source: F. Black, M. Scholes (1973); J. Hull, Options, Futures and Other Derivatives, chapters 15 and 19.
"""

# ruff: noqa: PLR0917 -- the formula has six arguments, and they come in one order everywhere

import math
from typing import Literal

import msgspec

Right = Literal["C", "P"]

Terms = tuple[float, float, float, float, float]
"""The last arguments of `one_right`: root, deviation, d1, density, discounted strike."""

DAYS_PER_YEAR = 365.0
US_PER_YEAR = 365 * 86_400 * 1_000_000
MAX_VOLATILITY = 10.0
"""Implied volatilities above this (1000 %) are taken for a wrong price."""

_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_TWO_PI = 1.0 / math.sqrt(2.0 * math.pi)
_MIN_VOLATILITY = 1e-6
_NO_DEVIATION = 1e-100  # below it the quotients underflow; the price is the expired one's long before
_MAX_STEPS = 100
_RELATIVE_ERROR = 1e-13


class OptionGreeks(msgspec.Struct, frozen=True, gc=False):
    """Value and sensitivities of one option on one share; the units are those of the module's table."""

    price: float
    delta: float
    gamma: float
    theta_usd_year: float
    vega: float

    @property
    def theta_usd_day(self) -> float:
        """USD by which the price changes in one calendar day."""
        return self.theta_usd_year / DAYS_PER_YEAR


def years_between(now_us: int, expiry_us: int) -> float:
    """ACT/365 from `now_us` to `expiry_us` (microseconds); 0.0 once expired."""
    return max(expiry_us - now_us, 0) / US_PER_YEAR


def greeks(right: Right, spot: float, strike: float, years: float, rate: float, volatility: float) -> OptionGreeks:
    """Price and all sensitivities at once."""
    shared = terms(spot, strike, years, rate, volatility)
    if shared is None:
        return _degenerate(right, spot, strike, max(years, 0.0), rate)
    return OptionGreeks(*one_right(1.0 if right == "C" else -1.0, spot, rate, volatility, *shared))


def terms(spot: float, strike: float, years: float, rate: float, volatility: float) -> Terms | None:
    """What a call and a put of one strike, expiry and volatility share; None for a degenerate option."""
    if not (spot > 0.0 and strike > 0.0):
        raise ValueError(f"spot and strike must be positive: spot {spot}, strike {strike}")
    root = math.sqrt(max(years, 0.0))
    deviation = volatility * root
    if deviation < _NO_DEVIATION:
        return None
    d1, density, discounted = shared_terms(spot, strike, years, rate, volatility, deviation)
    return root, deviation, d1, density, discounted


def shared_terms(
    spot: float, strike: float, years: float, rate: float, volatility: float, deviation: float
) -> tuple[float, float, float]:
    """What call and put have in common: d1, the normal density there, and the discounted strike (USD).

    `deviation` is volatility x root of the years. This and `one_right` are arithmetic on floats and nothing else: the
    backtest's fast path compiles them as they stand.
    """
    d1 = (math.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / deviation
    return d1, _INV_SQRT_TWO_PI * math.exp(-0.5 * d1 * d1), strike * math.exp(-rate * years)


def one_right(
    sign: float,
    spot: float,
    rate: float,
    volatility: float,
    root: float,
    deviation: float,
    d1: float,
    density: float,
    discounted: float,
) -> tuple[float, float, float, float, float]:
    """The fields of `OptionGreeks`, in their order; `sign` is 1.0 for a call, -1.0 for a put."""
    delta = sign * 0.5 * math.erfc(-sign * d1 * _SQRT_HALF)
    strike_part = sign * discounted * 0.5 * math.erfc(-sign * (d1 - deviation) * _SQRT_HALF)
    value = spot * delta - strike_part
    return (
        0.0 if value < 0.0 else value,  # noqa: FURB136 -- what a compiler makes of max and -0.0 is its own affair
        delta,
        density / (spot * deviation),
        -spot * density * volatility / (2.0 * root) - rate * strike_part,
        spot * density * root,
    )


def price(right: Right, spot: float, strike: float, years: float, rate: float, volatility: float) -> float:
    """USD per share."""
    return greeks(right, spot, strike, years, rate, volatility).price


def delta(right: Right, spot: float, strike: float, years: float, rate: float, volatility: float) -> float:
    """Shares of the underlying that one option on one share stands for."""
    return greeks(right, spot, strike, years, rate, volatility).delta


def gamma(right: Right, spot: float, strike: float, years: float, rate: float, volatility: float) -> float:
    """Change of delta per USD of spot; the same for call and put."""
    return greeks(right, spot, strike, years, rate, volatility).gamma


def theta_usd_year(right: Right, spot: float, strike: float, years: float, rate: float, volatility: float) -> float:
    """USD per share and year as time goes by; negative for nearly every long option."""
    return greeks(right, spot, strike, years, rate, volatility).theta_usd_year


def theta_usd_day(right: Right, spot: float, strike: float, years: float, rate: float, volatility: float) -> float:
    """USD per share and calendar day."""
    return greeks(right, spot, strike, years, rate, volatility).theta_usd_day


def vega(right: Right, spot: float, strike: float, years: float, rate: float, volatility: float) -> float:
    """USD per share for 1.00 of volatility."""
    return greeks(right, spot, strike, years, rate, volatility).vega


def price_bounds(right: Right, spot: float, strike: float, years: float, rate: float) -> tuple[float, float]:
    """Floor (discounted intrinsic value) and ceiling, USD per share, between which some volatility explains a price."""
    discounted = strike * math.exp(-rate * max(years, 0.0))
    if right == "C":
        return max(spot - discounted, 0.0), spot
    return max(discounted - spot, 0.0), discounted


def implied_volatility(
    right: Right, option_price: float, spot: float, strike: float, years: float, rate: float
) -> float | None:
    """The volatility at which `price` gives `option_price`.

    None when the option has expired, a number is not finite and positive, the price is at or outside the bounds
    of no arbitrage (`price_bounds`), or the answer would lie above `MAX_VOLATILITY`.
    """
    if not all(map(math.isfinite, (option_price, spot, strike, years, rate))):
        return None
    if spot <= 0.0 or strike <= 0.0 or years <= 0.0:
        return None
    floor, ceiling = price_bounds(right, spot, strike, years, rate)
    if not floor < option_price < ceiling:
        return None
    # What is left above the floor is the price of the out-of-the-money option (put-call parity): searching for
    # that one keeps the digits that a deep in-the-money price has lost.
    time_value = option_price - floor
    discounted = strike * math.exp(-rate * years)
    otm_right: Right = "C" if spot <= discounted else "P"
    return _solve(otm_right, time_value, spot, strike, years, rate)


def _solve(right: Right, target: float, spot: float, strike: float, years: float, rate: float) -> float | None:
    """Newton inside a bracket that only shrinks; a step that leaves it becomes a bisection.

    Starts at the inflection of price against volatility, from where Newton cannot overshoot; below it the search
    runs on log prices, which are nearly straight there while prices are nearly flat.
    """
    if price(right, spot, strike, years, rate, MAX_VOLATILITY) < target:
        return None
    low, high = _MIN_VOLATILITY, MAX_VOLATILITY
    forward_moneyness = abs(math.log(spot / strike) + rate * years)
    guess = min(max(math.sqrt(2.0 * forward_moneyness / years), 0.1), 0.5 * MAX_VOLATILITY)
    for _ in range(_MAX_STEPS):
        at_guess = greeks(right, spot, strike, years, rate, guess)
        if abs(at_guess.price - target) <= _RELATIVE_ERROR * target:
            break
        if at_guess.price < target:
            low = guess
        else:
            high = guess
        following = guess - _newton_step(at_guess, target)
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - guess) <= _RELATIVE_ERROR * guess or high - low <= _RELATIVE_ERROR:
            guess = following
            break
        guess = following
    return guess if guess > 2.0 * _MIN_VOLATILITY else None


def _newton_step(at_guess: OptionGreeks, target: float) -> float:
    """How far to go back from the guess; infinite (a bisection follows) where the price is flat."""
    if at_guess.vega <= 0.0 or at_guess.price <= 0.0:
        return math.inf
    if at_guess.price > target:
        return math.log(at_guess.price / target) * at_guess.price / at_guess.vega
    return (at_guess.price - target) / at_guess.vega


def _degenerate(right: Right, spot: float, strike: float, years: float, rate: float) -> OptionGreeks:
    """The limit of vanishing volatility or time: a forward that is worth something, or nothing."""
    discounted = strike * math.exp(-rate * years)
    sign = 1.0 if right == "C" else -1.0
    value = sign * (spot - discounted)
    # At the strike itself the two one-sided limits are averaged, so that parity holds there too.
    weight = 0.5 if value == 0.0 else float(value > 0.0)
    return OptionGreeks(
        price=max(value, 0.0),
        delta=sign * weight,
        gamma=0.0,
        theta_usd_year=-sign * rate * discounted * weight if years > 0.0 else 0.0,
        vega=0.0,
    )
