"""An `IbVenue` over the real ib_async, connected by a socket to a simulator whose market stands until stepped."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
import pytest

from config.schema import Daemon, Ib, Leg, Profile, Simulator, Underlying
from daemon.core.effects import PlaceOrder
from daemon.core.events import AnyEvent, Link, Side
from daemon.simulator.server import SimulatorServer
from daemon.venues.ib.connection import Backoff
from daemon.venues.ib.venue import IbVenue
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import OpeningPosition, OrderTicket
from tests.support.ib_errors import IbErrorWatch, ib_errors
from tests.support.scripted_market import CALL, OPEN_US, ScriptedMarket

__all__ = ["ib_errors"]

PREFIX = "desk.ab12."
PRICES = [(50.00, 50.02), (50.10, 50.12), (50.20, 50.22), (50.30, 50.32), (50.40, 50.42)]
FOREIGN = OrderTicket(
    client_id=0, order_id=5, instrument="ABC", side="SELL", quantity=10, order_type="LMT", limit_price=99.0, tif="GTC"
)
E = TypeVar("E")


def make_profile(**changes: Any) -> Profile:
    profile = Profile(
        name="test",
        underlying=Underlying(symbol="ABC"),
        legs=(Leg(right="call", strike=50.0, expiry="2014-06-21"),),
        ib=Ib(client_id=3, connect_timeout=2.0),
        daemon=Daemon(probe_timeout_s=0.3),
        simulator=Simulator(account="DU0000042"),
    )
    return msgspec.structs.replace(profile, **changes)


def make_exchange(times_us: list[int] | None = None) -> SimulatedExchange:
    prices = PRICES if times_us is None else PRICES[: len(times_us)]
    return SimulatedExchange(
        ScriptedMarket(prices, times_us=times_us),
        account="DU0000042",
        cash_usd=100_000.0,
        positions=[
            OpeningPosition(instrument=CALL.instrument, quantity=10, average_price=2.0),
            OpeningPosition(instrument="ABC", quantity=7, average_price=49.0),
        ],
        foreign_orders=[FOREIGN],
        partial_fill_shares=40,
    )


class StampClock:
    """The market clock: its time is the newest stamp."""

    def __init__(self, start_us: int = OPEN_US) -> None:
        self.us = start_us
        self.stamps: list[int] = []
        self.stands = False

    def now_us(self) -> int:
        return self.us

    def market_stamp(self, stamp_us: int) -> None:
        self.stamps.append(stamp_us)
        if not self.stands:
            self.us = max(self.us, stamp_us)

    def stand_at(self, us: int) -> None:
        """Stamps move it no more."""
        self.us, self.stands = us, True


class Heard:
    """Everything the venue told, in order."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def __call__(self, event: AnyEvent) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def states(self) -> list[str]:
        return [link.state for link in self.of(Link)]

    async def until(self, condition: Callable[[], object], *, timeout_s: float = 5.0) -> None:
        async with asyncio.timeout(timeout_s):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.002)

    async def synced(self, times: int = 1) -> None:
        await self.until(lambda: self.states.count("SYNCED") >= times)


class Running:
    """A venue with its task, its clock and what it told."""

    def __init__(self, port: int, profile: Profile | None = None) -> None:
        self.clock = StampClock()
        self.heard = Heard()
        self.venue = IbVenue(
            make_profile() if profile is None else profile,
            self.clock,
            lambda: PREFIX,
            port=port,
            backoff=Backoff(random.Random(7), first_s=0.02, last_s=0.05),
        )
        self.task = asyncio.create_task(self.venue.run(self.heard))

    @property
    def session(self) -> Any:
        session = self.venue._session
        assert session is not None
        return session

    async def stop(self) -> None:
        await self.venue.close()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def failure(self) -> BaseException:
        """What `run` raises."""
        done, _pending = await asyncio.wait({self.task}, timeout=5)
        assert done, f"still running: {self.heard.of(Link)}"
        error = self.task.exception()
        assert error is not None
        return error


def order(number: int, side: Side = "BUY", quantity: float = 30, **changes: Any) -> PlaceOrder:
    return PlaceOrder(
        order_ref=f"{PREFIX}{number}",
        intent_id=f"run-{number}",
        instrument="ABC",
        side=side,
        quantity=quantity,
        **changes,
    )


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    async with SimulatorServer(make_exchange(), paced=False) as running:
        yield running


@pytest.fixture
async def running(server: SimulatorServer, ib_errors: IbErrorWatch) -> AsyncIterator[Running]:
    """A synchronised venue; errors that ib_async logs fail the test."""
    desk = Running(server.port)
    await desk.heard.synced()
    yield desk
    await desk.stop()
