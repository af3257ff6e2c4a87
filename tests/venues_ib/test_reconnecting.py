"""Losing the connection, or the broker behind it, and coming back: same client id, nothing sent twice."""

import asyncio
import gc
import socket
import weakref
from typing import Any

import pytest

from config.schema import Ib
from daemon.core.events import BrokerReport, Link, OrderReport, ProbeAnswered, Quote
from daemon.core.events import Execution as ExecutionEvent
from daemon.simulator.faults import DropAfterOrder, Mute
from daemon.simulator.server import SimulatorServer
from daemon.venues.ib import contracts as contracts_module
from daemon.venues.ib import session as session_module
from daemon.venues.ib import venue as venue_module
from daemon.venues.protocol import FatalVenueError, OrderNotSentError
from tests.support.ib_errors import IbErrorWatch
from tests.venues_ib.conftest import PREFIX, Running, make_exchange, make_profile, order

DROPPED = "Peer closed connection|Connection reset|Socket disconnect|API connection failed|API port"


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_a_dropped_line_is_told_and_comes_back_with_quotes(
    running: Running, server: SimulatorServer, ib_errors: IbErrorWatch, how: Any
) -> None:
    ib_errors.expect(DROPPED)
    server.drop_all(how)
    await running.heard.until(lambda: running.heard.states[-1] == "DOWN")
    assert running.venue.not_ready() == "the link is DOWN"
    with pytest.raises(OrderNotSentError, match="the link is DOWN"):
        running.venue.place(order(1))
    with pytest.raises(OrderNotSentError):
        running.venue.cancel(f"{PREFIX}1")
    running.heard.events.clear()
    await running.heard.synced()
    assert [report.connection for report in running.heard.of(BrokerReport)] == [2]
    await running.heard.until(lambda: running.heard.of(Quote))
    assert [session.client_id for session in server.gateway.sessions] == [3]


