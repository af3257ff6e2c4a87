"""Leaps decide nothing of their own: random desks, random ticks, and the core's every word compared bit for bit."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backtest.leap.calm import calm_every_second, calm_scenario
from tests.backtest.leap.scenarios import random_scenario
from tests.backtest.leap.side_by_side import compare

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=6, deadline=None, suppress_health_check=_SLOW, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_desks_over_random_ticks_come_to_the_same(seed: int) -> None:
    compare(random_scenario(seed, ticks=500))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@settings(max_examples=400, deadline=None, suppress_health_check=_SLOW)
@given(seed=st.integers(0, 2**32 - 1))
def test_many_random_desks_over_random_ticks_come_to_the_same(seed: int) -> None:
    compare(random_scenario(seed, ticks=1500))


def test_what_is_compared_is_enough() -> None:
    """Of a handful of desks: hedges, refusals, transitions, jumps and standstills are among what both runs did."""
    found = [compare(random_scenario(seed, ticks=900)) for seed in (0, 3, 4, 7)]
    assert sum(each.leapt for each in found) > 800
    assert sum(each.hedges for each in found) > 8
    assert sum(each.refused for each in found) > 500
    assert sum(each.books for each in found) > 60
    assert sum(each.reports for each in found) > 20
    ends = {name for each in found for name in each.ends}
    assert ends >= {"jump", "hedge", "refusal", "quote", "time", "silence", "end", "no entry"}


def test_nearly_all_of_a_calm_day_is_leapt_over() -> None:
    found = compare(calm_scenario(9000))
    assert found.leapt > 0.97 * found.ticks
    assert found.hedges > 3
    assert found.reports > 3


def test_a_leap_over_a_report_alone_leaves_the_marks_as_they_stand() -> None:
    """It is due in the very moment of a quote, and before the next one the clock ticks."""
    found = compare(calm_every_second(60))
    assert found.leapt == 0
    assert found.reports > 8
    assert found.books > 60
