"""What becomes of an order that nobody answers for: asked about, out of sight, and lost only by the whole rule."""

import pytest

from daemon.core.effects import CancelOrder, Exit, PlaceOrder, RequestReconcile
from daemon.core.events import OrderReport, PositionChanged, PositionItem
from daemon.core.order_life import OrderState
from daemon.core.recovery import recover
from state.records import JournalType
from tests.support.core_driver import Driver


def asked(driver: Driver) -> list[str]:
    return [effect.reason for effect in driver.of(RequestReconcile)]


def swallowed(quantity: float = 40) -> tuple[Driver, str]:
    """An order that the venue swallowed, missed by one report after its deadline."""
    driver = Driver().connect()
    ref = driver.order("SELL", quantity)
    driver.fire(f"ack:{ref}", 10)
    driver.report("ack_deadline")
    return driver, ref


def second_look(driver: Driver, **more: object) -> None:
    driver.fire("second_look", 30)
    driver.link("DOWN")
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2, **more)  # type: ignore[arg-type]
    driver.link()


def state_of(driver: Driver, ref: str) -> OrderState:
    return driver.book.orders[ref].state


def ended(driver: Driver, ref: str, status: str, *, filled: float = 0.0) -> tuple[OrderReport, ...]:
    order = driver.book.orders[ref]
    return (driver.order_report(ref, order.side, order.quantity, status, "its reason", filled=filled),)


def test_an_unanswered_order_is_asked_about_then_out_of_sight_then_lost_and_never_sent_again() -> None:
    driver, ref = swallowed()
    assert asked(driver) == ["ack_deadline"]
    assert state_of(driver, ref) is OrderState.UNKNOWN
    assert list(driver.book.unknown_orders) == [ref]
    second_look(driver)
    assert driver.of(RequestReconcile)[-1].fresh_connection
    assert state_of(driver, ref) is OrderState.CANCELLED
    assert not driver.book.unknown_orders
    assert [order.order_ref for order in driver.of(PlaceOrder)] == [ref]
    following = driver.order("SELL", 40)
    assert following != ref


def test_a_second_report_over_the_same_connection_loses_nothing() -> None:
    driver, ref = swallowed()
    driver.fire("second_look", 30)
    driver.report("second_look", connection=1)
    assert state_of(driver, ref) is OrderState.UNKNOWN


def test_a_fresh_connection_before_half_a_minute_loses_nothing() -> None:
    driver, ref = swallowed()
    driver.tick(5)
    driver.link("DOWN")
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2)
    assert state_of(driver, ref) is OrderState.UNKNOWN


def test_an_order_is_not_lost_while_the_position_has_moved_unseen() -> None:
    driver, ref = swallowed()
    driver.positions["XYZ"] = -40.0  # it traded, and its execution is on no list any more
    second_look(driver)
    assert state_of(driver, ref) is OrderState.UNKNOWN
    assert driver.book.unexplained == ("XYZ",)
    driver.report("periodic", connection=2)
    assert state_of(driver, ref) is OrderState.UNKNOWN
    driver.feed(driver.execution(ref, "SELL", 40, 70.0))
    assert state_of(driver, ref) is OrderState.FILLED
    assert driver.book.ledger.own_shares == -40


def test_an_order_is_not_lost_while_the_venue_says_that_it_was_executed() -> None:
    driver, ref = swallowed()
    second_look(driver, completed=ended(driver, ref, "filled", filled=40))
    assert state_of(driver, ref) is OrderState.UNKNOWN


@pytest.mark.parametrize(("status", "state"), [("cancelled", OrderState.CANCELLED), ("rejected", OrderState.REJECTED)])
def test_a_completed_order_ends_at_the_first_report_that_lists_it(status: str, state: OrderState) -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.fire(f"ack:{ref}", 10)
    driver.report("ack_deadline", completed=ended(driver, ref, status))
    assert state_of(driver, ref) is state
    assert driver.book.orders[ref].reason == "its reason"
    assert JournalType.UNKNOWN_OUTCOME not in driver.types()
    assert driver.book.ledger.consecutive_rejects == (1 if status == "rejected" else 0)


