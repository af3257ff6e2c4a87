"""Keeps one daemon running: restarts it after crashes, keeps it down while `stop` stands, never argues with a human.

The supervisor reads the same control folder as the daemon and nothing else of its affairs, except whether the
daemon has noticed a stop.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Final, Literal

import structlog

from daemon.core.events import Control, ControlFile
from daemon.runtime.clocks import monotonic_ns, wall_us
from daemon.runtime.control_watch import ControlWatch
from daemon.runtime.exit_codes import ExitCode
from daemon.runtime.logging_setup import say, set_up_logging
from daemon.runtime.signals import on_stop_signal
from daemon.runtime.supervision import Supervision, Timing, Verdict
from daemon.runtime.tasks import TaskDiedError, TaskOwner
from state.control import ControlError, assert_command
from state.layout import DeskPaths
from state.query import Filter, newest
from state.records import JournalType
from state.snapshot import read_snapshot
from state.times import iso_from_us, us_from_iso

_log = structlog.stdlib.get_logger("bifrost.runtime.supervisor")

FLATTEN_ONLY: Final = "--flatten-only"
BY_SUPERVISOR: Final = "supervisor"


def run_supervisor(command: Sequence[str], paths: DeskPaths, *, timing: Timing | None = None) -> int:
    """Run `command` (a daemon of the desk at `paths`) under supervision until told to stop; returns the exit code.

    0 after SIGTERM or SIGINT with a daemon that stopped in time, 6 when it had to be killed; 2, 4 and 5 are the
    daemon's own final words, 1 is a bug of the supervisor. `command` must take `--flatten-only`.
    """
    try:
        paths.create()
        close_log = set_up_logging(
            paths.logs / "supervisor.jsonl", run_id=f"supervisor-{os.getpid()}", process="supervisor"
        )
    except OSError as error:
        say(f"bifrost: cannot write the desk's folder {paths.folder}: {error}; check its owner and permissions")
        return 2
    try:
        return asyncio.run(Supervisor(command, paths, Timing() if timing is None else timing).run())
    except TaskDiedError as error:
        say(f"bifrost: supervisor: {error}")
        _log.critical("supervisor_died", error=str(error))
        return 1
    finally:
        close_log()


class Supervisor:
    """One daemon at a time, and the control folder's present content."""

    def __init__(self, command: Sequence[str], paths: DeskPaths, timing: Timing) -> None:
        self._command = tuple(command)
        self._paths = paths
        self._timing = timing
        self._rules = Supervision(timing)
        self._control = Control(ts_us=0, files=())
        self._stop_since_ns: int | None = None
        self._stop_seen_in_run = False
        self._flatten_tried: ControlFile | None = None
        self._wake = asyncio.Event()
        self._stopping = False
        self._blind_kills = 0
        """In a row; each doubles the next daemon's boot grace, so that a slow disk cannot defeat the cancel pass."""

    async def run(self) -> int:
        """Supervise until a signal or a final exit code."""
        watch = ControlWatch(
            self._paths.control, changed=self._control_changed, requested=None, poll_s=self._timing.poll_s
        )
        watch.look()
        owner = TaskOwner()
        owner.start("control_watch", watch.run())
        restore = on_stop_signal(self._signalled)
        finished: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        supervising = asyncio.create_task(self._supervise(), name="supervise")
        supervising.add_done_callback(lambda task: _pass_on(task, finished))
        try:
            return await owner.until(finished)
        finally:
            supervising.cancel()
            await asyncio.gather(supervising, return_exceptions=True)
            restore()
            await owner.cancel_all()

    async def _supervise(self) -> int:
        while True:
            flatten_only = self._stands("flatten") is not None and self._stands("stop") is not None
            code, verdict = await self._one_run(flatten_only=flatten_only)
            if self._told_to_stop():
                confirmed = code in (ExitCode.STOPPED, ExitCode.STOP_STANDS)
                return ExitCode.STOPPED if confirmed else ExitCode.STOP_UNCONFIRMED
            if verdict.final is not None:
                return verdict.final
            if verdict.assert_stop is not None:
                self._assert_stop(verdict.assert_stop)
            if verdict.wait:
                await self._wait_for_release()
            else:
                await self._rest(verdict.restart_after_s)
            if self._told_to_stop():
                return ExitCode.STOPPED

    async def _one_run(self, *, flatten_only: bool) -> tuple[int, Verdict]:
        command = (*self._command, FLATTEN_ONLY) if flatten_only else self._command
        if flatten_only:
            self._flatten_tried = self._stands("flatten")
        self._stop_seen_in_run = self._stands("stop") is not None
        started_ns = monotonic_ns()
        try:
            # Its own process group: a Ctrl-C in the terminal reaches the supervisor alone, which passes it on.
            process = await asyncio.create_subprocess_exec(*command, process_group=0)
        except OSError as error:
            say(f"bifrost: cannot start the daemon ({command[0]}): {error}")
            return 2, Verdict(final=2)
        _log.info("daemon_started", pid=process.pid, flatten_only=flatten_only)
        killed_blind = await self._attend(process, started_ns)
        code = process.returncode if process.returncode is not None else 1
        now_ns = monotonic_ns()
        _log.info("daemon_ended", pid=process.pid, code=code, killed_blind=killed_blind)
        self._blind_kills = self._blind_kills + 1 if killed_blind else 0
        if killed_blind:
            return code, self._rules.killed()
        ran_s = (now_ns - started_ns) / 1e9
        return code, self._rules.judge(code, ran_s=ran_s, now_s=now_ns / 1e9, stop=self._stop_word())

    async def _attend(self, process: asyncio.subprocess.Process, started_ns: int) -> bool:
        """Wait for the daemon's end; True when it had to be killed because it did not notice a stop."""
        exited = asyncio.create_task(process.wait(), name="daemon")
        killed_blind = False
        try:
            while not exited.done():
                await self._wait_for_any(exited, self._timing.poll_s)
                if self._stopping:
                    await self._end(process, exited)
                elif not exited.done() and self._blind(started_ns):
                    say(f"bifrost: the daemon (process {process.pid}) did not notice the stop: killing it")
                    _log.critical("daemon_blind_to_stop", pid=process.pid)
                    killed_blind = True
                    _kill_group(process)
                    await exited
        finally:
            if not exited.done():
                _kill_group(process)
                await exited
        return killed_blind

    async def _end(self, process: asyncio.subprocess.Process, exited: "asyncio.Task[int]") -> None:
        """SIGTERM, patience, SIGKILL."""
        if not exited.done():
            process.send_signal(signal.SIGTERM)
        await asyncio.wait({exited}, timeout=self._timing.kill_after_s)
        if not exited.done():
            say(
                f"bifrost: the daemon (process {process.pid}) did not stop in time: killed; its orders are "
                "confirmed at the next start"
            )
            _kill_group(process)
            await exited

    async def _wait_for_release(self) -> None:
        """Stay while `stop` stands, unless a flatten is newly asserted over it."""
        while not self._stopping and self._stands("stop") is not None:
            flatten = self._stands("flatten")
            if flatten is not None and flatten != self._flatten_tried:
                return
            await self._rest(self._timing.poll_s)

    async def _rest(self, seconds: float) -> None:
        """Wait, but not through a change of control or a signal."""
        self._wake.clear()
        if self._stopping:
            return
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return

    async def _wait_for_any(self, exited: "asyncio.Task[int]", seconds: float) -> None:
        waking = asyncio.create_task(self._wake.wait(), name="wake")
        await asyncio.wait({exited, waking}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        self._wake.clear()
        waking.cancel()

    def _control_changed(self, control: Control) -> None:
        self._control = control
        if self._stands("stop") is None:
            self._stop_since_ns = None
        else:
            self._stop_seen_in_run = True
            if self._stop_since_ns is None:
                self._stop_since_ns = monotonic_ns()
        self._wake.set()

    def _signalled(self, name: str) -> None:
        _log.info("signal", name=name)
        self._stopping = True
        self._wake.set()

    def _told_to_stop(self) -> bool:
        return self._stopping

    def _stands(self, name: Literal["stop", "flatten"]) -> ControlFile | None:
        return next((file for file in self._control.files if file.name == name), None)

    def _stop_word(self) -> Literal["stands", "was_seen", "absent"]:
        # The disk, not the memory of it: the daemon may have noticed a stop, and ended, before the watch here did.
        if (self._paths.control / "stop").exists():
            return "stands"
        return "was_seen" if self._stop_seen_in_run else "absent"

    def _assert_stop(self, reason: str) -> None:
        say(f"bifrost: stop asserted by the supervisor: {reason}; see logs/, then `bifrost start`")
        _log.critical("stop_asserted", reason=reason)
        try:
            assert_command(self._paths.control, "stop", by=BY_SUPERVISOR, reason=reason, at=iso_from_us(wall_us()))
        except ControlError as error:
            # Without the file nothing keeps a crashing daemon down: ending is the only safe answer left.
            raise RuntimeError(f"cannot assert stop ({reason}): {error}") from error
        mark = ControlFile(name="stop", since_us=wall_us(), age_ms=0.0, by=BY_SUPERVISOR, reason=reason)
        others = tuple(file for file in self._control.files if file.name != "stop")
        self._control_changed(Control(ts_us=0, files=(*others, mark), readable=self._control.readable))

    def _blind(self, started_ns: int) -> bool:
        """Whether a stop has stood long enough for any healthy daemon to show that it saw it."""
        if self._stop_since_ns is None:
            return False
        grace_s = self._timing.boot_grace_s * 2 ** min(self._blind_kills, 6)
        deadline_ns = max(self._stop_since_ns + self._timing.stop_seen_s * 1e9, started_ns + grace_s * 1e9)
        if monotonic_ns() < deadline_ns:
            return False
        earliest = max(self._stop_since_ns - int(1e9), started_ns)
        return not stop_was_seen(self._paths, wall_us() - (monotonic_ns() - earliest) // 1000)


def stop_was_seen(paths: DeskPaths, since_us: int) -> bool:
    """Whether the snapshot or the journal, written since `since_us` (wall clock), shows that a stop was noticed."""
    snapshot = read_snapshot(paths.snapshot).snapshot
    if snapshot is not None and us_from_iso(snapshot.wall_ts) >= since_us:
        noticed = any(mark.name == "stop" for mark in snapshot.control)
        if noticed or snapshot.daemon_state in ("stopping", "stopped"):
            return True
    lines = newest(paths.journal, Filter(types=frozenset({JournalType.CONTROL_SEEN})), 20)
    return any(
        line.data is not None and line.data.get("command") == "stop" and us_from_iso(line.wall_ts) >= since_us
        for line in lines
    )


def _pass_on(task: "asyncio.Task[int]", finished: "asyncio.Future[int]") -> None:
    if finished.done() or task.cancelled():
        return
    error = task.exception()
    if error is None:
        finished.set_result(task.result())
    else:
        finished.set_exception(TaskDiedError("supervise", error))


def _kill_group(process: asyncio.subprocess.Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
