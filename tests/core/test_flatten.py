"""A flatten in bad weather: rejects, resting orders, halts of trading, broken links, bells, dust, and its own file."""

from typing import Any

import msgspec
import pytest

from config.schema import ControlSection
from daemon.core.effects import Alarm, AssertControl, CancelOrder, Exit, PlaceOrder, ReleaseControl, RequestReconcile
from daemon.core.effects import StartTimer as Timer
from daemon.core.events import Clock, ControlFile, Instruments, OrderBlocked, Quote, SinkFailed, StopSignal, TimerFired
from daemon.core.flatten import RETRY_MS
from daemon.core.flatten_fsm import FlattenState
from daemon.core.presentation import present
from daemon.core.recovery import recover
from state.records import Check, JournalType
from tests.support.core_driver import CLOSE_US, OPTION, SECOND, SESSIONS, STOCK, Driver, profile


def holding(shares: float, **changes: Any) -> Driver:
    """A connected desk that owns so many shares by one hedge."""
    driver = Driver(**changes).connect()
    own(driver, shares)
    return driver


def own(driver: Driver, shares: float) -> None:
    side = "SELL" if shares < 0 else "BUY"
    driver.fill(driver.order(side, abs(shares)), side, abs(shares), 70.0)
    driver.report("periodic")


def asked(driver: Driver, **fields: Any) -> PlaceOrder:
    """Touch flatten and give the closing order that the first report brings."""
    driver.control(driver.command("flatten", **fields))
    return sized(driver)


def sized(driver: Driver) -> PlaceOrder:
    before = len(driver.of(PlaceOrder))
    driver.report("flatten")
    assert len(driver.of(PlaceOrder)) == before + 1
    order: PlaceOrder = driver.of(PlaceOrder)[-1]
    assert order.closing
    return order


def fire(driver: Driver, key: str, seconds: float = 0.5) -> None:
    driver.tick(seconds)
    driver.feed(TimerFired(ts_us=driver.now_us, key=key))


def retry_ms(driver: Driver) -> float:
    return float(next(timer.delay_ms for timer in reversed(driver.of(Timer)) if timer.key == "flatten_retry"))


def finish(driver: Driver) -> None:
    """Both reads."""
    fire(driver, "flatten_retry")
    driver.report("flatten")
    driver.report("flatten")
    assert state(driver) == FlattenState.NONE


def check(driver: Driver, name: str) -> Check:
    found: Check = next(each for each in present(driver.core, driver.book)["self_check"].checks if each.name == name)
    return found


def state(driver: Driver) -> FlattenState:
    return driver.book.flatten.state


def stuck(driver: Driver) -> bool:
    return driver.book.flatten.stuck


def restarted(driver: Driver) -> Driver:
    after = Driver(recovered=recover(driver.lines), run_id="later")
    after.now_us = driver.now_us
    after.executions, after.positions = list(driver.executions), dict(driver.positions)
    return after


# --- what a closing order may meet -----------------------------------------------------------------
def test_rejects_are_retried_from_half_a_second_to_eight_then_red_with_an_alarm_and_on() -> None:
    driver = holding(-100)
    order = asked(driver)
    waits = []
    for number in range(1, 8):
        driver.status(order.order_ref, "rejected", "201 no margin")
        waits.append(retry_ms(driver))
        assert stuck(driver) is (number >= 5)
        fire(driver, "flatten_retry", 8)
        order = sized(driver)
        assert (order.side, order.quantity) == ("BUY", 100)
    assert waits == [*RETRY_MS, 8000.0, 8000.0]
    assert [line.status for line in driver.lines if line.type is JournalType.FLATTEN_STUCK] == ["retrying"]
    assert [alarm.text for alarm in driver.of(Alarm) if "flatten of desk" in alarm.text] == [
        "flatten of desk: -100 own shares are still there: 5 tries to close in a row moved nothing, last: 201 no margin"
    ]
    found = check(driver, "flatten")
    assert (found.ok, found.severity, found.reason) == (False, "red", "flatten_stuck")
    assert "201 no margin" in str(found.measured)
    driver.fill(order.order_ref, "BUY", 100, 70.0)
    assert check(driver, "flatten").ok
    finish(driver)
    assert driver.book.ledger.own_shares == 0


def test_a_part_fill_starts_the_back_off_anew() -> None:
    driver = holding(-100)
    order = asked(driver)
    for _ in range(6):
        driver.status(order.order_ref, "cancelled")
        fire(driver, "flatten_retry")
        order = sized(driver)
    assert stuck(driver)
    driver.fill(order.order_ref, "BUY", 60, 70.0)
    driver.status(order.order_ref, "cancelled")
    assert retry_ms(driver) == RETRY_MS[0]
    assert not stuck(driver)
    fire(driver, "flatten_retry")
    assert sized(driver).quantity == 40


