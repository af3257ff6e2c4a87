"""Positions that change without an execution: blocked at once, the likely cause named, settled by one command."""

import shlex
from collections.abc import Mapping

import msgspec
import pytest

from daemon.core.attribution import Attribution, Point
from daemon.core.effects import RequestReconcile
from daemon.core.events import PositionChanged, PositionItem
from daemon.core.explanation import Account, Change, Explanation, explain
from daemon.core.instruments import InstrumentSpec
from daemon.core.recovery import recover
from daemon.core.self_check import self_check
from state.records import JournalLine, JournalType
from tests.support.core_driver import LEG, OPTION, STOCK, Driver

EXPIRY_US = OPTION.last_trade_ts_us
assert EXPIRY_US is not None


def holding(*, own: float = 0.0, legs: float = 10.0, foreign: float = 0.0) -> Driver:
    """A desk that is reconciled with these positions."""
    driver = Driver()
    driver.positions = {LEG: legs, "XYZ": foreign}
    driver.connect()
    if foreign:
        driver.request("acknowledge", foreign)
    if own:
        side = "BUY" if own > 0 else "SELL"
        driver.fill(driver.order(side, abs(own)), side, abs(own), 70.0)
    assert driver.book.unexplained == ()
    return driver


def jump(driver: Driver, **positions: float) -> None:
    """The venue streams new positions, one after the other, and then answers the question about them."""
    for name, held in positions.items():
        instrument = LEG if name == "leg" else name
        driver.positions[instrument] = held
        item = PositionItem(instrument=instrument, quantity=held, average_cost_usd=0.0)
        driver.feed(PositionChanged(ts_us=driver.now_us, position=item))
        assert instrument in driver.book.unexplained, "blocked in that very step"
    driver.fire("explain", 0.3)
    assert driver.of(RequestReconcile)[-1].reason == "position_unexplained"
    driver.report("position_unexplained")


def found(driver: Driver) -> Explanation:
    assert driver.book.explanation is not None
    return driver.book.explanation


