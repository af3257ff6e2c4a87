"""The recorded market: a step a minute, every standing quote in each, the same after a restore."""

import json
from datetime import date
from pathlib import Path

import pytest

from config.schema import Leg
from daemon.core import black_scholes
from daemon.venues.exchange_hours import session_of
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.contracts import con_id, leg_contract
from daemon.venues.simulated.model import MarketStep
from daemon.venues.simulated.recorded import DEFAULT_RATE, RecordedMarket
from daemon.venues.simulated.saved_book import SavedBookError
from tests.support.lean_day import VOLATILITY, LeanDay
from tests.support.recorded_data import LEAN_FOLDER, needs_recorded_day

TWX_LEGS = (Leg(right="call", strike=70, expiry="2014-07-19"), Leg(right="put", strike=70, expiry="2014-07-19"))


def market_of(day: LeanDay) -> RecordedMarket:
    return RecordedMarket.load(day.folder, day.symbol, day.day, day.legs)


def drain(market: RecordedMarket) -> list[MarketStep]:
    steps = []
    while (step := market.next_step()) is not None:
        steps.append(step)
    return steps


def test_every_minute_has_a_step_with_every_contract_and_the_last_is_closed(lean_day: LeanDay) -> None:
    market = market_of(lean_day)
    steps = drain(market)
    session = session_of(lean_day.day)
    assert session is not None
    assert market.sessions[0] == session
    assert market.sessions[1].date == "2014-09-11"
    assert [step.ts_us for step in steps] == list(range(session.open_us + 60_000_000, session.close_us + 1, 60_000_000))
    names = {contract.instrument for contract in market.contracts}
    assert all({quote.instrument for quote in step.quotes} == names for step in steps)
    assert [step.is_open for step in steps] == [True] * 389 + [False]
    assert market.next_step() is None


def test_the_model_explains_the_mid_and_stays_while_a_side_is_missing(lean_day: LeanDay) -> None:
    market = market_of(lean_day)
    call = leg_contract(lean_day.symbol, lean_day.legs[0])
    assert call.last_trade_us is not None
    previous, kept = None, 0
    for step in drain(market)[:-1]:
        stock, option = step.quotes[0], step.quotes[1]
        if option.bid is not None and option.ask is not None and stock.bid is not None and stock.ask is not None:
            assert option.model_volatility == pytest.approx(VOLATILITY, abs=0.06)
            assert option.model_volatility is not None
            assert option.underlying_price is not None
            years = black_scholes.years_between(step.ts_us, call.last_trade_us)
            value = black_scholes.price(
                "C", option.underlying_price, 50.0, years, DEFAULT_RATE, option.model_volatility
            )
            assert value == pytest.approx((option.bid + option.ask) / 2)
        elif previous is not None:
            assert option.model_volatility == previous
            kept += 1
        previous = option.model_volatility
    assert kept > 0


def test_a_restored_day_goes_on_where_it_was_and_another_day_is_refused(lean_day: LeanDay) -> None:
    market, again = market_of(lean_day), market_of(lean_day)
    for _ in range(100):
        market.next_step()
    again.restore(json.loads(json.dumps(market.save())))
    assert again.remaining_steps == 290
    assert drain(again) == drain(market)
    with pytest.raises(SavedBookError, match="of ABC 2014-06-05, this market is ZQX 2014-09-10"):
        again.restore({"recorded": "ABC 2014-06-05", "next_step": 3})


def test_a_leg_that_was_not_recorded_is_named(lean_day: LeanDay) -> None:
    leg = Leg(right="call", strike=51, expiry="2014-10-18")
    with pytest.raises(FeedError, match="no option ZQX 20141018 C 51 in"):
        RecordedMarket.load(lean_day.folder, lean_day.symbol, lean_day.day, [leg])


def test_contract_ids_are_stable_positive_and_different() -> None:
    names = [f"ABC 20140719 C {strike}" for strike in range(10, 500)]
    ids = {con_id(name) for name in names}
    assert len(ids) == len(names)
    assert all(0 < number < 2**31 for number in ids)
    assert con_id("TWX") == 1908134850


@needs_recorded_day
@pytest.mark.recorded
def test_the_recorded_day_as_a_market() -> None:
    market = RecordedMarket.load(Path(LEAN_FOLDER), "TWX", date(2014, 6, 5), TWX_LEGS)
    steps = drain(market)
    assert len(steps) == 390
    first, last = steps[0].quotes, steps[-1].quotes
    assert (first[0].bid, first[0].ask) == (70.51, 70.56)
    assert (last[0].bid, last[0].ask) == (70.89, 70.90)
    for step in steps:
        for quote in step.quotes[1:]:
            assert quote.model_volatility is not None
            assert 0.1 < quote.model_volatility < 0.35
            assert quote.bid is None or quote.ask is None or quote.bid <= quote.ask
