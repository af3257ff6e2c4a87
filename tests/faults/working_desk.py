"""A desk at work in one event loop: the simulator behind its socket, and the real daemon with the real ib_async.

What the command's composition root puts together is put together here, with three things injected: the machine's
clock (`Machine`), so that a test may put it to sleep or let it jump; the speed of the core's own timers, so that half
a minute of patience costs a second or two; and the first waits of the reconnects. Everything else is what trades:
journal, tape, snapshot, control folder, locks and log are real files, the wire is a real socket.

    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.faults.add(Mute(request="reqCurrentTime"))
        await desk.until("a reconnect", lambda: desk.connections == 2)

Leaving the block stops the daemon by its control file, expects exit 0 and asserts the invariants of the design over
what it left: journal, tape and log on one side, the exchange's own book and the wire's transcript on the other.
"""

import asyncio
import contextlib
import json
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import structlog

from config.loader import PROFILES_DIR, load_profile
from config.schema import Profile
from daemon.core.book import Book
from daemon.core.events import AnyEvent, LinkState
from daemon.core.step import Core
from daemon.runtime.clocks import WallClock
from daemon.runtime.locks import Locks, client_lock_path, desk_lock_path
from daemon.runtime.logging_setup import set_up_logging
from daemon.runtime.recovery import open_journal
from daemon.runtime.run import Daemon
from daemon.simulator.faults import FaultScript
from daemon.simulator.server import SimulatorServer
from daemon.simulator.transcript import Transcript
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.ib.connection import Backoff
from daemon.venues.ib.venue import IbVenue
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import ExchangeEvent, OpeningPosition, OrderTicket, SimExecution
from state.control import read_control
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.light import Light, light
from state.records import JournalLine, JournalType, Snapshot
from state.snapshot import read_snapshot
from state.times import us_from_iso
from tests.support.invariants import assert_invariants, ib_async_errors
from tests.support.live_market import LiveMarket
from tests.support.system import free_port

MONDAY_US = us_from_iso("2026-01-05T15:30:00Z")
"""An hour into a full session."""
BEAT_S = 0.05
"""How often the market repeats its standing quotes."""
PATIENCE_S = 20.0
FILLS = (JournalType.FILL, JournalType.PARTIAL_FILL)
FAST = """
extends: demo
desk: desk
ib: {port: PORT, connect_timeout: 2}
daemon: {period_ms: 200, probe_every_s: 0.3, probe_timeout_s: 1}
storage: {min_free_mib: 0, slow_sync_ms: 60000}
execution: {session_edge_s: 0}
gates:
  state:
    market: {stale_ts_threshold_ms: 4000}
  intent:
    hedge: {cooldown_seconds: 0}
"""
"""Short deadlines; the hedges are the demo's."""


