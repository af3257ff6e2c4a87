"""The real ib_async connects, and sees session, account, positions, contracts and prices."""

import pytest
from ib_async import IB, Contract, Option, Stock

from config.schema import Leg
from config.schema import SyntheticMarket as SyntheticSettings
from daemon.simulator.server import SimulatorServer
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.synthetic import SyntheticMarket
from tests.simulator.conftest import connect, eventually
from tests.support.ib_errors import IbErrorWatch
from tests.support.scripted_market import ScriptedMarket

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


async def test_an_ambiguous_contract_lists_all_and_trades_none(ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("Error 200.*ambiguous")
    legs = [Leg(right="call", strike=strike, expiry="2026-06-19") for strike in (95, 100)]
    market = SyntheticMarket(SyntheticSettings(), symbol="DEMO", legs=legs, seed=1, start_date="2026-01-05")
    async with SimulatorServer(SimulatedExchange(market), paced=False) as server:
        ib = await connect(server)
        vague = Option("DEMO", "202606", 0, "C", "SMART")
        assert [details.contract.strike for details in await ib.reqContractDetailsAsync(vague)] == [95, 100]
        ib.client.reqMktData(900, vague, "", snapshot=False, regulatorySnapshot=False, mktDataOptions=[])
        await eventually(lambda: ib_errors.records)
        assert server.gateway.sessions[0].market_data == {}
        ib.disconnect()


async def test_a_snapshot_is_one_quote(ib: IB, server: SimulatorServer) -> None:
    (ticker,) = await ib.reqTickersAsync(STOCK)
    assert (ticker.bid, ticker.ask) == (50.00, 50.02)
    assert server.gateway.sessions[0].market_data == {}


async def test_a_missing_side_is_no_price(ib_errors: IbErrorWatch) -> None:
    market = ScriptedMarket([(50.0, 50.02), (None, 50.12), (None, None)])
    async with SimulatorServer(SimulatedExchange(market), paced=False) as server:
        ib = await connect(server)
        ticker = ib.reqMktData(STOCK)
        await eventually(lambda: ticker.bid == 50.0)
        server.step()
        await eventually(lambda: ticker.ask == 50.12)
        assert (ticker.bid, ticker.bidSize) == (-1, 0)
        server.step()
        await eventually(lambda: ticker.ask == -1)
        ib.disconnect()