def test_an_order_that_only_rests_is_cancelled_and_sized_again() -> None:
    driver = holding(-100)
    order = asked(driver)
    driver.status(order.order_ref, "working")
    assert [t.delay_ms for t in driver.of(Timer) if t.key == "flatten_stall"][-1] == 10_000
    fire(driver, "flatten_stall", 10)
    assert [each.order_ref for each in driver.of(CancelOrder)] == [order.order_ref]
    assert state(driver) == FlattenState.CLOSING, "sized only when the cancel is confirmed"
    driver.status(order.order_ref, "cancelled")
    fire(driver, "flatten_retry")
    assert sized(driver).quantity == 100


def test_an_order_that_fills_slowly_keeps_its_place() -> None:
    driver = holding(-100)
    order = asked(driver)
    for _ in range(3):
        driver.fill(order.order_ref, "BUY", 20, 70.0)
        fire(driver, "flatten_stall", 10)
        assert not driver.of(CancelOrder)
    fire(driver, "flatten_stall", 10)
    assert len(driver.of(CancelOrder)) == 1


@pytest.mark.parametrize("at", [FlattenState.CANCELLING, FlattenState.CLOSING])
def test_a_cancel_that_nobody_answers_is_asked_again_and_the_broker_questioned(at: FlattenState) -> None:
    driver = holding(-100)
    ref = driver.order("SELL", 40) if at == FlattenState.CANCELLING else None
    driver.control(driver.command("flatten"))
    ref = sized(driver).order_ref if ref is None else ref
    assert state(driver) == at
    for _ in range(3):
        fire(driver, "flatten_stall", 10)
    assert [each.order_ref for each in driver.of(CancelOrder)].count(ref) >= 3
    assert driver.of(RequestReconcile)[-1].reason == "flatten_orders"
    assert len([each for each in driver.of(PlaceOrder) if each.closing]) == (at == FlattenState.CLOSING)


@pytest.mark.parametrize("at", [FlattenState.SIZING, FlattenState.VERIFYING])
def test_a_report_that_never_comes_is_asked_for_again(at: FlattenState) -> None:
    driver = holding(-100) if at == FlattenState.SIZING else Driver().connect()
    driver.control(driver.command("flatten"))
    if at == FlattenState.VERIFYING:
        driver.report("flatten")
    assert state(driver) == at
    before = len(driver.of(RequestReconcile))
    fire(driver, "flatten_stall", 10)
    assert [each.reason for each in driver.of(RequestReconcile)[before:]] == ["flatten"]


def test_an_order_that_the_last_look_kept_here_is_tried_again() -> None:
    driver = holding(-100, answer=True)
    driver.answer = False
    order = asked(driver)
    driver.feed(OrderBlocked(ts_us=driver.now_us, order_ref=order.order_ref, reason="the request queue is not empty"))
    assert state(driver) == FlattenState.SIZING
    fire(driver, "flatten_retry")
    assert sized(driver).order_ref != order.order_ref


def test_a_false_cancel_never_makes_two_closing_orders() -> None:
    """Error 10349 and the like: called cancelled, still open at the broker. Sized now, both would fill."""
    driver = holding(-100)
    order = asked(driver)
    driver.status(order.order_ref, "cancelled")
    still_open = (driver.order_report(order.order_ref, "BUY", 100, "working"),)
    for _ in range(6):
        fire(driver, "flatten_retry")
        driver.report("flatten", open_orders=still_open)
    assert len([each for each in driver.of(PlaceOrder) if each.closing]) == 1
    assert check(driver, "flatten").reason == "flatten_stuck"
    driver.fill(order.order_ref, "BUY", 100, 70.0)
    finish(driver)
    assert driver.book.ledger.own_shares == 0


# --- halts of trading ------------------------------------------------------------------------------
def halted(driver: Driver, *, now: bool) -> None:
    driver.feed(Quote(ts_us=driver.now_us, instrument="XYZ", bid=69.99, ask=70.01, halted=now))


