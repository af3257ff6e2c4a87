import msgspec
import pytest

from daemon.core import black_scholes as bs
from daemon.core.events import Clock, Quote, Session, Sessions
from tests.support.scalper import CALL, CLOSE, EXPIRY, NEXT, NOON, PUT, SESSION, Desk, S, option_spec, ready

YEARS = (EXPIRY - NOON) / bs.US_PER_YEAR


def test_fixed_volatility_gives_the_delta_of_the_formula_times_contracts_and_multiplier() -> None:
    desk = Desk(quantity=10)
    desk.quote(71.0)
    each = bs.delta("C", 71.0, 70.0, YEARS, 0.0, 0.35) + bs.delta("P", 71.0, 70.0, YEARS, 0.0, 0.35)
    assert desk.strategy.option_delta_shares(desk.state, desk.book) == pytest.approx(10 * 100 * each)


def test_quantities_are_the_accounts_and_may_be_short_or_gone() -> None:
    desk = ready(quantity=-10)
    assert desk.state.codes.o == 2
    desk.put_ledger(leg_quantities={CALL: -10.0, PUT: 0.0})
    assert desk.strategy.option_delta_shares(desk.state, desk.book) == pytest.approx(
        -1000 * bs.delta("C", 70.0, 70.0, YEARS, 0.0, 0.35)
    )
    desk.put_ledger(leg_quantities={CALL: 0.0, PUT: 0.0})
    assert desk.strategy.option_delta_shares(desk.state, desk.book) == 0
    desk.decide()
    assert desk.state.codes.o == 0
    assert desk.state.trading == "IDLE"


def test_before_the_account_has_spoken_nothing_is_known_and_nothing_is_zero() -> None:
    desk = ready(quantity=10)
    desk.put_ledger(leg_quantities={})
    assert desk.strategy.option_delta_shares(desk.state, desk.book) is None
    shown = desk.strategy.present(desk.state, desk.book)
    assert shown["greeks"]["net_delta_shares"] is None
    assert [leg["quantity"] for leg in shown["legs"]] == [None, None]


def implied_desk() -> Desk:
    desk = Desk(greeks__volatility="implied")
    desk.quote(70.0)
    return desk


def test_an_implied_leg_without_a_two_sided_quote_has_no_greeks() -> None:
    desk = implied_desk()
    desk.option_quote(CALL, 3.0, 3.2)
    desk.option_quote(PUT, None, 3.2)
    desk.quote(70.0)
    assert desk.strategy.option_delta_shares(desk.state, desk.book) is None
    desk.decide()
    assert desk.state.codes.s == 1
    assert desk.state.codes.d == 4
    assert "greeks_bad" in desk.check_reasons()


def test_implied_volatility_is_solved_from_the_mid_and_kept_when_a_side_goes_missing() -> None:
    desk = implied_desk()
    desk.option_quote(CALL, 3.0, 3.2)
    desk.option_quote(PUT, 3.0, 3.2)
    desk.quote(70.0)
    expected = bs.implied_volatility("C", 3.1, 70.0, 70.0, YEARS, 0.0)
    assert desk.state.legs[0].volatility == pytest.approx(expected)
    desk.option_quote(CALL, 3.0, None)
    desk.quote(70.3)
    assert desk.state.legs[0].volatility == pytest.approx(expected)
    assert desk.strategy.option_delta_shares(desk.state, desk.book) is not None


def test_options_quoted_before_the_stock_in_one_step_are_paired_with_the_price_that_follows() -> None:
    desk = implied_desk()
    desk.on(Clock(ts_us=NOON + 60 * S))
    fair = bs.price("C", 71.0, 70.0, (EXPIRY - NOON - 60 * S) / bs.US_PER_YEAR, 0.0, 0.4)
    desk.option_quote(CALL, fair - 0.05, fair + 0.05)
    desk.on(Clock(ts_us=NOON + 60 * S))
    desk.quote(71.0)
    assert desk.state.legs[0].volatility == pytest.approx(0.4)


