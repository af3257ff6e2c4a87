"""Orders through the real ib_async: acknowledged, filled in parts, cancelled, rejected, and never believed lightly."""

from typing import Any

import msgspec
import pytest
from ib_async import Contract, Execution, Order, OrderState

from daemon.core.effects import ModifyOrder
from daemon.core.events import (
    BrokerReport,
    Commission,
    ModifyRefused,
    OrderReport,
    PositionChanged,
    ProbeAnswered,
)
from daemon.core.events import Execution as ExecutionEvent
from daemon.simulator.faults import DelayCommissions, Mute, RejectOrders
from daemon.simulator.server import SimulatorServer
from daemon.venues.ib import session as session_module
from daemon.venues.ib.venue import HandlerFailedError
from daemon.venues.protocol import OrderNotSentError
from tests.venues_ib.conftest import PREFIX, Running, order


def say(server: SimulatorServer, order_id: int, code: int, text: str = "a notice") -> None:
    (session,) = server.gateway.sessions
    server.gateway.error(session, order_id, code, text)
    session.flush()


async def test_a_market_order_is_acknowledged_filled_in_slices_and_paid_for(running: Running) -> None:
    running.venue.place(order(1, "BUY", 100))
    await running.heard.until(lambda: len(running.heard.of(Commission)) == 3)
    reports = running.heard.of(OrderReport)
    assert {report.order_ref for report in reports} == {f"{PREFIX}1"}
    assert (reports[0].status, reports[0].filled) == ("submitted", 0.0)
    assert (reports[-1].status, reports[-1].filled, reports[-1].quantity) == ("filled", 100.0, 100.0)
    assert reports[0].perm_id > 0
    fills = running.heard.of(ExecutionEvent)
    assert [(fill.quantity, fill.price, fill.side, fill.revision) for fill in fills] == [
        (40.0, 50.02, "BUY", 1),
        (40.0, 50.02, "BUY", 1),
        (20.0, 50.02, "BUY", 1),
    ]
    assert {fill.order_ref for fill in fills} == {f"{PREFIX}1"}
    assert all(fill.executed_us == running.clock.us for fill in fills)
    paid = running.heard.of(Commission)
    assert [c.exec_key for c in paid] == [fill.exec_key for fill in fills]
    assert sum(c.commission_usd for c in paid) == pytest.approx(1.0)
    assert running.heard.of(PositionChanged)[-1].position.quantity == 107.0
    events = running.heard.events
    assert all(events.index(fill) < events.index(cost) for fill, cost in zip(fills, paid, strict=True))


async def test_what_goes_over_the_wire_is_a_plain_day_order_of_the_account(
    running: Running, server: SimulatorServer
) -> None:
    heard: list[dict[str, Any]] = []
    original = server.transcript.hear

    def listen(**line: Any) -> None:
        if line["request"] == "placeOrder":
            heard.append(dict(line["values"]))
        original(**line)

    server.transcript.hear = listen  # type: ignore[method-assign]
    running.venue.place(order(1, "SELL", 10, order_type="LMT", limit_price=60.5))
    await running.heard.until(lambda: running.heard.of(OrderReport))
    (line,) = heard
    wanted = {
        "tif": "DAY",
        "account": "DU0000042",
        "order_ref": f"{PREFIX}1",
        "outside_rth": "0",
        "transmit": "1",
        "action": "SELL",
        "total_quantity": "10",
        "order_type": "LMT",
        "limit_price": "60.5",
    }
    assert {key: line.get(key) for key in wanted} == wanted


async def test_a_resting_order_is_cancelled_by_its_reference(running: Running) -> None:
    running.venue.place(order(1, "BUY", 10, order_type="LMT", limit_price=40.0))
    await running.heard.until(lambda: any(r.status == "working" for r in running.heard.of(OrderReport)))
    running.venue.cancel(f"{PREFIX}1")
    await running.heard.until(lambda: running.heard.of(OrderReport)[-1].status == "cancelled")
    running.venue.reconcile("look", fresh_connection=False)
    await running.heard.until(lambda: len(running.heard.of(BrokerReport)) == 2)
    assert [o.order_ref for o in running.heard.of(BrokerReport)[-1].open_orders] == [None]


