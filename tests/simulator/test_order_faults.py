"""Faults of an order's life, seen by the real ib_async, beside what is true at the exchange."""

import pytest
from ib_async import IB, Fill, LimitOrder, MarketOrder, Order, Stock

from daemon.simulator.faults import (
    ArrangeOrderEvents,
    CorrectExecutions,
    DelayCommissions,
    ForeignCommissions,
    InactivateOrders,
    InformOrders,
    NoOrderStatus,
    Overfill,
    PartialFills,
    RaceCancels,
    RejectModifies,
    RepeatOrderEvents,
)
from daemon.simulator.server import SimulatorServer
from tests.simulator.conftest import connect, eventually
from tests.support.ib_errors import IbErrorWatch

STOCK = Stock("ABC", "SMART", "USD", conId=11)


class Heard:
    """What ib_async said of orders, in its order."""

    def __init__(self, ib: IB) -> None:
        self.words: list[str] = []
        self.codes: list[int] = []
        ib.orderStatusEvent += lambda trade: self.words.append(trade.orderStatus.status)
        ib.execDetailsEvent += lambda _trade, fill: self.words.append(f"exec {fill.execution.shares:g}")
        ib.commissionReportEvent += lambda _trade, _fill, _report: self.words.append("commission")
        ib.errorEvent += lambda _req, code, _text, _contract: self.codes.append(code)


def buy(quantity: float = 30) -> Order:
    return MarketOrder("BUY", quantity, orderRef="desk.a1.1", tif="DAY")


def shares(server: SimulatorServer) -> float:
    return server.exchange.position("ABC").quantity - 7


async def settled(ib: IB) -> None:
    """Everything that was under way is here: the wire is first-in-first-out."""
    await ib.reqCurrentTimeAsync()


async def test_a_fill_without_any_status(ib: IB, server: SimulatorServer) -> None:
    server.faults.add(NoOrderStatus())
    trade = ib.placeOrder(STOCK, buy())
    await eventually(lambda: trade.fills and trade.fills[0].commissionReport.execId)
    await settled(ib)
    assert trade.orderStatus.status == "PendingSubmit"
    assert (trade.filled(), shares(server)) == (30, 30)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ArrangeOrderEvents(arrangement="executions_first"), "exec 30,PreSubmitted,Submitted,Filled,commission"),
        (ArrangeOrderEvents(arrangement="executions_last"), "PreSubmitted,Submitted,Filled,exec 30,commission"),
        (ArrangeOrderEvents(arrangement="reversed"), "Filled,exec 30,Submitted,PreSubmitted"),
        (RepeatOrderEvents(times=3), "PreSubmitted,Submitted,exec 30,Filled,commission"),
    ],
    ids=["executions first", "executions last", "reversed", "tripled"],
)
async def test_the_telling_can_be_bent(ib: IB, server: SimulatorServer, fault: ArrangeOrderEvents, words: str) -> None:
    server.faults.add(fault)
    heard = Heard(ib)
    trade = ib.placeOrder(STOCK, buy())
    await eventually(lambda: trade.fills)
    await settled(ib)
    assert ",".join(heard.words) == words  # ib_async keeps repeated statuses to itself
    assert shares(server) == 30


async def test_shuffling_is_repeatable_and_loses_nothing(ib: IB, server: SimulatorServer) -> None:
    heard = Heard(ib)
    told: list[list[str]] = []
    for seed in (3, 3, 4):
        server.faults.clear()
        server.faults.add(ArrangeOrderEvents(arrangement="shuffled", seed=seed))
        trade = ib.placeOrder(STOCK, buy())
        await eventually(lambda trade=trade: trade.fills)
        await settled(ib)
        told.append(heard.words[:])
        heard.words.clear()
    assert told[0] == told[1] != told[2]
    assert shares(server) == 90