def test_no_volatility_outlives_its_session() -> None:
    desk = implied_desk()
    for leg in (CALL, PUT):
        desk.option_quote(leg, 3.0, 3.2)
    desk.quote(70.0)
    desk.on(Clock(ts_us=CLOSE + S))
    assert desk.strategy.option_delta_shares(desk.state, desk.book) is not None
    desk.on(Clock(ts_us=NEXT.open_us))
    desk.quote(70.0, at_us=NEXT.open_us + S)
    assert desk.strategy.option_delta_shares(desk.state, desk.book) is None
    fixed = ready()
    fixed.on(Clock(ts_us=NEXT.open_us))
    assert fixed.strategy.option_delta_shares(fixed.state, fixed.book) is not None


def test_the_brokers_model_volatility() -> None:
    desk = Desk(greeks__volatility="ib")
    desk.quote(70.0)
    desk.option_quote(CALL, None, None, model_volatility=0.3)
    desk.option_quote(PUT, None, None, model_volatility=-1.0)  # a sentinel is no volatility
    desk.quote(70.0)
    assert [leg.volatility for leg in desk.state.legs] == [0.3, None]


def test_a_leg_that_the_venue_has_not_described_has_no_greeks() -> None:
    desk = Desk()
    desk.put(specs={CALL: option_spec(CALL)})
    fresh = desk.strategy.initial()
    fresh = desk.strategy.observe(fresh, desk.book, Sessions(ts_us=NOON, sessions=desk.book.sessions))
    assert desk.strategy.option_delta_shares(fresh, desk.book) is None


def test_time_alone_moves_the_greeks_once_a_second() -> None:
    desk = ready()
    before = desk.state.greeks
    desk.clock(0.5)
    assert desk.state.greeks is before
    desk.clock(0.5)
    assert desk.state.greeks != before


def test_marks_are_mids_else_the_model_with_the_last_implied_volatility() -> None:
    desk = ready()
    desk.option_quote(CALL, 3.0, 3.2)
    desk.quote(70.0)
    marks = desk.strategy.marks(desk.state, desk.book)
    assert marks.prices[CALL] == pytest.approx(3.1)
    assert marks.modelled == (PUT,)
    assert marks.prices["TWX"] == pytest.approx(70.0)
    desk.option_quote(CALL, None, 3.2)
    marks = desk.strategy.marks(desk.state, desk.book)
    assert CALL in marks.modelled
    assert marks.prices[CALL] == pytest.approx(3.1)  # the volatility that 3.1 implied, not the fixed one
    assert desk.strategy.marks(desk.strategy.initial(), msgspec.structs.replace(desk.book, quotes={})) == ({}, ())


def test_a_quote_from_before_the_open_is_no_quote_of_this_session() -> None:
    desk = Desk(ts_us=SESSION.open_us - 60 * S)
    desk.quote(70.0, spread=20.0)
    desk.on(Clock(ts_us=SESSION.open_us + 90 * S))
    desk.decide()
    assert desk.state.codes.l == 3
    desk.quote(70.0)
    desk.decide()
    assert desk.state.codes.l == 0


def test_a_closed_market_values_the_legs_at_the_last_trade() -> None:
    desk = Desk(ts_us=CLOSE + 3600 * S)
    desk.on(Quote(ts_us=desk.book.ts_us, instrument="TWX", bid=40.0, ask=90.0, last=70.0))
    desk.decide()
    assert desk.state.spot == 70.0
    assert desk.net_delta() == pytest.approx(1000 * (2 * bs.delta("C", 70, 70, YEARS, 0, 0.35) - 1), abs=2)


def test_half_days_end_when_the_session_says_so() -> None:  # defect 10
    desk = ready()
    half = Session(date=SESSION.date, open_us=SESSION.open_us, close_us=NOON + 10 * S)
    desk.put(sessions=(half, NEXT))
    desk.on(Sessions(ts_us=NOON, sessions=desk.book.sessions))
    desk.own_to(60.0)
    desk.clock(10)
    decision = desk.decide()
    assert decision.wish is None
    assert decision.refused_rule == "outside_rth"
