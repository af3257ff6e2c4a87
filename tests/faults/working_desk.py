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
from typing import Any

import structlog

from config.loader import PROFILES_DIR, load_profile
from config.schema import Leg, Profile
from daemon.core.book import Book
from daemon.core.events import AnyEvent
from daemon.core.link_fsm import LinkState
from daemon.core.step import Core
from daemon.runtime.clocks import WallClock
from daemon.runtime.locks import Locks, client_lock_path, desk_lock_path
from daemon.runtime.logging_setup import set_up_logging
from daemon.runtime.recovery import open_journal
from daemon.runtime.run import Daemon
from daemon.simulator.codec import SERVER_VERSION
from daemon.simulator.faults import Act, FaultScript
from daemon.simulator.server import SimulatorServer
from daemon.simulator.transcript import Transcript
from daemon.simulator.transport import ClientLink
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.ib.connection import Backoff
from daemon.venues.ib.venue import IbVenue
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import OpeningPosition, OrderTicket, SimExecution
from state.control import read_control
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.light import Light, LightState, light
from state.records import JournalLine, JournalType, Snapshot
from state.snapshot import read_snapshot
from state.times import us_from_iso
from tests.support.invariants import assert_invariants, ib_async_errors, placed_order_refs
from tests.support.live_market import LiveMarket
from tests.support.parity import assert_parity
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
        undeclared: Iterable[Leg] = (),
        gateway: bool = True,
        daemon: bool = True,
        port: int | None = None,
        server_version: int = SERVER_VERSION,
    ) -> None:
        """`more` is YAML laid over the fast profile; `positions` are (instrument, quantity) beside the straddles.

        `undeclared` are options that are traded and that no leg of the profile names.

        Without `gateway` or `daemon` the scenario opens or starts it when it wants to.
        """
        self._opens_gateway, self._starts_daemon = gateway, daemon
        self.root = root
        self.port = free_port() if port is None else port
        self.profile = _profile(root, more, self.port)
        self.paths = DeskPaths(root / "var", self.profile.desk_name)
        self.machine = Machine(start_us)
        declared = self.profile.legs
        traded = (*declared, *undeclared)
        self.market = LiveMarket(self.profile.underlying.symbol, traded, now_us=self.machine.true_us)
        self.symbol = self.market.stock.instrument
        legs = self.market.options[: len(declared)]
        held = [(option.instrument, float(contracts)) for option in legs if contracts]
        self.exchange = SimulatedExchange(
            self.market,
            positions=[OpeningPosition(instrument=name, quantity=held) for name, held in (*held, *positions)],
            foreign_orders=foreign_orders,
            partial_fill_shares=partial_fill_shares,
        )
        self.server = SimulatorServer(self.exchange, port=self.port, paced=False, server_version=server_version)
        self._is_serving = False
        self.accepted = 0
        """Sockets that the gateway has accepted."""
        self._count_sockets()
        self.daemon: Daemon | None = None
        self.beats = True
        self.expected_exit: int | None = 0
        self.judge_positions = True
        """Whether own and foreign shares must explain the account's at the end."""
        self.allowed: tuple[str, ...] = ()
        """What ib_async may say at ERROR in this scenario, by its beginning."""
        self._timer_speed = timer_speed
        self._runs = 0
        self._serving: asyncio.Task[int] | None = None
        self._locks = Locks()
        self._close_log: Callable[[], None] = lambda: None
        self._beating: asyncio.Task[None] | None = None

    def _count_sockets(self) -> None:
        opened = self.server.gateway.link_opened

        def count(link: ClientLink) -> None:
            self.accepted += 1
            opened(link)

        self.server.gateway.link_opened = count  # type: ignore[method-assign]

    # --- the parts -------------------------------------------------------------------------------
    async def open_gateway(self) -> None:
        """Let the gateway listen, for the first time or again; the account behind it is the same."""
        if self._is_serving:
            await self.server.listen()
        else:
            await self.server.__aenter__()
            self._is_serving = True

    def close_gateway(self) -> None:
        """Nobody listens any more, every connection is closed."""
        self.server.stop_listening(how="fin")

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
        if self._opens_gateway:
            await self.open_gateway()
        self._beating = asyncio.create_task(self._beat(), name="market")
        if self._starts_daemon:
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
            if self._is_serving:
                await self.server.__aexit__(None, None, None)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            if self.beats and self._is_serving:
                self.server.step()

    # --- what the test does ----------------------------------------------------------------------
    @property
    def faults(self) -> FaultScript:
        """The faults in force."""
        return self.server.faults

    @property
    def transcript(self) -> Transcript:
        """What the gateway heard."""
        return self.server.transcript

    def act(self, act: Act) -> None:
        """Something happens once, now: at the exchange, at the gateway or on the line."""
        self.server.act(act)

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

    # --- waiting ---------------------------------------------------------------------------------
    async def until(self, what: str, condition: Callable[[], Any], *, timeout_s: float = PATIENCE_S) -> Any:
        """Wait for a condition and give its value; fails at once when the daemon ends meanwhile."""
        end = time.monotonic() + timeout_s
        while not (value := condition()):
            if self._serving is not None and self._serving.done():
                raise AssertionError(f"the daemon ended, waiting for {what}: {self.lines()[-1].reason}")
            if time.monotonic() > end:
                raise AssertionError(f"waited {timeout_s:g} s for {what}; {self.story()}")
            await asyncio.sleep(0.01)
        return value

    async def for_a_while(self, seconds: float) -> None:
        """Give what must not happen the time to happen."""
        await asyncio.sleep(seconds)

    async def time_passes(self, seconds: float, *, step_s: float = 1.0) -> None:
        """So many seconds for exchange and daemon, none of them at once: the market goes on, and nobody sleeps."""
        for _ in range(round(seconds / step_s)):
            self.machine.sleep(step_s)
            await asyncio.sleep(BEAT_S)

    async def until_light(self, state: LightState) -> None:
        """Wait for this light. Reasons of data stay for two clean seconds, which nobody has to sit through."""
        await self.time_passes(3, step_s=0.5)
        await self.until(state, lambda: self.light().state == state)

    def sleep_until(self, moment: str) -> None:
        """The machine sleeps; when it wakes it is this moment, UTC."""
        self.machine.sleep((us_from_iso(moment) - self.machine.true_us()) / 1e6)

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
        last = [f"{line.ts[11:23]} {line.type.value}:{line.status}:{line.reason}" for line in self.lines()[-12:]]
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
        """orderRef of every order of this desk that reached the gateway, once for each orderRef and order id."""
        return placed_order_refs(self)

    def venue_book(self) -> dict[str, Any] | None:
        """The exchange's own book as it would be saved."""
        if not self.judge_positions:
            return None
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
    """A running desk; afterwards stopped, judged by the invariants, and replayed: every decision once more."""
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
    gates = desk.profile.gates
    assert_invariants(
        desk,
        stale_ms=gates.state.market.stale_ts_threshold_ms,
        max_position_shares=gates.guard.risk.max_position_shares,
    )
    assert_parity(desk.paths, desk.profile)
