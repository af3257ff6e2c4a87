# ruff: noqa: PLR0917 -- the formula has six arguments
import math

import pytest
import QuantLib
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import black_scholes as bs

RIGHTS = st.sampled_from(["C", "P"])
SPOTS = st.floats(5, 1000)
MONEYNESS = st.floats(0.6, 1.6)
DAYS = st.integers(1, 900)
RATES = st.floats(-0.02, 0.12)
VOLATILITIES = st.floats(0.05, 2.0)


def quantlib_greeks(
    right: bs.Right, spot: float, strike: float, years: float, rate: float, volatility: float
) -> dict[str, float]:
    """The same numbers from an independent library (its Black formula on the forward)."""
    payoff = QuantLib.PlainVanillaPayoff(QuantLib.Option.Call if right == "C" else QuantLib.Option.Put, strike)
    forward = spot * math.exp(rate * years)
    discount = math.exp(-rate * years)
    black = QuantLib.BlackCalculator(payoff, forward, volatility * math.sqrt(years), discount)
    return {
        "price": black.value(),
        "delta": black.delta(spot),
        "gamma": black.gamma(spot),
        "theta_usd_year": black.theta(spot, years),
        "vega": black.vega(years),
    }


@settings(max_examples=300, deadline=None)
@given(RIGHTS, SPOTS, MONEYNESS, DAYS, RATES, VOLATILITIES)
def test_every_number_equals_quantlibs(
    right: bs.Right, spot: float, moneyness: float, days: int, rate: float, volatility: float
) -> None:
    args = (right, spot, spot * moneyness, days / 365, rate, volatility)
    ours = bs.greeks(*args)
    for name, theirs in quantlib_greeks(*args).items():
        assert getattr(ours, name) == pytest.approx(theirs, rel=1e-9, abs=1e-9 * spot), name
    assert ours.theta_usd_day == pytest.approx(ours.theta_usd_year / 365)


@settings(max_examples=50, deadline=None)
@given(RIGHTS, SPOTS, MONEYNESS, DAYS, RATES, VOLATILITIES)
def test_the_single_functions_are_the_fused_one(
    right: bs.Right, spot: float, moneyness: float, days: int, rate: float, volatility: float
) -> None:
    args = (right, spot, spot * moneyness, days / 365, rate, volatility)
    fused = bs.greeks(*args)
    for name in ("price", "delta", "gamma", "theta_usd_year", "theta_usd_day", "vega"):
        assert getattr(bs, name)(*args) == getattr(fused, name)


@settings(max_examples=200, deadline=None)
@given(SPOTS, MONEYNESS, st.integers(0, 900), RATES, st.floats(0, 2))
def test_put_call_parity_also_where_expired_or_without_volatility(
    spot: float, moneyness: float, days: int, rate: float, volatility: float
) -> None:
    strike, years = spot * moneyness, days / 365
    call = bs.greeks("C", spot, strike, years, rate, volatility)
    put = bs.greeks("P", spot, strike, years, rate, volatility)
    assert call.price - put.price == pytest.approx(spot - strike * math.exp(-rate * years), abs=1e-9 * spot)
    assert call.delta - put.delta == pytest.approx(1.0)
    assert call.gamma == pytest.approx(put.gamma)
    assert call.vega == pytest.approx(put.vega)


@settings(max_examples=300, deadline=None)
@given(RIGHTS, SPOTS, MONEYNESS, DAYS, RATES, VOLATILITIES)
def test_implied_volatility_gives_the_price_back(
    right: bs.Right, spot: float, moneyness: float, days: int, rate: float, volatility: float
) -> None:
    strike, years = spot * moneyness, days / 365
    option_price = bs.price(right, spot, strike, years, rate, volatility)
    found = bs.implied_volatility(right, option_price, spot, strike, years, rate)
    floor, ceiling = bs.price_bounds(right, spot, strike, years, rate)
    if not floor < option_price < ceiling:
        assert found is None
        return
    if found is None:  # only where rounding has eaten the time value
        assert option_price - floor < 1e-10 * spot
        return
    assert bs.price(right, spot, strike, years, rate, found) == pytest.approx(option_price, rel=1e-11, abs=1e-11 * spot)
    if bs.vega(right, spot, strike, years, rate, volatility) > 1e-3 * spot:
        assert found == pytest.approx(volatility, abs=1e-8)