def test_a_halted_stock_is_waited_for_aloud() -> None:
    driver = holding(-100)
    halted(driver, now=True)
    placed = len(driver.of(PlaceOrder))
    driver.control(driver.command("flatten"))
    for _ in range(3):
        driver.report("flatten")
        fire(driver, "flatten_retry")
    assert len(driver.of(PlaceOrder)) == placed
    assert "halted" in str(check(driver, "flatten").measured)
    assert check(driver, "flatten").reason == "flatten_stuck"
    assert [line.status for line in driver.lines if line.type is JournalType.FLATTEN_STUCK] == ["halted"]
    halted(driver, now=False)
    order = sized(driver)
    driver.fill(order.order_ref, "BUY", 100, 70.0)
    finish(driver)


# --- links and bells -------------------------------------------------------------------------------
@pytest.mark.parametrize("way", ["DOWN", "UPSTREAM_LOST"])
def test_nothing_is_sized_while_the_link_is_not_synchronised(way: str) -> None:
    driver = holding(-100)
    placed = len(driver.of(PlaceOrder))
    driver.control(driver.command("flatten"))
    driver.link(way)
    driver.link("UP_UNSYNCED")
    driver.report("flatten", connection=2)
    assert len(driver.of(PlaceOrder)) == placed
    before = len(driver.of(RequestReconcile))
    driver.link()
    assert [each.reason for each in driver.of(RequestReconcile)[before:]] == ["flatten"]
    assert sized(driver).quantity == 100


def test_a_disconnect_midway_resumes_with_what_is_left() -> None:
    driver = holding(-100)
    order = asked(driver)
    driver.fill(order.order_ref, "BUY", 30, 70.0)
    driver.link("DOWN")
    driver.execution(order.order_ref, "BUY", 50, 70.0)  # filled while nobody listened; the rest was cancelled
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2)
    driver.link()
    driver.report("flatten")
    assert state(driver) == FlattenState.CLOSING, "what became of the rest is not known yet"
    fire(driver, "second_look", 31)
    driver.report("second_look", connection=3)
    fire(driver, "flatten_retry")
    assert sized(driver).quantity == 20


@pytest.mark.parametrize("link", ["SYNCED", "DOWN"])
def test_row_38_the_sessions_end_refuses_a_running_flatten_so_that_it_cannot_fire_at_the_next_open(link: str) -> None:
    driver = holding(-100)
    order = asked(driver)
    driver.status(order.order_ref, "working")
    if link == "DOWN":
        driver.link("DOWN")
    driver.now_us = CLOSE_US + SECOND
    driver.feed(Clock(ts_us=driver.now_us))
    assert driver.book.flatten.refusal == "flatten_refused"
    assert "2014-06-06T" in str(driver.book.flatten.detail)
    driver.now_us = SESSIONS[1].open_us + 600 * SECOND
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2)
    driver.link()
    driver.report("flatten", connection=2)
    driver.tick(60)
    driver.feed(Clock(ts_us=driver.now_us))
    assert len([each for each in driver.of(PlaceOrder) if each.closing]) == 1
    assert state(driver) == FlattenState.REFUSED
    assert not recover(driver.lines).flatten_started


def test_a_flatten_that_is_flat_at_the_bell_is_still_verified() -> None:
    driver = holding(-100)
    order = asked(driver)
    driver.fill(order.order_ref, "BUY", 100, 70.0)
    driver.now_us = CLOSE_US + SECOND
    finish(driver)
    assert driver.lines[-1].type is JournalType.CONTROL_DONE


def test_in_the_last_seconds_the_answer_to_the_cancel_is_awaited_for_the_number() -> None:
    driver = holding(-100)
    order = asked(driver)
    driver.status(order.order_ref, "working")
    driver.now_us = CLOSE_US - 3 * SECOND
    driver.feed(Clock(ts_us=driver.now_us))
    assert [each.order_ref for each in driver.of(CancelOrder)] == [order.order_ref]
    assert state(driver) == FlattenState.CLOSING
    driver.fill(order.order_ref, "BUY", 60, 70.0)
    driver.status(order.order_ref, "cancelled")
    assert state(driver) == FlattenState.REFUSED
    assert driver.book.ledger.own_shares == -40
    assert driver.lines[-1].type is JournalType.CONTROL_REFUSED


def test_row_38_refused_in_a_closed_market_it_stays_refused_when_the_next_session_opens() -> None:
    driver = holding(-100)
    driver.now_us = CLOSE_US + 60 * SECOND
    driver.feed(Clock(ts_us=driver.now_us))
    driver.control(driver.command("flatten"))
    assert driver.book.flatten.refusal == "flatten_refused"
    for at_us in (SESSIONS[1].open_us, SESSIONS[1].open_us + 3600 * SECOND):
        driver.now_us = at_us
        driver.quote()
        driver.report("periodic")
    again = restarted(driver)
    again.control(msgspec.structs.replace(again.command("flatten", since_us=CLOSE_US), age_ms=7e7))
    again.connect_with()
    for each in (driver, again):
        assert not [order for order in each.of(PlaceOrder) if order.closing]
    assert again.book.flatten.refusal == "stale_flatten"


