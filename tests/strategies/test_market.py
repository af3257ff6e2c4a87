import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.strategies.gamma_scalper.market import BUCKETS, TRADING_YEAR_S, Market, MarketWindow

S = 1_000_000
START = 1_401_975_000 * S
FIVE = Market(vol_window_min=5, gap_pct=2.0)


def walk(market: Market, mids: list[float], step_s: float = 1.0) -> tuple[MarketWindow, int]:
    window, ts_us = MarketWindow(), START
    for mid in mids:
        window = market.absorb(window, mid, ts_us)
        ts_us += round(step_s * S)
    return window, ts_us - round(step_s * S)


def test_a_constant_price_has_no_volatility_and_an_empty_window_says_nothing() -> None:
    window, ts_us = walk(FIVE, [70.0] * 301)
    assert FIVE.volatility_pct(window, ts_us) == 0.0
    assert FIVE.volatility_pct(MarketWindow(), START) is None
    assert FIVE.volatility_pct(walk(FIVE, [70.0] * 30)[0], START + 30 * S) is None


def test_a_steady_zigzag_has_the_volatility_of_its_steps() -> None:
    mids = [70.0, 70.0 * math.exp(0.0001)] * 300
    window, ts_us = walk(FIVE, mids)
    expected = math.sqrt(0.0001**2 * TRADING_YEAR_S) * 100
    assert FIVE.volatility_pct(window, ts_us) == pytest.approx(expected, rel=0.05)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-0.002, 0.002), min_size=400, max_size=700))
def test_the_window_is_the_sum_over_its_own_minutes_and_never_grows(returns: list[float]) -> None:
    mids = [70.0]
    for r in returns:
        mids.append(mids[-1] * math.exp(r))
    window, ts_us = walk(FIVE, mids)
    assert len(window.earlier) <= BUCKETS - 1
    oldest = (ts_us // (10 * S) - (BUCKETS - 1)) * 10 * S  # whole buckets of ten seconds
    inside = [r for i, r in enumerate(returns) if START + (i + 1) * S >= oldest]
    assert window.earlier_sum + window.bucket_sum == pytest.approx(math.fsum(r * r for r in inside), abs=1e-12)


@pytest.mark.parametrize(("mid", "gap"), [(71.4, True), (71.39, False), (68.6, True), (68.61, False)])
def test_a_jump_of_exactly_two_percent_is_a_gap(mid: float, gap: bool) -> None:  # defect 15
    window, _ = walk(FIVE, [70.0])
    after = FIVE.absorb(window, mid, START + S)
    assert FIVE.in_gap(after, START + S) is gap


def test_a_gap_is_over_after_one_window_and_does_not_count_as_volatility() -> None:
    window, ts_us = walk(FIVE, [70.0] * 60 + [75.0] * 120)
    assert FIVE.in_gap(window, ts_us)
    assert FIVE.volatility_pct(window, ts_us) == 0.0
    assert not FIVE.in_gap(window, ts_us + 300 * S)


def test_a_new_session_forgets_the_returns_but_sees_the_overnight_gap() -> None:
    window, _ = walk(FIVE, [70.0, 70.2] * 200)
    morning = FIVE.new_session(window)
    opened = START + 86_400 * S
    calm = FIVE.absorb(morning, 70.3, opened)
    assert not FIVE.in_gap(calm, opened)
    assert FIVE.volatility_pct(calm, opened + 100 * S) == 0.0
    assert FIVE.in_gap(FIVE.absorb(morning, 75.0, opened), opened)


def test_a_long_silence_empties_the_window() -> None:
    window, _ = walk(FIVE, [70.0, 70.1] * 200)
    later = FIVE.absorb(window, 70.1001, START + 3600 * S)
    assert later.earlier_sum == 0.0


WINDOW_S = 300


def straight(step: float, seconds: int = WINDOW_S) -> list[float]:
    return [70.0 + step * i for i in range(seconds + 1)]


def test_a_straight_line_is_all_efficiency_and_a_zigzag_has_next_to_none() -> None:
    up, ts_us = walk(FIVE, straight(0.001))
    assert FIVE.efficiency(up, ts_us) == pytest.approx(1.0)
    down, ts_us = walk(FIVE, straight(-0.001))
    assert FIVE.efficiency(down, ts_us) == pytest.approx(1.0)
    zigzag, ts_us = walk(FIVE, [70.0, 70.1] * 40, step_s=10)  # a move a bucket
    assert FIVE.efficiency(zigzag, ts_us) == pytest.approx(0.0, abs=0.04)


def test_the_bounce_between_two_prices_within_a_bucket_does_not_hide_a_direction() -> None:
    mids = [price + (0.005 if i % 2 else 0.0) for i, price in enumerate(straight(0.001))]
    window, ts_us = walk(FIVE, mids)
    efficiency = FIVE.efficiency(window, ts_us)
    assert efficiency is not None
    assert efficiency > 0.9


def test_three_steps_up_and_one_down_have_an_efficiency_of_a_half() -> None:
    mids = [70.0]
    for i in range(60):
        mids.append(mids[-1] + (-0.02 if i % 4 == 3 else 0.02))
    window, ts_us = walk(FIVE, mids, step_s=10)
    efficiency = FIVE.efficiency(window, ts_us)
    assert efficiency == pytest.approx(0.5, abs=0.05)


def test_efficiency_is_unknown_before_the_window_is_full_and_where_nothing_moves() -> None:
    rising = straight(0.001)
    assert FIVE.efficiency(MarketWindow(), START) is None
    assert FIVE.efficiency(*walk(FIVE, rising[:-1])) is None  # a second short of it
    assert FIVE.efficiency(*walk(FIVE, rising)) is not None
    assert FIVE.efficiency(*walk(FIVE, [70.0] * 400)) is None
    assert FIVE.efficiency(*walk(FIVE, [*rising, 75.0])) is None  # behind a gap it begins again


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-0.015, 0.015), st.floats(0.1, 40.0)), min_size=1, max_size=120))
def test_efficiency_is_a_part_of_one_over_the_closes_of_the_window_alone(steps: list[tuple[float, float]]) -> None:
    window, ts_us, mid = FIVE.absorb(MarketWindow(), 70.0, START), START, 70.0
    for log_return, seconds in steps:
        ts_us += round(seconds * S)
        mid *= math.exp(log_return)
        window = FIVE.absorb(window, mid, ts_us)
        efficiency = FIVE.efficiency(window, ts_us)
        assert efficiency is None or 0.0 <= efficiency <= 1.0
        assert len(window.closes) <= BUCKETS
        pairs = zip(window.closes, window.closes[1:], strict=False)
        assert window.path == pytest.approx(math.fsum(abs(b - a) for a, b in pairs), abs=1e-9)


@pytest.mark.parametrize(("mid", "gap"), [(71.4, True), (71.39, False), (68.6, True), (68.61, False)])
def test_a_sessions_first_mid_is_a_gap_at_two_percent_from_the_last_close(mid: float, gap: bool) -> None:
    window = FIVE.begin(MarketWindow(), mid, START, reference=70.0)
    assert FIVE.in_gap(window, START) is gap
    assert FIVE.in_gap(FIVE.begin(MarketWindow(), mid, START, reference=None), START) is False
    if gap:
        assert window.gap_pct == pytest.approx((mid / 70.0 - 1) * 100)
        assert FIVE.in_gap(window, START + 300 * S - 1)
        assert not FIVE.in_gap(window, START + 300 * S)
