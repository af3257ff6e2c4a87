"""An expiry inside a run: booked as the operator would, and to the cent what the exchange's own account says."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from config.schema import Leg, Profile, SimulatedPosition, Simulator
from daemon.backtest.assembly import assemble
from daemon.backtest.player import Player
from daemon.backtest.run import run_backtest
from daemon.backtest.settlement import Settlement
from daemon.core.book import Book
from daemon.core.effects import PlaceOrder
from daemon.core.events import AnyEvent
from daemon.core.step import Stepped
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.runs.records import VenueModel
from tests.support.expiring_market import ExpiringFeed
from tests.support.scalper import profile as scalper_profile
from tests.support.straddle import straddle

THURSDAY, FRIDAY, MONDAY, TUESDAY = date(2014, 10, 16), date(2014, 10, 17), date(2014, 10, 20), date(2014, 10, 21)
SATURDAY = "2014-10-18"  # how monthly options were dated; the last session is the Friday
NOVEMBER = "2014-11-22"


class Orders:
    def __init__(self) -> None:
        self.sent: list[tuple[int, str, float]] = []

    def stepped(self, event: AnyEvent, before: Book, after: Stepped) -> None:
        for effect in after.effects:
            if isinstance(effect, PlaceOrder):
                self.sent.append((after.book.ts_us, effect.side, effect.quantity))


def desk(positions: list[tuple[str, float, str, float]], *, shares: float = 0.0, **more: Any) -> Profile:
    """(right, strike, expiry, contracts) of each leg."""
    held = [
        SimulatedPosition(quantity=quantity, right="call" if right == "C" else "put", strike=strike, expiry=expiry)
        for right, strike, expiry, quantity in positions
    ]
    if shares:
        held.append(SimulatedPosition(quantity=shares))
    legs = tuple(Leg(right="call" if right == "C" else "put", strike=k, expiry=e) for right, k, e, _ in positions)
    return scalper_profile(
        legs=legs,
        simulator=Simulator(cash_usd=1_000_000.0, positions=tuple(held)),
        gates__intent__hedge__cooldown_seconds=0,
        gates__intent__hedge__min_price_move_pct=0,
        gates__state__market__stale_ts_threshold_ms=10_000_000,
        gates__guard__risk__max_position_shares=100_000,
        gates__guard__risk__max_daily_loss_usd=1e9,
        gates__guard__risk__max_drawdown_pct=100,
        **more,
    )


def run(
    profile: Profile, days: dict[date, tuple[float, float]], *, settle: bool = True
) -> tuple[Player, Settlement, Orders, list[tuple[int, float, float]]]:
    """Also, after every step, the closing ones too: (ts_us, the desk's equity, the account's net liquidation)."""
    orders, settlement = Orders(), Settlement()
    feed = ExpiringFeed(profile.underlying.symbol, profile.legs, days)
    player = assemble(profile, GammaScalper(profile), feed, orders)
    curve = []
    going = player.start()
    while going:
        if settle:
            settlement.look(player)
        book = player.book
        if book.day.equity_usd is not None:
            curve.append((book.ts_us, book.day.equity_usd, book.account_values_usd["NetLiquidation"]))
        going = player.advance()
    return player, settlement, orders, curve


def assert_agrees(curve: list[tuple[int, float, float]]) -> None:
    first = curve[0]
    for ts_us, equity, worth in curve:
        assert equity - first[1] == pytest.approx(worth - first[2], abs=0.005), ts_us


@pytest.mark.parametrize("right", ["C", "P"])
@pytest.mark.parametrize("contracts", [10, -10])
@pytest.mark.parametrize("close", [68.4, 73.25], ids=["below", "above"])
@pytest.mark.parametrize("opening", [66.5, 75.0])
def test_a_leg_expires_and_the_rest_is_hedged_on(right: str, contracts: float, close: float, opening: float) -> None:
    profile = desk([(right, 70.0, SATURDAY, contracts), ("C", 71.0, NOVEMBER, 5)])
    days = {THURSDAY: (70.0, 71.0), FRIDAY: (71.0, close), MONDAY: (opening, opening + 3), TUESDAY: (72.0, 69.0)}
    player, settlement, orders, curve = run(profile, days)
    (found,) = settlement.findings()
    assert found.code == "expired_inside"
    inside = close > 70 if right == "C" else close < 70
    assert ("expired worthless" in found.text) is not inside
    assert ("exercised" in found.text) is (inside and contracts > 0)
    assert ("assigned" in found.text) is (inside and contracts < 0)
    assert not player.book.unexplained
    assert player.book.ledger.foreign_acknowledged == 0
    assert player.book.account_positions["TWX"] == player.book.ledger.own_shares
    assert any(ts_us > curve[-8][0] for ts_us, _, _ in orders.sent), "nothing was hedged after the settlement"
    assert len(curve) == 4 * 8
    assert_agrees(curve)


@pytest.mark.parametrize("right", ["C", "P"])
@pytest.mark.parametrize("contracts", [10, -10])
@pytest.mark.parametrize("close", [68.4, 73.25], ids=["below", "above"])
def test_a_leg_whose_last_session_ends_the_data_is_settled(right: str, contracts: float, close: float) -> None:
    profile = desk([(right, 70.0, SATURDAY, contracts), ("C", 71.0, NOVEMBER, 5)])
    player, settlement, orders, curve = run(profile, {THURSDAY: (70.0, 71.0), FRIDAY: (71.0, close)})
    (found,) = settlement.findings()
    assert found.code == "expired_inside"
    assert f"TWX last at {close:.4f}" in found.text
    book = player.book
    assert book.ledger.leg_quantities[f"TWX 20141018 {right} 70"] == 0
    assert book.account_positions["TWX"] == book.ledger.own_shares
    assert book.ts_us == curve[-1][0] == book.sessions[0].close_us + 1_000_000
    assert orders.sent[-1][0] < book.sessions[0].close_us
    assert_agrees(curve)


def test_a_data_end_leaves_the_shares_of_a_book_whose_legs_are_all_gone_and_says_so() -> None:
    profile = desk([("C", 70.0, SATURDAY, 10.0)])
    player, settlement, _, curve = run(profile, {FRIDAY: (71.0, 69.5)})
    own = player.book.ledger.own_shares
    assert own != 0
    assert settlement.findings()[-1].code == "no_legs_left"
    assert f"the data ends before the {own:+g} own shares can be closed" in settlement.findings()[-1].text
    assert_agrees(curve)


@pytest.mark.parametrize("close", [68.4, 73.25], ids=["below", "above"])
def test_the_first_moment_after_an_expiry_counts_what_is_left(close: float) -> None:
    profile = desk([("C", 70.0, SATURDAY, 100.0), ("C", 71.0, NOVEMBER, 1)])
    feed = ExpiringFeed("TWX", profile.legs, {FRIDAY: (71.0, close), MONDAY: (72.0, 72.5)})
    loaded = msgspec.structs.replace(straddle(), profile=profile)
    result = run_backtest(loaded, GammaScalper, feed, model=VenueModel(), out=None)
    rows = result.decisions.to_pylist()
    monday = next(row for row in rows if row["session"] == MONDAY.isoformat())
    closing, settled = (row for row in rows if row["session"] is None and row["ts"].date() == FRIDAY)
    assert settled["ts"] - closing["ts"] == timedelta(seconds=1)
    # At its close a contract moves with the stock or not at all: shares take its place, one for one.
    assert settled["net_delta_shares"] == pytest.approx(closing["net_delta_shares"], abs=0.01)
    assert abs(monday["net_delta_shares"] - monday["own_shares"]) <= 100  # one contract's
    figures = result.summary.figures
    assert figures is not None
    assert figures.max_abs_net_delta_shares == max(abs(row["net_delta_shares"]) for row in rows)


def test_without_the_operator_the_desk_stays_blocked() -> None:
    profile = desk([("C", 70.0, SATURDAY, 10.0), ("C", 71.0, NOVEMBER, 5)])
    days = {FRIDAY: (71.0, 72.0), MONDAY: (72.0, 75.0)}
    player, _, orders, _ = run(profile, days, settle=False)
    assert player.book.unexplained == ("TWX", "TWX 20141018 C 70")
    monday = [sent for sent in orders.sent if sent[0] > player.book.sessions[0].open_us]
    assert monday == []


def test_a_half_day_is_the_last_trading_day() -> None:
    profile = desk([("P", 70.0, "2014-11-28", 10.0), ("C", 71.0, "2014-12-20", 5)])
    days = {date(2014, 11, 28): (70.0, 69.0), date(2014, 12, 1): (70.5, 70.0)}
    player, settlement, _, curve = run(profile, days)
    (found,) = settlement.findings()
    assert "exercised at 70, TWX last at 69.0000: worth 1.0000 USD a share, -1000 TWX" in found.text
    assert player.book.ledger.leg_quantities["TWX 20141128 P 70"] == 0
    assert_agrees(curve)


@pytest.mark.parametrize("close", [70.6, 68.0])
def test_all_legs_gone_closes_the_shares(close: float) -> None:
    profile = desk([("C", 70.0, SATURDAY, 10.0), ("P", 70.0, SATURDAY, 7.0)])
    player, settlement, orders, curve = run(profile, {FRIDAY: (70.0, close), MONDAY: (70.6, 69.0), TUESDAY: (69, 75)})
    assert [found.code for found in settlement.findings()] == ["expired_inside", "expired_inside", "no_legs_left"]
    assert "own shares are closed with a flatten" in settlement.findings()[-1].text
    assert player.book.ledger.own_shares == 0
    assert player.book.account_positions.get("TWX", 0.0) == 0
    assert orders.sent[-1][0] < curve[-8][0]  # on the Monday
    assert player.book.control.pause is not None
    assert not player.book.ledger.halts
    assert_agrees(curve)


def test_shares_at_the_start_are_foreign() -> None:
    profile = desk([("C", 70.0, NOVEMBER, 10.0)], shares=300)
    player, settlement, orders, _ = run(profile, {THURSDAY: (70.0, 71.0)})
    (found,) = settlement.findings()
    assert found.code == "foreign_shares"
    assert "+300 TWX" in found.text
    assert player.book.ledger.foreign_acknowledged == 300
    assert orders.sent


def test_a_change_that_nothing_explains_is_said_once() -> None:
    profile = desk([("C", 70.0, NOVEMBER, 10.0)])
    settlement = Settlement()
    player = assemble(profile, GammaScalper(profile), ExpiringFeed("TWX", profile.legs, {THURSDAY: (70, 71)}), Orders())
    assert player.start()
    player.venue._exchange.money.transfer("TWX", 37.0)
    player.venue.reconcile("test", fresh_connection=False)
    player.drain()
    settlement.look(player)
    assert player.advance()
    settlement.look(player)
    (found,) = settlement.findings()
    assert found.code == "position_unexplained"
    assert "TWX" in found.text
    assert player.book.unexplained == ("TWX",)


@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    st.lists(
        st.tuples(st.sampled_from("CP"), st.sampled_from([66.0, 70.0, 74.0]), st.integers(-9, 9).filter(bool)),
        min_size=1,
        max_size=4,
        unique_by=lambda leg: leg[:2],
    ),
    st.floats(60, 80).map(lambda price: round(price, 2)),
    st.floats(60, 80).map(lambda price: round(price, 2)),
)
def test_any_book_of_legs_settles_to_the_cent(legs: list[tuple[str, float, int]], close: float, opening: float) -> None:
    positions = [(right, strike, SATURDAY, float(contracts)) for right, strike, contracts in legs]
    profile = desk([*positions, ("C", 71.0, NOVEMBER, 5)])
    player, settlement, _, curve = run(profile, {FRIDAY: (70.0, close), MONDAY: (opening, 70.0)})
    assert len(settlement.findings()) == len(legs)
    assert not player.book.unexplained
    assert_agrees(curve)
