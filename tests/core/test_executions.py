"""Executions are the truth: too many, corrected, of an earlier day; commissions late, early, foreign, or never."""

import msgspec
import pytest

from daemon.core.effects import Alarm, CancelOrder, CancelTimer, PlaceOrder
from daemon.core.events import Clock, Commission, Execution
from daemon.core.order_life import OrderState
from daemon.core.presentation import present
from daemon.core.recovery import recover
from state.records import JournalType
from tests.support.core_driver import SECOND, SESSIONS, Driver


def corrected(driver: Driver, fill: Execution, *, quantity: float, price: float, revision: int = 2) -> None:
    """The broker repeats an execution with other numbers, and the account follows."""
    again = msgspec.structs.replace(fill, quantity=quantity, price=price, revision=revision)
    driver.executions[driver.executions.index(fill)] = again
    change = quantity - fill.quantity
    driver.positions["XYZ"] += change if fill.side == "BUY" else -change
    driver.feed(again)


def commission(driver: Driver, exec_key: str, usd: float, currency: str = "USD") -> None:
    driver.feed(Commission(ts_us=driver.now_us, exec_key=exec_key, commission_usd=usd, currency=currency))


def bought(quantity: float = 50, price: float = 70.0) -> tuple[Driver, Execution]:
    driver = Driver().connect()
    ref = driver.order("BUY", quantity)
    fill = driver.execution(ref, "BUY", quantity, price)
    driver.feed(fill)
    return driver, fill


def the_next_day(driver: Driver) -> None:
    driver.now_us = SESSIONS[1].open_us + 60 * SECOND
    driver.feed(Clock(ts_us=driver.now_us))
    driver.quote()
    assert driver.book.ledger.day == "2014-06-06"


def result_usd(driver: Driver, price: float) -> float:
    """What the desk has earned since its ledger began, with its shares at this price."""
    driver.quote(price - 0.01, price + 0.01)
    driver.quote(price - 0.01, price + 0.01)
    day = driver.book.day.pnl
    assert day is not None
    return driver.book.ledger.earlier_pnl_usd + day.total_usd


def remembers(driver: Driver) -> None:
    """A restart knows the same."""
    ledger, now = recover(driver.lines).ledger, driver.book.ledger
    assert ledger is not None
    for name in ("own_shares", "average_cost", "realised_usd", "commission_usd", "earlier_pnl_usd"):
        assert getattr(ledger, name) == pytest.approx(getattr(now, name)), name


# --- overfill --------------------------------------------------------------------------------------
def test_an_overfill_halts_alarms_and_the_book_holds_the_truth() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 10)
    driver.fill(ref, "BUY", 10, 70.0)
    driver.fill(ref, "BUY", 2, 70.0)
    assert [halt.code for halt in driver.book.ledger.halts] == ["overfill"]
    assert any("overfill" in alarm.text and "12 of 10" in alarm.text for alarm in driver.of(Alarm))
    assert driver.book.ledger.own_shares == driver.positions["XYZ"] == 12
    assert driver.book.orders[ref].state is OrderState.FILLED
    driver.strategy.wish = driver.wish("BUY", 10)
    driver.quote()
    assert len(driver.of(PlaceOrder)) == 1
    remembers(driver)


# --- corrections -----------------------------------------------------------------------------------
def test_a_correction_of_price_and_quantity_replaces_and_the_result_is_right() -> None:
    driver, fill = bought()
    corrected(driver, fill, quantity=40, price=69.0)
    assert driver.book.ledger.own_shares == 40
    assert result_usd(driver, 71.0) == pytest.approx(40 * 2.0)
    assert [line.status for line in driver.lines if line.type in (JournalType.FILL, JournalType.PARTIAL_FILL)] == [
        "filled",
        "corrected",
    ]
    corrected(driver, driver.executions[0], quantity=40, price=69.0)
    assert driver.types().count(JournalType.PARTIAL_FILL) == 1, "the same revision again is no news"
    remembers(driver)


@pytest.mark.parametrize(("quantity", "price"), [(50.0, 69.0), (40.0, 70.0), (50.0, 71.5), (40.0, 68.0)])
def test_a_correction_of_an_earlier_day_changes_shares_and_result_alike(quantity: float, price: float) -> None:
    driver, fill = bought()
    driver.quote(71.99, 72.01)
    the_next_day(driver)
    corrected(driver, fill, quantity=quantity, price=price)
    driver.report("periodic")
    assert driver.book.ledger.own_shares == quantity
    assert not driver.book.unexplained
    assert not driver.book.ledger.halts
    assert result_usd(driver, 73.0) == pytest.approx(quantity * (73.0 - price))
    remembers(driver)


def test_an_execution_of_an_earlier_day_that_is_listed_again_is_no_news() -> None:
    driver, _fill = bought()
    the_next_day(driver)
    lines = len(driver.lines)
    driver.report("periodic")
    assert driver.book.ledger.own_shares == 50
    assert len(driver.lines) == lines


# --- commissions -----------------------------------------------------------------------------------
def test_a_commission_that_comes_first_waits_for_its_execution() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 50)
    commission(driver, "e1", 1.25)
    assert driver.book.ledger.commission_usd == 0
    driver.feed(driver.execution(ref, "BUY", 50, 70.0, exec_key="e1"))
    assert driver.book.ledger.commission_usd == 1.25
    assert driver.types().count(JournalType.COMMISSION) == 1
    assert not driver.book.parked_commissions


