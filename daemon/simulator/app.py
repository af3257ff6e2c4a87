"""The simulator as a process: built from a profile, ended by a signal, every refusal one line."""

import asyncio
import contextlib
import errno
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TextIO, cast

import msgspec
import structlog

from config.schema import Profile
from daemon.simulator.faults import FaultFileError, load_script
from daemon.simulator.market_choice import build_exchange, market_source
from daemon.simulator.persistence import BookStore
from daemon.simulator.script_file import ScriptFile
from daemon.simulator.server import SimulatorServer
from daemon.simulator.transcript import Transcript
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.saved_book import SavedBookError

STOPPED, CRASHED, REFUSED = 0, 1, 2
REQUESTS = "requests.jsonl"


class SimulatorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one simulator process runs; what market it has is the profile's word."""

    folder: Path
    """The desk's `simulator/` folder: book, port, requests."""
    base: Path
    """Where a relative replay folder starts: the checkout."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free one; `folder/port` says which."""
    faults: Path | None = None
    log_path: Path | None = None
    """JSONL; None logs to stderr."""


def run_simulator(profile: Profile, options: SimulatorOptions) -> int:
    """Serve until SIGTERM or SIGINT. Exit code: 0 stopped, 1 crashed, 2 refused (one line on stderr says why)."""
    if profile.simulator is None:
        return _refuse(f"the profile {profile.name} has no simulator section; take one that has, such as demo")
    settings = profile.simulator
    try:
        if options.faults is not None:
            load_script(options.faults)  # a bad script refuses the start, before anything is touched
        wall_us = time.time_ns() // 1000  # noqa: TID251 - the edge: only picks the newest session of a new market
        exchange = build_exchange(profile, settings, base=options.base, wall_us=wall_us)
        options.folder.mkdir(parents=True, exist_ok=True)
        store = BookStore(options.folder, market_source(profile, settings))
        store.restore(exchange)
        with _logging_to(options.log_path):
            return asyncio.run(
                _serve(exchange, store, options, speed=settings.speed, lock_step=settings.replay is not None)
            )
    except (FaultFileError, FeedError, SavedBookError, ValueError) as error:
        return _refuse(str(error))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _refuse(f"port {options.port} on {options.host} is taken; end its owner or choose another --port")
        return _refuse(f"{error.filename or options.folder}: {error.strerror}")


async def _serve(
    exchange: SimulatedExchange,
    store: BookStore,
    options: SimulatorOptions,
    *,
    speed: float,
    lock_step: bool,
) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with contextlib.closing(Transcript(options.folder / REQUESTS)) as transcript:
        server = SimulatorServer(
            exchange,
            host=options.host,
            port=options.port,
            speed=speed,
            lock_step=lock_step,
            store=store,
            transcript=transcript,
        )
        async with server:
            print(f"simulator: listening on {options.host}:{server.port}", file=sys.stderr, flush=True)  # noqa: T201
            async with _following(server, options):
                return await _until_stopped(server, stop)


@contextlib.asynccontextmanager
async def _following(server: SimulatorServer, options: SimulatorOptions) -> AsyncIterator[None]:
    """The fault script in force, and its changes too, as long as the simulator serves."""
    if options.faults is None:
        yield
        return
    script = ScriptFile(options.faults, options.folder, server.faults, server.act)
    script.load()
    task = asyncio.get_running_loop().create_task(script.follow(), name="fault_script")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until_stopped(server: SimulatorServer, stop: asyncio.Event) -> int:
    """Wait for the signal; the market may end before it, but must not die."""
    stopped = asyncio.get_running_loop().create_task(stop.wait(), name="stop_signal")
    pacing = server.pacing
    if pacing is not None:
        await asyncio.wait({stopped, pacing}, return_when=asyncio.FIRST_COMPLETED)
        if pacing.done() and pacing.exception() is not None:
            stopped.cancel()
            return CRASHED
    await stopped
    return STOPPED


def _refuse(line: str) -> int:
    print(f"simulator: {' '.join(line.split())}", file=sys.stderr)  # noqa: T201 - the answer to whoever started it
    return REFUSED


class _Log:
    """A stream of lines that loses what a full disk refuses: a log that cannot be written must not end the market."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """How many characters were taken."""
        try:
            return self._stream.write(text)
        except OSError:
            return 0

    def flush(self) -> None:
        """As far as the disk takes it."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def close(self) -> None:
        """Nothing is written afterwards."""
        with contextlib.suppress(OSError):
            self._stream.close()


@contextlib.contextmanager
def _logging_to(path: Path | None) -> Iterator[None]:
    """Structured lines to the file, or to stderr."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    stream = _Log(sys.stderr if path is None else path.open("a", encoding="utf-8", buffering=1))
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="wall_ts"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, stream)),
    )
    try:
        yield
    finally:
        structlog.reset_defaults()
        if path is not None:
            stream.close()