def test_the_rest_of_a_partly_filled_order_that_was_cancelled_unheard() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.fill(ref, "SELL", 30, 70.0)
    driver.link("DOWN")
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2, completed=ended(driver, ref, "cancelled", filled=30))
    assert state_of(driver, ref) is OrderState.CANCELLED
    assert driver.book.ledger.remainder


def test_without_a_list_of_completed_orders_the_rest_takes_two_looks() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.fill(ref, "SELL", 30, 70.0)
    driver.link("DOWN")
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2)
    assert state_of(driver, ref) is OrderState.UNKNOWN
    driver.fire("second_look", 30)
    driver.report("second_look", connection=3)
    assert state_of(driver, ref) is OrderState.CANCELLED
    assert driver.book.ledger.remainder


def test_an_order_filled_while_the_link_was_reset_is_found_by_its_reference() -> None:
    driver = Driver(answer=False).connect()
    ref = driver.order("SELL", 40)
    driver.link("DOWN")
    driver.execution(ref, "SELL", 40, 69.5)
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2)
    driver.report("connect", connection=2)
    assert driver.book.ledger.own_shares == -40
    assert driver.types().count(JournalType.FILL) == 1
    assert driver.book.ledger.hedges_today == 1


@pytest.mark.parametrize(
    ("statuses", "why"),
    [
        (["cancelled"], ["unasked_cancel"]),
        (["rejected", "working"], ["ended_order_live"]),
        (["cancelled", "working"], ["unasked_cancel", "ended_order_live"]),
    ],
)
def test_what_may_be_a_false_end_is_looked_into_before_anything_leaves(statuses: list[str], why: list[str]) -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    for status in statuses:
        driver.status(ref, status)
    assert asked(driver) == why
    driver.tick(10)
    placed = len(driver.of(PlaceOrder))
    driver.strategy.wish = driver.wish("SELL", 40)
    driver.quote()
    assert len(driver.of(PlaceOrder)) == placed
    driver.report(why[-1])
    assert driver.order("SELL", 40) != ref


def test_an_order_that_was_seen_again_is_not_lost_by_one_report_after_a_restart() -> None:
    driver, ref = swallowed()
    driver.fill(ref, "SELL", 10, 70.0)
    driver.status(ref, "working")
    assert recover(driver.lines).orders[ref].lost_us is None
    driver.tick(600)
    later = Driver(recovered=recover(driver.lines), run_id="later")
    later.now_us, later.executions, later.positions = driver.now_us, driver.executions, driver.positions
    later.connect()
    assert state_of(later, ref) is OrderState.UNKNOWN


def test_a_report_that_was_gathered_before_the_doubt_does_not_end_it() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "cancelled")
    driver.report("periodic")
    assert not driver.book.reconciled
    driver.report("unasked_cancel")
    assert driver.book.reconciled
    driver.status(driver.order("SELL", 40), "cancelled")
    driver.link("DOWN")
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2)
    assert driver.book.reconciled


def test_a_cancel_that_tells_of_more_filled_than_its_executions_waits_for_them() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "working")
    driver.control(driver.command("flatten"))
    driver.control()
    driver.feed(driver.order_report(ref, "SELL", 40, "cancelled", filled=30.0))
    assert asked(driver)[-1] == "execution_missing"
    driver.control()
    driver.strategy.wish = driver.wish("SELL", 40)
    driver.tick()
    driver.quote()
    assert [order.order_ref for order in driver.of(PlaceOrder)] == [ref]
    driver.execution(ref, "SELL", 30, 70.0)
    driver.report("execution_missing")
    assert (driver.book.ledger.own_shares, driver.book.reconciled) == (-30, True)