@pytest.mark.parametrize("into_s", [5, 23_400 - 30])
def test_the_edges_of_a_session_hold_no_flatten_back(into_s: int) -> None:
    driver = holding(-100)
    driver.now_us = SESSIONS[1].open_us + into_s * SECOND
    driver.quote()
    assert asked(driver).quantity == 100


# --- whatever else stands --------------------------------------------------------------------------
@pytest.mark.parametrize("trouble", ["paused", "halted", "journal", "foreign", "backoff", "disk", "window"])
def test_it_works_whatever_keeps_hedges_back(trouble: str) -> None:
    driver = holding(-100)
    if trouble == "paused":
        driver.control(driver.command("pause"))
    elif trouble == "journal":
        driver.feed(SinkFailed(ts_us=driver.now_us, what="journal", error="disk full"))
    elif trouble == "backoff":
        driver.status(driver.order("BUY", 10), "rejected", "201 no")
    elif trouble == "halted":
        for _ in range(3):
            driver.status(driver.order("BUY", 10), "rejected", "201 no")
            driver.tick(61)
    elif trouble == "foreign":
        driver.book = msgspec.structs.replace(
            driver.book, ledger=msgspec.structs.replace(driver.book.ledger, foreign_acknowledged=None)
        )
    elif trouble == "disk":
        driver.book = msgspec.structs.replace(driver.book, disk=msgspec.structs.replace(driver.book.disk, low=True))
    elif trouble == "window":
        from daemon.core.events import RestartWindows, Window

        window = Window(start_us=driver.now_us - SECOND, end_us=driver.now_us + 600 * SECOND)
        driver.feed(RestartWindows(ts_us=driver.now_us, windows=(window,)))
    driver.quote()
    order = asked(driver)
    assert (order.side, order.quantity) == ("BUY", 100)
    driver.fill(order.order_ref, "BUY", 100, 70.0)
    finish(driver)
    assert driver.book.ledger.own_shares == 0


def test_a_second_touch_and_a_second_flatten_change_nothing() -> None:
    driver = holding(-100)
    order = asked(driver)
    driver.tick()
    driver.control(driver.command("flatten"))
    assert state(driver) == FlattenState.CLOSING
    driver.fill(order.order_ref, "BUY", 100, 70.0)
    finish(driver)
    placed = len(driver.of(PlaceOrder))
    driver.control(driver.command("pause"))
    driver.tick()
    driver.control(driver.command("pause"), driver.command("flatten"))
    driver.report("flatten")
    driver.report("flatten")
    assert driver.lines[-1].type is JournalType.CONTROL_DONE
    assert len(driver.of(PlaceOrder)) == placed


def test_with_a_stop_it_flattens_first_and_a_refusal_lets_the_stop_go() -> None:
    driver = holding(-100)
    driver.now_us = CLOSE_US + SECOND
    driver.feed(Clock(ts_us=driver.now_us))
    driver.control(driver.command("flatten"), driver.command("stop"))
    assert state(driver) == FlattenState.REFUSED
    assert driver.of(Exit)[0].code == 0


def test_a_signal_leaves_at_once_and_the_next_run_goes_on() -> None:
    driver = holding(-100)
    order = asked(driver)
    driver.feed(StopSignal(ts_us=driver.now_us, signal_name="SIGTERM"))
    driver.status(order.order_ref, "cancelled")
    assert driver.of(Exit)[0].code == 0
    again = restarted(driver)
    again.control(again.command("flatten", since_us=driver.now_us))
    again.connect_with()
    assert sized(again).quantity == 100


# --- the file --------------------------------------------------------------------------------------
def test_a_folder_that_cannot_be_read_does_not_abort_it() -> None:
    driver = holding(-100)
    order = asked(driver)
    driver.control(readable=False)
    assert state(driver) == FlattenState.CLOSING
    assert JournalType.FLATTEN_ABORTED not in driver.types()
    driver.fill(order.order_ref, "BUY", 100, 70.0)
    finish(driver)
    assert [each.name for each in driver.of(AssertControl)] == ["pause"]


def test_a_file_from_the_future_may_wait_no_longer_than_any_other() -> None:
    driver = Driver()
    driver.control(msgspec.structs.replace(driver.command("flatten"), age_ms=-3_600_000))
    assert [timer.delay_ms for timer in driver.of(Timer) if timer.key == "flatten_start"] == [60_000]


