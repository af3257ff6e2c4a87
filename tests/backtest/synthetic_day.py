"""A short synthetic day with the real runtime in one loop: engine, journal, tape, control folder, timers, snapshot.

Nothing is written twice for it: the daemon is `daemon.runtime.run.Daemon` on a market's clock, and the venue is the
simulated exchange in process, so no socket is opened and a day takes a second. As the simulator does over its wire,
the venue takes a step of the market once the daemon has decided everything of the step before.

What happens to the day is drawn from its seed: trades by hand, lost links, orders that are held, filled in part or
refused to leave, pauses, flattens, the operator's requests, files that say nothing, a venue that fails, stops, and runs
that end without a word. The machine's own time (timers, the control folder's watch) is what it is: two days of one
seed are alike, not the same. The tape has to know the difference.
"""

import asyncio
import contextlib
import functools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.loader import load_profile
from config.schema import Profile
from daemon.backtest.assembly import opening_positions
from daemon.core.effects import PlaceOrder
from daemon.core.step import Core
from daemon.runtime import recovery, tape_sink
from daemon.runtime.clocks import MarketClock
from daemon.runtime.locks import Locks, desk_lock_path
from daemon.runtime.recovery import open_journal
from daemon.runtime.run import Daemon
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.protocol import Emit, OrderNotSentError, VenueClock
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.synthetic import SyntheticMarket
from daemon.venues.simulated.venue import SimulatedVenue
from state.control import write_request
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import JournalLine, OperatorRequest
from state.tape import TapeWriter
from state.times import iso_from_us

STEPS = 150
PATIENCE_S = 30.0
TIMER_SPEED = 200.0
SEGMENT_BYTES = 60_000
"""Small, so that a day has several segments: a checkpoint opens each."""
TAPE_BYTES = 60_000
"""Likewise of a tape's file."""
PROFILE = """
extends: demo
desk: desk
daemon: {period_ms: 100, reconcile_every_s: 30}
storage: {min_free_mib: 0, slow_sync_ms: 60000, tape_max_mib: 64}
execution: {session_edge_s: 0}
gates:
  state: {market: {stale_ts_threshold_ms: 120000}}
  intent: {hedge: {cooldown_seconds: 0}}
simulator:
  synthetic: {step_s: 30}
"""


class DyingVenueError(Exception):
    """The venue's own task fails, as a bug in it would."""


class SteppedVenue(SimulatedVenue):
    """The simulated venue that takes the market's next step when the daemon says that it has decided the last one."""

    def __init__(
        self, exchange: SimulatedExchange, clock: VenueClock, *, play: "Callable[[SteppedVenue], Any]"
    ) -> None:
        super().__init__(exchange, clock)
        self.decided = asyncio.Event()
        self.holds_orders = 0
        """So many orders must not leave."""
        self._play = play

    async def run(self, emit: Emit) -> None:
        self.exchange.advance()
        assert self.exchange.step is not None
        self._clock.market_stamp(self.exchange.step.ts_us)
        self.connect(emit)
        self.tell_quotes()
        await self._play(self)
        await asyncio.Event().wait()

    @property
    def exchange(self) -> SimulatedExchange:
        return self._exchange

    def probe(self) -> None:
        """The daemon's word that its queue is empty."""
        super().probe()
        self.decided.set()

    def place(self, order: PlaceOrder) -> None:
        if self.holds_orders > 0:
            self.holds_orders -= 1
            raise OrderNotSentError("the test holds it back")
        super().place(order)

    async def step(self) -> bool:
        """One step of the market, decided; False at its end."""
        self.decided.clear()
        moved = self.advance()
        if moved and self._emit is not None:
            with contextlib.suppress(TimeoutError):  # a daemon that leaves decides nothing more
                await asyncio.wait_for(self.decided.wait(), 2.0)
        return moved


