"""The core's step: orders, stop, flatten, reconciliation, ownership, halts and the day, driven by hand."""

import typing

import msgspec
import pytest

from config.schema import GuardGates, Risk
from daemon.core import events
from daemon.core.attribution import Attribution
from daemon.core.daemon_fsm import DaemonState
from daemon.core.effects import AssertControl, CancelOrder, Exit, PlaceOrder, ReleaseControl, RequestReconcile
from daemon.core.events import BookRequest, OrderBlocked, PositionChanged, PositionItem, StopSignal, TimerFired
from daemon.core.flatten_fsm import FlattenState
from daemon.core.order_life import OrderState
from daemon.core.recovery import checkpoint, recover
from daemon.core.step import _HANDLERS
from daemon.core.strategy import Wish
from state.records import JournalLine, JournalType
from tests.support.core_driver import LEG, SECOND, Driver, profile


def test_every_event_has_exactly_one_handler() -> None:
    assert set(_HANDLERS) == set(typing.get_args(events.AnyEvent))


def test_a_new_desk_without_foreign_shares_runs_after_its_first_report() -> None:
    driver = Driver().connect()
    assert driver.book.daemon_state == DaemonState.RUNNING
    assert driver.book.ledger.foreign_acknowledged == 0.0
    assert driver.book.ledger.leg_quantities == {LEG: 10.0}


def test_the_intent_is_recorded_before_the_order_is_placed() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    kinds = [type(effect).__name__ + getattr(effect, "type", "") for effect in driver.effects]
    assert kinds.index("Recordintent") < kinds.index("PlaceOrder") < kinds.index("Recordorder_sent")
    assert ref == "desk.ab12.1"
    assert driver.book.ledger.last_hedge_sent_us == driver.now_us
    assert driver.book.ledger.hedges_today == 1


def test_a_fill_is_journaled_from_its_execution_with_true_price_and_quantity() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 100)
    driver.status(ref, "working")
    driver.fill(ref, "SELL", 30, 69.98)
    driver.fill(ref, "SELL", 70, 69.97)
    fills = [line for line in driver.lines if line.type in (JournalType.PARTIAL_FILL, JournalType.FILL)]
    assert [(line.type.value, line.quantity, line.price) for line in fills] == [
        ("partial_fill", 30, 69.98),
        ("fill", 70, 69.97),
    ]
    assert driver.book.orders[ref].state == OrderState.FILLED
    assert driver.book.ledger.own_shares == -100
    assert driver.book.ledger.commission_usd == 2.0
    assert driver.book.ledger.last_hedge_price == pytest.approx((30 * 69.98 + 70 * 69.97) / 100)


def test_repeated_and_reordered_reports_change_nothing_twice() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 50)
    fill = driver.execution(ref, "BUY", 50, 70.01)
    driver.feed(fill)
    for status in ("submitted", "working", "working", "filled"):
        driver.status(ref, status)
    driver.feed(fill)
    assert driver.book.ledger.own_shares == 50
    assert driver.types().count(JournalType.FILL) == 1
    assert JournalType.ORDER_ACKED not in driver.types()


def test_a_correction_replaces_the_execution() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 50)
    driver.feed(driver.execution(ref, "BUY", 50, 70.01, exec_key="e1"))
    driver.feed(driver.execution(ref, "BUY", 50, 70.00, exec_key="e1", revision=2))
    assert driver.book.ledger.own_shares == 50
    assert driver.book.ledger.average_cost == pytest.approx(70.0)


def test_an_overfill_halts() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 10)
    driver.feed(driver.execution(ref, "BUY", 12, 70.0))
    assert [halt.code for halt in driver.book.ledger.halts] == ["overfill"]
    assert driver.book.ledger.own_shares == 12


def test_a_second_wish_waits_while_an_order_is_in_flight() -> None:
    driver = Driver().connect()
    driver.order("SELL", 40)
    placed = len(driver.of(PlaceOrder))
    driver.tick()
    driver.quote()
    assert len(driver.of(PlaceOrder)) == placed


def test_the_core_refuses_a_wish_beyond_the_position_limit() -> None:
    driver = Driver(
        own=profile(gates=msgspec.structs.replace(profile().gates, guard=GuardGates(risk=Risk(max_position_shares=30))))
    )
    driver.connect()
    with pytest.raises(IndexError):
        driver.order("SELL", 40)
    refused = next(line for line in driver.lines if line.type == JournalType.REFUSED)
    assert refused.reason == "max_position"


