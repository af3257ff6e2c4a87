"""Orders of the real ib_async: fills, slices, cancels, refusals, questions, and what others see of them."""

import pytest
from ib_async import IB, ExecutionFilter, LimitOrder, MarketOrder, Order, Stock, Trade

from daemon.simulator.faults import DelayCommissions, RejectOrders
from daemon.simulator.server import SimulatorServer
from tests.simulator.conftest import connect, eventually
from tests.support.ib_errors import IbErrorWatch

pytestmark = pytest.mark.parametrize("server_version", [176, 178])

STOCK = Stock("ABC", "SMART", "USD", conId=11)


def market(action: str, quantity: float, ref: str = "desk.a1.1") -> Order:
    return MarketOrder(action, quantity, orderRef=ref, tif="DAY")


async def filled(trade: Trade) -> Trade:
    await eventually(lambda: trade.orderStatus.status == "Filled")
    await eventually(lambda: all(fill.commissionReport.execId for fill in trade.fills))
    return trade


async def test_a_market_order_is_filled_in_slices_at_the_touch(ib: IB, server: SimulatorServer) -> None:
    statuses: list[str] = []
    ib.orderStatusEvent += lambda trade: statuses.append(trade.orderStatus.status)
    moved: list[float] = []
    ib.positionEvent += lambda position: moved.append(position.position)
    trade = await filled(ib.placeOrder(STOCK, market("BUY", 100)))
    assert statuses == ["PreSubmitted", "Submitted", "Submitted", "Submitted", "Filled"]
    assert [(fill.execution.shares, fill.execution.price) for fill in trade.fills] == [
        (40, 50.02),
        (40, 50.02),
        (20, 50.02),
    ]
    assert [fill.execution.orderRef for fill in trade.fills] == ["desk.a1.1"] * 3
    assert len({fill.execution.execId.rsplit(".", 1)[0] for fill in trade.fills}) == 3
    assert trade.fills[0].execution.time.timestamp() * 1e6 == server.exchange.now_us
    assert sum(fill.commissionReport.commission for fill in trade.fills) == pytest.approx(1.0)
    assert (trade.orderStatus.filled, trade.orderStatus.remaining, trade.orderStatus.avgFillPrice) == (100, 0, 50.02)
    assert trade.orderStatus.permId == trade.fills[0].execution.permId > 0
    assert moved == [47, 87, 107]
    assert {p.contract.conId: p.position for p in ib.positions()}[11] == 107
    await eventually(lambda: [item.position for item in ib.portfolio() if item.contract.conId == 11] == [107])


