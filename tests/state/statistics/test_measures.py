"""Each measure beside a plain reckoning of its definition, over anything that Hypothesis thinks of."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.statistics.drawdowns import SHALLOWEST_PCT, drawdowns
from state.statistics.measures import (
    MAX_BINS,
    MIN_DAYS,
    histogram,
    percentiles,
    quantiles,
    sharpe,
    sortino,
    win_rate,
)

money = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False).map(lambda value: round(value, 2))


def test_the_win_rate_is_wilsons_worked_example() -> None:
    # Brown, Cai and DasGupta (2001): of 10 with 2 successes the 95 % score interval is (0.0567, 0.5098).
    found = win_rate([1.0] * 2 + [-1.0] * 8)
    assert (found.n, found.won, found.lost, found.rate_pct) == (10, 2, 8, 20.0)
    assert found.low_pct == pytest.approx(5.67, abs=0.01)
    assert found.high_pct == pytest.approx(50.98, abs=0.01)


@given(st.lists(money, max_size=60))
def test_the_interval_solves_the_score_equation_and_holds_the_rate(pnl: list[float]) -> None:
    found = win_rate(pnl)
    assert found.won + found.lost <= found.n == len(pnl)
    if found.rate_pct is None or found.low_pct is None or found.high_pct is None:
        assert not pnl
        return
    assert 0 <= found.low_pct <= found.rate_pct + 1e-9
    assert found.rate_pct - 1e-9 <= found.high_pct <= 100
    for bound in (found.low_pct, found.high_pct):
        p, rate = bound / 100, found.rate_pct / 100
        if 1e-9 < p < 1 - 1e-9:  # where it was not cut at 0 or 1
            assert abs(rate - p) == pytest.approx(1.959963984540054 * math.sqrt(p * (1 - p) / found.n), abs=1e-9)


def test_nothing_at_all_has_no_rate_and_no_ratio() -> None:
    assert win_rate([]).rate_pct is None
    assert sharpe([]).value is None
    assert percentiles([]).p50 is None
    assert quantiles([]) == {}
    assert histogram([]).n == 0


@given(st.lists(st.floats(min_value=-20, max_value=20), min_size=MIN_DAYS, max_size=80))
def test_the_ratios_are_their_definitions(returns: list[float]) -> None:
    mean, deviation = statistics.fmean(returns), statistics.stdev(returns)
    downside = math.sqrt(sum(min(each, 0.0) ** 2 for each in returns) / len(returns))
    for found, below in ((sharpe(returns), deviation), (sortino(returns), downside)):
        assert found.n == len(returns)
        if found.value is None:
            assert below <= 1e-9
        else:
            assert math.isfinite(found.value)
            assert found.value == pytest.approx(mean / below * math.sqrt(252), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("ratio", [sharpe, sortino])
def test_a_ratio_of_too_few_days_is_not_given_and_says_how_many(ratio: object) -> None:
    assert callable(ratio)
    few = ratio([0.1, -0.2] * 9)
    assert (few.n, few.value) == (18, None)
    assert ratio([0.5] * 30).value is None, "what never varies has no ratio"


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9) | st.just(math.nan) | st.just(math.inf), max_size=50))
def test_percentiles_leave_out_what_is_no_number_and_are_in_order(values: list[float]) -> None:
    known = sorted(value for value in values if math.isfinite(value))
    found = percentiles(values)
    assert found.n == len(known)
    if found.p50 is None or found.p95 is None or found.p99 is None:
        assert not known
        return
    place = 0.95 * (len(known) - 1)
    low, high = known[math.floor(place)], known[math.ceil(place)]
    assert found.p95 == pytest.approx(low + (high - low) * (place - math.floor(place)), rel=1e-9, abs=1e-6)
    assert found.p50 <= found.p95 <= found.p99


@given(st.lists(money, min_size=1, max_size=300))
def test_a_histogram_holds_every_value_once_in_bins_that_meet_at_zero(values: list[float]) -> None:
    found = histogram(values)
    assert found.n == len(values) == sum(found.counts)
    assert len(found.edges) == len(found.counts) + 1
    assert len(found.counts) <= MAX_BINS + 1
    assert all(abs(edge / found.width - round(edge / found.width)) < 1e-6 for edge in found.edges)
    slack = found.width * 1e-6
    assert found.edges[0] - slack <= min(values)
    assert max(values) <= found.edges[-1] + slack
    mantissa = found.width / 10 ** math.floor(math.log10(found.width) + 1e-9)
    assert min(abs(mantissa - each) for each in (1, 2, 5, 10)) < 1e-6
    for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        near = sum(low - slack <= value <= high + slack for value in values)
        inside = sum(low + slack < value < high - slack for value in values)
        assert inside <= count <= near


def slow_drawdowns(equity: list[float]) -> list[tuple[int, int, int | None]]:
    """Peak, trough and recovery by a walk over the points."""
    found: list[tuple[int, int, int | None]] = []
    at = 0
    while at + 1 < len(equity):
        if equity[at + 1] >= equity[at]:
            at += 1
            continue
        end = next((later for later in range(at + 1, len(equity)) if equity[later] >= equity[at]), None)
        below = range(at + 1, len(equity) if end is None else end)
        found.append((at, min(below, key=lambda each: equity[each]), end))
        if end is None:
            break
        at = end
    return found


@given(st.lists(st.floats(min_value=50, max_value=150).map(lambda value: round(value, 1)), max_size=60))
def test_drawdowns_are_those_of_a_walk_over_the_points(equity: list[float]) -> None:
    ts_us = np.arange(len(equity), dtype=np.int64) * 86_400_000_000
    found = drawdowns(ts_us, np.array(equity), most=100)
    expected = [
        (peak, trough, end)
        for peak, trough, end in slow_drawdowns(equity)
        if (equity[peak] - equity[trough]) / equity[peak] * 100 >= SHALLOWEST_PCT
    ]
    days = {(each.peak_us, each.trough_us, each.recovered_us): each for each in found}
    assert len(days) == len(expected)
    for peak, trough, end in expected:
        key = (int(ts_us[peak]), int(ts_us[trough]), None if end is None else int(ts_us[end]))
        each = days[key]
        assert each.depth_usd == pytest.approx(equity[peak] - equity[trough])
        assert each.depth_pct == pytest.approx((equity[peak] - equity[trough]) / equity[peak] * 100)
        assert each.days == pytest.approx((len(equity) - 1 if end is None else end) - peak)
    depths = [each.depth_pct for each in found]
    assert depths == sorted(depths, reverse=True)