async def test_a_cancel_passes_a_full_request_queue(running: Running) -> None:
    running.venue.place(order(1, "BUY", 10, order_type="LMT", limit_price=40.0))
    await running.heard.until(lambda: any(r.status == "working" for r in running.heard.of(OrderReport)))
    client = running.session.connection.client
    for _ in range(90):
        client.reqCurrentTime()
    assert len(client._msgQ) > 40
    running.venue.cancel(f"{PREFIX}1")
    await running.heard.until(lambda: running.heard.of(OrderReport)[-1].status == "cancelled", timeout_s=0.8)
    assert client._msgQ


def change(number: int, limit_price: float, quantity: float = 10) -> ModifyOrder:
    return ModifyOrder(order_ref=f"{PREFIX}{number}", quantity=quantity, limit_price=limit_price)


async def resting(running: Running, number: int = 1) -> int:
    """A working limit order; its id at the venue."""
    running.venue.place(order(number, "BUY", 10, order_type="LMT", limit_price=40.0))
    await running.heard.until(lambda: any(r.status == "working" for r in running.heard.of(OrderReport)))
    return running.heard.of(OrderReport)[-1].venue_order_id


async def test_an_order_is_changed_in_place_under_its_id_and_reference(
    running: Running, server: SimulatorServer
) -> None:
    order_id = await resting(running)
    running.venue.modify(change(1, 41.0))
    await running.heard.until(lambda: running.heard.of(OrderReport)[-1].limit_price == 41.0)
    report = running.heard.of(OrderReport)[-1]
    assert (report.venue_order_id, report.order_ref, report.status, report.quantity) == (
        order_id,
        f"{PREFIX}1",
        "working",
        10.0,
    )
    running.venue.reconcile("look", fresh_connection=False)
    await running.heard.until(lambda: len(running.heard.of(BrokerReport)) == 2)
    own = [o for o in running.heard.of(BrokerReport)[-1].open_orders if o.order_ref is not None]
    assert [(o.venue_order_id, o.limit_price) for o in own] == [(order_id, 41.0)], "one order, never two"
    say(server, order_id, 201, "rejected later")
    await running.heard.until(lambda: running.heard.of(OrderReport)[-1].status == "rejected")


@pytest.mark.parametrize("code", [104, 105, 110, 201, 321, 329])
async def test_a_refused_modification_leaves_the_order_as_it_was(
    running: Running, server: SimulatorServer, code: int
) -> None:
    order_id = await resting(running)
    server.faults.add(Mute(request="modifyOrder"))
    running.venue.modify(change(1, 41.0))
    say(server, order_id, code, "not so")
    await running.heard.until(lambda: running.heard.of(ModifyRefused))
    assert [(r.order_ref, r.reason) for r in running.heard.of(ModifyRefused)] == [(f"{PREFIX}1", f"{code}: not so")]
    assert (running.heard.of(OrderReport)[-1].status, running.heard.of(OrderReport)[-1].limit_price) == (
        "working",
        40.0,
    )


async def test_only_what_works_on_this_connection_can_be_changed(running: Running, server: SimulatorServer) -> None:
    with pytest.raises(OrderNotSentError, match="is not an order of this desk"):
        running.venue.modify(change(9, 41.0))
    await resting(running)
    running.venue.cancel(f"{PREFIX}1")
    await running.heard.until(lambda: running.heard.of(OrderReport)[-1].status == "cancelled")
    with pytest.raises(OrderNotSentError, match="is cancelled"):
        running.venue.modify(change(1, 41.0))
    running.heard.events.clear()
    await resting(running, 2)
    server.broadcast_error(1100, "lost")
    await running.heard.until(lambda: running.heard.states and running.heard.states[-1] == "UPSTREAM_LOST")
    with pytest.raises(OrderNotSentError, match="the link is UPSTREAM_LOST"):
        running.venue.modify(change(2, 41.0))


async def test_completed_orders_are_in_the_reports_that_ask_for_them(running: Running, server: SimulatorServer) -> None:
    order_id = await resting(running)
    running.venue.cancel(f"{PREFIX}1")
    await running.heard.until(lambda: running.heard.of(OrderReport)[-1].status == "cancelled")
    running.venue.place(order(2, "BUY", 30))
    await running.heard.until(lambda: running.heard.of(Commission))
    running.venue.reconcile("second_look", fresh_connection=False)
    running.venue.reconcile("periodic", fresh_connection=False)
    await running.heard.until(lambda: len(running.heard.of(BrokerReport)) == 3)
    completed = running.heard.of(BrokerReport)[1].completed_orders
    assert completed is not None
    assert {(o.order_ref, o.status, o.filled) for o in completed} == {
        (f"{PREFIX}1", "cancelled", 0.0),
        (f"{PREFIX}2", "filled", 30.0),
    }
    assert order_id > 0
    running.venue.reconcile("periodic", fresh_connection=False)
    await running.heard.until(lambda: len(running.heard.of(BrokerReport)) == 4)
    assert running.heard.of(BrokerReport)[-1].completed_orders is None