def test_a_blocked_order_ends_and_frees_the_way() -> None:
    driver = Driver(answer=False).connect()
    ref = driver.order("SELL", 40)
    driver.feed(OrderBlocked(ts_us=driver.now_us, order_ref=ref, reason="request queue not empty"))
    assert driver.book.orders[ref].state == OrderState.BLOCKED
    assert not driver.book.in_flight()
    assert driver.book.ledger.hedges_today == 0


def test_a_blocked_order_is_not_replaced_before_another_event() -> None:
    """What blocks an order is unknown to the book; deciding on the block itself would spin and never hear of it."""
    driver = Driver(answer=False).connect()
    ref = driver.order("SELL", 40)
    driver.strategy.wish = Wish(
        instrument="XYZ", side="SELL", quantity=40, state_code="", reason="eager", decision_mid=70.0
    )
    effects = driver.feed(OrderBlocked(ts_us=driver.now_us, order_ref=ref, reason="stop_asserted"))
    assert not [effect for effect in effects if isinstance(effect, PlaceOrder)]
    assert [effect for effect in driver.quote() if isinstance(effect, PlaceOrder)]


def test_three_rejects_in_a_row_halt_with_growing_back_off() -> None:
    driver = Driver().connect()
    for wait_s in (5, 20, 60):
        ref = driver.order("BUY", 10)
        driver.status(ref, "rejected", "201 no")
        assert driver.book.ledger.reject_until_us == driver.now_us + wait_s * SECOND
        driver.tick(wait_s)
    assert [halt.code for halt in driver.book.ledger.halts] == ["repeated_rejects"]
    reset(driver)
    assert driver.book.ledger.halts == ()


def reset(driver: Driver) -> None:
    driver.feed(BookRequest(ts_us=driver.now_us, request_id="r", command="reset", by="op", reason="looked", age_ms=1))


# --- stop ----------------------------------------------------------------------------------------
def test_stop_cancels_confirms_and_leaves_with_zero() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "working")
    driver.control(driver.command("stop", by="op"))
    assert [effect.order_ref for effect in driver.of(CancelOrder)] == [ref]
    assert not driver.of(Exit)
    driver.status(ref, "cancelled", "202")
    assert driver.of(Exit)[0].code == 0
    receipts = [
        (line.type.value, line.data["command"]) for line in driver.lines if line.type.value.startswith("control")
    ]
    assert receipts == [("control_seen", "stop"), ("control_started", "stop"), ("control_done", "stop")]
    assert driver.book.daemon_state == DaemonState.STOPPED


def test_no_order_after_a_stop_was_seen() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.control(driver.command("stop"))
    driver.status(ref, "working")
    driver.order("SELL", 10)
    assert [effect.order_ref for effect in driver.of(PlaceOrder)] == [ref]
    driver.status(ref, "cancelled")
    driver.order("SELL", 10)
    assert [effect.order_ref for effect in driver.of(PlaceOrder)] == [ref]


def test_a_stop_found_at_start_exits_three() -> None:
    driver = Driver()
    driver.control(driver.command("stop"))
    assert driver.of(Exit)[0].code == 3


def test_an_unconfirmed_stop_exits_six_and_names_the_orders() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.feed(StopSignal(ts_us=driver.now_us, signal_name="SIGTERM"))
    driver.feed(TimerFired(ts_us=driver.now_us, key="stop_timeout"))
    leave = driver.of(Exit)[0]
    assert leave.code == 6
    assert ref in leave.reason
    assert driver.lines[-3].type == JournalType.UNKNOWN_OUTCOME


# --- pause ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("readable", [True, False])
def test_pause_and_an_unreadable_folder_suspend(readable: bool) -> None:
    driver = Driver().connect()
    driver.control(*([driver.command("pause")] if readable else []), readable=readable)
    assert driver.book.daemon_state == DaemonState.RUNNING_SUSPENDED
    driver.control()
    assert driver.book.daemon_state == DaemonState.RUNNING


# --- flatten -------------------------------------------------------------------------------------
def flat_start(driver: Driver, shares: float = -100) -> None:
    ref = driver.order("SELL" if shares < 0 else "BUY", abs(shares))
    driver.fill(ref, "SELL" if shares < 0 else "BUY", abs(shares), 70.0)
    driver.report("periodic")


def closing_order(driver: Driver) -> PlaceOrder:
    driver.report("flatten")
    order: PlaceOrder = driver.of(PlaceOrder)[-1]
    assert order.closing
    return order


