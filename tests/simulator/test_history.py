"""Historical bars, the schedule and the chain, as the real ib_async takes them in."""

from collections.abc import AsyncIterator

import pytest
from ib_async import IB, LimitOrder, MarketOrder, Stock

from daemon.simulator.server import SimulatorServer
from daemon.venues.simulated.exchange import SimulatedExchange
from tests.simulator.conftest import connect, eventually
from tests.support.ib_errors import IbErrorWatch
from tests.support.scripted_market import OPEN_US, ScriptedMarket

STOCK = Stock("ABC", "SMART", "USD", conId=11)
HALF_MINUTES = [OPEN_US + 30_000_000 * (index + 1) for index in range(8)]


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    prices = [(50.0 + index / 10, 50.02 + index / 10) for index in range(len(HALF_MINUTES))]
    market = ScriptedMarket(prices, times_us=HALF_MINUTES)
    async with SimulatorServer(SimulatedExchange(market), paced=False) as running:
        while running.step():
            pass
        yield running


async def test_minutes_are_the_quotes_that_the_market_showed(ib: IB) -> None:
    found = await ib.reqHistoricalDataAsync(
        STOCK, endDateTime="", durationStr="1 D", barSizeSetting="1 min", whatToShow="MIDPOINT", useRTH=True
    )
    assert [(bar.open, bar.high, bar.low, bar.close) for bar in found] == [
        pytest.approx((50.01 + k / 5, 50.11 + k / 5, 50.01 + k / 5, 50.11 + k / 5)) for k in range(4)
    ]
    assert found[0].date.timestamp() * 1e6 == OPEN_US
    bid = await ib.reqHistoricalDataAsync(
        STOCK, endDateTime="", durationStr="90 S", barSizeSetting="1 min", whatToShow="BID", useRTH=True
    )
    assert [bar.close for bar in bid] == [pytest.approx(50.7)]


@pytest.mark.parametrize(("size", "count"), [("2 mins", 2), ("1 hour", 1), ("1 day", 1)])
async def test_longer_bars_are_joined_minutes(ib: IB, size: str, count: int) -> None:
    found = await ib.reqHistoricalDataAsync(
        STOCK, endDateTime="", durationStr="1 D", barSizeSetting=size, whatToShow="ASK", useRTH=True
    )
    assert len(found) == count
    assert (found[0].open, found[-1].close) == (pytest.approx(50.02), pytest.approx(50.72))
    assert f"{found[0].date:%Y%m%d}" == "20140606"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (("20140605 10:00:00", "1 min", "MIDPOINT"), 162),
        (("", "5 secs", "MIDPOINT"), 321),
        (("", "1 min", "YIELD_BID"), 321),
        (("", "1 min", "TRADES"), 162),
    ],
)
async def test_what_is_not_known_is_an_error(
    ib: IB, ib_errors: IbErrorWatch, asked: tuple[str, str, str], code: int
) -> None:
    ib_errors.expect(f"Error {code}")
    codes: list[int] = []
    ib.errorEvent += lambda _req, found, _text, _contract: codes.append(found)
    end, size, kind = asked
    ib.client.reqHistoricalData(900, STOCK, end, "1 D", size, kind, 1, 1, keepUpToDate=False, chartOptions=[])
    await eventually(lambda: codes == [code])


async def test_the_schedule_tells_the_sessions(ib: IB) -> None:
    schedule = await ib.reqHistoricalScheduleAsync(STOCK, numDays=2, endDateTime="20140610 00:00:00 US/Eastern")
    assert schedule.timeZone == "US/Eastern"
    assert [(day.startDateTime, day.endDateTime, day.refDate) for day in schedule.sessions] == [
        ("20140609-09:30:00", "20140609-16:00:00", "20140609")
    ]


async def test_the_chain_lists_what_is_listed(ib: IB) -> None:
    (chain,) = await ib.reqSecDefOptParamsAsync("ABC", "", "STK", 11)
    assert (chain.exchange, chain.multiplier, chain.expirations, chain.strikes) == (
        "SMART",
        "100",
        ["20140621"],
        [50.0],
    )


@pytest.mark.parametrize("version", [176, 178])
async def test_both_server_versions_are_spoken(version: int, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("Error 202")
    market = ScriptedMarket([(50.0, 50.02)])
    async with SimulatorServer(SimulatedExchange(market), paced=False, server_version=version) as running:
        ib = await connect(running)
        assert ib.client.serverVersion() == version
        assert (await ib.whatIfOrderAsync(STOCK, MarketOrder("BUY", 5))).commission == 1.0
        trade = ib.placeOrder(STOCK, MarketOrder("BUY", 5, orderRef="d.l.1", algoStrategy=""))
        resting = ib.placeOrder(STOCK, LimitOrder("BUY", 5, 40.0, tif="DAY"))
        await eventually(lambda: trade.orderStatus.status == "Filled" and resting.orderStatus.status == "Submitted")
        resting.order.lmtPrice = 41.0
        ib.placeOrder(STOCK, resting.order)
        await eventually(lambda: running.exchange.open_orders()[0].ticket.limit_price == 41.0)
        ib.cancelOrder(resting.order)
        await eventually(lambda: resting.orderStatus.status == "Cancelled")
        other = await connect(running, client_id=2)
        assert {done.order.orderRef: done.orderStatus.status for done in other.trades()} == {
            "d.l.1": "Filled",
            "": "Cancelled",
        }
        assert [fill.execution.orderRef for fill in other.fills()] == ["d.l.1"]
        other.disconnect()
        ib.disconnect()
