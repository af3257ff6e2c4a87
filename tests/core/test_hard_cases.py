"""Money-safety in the corners: broken links, restarts, late answers, flattens that meet a closing bell."""

import msgspec
import pytest

from config.schema import ControlSection
from daemon.core import step
from daemon.core.daemon_fsm import DaemonState
from daemon.core.effects import AssertControl, CancelOrder, Exit, PlaceOrder, RequestReconcile, StartTimer
from daemon.core.events import BookRequest, OrderBlocked, Sessions, StopSignal, TimerFired
from daemon.core.flatten_fsm import FlattenState
from daemon.core.fsm import IllegalTransitionError
from daemon.core.presentation import present
from daemon.core.recovery import checkpoint, recover
from state.records import JournalLine, JournalType
from tests.support.core_driver import CLOSE_US, OPEN_US, SECOND, SESSIONS, Driver, profile

DAY = 86_400 * SECOND


def cancels(driver: Driver) -> list[str]:
    return [effect.order_ref for effect in driver.of(CancelOrder)]


def restarted(driver: Driver, lines: list[JournalLine] | None = None) -> Driver:
    """A new process over the same journal and the same account."""
    after = Driver(recovered=recover(driver.lines if lines is None else lines), run_id="later")
    after.now_us = driver.now_us
    after.executions, after.positions = list(driver.executions), dict(driver.positions)
    return after


def own(driver: Driver, shares: float) -> None:
    side = "SELL" if shares < 0 else "BUY"
    driver.fill(driver.order(side, abs(shares)), side, abs(shares), 70.0)


# --- cancels and the link --------------------------------------------------------------------------
def test_a_cancel_that_met_a_dead_link_is_sent_when_the_link_is_back() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "working")
    driver.link("DOWN")
    driver.control(driver.command("flatten"), driver.command("stop"))
    driver.feed(StopSignal(ts_us=driver.now_us, signal_name="SIGTERM"))
    assert cancels(driver) == []
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2, open_orders=(driver.order_report(ref, "SELL", 40, "working"),))
    driver.link()
    assert ref in cancels(driver)


def test_a_cancel_whose_answer_was_lost_with_the_link_is_repeated() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "working")
    driver.control(driver.command("flatten"))
    assert cancels(driver) == [ref]
    driver.link("UPSTREAM_LOST")
    driver.link("UP_UNSYNCED")
    driver.report("upstream restored", open_orders=(driver.order_report(ref, "SELL", 40, "working"),))
    driver.link()
    assert cancels(driver) == [ref, ref]


def test_a_stop_at_start_cancels_what_the_crashed_run_left_working() -> None:
    first = Driver().connect()
    ref = first.order("SELL", 40)
    first.status(ref, "working")
    second = restarted(first)
    second.control(second.command("stop"))
    assert cancels(second) == []
    second.link("UP_UNSYNCED")
    second.report(open_orders=(second.order_report(ref, "SELL", 40, "working"),))
    second.link()
    assert cancels(second) == [ref]
    second.status(ref, "cancelled")
    assert second.of(Exit)[0].code == 3


def test_a_cancel_of_the_earlier_run_is_not_taken_for_one_of_this_run() -> None:
    first = Driver().connect()
    ref = first.order("SELL", 40)
    first.status(ref, "working")
    first.control(first.command("flatten"))
    first._journal(checkpoint(first.book))
    second = restarted(first)
    second.connect_with(second.order_report(ref, "SELL", 40, "working"))
    assert cancels(second) == [ref]


def test_a_flattens_closing_order_found_at_start_is_cancelled_too() -> None:
    first = Driver().connect()
    own(first, -100)
    first.control(first.command("flatten"))
    first.report("flatten")
    closing = first.of(PlaceOrder)[-1]
    second = restarted(first)
    second.control()
    second.connect_with(second.order_report(closing.order_ref, "BUY", 100, "working"))
    assert cancels(second) == [closing.order_ref]


def test_an_order_found_working_at_start_becomes_overdue() -> None:
    first = Driver().connect()
    ref = first.order("SELL", 40)
    first.status(ref, "working")
    second = restarted(first)
    second.connect_with(second.order_report(ref, "SELL", 40, "working"))
    assert f"overdue:{ref}" in [timer.key for timer in second.of(StartTimer)]


