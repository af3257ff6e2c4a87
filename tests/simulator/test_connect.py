"""The real ib_async connects, and sees session, account, positions, contracts and prices."""

import pytest
from ib_async import IB, Contract, Option, Stock

from daemon.simulator.server import SimulatorServer
from tests.simulator.conftest import connect, eventually
from tests.support.ib_errors import IbErrorWatch

STOCK = Stock("ABC", "SMART", "USD", conId=11)
OPTION = Option("ABC", "20140621", 50, "C", "SMART", conId=12)


async def test_connecting_brings_account_positions_and_foreign_orders(ib: IB) -> None:
    assert ib.client.serverVersion() == 178
    assert ib.managedAccounts() == ["DU0000042"]
    assert ib.client.getReqId() >= 1
    values = {value.tag: value.value for value in ib.accountValues()}
    assert values["AccountType"] == "BIFROST-SIMULATOR"
    assert float(values["NetLiquidation"]) == pytest.approx(100_000 + 10 * 100 * 2.05 + 7 * 50.01, abs=0.01)
    held = {position.contract.symbol + position.contract.secType: position for position in ib.positions()}
    assert held["ABCOPT"].position == 10
    assert held["ABCOPT"].avgCost == 200.0
    assert held["ABCSTK"].position == 7
    assert {item.contract.conId: item.marketPrice for item in ib.portfolio()} == {
        11: pytest.approx(50.01),
        12: pytest.approx(2.05),
    }
    assert ib.openTrades() == []
    foreign = await ib.reqAllOpenOrdersAsync()
    assert [(t.order.clientId, t.order.orderId, t.order.lmtPrice, t.orderStatus.status) for t in foreign] == [
        (0, 5, 99.0, "Submitted")
    ]


async def test_contract_details_carry_steps_and_hours(ib: IB) -> None:
    (stock,) = await ib.reqContractDetailsAsync(Stock("ABC", "SMART", "USD"))
    assert stock.contract is not None
    assert (stock.contract.conId, stock.minTick, stock.minSize, stock.sizeIncrement) == (11, 0.01, 1.0, 1.0)
    assert stock.timeZoneId == "US/Eastern"
    assert stock.liquidHours.startswith("20140606:0930-20140606:1600;20140607:CLOSED;20140608:CLOSED;20140609:0930-")
    assert stock.tradingHours.startswith("20140606:0400-20140606:2000")
    (option,) = await ib.qualifyContractsAsync(Option("ABC", "20140621", 50, "C", "SMART"))
    assert isinstance(option, Option)
    assert (option.conId, option.multiplier, option.localSymbol) == (12, "100", "ABC   140621C00050000")
    (details,) = await ib.reqContractDetailsAsync(option)
    assert (details.underConId, details.realExpirationDate, details.minTick) == (11, "20140620", 0.01)
    (chain,) = await ib.reqSecDefOptParamsAsync("ABC", "", "STK", 11)
    assert (chain.expirations, chain.strikes) == (["20140621"], [50.0])


async def test_an_unknown_contract_is_error_200(ib: IB, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("Error 200.*No security definition")
    assert await ib.qualifyContractsAsync(Stock("NONE", "SMART", "USD")) == [None]
    ib.reqMktData(Contract(conId=99, secType="STK", exchange="SMART"))
    await eventually(lambda: len(ib_errors.records) == 2)


async def test_quotes_come_at_once_with_the_time_and_repeat_with_every_step(ib: IB, server: SimulatorServer) -> None:
    ticker = ib.reqMktData(STOCK)
    await eventually(lambda: ticker.bid == 50.00 and ticker.ask == 50.02)
    assert ticker.lastTimestamp is not None
    assert ticker.lastTimestamp.timestamp() * 1e6 == server.exchange.now_us
    seen: list[str] = []
    ticker.updateEvent += lambda t: seen.append(f"{t.bid}")
    server.step()
    await eventually(lambda: ticker.bid == 50.10)
    assert ticker.lastTimestamp.timestamp() * 1e6 == server.exchange.now_us
    assert (ticker.bidSize, ticker.askSize, ticker.marketDataType) == (100, 100, 1)
    server.gateway.publish_step(server.exchange.step, ())  # type: ignore[arg-type]
    await eventually(lambda: seen == ["50.1", "50.1"])


async def test_an_option_carries_its_computations(ib: IB, server: SimulatorServer) -> None:
    ticker = ib.reqMktData(OPTION)
    await eventually(lambda: ticker.modelGreeks is not None)
    assert (ticker.bid, ticker.ask) == (2.0, 2.1)
    assert ticker.bidGreeks is not None
    assert ticker.bidGreeks.optPrice == 2.0
    ib.cancelMktData(ticker.contract)
    await eventually(lambda: not server.gateway.sessions[0].market_data)


async def test_pnl_summary_and_time(ib: IB, server: SimulatorServer) -> None:
    pnl = ib.reqPnL("DU0000042")
    single = ib.reqPnLSingle("DU0000042", "", 11)
    summary = await ib.accountSummaryAsync()
    assert {item.tag for item in summary} >= {"NetLiquidation", "AccountType"}
    server.step()
    await eventually(lambda: pnl.dailyPnL == pytest.approx(7 * 0.10))
    await eventually(lambda: single.value == pytest.approx(7 * 50.11))
    assert (await ib.reqCurrentTimeAsync()).timestamp() * 1e6 == server.exchange.now_us


async def test_a_client_id_in_use_is_326_and_closed(ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("326|already in use|API connection failed")
    second = IB()
    codes: list[int] = []
    second.errorEvent += lambda _req, code, _text, _contract: codes.append(code)
    with pytest.raises((TimeoutError, ConnectionError)):
        await second.connectAsync("127.0.0.1", server.port, clientId=1, timeout=0.3)
    assert codes == [326]
    other = await connect(server, client_id=2)
    assert len(server.gateway.sessions) == 2
    other.disconnect()