def test_flatten_closes_own_shares_and_leaves_foreign_ones() -> None:
    driver = Driver()
    driver.positions["XYZ"] = 300.0
    driver.connect()
    acknowledge(driver, 300)
    flat_start(driver)
    driver.control(driver.command("flatten", by="op"))
    order = closing_order(driver)
    assert (order.side, order.quantity) == ("BUY", 100)
    driver.fill(order.order_ref, "BUY", 100, 70.02)
    driver.feed(TimerFired(ts_us=driver.now_us, key="flatten_retry"))
    driver.report("flatten")
    assert driver.book.flatten.state == FlattenState.VERIFYING
    driver.report("flatten")
    assert driver.book.ledger.own_shares == 0
    assert driver.book.account_positions["XYZ"] == 300
    assert [effect.name for effect in driver.of(AssertControl)] == ["pause"]
    assert len(driver.of(ReleaseControl)) == 1
    verified = next(line for line in driver.lines if line.type == JournalType.FLATTEN_VERIFIED)
    assert verified.status == "flat"
    # The file goes because the daemon removed it: that is no abort.
    driver.control(driver.command("pause"))
    assert JournalType.FLATTEN_ABORTED not in driver.types()


def test_flatten_resizes_after_a_partial_fill() -> None:
    driver = Driver().connect()
    flat_start(driver)
    driver.control(driver.command("flatten"))
    order = closing_order(driver)
    driver.fill(order.order_ref, "BUY", 60, 70.0)
    driver.status(order.order_ref, "cancelled")
    driver.feed(TimerFired(ts_us=driver.now_us, key="flatten_retry"))
    second = closing_order(driver)
    assert (second.side, second.quantity) == ("BUY", 40)


def test_flatten_cancels_the_hedge_in_flight_first() -> None:
    driver = Driver().connect()
    flat_start(driver)
    ref = driver.order("SELL", 50)
    driver.control(driver.command("flatten"))
    assert [effect.order_ref for effect in driver.of(CancelOrder)] == [ref]
    assert driver.book.flatten.state == FlattenState.CANCELLING
    driver.status(ref, "cancelled")
    assert driver.book.flatten.state == FlattenState.SIZING


def test_a_flatten_that_cannot_start_in_time_is_refused_until_touched_again() -> None:
    driver = Driver().connect()
    flat_start(driver)
    driver.link("DOWN")
    driver.control(driver.command("flatten"))
    driver.feed(TimerFired(ts_us=driver.now_us, key="flatten_start"))
    assert driver.book.flatten.refusal == "stale_flatten"
    driver.report("connect", connection=2)
    driver.link()
    driver.quote()
    assert driver.book.flatten.state == FlattenState.REFUSED
    driver.tick()
    driver.control(driver.command("flatten"))
    assert driver.book.flatten.state == FlattenState.SIZING


def test_an_old_flatten_file_is_stale_at_once() -> None:
    driver = Driver().connect()
    old = msgspec.structs.replace(driver.command("flatten"), age_ms=61_000)
    driver.control(old)
    assert driver.book.flatten.refusal == "stale_flatten"


def test_a_flatten_in_a_closed_market_is_refused_with_the_next_open() -> None:
    driver = Driver().connect()
    flat_start(driver)
    driver.tick(30_000)
    driver.quote()
    driver.control(driver.command("flatten"))
    assert driver.book.flatten.refusal == "flatten_refused"
    assert driver.book.flatten.detail is not None
    assert "2014-06-06T" in driver.book.flatten.detail


def test_removing_the_flatten_file_midway_aborts_and_pauses() -> None:
    driver = Driver().connect()
    flat_start(driver)
    driver.control(driver.command("flatten"))
    order = closing_order(driver)
    driver.control()
    assert JournalType.FLATTEN_ABORTED in driver.types()
    assert driver.of(CancelOrder)[-1].order_ref == order.order_ref
    assert driver.of(AssertControl)[-1].name == "pause"


def test_unreadable_flatten_content_pauses_and_is_refused() -> None:
    driver = Driver().connect()
    driver.control(driver.command("flatten", readable=False))
    assert driver.book.flatten.state == FlattenState.REFUSED
    assert driver.of(AssertControl)[0].name == "pause"


def test_a_position_that_lags_its_execution_is_read_again_before_a_flatten_is_refused() -> None:
    driver = Driver().connect()
    flat_start(driver, shares=100)
    driver.positions["XYZ"] = 20.0
    driver.control(driver.command("flatten"))
    driver.report("flatten")
    driver.positions["XYZ"] = 100.0
    driver.fire("flatten_retry", 0.5)
    driver.report("flatten")
    assert (driver.of(PlaceOrder)[-1].side, driver.of(PlaceOrder)[-1].quantity) == ("SELL", 100)


