"""Faults of market data and contracts, as the real ib_async takes them in."""

import math

import pytest
from ib_async import IB, Contract, Option, Stock

from daemon.simulator.faults import (
    BadGreeks,
    BadTicks,
    Broadcast,
    ConfuseContract,
    DelayedData,
    ForgetSubscriptions,
    FreezeQuotes,
    Halt,
    RefuseMarketData,
)
from daemon.simulator.server import SimulatorServer
from daemon.venues.simulated.exchange import SimulatedExchange
from tests.simulator.conftest import connect, eventually
from tests.support.ib_errors import IbErrorWatch
from tests.support.scripted_market import CLOSE_US, DAY_US, OPEN_US, ScriptedMarket

STOCK = Stock("ABC", "SMART", "USD", conId=11)
CALL = Option("ABC", "20140621", 50.0, "C", "SMART", "100", "USD", conId=12)


@pytest.mark.parametrize(
    ("fault", "bid", "ask"),
    [
        (BadTicks(swap=True), 50.02, 50.00),
        (BadTicks(bid=-1, ask=-1), -1.0, -1.0),
        (BadTicks(bid=0.0), 0.0, 50.02),
        (BadTicks(ask=199_999.99), 50.00, 199_999.99),
    ],
    ids=["crossed", "minus one", "zero", "absurd"],
)
async def test_bad_prices_reach_the_client_as_they_are(
    ib: IB, server: SimulatorServer, fault: BadTicks, bid: float, ask: float
) -> None:
    server.faults.add(fault)
    ticker = ib.reqMktData(STOCK)
    await eventually(lambda: (ticker.bid, ticker.ask) == (bid, ask))
    quote = server.exchange.quote("ABC")
    assert quote is not None
    assert (quote.bid, quote.ask) == (50.00, 50.02)


async def test_a_price_that_is_no_number(ib: IB, server: SimulatorServer) -> None:
    ticker = ib.reqMktData(STOCK)
    await eventually(lambda: ticker.bid == 50.00)
    server.faults.add(BadTicks(instruments=("ABC",), bid="NaN"))
    server.step()
    await eventually(lambda: math.isnan(ticker.bid) and ticker.ask == 50.12)


@pytest.mark.parametrize("data_type", [3, 4])
async def test_delayed_data_has_its_own_numbers_and_says_so(ib: IB, server: SimulatorServer, data_type: int) -> None:
    server.faults.add(DelayedData(data_type=data_type, count=1))  # type: ignore[arg-type]
    ticker = ib.reqMktData(STOCK)
    await eventually(lambda: ticker.bid == 50.00)
    assert ticker.marketDataType == data_type
    server.step()
    await eventually(lambda: ticker.bid == 50.10)
    assert ticker.marketDataType == 1


@pytest.mark.parametrize("how", ["sentinels", "missing", "nan"])
async def test_greeks_that_are_none(ib: IB, server: SimulatorServer, how: str) -> None:
    server.faults.add(BadGreeks(how=how))  # type: ignore[arg-type]
    ticker = ib.reqMktData(CALL)
    await eventually(lambda: ticker.bid == 2.0 and ticker.askGreeks is not None)
    await ib.reqCurrentTimeAsync()
    if how == "missing":
        assert ticker.modelGreeks is None
        return
    assert ticker.modelGreeks is not None
    assert ticker.modelGreeks.vega == -2.0 if how == "sentinels" else math.isnan(ticker.modelGreeks.vega or 0.0)


async def test_data_can_be_refused(ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("Error 354")
    server.faults.add(RefuseMarketData(instruments=("ABC",), count=1))
    codes: list[int] = []
    ib.errorEvent += lambda _req, code, _text, _contract: codes.append(code)
    ib.reqMktData(STOCK)
    await eventually(lambda: codes == [354])
    assert server.gateway.sessions[0].market_data == {}


async def test_a_contract_can_be_unknown_or_found_twice(
    ib: IB, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect("Error 200|Ambiguous contract|Unknown contract")
    server.faults.add(ConfuseContract(instruments=("ABC",), how="unknown", count=1))
    server.faults.add(ConfuseContract(instruments=("ABC",), how="ambiguous", after=1))
    wanted = Contract(secType="STK", symbol="ABC", exchange="SMART", currency="USD")
    assert await ib.reqContractDetailsAsync(wanted) == []
    found = await ib.reqContractDetailsAsync(wanted)
    assert len({details.contract.conId for details in found if details.contract}) == 2


async def test_a_halt_is_told_and_stops_trading(ib: IB, server: SimulatorServer) -> None:
    ticker = ib.reqMktData(STOCK)
    await eventually(lambda: ticker.bid == 50.00)
    server.act(Halt(instruments=("ABC",)))
    await eventually(lambda: ticker.halted == 1.0)
    later = await connect(server, client_id=2)
    newcomer = later.reqMktData(STOCK)
    await eventually(lambda: newcomer.halted == 1.0)
    server.act(Halt(halted=False))
    await eventually(lambda: ticker.halted == newcomer.halted == 0.0)
    later.disconnect()


async def test_a_dead_farm_still_says_what_it_knew(ib: IB, server: SimulatorServer) -> None:
    ticker = ib.reqMktData(STOCK)
    await eventually(lambda: ticker.bid == 50.00)
    stamp = ticker.lastTimestamp
    server.faults.add(FreezeQuotes(instruments=("ABC",)))
    server.step()
    ib.cancelMktData(STOCK)
    renewed = ib.reqMktData(STOCK)
    await eventually(lambda: renewed.bid == 50.00)
    assert renewed.lastTimestamp == stamp
    server.faults.clear()
    server.step()
    await eventually(lambda: renewed.bid == 50.20)


async def test_subscriptions_can_be_forgotten_behind_a_notice_that_all_is_well(ib: IB, server: SimulatorServer) -> None:
    codes: list[int] = []
    ib.errorEvent += lambda _req, code, _text, _contract: codes.append(code)
    ticker = ib.reqMktData(STOCK)
    await eventually(lambda: ticker.bid == 50.00)
    server.act(ForgetSubscriptions())
    server.act(Broadcast(code=2103))
    server.act(Broadcast(code=2104))
    server.step()
    await eventually(lambda: codes == [2103, 2104])
    await ib.reqCurrentTimeAsync()
    assert ticker.bid == 50.00


async def test_the_close_of_the_session_before_is_told_on_subscription(ib_errors: IbErrorWatch) -> None:
    days = [OPEN_US + 60_000_000, CLOSE_US, OPEN_US + 3 * DAY_US + 60_000_000]
    market = ScriptedMarket([(50.0, 50.02), (52.0, 52.10), (53.0, 53.02)], times_us=days)
    async with SimulatorServer(SimulatedExchange(market), paced=False) as server:
        server.step()
        server.step()
        ib = await connect(server)
        ticker = ib.reqMktData(STOCK)
        await eventually(lambda: ticker.close == 52.05)
        ib.disconnect()
