"""The processes that `up` owns: started in sessions of their own, ended in order, killed only by their own pid."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE_S = 4.0
"""After so long what has not ended is killed; everything is gone within 5 s."""
_LAST_ORDERS_S = 3.2
"""So long the daemon may need the simulator to confirm its cancelled orders."""
_POLL_S = 0.05


@dataclass
class Child:
    """One process, its log and whether its end was already told."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    log_start: int
    """Where this run's output begins in the log."""
    told: bool = field(default=False)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def output(self) -> str:
        """What this run has written so far."""
        try:
            with self.log.open("rb") as file:
                file.seek(self.log_start)
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def ending(self) -> str:
        """`the simulator ended (exit 2): port 7497 is taken; see .../simulator.log`, once it has ended."""
        code = self.process.returncode
        how = f"exit {code}" if code is not None and code >= 0 else f"killed by {_signal_name(code)}"
        lines = [line for line in self.output().splitlines() if line.strip()]
        last = f": {lines[-1].strip()[:300]}" if lines else ""
        return f"the {self.name} ended ({how}){last}; see {self.log}"


def _signal_name(code: int | None) -> str:
    try:
        return "a signal" if code is None else signal.Signals(-code).name
    except ValueError:
        return f"signal {code}"


class Children:
    """The one rule: `end_all` is called whatever happens, and nothing is started after it."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = dict(environment)
        self._logs = logs
        self._children: list[Child] = []

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a process whose output goes to `logs/<name>.log`. Raises OSError."""
        self._logs.mkdir(mode=0o750, parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 our own command
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,  # a Ctrl-C in the terminal reaches `up` alone, which ends them in order
            )
            child = Child(name, process, log, log_start=output.tell())
        self._children.append(child)
        return child

    def newly_ended(self) -> list[Child]:
        """Those that have ended since the last call."""
        ended = [child for child in self._children if not child.told and not child.is_running]
        for child in ended:
            child.told = True
        return ended

    def end_all(self, *, confirmed: Callable[[], bool], orphan: Callable[[], int | None]) -> list[str]:
        """SIGTERM, the supervisor first; SIGKILL after 4 s. Names the killed ones.

        The simulator is told last: the daemon needs it until its cancelled orders are `confirmed`. `orphan` gives
        the pid of a daemon that may outlive a killed supervisor: it notices, cancels and leaves, and is waited for.
        """
        started = time.monotonic()
        waits = sorted(self._children, key=lambda child: child.name != "supervisor")
        supervisor = next((child for child in waits if child.name == "supervisor"), None)
        _send([child for child in waits if child.name != "simulator"], signal.SIGTERM)
        asked_simulator = False
        killed: list[str] = []
        while True:
            supervised = supervisor is not None and supervisor.is_running
            orphaned = supervisor is not None and not supervised and _lives(orphan(), supervisor.process.pid)
            if not orphaned and not any(child.is_running for child in waits):
                break
            elapsed_s = time.monotonic() - started
            orders_done = not (supervised or orphaned) or confirmed()
            if not asked_simulator and (orders_done or elapsed_s >= _LAST_ORDERS_S):
                asked_simulator = True
                _send([child for child in waits if child.name == "simulator"], signal.SIGTERM)
            if elapsed_s >= PATIENCE_S:
                killed = [child.name for child in waits if child.is_running]
                self._kill_rest(waits)
                break
            time.sleep(_POLL_S)
        if supervisor is not None and supervisor.process.returncode not in (0, None):
            _kill_orphan(orphan(), supervisor.process.pid)
        for child in waits:
            child.told = True
        return killed

    def _kill_rest(self, waits: list[Child]) -> None:
        for child in waits:
            if child.is_running:
                child.process.kill()
        for child in waits:
            child.process.wait()


def _send(children: Sequence[Child], number: signal.Signals) -> None:
    for child in children:
        if child.is_running:
            child.process.send_signal(number)


def _lives(pid: int | None, session: int) -> bool:
    """Whether a daemon whose supervisor died lives on: only in that supervisor's session is it ours."""
    try:
        return pid is not None and os.getsid(pid) == session
    except (ProcessLookupError, PermissionError):
        return False


def _kill_orphan(pid: int | None, session: int) -> None:
    """Kill it, if it did not leave by itself."""
    if pid is not None and _lives(pid, session):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
