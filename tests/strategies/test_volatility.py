"""Which volatility prices a leg: the profile's sources in their order, for how long, and what never reaches a sum."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import GreeksSection
from daemon.core import black_scholes as bs
from daemon.core.events import Clock
from daemon.core.instruments import option_id, option_terms
from daemon.strategies.gamma_scalper.legs import LegPricer, LegState
from daemon.venues.ib.translate import volatility_or_none
from tests.support.scalper import CALL, CLOSE, EXPIRY, NEXT, NOON, PUT, Desk, S

YEARS = (EXPIRY - NOON) / bs.US_PER_YEAR


def desk_of(*sources: Any, **overrides: Any) -> Desk:
    first, *rest = sources
    desk = Desk(greeks__volatility=first, greeks__fallback=rest, **overrides)
    desk.quote(70.0)
    return desk


def sources(desk: Desk) -> list[tuple[str | None, float | None]]:
    shown = desk.strategy.present(desk.state, desk.book)["legs"]
    return [(leg["volatility_source"], leg["implied_volatility"]) for leg in shown]


def quoted(desk: Desk, volatility: float, **more: Any) -> None:
    """Both legs quoted at what this volatility makes them worth now, then the stock."""
    years = (EXPIRY - desk.book.ts_us) / bs.US_PER_YEAR
    for leg, right in ((CALL, "C"), (PUT, "P")):
        fair = bs.price(right, 70.0, 70.0, years, 0.0, volatility)  # type: ignore[arg-type]
        desk.option_quote(leg, fair - 0.01, fair + 0.01, **more)
    desk.quote(70.0)


def test_each_leg_takes_the_first_source_that_has_one() -> None:
    desk = desk_of("implied", "ib", 0.3)
    assert sources(desk) == [("fixed", 0.3), ("fixed", 0.3)]
    desk.option_quote(CALL, None, None, model_volatility=0.25)
    desk.quote(70.0)
    assert sources(desk) == [("ib", 0.25), ("fixed", 0.3)]
    fair = bs.price("P", 70.0, 70.0, YEARS, 0.0, 0.4)
    desk.option_quote(PUT, fair - 0.01, fair + 0.01)
    desk.quote(70.0)
    assert sources(desk)[0] == ("ib", 0.25)
    assert sources(desk)[1] == ("implied", pytest.approx(0.4, abs=1e-3))


def test_the_venues_model_may_come_first() -> None:
    desk = desk_of("ib", "implied")
    quoted(desk, 0.4)
    assert [name for name, _ in sources(desk)] == ["implied", "implied"]
    quoted(desk, 0.4, model_volatility=0.2)
    assert sources(desk) == [("ib", 0.2), ("ib", 0.2)]


def test_a_fixed_number_has_no_age_and_others_say_theirs() -> None:
    fixed, implied = desk_of(0.3), desk_of("implied")
    quoted(implied, 0.4)
    implied.clock(12.0)
    shown = implied.strategy.present(implied.state, implied.book)["legs"]
    assert [leg["volatility_age_s"] for leg in shown] == [12.0, 12.0]
    assert fixed.strategy.present(fixed.state, fixed.book)["legs"][0]["volatility_age_s"] is None


UNSOLVABLE = {
    "no ask": (3.0, None),
    "no quote": (None, None),
    "crossed": (3.2, 3.0),
    "below intrinsic": (9.0, 9.1),
    "above the stock": (75.0, 75.2),
    "zero": (0.0, 0.0),
}


@pytest.mark.parametrize("quote", UNSOLVABLE.values(), ids=UNSOLVABLE)
def test_the_last_good_volatility_serves_its_time_and_then_the_greeks_are_bad(
    quote: tuple[float | None, float | None],
) -> None:
    desk = desk_of("implied", greeks__volatility_max_age_s=60)
    quoted(desk, 0.4)
    deep = 80.0  # the call is ten dollars in the money: 9.05 is below what it is worth at least
    for seconds in (30.0, 29.999):
        desk.clock(seconds)
        desk.option_quote(CALL, *quote)
        desk.quote(deep if quote == (9.0, 9.1) else 70.0)
        desk.decide()
        assert desk.state.legs[0].volatility == pytest.approx(0.4, abs=1e-3)
        assert desk.state.codes.s == 0
    desk.clock(0.001)
    desk.quote(70.0)
    desk.decide()
    assert sources(desk)[0] == (None, None)
    assert (desk.state.codes.s, desk.state.codes.d) == (1, 4)
    assert "greeks_bad" in desk.check_reasons()
    quoted(desk, 0.4)
    desk.decide()
    assert desk.state.codes.s == 0


def test_with_a_fallback_the_next_source_takes_over_instead() -> None:
    desk = desk_of("implied", 0.3, greeks__volatility_max_age_s=60)
    quoted(desk, 0.4)
    desk.clock(60.0)
    desk.decide()
    assert sources(desk) == [("fixed", 0.3), ("fixed", 0.3)]
    assert desk.state.codes.s == 0


def test_a_quote_that_is_repeated_keeps_its_volatility_young() -> None:
    desk = desk_of("implied", greeks__volatility_max_age_s=60)
    for _ in range(10):
        quoted(desk, 0.4)
        desk.clock(50.0)
    assert desk.strategy.option_delta_shares(desk.state, desk.book) is not None


def test_a_closed_market_lets_nothing_grow_old_and_a_new_session_begins_without_any() -> None:
    desk = desk_of("implied", greeks__volatility_max_age_s=60)
    desk.on(Clock(ts_us=CLOSE - S))
    quoted(desk, 0.4)
    desk.on(Clock(ts_us=CLOSE + 3600 * S))
    assert [name for name, _ in sources(desk)] == ["implied", "implied"]
    desk.on(Clock(ts_us=NEXT.open_us))
    assert [name for name, _ in sources(desk)] == [None, None]


def test_options_that_move_with_a_doubted_price_wait_until_it_is_believed() -> None:
    desk = desk_of("implied")
    quoted(desk, 0.4)
    desk.quote(90.0)  # a real jump, or a bad print: nobody knows yet
    for leg, right in ((CALL, "C"), (PUT, "P")):
        fair = bs.price(right, 90.0, 70.0, YEARS, 0.0, 0.4)  # type: ignore[arg-type]
        desk.option_quote(leg, fair - 0.01, fair + 0.01)
    desk.clock(2.0)
    assert [leg.implied for leg in desk.state.legs] == [pytest.approx(0.4, abs=1e-3)] * 2
    desk.clock(3.0)
    desk.quote(90.0)
    assert desk.state.spot == pytest.approx(90.0)
    assert [leg.implied for leg in desk.state.legs] == [pytest.approx(0.4, abs=0.02)] * 2
    assert [leg.priced_spot for leg in desk.state.legs] == [pytest.approx(90.0)] * 2


def test_late_option_prices_price_nothing() -> None:
    desk = desk_of("implied", "ib")
    quoted(desk, 0.4, model_volatility=0.2, delayed=True)
    assert sources(desk) == [(None, None), (None, None)]


def test_an_expired_leg_needs_no_volatility() -> None:
    pricer = LegPricer(GreeksSection(volatility="implied"))
    leg = LegState(instrument=CALL, right="C", strike=70.0, expiry="2014-07-19", multiplier=100.0, expiry_us=EXPIRY)
    assert pricer.value(leg, 75.0, EXPIRY - 1) is None
    for spot, delta in ((75.0, 1.0), (65.0, 0.0), (70.0, 0.5)):
        value = pricer.value(leg, spot, EXPIRY)
        assert value is not None
        assert (value.delta, value.gamma, value.price) == (delta, 0.0, max(spot - 70.0, 0.0))


def _legs() -> tuple[LegState, ...]:
    """Pairs, a leg between the two of a pair, terms that differ in one thing, unknown terms, and expired ones."""
    call = LegState(
        instrument=CALL, right="C", strike=70.0, expiry="2014-07-19", multiplier=100.0, expiry_us=EXPIRY, volatility=0.3
    )
    put = msgspec.structs.replace(call, instrument=PUT, right="P")
    differing: list[dict[str, Any]] = [
        {},
        {"strike": 72.0},
        {"expiry_us": EXPIRY + 7 * 86_400 * S},
        {"volatility": 0.31},
        {"volatility": None},
        {"multiplier": None},
        {"expiry_us": None},
        {"expiry_us": NOON - S},
        {"expiry_us": NOON - S, "volatility": None},
    ]
    return tuple(msgspec.structs.replace(leg, **change) for change in differing for leg in (call, put))


@given(st.permutations(_legs()), st.sampled_from([55.0, 69.99, 70.0, 71.3, 120.0]))
@settings(max_examples=40, deadline=None)
def test_legs_valued_together_are_each_what_the_formula_alone_makes_of_them(legs: list[LegState], spot: float) -> None:
    together = LegPricer(GreeksSection(risk_free_rate=0.02)).value_all(tuple(legs), spot, NOON)
    for leg, value in zip(legs, together, strict=True):
        alone = None
        if leg.multiplier is not None and leg.expiry_us is not None:
            years = (leg.expiry_us - NOON) / bs.US_PER_YEAR
            if leg.volatility is not None or years <= 0:
                alone = bs.greeks(leg.right, spot, leg.strike, years, 0.02, leg.volatility or 0.0)
        assert repr(value) == repr(alone)


SENTINELS = [-1.0, -2.0, 0.0, 1.7976931348623157e308, math.nan, math.inf, -math.inf, 2147483647.0, 10.1]


@pytest.mark.parametrize("value", SENTINELS)
def test_what_the_venue_has_not_computed_is_no_volatility_at_the_edge_and_none_in_the_strategy(value: float) -> None:
    assert volatility_or_none(value) is None
    desk = desk_of("ib")
    desk.option_quote(CALL, None, None, model_volatility=value, model_delta=value)
    desk.quote(70.0)
    assert sources(desk) == [(None, None), (None, None)]


ANY = st.none() | st.sampled_from(SENTINELS) | st.floats()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([CALL, PUT]), ANY, ANY, ANY, ANY, st.floats(1.0, 500.0)), min_size=1, max_size=6
    ),
    st.permutations(["implied", "ib", 0.35]),
)
def test_no_option_quote_whatsoever_makes_greeks_that_no_option_can_have(
    quotes: list[tuple[str, float | None, float | None, float | None, float | None, float]], order: list[Any]
) -> None:
    fixed = order.index(0.35)
    desk = desk_of(*order[: max(fixed, 1)])
    for leg, bid, ask, volatility, delta, spot in quotes:
        desk.option_quote(leg, bid, ask, model_volatility=volatility, model_delta=delta)
        desk.clock(6.0)
        desk.quote(spot)
        for leg_state, value in zip(desk.state.legs, desk.state.greeks, strict=True):
            if value is None:
                continue
            assert leg_state.volatility is not None
            assert 0 < leg_state.volatility <= bs.MAX_VOLATILITY
            low, high = (0.0, 1.0) if leg_state.right == "C" else (-1.0, 0.0)
            assert low <= value.delta <= high
            assert min(value.gamma, value.vega, value.price) >= 0
            assert all(map(math.isfinite, (value.gamma, value.vega, value.price, value.theta_usd_year)))
        net = desk.strategy.option_delta_shares(desk.state, desk.book)
        assert net is None or abs(net) <= 1000 + 1e-6  # ten calls and ten puts


@settings(max_examples=60, deadline=None)
@given(
    st.from_regex(r"\A[A-Z][A-Z. ]{0,5}[A-Z]\Z"),
    st.dates().map(lambda day: day.strftime("%Y%m%d").zfill(8)),
    st.sampled_from("CP"),
    st.floats(0.5, 99_999).map(lambda strike: float(f"{strike:g}")),
)
def test_an_option_id_says_what_it_was_made_from(symbol: str, expiry: str, right: str, strike: float) -> None:
    name = option_id(symbol, expiry, right, strike)
    for told in (name, f"{name} #123"):
        terms = option_terms(told)
        assert terms is not None
        assert (terms.symbol, terms.expiry, terms.right, terms.strike) == (symbol, expiry, right, strike)


@pytest.mark.parametrize(
    "name", ["TWX", "", "TWX 2014 C 70", "TWX 20140719 X 70", "TWX 20140719 C x", "A 20140719 C -1"]
)
def test_what_is_no_options_id_has_no_terms(name: str) -> None:
    assert option_terms(name) is None
