"""What the strategy does with every quote that may come: late, halted, doubtful, one-sided, absurd, or a gap."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.events import Clock, Quote
from daemon.strategies.gamma_scalper.classifier import LiquidityCode, MarketCode
from daemon.strategies.gamma_scalper.self_check import DATA_REASONS
from state.reasons import REASONS
from tests.support.scalper import CALL, NEXT, NOON, PUT, SESSION, Desk, S, ready


def told(desk: Desk, mid: float = 70.0, *, after_s: float = 1.0, **more: Any) -> None:
    """A quote of the underlying with whatever else the venue says of it."""
    ts_us = desk.book.ts_us + round(after_s * S)
    desk.on(Quote(ts_us=ts_us, instrument="TWX", bid=mid - 0.005, ask=mid + 0.005, **more))


def needing(**overrides: Any) -> Desk:
    """A desk that needs a hedge and may send it: without trouble the next decision wishes."""
    desk = ready(**overrides)
    desk.own_to(60.0)
    return desk


# --- halted by the exchange, delayed ------------------------------------------------------------------------------


def halt(desk: Desk) -> None:
    told(desk, halted=True)


def delay(desk: Desk) -> None:
    told(desk, delayed=True)


@pytest.mark.parametrize(
    ("trouble", "reason", "word"),
    [(halt, "trading_halted", "HALTED BY EXCHANGE"), (delay, "data_delayed", "DELAYED DATA")],
)
def test_nothing_leaves_while_halted_or_late_and_the_light_waits_two_clean_seconds(
    trouble: Any, reason: str, word: str
) -> None:
    desk = needing()
    trouble(desk)
    decision = desk.decide()
    assert desk.state.codes.l is LiquidityCode.NO_QUOTE
    assert (decision.wish, desk.state.refused, desk.state.trading) == (None, reason, "PAUSE_LIQ")
    assert reason in desk.check_reasons()
    assert "no_quote" not in desk.check_reasons()  # one cause, one reason
    assert (REASONS[reason].severity, REASONS[reason].word) == ("red", word)
    desk.own_to(0.0)
    told(desk)
    desk.decide()
    assert reason in desk.check_reasons()
    told(desk, after_s=1.999)
    assert reason in desk.check_reasons()
    told(desk, after_s=0.001)
    assert reason not in desk.check_reasons()


def test_a_forced_hedge_does_not_leave_in_a_halt_either_and_leaves_when_trading_resumes() -> None:
    desk = ready()
    desk.own_to(600.0)
    halt(desk)
    assert desk.decide().wish is None
    assert {"trading_halted", "force_hedge_refused"} <= desk.check_reasons()
    told(desk, halted=False)
    assert desk.decide().wish is not None


def test_an_exchange_that_has_not_spoken_is_not_taken_for_halted() -> None:
    desk = needing()
    told(desk, halted=None)
    assert desk.decide().wish is not None


def test_a_closed_market_suppresses_the_halt() -> None:
    desk = ready()
    halt(desk)
    desk.on(Clock(ts_us=SESSION.close_us + S))
    desk.decide()
    assert "trading_halted" not in desk.check_reasons()


def test_late_prices_move_neither_spot_nor_window_and_are_hedged_on_only_where_the_profile_says_so() -> None:
    desk = needing()
    spot, window = desk.state.spot, desk.state.market
    told(desk, 71.0, delayed=True)
    assert (desk.state.spot, desk.state.market) == (spot, window)
    allowed = needing(ib__allow_delayed=True)
    told(allowed, 70.5, delayed=True)
    assert allowed.state.spot == pytest.approx(70.5)
    assert allowed.decide().wish is not None
    assert allowed.check_reasons() == set()


# --- outliers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mid", "believed"), [(83.99, True), (84.0, False), (56.01, True), (56.0, False)])
def test_a_mid_twenty_percent_away_is_no_quote(mid: float, believed: bool) -> None:
    desk = needing()
    told(desk, mid)
    desk.decide()
    assert (desk.state.codes.l is LiquidityCode.NORMAL) is believed
    assert (desk.state.spot == pytest.approx(mid)) is believed
    assert ("no_quote" in desk.check_reasons()) is not believed
    if not believed:
        quote = {c.name: c for c in desk.strategy.checks(desk.state, desk.book)}["quote"]
        assert quote.measured == f"{mid:g} is too far to believe yet"
        assert desk.strategy.marks(desk.state, desk.book).prices["TWX"] == pytest.approx(70.0)
        told(desk, 70.01)
        assert desk.decide().wish is not None


def test_an_outlier_that_stands_for_five_seconds_is_believed_and_is_a_gap() -> None:
    desk = ready()
    told(desk, 90.0)
    desk.decide()
    told(desk, 90.1, after_s=4.999)
    desk.decide()
    assert desk.state.codes.l is LiquidityCode.NO_QUOTE
    told(desk, 90.05, after_s=0.001)
    desk.decide()
    assert (desk.state.codes.l, desk.state.codes.m) == (LiquidityCode.NORMAL, MarketCode.GAP)
    assert desk.state.spot == pytest.approx(90.05)


def test_outliers_of_different_levels_confirm_nothing() -> None:
    desk = ready()
    for i in range(20):
        told(desk, 90.0 if i % 2 else 120.0)
        desk.decide()
        assert desk.state.codes.l is LiquidityCode.NO_QUOTE
    assert desk.state.spot == pytest.approx(70.0)


@pytest.mark.parametrize(
    ("bid", "ask"),
    [(70.0, math.nan), (math.nan, 70.0), (70.0, math.inf), (0.0, 70.0), (-1.0, 70.0), (70.1, 70.0), (None, 70.0)],
)
def test_what_is_no_two_sided_quote_is_none_and_ends_no_decision(bid: float | None, ask: float | None) -> None:
    fresh, running = Desk(), needing()
    for desk in (fresh, running):
        desk.on(Quote(ts_us=desk.book.ts_us, instrument="TWX", bid=bid, ask=ask))
        assert desk.decide().wish is None
        assert desk.state.codes.l is LiquidityCode.NO_QUOTE
    assert (fresh.state.spot, running.state.spot) == (None, pytest.approx(70.0))


# --- gaps ---------------------------------------------------------------------------------------------------------


def at_the_open(previous_close: float | None, mid: float, *, after_s: float = 1.0, seen: bool = False) -> Desk:
    """The first quote of a session, in a run that has seen the one before or has not."""
    desk = Desk(ts_us=SESSION.close_us - 60 * S if seen else NEXT.open_us - 60 * S)
    if seen:
        desk.quote(70.0)
    desk.on(Clock(ts_us=NEXT.open_us))
    told(desk, mid, after_s=after_s, previous_close=previous_close)
    desk.decide()
    return desk


@pytest.mark.parametrize(
    ("previous_close", "seen", "mid", "gap"),
    [
        (70.0, False, 71.4, True),
        (70.0, False, 71.39, False),
        (None, False, 75.0, False),  # nothing to compare with
        (None, True, 71.4, True),  # the last mid of the session before
        (71.4, True, 71.4, False),  # the venue's close comes before our last mid
        (70.0, False, 68.6, True),
    ],
)
def test_the_open_against_the_last_close(previous_close: float | None, seen: bool, mid: float, gap: bool) -> None:
    desk = at_the_open(previous_close, mid, seen=seen)
    assert (desk.state.codes.m is MarketCode.GAP) is gap
    shown = desk.strategy.present(desk.state, desk.book)["market"]
    assert (shown["gap_pct"] is not None) is gap


def test_a_run_that_begins_at_eleven_cannot_tell_a_gap_from_the_mornings_move() -> None:
    assert at_the_open(70.0, 75.0, after_s=299.0).state.codes.m is MarketCode.GAP
    assert at_the_open(70.0, 75.0, after_s=300.0).state.codes.m is not MarketCode.GAP


def test_an_overnight_halving_is_doubted_first_and_a_gap_then() -> None:
    desk = at_the_open(70.0, 35.0)
    assert desk.state.codes.l is LiquidityCode.NO_QUOTE
    told(desk, 35.0, after_s=5.0, previous_close=70.0)
    desk.decide()
    assert (desk.state.codes.l, desk.state.codes.m) == (LiquidityCode.NORMAL, MarketCode.GAP)


def walked(path: list[float], **overrides: Any) -> Desk:
    desk = ready(gates__state__liquidity__extreme_spread_pct=5.0, **overrides)
    for mid in path:
        told(desk, mid, after_s=10.0)
        desk.own_to(0.0)
        desk.decide()
    return desk


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ([70.0 + 0.1 * i for i in range(40)], MarketCode.TREND),
        ([70.0 + 0.3 * (i % 2) for i in range(40)], MarketCode.CHOPPY),
        ([70.0 + 0.0001 * (i % 2) for i in range(40)], MarketCode.QUIET),
        ([70.0 + 0.03 * (i % 2) for i in range(40)], MarketCode.NORMAL),
        ([*([70.0] * 39), 72.0], MarketCode.GAP),
    ],
)
def test_every_market_is_told_apart_shown_and_hedged_in(path: list[float], code: MarketCode) -> None:
    desk = walked(path)
    assert desk.state.codes.m is code
    shown = desk.strategy.present(desk.state, desk.book)["market"]
    assert (shown["volatility_pct"] is None) is (code is MarketCode.GAP)
    desk.own_to(60.0)
    assert desk.decide().wish is not None  # M informs: only M5 forbids


# --- every data reason clears after two clean seconds -------------------------------------------------------------


def no_greeks(desk: Desk) -> None:
    desk.put_ledger(leg_quantities={CALL: 10.0, PUT: 10.0})
    desk.put(specs={})
    legs = tuple(msgspec.structs.replace(leg, multiplier=None) for leg in desk.state.legs)
    desk.state = msgspec.structs.replace(desk.state, legs=legs)
    told(desk)


def with_greeks(desk: Desk) -> None:
    legs = tuple(msgspec.structs.replace(leg, multiplier=100.0) for leg in desk.state.legs)
    desk.state = msgspec.structs.replace(desk.state, legs=legs)


TROUBLES: dict[str, Any] = {
    "stale": lambda desk: desk.clock(5.0),
    "data_slightly_old": lambda desk: desk.clock(4.0),
    "data_lag": lambda desk: told(desk, queue_delay_ms=5000.0),
    "no_quote": lambda desk: desk.on(Quote(ts_us=desk.book.ts_us, instrument="TWX", bid=70.0)),
    "spread_extreme": lambda desk: desk.quote(70.0, spread=0.5),
    "spread_wide": lambda desk: desk.quote(70.0, spread=0.1),
    "greeks_bad": no_greeks,
    "trading_halted": halt,
    "data_delayed": delay,
}


@pytest.mark.parametrize("reason", TROUBLES)
def test_every_data_reason_holds_until_two_clean_seconds_have_passed(reason: str) -> None:
    desk = ready()
    TROUBLES[reason](desk)
    desk.decide()
    assert reason in desk.check_reasons()
    with_greeks(desk)
    desk.quote(70.0)
    desk.own_to(0.0)
    desk.decide()
    assert reason in desk.check_reasons()
    desk.tick(70.0, after_s=1.999)
    assert reason in desk.check_reasons()
    desk.tick(70.0, after_s=0.001)
    assert desk.check_reasons() == set()


def test_the_reasons_tried_here_are_all_that_the_strategy_remembers() -> None:
    assert set(TROUBLES) == set(DATA_REASONS)


# --- whatever comes -----------------------------------------------------------------------------------------------

ANY_PRICE = st.none() | st.sampled_from([-1.0, 0.0, 1e-12, 199_999.99, 1e9, 5e-324, 69.99, 70.01, 84.0]) | st.floats()
ANY_QUOTE = st.fixed_dictionaries(
    {
        "bid": ANY_PRICE,
        "ask": ANY_PRICE,
        "last": ANY_PRICE,
        "halted": st.none() | st.booleans(),
        "delayed": st.booleans(),
        "previous_close": st.none() | st.floats(1.0, 200.0),
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(ANY_QUOTE, st.floats(0.0, 3.0)), min_size=1, max_size=12))
def test_no_quote_whatsoever_makes_a_wish_at_a_price_that_nobody_could_believe(
    quotes: list[tuple[dict[str, Any], float]],
) -> None:
    desk = needing()
    believed = 70.0
    for fields, after_s in quotes:
        desk.on(Quote(ts_us=desk.book.ts_us + round(after_s * S), instrument="TWX", **fields))
        wish = desk.decide().wish
        spot = desk.state.spot
        assert spot is not None
        assert math.isfinite(spot)
        assert spot > 0
        bid, ask = fields["bid"], fields["ask"]
        if wish is not None:
            assert 0 < bid <= ask
            assert not fields["halted"]
            assert not fields["delayed"]
            assert wish.decision_mid == pytest.approx((bid + ask) / 2)
        if abs(spot / believed - 1) >= 0.2:
            assert desk.book.ts_us - NOON >= 5 * S  # it stood for five seconds first
        believed = spot