async def test_a_report_does_not_wait_twice_for_completed_orders(
    running: Running, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "COMPLETED_TIMEOUT_S", 0.05)
    server.faults.add(Mute(request="reqCompletedOrders"))
    for count in (2, 3):
        running.venue.reconcile("second_look", fresh_connection=False)
        await running.heard.until(lambda count=count: len(running.heard.of(BrokerReport)) == count)  # type: ignore[misc]
    assert [report.completed_orders for report in running.heard.of(BrokerReport)[1:]] == [None, None]
    assert running.heard.states[-1] == "SYNCED"


async def test_orders_that_are_not_ours_cannot_be_cancelled(running: Running) -> None:
    with pytest.raises(OrderNotSentError, match="is not an order of this desk"):
        running.venue.cancel("5")
    other_client = Order(orderId=9, clientId=8, permId=77, action="BUY", totalQuantity=1, orderType="LMT")
    other_client.orderRef, other_client.account = f"{PREFIX}99", "DU0000042"
    running.session.connection.ib.wrapper.openOrder(
        9, Contract(conId=11, symbol="ABC", secType="STK"), other_client, OrderState(status="Submitted")
    )
    with pytest.raises(OrderNotSentError, match="belongs to client id 8"):
        running.venue.cancel(f"{PREFIX}99")


async def test_a_reference_is_sent_once_and_only_for_declared_instruments(running: Running) -> None:
    running.venue.place(order(1))
    with pytest.raises(OrderNotSentError, match="already sent"):
        running.venue.place(order(1))
    with pytest.raises(OrderNotSentError, match="XYZ is not a declared instrument"):
        running.venue.place(msgspec.structs.replace(order(2), instrument="XYZ"))


async def test_a_rejection_is_final_and_keeps_its_reason(running: Running, server: SimulatorServer) -> None:
    server.faults.add(RejectOrders(text="no buying power"))
    running.venue.place(order(1))
    await running.heard.until(lambda: running.heard.of(OrderReport))
    (report,) = running.heard.of(OrderReport)
    assert (report.status, report.reason) == ("rejected", "201: no buying power")


@pytest.mark.parametrize("code", [399, 404, 2109, 10349, 2100])
async def test_notices_never_close_an_order(running: Running, server: SimulatorServer, code: int) -> None:
    running.venue.place(order(1, "BUY", 10, order_type="LMT", limit_price=40.0))
    await running.heard.until(lambda: any(r.status == "working" for r in running.heard.of(OrderReport)))
    own = running.heard.of(OrderReport)[-1].venue_order_id
    say(server, own, code)
    running.venue.probe()
    await running.heard.until(lambda: running.heard.of(ProbeAnswered))
    assert running.heard.of(OrderReport)[-1].status == "working"
    running.venue.reconcile("end", fresh_connection=False)
    await running.heard.until(lambda: running.heard.of(BrokerReport)[-1].reason == "end")
    assert [report.reason for report in running.heard.of(BrokerReport)] == ["connect", "end"], "nothing to ask about"
    assert [o.order_ref for o in running.heard.of(BrokerReport)[-1].open_orders if o.order_ref] == [f"{PREFIX}1"]


@pytest.mark.parametrize("code", [10148, 10147, 9999, 100])
async def test_a_message_that_says_nothing_certain_asks_the_broker(
    running: Running, server: SimulatorServer, code: int
) -> None:
    running.venue.place(order(1, "BUY", 10, order_type="LMT", limit_price=40.0))
    await running.heard.until(lambda: any(r.status == "working" for r in running.heard.of(OrderReport)))
    own = running.heard.of(OrderReport)[-1].venue_order_id
    say(server, own, code)
    await running.heard.until(lambda: len(running.heard.of(BrokerReport)) == 2)
    report = running.heard.of(BrokerReport)[-1]
    assert report.reason == f"message {code} about an order"
    assert [o.order_ref for o in report.open_orders if o.order_ref] == [f"{PREFIX}1"]