@pytest.mark.parametrize(
    ("right", "option_price"),
    [("C", 5.0), ("C", 4.99), ("C", 100.0), ("C", 120.0), ("P", 95.0), ("P", 99.0), ("P", 0.0), ("P", -1.0)],
)
def test_a_price_at_or_outside_the_no_arbitrage_bounds_has_no_implied_volatility(
    right: bs.Right, option_price: float
) -> None:
    assert bs.implied_volatility(right, option_price, 100.0, 95.0, 0.5, 0.0) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_has_no_implied_volatility(bad: float) -> None:
    assert bs.implied_volatility("C", bad, 100.0, 95.0, 0.5, 0.0) is None
    assert bs.implied_volatility("C", 7.0, bad, 95.0, 0.5, 0.0) is None


def test_no_implied_volatility_when_expired_or_above_a_thousand_percent() -> None:
    assert bs.implied_volatility("C", 7.0, 100.0, 95.0, 0.0, 0.0) is None
    assert bs.implied_volatility("C", 99.999, 100.0, 95.0, 0.1, 0.0) is None


@pytest.mark.parametrize(
    ("right", "spot", "price", "delta"),
    [("C", 105, 5, 1), ("C", 95, 0, 0), ("C", 100, 0, 0.5), ("P", 95, 5, -1), ("P", 105, 0, 0), ("P", 100, 0, -0.5)],
)
def test_an_expired_option_is_its_intrinsic_value(right: bs.Right, spot: float, price: float, delta: float) -> None:
    for years in (0.0, -1.0):
        found = bs.greeks(right, spot, 100.0, years, 0.05, 0.35)
        assert (found.price, found.delta) == (price, delta)
        assert (found.gamma, found.theta_usd_year, found.vega) == (0, 0, 0)


def test_without_volatility_the_option_is_a_sure_forward() -> None:
    call = bs.greeks("C", 100.0, 95.0, 1.0, 0.05, 0.0)
    assert call.price == pytest.approx(100 - 95 * math.exp(-0.05))
    assert call.delta == 1.0
    assert call.theta_usd_year == pytest.approx(-0.05 * 95 * math.exp(-0.05))
    assert bs.greeks("P", 100.0, 95.0, 1.0, 0.05, 0.0).price == 0.0


def test_the_degenerate_cases_are_the_limits() -> None:
    nearly = bs.greeks("C", 100.0, 95.0, 1.0, 0.05, 1e-4)
    sure = bs.greeks("C", 100.0, 95.0, 1.0, 0.05, 0.0)
    assert nearly.price == pytest.approx(sure.price)
    assert nearly.delta == pytest.approx(sure.delta)
    assert nearly.theta_usd_year == pytest.approx(sure.theta_usd_year)


def test_theta_is_what_a_day_really_costs() -> None:
    now = bs.greeks("C", 70.0, 70.0, 44 / 365, 0.05, 0.35)
    tomorrow = bs.price("C", 70.0, 70.0, 43 / 365, 0.05, 0.35)
    assert tomorrow - now.price == pytest.approx(now.theta_usd_day, rel=0.02)


def test_an_absurd_spot_is_refused() -> None:
    with pytest.raises(ValueError, match="spot and strike must be positive"):
        bs.greeks("C", 0.0, 70.0, 0.1, 0.05, 0.35)


def test_years_are_actual_over_365_and_never_negative() -> None:
    assert bs.years_between(0, 365 * 86_400_000_000) == 1.0
    assert bs.years_between(10, 5) == 0.0