def test_a_commission_that_never_comes_is_shown_as_pending() -> None:
    driver, fill = bought()
    assert present(driver.core, driver.book)["counters"]["commissions_pending"] == 1
    commission(driver, fill.exec_key, 1.0)
    assert present(driver.core, driver.book)["counters"]["commissions_pending"] == 0


def test_a_late_commission_of_an_earlier_day_is_charged_once() -> None:
    driver, fill = bought()
    the_next_day(driver)
    before = result_usd(driver, 70.0)
    for _ in range(3):
        commission(driver, fill.exec_key, 2.0)
    assert result_usd(driver, 70.0) == pytest.approx(before - 2.0)
    assert driver.types().count(JournalType.COMMISSION) == 1
    remembers(driver)


def test_commissions_of_others_are_never_charged_nor_kept_for_ever() -> None:
    driver, _fill = bought()
    driver.feed(driver.execution(None, "BUY", 10, 70.0, exec_key="theirs"))
    commission(driver, "theirs", 9.0)
    for number in range(400):
        commission(driver, f"unseen{number}", 9.0)
    assert driver.book.ledger.commission_usd == 0
    assert JournalType.COMMISSION not in driver.types()
    assert len(driver.book.parked_commissions) == 256


# --- rejects ---------------------------------------------------------------------------------------
def test_rejects_wait_five_twenty_and_sixty_seconds_and_the_third_halts() -> None:
    driver = Driver().connect()
    refused_until = []
    for wait_s in (5, 20, 60):
        ref = driver.order("BUY", 10)
        driver.status(ref, "rejected", "201 no margin")
        assert driver.book.orders[ref].state is OrderState.REJECTED
        assert driver.book.orders[ref].reason == "201 no margin"
        until_us = driver.book.ledger.reject_until_us
        assert until_us is not None
        refused_until.append((until_us - driver.now_us) / SECOND)
        placed = len(driver.of(PlaceOrder))
        driver.strategy.wish = driver.wish("BUY", 10)
        driver.tick(wait_s - 1)
        driver.quote()
        assert len(driver.of(PlaceOrder)) == placed
        driver.tick(1)
    assert refused_until == [5, 20, 60]
    assert [halt.code for halt in driver.book.ledger.halts] == ["repeated_rejects"]
    assert "201 no margin" in driver.book.ledger.halts[0].detail


@pytest.mark.parametrize("reason", ["201 no margin", None])
def test_an_inactive_order_waits_a_moment_for_its_reason_and_is_rejected_either_way(reason: str | None) -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 10)
    driver.status(ref, "inactive")
    assert driver.book.orders[ref].in_flight
    if reason is not None:
        driver.status(ref, "rejected", reason)
    driver.fire(f"inactive:{ref}", 0.25)
    assert driver.book.orders[ref].state is OrderState.REJECTED
    assert driver.book.orders[ref].reason == (reason or "inactive; the venue gave no reason")
    assert driver.book.ledger.consecutive_rejects == 1


def test_an_order_that_is_inactive_without_a_reason_is_cancelled_lest_it_comes_alive_beside_the_next() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 50)
    driver.status(ref, "inactive")
    assert not driver.of(CancelOrder)
    driver.fire(f"inactive:{ref}", 0.25)
    assert [cancel.order_ref for cancel in driver.of(CancelOrder)] == [ref]
    driver.status(ref, "cancelled", "202")
    assert driver.book.orders[ref].state is OrderState.REJECTED
    assert recover(driver.lines).ended[ref].state is OrderState.REJECTED


def test_an_inactive_order_that_works_again_lives() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 10)
    driver.status(ref, "inactive")
    driver.status(ref, "working")
    assert f"inactive:{ref}" in [timer.key for timer in driver.of(CancelTimer)]
    assert driver.book.orders[ref].state is OrderState.WORKING


# --- the remainder ---------------------------------------------------------------------------------
def test_a_rest_that_was_cancelled_is_a_remainder_until_in_band_over_a_restart() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 100)
    driver.fill(ref, "SELL", 30, 70.0)
    driver.fill(ref, "SELL", 30, 70.0)
    driver.status(ref, "cancelled")
    assert driver.book.orders[ref].remaining == 40
    recovered = recover(driver.lines)
    assert recovered.ledger is not None
    assert recovered.ledger.remainder
    driver.strategy.in_band = True
    driver.quote()
    assert not driver.book.ledger.remainder
    recovered = recover(driver.lines)
    assert recovered.ledger is not None
    assert not recovered.ledger.remainder


def test_a_capped_hedge_leaves_a_remainder_and_a_whole_one_none() -> None:
    driver = Driver().connect()
    driver.strategy.wish = driver.wish("SELL", 50, capped=True)
    driver.tick()
    driver.quote()
    driver.fill(driver.of(PlaceOrder)[-1].order_ref, "SELL", 50, 70.0)
    left = [driver.book.ledger.remainder]
    driver.fill(driver.order("SELL", 40), "SELL", 40, 70.0)
    ledger = recover(driver.lines).ledger
    assert ledger is not None
    left += [driver.book.ledger.remainder, ledger.remainder]
    assert left == [True, False, False]