async def test_a_limit_order_rests_fills_and_cancels(ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("Error 202")
    resting = ib.placeOrder(STOCK, LimitOrder("SELL", 5, 50.15, tif="DAY", orderRef="desk.a1.2"))
    await eventually(lambda: resting.orderStatus.status == "Submitted")
    cancelled = ib.placeOrder(STOCK, LimitOrder("BUY", 5, 40.0, tif="DAY"))
    await eventually(lambda: cancelled.orderStatus.status == "Submitted")
    ib.cancelOrder(cancelled.order)
    await eventually(lambda: cancelled.orderStatus.status == "Cancelled")
    server.step()
    server.step()
    await filled(resting)
    assert resting.fills[0].execution.price == 50.15
    assert [order.ticket.order_id for order in server.exchange.open_orders()] == [5]


async def test_cancelling_what_is_not_there_says_so(ib: IB, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("Error 10147|Error 10148")
    codes: list[tuple[int, int]] = []
    ib.errorEvent += lambda req, code, _text, _contract: codes.append((req, code))
    done = await filled(ib.placeOrder(STOCK, market("BUY", 1)))
    ib.client.cancelOrder(done.order.orderId)
    ib.client.cancelOrder(5)  # client 0's order is not client 1's
    await eventually(lambda: (done.order.orderId, 10148) in codes and (5, 10147) in codes)


async def test_refusals_keep_their_code(ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("Error (201|200|387|110|321)")
    codes: list[int] = []
    ib.errorEvent += lambda _req, code, _text, _contract: codes.append(code)
    server.faults.add(RejectOrders(count=1, text="margin"))
    rejected = ib.placeOrder(STOCK, market("BUY", 1))
    await eventually(lambda: rejected.orderStatus.status == "Cancelled")
    assert rejected.log[-1].message.endswith("margin")
    ib.placeOrder(Stock("NONE", "SMART", "USD"), market("BUY", 1))
    ib.placeOrder(STOCK, Order(action="BUY", totalQuantity=1, orderType="STP", auxPrice=60.0, tif="DAY"))
    ib.placeOrder(STOCK, LimitOrder("BUY", 1, 49.123, tif="DAY"))
    await eventually(lambda: codes == [201, 200, 387, 110])
    assert server.exchange.executions() == ()
    ib.client.send(77777, 1, 2)
    ib.client.reqGlobalCancel()
    await eventually(lambda: codes[4:] == [321, 321])
    assert len(server.exchange.open_orders()) == 1


async def test_what_if_answers_margins_and_trades_nothing(ib: IB, server: SimulatorServer) -> None:
    state = await ib.whatIfOrderAsync(STOCK, market("BUY", 100))
    assert float(state.initMarginChange) == pytest.approx(0.5 * 100 * 50.02)
    assert state.commission == 1.0
    assert server.exchange.executions() == ()


async def test_every_kind_of_order_is_parsed_to_its_end(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    """The parts of variable length are walked, so that what stands behind them (whatIf) is read right."""
    from ib_async import OrderCondition, TagValue

    condition = OrderCondition.createClass(1)(price=40.0, conId=11, exch="SMART")
    order = LimitOrder(
        "BUY",
        10,
        40.0,
        tif="GTC",
        whatIf=True,
        algoStrategy="Adaptive",
        algoParams=[TagValue("adaptivePriority", "Normal")],
        hedgeType="D",
        hedgeParam="1",
        deltaNeutralOrderType="MKT",
        scaleInitLevelSize=1,
        scalePriceIncrement=0.5,
        conditions=[condition, OrderCondition.createClass(3)(time="20140606 10:00:00")],
        orderMiscOptions=[TagValue("a", "b")],
    )
    ib.client.placeOrder(ib.client.getReqId(), STOCK, order)
    await eventually(lambda: server.transcript.requests("placeOrder"))
    values = server.transcript.requests("placeOrder")[0].values
    assert values["what_if"] == "1"
    assert values["algo_params"] == [{"tag": "adaptivePriority", "value": "Normal"}]
    assert [condition["condition_type"] for condition in values["conditions"]] == ["1", "3"]
    assert values["duration"] == ""
    assert server.transcript.requests("malformed") == []


async def test_others_see_orders_and_executions_only_when_they_ask(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    other = await connect(server, client_id=7)
    heard: list[object] = []
    other.openOrderEvent += heard.append
    other.execDetailsEvent += lambda trade, fill: heard.append(fill)
    await filled(ib.placeOrder(STOCK, market("SELL", 3, "desk.a1.9")))
    server.trade_by_hand("ABC", "BUY", 2)
    await eventually(lambda: {p.contract.conId: p.position for p in other.positions()}.get(11) == 6)
    assert heard == []
    fills = await other.reqExecutionsAsync()
    assert [(f.execution.clientId, f.execution.side, f.execution.shares) for f in fills] == [
        (1, "SLD", 3),
        (0, "BOT", 2),
    ]
    assert [f.commissionReport.commission for f in other.fills()] == [1.0, 1.0]
    mine = await other.reqExecutionsAsync(ExecutionFilter(clientId=1, time="20140606 09:00:00"))
    assert [f.execution.orderRef for f in mine] == ["desk.a1.9"]
    assert await other.reqExecutionsAsync(ExecutionFilter(time="20140606-20:00:00")) == []
    other.disconnect()


async def test_a_commission_may_come_late_or_never(ib: IB, server: SimulatorServer) -> None:
    server.faults.add(DelayCommissions(count=1))
    server.faults.add(DelayCommissions(delay_s=0.05, after=1, count=1))
    never = ib.placeOrder(STOCK, market("BUY", 1))
    late = ib.placeOrder(STOCK, market("BUY", 1))
    await eventually(lambda: late.orderStatus.status == "Filled" and late.fills)
    assert late.fills[0].commissionReport.execId == ""
    await filled(late)
    assert never.fills[0].commissionReport.execId == ""


async def test_finished_orders_are_told_to_a_new_connection(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("Error 202")
    await filled(ib.placeOrder(STOCK, market("BUY", 50, "desk.a1.4")))
    gone = ib.placeOrder(STOCK, LimitOrder("BUY", 5, 40.0, tif="DAY", orderRef="desk.a1.5"))
    await eventually(lambda: gone.orderStatus.status == "Submitted")
    ib.cancelOrder(gone.order)
    await eventually(lambda: gone.orderStatus.status == "Cancelled")
    other = await connect(server, client_id=7)
    ended = {trade.order.orderRef: trade for trade in other.trades()}
    assert {ref: trade.orderStatus.status for ref, trade in ended.items()} == {
        "desk.a1.4": "Filled",
        "desk.a1.5": "Cancelled",
    }
    assert ended["desk.a1.4"].order.filledQuantity == 50
    assert [fill.execution.shares for fill in ended["desk.a1.4"].fills] == [40, 10]
    other.disconnect()
