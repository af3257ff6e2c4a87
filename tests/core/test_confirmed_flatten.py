"""A salvaged book, and an account that contradicts the ledger: a flatten then needs the operator's number."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.effects import PlaceOrder
from daemon.core.events import BookRequest, OrderReport, TimerFired
from daemon.core.flatten_fsm import FlattenState
from daemon.core.presentation import present
from daemon.core.recovery import Recovered, recover
from daemon.core.salvage import LOST_NUMBERS, NoLedgerError, opening_records
from state.records import JournalLine, JournalType
from tests.support.core_driver import LEG, Driver

FOREIGN = 300.0


def own(driver: Driver, shares: float) -> None:
    side = "SELL" if shares < 0 else "BUY"
    driver.fill(driver.order(side, abs(shares)), side, abs(shares), 70.0)


def with_foreign() -> Driver:
    driver = Driver()
    driver.positions["XYZ"] = FOREIGN
    driver.connect()
    acknowledge(driver, FOREIGN)
    return driver


def acknowledge(driver: Driver, shares: float) -> None:
    request = BookRequest(
        ts_us=driver.now_us, request_id="a", command="acknowledge", shares=shares, by="anna", reason="mine", age_ms=0.0
    )
    driver.feed(request)


def salvaged(first: Driver, kept: list[JournalLine] | None = None) -> Driver:
    """A new process over what a salvage of `kept` lines (all, where not told) has written; nothing connected yet."""
    recovered = recover(first.lines if kept is None else kept)
    after = Driver(recovered=Recovered(), run_id="later")
    for record in opening_records(recovered, newest_number=0, facts={}, detail="salvaged"):
        after._journal(record)
    lines = list(after.lines)
    after = Driver(recovered=recover(lines), run_id="later")
    after.now_us, after.lines = first.now_us, lines
    after.executions, after.positions = list(first.executions), dict(first.positions)
    return after


def flatten(driver: Driver, shares: float | None) -> None:
    """Ask for it with or without a number, and answer the report that follows; a second one where it doubts."""
    driver.tick()
    driver.control(driver.command("flatten", shares=shares))
    for _ in range(2):
        if driver.book.flatten.state == FlattenState.SIZING:
            driver.report("flatten")


def finish(driver: Driver) -> None:
    """Fill the closing order, if any, and give both reads."""
    order = driver.of(PlaceOrder)[-1] if driver.of(PlaceOrder) else None
    if order is not None and driver.book.flatten.state == FlattenState.CLOSING:
        driver.fill(order.order_ref, order.side, order.quantity, 70.0)
        driver.feed(TimerFired(ts_us=driver.now_us, key="flatten_retry"))
        driver.report("flatten")
    driver.report("flatten")
    assert driver.lines[-1].type is JournalType.CONTROL_DONE


def refused(driver: Driver) -> JournalLine:
    line = driver.lines[-1]
    assert line.type is JournalType.CONTROL_REFUSED
    return line


# --- the salvaged book -----------------------------------------------------------------------------
def test_a_salvaged_book_halts_and_books_what_the_broker_still_knows() -> None:
    first = Driver().connect()
    own(first, -100)
    known = len(first.lines)
    own(first, 30)
    driver = salvaged(first, first.lines[:known])
    assert driver.book.ledger.own_shares == -100
    driver.connect()
    assert driver.book.ledger.own_shares == -70
    assert [halt.code for halt in driver.book.ledger.halts] == ["journal_salvaged"]
    found = [line for line in driver.lines if line.type is JournalType.FILL]
    assert [(line.quantity, line.reason) for line in found] == [(30, "journal_salvaged")]
    assert driver.book.unexplained == ()
    assert recover(driver.lines).ledger == msgspec.structs.replace(
        driver.book.ledger, last_marks=recover(driver.lines).ledger.last_marks
    )


def test_whichever_line_behind_the_checkpoint_is_lost_the_broker_makes_it_good() -> None:
    first = Driver().connect()
    own(first, -100)
    first.status(first.order("BUY", 10), "rejected", "201 no")
    first.tick(10)
    first.status(first.order("SELL", 20), "cancelled")
    first.report("unasked_cancel")
    own(first, 30)
    newest = max(index for index, line in enumerate(first.lines) if line.type is JournalType.LEDGER_CHECKPOINT)
    start = min(newest, next(index for index, line in enumerate(first.lines) if line.type is JournalType.INTENT) - 1)
    for lost in range(start + 1, len(first.lines)):
        driver = salvaged(first, [line for index, line in enumerate(first.lines) if index != lost])
        driver.connect()
        assert driver.book.ledger.own_shares == -70, first.lines[lost]
        assert driver.book.unexplained == (), first.lines[lost]
        assert [halt.code for halt in driver.book.ledger.halts] == ["journal_salvaged"], first.lines[lost]


def test_an_execution_that_no_lost_line_can_have_asked_for_is_still_an_orphan() -> None:
    first = Driver().connect()
    own(first, -100)
    driver = salvaged(first)
    number = driver.book.ledger.next_order
    driver.execution(f"desk.ab12.{number}", "BUY", 10, 70.0)
    driver.connect()
    assert {halt.code for halt in driver.book.ledger.halts} == {"journal_salvaged", "orphan_execution"}


def test_no_number_of_a_lost_order_is_given_again() -> None:
    first = Driver().connect()
    own(first, -100)
    recovered = recover(first.lines)
    checkpoint = opening_records(recovered, newest_number=41, facts={}, detail="")[0]
    assert checkpoint.data.ledger.next_order == 42 + LOST_NUMBERS


def test_an_order_of_lost_lines_that_still_works_is_cancelled() -> None:
    first = Driver().connect()
    known = len(first.lines)
    ref = first.order("SELL", 40)
    driver = salvaged(first, first.lines[:known])
    working: OrderReport = first.order_report(ref, "SELL", 40, "working")
    driver.control()
    driver.connect_with(working)
    assert JournalType.CANCEL_SENT in driver.types()


def test_lines_without_a_ledger_cannot_be_salvaged() -> None:
    with pytest.raises(NoLedgerError):
        opening_records(Recovered(), newest_number=0, facts={}, detail="")


def test_a_flatten_under_way_at_the_damage_does_not_resume_by_itself() -> None:
    first = Driver().connect()
    own(first, -100)
    first.control(first.command("flatten"))
    first.report("flatten")
    assert recover(first.lines).flatten_started
    driver = salvaged(first)
    assert not driver.book.flatten.resuming


# --- the number ------------------------------------------------------------------------------------
def test_a_touch_is_refused_with_both_numbers_and_nothing_is_done() -> None:
    first = with_foreign()
    own(first, -100)
    driver = salvaged(first).connect()
    flatten(driver, None)
    line = refused(driver)
    assert (line.reason, line.data["own_shares"], line.data["account_shares"]) == ("flatten_unconfirmed", -100, 200)
    assert not driver.of(PlaceOrder)
    assert JournalType.CONTROL_STARTED not in [each.type for each in driver.lines[3:]]
    check = next(each for each in present(driver.core, driver.book)["self_check"].checks if each.name == "flatten")
    assert check.reason == "flatten_unconfirmed"
    assert "-100" in str(check.measured)
    assert "200" in str(check.measured)


def test_the_ledgers_number_is_closed_and_foreign_shares_stay() -> None:
    first = with_foreign()
    own(first, -100)
    driver = salvaged(first).connect()
    flatten(driver, -100)
    finish(driver)
    assert driver.book.ledger.own_shares == 0
    assert driver.positions["XYZ"] == FOREIGN
    assert driver.book.unexplained == ()


@pytest.mark.parametrize("wrong", [0.0, -99.0, 100.0, 200.0, 300.0, float("inf")])
def test_any_other_number_is_refused(wrong: float) -> None:
    first = with_foreign()
    own(first, -100)
    driver = salvaged(first).connect()
    flatten(driver, wrong)
    assert refused(driver).reason == "flatten_unconfirmed"
    assert not driver.of(PlaceOrder)
    assert driver.book.ledger.own_shares == -100


def test_the_accounts_number_corrects_a_ledger_that_misses_an_execution_of_an_earlier_day() -> None:
    first = with_foreign()
    own(first, -100)
    driver = salvaged(first)
    driver.positions["XYZ"] = FOREIGN - 130  # 30 more were sold on a day that the broker no longer lists
    driver.connect()
    assert driver.book.unexplained == ("XYZ",)
    flatten(driver, -130)
    adopted = next(line for line in driver.lines if line.type is JournalType.BOOK_ADOPTED)
    assert (adopted.quantity, adopted.status) == (-30, "confirmed")
    assert driver.book.unexplained == ()
    assert recover(driver.lines).ledger.own_shares == -130
    finish(driver)
    assert (driver.book.ledger.own_shares, driver.positions["XYZ"]) == (0, FOREIGN)


def test_the_ledgers_number_declares_the_rest_of_the_account_foreign() -> None:
    first = with_foreign()
    own(first, -100)
    driver = salvaged(first)
    driver.positions["XYZ"] = FOREIGN - 130
    driver.connect()
    flatten(driver, -100)
    finish(driver)
    assert (driver.book.ledger.own_shares, driver.positions["XYZ"]) == (0, FOREIGN - 30)
    assert driver.book.ledger.foreign_acknowledged == FOREIGN - 30
    assert driver.book.unexplained == ()


def test_a_flat_book_is_verified_and_a_second_flatten_changes_nothing() -> None:
    first = Driver().connect()
    own(first, -100)
    driver = salvaged(first).connect()
    flatten(driver, -100)
    finish(driver)
    sent = len(driver.of(PlaceOrder))
    driver.control()
    flatten(driver, -100)
    assert refused(driver).reason == "flatten_unconfirmed"
    flatten(driver, 0)
    finish(driver)
    assert len(driver.of(PlaceOrder)) == sent
    assert driver.positions["XYZ"] == 0


def test_a_part_filled_flatten_needs_no_second_number_also_after_a_crash() -> None:
    first = Driver().connect()
    own(first, -100)
    driver = salvaged(first).connect()
    note = driver.command("flatten", shares=-100)
    driver.control(note)
    driver.report("flatten")
    closing = driver.of(PlaceOrder)[-1]
    driver.fill(closing.order_ref, "BUY", 60, 70.0)
    assert recover(driver.lines).flatten_agreed
    again = Driver(recovered=recover(driver.lines), run_id="third")
    again.now_us, again.lines = driver.now_us, list(driver.lines)
    again.executions, again.positions = list(driver.executions), dict(driver.positions)
    again.control(msgspec.structs.replace(note, age_ms=600_000.0))
    again.connect_with()
    again.tick(31)
    again.feed(TimerFired(ts_us=again.now_us, key="second_look"))
    again.report("second_look", connection=2)
    again.report("flatten", connection=2)
    last = again.of(PlaceOrder)[-1]
    assert (last.side, last.quantity) == ("BUY", 40)
    finish(again)
    assert again.positions["XYZ"] == 0
    assert not recover(again.lines).flatten_agreed


def test_a_reset_ends_the_need_for_a_number_once_the_position_is_explained() -> None:
    first = Driver().connect()
    own(first, -100)
    driver = salvaged(first)
    driver.positions["XYZ"] = -130.0
    driver.connect()
    reset = BookRequest(ts_us=driver.now_us, request_id="r", command="reset", by="anna", reason="seen", age_ms=0.0)
    driver.feed(reset)
    assert "unexplained" in refused(driver).data["detail"]
    acknowledge(driver, -30)
    driver.feed(msgspec.structs.replace(reset, request_id="r2"))
    driver.report("reset")
    assert driver.book.ledger.halts == ()
    flatten(driver, None)
    finish(driver)
    assert driver.positions["XYZ"] == -30


@given(
    own_shares=st.integers(-200, 200),
    foreign=st.integers(-300, 300),
    drift=st.one_of(st.just(0), st.integers(-250, 250)),
    number=st.one_of(st.none(), st.sampled_from(["ledger", "account", "all"]), st.integers(-300, 300)),
    was_salvaged=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_confirmed_only_what_was_confirmed_is_closed(
    own_shares: int, foreign: int, drift: int, number: str | int | None, was_salvaged: bool
) -> None:
    """Closed is the ledger's number or the account's; afterwards ledger and account agree; else nothing is sent."""
    driver = Driver()
    driver.positions["XYZ"] = foreign
    driver.connect()
    if foreign:
        acknowledge(driver, foreign)
    if own_shares:
        own(driver, own_shares)
    if was_salvaged:
        driver = salvaged(driver)
        driver.connect()
    held = own_shares + foreign + drift
    driver.positions["XYZ"] = held
    driver.report("periodic")
    meant = {"ledger": own_shares, "account": own_shares + drift, "all": held}
    confirmed = number if number is None or isinstance(number, int) else meant[number]
    asked = set(present(driver.core, driver.book)["flatten_choices_shares"])
    orders = len(driver.of(PlaceOrder))
    flatten(driver, confirmed)
    contradicts = drift != 0 and (own_shares * held < 0 or abs(held) < abs(own_shares))
    assert bool(asked) == (was_salvaged or contradicts)
    if confirmed not in (asked or {None, own_shares}):
        unsaid = was_salvaged and confirmed is None
        assert refused(driver).reason == ("flatten_conflict" if contradicts and not unsaid else "flatten_unconfirmed")
        assert len(driver.of(PlaceOrder)) == orders
        assert driver.book.ledger.own_shares == own_shares
        return
    finish(driver)
    closed = confirmed if asked else own_shares
    assert driver.book.ledger.own_shares == 0
    assert driver.positions["XYZ"] == held - closed
    assert driver.book.unexplained == (() if asked or not drift else ("XYZ",))
    assert len(driver.of(PlaceOrder)) - orders == (1 if closed else 0)


# --- a conflict without any salvage ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("number", "kind", "left"),
    [(100.0, JournalType.BOOK_ACKNOWLEDGED, -80.0), (20.0, JournalType.BOOK_RELEASED, 0.0)],
)
def test_a_conflict_ends_with_either_number(number: float, kind: JournalType, left: float) -> None:
    driver = Driver().connect()
    own(driver, 100)
    driver.positions["XYZ"] = 20.0
    flatten(driver, None)
    assert refused(driver).reason == "flatten_conflict"
    flatten(driver, 60.0)
    assert "60 shares were confirmed" in refused(driver).data["detail"]
    driver.report("periodic")
    flatten(driver, number)
    assert kind in driver.types()
    finish(driver)
    assert (driver.book.ledger.own_shares, driver.positions["XYZ"]) == (0, left)
    assert driver.book.unexplained == ()


def test_an_opposite_account_can_be_confirmed_too() -> None:
    driver = Driver().connect()
    own(driver, 100)
    driver.positions["XYZ"] = -20.0
    flatten(driver, -20.0)
    finish(driver)
    adopted = next(line for line in driver.lines if line.type is JournalType.BOOK_ADOPTED)
    assert adopted.quantity == -120
    assert (driver.book.ledger.own_shares, driver.positions["XYZ"]) == (0, 0)


def test_a_number_that_nobody_asked_for_must_still_be_the_ledgers() -> None:
    driver = Driver().connect()
    own(driver, 100)
    opened = len(driver.of(PlaceOrder))
    flatten(driver, 7.0)
    assert refused(driver).reason == "flatten_unconfirmed"
    assert "7 shares were confirmed" in refused(driver).data["detail"]
    assert len(driver.of(PlaceOrder)) == opened
    driver.control()
    flatten(driver, 100.0)
    finish(driver)
    assert driver.positions == {LEG: 10.0, "XYZ": 0.0}


def test_a_number_that_was_agreed_on_does_not_size_what_is_left_of_it() -> None:
    """A part was closed and the account's report lags: by it, the confirmed number would be right once more."""
    driver = Driver()
    driver.positions["XYZ"] = -70.0
    driver.connect()
    acknowledge(driver, -70)
    own(driver, 100)
    driver.positions["XYZ"] = 20.0  # ten of them are not there
    flatten(driver, 90.0)
    closing = driver.of(PlaceOrder)[-1]
    assert (closing.side, closing.quantity) == ("SELL", 90)
    driver.fill(closing.order_ref, "SELL", 60, 70.0)
    driver.status(closing.order_ref, "cancelled")
    driver.positions["XYZ"] = 20.0
    driver.feed(TimerFired(ts_us=driver.now_us, key="flatten_retry"))
    driver.report("flatten")
    driver.report("flatten")
    assert refused(driver).reason == "flatten_conflict"
    assert driver.of(PlaceOrder)[-1] is closing
    assert driver.book.ledger.own_shares == 30