# --- stop ------------------------------------------------------------------------------------------
def test_a_stop_that_has_started_ends_the_run_though_the_file_is_gone() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "working")
    driver.control(driver.command("stop"))
    driver.control()
    driver.status(ref, "cancelled")
    assert driver.of(Exit)[0].code == 0
    assert driver.book.daemon_state == DaemonState.STOPPED


def test_the_stop_deadline_does_not_cut_a_flatten_short() -> None:
    driver = Driver().connect()
    own(driver, -100)
    ref = driver.order("SELL", 40)
    driver.control(driver.command("stop"))
    driver.control(driver.command("stop"), driver.command("flatten"))
    driver.status(ref, "cancelled")
    driver.report("flatten")
    assert driver.of(PlaceOrder)[-1].closing
    driver.feed(TimerFired(ts_us=driver.now_us, key="stop_timeout"))
    assert not driver.of(Exit)
    assert [timer.key for timer in driver.of(StartTimer)].count("stop_timeout") == 2


def test_a_stop_resolves_an_unknown_order_over_several_runs() -> None:
    """Each run lasts ten seconds and the second look needs thirty: what a run has seen must count for the next."""
    first = Driver(answer=False).connect()
    ref = first.order("SELL", 40)
    run, codes, lines = first, [], [*first.lines]
    for _ in range(4):
        run = restarted(run, lines)
        run.control(run.command("stop", since_us=1))
        run.link("UP_UNSYNCED")
        run.report()
        run.tick(10)
        run.feed(TimerFired(ts_us=run.now_us, key="stop_timeout"))
        codes.append(run.of(Exit)[0].code)
        run.tick(5)
        lines += run.lines
    assert codes == [6, 6, 3, 3]
    assert any(line.status == "lost" and line.order_ref == ref for line in lines)


# --- recovery --------------------------------------------------------------------------------------
def test_a_blocked_order_is_not_remembered_as_perhaps_sent() -> None:
    driver = Driver(answer=False).connect()
    ref = driver.order("SELL", 40)
    driver.feed(OrderBlocked(ts_us=driver.now_us, order_ref=ref, reason="paused"))
    assert recover(driver.lines).orders == {}


def test_rejects_and_their_back_off_survive_a_restart() -> None:
    driver = Driver().connect()
    for wait_s in (5, 20):
        driver.status(driver.order("BUY", 10), "rejected", "201 no")
        driver.tick(wait_s)
    ledger = recover(driver.lines).ledger
    assert ledger is not None
    assert (ledger.consecutive_rejects, ledger.reject_until_us) == (2, driver.book.ledger.reject_until_us)
    own(driver, 10)
    ledger = recover(driver.lines).ledger
    assert ledger is not None
    assert (ledger.consecutive_rejects, ledger.reject_until_us) == (0, None)


def test_a_fill_after_the_cancel_moves_the_anchor_in_recovery_as_it_did_live() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 50)
    driver.status(ref, "cancelled")
    driver.fill(ref, "BUY", 20, 71.5)
    ledger = recover(driver.lines).ledger
    assert ledger is not None
    assert ledger.last_hedge_price == driver.book.ledger.last_hedge_price == 71.5


def test_an_order_that_left_just_before_the_crash_counts_as_a_hedge() -> None:
    first = Driver(answer=False).connect()
    ref = first.order("SELL", 40)
    second = restarted(first)
    fill = second.execution(ref, "SELL", 40, 69.99)
    second.connect()
    assert fill.exec_key in second.book.ledger.fills
    assert second.book.ledger.hedges_today == 1
    assert second.book.ledger.last_hedge_sent_us is not None


def test_a_halt_repeated_in_the_journal_stands_once() -> None:
    driver = Driver().connect()
    driver.feed(driver.execution(driver.order("BUY", 10), "BUY", 12, 70.0))
    halt = next(line for line in driver.lines if line.type == JournalType.HALT)
    ledger = recover([*driver.lines, halt]).ledger
    assert ledger is not None
    assert [each.code for each in ledger.halts] == ["overfill"]


