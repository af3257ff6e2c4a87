"""One run of the daemon, wired: which part feeds which, which tasks live, and how it all ends.

`Engine` decides; `EffectRunner` acts; everything else feeds or shows. Exit codes are those of `exit_codes`.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Final

import structlog

from config.schema import Profile
from daemon.core.book import Book
from daemon.core.effects import Record
from daemon.core.events import AnyEvent, Control, Link, SinkFailed, StopSignal, TimerFired
from daemon.core.flatten_fsm import RUNNING, FlattenState
from daemon.core.presentation import present
from daemon.core.recovery import checkpoint
from daemon.core.step import Core
from daemon.core.turn import latched
from daemon.runtime.clocks import Clock, MarketClock
from daemon.runtime.control_watch import ControlWatch
from daemon.runtime.disk_watch import DiskWatch
from daemon.runtime.effects import EffectRunner
from daemon.runtime.engine import DecisionError, Engine, StepProbe
from daemon.runtime.exit_codes import ExitCode
from daemon.runtime.journal_sink import JournalSink
from daemon.runtime.last_look import LastLook
from daemon.runtime.locks import Locks, LockTakenError, account_lock_path
from daemon.runtime.logging_setup import say
from daemon.runtime.recovery import FAILED, OpenedDesk, answered_requests, start_run
from daemon.runtime.requests import RequestDesk
from daemon.runtime.rhythm import LatencyWindow, Prober, Silence, Ticker
from daemon.runtime.signals import on_stop_signal
from daemon.runtime.snapshot_publisher import Identity, Sink, SnapshotPublisher
from daemon.runtime.supervised import on_supervisor_death
from daemon.runtime.tape_sink import TapeSink
from daemon.runtime.tasks import TaskDiedError, TaskOwner
from daemon.runtime.timers import Timers
from daemon.venues.protocol import FatalVenueError, Venue, VenueClock
from state.journal import JournalError
from state.layout import DeskPaths
from state.records import JournalType
from state.tape import TapeError

_log = structlog.stdlib.get_logger("bifrost.runtime.run")

_CLOSE_S: Final = 1.5
"""A venue that does not let go must not outlast the supervisor's patience."""

OwnPrefix = Callable[[], str]
"""What every order_ref of this desk begins with; known once the journal is open."""
VenueFactory = Callable[[VenueClock, OwnPrefix], Venue]


