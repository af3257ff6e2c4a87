"""The synthetic market: sessions of the calendar, prices that make sense, and the same future after a restore."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import Leg
from config.schema import SyntheticMarket as Settings
from daemon.core import black_scholes
from daemon.venues.simulated.model import MarketStep
from daemon.venues.simulated.saved_book import SavedBookError
from daemon.venues.simulated.synthetic import SyntheticMarket
from state.times import iso_from_us

LEGS = (Leg(right="call", strike=100, expiry="2014-07-19"), Leg(right="put", strike=100, expiry="2014-07-19"))


def market(seed: int = 7, start_date: str = "2014-07-02", **options: float) -> SyntheticMarket:
    return SyntheticMarket(Settings(**options), symbol="DEMO", legs=LEGS, seed=seed, start_date=start_date)  # type: ignore[arg-type]


def steps(source: SyntheticMarket, count: int) -> list[MarketStep]:
    return [source.next_step() for _ in range(count)]


def test_sessions_follow_the_calendar_with_a_minute_of_closed_market_between() -> None:
    source = market(step_s=600)
    found = [(iso_from_us(step.ts_us)[5:16], step.is_open) for step in steps(source, 85)]
    assert found[0] == ("07-02T13:30", True)
    assert found[38:44] == [
        ("07-02T19:50", True),
        ("07-02T20:00", False),  # the closing mark
        ("07-02T20:10", False),
        ("07-02T20:20", False),
        ("07-02T20:30", False),
        ("07-03T13:30", True),
    ]
    assert found[63:69] == [
        ("07-03T16:50", True),
        ("07-03T17:00", False),  # a half day
        ("07-03T17:10", False),
        ("07-03T17:20", False),
        ("07-03T17:30", False),
        ("07-07T13:30", True),  # over the holiday and the weekend
    ]


def test_the_closing_mark_is_at_the_close_whatever_the_step() -> None:
    times = [step.ts_us for step in steps(market(step_s=7), 3400) if not step.is_open]
    assert iso_from_us(times[0]) == "2014-07-02T20:00:00.000000Z"
    assert 60 / 7 <= len([ts for ts in times if ts < times[0] + 3_600_000_000]) <= 60 / 7 + 1.01


def test_closed_quotes_stand_still_and_the_night_moves_them() -> None:
    source = market(step_s=60)
    taken = steps(source, 395)
    closed = [step.quotes[0].bid for step in taken if not step.is_open]
    assert len(closed) == 4
    assert len(set(closed)) == 1
    assert taken[-1].is_open
    assert taken[-1].quotes[0].bid != closed[0]


def test_there_are_always_sessions_ahead_and_the_one_before() -> None:
    source = market(step_s=1800)
    for _ in range(200):
        step = source.next_step()
        opens = [session.open_us for session in source.sessions]
        assert opens == sorted(opens)
        assert sum(session.close_us > step.ts_us for session in source.sessions) >= 9
        assert source.sessions[0].open_us <= step.ts_us
    assert source.sessions[1].open_us <= step.ts_us < source.sessions[2].open_us


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    before=st.integers(0, 60),
    step_s=st.sampled_from([1.0, 30.0, 600.0]),
    jumps=st.sampled_from([0.0, 50.0]),
)
def test_a_restored_market_has_the_same_future(seed: int, before: int, step_s: float, jumps: float) -> None:
    first = market(seed, step_s=step_s, jumps_per_day=jumps)
    steps(first, before)
    second = market(seed, step_s=step_s, jumps_per_day=jumps)
    second.restore(json.loads(json.dumps(first.save())))
    assert steps(second, 60) == steps(first, 60)
    assert second.sessions == first.sessions


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    volatility=st.floats(0.05, 3),
    spread=st.sampled_from([0.01, 0.02, 0.1]),
    reversion=st.sampled_from([0.0, 2.0]),
)
def test_quotes_stand_on_the_tick_and_are_never_crossed(
    seed: int, volatility: float, spread: float, reversion: float
) -> None:
    source = market(
        seed, volatility=volatility, spread_usd=spread, mean_reversion_per_day=reversion, step_s=900, jumps_per_day=20
    )
    for step in steps(source, 100):
        for quote in step.quotes:
            assert quote.ask is not None
            assert quote.bid is None or 0 < quote.bid < quote.ask
            for price in (quote.bid, quote.ask):
                assert price is None or price == round(price, 2)
        assert step.quotes[0].bid is not None


def test_seeds_differ_and_repeat() -> None:
    assert steps(market(1), 20) == steps(market(1), 20)
    assert steps(market(1), 20) != steps(market(2), 20)


def test_the_path_has_the_volatility_that_was_asked_for() -> None:
    calm = {"volatility_of_volatility": 0.0, "jumps_per_day": 0.0, "spread_usd": 0.01}
    source = market(3, "2014-07-07", step_s=60, volatility=0.5, **calm)
    mids = [math.log(step.quotes[0].ask or 0) for step in steps(source, 394 * 12) if step.is_open]
    moves = np.diff(mids)
    inside = moves[[index for index in range(len(moves)) if (index + 1) % 390]]
    measured = float(np.std(inside)) * math.sqrt(252 * 390)
    assert measured == pytest.approx(0.5, rel=0.05)


def test_jumps_make_outsized_moves() -> None:
    def largest(jumps: float) -> float:
        source = market(5, step_s=60, volatility=0.1, jumps_per_day=jumps, jump_pct=2.0)
        mids = [step.quotes[0].ask or 0 for step in steps(source, 380)]
        return max(abs(after / before - 1) for before, after in itertools.pairwise(mids))

    assert largest(0) < 0.004
    assert largest(10) > 0.01


def test_options_are_priced_by_the_markets_volatility_and_end_with_their_last_session() -> None:
    source = market(step_s=3600, start_date="2014-07-17")
    first = source.next_step().quotes[1]
    assert first.model_volatility is not None
    last_trade_us = source.contracts[1].last_trade_us
    assert last_trade_us is not None
    years = black_scholes.years_between(source.sessions[0].open_us, last_trade_us)
    value = black_scholes.price("C", 100.0, 100.0, years, 0.05, first.model_volatility)
    assert first.bid is not None
    assert first.ask is not None
    assert first.bid <= value <= first.ask
    for step in steps(source, 40):
        assert (step.quotes[1].ask is None) == (step.ts_us >= last_trade_us)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_s": 0.5}, "step_s must be a whole number of seconds, not 0.5"),
        ({"start_date": "2014-07-04"}, "start_date 2014-07-04 is not a trading day of XNYS"),
    ],
)
def test_impossible_settings_name_their_key(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        market(**options)  # type: ignore[arg-type]


def test_a_saved_market_of_another_seed_or_damaged_is_refused() -> None:
    with pytest.raises(SavedBookError, match="of synthetic DEMO seed 8, this market is synthetic DEMO seed 7"):
        market(7).restore(market(8).save())
    with pytest.raises(SavedBookError, match="the saved market is damaged"):
        market(7).restore({"price": 3})