def test_flatten_refuses_when_the_account_contradicts_the_ledger() -> None:
    driver = Driver().connect()
    flat_start(driver, shares=100)
    driver.positions["XYZ"] = 20.0
    driver.control(driver.command("flatten"))
    driver.report("flatten")
    assert driver.book.flatten.refusal is None
    driver.report("flatten")
    assert driver.book.flatten.refusal == "flatten_conflict"
    assert "100" in str(driver.book.flatten.detail)
    assert "20" in str(driver.book.flatten.detail)


def test_flatten_before_stop_then_the_stop() -> None:
    driver = Driver().connect()
    flat_start(driver)
    driver.control(driver.command("flatten"), driver.command("stop"))
    assert not driver.of(Exit)
    order = closing_order(driver)
    driver.fill(order.order_ref, "BUY", 100, 70.0)
    driver.feed(TimerFired(ts_us=driver.now_us, key="flatten_retry"))
    driver.report("flatten")
    driver.report("flatten")
    assert driver.of(Exit)[0].code == 0


# --- reconciliation ------------------------------------------------------------------------------
def test_an_order_lost_in_a_crash_is_found_by_its_reference_and_not_sent_again() -> None:
    first = Driver().connect()
    ref = first.order("SELL", 40)
    second = Driver(recovered=recover([*first.lines]))
    second.executions = [first.execution(ref, "SELL", 40, 69.99)]
    second.positions = dict(first.positions)
    second.connect()
    assert second.book.ledger.own_shares == -40
    assert second.book.ledger.next_order == 2
    assert second.types().count(JournalType.FILL) == 1
    assert not second.book.in_flight()
    assert second.book.unexplained == ()


def test_an_unknown_outcome_ends_only_at_the_second_look_on_a_fresh_connection() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.feed(TimerFired(ts_us=driver.now_us, key=f"ack:{ref}"))
    driver.report("ack_deadline")
    assert driver.book.unknown_orders == (ref,)
    driver.report("periodic")
    assert driver.book.unknown_orders == (ref,)
    driver.feed(TimerFired(ts_us=driver.now_us, key="second_look"))
    asked = driver.of(RequestReconcile)[-1]
    assert asked.fresh_connection
    driver.report("connect", connection=2)
    assert driver.book.unknown_orders == ()
    assert driver.book.orders[ref].state == OrderState.CANCELLED


def test_a_manual_trade_blocks_until_its_execution_is_known() -> None:
    driver = Driver().connect()
    item = PositionItem(instrument="XYZ", quantity=200.0, average_cost_usd=70.0, kind="stock")
    driver.feed(PositionChanged(ts_us=driver.now_us, position=item))
    assert driver.book.unexplained == ("XYZ",)
    assert driver.book.daemon_state == DaemonState.RUNNING_SUSPENDED
    driver.execution(None, "BUY", 200, 70.0)
    driver.report("position_unexplained")
    assert driver.book.unexplained == ()
    assert driver.book.foreign_shares == 200
    assert driver.book.daemon_state == DaemonState.RUNNING


def test_a_leg_that_vanishes_without_an_execution_is_unexplained() -> None:
    driver = Driver().connect()
    item = PositionItem(instrument=LEG, quantity=0.0, average_cost_usd=0.0, kind="option")
    driver.feed(PositionChanged(ts_us=driver.now_us, position=item))
    assert driver.book.unexplained == (LEG,)


def test_foreign_shares_pause_a_new_desk_until_acknowledged() -> None:
    driver = Driver()
    driver.positions["XYZ"] = 300.0
    driver.connect()
    assert driver.book.daemon_state == DaemonState.RUNNING_SUSPENDED
    acknowledge(driver, 200)
    assert driver.book.ledger.foreign_acknowledged is None
    assert "300" in driver.lines[-1].data["detail"]
    acknowledge(driver, 300)
    driver.quote()
    assert driver.book.daemon_state == DaemonState.RUNNING


def acknowledge(driver: Driver, shares: float) -> None:
    driver.feed(
        BookRequest(
            ts_us=driver.now_us,
            request_id="r",
            command="acknowledge",
            shares=shares,
            by="op",
            reason="mine",
            age_ms=1,
        )
    )


