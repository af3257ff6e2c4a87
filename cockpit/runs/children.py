"""The commands that pages have started: processes of their own, at the lowest priority, one at a time.

The one rule: `close` ends them with the cockpit. A page that is reloaded or closed ends none.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from cockpit.clock import monotonic_s, wall_us
from state.runs.living import Look, is_alive, process_of
from state.runs.reading import RunLook
from state.times import iso_from_us

AT_ONCE: Final = 1
KEPT: Final = 8
"""Ended jobs that are remembered, so that a page can say how they ended."""
_LAST_BYTES: Final = 4096
_LAST_LINES: Final = 6
_END: Final = signal.SIGTERM
"""Ends a run as Ctrl-C does, and cannot have been switched off: what a shell starts behind `&` ignores SIGINT, and so
would every child of such a cockpit."""
_LAST: Final = 19
"""The lowest rank that there is."""
_END_WITHIN_S: Final = 2.5
"""Then a job is killed. It must be less than the patience of `bifrost up` with a cockpit: one that it kills leaves its
job behind."""
_CHECKOUT = Path(__file__).resolve().parents[2]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One command that a page started. `said` are its last lines on stderr; `code` its exit code once it has ended."""

    number: int
    words: tuple[str, ...]
    by: str
    began: str
    pid: int
    code: int | None = None
    said: tuple[str, ...] = ()


class BusyError(Exception):
    """As many as may run at once do; the text names what runs."""


class CannotStartError(Exception):
    """The machine would not start a process. The text is its line."""


class Children:
    """Of one cockpit. Safe from any thread."""

    def __init__(self, look: Look = process_of) -> None:
        self._lock = threading.RLock()
        """Taken again by a signal's handler where the thread that the signal interrupts holds it."""
        self._look = look
        self._jobs: dict[int, Job] = {}
        self._running: dict[int, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}
        self._next = 1
        self._closing_s: float | None = None
        """When the jobs were asked to end, on the monotonic clock; None before."""

    def start(self, words: Sequence[str], *, by: str, on_end: Callable[[Job], None] = lambda _job: None) -> Job:
        """Begin `python -m cli WORDS`. Raises BusyError, CannotStartError."""
        with self._lock:
            if self._closing_s is not None:
                raise CannotStartError("the cockpit is ending")
            if len(self._running) >= AT_ONCE:
                raise BusyError(" ".join(self._jobs[next(iter(self._running))].words[:2]))
            # A file, not a pipe: its end of a pipe would break with a cockpit that was killed.
            said = tempfile.TemporaryFile(prefix="bifrost-run-")  # noqa: SIM115 - closed by whoever follows it
            try:
                child = subprocess.Popen(  # noqa: S603 - our own command, its words a list
                    [*_lowest_priority(), sys.executable, "-P", "-m", "cli", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    start_new_session=True,
                    env={**os.environ, "PYTHONPATH": str(_CHECKOUT), "NO_COLOR": "1"},
                )
            except OSError as error:
                said.close()
                raise CannotStartError(str(error.strerror)) from error
            _rank(child.pid, _LAST)
            job = Job(number=self._next, words=tuple(words), by=by, began=iso_from_us(wall_us()), pid=child.pid)
            self._next += 1
            self._jobs[job.number] = job
            self._running[job.number] = (child, said)
            for old in [number for number in self._jobs if number not in self._running][:-KEPT]:
                del self._jobs[old]
        threading.Thread(target=self._follow, args=(job.number, on_end), name=f"run {job.number}", daemon=True).start()
        return job

    def all(self) -> tuple[Job, ...]:
        """The running ones and those that ended last, newest first; what they said so far."""
        with self._lock:
            found = [
                msgspec.structs.replace(job, said=_last_lines(self._running[number][1]))
                if number in self._running
                else job
                for number, job in self._jobs.items()
            ]
        return tuple(reversed(found))

    def interrupt(self, number: int) -> bool:
        """Ask a job of ours to end, as Ctrl-C would; false where it has ended already."""
        with self._lock:
            found = self._running.get(number)
            if found is None:
                return False
            _ask_to_end(found[0])
            return True

    def interrupt_run(self, run: RunLook) -> bool:
        """Ask the process of a run to end, whoever started it.

        Its pid is believed only when start time and command line say that it is that run; false where they do not.
        """
        if run.progress is None or run.standing != "running":
            return False
        with self._lock:
            for child, _ in self._running.values():
                if child.pid == run.progress.pid:
                    _ask_to_end(child)
                    return True
        if not is_alive(run.progress, self._look):
            return False
        try:
            os.kill(run.progress.pid, _END)
        except OSError:
            return False
        return True

    def ask_to_end(self) -> None:
        """Ask every job to end, and begin no other. It waits for none, so that a signal's handler may call it."""
        with self._lock:
            if self._closing_s is not None:
                return
            self._closing_s = monotonic_s()
            for child, _ in self._running.values():
                _ask_to_end(child)

    def close(self) -> None:
        """End every job: its run is left as an interrupted one, with its tables where it wrote them in time."""
        self.ask_to_end()
        with self._lock:
            asked_s = self._closing_s or 0.0
            children = [child for child, _ in self._running.values()]
        for child in children:
            try:
                child.wait(max(0.0, asked_s + _END_WITHIN_S - monotonic_s()))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)  # its workers, too
                child.wait()

    def _follow(self, number: int, on_end: Callable[[Job], None]) -> None:
        with self._lock:
            child, said = self._running[number]
        code = child.wait()
        with self._lock, said:
            ended = msgspec.structs.replace(self._jobs[number], code=code, said=_last_lines(said))
            self._jobs[number] = ended
            del self._running[number]
        on_end(ended)


def _lowest_priority() -> list[str]:
    """Only what nobody else wants of processor and disk: the daemon beside it must not notice."""
    words: list[str] = []
    nice, ionice = shutil.which("nice"), shutil.which("ionice")
    if nice is not None:
        words += [nice, "-n", str(_LAST)]
    if ionice is not None:
        words += [ionice, "-c", "3", "-t"]
    return words


def _rank(pid: int, nice: int) -> None:
    """Rank the child's session among all others.

    Linux may share the processor among sessions first (autogroups); `nice` then counts only within one.
    """
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")


def _ask_to_end(child: subprocess.Popen[bytes]) -> None:
    """Ranked as any other again: on a full machine the last session needs a minute for what it has left to do."""
    _rank(child.pid, 0)
    with suppress(ProcessLookupError):
        child.send_signal(_END)


def _last_lines(said: IO[bytes]) -> tuple[str, ...]:
    """The end of what was said; a line that is written over and over (a progress bar) counts once."""
    descriptor = said.fileno()
    size = os.fstat(descriptor).st_size
    text = os.pread(descriptor, _LAST_BYTES, max(0, size - _LAST_BYTES)).decode("utf-8", "replace")
    lines = [line.rsplit("\r", 1)[-1].strip() for line in text.replace("\r\n", "\n").split("\n")]
    return tuple(line.removeprefix("bifrost: ")[:500] for line in lines if line)[-_LAST_LINES:]


children = Children()
"""Of this process."""
