"""A desk whose daemon is a process of its own, and whose gateway is a thread of this one.

So a test may kill, freeze and restart the daemon like any process, and at the same moment move the market, cut the
line and read the exchange's book without asking a third process for it. The daemon is the shipped command with the
real ib_async; only its own timers run faster (`fast_daemon`).
"""

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from config.loader import load_profile
from config.schema import Profile
from daemon.simulator.faults import Act, Fault
from daemon.simulator.server import SimulatorServer
from daemon.simulator.transcript import Transcript
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import OpeningPosition
from state.control import read_control, write_request
from state.light import Light, light
from state.records import OperatorRequest
from state.times import iso_from_us, us_from_iso
from tests.support.invariants import placed_order_refs
from tests.support.live_market import LiveMarket
from tests.support.system import System, wait_for

OPENED_US = us_from_iso("2026-01-05T15:30:00Z")
"""An hour into a full session: what the market's clock says at the start."""
BEAT_S = 0.05
PATIENCE_S = 60.0
PROFILE = """
extends: demo
desk: desk
ib: {port: PORT, connect_timeout: 2}
daemon: {period_ms: 200, probe_every_s: 0.3, probe_timeout_s: 1, reconcile_every_s: 20}
storage: {min_free_mib: 0, slow_sync_ms: 60000}
execution: {session_edge_s: 0, ack_deadline_s: 10}
control: {stop_timeout_s: 5}
gates:
  state:
    market: {stale_ts_threshold_ms: 4000}
  intent:
    hedge: {cooldown_seconds: 0}
"""
STOPPED, STOP_STANDS, STOP_UNCONFIRMED = 0, 3, 6
T = TypeVar("T")
Desk = TypeVar("Desk", bound="GatewayDesk")


