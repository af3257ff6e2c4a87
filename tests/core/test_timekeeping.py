"""A machine that stood still or whose clock was set: what counts again, and when."""

import pytest

from daemon.core.events import Clock, ProbeAnswered
from daemon.core.feed import lag_ms
from daemon.core.self_check import self_check
from daemon.core.timekeeping import STOOD_STILL_MS, WALL_OFFSET_MS
from state.records import JournalType
from tests.support.core_driver import Driver


def failed(driver: Driver) -> set[str]:
    """The reasons of the checks that fail."""
    found = self_check(driver.core.profile, driver.strategy, driver.book)
    return {check.reason for check in found.checks if check.reason is not None}


def stand_still(driver: Driver, seconds: float) -> None:
    driver.tick(seconds)
    driver.feed(Clock(ts_us=driver.now_us, loop_lag_ms=seconds * 1000, stood_still_ms=seconds * 1000))
    driver.feed(Clock(ts_us=driver.now_us))  # the next tick is in time


def answer(driver: Driver, *, asked_us: int | None, round_trip_ms: float | None = 1.0) -> None:
    driver.feed(ProbeAnswered(ts_us=driver.now_us, round_trip_ms=round_trip_ms, asked_us=asked_us))


def test_after_a_pause_no_price_counts_before_a_probe_that_was_sent_afterwards() -> None:
    driver = Driver().connect()
    asked_before_us = driver.now_us
    stand_still(driver, 60)
    driver.quote()
    assert lag_ms(driver.book) is None
    assert "loop_slow" in failed(driver)
    answer(driver, asked_us=asked_before_us)  # it lay in the socket, before the prices of the pause
    assert lag_ms(driver.book) is None
    answer(driver, asked_us=driver.now_us, round_trip_ms=None)
    assert lag_ms(driver.book) is None
    answer(driver, asked_us=driver.now_us)
    assert lag_ms(driver.book) is not None
    assert "loop_slow" not in failed(driver)
    stood = [line for line in driver.lines if line.type is JournalType.CLOCK_JUMP]
    assert [(line.status, line.data) for line in stood] == [("stood_still", {"stood_still_ms": 60_000})]


def test_a_venue_that_does_not_say_when_it_asked_is_believed() -> None:
    driver = Driver().connect()
    stand_still(driver, 60)
    answer(driver, asked_us=None)
    assert lag_ms(driver.book) is not None


def test_a_new_connection_has_nothing_old_in_its_socket() -> None:
    driver = Driver().connect()
    stand_still(driver, 60)
    driver.link("DOWN")
    assert driver.book.machine.unproven_since_us is None


def test_a_lag_is_no_pause() -> None:
    driver = Driver().connect()
    stand_still(driver, (STOOD_STILL_MS - 1) / 1000)
    assert lag_ms(driver.book) is not None
    assert JournalType.CLOCK_JUMP not in driver.types()


@pytest.mark.parametrize("offset_ms", [3_600_000.0, -3_600_000.0])
def test_a_wall_clock_that_was_set_is_said_once_and_shown_until_it_is_right(offset_ms: float) -> None:
    driver = Driver().connect()
    for offset in (0.0, offset_ms, offset_ms + WALL_OFFSET_MS, offset_ms - WALL_OFFSET_MS):
        driver.tick()
        driver.feed(Clock(ts_us=driver.now_us, wall_offset_ms=offset))
        assert ("wall_clock_off" in failed(driver)) == (offset != 0.0)
    driver.feed(Clock(ts_us=driver.now_us, wall_offset_ms=0.0))
    assert "wall_clock_off" not in failed(driver)
    said = [line.data for line in driver.lines if line.type is JournalType.CLOCK_JUMP]
    assert said == [
        {"wall_offset_ms": offset_ms, "before_ms": 0},
        {"wall_offset_ms": 0, "before_ms": offset_ms},
    ]
