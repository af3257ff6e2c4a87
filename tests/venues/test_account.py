"""The simulated account's arithmetic: average cost through zero, margins, commissions, the day roll."""

import json

import msgspec
import pytest

from daemon.venues.simulated.account import SimulatedAccount
from daemon.venues.simulated.frictions import Commissions
from daemon.venues.simulated.saved_book import SavedBookError
from tests.support.scripted_market import CALL, STOCK, quote


def account(cash_usd: float = 10_000.0) -> SimulatedAccount:
    return SimulatedAccount("DU0000001", cash_usd, {STOCK.instrument: STOCK, CALL.instrument: CALL})


@pytest.mark.parametrize(
    ("quantity", "stock_usd", "option_usd"), [(0, 0, 0), (1, 1.0, 0.65), (200, 1.0, 130), (201, 1.005, 130.65)]
)
def test_commissions(quantity: float, stock_usd: float, option_usd: float) -> None:
    assert Commissions().of_order(STOCK, quantity) == pytest.approx(stock_usd)
    assert Commissions().of_order(CALL, quantity) == pytest.approx(option_usd)


def test_average_cost_adds_reduces_and_turns_through_zero() -> None:
    money = account()
    assert money.apply_fill("ABC", 100, 50.0, 1.0) is None
    assert money.apply_fill("ABC", 100, 52.0, 1.0) is None
    assert money.position("ABC").average_cost == pytest.approx(51)
    assert money.apply_fill("ABC", -50, 53.0, 1.0) == pytest.approx(100)
    assert money.position("ABC").average_cost == pytest.approx(51)
    assert money.apply_fill("ABC", -250, 50.0, 1.25) == pytest.approx(-150)
    position = money.position("ABC")
    assert (position.quantity, position.average_cost, position.realised_usd) == (-100, 50.0, pytest.approx(-50))
    assert money.apply_fill("ABC", 100, 49.0, 1.0) == pytest.approx(100)
    assert money.position("ABC").average_cost == 0
    assert money.cash_usd == pytest.approx(10_000 + 50 - 5.25)


def test_margins_of_stock_and_of_long_and_short_options() -> None:
    money = account(20_000.0)
    money.apply_fill("ABC", 100, 50.0, 0.0)
    money.mark(quote("ABC", 50.0, 50.0))
    values = money.values()
    assert (values["InitMarginReq"], values["MaintMarginReq"]) == (2500, 1250)
    assert values["BuyingPower"] == (20_000 - 2500) * 2
    money.apply_fill(CALL.instrument, 1, 2.0, 0.0)
    money.mark(quote(CALL.instrument, 2.0, 2.0))
    values = money.values()
    assert (values["OptionMarketValue"], values["InitMarginReq"], values["NetLiquidation"]) == (200, 2500, 20_000)
    money.apply_fill(CALL.instrument, -3, 2.0, 0.0)
    values = money.values()
    assert values["InitMarginReq"] == pytest.approx(2500 + 0.2 * 50 * 100 * 2 + 400)
    assert values["GrossPositionValue"] == pytest.approx(5400)
    assert values["NetLiquidation"] == pytest.approx(20_000)


def test_a_one_sided_quote_leaves_the_mark() -> None:
    money = account()
    money.open_with("ABC", 10, 50.0)
    money.mark(quote("ABC", 51.0, 51.2))
    money.mark(quote("ABC", 40.0, None))
    assert money.position("ABC").market_price == pytest.approx(51.1)


def test_the_day_roll_keeps_what_is_held_and_starts_at_zero() -> None:
    money = account()
    money.open_with(CALL.instrument, 2, 1.0)
    money.mark(quote(CALL.instrument, 2.0, 2.0))
    money.apply_fill("ABC", 10, 50.0, 1.0)
    money.apply_fill("ABC", -10, 51.0, 1.0)
    day = money.daily_pnl()
    assert (day.daily_usd, day.realised_usd, day.unrealised_usd) == pytest.approx((8, 10, 200))
    assert money.daily_pnl("ABC").daily_usd == pytest.approx(10)
    money.mark(quote(CALL.instrument, 2.25, 2.25))
    money.roll_day()
    assert money.holdings() == (CALL.instrument,)
    assert money.daily_pnl().daily_usd == 0
    money.mark(quote(CALL.instrument, 2.5, 2.5))
    assert money.daily_pnl().daily_usd == pytest.approx(50)


@pytest.mark.parametrize(("right_in_the_money", "shares"), [(3.0, 100), (0.0, 0)])
def test_an_exercised_call_costs_exactly_its_strike(right_in_the_money: float, shares: float) -> None:
    money = account()
    money.open_with(CALL.instrument, 1, 2.0)
    money.settle(CALL.instrument, "ABC", right_in_the_money)
    assert money.quantity(CALL.instrument) == 0
    assert money.quantity("ABC") == shares
    assert money.cash_usd == pytest.approx(10_000 - shares * 50)


def test_an_assigned_put_takes_the_shares_at_the_strike() -> None:
    put = msgspec.structs.replace(CALL, instrument="ABC 20140621 P 50", right="P")
    money = SimulatedAccount("DU0000001", 10_000.0, {STOCK.instrument: STOCK, put.instrument: put})
    money.open_with(put.instrument, -1, 2.0)
    money.settle(put.instrument, "ABC", 4.0)
    assert money.quantity("ABC") == 100
    assert money.cash_usd == pytest.approx(10_000 - 5000)
    assert money.position("ABC").average_cost == pytest.approx(46)


def test_a_saved_account_is_the_same_account_and_damage_is_refused() -> None:
    money = account()
    money.apply_fill("ABC", 10, 50.0, 1.0)
    again = account(0.0)
    again.restore(json.loads(json.dumps(money.save())))
    assert again.values() == money.values()
    with pytest.raises(SavedBookError, match=r"the saved account is damaged: .*cash_usd.*--fresh"):
        again.restore({"cash_usd": "all", "commissions_usd": 0, "holdings": {}})
    assert again.values() == money.values()
