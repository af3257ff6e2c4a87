"""Acts: what happens by itself, in process and by the file of a running simulator."""

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest
from ib_async import IB, LimitOrder, MarketOrder, Stock

from daemon.simulator.faults import (
    CancelWorking,
    CorrectExecution,
    Dividend,
    DropAll,
    Exercise,
    Expire,
    FaultFileError,
    FaultScript,
    FillWorking,
    HalfOpenAll,
    LoseUpstream,
    OrderByHand,
    RejectOrders,
    RestoreUpstream,
    SayRaw,
    Split,
    TradeByHand,
    TransferPosition,
)
from daemon.simulator.faults.acts import ActKind
from daemon.simulator.script_file import SCRIPT_STATE, ScriptFile, ScriptState
from daemon.simulator.server import SimulatorServer
from tests.simulator.conftest import connect, eventually
from tests.support.ib_errors import IbErrorWatch
from tests.support.scripted_market import CALL

STOCK = Stock("ABC", "SMART", "USD", conId=11)


def held(ib: IB) -> dict[int, float]:
    return {position.contract.conId: position.position for position in ib.positions()}


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (TransferPosition(instrument="ABC", quantity=-3), {11: 4, 12: 10}),
        (Exercise(instrument=CALL.instrument, contracts=2), {11: 207, 12: 8}),
        (Expire(instrument=CALL.instrument), {11: 7}),
        (Split(instrument="ABC"), {11: 14, 12: 10}),
        (TradeByHand(instrument="ABC", side="SELL", quantity=7), {12: 10}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ActKind) else "",
)
async def test_positions_move_by_themselves(
    ib: IB, server: SimulatorServer, act: Split, expected: dict[int, float]
) -> None:
    fills = len(server.exchange.executions())
    server.act(act)
    await eventually(lambda: held(ib) == expected)
    assert len(server.exchange.executions()) - fills == (1 if isinstance(act, TradeByHand) else 0)


async def test_a_dividend_is_seen_in_the_cash_only(ib: IB, server: SimulatorServer) -> None:
    before = held(ib)
    server.act(Dividend(instrument="ABC", usd_share=2.0))
    await eventually(
        lambda: [item.value for item in ib.accountValues() if item.tag == "TotalCashValue"][:1] == ["100014.00"]
    )
    assert held(ib) == before


async def test_orders_by_hand_have_no_id_for_others(ib: IB, server: SimulatorServer) -> None:
    for price in (40.0, 41.0):
        server.act(OrderByHand(instrument="ABC", side="BUY", quantity=5, limit_price=price))
    by_hand = [trade.order for trade in await ib.reqAllOpenOrdersAsync() if trade.order.lmtPrice in (40.0, 41.0)]
    assert [(order.orderId, order.clientId, order.orderRef) for order in by_hand] == [(0, 0, ""), (0, 0, "")]
    assert len({order.permId for order in by_hand}) == 2


