"""Keeps one daemon running: restarts it after crashes, keeps it down while `stop` stands, never argues with a human.

The supervisor reads the same control folder as the daemon and nothing else of its affairs, except whether the
daemon has noticed a stop or a flatten. There is one for each desk (`.supervisor.lock`). A daemon that outlives its
supervisor notices it (`supervised.py`) and leaves; the next supervisor waits for that.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import Final, Literal, get_args

import structlog

from daemon.core.events import Control, ControlFile
from daemon.runtime.clocks import monotonic_ns, wall_us
from daemon.runtime.control_watch import ControlWatch
from daemon.runtime.exit_codes import ExitCode
from daemon.runtime.locks import Locks, LockTakenError, desk_lock_path, holder_pid, is_held, supervisor_lock_path
from daemon.runtime.logging_setup import say, set_up_logging
from daemon.runtime.signals import on_stop_signal
from daemon.runtime.supervised import FD_VARIABLE
from daemon.runtime.supervision import Supervision, Timing, Verdict
from daemon.runtime.tasks import TaskDiedError, TaskOwner
from state.control import BY_SUPERVISOR, ControlError, assert_command
from state.layout import DeskPaths
from state.query import Filter, newest
from state.records import JournalType
from state.snapshot import read_snapshot
from state.times import iso_from_us, us_from_iso

_log = structlog.stdlib.get_logger("bifrost.runtime.supervisor")

Watched = Literal["stop", "flatten"]
"""Commands that a daemon must be seen to have noticed."""
FLATTEN_ONLY: Final = "--flatten-only"


def run_supervisor(command: Sequence[str], paths: DeskPaths, *, timing: Timing | None = None) -> int:
    """Run `command` (a daemon of the desk at `paths`) under supervision until told to stop; returns the exit code.

    0 after SIGTERM or SIGINT with a daemon that stopped in time, 6 when it had to be killed; 2, 4 and 5 are the
    daemon's own final words (4 also: the desk has a supervisor), 1 is a bug of the supervisor. `command` must take
    `--flatten-only`.
    """
    locks = Locks()
    try:
        paths.create()
        locks.take(supervisor_lock_path(paths.folder), f"desk {paths.desk} (its supervisor)")
        close_log = set_up_logging(
            paths.logs / "supervisor.jsonl", run_id=f"supervisor-{os.getpid()}", process="supervisor"
        )
    except LockTakenError as error:
        say(f"bifrost: {error}")
        return ExitCode.IN_USE
    except OSError as error:
        locks.release_all()
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
        locks.release_all()


class Supervisor:
    """One daemon at a time, and the control folder's present content."""

    def __init__(self, command: Sequence[str], paths: DeskPaths, timing: Timing) -> None:
        self._command = tuple(command)
        self._paths = paths
        self._timing = timing
        self._rules = Supervision(timing)
        self._control = Control(ts_us=0, files=())
        self._since_ns: dict[Watched, int] = {}
        """Since when each command stands, by this process's clock."""
        self._stop_seen_in_run = False
        self._flatten_tried: ControlFile | None = None
        self._wake = asyncio.Event()
        self._stopping = False
        self._blind_kills = 0
        """In a row; each doubles the next daemon's boot grace, so that a slow disk cannot defeat the next one."""

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
        await self._wait_for_orphan()
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
        # Only this process holds the writing end, so its end, of whatever kind, is the end of the daemon's file.
        reading, writing = os.pipe()
        try:
            try:
                # Its own process group: a Ctrl-C in the terminal reaches the supervisor alone, which passes it on.
                process = await asyncio.create_subprocess_exec(
                    *command, process_group=0, pass_fds=(reading,), env={**os.environ, FD_VARIABLE: str(reading)}
                )
            except OSError as error:
                say(f"bifrost: cannot start the daemon ({command[0]}): {error}")
                return 2, Verdict(final=2)
            finally:
                os.close(reading)
            _log.info("daemon_started", pid=process.pid, flatten_only=flatten_only)
            killed_blind = await self._attend(process, started_ns)
        finally:
            os.close(writing)
        code = process.returncode if process.returncode is not None else 1
        now_ns = monotonic_ns()
        _log.info("daemon_ended", pid=process.pid, code=code, killed_blind=killed_blind)
        self._blind_kills = self._blind_kills + 1 if killed_blind else 0
        if killed_blind:
            return code, self._rules.killed()
        ran_s = (now_ns - started_ns) / 1e9
        return code, self._rules.judge(code, ran_s=ran_s, now_s=now_ns / 1e9, stop=self._stop_word())

    async def _attend(self, process: asyncio.subprocess.Process, started_ns: int) -> bool:
        """Wait for the daemon's end; True when it had to be killed because it did not notice a stop or a flatten."""
        exited = asyncio.create_task(process.wait(), name="daemon")
        killed_blind = False
        try:
            while not exited.done():
                await self._wait_for_any(exited, self._timing.poll_s)
                if self._stopping:
                    await self._end(process, exited)
                elif not exited.done() and (unseen := self._unseen(started_ns)) is not None:
                    say(f"bifrost: the daemon (process {process.pid}) did not notice the {unseen}: killing it")
                    _log.critical("daemon_blind", command=unseen, pid=process.pid)
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

    async def _wait_for_orphan(self) -> None:
        """Give a daemon whose own supervisor was killed the time to cancel, confirm and let go of the desk."""
        lock = desk_lock_path(self._paths.folder)
        end_ns = monotonic_ns() + int(self._timing.orphan_leaves_s * 1e9)
        told = False
        while is_held(lock) and monotonic_ns() < end_ns and not self._stopping:
            if not told:
                told = True
                say(f"bifrost: the desk is in use by process {holder_pid(lock)}; waiting for it to leave")
                _log.warning("desk_in_use", pid=holder_pid(lock))
            await self._rest(self._timing.poll_s)

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
        before, self._control = self._control, control
        for name in get_args(Watched):
            stands = self._stands(name)
            if stands is None:
                self._since_ns.pop(name, None)
            elif name not in self._since_ns or (name == "flatten" and stands not in before.files):
                self._since_ns[name] = monotonic_ns()  # a flatten that is touched again is a new request
        if self._stands("stop") is not None:
            self._stop_seen_in_run = True
        self._wake.set()

    def _signalled(self, name: str) -> None:
        _log.info("signal", name=name)
        self._stopping = True
        self._wake.set()

    def _told_to_stop(self) -> bool:
        return self._stopping

    def _stands(self, name: Watched) -> ControlFile | None:
        return next((file for file in self._control.files if file.name == name), None)

    def _stop_word(self) -> Literal["stands", "was_seen", "absent"]:
        # The disk, not the memory of it: the daemon may have noticed a stop, and ended, before the watch here did.
        if (self._paths.control / "stop").exists():
            return "stands"
        return "was_seen" if self._stop_seen_in_run else "absent"

    def _assert_stop(self, reason: str) -> None:
        say(f"bifrost: stop asserted by the supervisor: {reason}; see logs/, then `./bifrost start`")
        _log.critical("stop_asserted", reason=reason)
        try:
            assert_command(self._paths.control, "stop", by=BY_SUPERVISOR, reason=reason, at=iso_from_us(wall_us()))
        except ControlError as error:
            # Without the file nothing keeps a crashing daemon down: ending is the only safe answer left.
            raise RuntimeError(f"cannot assert stop ({reason}): {error}") from error
        mark = ControlFile(name="stop", since_us=wall_us(), age_ms=0.0, by=BY_SUPERVISOR, reason=reason)
        others = tuple(file for file in self._control.files if file.name != "stop")
        self._control_changed(Control(ts_us=0, files=(*others, mark), readable=self._control.readable))

    def _unseen(self, started_ns: int) -> Watched | None:
        """The command that has stood long enough for any healthy daemon to show that it saw it, and that it did not."""
        grace_s = self._timing.boot_grace_s * 2 ** min(self._blind_kills, 6)
        for name, since_ns in self._since_ns.items():
            deadline_ns = max(since_ns + self._timing.stop_seen_s * 1e9, started_ns + grace_s * 1e9)
            if monotonic_ns() < deadline_ns:
                continue
            earliest = max(since_ns - int(1e9), started_ns)
            if not command_was_seen(self._paths, name, wall_us() - (monotonic_ns() - earliest) // 1000):
                return name
        return None


def command_was_seen(paths: DeskPaths, name: Watched, since_us: int) -> bool:
    """Whether the snapshot or the journal, written since `since_us` (wall clock), shows that a command was noticed."""
    snapshot = read_snapshot(paths.snapshot).snapshot
    if snapshot is not None and us_from_iso(snapshot.wall_ts) >= since_us:
        noticed = any(mark.name == name for mark in snapshot.control)
        if noticed or snapshot.daemon_state in ("stopping", "stopped"):
            return True
    lines = newest(paths.journal, Filter(types=frozenset({JournalType.CONTROL_SEEN})), 20)
    return any(
        line.data is not None and line.data.get("command") == name and us_from_iso(line.wall_ts) >= since_us
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
