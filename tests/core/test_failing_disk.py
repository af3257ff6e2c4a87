"""A journal that failed, sinks that only cost evidence, and the room and speed of the disk: as the core judges them."""

import pytest

from config.schema import Storage
from daemon.core.book import embargoes
from daemon.core.disk import MIN_FREE_INODES
from daemon.core.effects import CancelOrder, PlaceOrder
from daemon.core.events import BookRequest, DiskReport, SinkFailed
from daemon.core.recovery import recover
from daemon.core.self_check import self_check
from daemon.core.strategy import Wish
from state.records import Check, JournalType
from tests.support.core_driver import Driver, profile

STORAGE = Storage(min_free_mib=100.0, slow_sync_ms=250.0)


def desk() -> Driver:
    return Driver(own=profile(storage=STORAGE)).connect()


def checks(driver: Driver) -> dict[str, Check]:
    found = self_check(driver.core.profile, driver.strategy, driver.book)
    return {check.name: check for check in found.checks}


def failed(driver: Driver) -> set[str | None]:
    return {check.reason for check in checks(driver).values() if not check.ok}


def disk(driver: Driver, free_mib: float = 5000.0, free_inodes: float | None = None, slowest_ms: float = 1.0) -> None:
    report = DiskReport(ts_us=driver.now_us, free_mib=free_mib, free_inodes=free_inodes, slowest_append_ms=slowest_ms)
    driver.feed(report)


def sink_fails(driver: Driver, what: str = "journal") -> list[object]:
    return list(driver.feed(SinkFailed(ts_us=driver.now_us, what=what, error="No space left")))  # type: ignore[arg-type]


def reset(driver: Driver) -> None:
    driver.feed(
        BookRequest(ts_us=driver.now_us, request_id="r", command="reset", by="ann", reason="looked", age_ms=0.0)
    )


def test_a_failed_journal_halts_and_cancels_what_works() -> None:
    driver = desk()
    ref = driver.order("SELL", 40)
    driver.status(ref, "working")
    effects = sink_fails(driver)
    assert [effect.order_ref for effect in effects if isinstance(effect, CancelOrder)] == [ref]
    (halt,) = driver.book.ledger.halts
    assert (halt.code, halt.detail) == ("journal_failed", "No space left")
    assert failed(driver) == {"journal_failed"}
    placed = len(driver.of(PlaceOrder))
    driver.status(ref, "cancelled")
    driver.strategy.wish = None
    driver.order("SELL", 40)
    assert len(driver.of(PlaceOrder)) == placed


def test_a_flatten_works_on_a_failed_journal() -> None:
    driver = desk()
    ref = driver.order("SELL", 40)
    driver.fill(ref, "SELL", 40, 70.0)
    sink_fails(driver)
    driver.control(driver.command("flatten"))
    driver.report("flatten")
    closing = driver.of(PlaceOrder)[-1]
    assert (closing.side, closing.quantity, closing.closing) == ("BUY", 40, True)
    # A second word about the same journal does not cancel what closes the position.
    assert not [effect for effect in sink_fails(driver) if isinstance(effect, CancelOrder)]


def test_only_a_run_that_can_write_may_be_reset() -> None:
    driver = desk()
    sink_fails(driver)
    reset(driver)
    assert driver.lines[-1].type is JournalType.CONTROL_REFUSED
    assert "restart" in driver.lines[-1].data["detail"]  # type: ignore[index]
    assert driver.book.ledger.halts

    later = Driver(own=profile(storage=STORAGE), recovered=recover(driver.lines), run_id="later").connect()
    assert failed(later) == {"journal_failed"}
    assert "halted" in embargoes(later.book)
    reset(later)
    assert later.book.ledger.halts == ()
    later.report("reset")
    assert failed(later) == set()


@pytest.mark.parametrize(("what", "reason"), [("tape", "tape_failed"), ("history", "history_failed")])
def test_a_lost_tape_or_history_is_yellow_and_trading_goes_on(what: str, reason: str) -> None:
    driver = desk()
    sink_fails(driver, what)
    assert failed(driver) == {reason}
    assert checks(driver)[what].severity == "yellow"
    assert embargoes(driver.book) == ()


def test_too_little_room_is_red_embargoes_a_hedge_and_clears_a_tenth_above_the_limit() -> None:
    driver = desk()
    disk(driver, free_mib=100.0)
    assert failed(driver) == set()
    disk(driver, free_mib=99.9)
    assert failed(driver) == {"disk_low"}
    assert checks(driver)["disk_space"].severity == "red"
    assert embargoes(driver.book) == ("disk_low",)
    assert not driver.book.ledger.halts
    disk(driver, free_mib=109.9)
    assert failed(driver) == {"disk_low"}
    disk(driver, free_mib=110.1)
    assert failed(driver) == set()


@pytest.mark.parametrize(
    ("free_inodes", "low"), [(MIN_FREE_INODES - 1.0, True), (float(MIN_FREE_INODES), False), (None, False)]
)
def test_too_few_files_left_is_as_bad_as_no_room(free_inodes: float | None, low: bool) -> None:
    driver = desk()
    disk(driver, free_inodes=free_inodes)
    assert driver.book.disk.low is low


def test_a_working_order_and_a_flatten_are_left_alone_by_low_room() -> None:
    driver = desk()
    ref = driver.order("SELL", 40)
    disk(driver, free_mib=0.0)
    assert driver.of(CancelOrder) == []
    driver.fill(ref, "SELL", 40, 70.0)
    driver.control(driver.command("flatten"))
    driver.report("flatten")
    assert driver.of(PlaceOrder)[-1].closing


def test_a_slow_append_is_yellow_and_forbids_nothing() -> None:
    driver = desk()
    disk(driver, slowest_ms=249.9)
    assert failed(driver) == set()
    disk(driver, slowest_ms=250.0)
    assert failed(driver) == {"slow_disk"}
    assert (checks(driver)["disk_speed"].measured, checks(driver)["disk_speed"].limit) == (250.0, 250.0)
    assert embargoes(driver.book) == ()


def test_a_measurement_decides_nothing_also_between_an_options_quote_and_its_stocks() -> None:
    driver = desk()
    driver.strategy.wish = Wish(
        instrument="XYZ", side="SELL", quantity=40, state_code="O1", reason="test", decision_mid=70.0
    )
    disk(driver, free_mib=4000.0)
    assert driver.of(PlaceOrder) == []
    driver.quote()
    assert len(driver.of(PlaceOrder)) == 1
