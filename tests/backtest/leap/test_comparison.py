"""The comparison of leaps with the core can fail: each number that a leap carries is seen when its last bit is off."""

import math
from typing import Any

import pytest

from daemon.backtest.leap import leaper
from tests.backtest.leap.calm import calm_scenario
from tests.backtest.leap.side_by_side import compare

CARRIED = (
    "bucket_sum",
    "earlier_sum",
    "path",
    "equity_usd",
    "unrealised_usd",
    "legs_usd",
    "drawdown_pct",
    "peak_usd",
    "point_spot",
    "point_delta",
    "point_gamma",
    "point_theta",
    "delta_usd",
    "gamma_usd",
    "theta_usd",
    "mid",
    "bid",
)
WRITTEN = ("spot", "net_delta_shares", "option_value_usd", "code", "needed", "ts_us")


def test_unfalsified_it_passes() -> None:
    assert compare(calm_scenario(700)).leapt > 500


@pytest.mark.parametrize("name", CARRIED)
def test_a_carried_number_that_is_off_by_its_last_bit_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = leaper.leap
    done = []

    def falsified(*given: Any) -> int:
        why: int = real(*given)
        now = given[5][0]
        if now["quotes"] > 100 and not done:
            done.append(name)
            now[name] = math.nextafter(now[name], math.inf)
        return why

    monkeypatch.setattr(leaper, "leap", falsified)
    with pytest.raises(AssertionError):
        compare(calm_scenario(700))
    assert done


@pytest.mark.parametrize("name", WRITTEN)
def test_a_written_number_that_is_off_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = leaper.leap
    done = []

    def falsified(*given: Any) -> int:
        why: int = real(*given)
        rows, row = given[10], given[5][0]["row"]
        if row > 150 and not done:
            done.append(name)
            column = rows[name]
            value = column[row - 10]
            column[row - 10] = math.nextafter(value, math.inf) if column.dtype.kind == "f" else not value
        return why

    monkeypatch.setattr(leaper, "leap", falsified)
    with pytest.raises(AssertionError):
        compare(calm_scenario(700))
    assert done