class GatewayThread:
    """A simulator server with its loop in a thread. Everything that touches the exchange goes through `call`.

    `paced` lets the server keep its own pace; else the market repeats itself every `BEAT_S`.
    """

    def __init__(self, exchange: SimulatedExchange, port: int, *, paced: bool = False, **options: Any) -> None:
        self.exchange = exchange
        self.transcript = Transcript()
        self._paced = paced
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        self._thread.start()
        self.server = self.call(
            SimulatorServer, exchange, port=port, paced=paced, transcript=self.transcript, **options
        )
        self._is_open = False
        self._was_opened = False
        self._beating = self.run(self._start_beating)

    def call(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Call a plain function in the gateway's loop and give its answer."""

        async def in_loop() -> T:
            return function(*arguments, **named)

        return self.run(in_loop)

    def run(self, coroutine: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine function in the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine(), self._loop).result(20)

    def open(self) -> None:
        """Listen, for the first time or again; the account and the faults in force are the same every time."""
        if self._is_open:
            return
        self.run(self.server.listen if self._was_opened else self.server.__aenter__)
        self._is_open = self._was_opened = True

    def close(self) -> None:
        """Nobody listens, every connection is closed."""
        if self._is_open:
            self.call(self.server.stop_listening, how="fin")
            self._is_open = False

    def hold(self) -> None:
        """The market stands still from now on; the gateway goes on answering."""
        pacing = self.server.pacing
        if pacing is not None:
            self.call(pacing.cancel)

    def end(self) -> None:
        """Close, and end the thread."""
        self.call(self._beating.cancel)
        if self._was_opened:
            self.run(partial(self.server.__aexit__, None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start_beating(self) -> "asyncio.Task[None]":
        return asyncio.create_task(self._beat(), name="market")

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            if self._is_open and not self._paced:
                self.server.step()


class GatewayDesk(System):
    """`tests.support.system.System` whose gateway is a thread of this process. Opened with `opened`."""

    def __init__(
        self, root: Path, profile_text: str, make: Callable[[Profile], SimulatedExchange], **options: Any
    ) -> None:
        """`make` gives the exchange of the loaded profile; `options` are the gateway's."""
        super().__init__(root, profile_text)
        self.exchange = make(load_profile(str(self.profile)).profile)
        self.symbol = self.exchange.market.contracts[0].symbol
        self.gateway = GatewayThread(self.exchange, self.port, **options)

    # --- the daemon ------------------------------------------------------------------------------
    @property
    def is_alive(self) -> bool:
        """Whether the daemon's process runs."""
        process = self.processes.get("daemon")
        return process is not None and process.poll() is None

    def start_daemon(self) -> None:
        """Start it where it does not run."""
        if not self.is_alive:
            self.start("daemon", "--profile", str(self.profile), module="tests.faults.fast_daemon")

    def kill(self) -> None:
        """SIGKILL."""
        if self.is_alive:
            self.end("daemon", signal.SIGKILL)

    def ended(self) -> int:
        """Wait for its end; the exit code."""
        process = self.processes["daemon"]
        wait_for("the daemon's end", lambda: process.poll() is not None, PATIENCE_S)
        del self.processes["daemon"]
        return int(process.returncode)

    def freeze(self, seconds: float) -> None:
        """SIGSTOP, so long, SIGCONT."""
        if self.is_alive:
            pid = self.processes["daemon"].pid
            os.kill(pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(pid, signal.SIGCONT)

    def said(self) -> str:
        """The end of what the daemon wrote on its terminal."""
        log = self.root / "daemon.log"
        return log.read_text()[-1500:] if log.exists() else ""

    # --- what is (tests.support.invariants.Scenario) ----------------------------------------------
    def light(self) -> Light:
        """As `bifrost status` sees it."""
        now_us = time.time_ns() // 1000  # noqa: TID251 - the reader's wall clock
        return light(self.snapshot(), read_control(self.paths.control, now_us), now_us)

    def requests(self) -> list[dict[str, Any]]:
        """What the gateway heard, in order."""
        entries = self.gateway.call(lambda: list(self.gateway.transcript.entries))
        return [
            {"request": each.request, "values": each.values, "client_id": each.client_id}
            for each in entries
            if each.request in ("placeOrder", "cancelOrder", "reqGlobalCancel")
        ]

    def placed(self) -> list[str]:
        """orderRef of every order that reached the gateway."""
        return placed_order_refs(self)

    def venue_book(self) -> dict[str, Any] | None:
        """The exchange's own book as it would be saved."""
        saved: dict[str, Any] = json.loads(json.dumps(self.gateway.call(self.exchange.save)))
        return saved

    def close(self) -> None:
        """End every process, then the gateway."""
        super().close()
        self.gateway.end()


class KillableDesk(GatewayDesk):
    """A desk on a market whose price the test sets. The one rule: use it through `opened`."""

    def __init__(self, root: Path, *, contracts: int = 10) -> None:
        self.began_s = time.monotonic()
        self._asked = 0
        self._contracts = contracts
        super().__init__(root, PROFILE, self._make)

    def _make(self, profile: Profile) -> SimulatedExchange:
        self.market = LiveMarket(profile.underlying.symbol, profile.legs, now_us=self.market_us)
        held = [OpeningPosition(instrument=each.instrument, quantity=self._contracts) for each in self.market.options]
        return SimulatedExchange(self.market, positions=held)

    def market_us(self) -> int:
        """The time at the exchange."""
        return OPENED_US + round((time.monotonic() - self.began_s) * 1e6)

    # --- control ---------------------------------------------------------------------------------
    def touch(self, name: str) -> None:
        """Assert a command by its file."""
        self.paths.control.mkdir(parents=True, exist_ok=True)
        (self.paths.control / name).touch()

    def release(self, name: str) -> None:
        """Take a command back."""
        (self.paths.control / name).unlink(missing_ok=True)

    def asserted(self) -> set[str]:
        """The commands that stand."""
        return {name for name in ("stop", "pause", "flatten") if (self.paths.control / name).exists()}

    def ask(self, command: Literal["acknowledge", "reset"], shares: float | None = None) -> None:
        """What `bifrost book` and `bifrost reset` write."""
        self._asked += 1
        at = iso_from_us(self.market_us())
        request = OperatorRequest(
            id=f"test-{self._asked}", command=command, shares=shares, by="test", reason="as found", at=at
        )
        write_request(self.paths.requests, request)

    # --- the account -----------------------------------------------------------------------------
    def move(self, usd: float) -> None:
        """The stock's price moves; told with the next beat."""
        self.market.price = round(min(max(self.market.price + usd, 80.0), 120.0), 2)

    def add_fault(self, fault: Fault) -> None:
        """One more fault in force."""
        self.gateway.call(self.gateway.server.faults.add, fault)

    def clear_faults(self) -> None:
        """End every fault."""
        self.gateway.call(self.gateway.server.faults.clear)

    def act(self, act: Act) -> None:
        """Something happens once, now."""
        self.gateway.call(self.gateway.server.act, act)


@contextlib.contextmanager
def opened(desk: Desk) -> Iterator[Desk]:
    """With a listening gateway and no daemon yet; everything is ended afterwards."""
    try:
        desk.gateway.open()
        yield desk
    finally:
        desk.close()