class Machine:
    """The machine that the daemon runs on, as far as its clocks go. The exchange lives by the same time."""

    def __init__(self, start_us: int = MONDAY_US) -> None:
        self._start_us = start_us
        self._began_ns = time.monotonic_ns()
        self._asleep_ns = 0
        self._step_us = 0

    def sleep(self, seconds: float) -> None:
        """Suspend and resume: time has passed, and no process noticed."""
        self._asleep_ns += round(seconds * 1e9)

    def step_wall(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self._step_us += round(seconds * 1e6)

    def advance_ns(self) -> int:
        """A clock that goes on while the machine sleeps."""
        return time.monotonic_ns() - self._began_ns + self._asleep_ns

    def wall_us(self) -> int:
        """What the machine takes for the time of day."""
        return self.true_us() + self._step_us

    def true_us(self) -> int:
        """What the exchange takes for it."""
        return self._start_us + self.advance_ns() // 1000


class WorkingDesk:
    """One simulated account and one desk on it. The one rule: use it through `working_desk`."""

    def __init__(
        self,
        root: Path,
        *,
        more: str = "",
        start_us: int = MONDAY_US,
        timer_speed: float = 10.0,
        positions: Iterable[tuple[str, float]] = (),
        foreign_orders: Iterable[OrderTicket] = (),
        partial_fill_shares: float | None = None,
        contracts: int = 10,
    ) -> None:
        """`more` is YAML laid over the fast profile; `positions` are (instrument, quantity) beside the straddles."""
        self.root = root
        self.port = free_port()
        self.profile = _profile(root, more, self.port)
        self.paths = DeskPaths(root / "var", self.profile.desk_name)
        self.machine = Machine(start_us)
        self.market = LiveMarket(self.profile.underlying.symbol, self.profile.legs, now_us=self.machine.true_us)
        self.symbol = self.market.stock.instrument
        held = [(option.instrument, float(contracts)) for option in self.market.options if contracts]
        self.exchange = SimulatedExchange(
            self.market,
            positions=[OpeningPosition(instrument=name, quantity=held) for name, held in (*held, *positions)],
            foreign_orders=foreign_orders,
            partial_fill_shares=partial_fill_shares,
        )
        self.transcript = Transcript()
        self.server: SimulatorServer | None = None
        self.daemon: Daemon | None = None
        self.beats = True
        self.expected_exit: int | None = 0
        self.allowed: tuple[str, ...] = ()
        """What ib_async may say at ERROR in this scenario, by its beginning."""
        self._faults = FaultScript()
        self._timer_speed = timer_speed
        self._runs = 0
        self._serving: asyncio.Task[int] | None = None
        self._locks = Locks()
        self._close_log: Callable[[], None] = lambda: None
        self._beating: asyncio.Task[None] | None = None

    # --- the parts -------------------------------------------------------------------------------
    async def open_gateway(self) -> SimulatorServer:
        """Let the gateway listen; the account behind it is the same every time."""
        server = SimulatorServer(self.exchange, port=self.port, paced=False, transcript=self.transcript)
        server.faults = server.gateway.faults = self._faults
        self.server = await server.__aenter__()
        return self.server

    async def close_gateway(self) -> None:
        """The gateway ends: nobody listens, every connection is closed."""
        if self.server is not None:
            server, self.server = self.server, None
            await server.__aexit__(None, None, None)

    async def start_daemon(self) -> None:
        """As `bifrost daemon` does. Raises what the start refuses."""
        self._runs += 1
        run_id = f"run-{self._runs}"
        self.paths.create()
        self._locks = Locks()
        self._locks.take(desk_lock_path(self.paths.folder), "desk")
        self._locks.take(client_lock_path("127.0.0.1", self.port, self.profile.ib.client_id), "client")
        self._close_log = set_up_logging(self.paths.logs / "daemon.jsonl", run_id=run_id, process="daemon")
        self.daemon = Daemon(
            profile=self.profile,
            profile_hash="test",
            version="test",
            paths=self.paths,
            core=Core(self.profile, GammaScalper(self.profile)),
            clock=WallClock(wall=self.machine.wall_us, advance_ns=self.machine.advance_ns),
            locks=self._locks,
            desk=open_journal(self.paths),
            run_id=run_id,
            flatten_only=False,
            timer_speed=self._timer_speed,
        )
        self._serving = asyncio.create_task(self.daemon.serve(self._venue), name="daemon")
        await asyncio.sleep(0)  # its first turn wires its parts

    def _venue(self, clock: Any, own_prefix: Callable[[], str]) -> IbVenue:
        backoff = Backoff(random.Random(7), first_s=0.05, last_s=0.2)
        return IbVenue(self.profile, clock, own_prefix, backoff=backoff)

    async def daemon_end(self) -> int:
        """Wait for the daemon to end by itself; its exit code."""
        assert self._serving is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.shield(self._serving)
        finally:
            self._let_go()

    async def stop_daemon(self) -> int:
        """Touch `stop`, wait for the end, take the file away again; the exit code."""
        self.touch("stop")
        code = await self.daemon_end()
        self.release("stop")
        return code

    def _let_go(self) -> None:
        self._serving = None
        self._locks.release_all()
        self._close_log()
        structlog.reset_defaults()

    async def open(self) -> None:
        """Gateway, market and daemon."""
        await self.open_gateway()
        self._beating = asyncio.create_task(self._beat(), name="market")
        await self.start_daemon()

    async def close(self) -> None:
        """Stop what runs. Fails when the daemon does not end as the scenario expects."""
        try:
            if self._serving is not None:
                code = await self.stop_daemon()
                assert self.expected_exit in (None, code), f"the daemon ended with {code}"
        finally:
            if self._serving is not None:
                self._serving.cancel()
                await asyncio.gather(self._serving, return_exceptions=True)
                self._let_go()
            if self._beating is not None:
                self._beating.cancel()
                await asyncio.gather(self._beating, return_exceptions=True)
            await self.close_gateway()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            if self.beats and self.server is not None:
                self.server.step()

    # --- what the test does ----------------------------------------------------------------------
    @property
    def faults(self) -> FaultScript:
        """The faults in force; they outlive a gateway that is closed and opened."""
        return self._faults

    @property
    def gateway(self) -> SimulatorServer:
        """The listening gateway."""
        assert self.server is not None
        return self.server

    def move(self, usd: float) -> None:
        """The stock's price moves; told with the next beat."""
        self.market.price = round(self.market.price + usd, 2)

    def touch(self, name: str, content: str = "") -> Path:
        """Assert a command by its file."""
        path = self.paths.control / name
        path.write_text(content)
        return path

    def release(self, name: str) -> None:
        """Take a command back."""
        (self.paths.control / name).unlink(missing_ok=True)

    def trade_by_hand(self, instrument: str, side: Literal["BUY", "SELL"], quantity: float) -> None:
        """The operator's own TWS, client 0."""
        self.gateway.trade_by_hand(instrument, side, quantity)

    def publish(self, events: Iterable[ExchangeEvent]) -> None:
        """Tell every client what the exchange itself has done."""
        self.gateway.gateway.publish(events)

    # --- waiting ---------------------------------------------------------------------------------
    async def until(self, what: str, condition: Callable[[], Any], *, timeout_s: float = PATIENCE_S) -> Any:
        """Wait for a condition and give its value; fails at once when the daemon ends meanwhile."""
        end = time.monotonic() + timeout_s
        while not (value := condition()):
            if self._serving is not None and self._serving.done():
                raise AssertionError(f"the daemon ended, waiting for {what}: {self._serving!r}")
            if time.monotonic() > end:
                raise AssertionError(f"waited {timeout_s:g} s for {what}; {self.story()}")
            await asyncio.sleep(0.01)
        return value

    async def for_a_while(self, seconds: float) -> None:
        """Give what must not happen the time to happen."""
        await asyncio.sleep(seconds)

    async def synced(self) -> None:
        """Reconciled, with prices."""
        await self.until("SYNCED", lambda: self.link == "SYNCED" and self.book.quote() is not None)

    async def hedged(self, *, beyond: int = 0) -> int:
        """Wait until net delta is in band, nothing works, and more than `beyond` orders were placed; their number."""
        await self.until("the hedge", lambda: len(self.placed()) > beyond and self._at_rest())
        return len(self.placed())

    def _at_rest(self) -> bool:
        book = self.book
        delta = self.net_delta()
        settled = all(fill.commission_usd is not None for fill in book.ledger.fills.values())
        limit = self.profile.gates.state.delta.threshold_hedge_shares
        return delta is not None and abs(delta) < limit and not book.in_flight() and settled and self.link == "SYNCED"

    # --- what is ---------------------------------------------------------------------------------
    @property
    def book(self) -> Book:
        """The core's book, for conditions; what is asserted is asserted on files and at the exchange."""
        assert self.daemon is not None
        return self.daemon._engine.book

    @property
    def link(self) -> LinkState:
        return self.book.link.state

    @property
    def connections(self) -> int:
        """How many times a client has logged on."""
        return len(self.transcript.requests("startApi"))

    def net_delta(self) -> float | None:
        """Of options and own shares, by the strategy."""
        assert self.daemon is not None
        strategy = self.daemon._core.strategy
        option = strategy.option_delta_shares(self.book.strategy, self.book)
        return None if option is None else option + self.book.ledger.own_shares

    def held(self, instrument: str | None = None) -> float:
        """The account's position, by the exchange."""
        return self.exchange.position(self.symbol if instrument is None else instrument).quantity

    def own_executions(self) -> list[SimExecution]:
        """Executions of this desk's orders, by the exchange."""
        return [each for each in self.exchange.executions() if each.ticket.order_ref.startswith("desk.")]

    def emit(self, event: AnyEvent) -> None:
        """Feed the daemon an event as a venue would."""
        assert self.daemon is not None
        self.daemon._engine.emit(event)

    def light(self) -> Light:
        """As the cockpit and `bifrost status` see it."""
        now_us = time.time_ns() // 1000  # noqa: TID251 - the reader's wall clock
        return light(self.snapshot(), read_control(self.paths.control, now_us), now_us)

    def reasons(self) -> set[str]:
        """The codes of every reason that the light has."""
        return {reason.code for reason in self.light().reasons}

    def story(self) -> str:
        """Where it stands, for a message."""
        if self.daemon is None:
            return "no daemon"
        last = [f"{line.type.value}:{line.status}:{line.reason}" for line in self.lines()[-8:]]
        return f"link {self.link} ({self.book.link.reason}), light {self.light().line}, journal ... {last}"

    # --- what it left (tests.support.invariants.Scenario) -----------------------------------------
    def snapshot(self) -> Snapshot | None:
        """The newest snapshot."""
        return read_snapshot(self.paths.snapshot).snapshot

    def lines(self) -> list[JournalLine]:
        """The whole journal."""
        return list(read_journal(self.paths.journal)) if self.paths.journal.exists() else []

    def of(self, *types: JournalType) -> list[JournalLine]:
        """The journal's lines of these types."""
        return [line for line in self.lines() if line.type in types]

    def requests(self) -> list[dict[str, Any]]:
        """What the gateway heard, in order."""
        return [
            {"request": each.request, "values": each.values, "client_id": each.client_id}
            for each in self.transcript.entries
        ]

    def placed(self) -> list[str]:
        """orderRef of every placeOrder that reached the gateway."""
        return [each.values["order_ref"] for each in self.transcript.requests("placeOrder")]

    def venue_book(self) -> dict[str, Any] | None:
        """The exchange's own book as it would be saved."""
        saved: dict[str, Any] = json.loads(json.dumps(self.exchange.save()))
        return saved

    def ib_async_errors(self) -> list[str]:
        """What ib_async logged as an error, but for what the scenario allows."""
        return [each for each in ib_async_errors(self.paths) if not each.startswith(self.allowed or ("\0",))]


def _profile(root: Path, more: str, port: int) -> Profile:
    """`more` over the fast profile over the shipped demo, by the product's own loader."""
    folder = root / "profiles"
    folder.mkdir(exist_ok=True)
    shutil.copy(PROFILES_DIR / "demo.yaml", folder)
    (folder / "fast.yaml").write_text(FAST.replace("PORT", str(port)))
    (folder / "desk.yaml").write_text(f"extends: fast\n{more}")
    return load_profile("desk", profiles_dir=folder).profile


@contextlib.asynccontextmanager
async def working_desk(root: Path, **options: Any) -> AsyncIterator[WorkingDesk]:
    """A running desk; afterwards stopped and judged by the invariants."""
    desk = WorkingDesk(root, **options)
    try:
        await desk.open()
        yield desk
    except BaseException:
        desk.expected_exit = None
        with contextlib.suppress(Exception):
            await desk.close()
        raise
    await desk.close()
    assert_invariants(desk, stale_ms=desk.profile.gates.state.market.stale_ts_threshold_ms)
