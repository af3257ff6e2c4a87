"""Faults on the line: what a client sees, and what is true at the exchange meanwhile."""

import asyncio
from pathlib import Path

import pytest
from ib_async import IB, MarketOrder, Stock

from daemon.simulator.faults import (
    DelayCommissions,
    DropAfterOrder,
    FaultFileError,
    FaultScript,
    FreezeQuotes,
    HalfOpen,
    Mute,
    RejectOrders,
    Script,
    load_script,
)
from daemon.simulator.server import SimulatorServer
from tests.simulator.conftest import connect, eventually
from tests.support.ib_errors import IbErrorWatch

STOCK = Stock("ABC", "SMART", "USD", conId=11)


async def test_an_order_before_a_reset_is_found_after_reconnecting(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("disconnect|Connection reset|Peer closed")
    server.faults.add(DropAfterOrder(count=1))
    trade = ib.placeOrder(STOCK, MarketOrder("BUY", 5, orderRef="desk.a1.1"))
    await eventually(lambda: not ib.isConnected())
    assert trade.orderStatus.status == "PendingSubmit"
    again = await connect(server)
    assert [fill.execution.orderRef for fill in again.fills()] == ["desk.a1.1"]
    assert {p.contract.conId: p.position for p in again.positions()}[11] == 12
    assert again.client.getReqId() > trade.order.orderId
    again.disconnect()


async def test_a_muted_request_fails_the_connection(server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("positions request timed out")
    server.faults.add(Mute(request="reqPositions"))
    with pytest.raises(ConnectionError, match="positions request timed out"):
        await connect(server, timeout_s=0.3)
    server.faults.clear()
    ib = await connect(server, client_id=2)
    ib.disconnect()


async def test_a_lost_order_is_never_answered(ib: IB, server: SimulatorServer) -> None:
    server.faults.add(Mute(request="placeOrder", count=1))
    lost = ib.placeOrder(STOCK, MarketOrder("BUY", 5))
    taken = ib.placeOrder(STOCK, MarketOrder("BUY", 5))
    await eventually(lambda: taken.orderStatus.status == "Filled")
    assert lost.orderStatus.status == "PendingSubmit"
    assert len(server.exchange.executions()) == 1


async def test_half_open_answers_nothing_and_stays_connected(ib: IB, server: SimulatorServer) -> None:
    server.faults.add(HalfOpen(request="reqCurrentTime", count=1))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.2)
    ib.placeOrder(STOCK, MarketOrder("BUY", 5))
    await asyncio.sleep(0.05)
    assert ib.isConnected()
    assert server.exchange.executions() == ()
    other = await connect(server, client_id=2)
    other.disconnect()


async def test_frozen_quotes_stand_still_and_thaw(ib: IB, server: SimulatorServer) -> None:
    ticker = ib.reqMktData(STOCK)
    await eventually(lambda: ticker.bid == 50.00)
    server.faults.add(FreezeQuotes(instruments=("ABC",), count=1))
    server.step()
    await ib.reqCurrentTimeAsync()
    assert ticker.bid == 50.00
    server.step()
    await eventually(lambda: ticker.bid == 50.20)


async def test_connections_can_be_dropped_and_news_broadcast(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("Error 1100|disconnect|reset|closed")
    codes: list[int] = []
    ib.errorEvent += lambda _req, code, _text, _contract: codes.append(code)
    server.broadcast_error(1100, "Connectivity between IB and Trader Workstation has been lost.")
    await eventually(lambda: codes == [1100])
    server.drop_all("fin")
    await eventually(lambda: not ib.isConnected())
    assert server.gateway.links == ()
    for how in ("rst", "fin") * 5:
        again = await connect(server)
        server.drop_all(how)  # type: ignore[arg-type]
        await eventually(lambda client=again: not client.isConnected())


def test_a_fault_counts_what_it_meets() -> None:
    script = FaultScript((RejectOrders(after=1, count=2, client_id=3), DelayCommissions(delay_s=1.0)))
    assert [script.hit(RejectOrders, 3) is not None for _ in range(5)] == [False, True, True, False, False]
    assert script.hit(RejectOrders, 4) is None
    assert script.hit(DelayCommissions, 4) == DelayCommissions(delay_s=1.0)


def test_a_fault_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("faults:\n  - {fault: reject_orders, code: 201, count: 1}\n  - {fault: mute, request: reqIds}\n")
    assert load_script(path) == Script(faults=(RejectOrders(code=201, count=1), Mute(request="reqIds")))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("faults: [{fault: rejects}]", "rejects"),
        ("faults: [{fault: reject_orders, cod: 5}]", "cod"),
        ("faults: [{fault: mute}]", "request"),
        ("faults: [", "not YAML"),
        ("", "object"),
        (None, "cannot read"),
    ],
)
def test_a_bad_fault_file_is_one_line(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "faults.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(FaultFileError, match=words) as caught:
        load_script(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
