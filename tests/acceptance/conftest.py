"""The recorded day for the acceptance tests: the real one beside the checkout, else a generated one like it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.invariants import assert_invariants
from tests.support.lean_day import write_lean_day
from tests.support.recorded_data import LEAN_FOLDER
from tests.support.system import System

TWX_DAY = LEAN_FOLDER / "equity/usa/minute/twx/20140605_quote.zip"


@dataclass(frozen=True)
class Day:
    """A recorded day and the straddle that is hedged on it."""

    name: str
    spec: str
    symbol: str
    strike: float
    expiry: str
    rate: float

    def profile(self, *, volatility: str = "0.35", speed: int = 600, more: str = "") -> str:
        """A profile in YAML, with PORT where the port goes: the shipped one's thresholds on this day."""
        return f"""
extends: recorded_day
underlying: {{symbol: {self.symbol}}}
legs:
  - {{right: call, strike: {self.strike}, expiry: {self.expiry}}}
  - {{right: put, strike: {self.strike}, expiry: {self.expiry}}}
ib: {{port: PORT}}
greeks: {{risk_free_rate: {self.rate}, volatility: {volatility}}}
simulator:
  replay: "{self.spec}"
  speed: {speed}
  positions:
    - {{quantity: 10, right: call, strike: {self.strike}, expiry: {self.expiry}}}
    - {{quantity: 10, right: put, strike: {self.strike}, expiry: {self.expiry}}}
{more}
"""


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """TWX on 5 June 2014 where it lies beside the checkout, else the generated day."""
    if TWX_DAY.exists():
        return Day("twx", f"lean:{LEAN_FOLDER}:TWX:20140605", "TWX", 70.0, "2014-07-19", 0.001)
    made = write_lean_day(tmp_path_factory.mktemp("lean"))
    leg = made.legs[0]
    return Day("generated", made.spec, made.symbol, leg.strike, leg.expiry, 0.05)


DEMO = """
extends: demo
ib: {port: PORT}
simulator: {speed: 20}
"""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[System]:
    """A synthetic market at twenty times life's pace, nothing started yet."""
    system = System(tmp_path, DEMO)
    yield system
    system.close()
    assert_invariants(system)


@pytest.fixture(scope="session", autouse=True)
def _no_desk_from_outside() -> None:
    """A developer's own desk must not leak into the tests."""
    for name in ("BIFROST_DESK", "BIFROST_ROOT"):
        os.environ.pop(name, None)
