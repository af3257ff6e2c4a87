"""The market's pace: speed, lock-step with the probe, holding, and the end of a replay."""

import asyncio
from pathlib import Path

from ib_async import IB, MarketOrder, Stock

from daemon.simulator.persistence import BookStore
from daemon.simulator.server import SimulatorServer
from daemon.venues.simulated.exchange import SimulatedExchange
from tests.simulator.conftest import connect, eventually
from tests.support.ib_errors import IbErrorWatch
from tests.support.scripted_market import OPEN_US, ScriptedMarket

STOCK = Stock("ABC", "SMART", "USD", conId=11)
MINUTE_US = 60_000_000


def day(steps: int) -> SimulatedExchange:
    return SimulatedExchange(ScriptedMarket([(50 + n / 10, 50.02 + n / 10) for n in range(steps)]), cash_usd=1e6)


def at(server: SimulatorServer) -> int:
    """Which step the market stands at, the first is 1."""
    return (server.exchange.now_us - OPEN_US) // MINUTE_US


async def test_a_synthetic_market_keeps_the_pace_and_waits_for_nobody() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with SimulatorServer(day(5), speed=60 / 0.02) as server:
        await eventually(lambda: server.pacer.is_finished)
    # one second of market time before the second step, a minute before each of the others
    assert 0.055 <= loop.time() - began < 1.0
    assert at(server) == 5


async def test_one_probe_is_one_step(ib_errors: IbErrorWatch) -> None:
    async with SimulatorServer(day(50), speed=1e9, lock_step=True, probe_wait_s=30.0) as server:
        await asyncio.sleep(0.02)
        assert at(server) == 1, "it holds while nobody subscribes"
        ib = await connect(server)
        ticker = ib.reqMktData(STOCK)
        await eventually(lambda: ticker.bid == 50.0)
        for step in range(2, 20):
            await ib.reqCurrentTimeAsync()
            await eventually(lambda step=step: at(server) == step and ticker.bid == 50 + (step - 1) / 10)
            await asyncio.sleep(0.001)
            assert at(server) == step
        assert server.pacer.unprobed_steps == 0
        ib.disconnect()
        await eventually(lambda: not server.gateway.sessions)
        held_at = at(server)
        await asyncio.sleep(0.02)
        assert at(server) == held_at, "it holds again when the last subscriber is gone"


async def test_an_order_before_the_probe_is_filled_before_the_step(ib_errors: IbErrorWatch) -> None:
    """Orders come before the probe on the wire; after the fills another stamp asks for another probe."""
    async with SimulatorServer(day(50), speed=1e9, lock_step=True, probe_wait_s=30.0) as server:
        ib = await connect(server)
        ticker = ib.reqMktData(STOCK)
        await eventually(lambda: ticker.bid == 50.0)
        stamps: list[int] = []
        ib.wrapper.tickString = lambda _req, _kind, value: stamps.append(int(value))
        trade = ib.placeOrder(STOCK, MarketOrder("BUY", 10))
        await ib.reqCurrentTimeAsync()
        await eventually(lambda: trade.orderStatus.status == "Filled" and len(stamps) == 1)
        assert at(server) == 1
        assert trade.fills[0].execution.price == 50.02
        assert stamps == [server.exchange.now_us // 1_000_000]
        await ib.reqCurrentTimeAsync()
        await eventually(lambda: at(server) == 2)
        ib.disconnect()


async def test_a_silent_subscriber_is_not_waited_for_for_ever(ib_errors: IbErrorWatch) -> None:
    async with SimulatorServer(day(4), speed=1e9, lock_step=True, probe_wait_s=0.03) as server:
        ib = await connect(server)
        ib.reqMktData(STOCK)
        await eventually(lambda: server.pacer.is_finished)
        assert server.pacer.unprobed_steps == 4
        ib.disconnect()


async def test_two_listeners_are_both_waited_for(ib_errors: IbErrorWatch) -> None:
    async with SimulatorServer(day(9), speed=1e9, lock_step=True, probe_wait_s=30.0) as server:
        first, second = await connect(server, client_id=1), await connect(server, client_id=2)
        first.reqMktData(STOCK)
        second.reqMktData(STOCK)
        await eventually(lambda: all(session.owes_probe for session in server.gateway.sessions))
        await first.reqCurrentTimeAsync()
        await asyncio.sleep(0.02)
        assert at(server) == 1
        await second.reqCurrentTimeAsync()
        await eventually(lambda: at(server) == 2)
        first.disconnect()
        second.disconnect()


async def test_the_end_of_a_replay_is_marked_and_the_gateway_stays(tmp_path: Path, ib_errors: IbErrorWatch) -> None:
    store = BookStore(tmp_path, "scripted")
    async with SimulatorServer(day(3), speed=1e9, store=store) as server:
        await eventually((tmp_path / "finished").exists)
        ib: IB = await connect(server)
        assert ib.isConnected()
        ib.disconnect()
    assert (tmp_path / "finished").read_text() == "2014-06-06T13:33:00.000000Z\n"