def settle(driver: Driver) -> JournalLine:
    """Give the very command that the desk suggests."""
    words = shlex.split(found(driver).command)
    assert words[:2] == ["./bifrost", "book"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options["--desk"] == "desk"
    ratio = options.get("--ratio")
    driver.request(words[2], float(options["--shares"]), **({} if ratio is None else {"ratio": float(ratio)}))
    done = [line for line in driver.lines if (line.data or {}).get("request_id") is not None][-1]
    assert done.status == "done", done
    assert driver.book.unexplained == ()
    assert driver.book.explanation is None
    recovered = recover(driver.lines).ledger
    assert recovered is not None
    assert recovered.own_shares == driver.book.ledger.own_shares
    assert recovered.leg_quantities == driver.book.ledger.leg_quantities
    return done


def test_an_assignment_of_short_calls() -> None:
    driver = holding(own=600, legs=-10)
    jump(driver, leg=-6.0, XYZ=200.0)
    assert found(driver).cause == "assignment"
    assert found(driver).text == f"assignment of 4 {LEG} at 70: -400 XYZ"
    settle(driver)
    assert driver.book.ledger.own_shares == 200
    assert driver.book.ledger.leg_quantities[LEG] == -6


def test_an_exercise_of_long_calls_beside_foreign_shares() -> None:
    driver = holding(own=-300, legs=10, foreign=50)
    jump(driver, XYZ=250.0, leg=5.0)
    assert found(driver).cause == "exercise"
    settle(driver)
    assert driver.book.ledger.own_shares == 200
    assert driver.book.foreign_shares == 50
    assert driver.book.ledger.leg_quantities[LEG] == 5


def test_an_expiry_after_the_last_trading_time() -> None:
    driver = holding(own=100, legs=10)
    driver.now_us = EXPIRY_US or 0
    jump(driver, leg=0.0)
    assert found(driver).cause == "expiry"
    settle(driver)
    assert driver.book.ledger.own_shares == 100
    assert driver.book.ledger.leg_quantities[LEG] == 0


def test_contracts_that_vanish_before_their_time_are_not_called_expired() -> None:
    driver = holding(own=100, legs=10)
    jump(driver, leg=0.0)
    assert found(driver).cause == "unknown"


def test_a_split_keeps_the_money_and_divides_the_prices() -> None:
    driver = holding(own=-300, legs=10, foreign=40)
    before = driver.book.ledger
    point = Point(ts_us=driver.now_us, spot=70.0, delta_shares=500.0, gamma=80.0, theta_usd_year=-900.0)
    day = msgspec.structs.replace(driver.book.day, attribution=Attribution(point=point, gamma_usd=3.0))
    driver.book = msgspec.structs.replace(driver.book, day=day)
    jump(driver, XYZ=-520.0, leg=20.0)
    assert (found(driver).cause, found(driver).ratio) == ("split", 2.0)
    line = settle(driver)
    assert line.data is not None
    assert line.data["ratio"] == 2.0
    after = driver.book.ledger
    assert (after.own_shares, driver.book.foreign_shares, after.leg_quantities[LEG]) == (-600, 80, 20)
    assert after.average_cost * after.own_shares == pytest.approx(before.average_cost * before.own_shares)
    assert after.last_hedge_price == pytest.approx((before.last_hedge_price or 0) / 2)
    assert after.opening_marks[LEG] == pytest.approx(before.opening_marks[LEG] / 2)
    assert after.realised_usd == before.realised_usd
    assert driver.book.day.marks == {}
    assert driver.book.day.attribution == Attribution(gamma_usd=3.0), "no move of the stock from the old price"


def test_a_reverse_split_pays_out_the_fraction() -> None:
    driver = holding(own=105, legs=10)
    jump(driver, XYZ=10.0, leg=1.0)
    assert (found(driver).cause, found(driver).ratio) == ("split", 0.1)
    settle(driver)
    assert driver.book.ledger.own_shares == 10
    assert driver.book.ledger.average_cost == pytest.approx(700.0)


def test_a_split_that_makes_another_contract_of_the_leg_says_so() -> None:
    driver = holding(own=100, legs=10)
    other = "XYZ 20140719 C 35"
    driver.positions[other] = 20.0
    jump(driver, XYZ=200.0, leg=0.0)
    assert found(driver).cause == "split"
    assert "profile" in found(driver).text
    settle(driver)
    assert driver.book.ledger.own_shares == 200


def test_a_stock_dividend() -> None:
    driver = holding(own=200, legs=10)
    jump(driver, XYZ=210.0)
    assert (found(driver).cause, found(driver).ratio) == ("stock_dividend", 1.05)
    assert found(driver).text == "stock dividend of 5 %, or a transfer of +10 XYZ"
    settle(driver)
    assert driver.book.ledger.own_shares == 210
    assert driver.book.ledger.average_cost == pytest.approx(70 / 1.05)
    assert driver.book.ledger.leg_quantities[LEG] == 10


@pytest.mark.parametrize(("own", "held"), [(-1110, -1360.0), (1000, 1001.0), (1000, 1073.0)])
def test_growth_that_nobody_declares_is_no_dividend(own: int, held: float) -> None:
    driver = holding(own=own, legs=10)
    jump(driver, XYZ=held)
    assert found(driver).cause == "unknown"
    assert f"XYZ {held:g} instead of {own}" in found(driver).text


def test_a_transfer_is_not_explained_and_may_be_called_foreign() -> None:
    driver = holding(own=100, legs=10)
    jump(driver, XYZ=63.0)
    assert found(driver).cause == "unknown"
    settle(driver)
    assert driver.book.ledger.own_shares == 100
    assert driver.book.foreign_shares == -37


def test_the_journal_and_the_light_name_cause_and_command() -> None:
    driver = holding(own=600, legs=-10)
    jump(driver, leg=0.0, XYZ=-400.0)
    line = next(line for line in reversed(driver.lines) if line.type == JournalType.RECONCILED)
    assert line.status == "unexplained"
    assert line.data is not None
    assert line.data["explanation"]["cause"] == "assignment"
    checks = {check.name: check for check in self_check(driver.core.profile, driver.strategy, driver.book).checks}
    assert checks["positions"].reason == "position_unexplained"
    assert found(driver).command in str(checks["positions"].measured)


def test_a_jump_of_unknown_cause_is_not_answered_with_if_so() -> None:
    driver = holding(own=100, legs=10)
    jump(driver, XYZ=140.0)
    checks = {check.name: check for check in self_check(driver.core.profile, driver.strategy, driver.book).checks}
    said = str(checks["positions"].measured)
    assert f"cause unknown; where the shares are not this desk's: {found(driver).command}" in said


def test_an_execution_that_follows_its_position_explains_it() -> None:
    driver = holding(own=100, legs=10)
    item = PositionItem(instrument="XYZ", quantity=130.0, average_cost_usd=0.0)
    driver.feed(PositionChanged(ts_us=driver.now_us, position=item))
    assert list(driver.book.unexplained) == ["XYZ"]
    driver.feed(driver.execution(None, "BUY", 30, 70.0))
    assert not driver.book.unexplained
    assert driver.book.foreign_shares == 30


@pytest.mark.parametrize(("shares", "ratio"), [(40, 3.0), (0, 2.0), (40, 1.0), (-1000, 2.0)])
def test_a_ratio_that_does_not_fit_the_account_is_refused_with_the_numbers(shares: float, ratio: float) -> None:
    driver = holding(own=-300, legs=10, foreign=20)
    jump(driver, XYZ=-560.0, leg=20.0)
    before = driver.book.ledger
    driver.request("acknowledge", shares, ratio=ratio)
    assert driver.book.ledger == before
    assert driver.lines[-1].type == JournalType.CONTROL_REFUSED


@pytest.mark.parametrize("shares", [50, -500])
def test_more_than_the_unexplained_shares_cannot_be_adopted(shares: float) -> None:
    driver = holding(own=600, legs=-10)
    jump(driver, leg=-6.0, XYZ=200.0)
    before = driver.book.ledger
    driver.request("adopt", shares)
    assert driver.book.ledger == before
    assert "unexplained" in str(driver.lines[-1].data)


# --- the pure part: several legs -------------------------------------------------------------------
def spec(instrument: str, right: str, strike: float) -> InstrumentSpec:
    return msgspec.structs.replace(OPTION, instrument=instrument, right=right, strike=strike)


SPECS = {"XYZ": STOCK, "C70": spec("C70", "C", 70), "P60": spec("P60", "P", 60), "C80": spec("C80", "C", 80)}


def account(
    stock: tuple[float, float], legs: Mapping[str, tuple[float, float]], *, ts_us: int = 0, own: float = 0.0
) -> Account:
    changes = tuple(Change(instrument=name, expected=was, held=now) for name, (was, now) in legs.items())
    return Account(
        desk="d",
        ts_us=ts_us,
        stock=Change(instrument="XYZ", expected=stock[0], held=stock[1]),
        legs=changes,
        own_shares=own,
        specs=SPECS,
        positions={name: now for name, (_was, now) in legs.items()},
    )


def test_at_expiry_some_legs_are_exercised_and_others_are_worth_nothing() -> None:
    answer = explain(account((0, 1000), {"C70": (10, 0), "P60": (10, 0), "C80": (-5, 0)}, ts_us=EXPIRY_US or 0))
    assert answer.cause == "exercise"
    assert answer.text == "exercise of 10 C70 at 70; P60 expired; C80 expired: +1000 XYZ"


def test_a_put_that_is_assigned_brings_shares_and_one_that_is_exercised_takes_them() -> None:
    assert explain(account((0, 500), {"P60": (-5, 0)})).cause == "assignment"
    assert explain(account((0, -500), {"P60": (5, 0)})).cause == "exercise"
    assert explain(account((0, 500), {"P60": (5, 0)})).cause == "unknown"


def test_a_leg_that_grew_is_no_exercise() -> None:
    assert explain(account((0, 500), {"C70": (5, 10)})).cause == "unknown"


def test_a_jump_that_the_contracts_do_not_make_is_not_called_an_exercise() -> None:
    assert explain(account((100, 560), {"C70": (10, 5)})).cause == "unknown"


def test_what_ended_in_the_money_is_taken_before_what_did_not() -> None:
    seen = account((0, 1000), {"C80": (10, 0), "C70": (10, 0)}, ts_us=EXPIRY_US or 0)
    assert explain(msgspec.structs.replace(seen, settled_at=75.0)).exercised == ("C70",)
    assert explain(msgspec.structs.replace(seen, settled_at=None)).exercised == ("C80",)  # nothing tells them apart


def test_exercised_shares_may_cancel_out() -> None:
    seen = account((300, 300), {"C70": (10, 0), "C80": (-10, 0), "P60": (5, 0)}, ts_us=EXPIRY_US or 0, own=300)
    both = explain(msgspec.structs.replace(seen, settled_at=90.0))
    assert (both.cause, both.exercised) == ("assignment", ("C70", "C80"))
    assert "P60 expired" in both.text
    assert both.command.startswith("./bifrost book acknowledge --desk d --shares 0 ")
    neither = explain(msgspec.structs.replace(seen, settled_at=65.0))
    assert (neither.cause, neither.exercised) == ("expiry", ())