@pytest.mark.parametrize(
    ("command", "shares", "own"), [("adopt", 100, 100.0), ("adopt", 500, 0.0), ("release", 5, 0.0)]
)
def test_adopting_moves_shares_within_their_bounds(command: str, shares: float, own: float) -> None:
    driver = Driver()
    driver.positions["XYZ"] = 300.0
    driver.connect()
    acknowledge(driver, 300)
    request = BookRequest(
        ts_us=driver.now_us, request_id="r", command=command, shares=shares, by="op", reason="x", age_ms=1
    )
    driver.feed(request)
    assert driver.book.ledger.own_shares == own
    assert driver.book.foreign_shares == 300 - own
    assert driver.book.unexplained == ()


# --- day -----------------------------------------------------------------------------------------
def test_the_daily_loss_breaker_is_fed_and_needs_five_seconds() -> None:
    risk = GuardGates(risk=Risk(max_daily_loss_usd=50))
    driver = Driver(own=profile(gates=msgspec.structs.replace(profile().gates, guard=risk))).connect()
    ref = driver.order("BUY", 100)
    driver.fill(ref, "BUY", 100, 70.0)
    driver.tick()
    driver.quote(68.99, 69.01)
    driver.tick(4.9)
    driver.quote(68.99, 69.01)
    assert driver.book.ledger.halts == ()
    driver.tick(0.2)
    driver.quote(68.99, 69.01)
    assert [halt.code for halt in driver.book.ledger.halts] == ["daily_loss"]
    reset(driver)
    assert [halt.code for halt in driver.book.ledger.halts] == ["daily_loss"]
    driver.tick()
    driver.quote(69.99, 70.01)
    reset(driver)
    assert driver.book.ledger.halts == ()


def test_counters_and_pnl_roll_over_with_the_session_date() -> None:
    driver = Driver().connect()
    ref = driver.order("BUY", 100)
    driver.fill(ref, "BUY", 100, 70.0)
    driver.tick()
    driver.quote(70.99, 71.01)
    total = driver.book.day.pnl.total_usd
    assert total == pytest.approx(99.0)
    driver.tick(86_400)
    driver.quote(70.99, 71.01)
    assert driver.book.ledger.hedges_today == 0
    assert driver.book.ledger.earlier_pnl_usd == pytest.approx(total)
    assert driver.book.day.pnl.total_usd == pytest.approx(0.0)
    driver.feed(driver.executions[0])
    assert driver.book.ledger.own_shares == 100


def test_a_checkpoint_and_what_follows_recover_the_same_ledger() -> None:
    driver = Driver().connect()
    for side, quantity, price in (("SELL", 40, 70.1), ("BUY", 90, 69.9), ("SELL", 20, 70.3)):
        driver.fill(driver.order(side, quantity), side, quantity, price)
    open_ref = driver.order("BUY", 7)
    recovered = recover(driver.lines)
    assert set(recovered.orders) == {open_ref}
    now, then = driver.book.ledger, recovered.ledger
    blank = {"peak_equity_usd": None, "last_marks": {}, "attribution": Attribution()}
    assert msgspec.structs.replace(now, **blank) == msgspec.structs.replace(then, **blank)
    fresh = recover([driver.lines[-1], _as_line(driver)])
    assert fresh.ledger is not None
    assert fresh.ledger.own_shares == now.own_shares
    assert set(fresh.orders) == {open_ref}


def test_a_checkpoint_is_written_down_as_plain_values_and_as_the_very_same_bytes() -> None:
    driver = Driver().connect()
    driver.order("BUY", 50)
    record = checkpoint(driver.book)
    plain = record.line_fields()["data"]
    assert plain["ledger"]["next_order"] == 2
    assert list(plain["orders"]) == ["desk.ab12.1"]
    assert msgspec.json.encode(plain) == msgspec.json.encode(record.data)
    assert {**record.line_fields(), "data": None} == {**msgspec.structs.asdict(record), "data": None}


def _as_line(driver: Driver) -> JournalLine:
    driver._journal(checkpoint(driver.book))
    return driver.lines[-1]


def test_unknown_control_files_are_journaled_in_the_order_they_were_seen_so_that_a_replay_repeats_it() -> None:
    driver = Driver().connect()
    names = tuple(f"odd-{number}" for number in range(9))
    driver.feed(events.Control(ts_us=driver.now_us, files=(), unknown_names=names))
    lines = [line for line in driver.lines if line.reason == "control_unknown_name"]
    assert [line.data["command"] for line in lines if line.data is not None] == list(names)
