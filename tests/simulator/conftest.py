"""A simulator over a scripted market, and the real ib_async connected to it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from ib_async import IB

from daemon.simulator.codec import SERVER_VERSION
from daemon.simulator.server import SimulatorServer
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import OpeningPosition, OrderTicket
from tests.support.ib_errors import IbErrorWatch, ib_errors
from tests.support.scripted_market import CALL, ScriptedMarket

__all__ = ["ib_errors"]

PRICES = [(50.00, 50.02), (50.10, 50.12), (50.20, 50.22), (50.30, 50.32), (50.40, 50.42)]
FOREIGN = OrderTicket(
    client_id=0, order_id=5, instrument="ABC", side="SELL", quantity=10, order_type="LMT", limit_price=99.0, tif="GTC"
)


def make_exchange(*, partial_fill_shares: float | None = None) -> SimulatedExchange:
    return SimulatedExchange(
        ScriptedMarket(PRICES),
        account="DU0000042",
        cash_usd=100_000.0,
        positions=[
            OpeningPosition(instrument=CALL.instrument, quantity=10, average_price=2.0),
            OpeningPosition(instrument="ABC", quantity=7, average_price=49.0),
        ],
        foreign_orders=[FOREIGN],
        partial_fill_shares=partial_fill_shares,
    )


@pytest.fixture
def server_version() -> int:
    """A module may parametrise it: `pytestmark = pytest.mark.parametrize("server_version", [176, 178])`."""
    return SERVER_VERSION


@pytest.fixture
async def server(server_version: int) -> AsyncIterator[SimulatorServer]:
    exchange = make_exchange(partial_fill_shares=40)
    async with SimulatorServer(exchange, paced=False, server_version=server_version) as running:
        yield running


async def connect(server: SimulatorServer, client_id: int = 1, *, timeout_s: float = 5.0) -> IB:
    ib = IB()
    await ib.connectAsync("127.0.0.1", server.port, clientId=client_id, timeout=timeout_s, raiseSyncErrors=True)
    return ib


@pytest.fixture
async def ib(server: SimulatorServer, ib_errors: IbErrorWatch) -> AsyncIterator[IB]:
    client = await connect(server)
    yield client
    client.disconnect()
    await asyncio.sleep(0)


async def eventually(condition: Callable[[], object], *, timeout_s: float = 5.0) -> None:
    """Wait until the condition holds; the loop's clock bounds it."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the conditions are other people's state, nothing signals them
            await asyncio.sleep(0.002)