class SyntheticDay:
    """One desk and one exchange over several runs of the daemon."""

    def __init__(self, root: Path, seed: int) -> None:
        self.profile_path = root / "desk.yaml"
        self.profile_path.write_text(PROFILE)
        self.loaded = load_profile(str(self.profile_path))
        self.profile: Profile = self.loaded.profile
        self.random = random.Random(seed)
        self.paths = DeskPaths(root / "var", "desk")
        self.paths.create()
        self.done: list[str] = []
        """What happened, in order."""
        settings = self.profile.simulator
        assert settings is not None
        assert settings.synthetic is not None
        market = SyntheticMarket(
            settings.synthetic,
            symbol=self.profile.underlying.symbol,
            legs=self.profile.legs,
            seed=seed,
            start_date=settings.synthetic.start_date,
        )
        self.exchange = SimulatedExchange(
            market,
            positions=opening_positions(self.profile, settings.positions),
            cash_usd=settings.cash_usd,
            partial_fill_shares=self.random.choice([None, None, 25.0]),
        )
        self.steps = 0
        self._runs = 0
        self._ends = ""

    def lines(self) -> list[JournalLine]:
        """The whole journal."""
        return list(read_journal(self.paths.journal))

    # --- running ---------------------------------------------------------------------------------
    def play(self, *, steps: int = STEPS) -> "SyntheticDay":
        """Run after run until the day has so many steps."""
        while self.steps < steps:
            asyncio.run(self._run(steps))
        return self

    async def _run(self, until: int) -> None:
        self._runs += 1
        locks = Locks()
        locks.take(desk_lock_path(self.paths.folder), "desk")
        daemon = Daemon(
            profile=self.profile,
            profile_hash=self.loaded.hash,
            version="test",
            paths=self.paths,
            core=Core(self.profile, GammaScalper(self.profile)),
            clock=MarketClock(),
            locks=locks,
            desk=open_journal(self.paths),
            run_id=f"run-{self._runs}",
            flatten_only=False,
            profile_path=str(self.profile_path),
            timer_speed=TIMER_SPEED,
        )
        self._ends = self.random.choice(["stop", "kill", "kill", "venue"])
        length = self.random.randrange(25, 70)
        played = functools.partial(self._happen, daemon, min(until, self.steps + length))
        serving = asyncio.create_task(
            daemon.serve(lambda clock, _: SteppedVenue(self.exchange, clock, play=played)), name="daemon"
        )
        self.killed = asyncio.Event()
        killed = asyncio.create_task(self.killed.wait())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.wait({serving, killed}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        finally:
            killed.cancel()
            locks.release_all()
            (self.paths.control / "stop").unlink(missing_ok=True)

    async def _happen(self, daemon: Daemon, until: int, venue: SteppedVenue) -> None:
        """Steps of the market, and in between what the seed says; then the end of this run."""
        while self.steps < until:
            if not await venue.step():
                self.steps = 1 << 30
                break
            self.steps += 1
            if self.random.random() < 0.2:
                await self._act(daemon, venue)
        self.done.append(f"end: {self._ends}")
        if self._ends == "venue":
            raise DyingVenueError("the test lets the venue die")
        if self._ends == "kill":
            self.killed.set()
        else:
            (self.paths.control / "stop").touch()

    # --- what happens ----------------------------------------------------------------------------
    async def _act(self, daemon: Daemon, venue: SteppedVenue) -> None:
        acts: list[Callable[[Daemon, SteppedVenue], Any]] = [
            self._trade_by_hand,
            self._lose_link,
            self._hold_order,
            self._pause,
            self._flatten,
            self._request,
            self._jump,
            self._say_nothing,
        ]
        act = self.random.choice(acts)
        self.done.append(act.__name__.removeprefix("_"))
        await act(daemon, venue)

    async def _trade_by_hand(self, daemon: Daemon, venue: SteppedVenue) -> None:
        symbol, side = self.profile.underlying.symbol, self.random.choice(["BUY", "SELL"])
        traded = self.exchange.trade_by_hand(symbol, side, float(self.random.randrange(1, 90)))
        venue._tell(traded)

    async def _lose_link(self, daemon: Daemon, venue: SteppedVenue) -> None:
        emit = venue._emit
        assert emit is not None
        venue.disconnect("the test cuts the line")
        for _ in range(self.random.randrange(3)):
            await venue.step()
            self.steps += 1
        await asyncio.sleep(0.02)
        venue.connect(emit)
        venue.tell_quotes()

    async def _hold_order(self, daemon: Daemon, venue: SteppedVenue) -> None:
        venue.holds_orders = 2

    async def _pause(self, daemon: Daemon, venue: SteppedVenue) -> None:
        await self._command(daemon, "pause", release=True)

    async def _flatten(self, daemon: Daemon, venue: SteppedVenue) -> None:
        await self._command(daemon, "flatten", release=False)
        for _ in range(6):
            await venue.step()
            self.steps += 1
            await asyncio.sleep(0.01)
        (self.paths.control / "flatten").unlink(missing_ok=True)
        (self.paths.control / "pause").unlink(missing_ok=True)

    async def _command(self, daemon: Daemon, name: str, *, release: bool) -> None:
        """Touch a file, and take it away again once the daemon has seen it."""
        file = self.paths.control / name
        file.touch()
        for _ in range(100):
            if getattr(daemon._engine.book.control, name) is not None:
                break
            await asyncio.sleep(0.01)
        if release:
            file.unlink(missing_ok=True)

    async def _request(self, daemon: Daemon, venue: SteppedVenue) -> None:
        command = self.random.choice(["adopt", "release", "acknowledge", "reset", "reset"])
        shares = float(self.random.randrange(1, 30)) if command in ("adopt", "release") else None
        now = iso_from_us(recovery.wall_us())
        number = f"r{self._runs}-{len(self.done)}"
        request = OperatorRequest(id=number, command=command, by="anna", reason="test", at=now, shares=shares)  # type: ignore[arg-type]
        write_request(self.paths.requests, request)
        await asyncio.sleep(0.03)

    async def _jump(self, daemon: Daemon, venue: SteppedVenue) -> None:
        """The stock moves at a bound, so that something has to be hedged."""
        market: Any = self.exchange.market
        market._price *= 1 + self.random.choice([-0.02, -0.01, 0.01, 0.02])

    async def _say_nothing(self, daemon: Daemon, venue: SteppedVenue) -> None:
        """Files of the operator's that nobody can read."""
        self.paths.requests.mkdir(exist_ok=True)
        (self.paths.requests / f"odd-{len(self.done)}.json").write_text("{")
        (self.paths.control / f"what-{len(self.done)}").touch()
        await asyncio.sleep(0.03)


@contextlib.contextmanager
def small_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a day rotate its journal and its tape."""
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "JournalWriter", functools.partial(JournalWriter, segment_bytes=SEGMENT_BYTES))
        patch.setattr(tape_sink, "TapeWriter", functools.partial(TapeWriter, file_bytes=TAPE_BYTES))
        yield
