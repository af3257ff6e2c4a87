import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import DeltaGate, StateGates
from daemon.strategies.gamma_scalper.classifier import (
    Codes,
    DeltaCode,
    ExecutionCode,
    Facts,
    LiquidityCode,
    MarketCode,
    OptionCode,
    StateClassifier,
    SystemCode,
)

FACTS = Facts(
    holds_options=True,
    gamma=90.0,
    quantity_sum=20,
    deviation_shares=0.0,
    tick_age_ms=0.0,
    volatility_pct=30.0,
    spread_pct=0.02,
    connected=True,
    lag_ms=5.0,
)


def codes(**changes: Any) -> Codes:
    return StateClassifier(StateGates()).classify(msgspec.structs.replace(FACTS, **changes))


def test_a_calm_moment() -> None:
    assert codes().text == "O1 D0 M1 L0 E0 S0"
    assert codes(deviation_shares=-30.0).text == "O1 D2 M1 L0 E0 S0"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"holds_options": False}, OptionCode.NONE),
        ({}, OptionCode.LONG_GAMMA),
        ({"gamma": -1.0}, OptionCode.SHORT_GAMMA),
        ({"gamma": None, "quantity_sum": -3}, OptionCode.SHORT_GAMMA),
        ({"gamma": None, "quantity_sum": 3}, OptionCode.LONG_GAMMA),
        ({"gamma": 0.0, "quantity_sum": 0}, OptionCode.LONG_GAMMA),  # contracts are there: not NONE
    ],
)
def test_o_is_the_sign_of_the_books_gamma(changes: dict[str, Any], expected: OptionCode) -> None:
    assert codes(**changes).o is expected


@pytest.mark.parametrize(
    ("deviation", "expected"),
    [
        (0.0, DeltaCode.IN_BAND),
        (10.0, DeltaCode.IN_BAND),  # exactly epsilon_band is in band
        (10.0 + 1e-10, DeltaCode.IN_BAND),
        (10.001, DeltaCode.MINOR),
        (24.999, DeltaCode.MINOR),
        (25.0, DeltaCode.HEDGE_NEEDED),  # exactly the threshold is a needed hedge
        (25.0 - 1e-10, DeltaCode.HEDGE_NEEDED),
        (499.99, DeltaCode.HEDGE_NEEDED),
        (500.0, DeltaCode.FORCE_HEDGE),
        (None, DeltaCode.INVALID),
        (math.nan, DeltaCode.INVALID),
        (math.inf, DeltaCode.INVALID),
    ],
)
def test_d_at_and_around_every_threshold(deviation: float | None, expected: DeltaCode) -> None:
    assert codes(deviation_shares=deviation).d is expected
    if deviation is not None:
        assert codes(deviation_shares=-deviation).d is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"volatility_pct": 9.99}, MarketCode.QUIET),
        ({"volatility_pct": 10.0}, MarketCode.NORMAL),
        ({"volatility_pct": 0.0}, MarketCode.QUIET),  # zero is a measurement, not a missing one
        ({"volatility_pct": None}, MarketCode.NORMAL),
        ({"volatility_pct": None, "efficiency": 1.0}, MarketCode.NORMAL),
        ({"efficiency": None, "volatility_pct": 500.0}, MarketCode.NORMAL),
        ({"efficiency": 0.4999}, MarketCode.NORMAL),
        ({"efficiency": 0.5}, MarketCode.TREND),
        ({"efficiency": 0.5 - 1e-10}, MarketCode.TREND),
        ({"efficiency": 1.0}, MarketCode.TREND),
        ({"efficiency": 1.0, "volatility_pct": 9.99}, MarketCode.QUIET),  # a drift of cents is no trend
        ({"efficiency": 0.5, "volatility_pct": 80.0}, MarketCode.TREND),
        ({"efficiency": 0.25, "volatility_pct": 50.0}, MarketCode.CHOPPY),
        ({"efficiency": 0.25 + 1e-10, "volatility_pct": 50.0 - 1e-10}, MarketCode.CHOPPY),
        ({"efficiency": 0.2501, "volatility_pct": 50.0}, MarketCode.NORMAL),
        ({"efficiency": 0.25, "volatility_pct": 49.99}, MarketCode.NORMAL),
        ({"efficiency": 0.0, "volatility_pct": 50.01}, MarketCode.CHOPPY),
        ({"efficiency": 0.0, "volatility_pct": 80.0, "gap": True}, MarketCode.GAP),
        ({"gap": True}, MarketCode.GAP),
        ({"tick_age_ms": 4999.9}, MarketCode.NORMAL),
        ({"tick_age_ms": 5000.0}, MarketCode.STALE),
        ({"feed_probe_failed": True}, MarketCode.STALE),
        ({"gap": True, "tick_age_ms": 6000.0}, MarketCode.STALE),
        ({"tick_age_ms": None, "feed_probe_failed": True}, MarketCode.NORMAL),  # closed: age is not judged
    ],
)
def test_m(changes: dict[str, Any], expected: MarketCode) -> None:
    assert codes(**changes).m is expected


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        (0.0, LiquidityCode.NORMAL),
        (0.0999, LiquidityCode.NORMAL),
        (0.1, LiquidityCode.WIDE),
        (0.4999, LiquidityCode.WIDE),
        (0.5, LiquidityCode.EXTREME),
        (None, LiquidityCode.NO_QUOTE),
        (-0.1, LiquidityCode.NO_QUOTE),
    ],
)
def test_l_at_and_around_every_threshold(spread: float | None, expected: LiquidityCode) -> None:
    assert codes(spread_pct=spread).l is expected
    assert codes(spread_pct=spread, trading_halted=True).l is LiquidityCode.NO_QUOTE
    assert codes(spread_pct=spread, delayed=True).l is LiquidityCode.NO_QUOTE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ExecutionCode.IDLE),
        ({"working": True}, ExecutionCode.WORKING),
        ({"working": True, "partly_filled": True}, ExecutionCode.PARTIAL),
        ({"connected": False, "broker_error": True}, ExecutionCode.DISCONNECTED),
        ({"broker_error": True, "working": True}, ExecutionCode.BROKER_ERROR),
    ],
)
def test_e(changes: dict[str, Any], expected: ExecutionCode) -> None:
    assert codes(**changes).e is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, SystemCode.OK),
        ({"deviation_shares": None}, SystemCode.GREEKS_BAD),
        ({"deviation_shares": None, "holds_options": False}, SystemCode.OK),
        ({"lag_ms": 1000.0}, SystemCode.OK),
        ({"lag_ms": 1000.1}, SystemCode.DATA_LAG),
        ({"lag_ms": None}, SystemCode.DATA_LAG),
        ({"halted": True, "lag_ms": None, "deviation_shares": None}, SystemCode.RISK_HALT),
    ],
)
def test_s(changes: dict[str, Any], expected: SystemCode) -> None:
    assert codes(**changes).s is expected