def verified_but_not_removed() -> tuple[Driver, ControlFile]:
    driver = holding(-100)
    file = driver.command("flatten")
    driver.control(file)
    order = sized(driver)
    driver.fill(order.order_ref, "BUY", 100, 70.0)
    finish(driver)
    return driver, file


@pytest.mark.parametrize("later_s", [5, 90_000])
def test_killed_between_the_verification_and_the_removal_the_file_goes_at_the_next_start(later_s: int) -> None:
    first, file = verified_but_not_removed()
    first.tick(later_s)
    again = restarted(first)
    again.control(msgspec.structs.replace(file, age_ms=later_s * 1000.0))
    assert state(again) == FlattenState.NONE
    assert [each.name for each in again.of(AssertControl)] == ["pause"]
    assert len(again.of(ReleaseControl)) == 1
    again.control(again.command("pause"))
    again.connect_with()
    assert JournalType.FLATTEN_ABORTED not in again.types()
    assert check(again, "flatten").ok


def test_touched_anew_after_that_it_is_a_new_request() -> None:
    first, _ = verified_but_not_removed()
    again = restarted(first)
    again.tick(5)
    again.control(again.command("flatten"))
    assert state(again) == FlattenState.WAITING


# --- sizes -----------------------------------------------------------------------------------------
def coarse(driver: Driver, *, step: float, least: float) -> None:
    stock = msgspec.structs.replace(STOCK, size_step=step, min_size=least)
    driver.feed(Instruments(ts_us=driver.now_us, specs=(stock, OPTION)))


def dusty() -> Driver:
    """Owns 103, the smallest order is 10."""
    driver = holding(103)
    coarse(driver, step=10, least=10)
    order = asked(driver)
    assert order.quantity == 100
    driver.fill(order.order_ref, "SELL", 100, 70.0)
    finish(driver)
    driver.control(driver.command("pause"))
    return driver


def test_dust_is_verified_as_dust_and_the_light_says_so_until_the_operator_goes_on() -> None:
    driver = dusty()
    verified = next(line for line in driver.lines if line.type is JournalType.FLATTEN_VERIFIED)
    assert verified.data is not None
    assert (verified.status, verified.quantity, verified.data["dust_shares"]) == ("dust", 3, 3)
    found = check(driver, "flatten_dust")
    assert (found.ok, found.severity, found.measured, found.reason) == (False, "yellow", 3, "flatten_dust")
    again = restarted(driver)
    again.control(again.command("pause", since_us=driver.now_us))
    again.connect_with()
    assert not check(again, "flatten_dust").ok
    again.control()
    assert check(again, "flatten_dust").ok
    ledger = recover([*driver.lines, *again.lines]).ledger
    assert ledger is not None
    assert ledger.dust_own_shares is None


def test_dust_is_over_when_own_shares_change() -> None:
    driver = dusty()
    driver.control()
    own(driver, 20)
    assert check(driver, "flatten_dust").ok


def test_an_unknown_size_step_is_refused_not_guessed() -> None:
    driver = holding(-100)
    stock = msgspec.structs.replace(STOCK, size_step=None)
    driver.feed(Instruments(ts_us=driver.now_us, specs=(stock, OPTION)))
    driver.control(driver.command("flatten"))
    assert driver.book.flatten.refusal == "flatten_refused"
    assert "instrument_constraints_missing" in str(driver.book.flatten.detail)


def test_a_matched_flatten_ends_though_the_delta_moves_between_the_reads() -> None:
    driver = holding(-100, own=profile(control=ControlSection(flatten_target="matched")))
    driver.strategy.delta = 40.0
    order = asked(driver)
    assert (order.side, order.quantity) == ("BUY", 60)
    driver.fill(order.order_ref, "BUY", 60, 70.0)
    driver.strategy.delta = 43.0
    fire(driver, "flatten_retry")
    driver.report("flatten")
    driver.strategy.delta = None
    driver.report("flatten")
    verified = next(line for line in driver.lines if line.type is JournalType.FLATTEN_VERIFIED)
    assert verified.data is not None
    assert (verified.quantity, verified.data["target_shares"]) == (-40, -40)


def test_after_a_wait_the_matched_target_is_asked_anew() -> None:
    driver = holding(-100, own=profile(control=ControlSection(flatten_target="matched")))
    driver.strategy.delta = 40.0
    order = asked(driver)
    driver.status(order.order_ref, "rejected", "201 no")
    driver.strategy.delta = 70.0
    fire(driver, "flatten_retry")
    assert sized(driver).quantity == 30