async def test_a_late_commission_still_arrives(running: Running, server: SimulatorServer) -> None:
    server.faults.add(DelayCommissions(delay_s=0.1))
    running.venue.place(order(1))
    await running.heard.until(lambda: running.heard.of(PositionChanged))
    running.venue.reconcile("look", fresh_connection=False)
    await running.heard.until(lambda: len(running.heard.of(BrokerReport)) == 2)
    await running.heard.until(lambda: running.heard.of(Commission))
    assert running.heard.of(Commission)[0].exec_key == running.heard.of(ExecutionEvent)[0].exec_key


async def test_a_correction_keeps_its_key_and_raises_the_revision(running: Running) -> None:
    running.venue.place(order(1))
    await running.heard.until(lambda: running.heard.of(Commission))
    (fill,) = running.heard.of(ExecutionEvent)
    wrapper = running.session.connection.ib.wrapper
    raw = Execution(
        execId=f"{fill.exec_key}.02",
        acctNumber="DU0000042",
        side="BOT",
        shares=30.0,
        price=49.99,
        permId=fill.perm_id,
        clientId=3,
        orderId=fill.venue_order_id,
        orderRef=f"{PREFIX}1",
    )
    wrapper.execDetails(-1, Contract(conId=11, symbol="ABC", secType="STK"), raw)
    corrected = running.heard.of(ExecutionEvent)[-1]
    assert (corrected.exec_key, corrected.revision, corrected.price) == (fill.exec_key, 2, 49.99)


async def test_a_trade_by_hand_shows_as_a_position_change_and_a_foreign_execution(
    running: Running, server: SimulatorServer
) -> None:
    server.trade_by_hand("ABC", "SELL", 5)
    await running.heard.until(lambda: running.heard.of(PositionChanged))
    assert running.heard.of(PositionChanged)[0].position.quantity == 2.0
    running.venue.reconcile("position", fresh_connection=False)
    await running.heard.until(lambda: len(running.heard.of(BrokerReport)) == 2)
    (execution,) = running.heard.of(BrokerReport)[-1].executions
    assert (execution.order_ref, execution.side, execution.quantity) == (None, "SELL", 5.0)
    assert len(running.heard.of(BrokerReport)[-1].commissions) <= 1


async def test_order_ids_never_go_back_with_the_venues_counter(running: Running, server: SimulatorServer) -> None:
    running.venue.place(order(1))
    await running.heard.until(lambda: running.heard.of(Commission))
    first = running.heard.of(OrderReport)[0].venue_order_id
    running.session.connection.client._reqIdSeq = 1
    running.venue.place(order(2))
    await running.heard.until(lambda: any(r.order_ref == f"{PREFIX}2" for r in running.heard.of(OrderReport)))
    assert running.heard.of(OrderReport)[-1].venue_order_id > first


async def test_a_lost_order_is_not_in_the_next_report(running: Running, server: SimulatorServer) -> None:
    server.faults.add(Mute(request="placeOrder"))
    running.venue.place(order(1))
    running.venue.reconcile("no acknowledgement", fresh_connection=False)
    await running.heard.until(lambda: len(running.heard.of(BrokerReport)) == 2)
    report = running.heard.of(BrokerReport)[-1]
    assert report.reason == "no acknowledgement"
    assert all(o.order_ref is None for o in report.open_orders), "only what the broker lists counts"


async def test_an_exception_in_a_handler_stops_the_venue(running: Running, server: SimulatorServer) -> None:
    def fail(*_values: object) -> None:
        raise ZeroDivisionError

    running.session.book.position = fail
    server.trade_by_hand("ABC", "SELL", 5)
    error = await running.failure()
    assert isinstance(error, HandlerFailedError)
    assert isinstance(error.__cause__, ZeroDivisionError)


async def test_a_position_without_a_number_is_never_taken_for_zero(running: Running) -> None:
    wrapper = running.session.connection.ib.wrapper
    wrapper.position("DU0000042", Contract(conId=11, symbol="ABC", secType="STK"), float("nan"), 1.0)
    assert "a position without quantity: ABC nan" in str(await running.failure())


async def test_an_exception_in_a_timer_stops_the_venue(running: Running) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    running.session._later(0.0, fail)
    assert isinstance((await running.failure()).__cause__, ZeroDivisionError)