def test_a_threshold_of_zero_is_obeyed() -> None:  # defect 11
    gates = StateGates(delta=DeltaGate(epsilon_band=0.0, threshold_hedge_shares=1.0))
    classify = StateClassifier(gates).classify
    assert classify(msgspec.structs.replace(FACTS, deviation_shares=0.0)).d is DeltaCode.IN_BAND
    assert classify(msgspec.structs.replace(FACTS, deviation_shares=0.5)).d is DeltaCode.MINOR


def measured(low: float, high: float) -> st.SearchStrategy[float | None]:
    return st.none() | st.floats(low, high, allow_nan=False)


ANY_FACTS = st.builds(
    Facts,
    holds_options=st.booleans(),
    gamma=measured(-1e6, 1e6),
    quantity_sum=st.floats(-1e4, 1e4),
    deviation_shares=st.none() | st.floats(),
    tick_age_ms=measured(0, 1e9),
    feed_probe_failed=st.booleans(),
    gap=st.booleans(),
    volatility_pct=measured(0, 1e4),
    efficiency=measured(0, 1),
    spread_pct=measured(-1, 1e3),
    trading_halted=st.booleans(),
    delayed=st.booleans(),
    connected=st.booleans(),
    broker_error=st.booleans(),
    working=st.booleans(),
    partly_filled=st.booleans(),
    lag_ms=measured(0, 1e6),
    halted=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(ANY_FACTS)
def test_every_moment_has_six_codes_and_a_gate_that_says_what_the_codes_say(facts: Facts) -> None:
    found = StateClassifier(StateGates()).classify(facts)
    good = found.e == 0 and found.s == 0 and found.m != MarketCode.STALE and found.l <= LiquidityCode.WIDE
    assert (found.closed_gate is None) is good
    assert found.hedge_needed is (found.o > 0 and found.d in (2, 3))
    assert (found.l == LiquidityCode.NO_QUOTE) is (
        facts.spread_pct is None or facts.spread_pct < 0 or facts.trading_halted or facts.delayed
    )
    if facts.gap and found.m != MarketCode.STALE:
        assert found.m is MarketCode.GAP


def test_every_value_of_every_code_is_reached() -> None:
    moments = [
        {"holds_options": False, "volatility_pct": 0.0},
        {"deviation_shares": 15.0, "efficiency": 0.9, "spread_pct": 0.2, "working": True},
        {"gamma": -1.0, "deviation_shares": 30.0, "efficiency": 0.1, "volatility_pct": 90.0, "spread_pct": 0.9},
        {"deviation_shares": 600.0, "gap": True, "spread_pct": None, "working": True, "partly_filled": True},
        {"deviation_shares": None, "tick_age_ms": 9e9, "connected": False},
        {"broker_error": True, "lag_ms": 5e3},
        {"halted": True},
    ]
    reached = [codes(**moment) for moment in moments]
    for letter, kind in zip("odmles", map(type, msgspec.structs.astuple(reached[0])), strict=True):
        assert {getattr(each, letter) for each in reached} == set(kind), letter