async def test_partials_and_then_the_rest_is_cancelled(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("Error 202")
    server.faults.add(PartialFills(slices=(10, 5), rest="cancel"))
    trade = ib.placeOrder(STOCK, buy())
    await eventually(lambda: trade.orderStatus.status == "Cancelled")
    assert [fill.execution.shares for fill in trade.fills] == [10, 5]
    assert (trade.orderStatus.filled, trade.orderStatus.remaining, shares(server)) == (15, 15, 15)


async def test_an_overfill_reaches_the_account(ib: IB, server: SimulatorServer) -> None:
    server.faults.add(Overfill(quantity=2))
    trade = ib.placeOrder(STOCK, buy(10))
    await eventually(lambda: trade.filled() == 12)
    assert shares(server) == 12


async def test_an_execution_is_corrected(ib: IB, server: SimulatorServer) -> None:
    server.faults.add(CorrectExecutions(price_change_usd=0.05, quantity_change=-1))
    trade = ib.placeOrder(STOCK, buy(10))
    await eventually(lambda: len(trade.fills) == 2)
    wrong, right = (fill.execution for fill in trade.fills)
    assert (wrong.execId[-3:], right.execId[-3:]) == (".01", ".02")
    assert (right.shares, right.price) == (9, pytest.approx(50.07))
    assert shares(server) == 9
    assert [fill.execution.execId for fill in await reconnected_fills(server)] == [right.execId]


async def reconnected_fills(server: SimulatorServer) -> list[Fill]:
    other = await connect(server, client_id=9)
    fills = list(other.fills())
    other.disconnect()
    return fills


async def test_commissions_of_others_are_heard(ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    heard: list[str] = []
    server.faults.add(ForeignCommissions(client_id=1))
    server.faults.add(DelayCommissions(client_id=0))
    wrapper = ib.wrapper
    original = wrapper.commissionReport
    wrapper.commissionReport = lambda report: (heard.append(report.execId), original(report))  # type: ignore[method-assign]
    server.trade_by_hand("ABC", "BUY", 5)
    await eventually(lambda: heard)
    assert heard == [server.exchange.executions()[-1].exec_id]
    assert ib.fills() == []


@pytest.mark.parametrize("code", [399, 404, 2109, 10349])
async def test_an_informational_code_ends_nothing(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch, code: int
) -> None:
    ib_errors.expect(f"{code}|Canceled order")
    server.faults.add(InformOrders(code=code, text="only saying"))
    heard = Heard(ib)
    trade = ib.placeOrder(STOCK, LimitOrder("BUY", 5, 40.0, tif="DAY"))
    await eventually(lambda: heard.codes == [code])
    await settled(ib)
    assert [update.status for update in server.exchange.open_orders(1)] == ["Submitted"]
    assert heard.codes == [code]
    assert trade.order.orderId == server.exchange.open_orders(1)[0].ticket.order_id


async def test_inactive_is_held_or_dead(ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("Error 201")
    server.faults.add(InactivateOrders(why_held="locate", hold_steps=1, count=1))
    server.faults.add(InactivateOrders(why_held="", after=1, count=1))
    heard = Heard(ib)
    held = ib.placeOrder(STOCK, buy(5))
    await eventually(lambda: held.orderStatus.status == "Inactive")
    assert held.orderStatus.whyHeld == "locate"
    dead = ib.placeOrder(STOCK, buy(5))
    await eventually(lambda: heard.codes == [201])
    assert (dead.orderStatus.status, dead.orderStatus.whyHeld) == ("Inactive", "")
    server.step()
    await eventually(lambda: held.orderStatus.status == "Filled")
    assert shares(server) == 5


@pytest.mark.parametrize(
    ("outcome", "code"), [("filled_10148", 10148), ("filled_10147", 10147), ("filled_after_202", 202)]
)
async def test_a_cancel_races_a_fill(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch, outcome: str, code: int
) -> None:
    ib_errors.expect(f"Error {code}")
    server.faults.add(RaceCancels(outcome=outcome))  # type: ignore[arg-type]
    heard = Heard(ib)
    trade = ib.placeOrder(STOCK, LimitOrder("BUY", 5, 40.0, tif="DAY"))
    await eventually(lambda: trade.orderStatus.status == "Submitted")
    ib.cancelOrder(trade.order)
    await eventually(lambda: code in heard.codes and trade.fills)
    await settled(ib)
    assert [fill.execution.shares for fill in trade.fills] == [5]
    assert shares(server) == 5


async def test_a_working_order_is_modified_or_the_change_refused(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("Error 201|Error 104|Canceled order")
    trade = ib.placeOrder(STOCK, LimitOrder("BUY", 5, 40.0, tif="DAY"))
    await eventually(lambda: trade.orderStatus.status == "Submitted")
    trade.order.lmtPrice, trade.order.totalQuantity = 41.0, 6
    ib.placeOrder(STOCK, trade.order)
    await settled(ib)
    (working,) = server.exchange.open_orders(1)
    assert (working.ticket.limit_price, working.ticket.quantity) == (41.0, 6)
    server.faults.add(RejectModifies(count=1))
    heard = Heard(ib)
    ib.client.placeOrder(trade.order.orderId, STOCK, LimitOrder("BUY", 6, 42.0, tif="DAY"))
    await eventually(lambda: heard.codes == [201])
    assert server.exchange.open_orders(1)[0].ticket.limit_price == 41.0
    ib.client.placeOrder(trade.order.orderId, STOCK, LimitOrder("BUY", 6, 60.0, tif="DAY"))
    await eventually(lambda: shares(server) == 6)
    ib.client.placeOrder(trade.order.orderId, STOCK, LimitOrder("BUY", 7, 60.0, tif="DAY"))
    await eventually(lambda: heard.codes == [201, 104])
    assert shares(server) == 6