async def test_an_order_executed_while_the_line_broke_is_found_by_its_reference(
    running: Running, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect(DROPPED)
    server.faults.add(DropAfterOrder(count=1))
    running.venue.place(order(1, "BUY", 30))
    await running.heard.synced(2)
    assert running.heard.of(ExecutionEvent) == []
    report = running.heard.of(BrokerReport)[-1]
    assert [(e.order_ref, e.quantity) for e in report.executions] == [(f"{PREFIX}1", 30.0)]
    assert len(report.commissions) == 1
    with pytest.raises(OrderNotSentError, match="already sent"):
        running.venue.place(order(1, "BUY", 30))


async def test_a_resting_order_is_known_and_cancellable_after_a_restart(
    running: Running, server: SimulatorServer
) -> None:
    running.venue.place(order(1, "BUY", 10, order_type="LMT", limit_price=40.0))
    await running.heard.until(lambda: any(r.status == "working" for r in running.heard.of(OrderReport)))
    await running.stop()
    second = Running(server.port)
    await second.heard.synced()
    (own,) = [o for o in second.heard.of(BrokerReport)[0].open_orders if o.order_ref is not None]
    assert (own.order_ref, own.status, own.client_id) == (f"{PREFIX}1", "working", 3)
    assert second.heard.of(OrderReport) == []
    second.venue.cancel(f"{PREFIX}1")
    await second.heard.until(lambda: second.heard.of(OrderReport))
    assert second.heard.of(OrderReport)[-1].status == "cancelled"
    await second.stop()


async def test_a_refused_connection_is_tried_for_ever(ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("API connection failed|Make sure API port")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    desk = Running(port)
    await desk.heard.until(lambda: len([r for r in ib_errors.records if "Make sure" in r.getMessage()]) >= 3)
    assert desk.heard.states == ["DOWN", "DOWN"]
    assert desk.heard.of(Link)[-1].reason.startswith("connection refused")
    async with SimulatorServer(make_exchange(), port=port, paced=False):
        await desk.heard.synced()
        await desk.stop()


async def test_something_that_accepts_but_never_answers_is_left_after_the_time_out(ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("API connection failed")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        desk = Running(silent.getsockname()[1], make_profile(ib=Ib(client_id=3, connect_timeout=0.1)))
        await desk.heard.until(lambda: len(desk.heard.states) == 2)
        reason = desk.heard.of(Link)[-1].reason
        assert "does not complete the logon" in reason or reason == "the connection timed out"
        await desk.stop()


async def test_a_server_that_is_too_old_is_named_at_once(ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("version must be|API connection failed")

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        hello = b"150\x0020140606 09:31:00 US/Eastern\x00"
        writer.write(len(hello).to_bytes(4, "big") + hello)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(old, "127.0.0.1", 0)
    desk = Running(server.sockets[0].getsockname()[1])
    await desk.heard.until(lambda: len(desk.heard.states) == 2, timeout_s=1.0)
    assert desk.heard.of(Link)[-1].reason == (
        "TWS or Gateway speaks API version 150, at least 157 is needed: update it"
    )
    await desk.stop()
    server.close()
    await server.wait_closed()


async def test_a_client_id_in_use_is_told_at_once_and_never_changed(
    running: Running, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("326|already in use|API connection failed")
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    second = Running(server.port)
    await second.heard.until(lambda: len(second.heard.of(Link)) >= 2)
    assert loop.time() - started_s < 1.0, "not after the connect time-out of 2 s"
    assert "client id 3 is in use at the venue (ib.client_id)" in second.heard.of(Link)[-1].reason
    await running.stop()
    await second.heard.synced()
    assert [session.client_id for session in server.gateway.sessions] == [3]
    await second.stop()


async def test_a_fresh_connection_is_made_when_asked_and_its_report_echoes_the_reason(
    running: Running, server: SimulatorServer
) -> None:
    running.venue.reconcile("second look", fresh_connection=True)
    await running.heard.synced(2)
    reports = running.heard.of(BrokerReport)
    assert [(r.reason, r.connection) for r in reports] == [("connect", 1), ("connect", 2), ("second look", 2)]


async def test_an_upstream_loss_stops_orders_until_reconciled(running: Running, server: SimulatorServer) -> None:
    server.broadcast_error(1100, "Connectivity between IB and TWS has been lost")
    await running.heard.until(lambda: running.heard.states[-1] == "UPSTREAM_LOST")
    assert running.venue.not_ready() == "the link is UPSTREAM_LOST"
    assert running.session.connection.ib.isConnected()
    running.heard.events.clear()
    server.broadcast_error(1102, "restored, data maintained")
    await running.heard.synced()
    assert running.heard.states == ["UP_UNSYNCED", "SYNCED"]
    assert [r.reason for r in running.heard.of(BrokerReport)] == ["upstream restored"]


async def test_lost_subscriptions_are_made_again(running: Running, server: SimulatorServer) -> None:
    (session,) = server.gateway.sessions
    old = set(session.market_data)
    server.broadcast_error(1101, "restored, data lost")
    await running.heard.synced(2)
    await running.heard.until(lambda: set(session.market_data).isdisjoint(old) and len(session.market_data) == 2)
    running.heard.events.clear()
    server.step()
    await running.heard.until(lambda: running.heard.of(Quote))


@pytest.mark.parametrize(
    "request_name", ["reqPositions", "reqAccountUpdates", "reqContractDetails", "reqAllOpenOrders"]
)
async def test_a_connect_with_a_missing_answer_never_counts(
    server: SimulatorServer, ib_errors: IbErrorWatch, monkeypatch: pytest.MonkeyPatch, request_name: str
) -> None:
    ib_errors.expect("request timed out|API connection failed")
    monkeypatch.setattr(session_module, "REQUEST_TIMEOUT_S", 0.1)
    monkeypatch.setattr(contracts_module, "REQUEST_TIMEOUT_S", 0.1)
    server.faults.add(Mute(request=request_name, count=2))
    desk = Running(server.port, make_profile(ib=Ib(client_id=3, connect_timeout=0.4)))
    await desk.heard.synced()
    synced = desk.heard.states.index("SYNCED")
    assert "DOWN" in desk.heard.states[1:synced]
    reports = desk.heard.of(BrokerReport)
    assert [report.reason for report in reports] == ["connect"]
    assert {p.quantity for p in reports[0].positions} == {7.0, 10.0}
    await desk.stop()


async def test_a_contract_that_was_known_is_waited_for_after_a_reconnect(
    running: Running, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TWS answers 200 too while its own data farm is away; that must not end a running desk."""
    refusals: list[int] = []

    async def refuse_once(connection: Any, profile: Any) -> Any:
        if not refusals:
            refusals.append(1)
            raise FatalVenueError("legs[0]: the venue does not know it")
        return await contracts_module.qualify(connection, profile)

    monkeypatch.setattr(venue_module, "qualify", refuse_once)
    running.venue.reconcile("look", fresh_connection=True)
    await running.heard.synced(2)
    assert any("a known contract is not found now" in link.reason for link in running.heard.of(Link))


async def test_a_connection_leaves_nothing_behind(running: Running, server: SimulatorServer) -> None:
    tasks = len(asyncio.all_tasks())
    old = weakref.ref(running.session.connection.ib)
    for attempt in range(5):
        running.venue.reconcile("again", fresh_connection=True)
        await running.heard.synced(2 + attempt)
    await running.heard.until(lambda: running.venue.not_ready() is None)
    gc.collect()
    assert old() is None
    assert len(asyncio.all_tasks()) <= tasks
    assert len(server.gateway.links) == 1


async def test_a_missing_answer_is_retried_and_then_ends_the_connection(
    running: Running, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "REQUEST_TIMEOUT_S", 0.05)
    server.faults.add(Mute(request="reqExecutions", count=1))
    running.venue.reconcile("one lost answer", fresh_connection=False)
    await running.heard.until(lambda: len(running.heard.of(BrokerReport)) == 2)
    assert running.heard.states[-1] == "SYNCED"
    server.faults.add(Mute(request="reqExecutions", count=2))
    running.venue.reconcile("two lost answers", fresh_connection=False)
    await running.heard.synced(2)
    down = [link for link in running.heard.of(Link) if link.state == "DOWN"][-1]
    assert down.reason == "reconciliation failed: executions: no answer within 0.05 s"
    assert [r.reason for r in running.heard.of(BrokerReport)] == [
        "connect",
        "one lost answer",
        "connect",
        "two lost answers",
    ]


async def test_probes_fail_when_the_line_ends(
    running: Running, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect(DROPPED)
    server.faults.add(Mute(request="reqCurrentTime"))
    running.venue.probe()
    await asyncio.sleep(0.01)
    server.drop_all()
    await running.heard.until(lambda: running.heard.of(ProbeAnswered))
    assert running.heard.of(ProbeAnswered)[0].round_trip_ms is None


async def test_no_event_follows_close(running: Running, server: SimulatorServer) -> None:
    await running.venue.close()
    told = len(running.heard.events)
    await asyncio.sleep(0.05)
    assert len(running.heard.events) == told
    assert not running.task.done()
    assert server.gateway.sessions == ()
