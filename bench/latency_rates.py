"""Two figures without a peer: messages a second that the simulator sends, and quotes a second that the core takes."""

import asyncio
import multiprocessing
import socket
import struct
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from bench.latency_desk import PROFILE
from bench.latency_market import (
    CALL,
    CLOSE_US,
    LAST_TRADE_US,
    OPEN_US,
    RATE,
    START_DATE,
    STOCK,
    STRIKE,
    VOLATILITY,
    SwingMarket,
)
from config.loader import load_profile
from daemon.core.black_scholes import delta, years_between
from daemon.core.book import Book
from daemon.core.events import (
    AccountReported,
    AnyEvent,
    BrokerReport,
    Control,
    Instruments,
    Link,
    PositionItem,
    Quote,
    Session,
    Sessions,
)
from daemon.core.instruments import InstrumentSpec
from daemon.core.ledger import Ledger
from daemon.core.link_fsm import LinkState
from daemon.core.recovery import Recovered
from daemon.core.step import Core
from daemon.simulator.server import SimulatorServer
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.simulated.exchange import SimulatedExchange

_HEADER = struct.Struct(">I")
_CONTRACT = "\0{0.con_id}\0{0.symbol}\0{1}\0{2}\0{3}\0{4}\0{5}\0SMART\0\0USD\0\0\0"


# --- the simulator -------------------------------------------------------------------------------------------------


def simulator_messages_per_s(seconds: float) -> float:
    """Frames a second that one client on another core receives from a market stepped as fast as it goes."""
    return asyncio.run(_flood(seconds))


async def _flood(seconds: float) -> float:
    ours, theirs = multiprocessing.Pipe()
    async with SimulatorServer(SimulatedExchange(SwingMarket()), paced=False) as server:
        reader = multiprocessing.get_context("spawn").Process(target=_count_frames, args=(server.port, theirs))
        reader.start()
        while not [each for each in server.gateway.sessions if len(each.market_data) == 2]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for _ in range(20):
                server.step()
            await asyncio.sleep(0)
        server.drop_all("fin")
        frames, took_s = await asyncio.to_thread(ours.recv)
        await asyncio.to_thread(reader.join)
    return float(frames / took_s)


def _count_frames(port: int, answer: "Connection[tuple[int, float], None]") -> None:
    """The client: subscribe to both instruments, then count what comes until the socket ends."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"API\0" + _framed("v157..178"))
        sock.recv(200)
        sock.sendall(_framed("71\x002\x005\x00\x00"))
        for req_id, contract in ((1, STOCK), (2, CALL)):
            words = ("STK", "", "0.0", "", "") if contract is STOCK else ("OPT", "20260619", "100.0", "C", "100")
            sock.sendall(
                _framed(f"1\x0011\x00{req_id}" + _CONTRACT.format(contract, *words) + "0\x00\x000\x000\x00\x00")
            )
        frames, rest, started = 0, b"", 0.0
        while chunk := sock.recv(1 << 20):
            started = started or time.perf_counter()
            data = rest + chunk
            place = 0
            while len(data) - place >= 4 and len(data) - place - 4 >= (size := _HEADER.unpack_from(data, place)[0]):
                place += 4 + size
                frames += 1
            rest = data[place:]
        answer.send((frames, time.perf_counter() - started))


def _framed(text: str) -> bytes:
    payload = text.encode()
    return _HEADER.pack(len(payload)) + payload


# --- the core ------------------------------------------------------------------------------------------------------


def core_quotes_per_s(quotes: int) -> float:
    """Quotes a second through `step` of a synchronised desk with one leg, none of which asks for a hedge."""
    core, book = synchronised_desk()
    events = [
        Quote(
            ts_us=OPEN_US + 120_000_000 + number * 1000,
            instrument=STOCK.instrument,
            bid=100.0 + number % 3 * 0.01,
            ask=100.02 + number % 3 * 0.01,
            last=100.01,
        )
        for number in range(quotes)
    ]
    started = time.perf_counter()
    for event in events:
        book, _ = core.step(book, event)
    if book.orders:
        raise RuntimeError("a quote asked for a hedge: this is not the path to measure")
    return quotes / (time.perf_counter() - started)


def synchronised_desk() -> tuple[Core, Book]:
    """A core whose ten calls are hedged, connected, with nothing left to decide."""
    with tempfile.TemporaryDirectory(prefix="bench-core-") as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(PROFILE.replace("PORT", "4001").replace("epsilon_band: 2,", "epsilon_band: 4,"))
        profile = load_profile(str(path)).profile
    core = Core(profile, GammaScalper(profile))
    now_us = OPEN_US + 60_000_000
    hedged = -round(1000 * delta("C", 100.0, STRIKE, years_between(now_us, LAST_TRADE_US), RATE, VOLATILITY))
    ledger = Ledger(
        ledger_id="0",
        underlying=STOCK.instrument,
        own_shares=hedged,
        average_cost=100.0,
        foreign_acknowledged=0.0,
        leg_quantities={CALL.instrument: 10.0},
    )
    book = core.open(desk="bench", run_id="bench", recovered=Recovered(ledger=ledger), new_ledger_id="0", ts_us=now_us)
    for event in _awake(now_us, hedged):
        book, _ = core.step(book, event)
    return core, book


def _awake(now_us: int, hedged: float) -> tuple[AnyEvent, ...]:
    """What a venue tells until orders may leave, of an account whose ten calls are hedged."""
    stock = InstrumentSpec(
        instrument=STOCK.instrument,
        kind="stock",
        symbol=STOCK.symbol,
        currency="USD",
        venue_id=STOCK.con_id,
        price_tick=0.01,
        size_step=1.0,
        min_size=1.0,
    )
    option = InstrumentSpec(
        instrument=CALL.instrument,
        kind="option",
        symbol=CALL.symbol,
        currency="USD",
        venue_id=CALL.con_id,
        multiplier=CALL.multiplier,
        unit="contract",
        price_tick=0.01,
        size_step=1.0,
        min_size=1.0,
        right="C",
        strike=STRIKE,
        expiry=CALL.expiry,
        last_trade_ts_us=LAST_TRADE_US,
    )
    held = (
        PositionItem(instrument=CALL.instrument, quantity=10.0, average_cost_usd=1600.0, kind="option"),
        PositionItem(instrument=STOCK.instrument, quantity=hedged, average_cost_usd=100.0, kind="stock"),
    )
    return (
        Control(ts_us=now_us, files=()),
        Link(
            ts_us=now_us, state=LinkState.UP_UNSYNCED, reason="logged on", account="DU0000021", account_kind="simulated"
        ),
        Instruments(ts_us=now_us, specs=(stock, option)),
        Sessions(ts_us=now_us, sessions=(Session(date=START_DATE, open_us=OPEN_US, close_us=CLOSE_US),)),
        BrokerReport(
            ts_us=now_us,
            reason="connect",
            connection=1,
            positions=held,
            open_orders=(),
            executions=(),
            commissions=(),
        ),
        AccountReported(ts_us=now_us, values_usd={"NetLiquidation": 1_000_000.0}),
        Link(ts_us=now_us, state=LinkState.SYNCED, reason="synchronised"),
    )
