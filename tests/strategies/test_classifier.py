import math
from typing import Any

import msgspec
import pytest

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