async def test_ib_is_lost_for_a_while_and_everything_comes_after(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("Error 110[012]")
    codes: list[int] = []
    ib.errorEvent += lambda _req, code, _text, _contract: codes.append(code)
    ticker = ib.reqMktData(STOCK)
    resting = ib.placeOrder(STOCK, LimitOrder("SELL", 5, 50.15, tif="DAY"))
    await eventually(lambda: resting.orderStatus.status == "Submitted" and ticker.bid == 50.00)
    server.act(LoseUpstream())
    late = ib.placeOrder(STOCK, MarketOrder("BUY", 3))
    positions = asyncio.ensure_future(ib.reqPositionsAsync())
    server.step()
    server.step()  # fills what rests
    await ib.reqCurrentTimeAsync()
    assert (codes, resting.fills, late.orderStatus.status, positions.done()) == ([1100], [], "PendingSubmit", False)
    assert ticker.bid == 50.00
    server.act(RestoreUpstream())
    await eventually(lambda: resting.fills and late.fills)
    assert codes == [1100, 1102]
    assert {position.contract.conId: position.position for position in await positions}[11] == 5
    server.step()
    await eventually(lambda: ticker.bid == 50.30)


async def test_orders_sent_while_ib_is_lost_can_be_lost_too(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("Error (2110|1101)")
    ticker = ib.reqMktData(STOCK)
    await eventually(lambda: ticker.bid == 50.00)
    server.act(LoseUpstream(code=2110, orders="lost"))
    ib.placeOrder(STOCK, MarketOrder("BUY", 3))
    await ib.reqCurrentTimeAsync()
    server.act(RestoreUpstream(code=1101))
    server.step()
    await ib.reqCurrentTimeAsync()
    assert server.exchange.executions() == ()
    assert ticker.bid == 50.00  # 1101: every subscription is gone
    assert server.gateway.sessions[0].market_data == {}


async def test_an_order_sent_while_ib_is_lost_is_passed_on_even_after_its_client_left(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("Error 110[02]|disconnect|reset|closed")
    server.act(LoseUpstream())
    ib.placeOrder(STOCK, MarketOrder("BUY", 3, orderRef="desk.a1.1"))
    await ib.reqCurrentTimeAsync()
    server.act(DropAll())
    await eventually(lambda: not ib.isConnected())
    assert server.exchange.executions() == ()
    server.act(RestoreUpstream())
    again = await connect(server)
    assert [fill.execution.orderRef for fill in again.fills()] == ["desk.a1.1"]
    again.disconnect()


async def test_who_connects_while_ib_is_lost_is_told(server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("Error 1100|request timed out|API connection failed")
    server.act(LoseUpstream())
    with pytest.raises((TimeoutError, ConnectionError)):
        await connect(server, timeout_s=0.3)
    assert any("Error 1100" in record.getMessage() for record in ib_errors.records)


async def test_working_orders_are_cancelled_or_filled_by_others_will(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("Error 202")
    orders = [LimitOrder("BUY", 5, 40.0, tif="DAY", orderRef=ref) for ref in ("a", "b")]
    filled, cancelled = (ib.placeOrder(STOCK, order) for order in orders)
    await eventually(lambda: cancelled.orderStatus.status == "Submitted")
    server.act(FillWorking(order_ref="a", quantity=2))
    server.act(CancelWorking(client_id=1, order_ref="b"))
    await eventually(lambda: cancelled.orderStatus.status == "Cancelled" and filled.orderStatus.filled == 2)
    server.act(FillWorking(order_ref="a"))
    await eventually(lambda: filled.orderStatus.status == "Filled")
    server.act(CorrectExecution(price=40.5))
    await eventually(lambda: filled.fills[-1].execution.execId.endswith(".02"))
    assert filled.fills[-1].execution.price == 40.5


async def test_lines_can_be_disturbed_all_at_once(ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("disconnect|reset|closed")
    server.act(SayRaw(hex="ffffffff"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.1)
    other = await connect(server, client_id=2)
    server.act(HalfOpenAll())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(other.reqCurrentTimeAsync(), 0.1)
    server.act(DropAll())
    await eventually(lambda: not ib.isConnected() and not other.isConnected())
    with pytest.raises(ValueError, match="no instrument 'XYZ'"):
        server.act(TransferPosition(instrument="XYZ", quantity=1))
    with pytest.raises(ValueError, match="no execution"):
        server.act(CorrectExecution())


class Followed:
    """A script file that a running simulator would follow, with what it did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "faults.yaml"
        self.faults = FaultScript()
        self.done: list[str] = []

    def file(self) -> ScriptFile:
        return ScriptFile(self.path, self.folder, self.faults, self._act)

    def _act(self, act: ActKind) -> None:
        self.done.append(act.id)
        if act.id == "impossible":
            raise ValueError("no instrument 'XYZ'")

    def state(self) -> ScriptState:
        return msgspec.json.decode((self.folder / SCRIPT_STATE).read_bytes(), type=ScriptState)


@contextlib.asynccontextmanager
async def following(file: ScriptFile):  # type: ignore[no-untyped-def]  # noqa: ANN201
    task = asyncio.create_task(file.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_changed_script_is_taken_over_and_its_acts_are_done_once(tmp_path: Path) -> None:
    desk = Followed(tmp_path)
    desk.path.write_text("faults:\n  - {fault: reject_orders, count: 1}\nacts:\n  - {act: drop_all, id: a}\n")
    file = desk.file()
    file.load()
    assert desk.faults.hit(RejectOrders, 1) is not None
    async with following(file):
        desk.path.write_text(
            "faults:\n  - {fault: reject_orders, count: 1}\n  - {fault: swallow_orders}\n"
            "acts:\n  - {act: drop_all, id: a}\n  - {act: broadcast, id: b, code: 1100}\n"
            "  - {act: expire, id: impossible, instrument: XYZ}\n  - {act: drop_all, id: late, after_s: 0.05}\n"
        )
        await eventually(lambda: "late" in desk.state().acts_done)
        assert desk.done == ["a", "b", "impossible", "late"]
        assert desk.faults.hit(RejectOrders, 1) is None  # it was counted before the file changed
        assert desk.state().failed == {"impossible": "no instrument 'XYZ'"}
        desk.path.write_text("faults: [{fault: nonsense}]\n")
        await eventually(lambda: desk.state().problem is not None)
        assert str(desk.path) in (desk.state().problem or "")
        desk.path.unlink()
        await eventually(lambda: "cannot read" in (desk.state().problem or ""))
        desk.path.write_text("acts: [{act: drop_all, id: c}]\n")
        await eventually(lambda: desk.done[-1] == "c")
        assert desk.state().problem is None
    again = desk.file()
    again.load()
    assert desk.done == ["a", "b", "impossible", "late", "c"]  # a restart repeats nothing


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("acts: [{act: drop_all}]", "number 1 has no id"),
        ("acts: [{act: drop_all, id: a}, {act: half_open_all, id: a}]", "two acts have the id a"),
        ("acts: [{act: dropall, id: a}]", "dropall"),
        ("{}", "neither faults nor acts"),
    ],
)
async def test_a_bad_script_says_what_is_wrong(tmp_path: Path, content: str, words: str) -> None:
    desk = Followed(tmp_path)
    desk.path.write_text(content)
    with pytest.raises(FaultFileError, match=words):
        desk.file().load()
    assert desk.done == []