def test_an_unknown_order_in_a_checkpoint_is_judged_anew_by_the_next_run() -> None:
    first = Driver().connect()
    ref = first.order("SELL", 40)
    first.report("connect", connection=5)
    assert first.book.unknown_orders == (ref,)
    first._journal(checkpoint(first.book))
    second = restarted(first)
    second.connect()
    assert second.book.unknown_orders == (ref,)
    second.tick(31)
    second.feed(TimerFired(ts_us=second.now_us, key="second_look"))
    second.report("second_look", connection=2)
    assert not second.book.in_flight()


# --- orders that come back -------------------------------------------------------------------------
def test_an_unknown_order_that_was_seen_again_can_be_lost_again() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.report("connect", connection=2)
    driver.report("periodic", connection=2, open_orders=(driver.order_report(ref, "SELL", 40, "working"),))
    assert driver.book.unknown_orders == ()
    driver.report("connect", connection=3)
    assert driver.book.unknown_orders == (ref,)


def test_a_working_order_that_a_report_does_not_list_is_unknown() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "working")
    driver.report("periodic")
    assert driver.book.unknown_orders == (ref,)


def test_a_filled_status_without_its_execution_is_asked_about() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "filled")
    assert driver.book.in_flight()
    assert driver.of(StartTimer)[-1].key == f"ack:{ref}"
    driver.feed(TimerFired(ts_us=driver.now_us, key=f"ack:{ref}"))
    assert driver.of(RequestReconcile)[-1].reason == "ack_deadline"


def test_an_order_that_the_broker_lists_after_its_end_halts_and_is_cancelled() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "cancelled", "10349")
    driver.report("periodic", open_orders=(driver.order_report(ref, "SELL", 40, "working"),))
    assert [halt.code for halt in driver.book.ledger.halts] == ["reconciliation_mismatch"]
    assert cancels(driver) == [ref]


def test_an_own_order_that_no_journal_knows_is_cancelled_and_its_number_never_used() -> None:
    driver = Driver()
    driver.connect_with(driver.order_report("desk.ab12.7", "SELL", 40, "working"))
    assert cancels(driver) == ["desk.ab12.7"]
    assert driver.book.in_flight()[0].order_ref == "desk.ab12.7"
    driver.status("desk.ab12.7", "cancelled")
    assert driver.order("SELL", 10) == "desk.ab12.8"
    ledger = recover(driver.lines).ledger
    assert ledger is not None
    assert ledger.next_order == driver.book.ledger.next_order == 9


def test_the_number_of_an_orphan_execution_is_never_used() -> None:
    driver = Driver().connect()
    driver.feed(driver.execution("desk.ab12.4", "BUY", 10, 70.0))
    assert driver.book.ledger.next_order == 5
    ledger = recover(driver.lines).ledger
    assert ledger is not None
    assert ledger.next_order == 5


def test_a_correction_of_an_order_long_forgotten_is_no_orphan() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 50)
    driver.feed(driver.execution(ref, "BUY", 50, 70.0, exec_key="e1"))
    second = restarted(driver).connect()
    second.feed(second.execution(ref, "BUY", 50, 69.0, exec_key="e1", revision=2))
    assert second.book.ledger.halts == ()
    assert second.book.ledger.average_cost == 69.0


def test_a_correction_to_fewer_shares_does_not_reopen_the_order() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 50)
    driver.feed(driver.execution(ref, "BUY", 50, 70.0, exec_key="e1"))
    driver.feed(driver.execution(ref, "BUY", 40, 70.0, exec_key="e1", revision=2))
    assert driver.book.ledger.own_shares == 40
    assert not driver.book.in_flight()


def test_an_execution_of_an_order_that_was_kept_here_is_booked_and_halts() -> None:
    driver = Driver(answer=False).connect()
    ref = driver.order("BUY", 50)
    driver.feed(OrderBlocked(ts_us=driver.now_us, order_ref=ref, reason="not connected"))
    driver.feed(driver.execution(ref, "BUY", 50, 70.0))
    assert driver.book.ledger.own_shares == 50
    assert [halt.code for halt in driver.book.ledger.halts] == ["orphan_execution"]


def test_a_bug_after_the_handler_does_not_lose_the_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 50)

    def broken(_turn: object) -> None:
        raise IllegalTransitionError("FlattenFSM", "none", "verified")

    monkeypatch.setattr(step.day, "keep_time", broken)
    driver.feed(driver.execution(ref, "BUY", 50, 70.0))
    assert driver.book.ledger.own_shares == 50
    assert JournalType.FILL in driver.types()
    assert [halt.code for halt in driver.book.ledger.halts] == ["illegal_transition"]


