"""Faults of the line, seen by the real ib_async: what it notices, and what it does not."""

import asyncio

import pytest
from ib_async import IB, LimitOrder, MarketOrder, Stock

from daemon.simulator.faults import (
    BreakFrame,
    ClientIdInUse,
    CutAnswer,
    DelayAnswers,
    DropAfter,
    LimitMessages,
    Mute,
    RollBackIds,
    SilentHandshake,
    SplitFrames,
    StopListening,
    StrangeHello,
    SwallowOrders,
)
from daemon.simulator.server import SimulatorServer
from tests.simulator.conftest import connect, eventually
from tests.support.ib_errors import IbErrorWatch

STOCK = Stock("ABC", "SMART", "USD", conId=11)
SHORT_S = 0.3


async def test_a_silent_handshake_times_out(server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("API connection failed")
    server.faults.add(SilentHandshake(count=1))
    with pytest.raises(TimeoutError):
        await connect(server, timeout_s=SHORT_S)
    (await connect(server)).disconnect()


@pytest.mark.parametrize("fault", [StrangeHello(version=150, count=1), StrangeHello(raw="Hello!", count=1)])
async def test_a_strange_hello_does_not_connect(
    server: SimulatorServer, ib_errors: IbErrorWatch, fault: StrangeHello
) -> None:
    ib_errors.expect("API connection failed|TWS/gateway version")
    server.faults.add(fault)
    with pytest.raises((TimeoutError, ConnectionError)):
        await connect(server, timeout_s=SHORT_S)
    (await connect(server)).disconnect()


async def test_a_zombie_holds_the_client_id(server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("326|API connection failed|Peer closed")
    server.faults.add(ClientIdInUse(client_id=7, count=1))
    with pytest.raises((TimeoutError, ConnectionError)):
        await connect(server, client_id=7, timeout_s=SHORT_S)
    (await connect(server, client_id=8)).disconnect()
    (await connect(server, client_id=7)).disconnect()


async def test_a_late_answer_is_late_and_complete(server: SimulatorServer) -> None:
    server.faults.add(DelayAnswers(request="reqAccountUpdates", delay_s=SHORT_S))
    began_s = asyncio.get_running_loop().time()
    ib = await connect(server)
    assert asyncio.get_running_loop().time() - began_s >= SHORT_S
    assert ib.portfolio()
    ib.disconnect()


@pytest.mark.parametrize("request_name", ["reqPositions", "reqOpenOrders", "reqExecutions"])
async def test_an_answer_without_its_end_fails_the_connection(
    server: SimulatorServer, ib_errors: IbErrorWatch, request_name: str
) -> None:
    ib_errors.expect("request timed out|API connection failed")
    server.faults.add(CutAnswer(request=request_name, messages=0, how="silence"))
    with pytest.raises((TimeoutError, ConnectionError)):
        await connect(server, timeout_s=SHORT_S)


async def test_the_line_ends_in_the_middle_of_the_account(server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("closed|disconnect|API connection failed|request timed out")
    server.faults.add(CutAnswer(request="reqAccountUpdates", messages=5, how="fin", count=1))
    with pytest.raises((TimeoutError, ConnectionError)):
        await connect(server, timeout_s=SHORT_S)


async def test_a_cancel_can_be_obeyed_on_a_line_that_dies(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("disconnect|reset|closed")
    trade = ib.placeOrder(STOCK, LimitOrder("BUY", 5, 40.0, tif="DAY"))
    await eventually(lambda: trade.orderStatus.status == "Submitted")
    server.faults.add(DropAfter(request="cancelOrder", count=1))
    ib.cancelOrder(trade.order)
    await eventually(lambda: not ib.isConnected())
    assert trade.orderStatus.status == "PendingCancel"
    assert server.exchange.open_orders(1) == ()


@pytest.mark.parametrize("how", ["huge", "truncated"])
async def test_a_broken_frame_leaves_a_deaf_line(ib: IB, server: SimulatorServer, how: str) -> None:
    server.faults.add(BreakFrame(how=how, count=1))  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.15)
    assert ib.isConnected()


async def test_frames_in_single_bytes_are_read_all_the_same(server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    server.faults.add(SplitFrames(chunk_bytes=1))
    ib = await connect(server, timeout_s=20)
    trade = ib.placeOrder(STOCK, MarketOrder("BUY", 5))
    await eventually(lambda: trade.orderStatus.status == "Filled", timeout_s=20)
    ib.disconnect()


async def test_too_many_messages_are_told_and_then_cut(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("Error 100|closed|disconnect")
    codes: list[int] = []
    ib.errorEvent += lambda _req, code, _text, _contract: codes.append(code)
    ib.client.MaxRequests = 0  # the library's own throttle would hide it
    server.faults.add(LimitMessages(per_second=10, strikes=3))
    for strike in (1, 2, 3):
        for _ in range(11):
            ib.client.reqIds(1)
        await eventually(lambda strike=strike: codes.count(100) == strike)
    await eventually(lambda: not ib.isConnected())


async def test_rolled_back_ids_are_refused(server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("Error 103")
    first = await connect(server)
    for _ in range(3):
        trade = first.placeOrder(STOCK, MarketOrder("BUY", 1))
        await eventually(lambda trade=trade: trade.orderStatus.status == "Filled")
    first.disconnect()
    await eventually(lambda: server.gateway.links == ())
    server.faults.add(RollBackIds(order_id=2, count=1))
    again = await connect(server)
    codes: list[int] = []
    again.errorEvent += lambda _req, code, _text, _contract: codes.append(code)
    again.client.placeOrder(2, STOCK, MarketOrder("BUY", 1))
    await eventually(lambda: codes == [103])
    assert len(server.exchange.executions()) == 3
    again.disconnect()


async def test_orders_can_be_swallowed_while_questions_and_changes_are_not(ib: IB, server: SimulatorServer) -> None:
    resting = ib.placeOrder(STOCK, LimitOrder("BUY", 5, 40.0, tif="DAY"))
    await eventually(lambda: resting.orderStatus.status == "Submitted")
    server.faults.add(SwallowOrders())
    server.faults.add(Mute(request="modifyOrder", after=1))
    assert (await ib.whatIfOrderAsync(STOCK, MarketOrder("BUY", 5))).commission == 1.0
    for price in (41.0, 42.0):
        resting.order.lmtPrice = price
        ib.placeOrder(STOCK, resting.order)
        await ib.reqCurrentTimeAsync()
    ib.placeOrder(STOCK, MarketOrder("BUY", 5))
    await ib.reqCurrentTimeAsync()
    assert [update.ticket.limit_price for update in server.exchange.open_orders(1)] == [41.0]
    assert server.exchange.executions() == ()


async def test_a_simulator_that_does_not_listen_comes_back_on_its_port(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("closed|disconnect|API connection failed|API port")
    port = server.port
    server.act(StopListening())
    await eventually(lambda: not ib.isConnected())
    with pytest.raises(ConnectionRefusedError):
        await connect(server)
    server.act(StopListening(for_s=0.05))
    await eventually(lambda: server.is_listening)
    assert server.port == port
    (await connect(server)).disconnect()