class Daemon:
    """One run: its parts, wired. The one rule: `serve` is called once."""

    def __init__(
        self,
        *,
        profile: Profile,
        profile_hash: str,
        version: str,
        paths: DeskPaths,
        core: Core,
        clock: Clock,
        locks: Locks,
        desk: OpenedDesk,
        run_id: str,
        flatten_only: bool,
        profile_path: str | None = None,
        timer_speed: float = 1.0,
    ) -> None:
        self._profile = profile
        self._paths = paths
        self._core = core
        self._clock = clock
        self._locks = locks
        self._desk = desk
        self._run_id = run_id
        self._flatten_only = flatten_only
        self._profile_path = profile_path
        self._leaving = "flatten_only" if flatten_only else None
        """Why this run ends as soon as no flatten is under way; None while nothing asks for that."""
        self._timer_speed = timer_speed
        self._identity = Identity(
            desk=paths.desk,
            run_id=run_id,
            profile=profile.name,
            profile_hash=profile_hash,
            version=version,
            client_id=profile.ib.client_id,
            period_ms=profile.daemon.period_ms,
        )
        self._latency = LatencyWindow()
        self._tasks = TaskOwner()
        self._control = Control(ts_us=0, files=())

    async def serve(self, venue_factory: VenueFactory) -> int:
        """Start everything, wait for the end, leave in order."""
        # First of all: the parts say that a start fails before everything runs, and who reads it may answer at once.
        restore_signals = on_stop_signal(self._signalled)
        forget_supervisor = on_supervisor_death(self._supervisor_died)
        self._wire(venue_factory)
        self._watch.look()
        if self._flatten_only and not self._flatten_asserted():
            self._tape.close()
            self._record_end(ExitCode.STOP_STANDS, "nothing_to_do", "flatten-only, but no flatten stands")
            self._close_journal()
            forget_supervisor()
            restore_signals()
            return ExitCode.STOP_STANDS
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[int] = loop.create_future()
        loop.set_exception_handler(lambda _, context: _on_loop_exception(context, finished))
        self._start_tasks(finished)
        try:
            code = await self._tasks.until(finished)
        except TaskDiedError as death:
            code = self._died(death)
        finally:
            await self._leave(restore_signals)
            forget_supervisor()
        return code

    def _wire(self, venue_factory: VenueFactory) -> None:
        """Make every part and tell it of the others; nothing runs yet."""
        clock = self._clock
        if isinstance(clock, MarketClock):
            clock.start_at(self._desk.last_ts_us)
        book = self._core.open(
            desk=self._paths.desk,
            run_id=self._run_id,
            recovered=self._desk.recovered,
            new_ledger_id=secrets.token_hex(4),
            ts_us=clock.now_us(),
        )
        if self._desk.failed_before is not None:
            book = latched(book, FAILED, self._desk.failed_before)
        # Which requests were answered is read before this run writes its own first lines.
        known = answered_requests(self._paths)
        failures = self._open_sinks(book)
        self._venue = venue_factory(clock, self._own_prefix)
        self._engine = Engine(
            core=self._core,
            book=book,
            clock=clock,
            tape=self._tape,
            journal_head=lambda: self._journal.head,
            decided=self._decided,
            admit=self._admit,
        )
        self._journal.checkpoint = lambda: checkpoint(self._engine.book)
        self._wire_commands(known)
        self._wire_effects()
        self._disk = DiskWatch(
            (self._paths.folder, self._paths.journal),
            limits=self._profile.storage,
            clock=clock,
            emit=self._engine.emit,
            slowest=self._journal.slowest,
        )
        self._disk.look()
        for failed in failures:
            self._engine.emit(failed)

    def _open_sinks(self, book: Book) -> list[SinkFailed]:
        """Journal and tape with the lines that every run starts with; what failed is told to the core first."""
        now_us, identity = self._clock.now_us(), self._identity
        if self._desk.opened.reserve_bytes == 0:
            say("bifrost: the disk has no room for the journal's reserve: if the journal fails, it ends without a word")
            _log.warning("no_journal_reserve")
        self._journal = JournalSink(self._desk.writer, desk=self._paths.desk, run_id=self._run_id)
        failure = start_run(
            self._journal,
            self._desk,
            book,
            ts_us=now_us,
            identity={
                "profile": identity.profile,
                "profile_hash": identity.profile_hash,
                "version": identity.version,
                # What a command needs to run this desk's flatten when no daemon is left to do it.
                "profile_path": self._profile_path,
                "ib_port": self._profile.ib.port,
            },
        )
        failures = [] if failure is None else [SinkFailed(ts_us=now_us, what="journal", error=failure)]
        self._tape = TapeSink(
            self._paths.tape,
            desk=self._paths.desk,
            run_id=self._run_id,
            max_mib=self._profile.storage.tape_max_mib,
        )
        try:
            self._tape.start(book)
        except TapeError as error:
            failures.append(SinkFailed(ts_us=now_us, what="tape", error=str(error)))
        return failures

    def _wire_commands(self, known: frozenset[str]) -> None:
        """What the operator asks: the control folder and the request files."""
        paths, now_us = self._paths, self._clock.now_us
        self._watch = ControlWatch(
            paths.control, changed=self._control_changed, requested=self._requested, now_us=now_us
        )
        self._requests = RequestDesk(
            paths.requests, emit=self._engine.emit, journal=self._journal, now_us=now_us, known=known
        )

    def _wire_effects(self) -> None:
        """What the core asks: orders, timers, files; and what shows it."""
        clock, control_folder = self._clock, self._paths.control
        self._publisher = SnapshotPublisher(
            paths=self._paths,
            identity=self._identity,
            latest=lambda: self._engine.latest,
            present=lambda book: present(self._core, book),
            latency=self._latency.percentiles,
            failed=self._sink_failed,
        )
        self._journal.rotated = self._publisher.rotated
        self._timers = Timers(
            lambda key: self._engine.emit(TimerFired(ts_us=clock.now_us(), key=key)), speed=self._timer_speed
        )
        self._last_look = LastLook(control_folder=control_folder, venue=self._venue, journal=self._journal)
        self._engine.effects = EffectRunner(
            journal=self._journal,
            venue=self._venue,
            timers=self._timers,
            last_look=self._last_look,
            samples=self._publisher,
            clock=clock,
            control_folder=control_folder,
            look_at_control=self._watch.look,
            sent=self._latency.add,
        )

    def _own_prefix(self) -> str:
        return f"{self._paths.desk}.{self._engine.book.ledger.ledger_id}."

    def _start_tasks(self, finished: "asyncio.Future[int]") -> None:
        """Every background task of the daemon, in the order in which the end cancels them backwards."""
        self._loop = asyncio.get_running_loop()
        rhythm = self._profile.daemon
        self._tasks.start("snapshot_publisher", asyncio.to_thread(self._publisher.run))
        self._tasks.start("engine", self._decide(finished))
        self._tasks.start("ticker", Ticker(self._engine, self._clock, period_ms=rhythm.period_ms).run())
        self._tasks.start("control_watch", self._watch.run())
        self._tasks.start("disk_watch", self._disk.run())
        link, probe, every_s = lambda: self._engine.book.link.state, self._venue.probe, rhythm.probe_every_s
        if isinstance(self._clock, MarketClock):
            clock = self._clock
            clock.on_stamp = self._engine.wake
            self._engine.drained = StepProbe(stamps=lambda: clock.stamps, probe=probe).drained
            silence, every_s = Silence(lambda: clock.stamps), max(every_s, Silence.ASKED_EVERY_S)
            prober = Prober(link=link, probe=probe, every_s=every_s, due=silence)
        else:
            self._engine.woken = probe
            prober = Prober(link=link, probe=probe, every_s=every_s)
        self._tasks.start("prober", prober.run())
        self._tasks.start("venue", self._venue.run(self._engine.emit))

    async def _decide(self, finished: "asyncio.Future[int]") -> None:
        await self._engine.run()
        leave = self._engine.effects.exit
        if leave is not None and not finished.done():
            _log.info("exit", code=leave.code, reason=leave.reason)
            finished.set_result(leave.code)

    async def _leave(self, restore_signals: Callable[[], None]) -> None:
        """Everything that could still act ends first; the last snapshot says how it ended."""
        self._timers.cancel_all()
        self._publisher.stop()
        await self._tasks.cancel_all(waiting_for="snapshot_publisher")
        try:
            await asyncio.wait_for(self._venue.close(), _CLOSE_S)
        except TimeoutError:
            _log.error("venue_did_not_close", seconds=_CLOSE_S)
        self._tape.close()
        self._close_journal()
        restore_signals()

    def _died(self, death: TaskDiedError) -> int:
        """Say and journal why a task's end ends the daemon; the exit code."""
        self._engine.end()  # nothing may be decided behind the lines that follow
        _log.critical("task_died", task=death.name, error=str(death), exc_info=death)
        cause = death.cause
        if isinstance(cause, LockTakenError):
            code, line, status = ExitCode.IN_USE, str(cause), "in_use"
        elif isinstance(cause, FatalVenueError):
            code, line, status = ExitCode.CANNOT_RUN, str(cause), "refused_by_venue"
        else:
            code, line, status = ExitCode.CRASHED, f"{death}; see {self._paths.logs / 'daemon.jsonl'}", "crashed"
        if code == ExitCode.CRASHED:
            # What raised would raise again after the restart, perhaps with an order in between; and what a broken
            # handler was being told is lost. So the supervisor's next daemon comes up frozen until somebody looked.
            detail = str(cause) if isinstance(cause, DecisionError) else str(death)
            halt = Record(type=JournalType.HALT, status="latched", reason="internal_error", data={"detail": detail})
            self._journal.write([halt], ts_us=self._engine.book.ts_us, tape_seq=None)
        self._record_end(code, status, line)
        return code

    def _record_end(self, code: int, status: str, line: str) -> None:
        """The end of a run that the core did not decide: journaled and said."""
        stopped = Record(type=JournalType.RUN_STOPPED, status=status, reason=line, data={"exit_code": code})
        self._journal.write([stopped], ts_us=self._engine.book.ts_us, tape_seq=None)
        say(f"bifrost: {line}")

    def _close_journal(self) -> None:
        try:
            self._journal.close()
        except JournalError as error:
            say(f"bifrost: {error}")
            _log.critical("journal_close_failed", error=str(error))

    def _admit(self, event: AnyEvent) -> None:
        """Before the core hears of an account: it is the book's, and nobody else on this machine trades it.

        Raises FatalVenueError, LockTakenError.
        """
        if not isinstance(event, Link) or event.account is None:
            return
        owner = self._engine.book.ledger.account
        if owner not in ("", event.account):
            line = f"the book of desk {self._paths.desk} is of account {owner}, but connected is {event.account}"
            raise FatalVenueError(f"{line}; log in to the other account, or take another --desk")
        symbol, ib = self._profile.underlying.symbol, self._profile.ib
        simulated_at = f"{ib.host}:{ib.port}" if event.account_kind == "simulated" else None
        path = account_lock_path(event.account, symbol, simulated_at=simulated_at)
        self._locks.take(path, f"account {event.account} with {symbol}")

    def _decided(self, event: AnyEvent, acted: bool) -> None:
        self._requests.decided(event)
        if acted:
            self._publisher.decided()
        if self._leaving is not None:
            self._leave_unless_flattening(self._leaving)

    def _leave_unless_flattening(self, reason: str) -> None:
        """End this run; a flatten that is under way comes first, for nobody is there to go on with it.

        Between its end and the stop no hedge can leave: a flatten ends with a pause, or refused with its file there.
        """
        book = self._engine.book
        if self._flatten_asserted() and book.control.flatten is None:
            return  # the core has not heard of the file yet
        if book.flatten.state in RUNNING or book.flatten.state == FlattenState.WAITING:
            return
        self._leaving = None
        self._signalled(reason)

    def _supervisor_died(self) -> None:
        """Nobody restarts, watches or kills this process any more: it must not be the one that trades on unseen.

        It would also keep the desk's lock from the supervisor that the operator or systemd starts next.
        """
        say("bifrost: the supervisor of this daemon is gone: cancelling own orders and stopping (a flatten goes first)")
        _log.critical("supervisor_died")
        self._leaving = "supervisor_died"
        self._leave_unless_flattening(self._leaving)

    def _control_changed(self, control: Control) -> None:
        self._control = control
        self._engine.emit(control)

    def _requested(self, read: Any) -> None:
        self._requests.requested(read)

    def _flatten_asserted(self) -> bool:
        return any(file.name == "flatten" for file in self._control.files)

    def _signalled(self, name: str) -> None:
        _log.info("stop_signal", signal=name)
        self._last_look.stop_signalled = True
        self._engine.emit(StopSignal(ts_us=self._clock.now_us(), signal_name=name))

    def _sink_failed(self, what: Sink, error: str) -> None:
        """From the publisher's thread."""
        event = SinkFailed(ts_us=self._clock.now_us(), what=what, error=error)
        self._loop.call_soon_threadsafe(self._engine.emit, event)


def _on_loop_exception(context: dict[str, Any], finished: "asyncio.Future[int]") -> None:
    """A callback that raised is a task that died; what a library left unretrieved is only logged."""
    error = context.get("exception")
    _log.error("loop_exception", message=context.get("message"), error=repr(error))
    if "handle" in context and isinstance(error, Exception) and not finished.done():
        finished.set_exception(TaskDiedError("loop callback", error))