def test_executions_of_days_ago_are_not_booked_again() -> None:
    driver = Driver().connect()
    own(driver, 100)
    for day in (1, 2):
        moved = [
            msgspec.structs.replace(
                SESSIONS[0], date=f"2014-06-{5 + day:02}", open_us=OPEN_US + day * DAY, close_us=CLOSE_US + day * DAY
            )
        ]
        driver.feed(Sessions(ts_us=driver.now_us, sessions=tuple(moved)))
        driver.tick(86_400)
        driver.quote()
    driver.feed(driver.executions[0])
    assert driver.book.ledger.own_shares == 100


# --- flatten ---------------------------------------------------------------------------------------
def test_a_flatten_whose_file_went_while_the_daemon_was_down_is_aborted_and_pauses() -> None:
    first = Driver().connect()
    own(first, -100)
    first.control(first.command("flatten"))
    second = restarted(first)
    second.control()
    assert JournalType.FLATTEN_ABORTED in second.types()
    assert [effect.name for effect in second.of(AssertControl)] == ["pause"]
    assert not second.book.flatten.resuming
    assert not recover([*first.lines, *second.lines]).flatten_started


def test_a_resuming_flatten_keeps_on_resuming_while_the_folder_is_unreadable() -> None:
    first = Driver().connect()
    own(first, -100)
    first.control(first.command("flatten"))
    second = restarted(first)
    second.control(readable=False)
    assert second.book.flatten.resuming


def test_removing_the_file_of_a_flatten_that_waits_to_resume_aborts_it() -> None:
    first = Driver().connect()
    own(first, -100)
    first.control(first.command("flatten"))
    second = restarted(first)
    second.control(second.command("flatten"))
    second.control()
    assert JournalType.FLATTEN_ABORTED in second.types()
    assert [effect.name for effect in second.of(AssertControl)] == ["pause"]


@pytest.mark.parametrize("left_s", [3, -1])
def test_no_closing_order_leaves_when_the_session_ends_meanwhile(left_s: int) -> None:
    driver = Driver().connect()
    own(driver, -100)
    driver.control(driver.command("flatten"))
    driver.now_us = CLOSE_US - left_s * SECOND
    driver.report("flatten")
    assert not any(order.closing for order in driver.of(PlaceOrder))
    assert driver.book.flatten.refusal == "flatten_refused"


def test_a_matched_flatten_without_a_delta_is_refused_not_called_flat() -> None:
    driver = Driver(own=profile(control=ControlSection(flatten_target="matched"))).connect()
    own(driver, -100)
    driver.strategy.delta = None
    driver.control(driver.command("flatten"))
    driver.report("flatten")
    driver.report("flatten")
    assert JournalType.FLATTEN_VERIFIED not in driver.types()
    assert driver.book.flatten.refusal == "flatten_refused"


def test_an_order_found_while_verifying_is_cancelled_first() -> None:
    driver = Driver().connect()
    driver.control(driver.command("flatten"))
    driver.report("flatten")
    assert driver.book.flatten.state == FlattenState.VERIFYING
    driver.report("flatten", open_orders=(driver.order_report("desk.ab12.9", "SELL", 40, "working"),))
    assert driver.book.flatten.state == FlattenState.CANCELLING
    assert cancels(driver) == ["desk.ab12.9"]


def test_shares_do_not_change_owner_while_an_order_works() -> None:
    driver = Driver().connect()
    own(driver, 100)
    driver.order("SELL", 10)
    request = BookRequest(
        ts_us=driver.now_us, request_id="r", command="release", shares=50, by="op", reason="x", age_ms=1
    )
    driver.feed(request)
    assert driver.book.ledger.own_shares == 100
    assert driver.lines[-1].reason == "request_refused"


def test_the_reject_back_off_is_shown() -> None:
    driver = Driver().connect()
    driver.status(driver.order("BUY", 10), "rejected", "201 no")
    check = present(driver.core, driver.book)["self_check"]
    assert check.status != "ok"
    assert "reject_backoff" in [each.reason for each in check.checks if not each.ok]