def test_a_false_cancel_that_is_still_open_halts_and_is_cancelled_and_its_fill_is_booked() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "cancelled", "10349 mistaken for an end")
    driver.report("unasked_cancel", open_orders=(driver.order_report(ref, "SELL", 40, "working"),))
    assert [halt.code for halt in driver.book.ledger.halts] == ["reconciliation_mismatch"]
    assert [cancel.order_ref for cancel in driver.of(CancelOrder)] == [ref]
    driver.fill(ref, "SELL", 40, 70.0)
    assert driver.book.ledger.own_shares == -40
    assert [order.order_ref for order in driver.of(PlaceOrder)] == [ref]


def test_a_stop_waits_for_an_order_that_is_open_although_it_ended_here() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "cancelled", "10349 mistaken for an end")
    driver.tick(4000)
    driver.report("unasked_cancel", open_orders=(driver.order_report(ref, "SELL", 40, "working"),))
    driver.control(driver.command("stop"))
    assert not driver.of(Exit)
    confirmed, book = Driver(), driver.book
    confirmed.book = book
    confirmed.status(ref, "cancelled", "202")
    assert [leave.code for leave in confirmed.of(Exit)] == [0]
    driver.fire("stop_timeout", 10)
    assert [leave.code for leave in driver.of(Exit)] == [6]
    assert driver.book.stop_unconfirmed == (ref,)
    assert recover(driver.lines).orders == {}


def test_the_cancel_pass_after_a_disagreement_asks_the_broker_before_it_confirms_anything() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "cancelled", "10349 mistaken for an end")
    driver.report("unasked_cancel", open_orders=(driver.order_report(ref, "SELL", 40, "working"),))
    again = Driver(recovered=recover(driver.lines), run_id="again")
    again.control(again.command("stop"))
    assert not again.of(Exit)
    blind = Driver(recovered=recover(driver.lines), run_id="blind")
    blind.control(blind.command("stop"))
    blind.fire("stop_timeout", 10)
    assert [leave.code for leave in blind.of(Exit)] == [6]
    again.link("UP_UNSYNCED")
    again.report("connect", open_orders=(again.order_report(ref, "SELL", 40, "working"),))
    assert not again.of(Exit)
    again.status(ref, "cancelled", "202")
    assert [leave.code for leave in again.of(Exit)] == [3]


def test_a_cancel_that_was_asked_for_needs_no_second_look() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "working")
    driver.control(driver.command("flatten"))
    driver.status(ref, "cancelled")
    assert "unasked_cancel" not in asked(driver)
    assert driver.book.reconciled


def test_an_unanswered_cancel_is_asked_about_and_asked_for_again() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "working")
    driver.control(driver.command("flatten"))
    driver.fire(f"cancel:{ref}", 10)
    assert asked(driver) == ["cancel_deadline"]
    assert [cancel.order_ref for cancel in driver.of(CancelOrder)] == [ref, ref]
    driver.status(ref, "cancelled")
    driver.fire(f"cancel:{ref}", 10)
    assert len(driver.of(CancelOrder)) == 2


def test_the_operators_word_on_a_moved_position_ends_an_order_out_of_sight() -> None:
    driver, ref = swallowed()
    driver.positions["XYZ"] = -40.0
    driver.feed(
        PositionChanged(
            ts_us=driver.now_us, position=PositionItem(instrument="XYZ", quantity=-40.0, average_cost_usd=70.0)
        )
    )
    driver.request("adopt", -40)
    assert driver.book.ledger.own_shares == -40
    assert driver.book.unexplained == ()
    assert state_of(driver, ref) is OrderState.CANCELLED
    assert recover(driver.lines).orders == {}


def test_an_order_out_of_sight_is_nobodys_to_settle_while_the_position_agrees() -> None:
    driver, ref = swallowed()
    driver.request("acknowledge", 0)
    assert state_of(driver, ref) is OrderState.UNKNOWN
    assert "working" in str(driver.lines[-1].data)
