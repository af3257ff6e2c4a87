"""Keeping a cache up to date beside a long-lived reader, such as the cockpit, without taking its time.

The work is done by a process of its own at low priority: checking hashes holds Python's lock, and what DuckDB takes
is given back when it ends. One builder per cache at a time, whoever starts it; the others go on without.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TypeVar

import msgspec

from state.query.build import Built, build
from state.query.cache import Cache
from state.segments import list_segments
from state.undecodable import UNDECODABLE

EVERY_S = 60.0
_NICE = 10
_CHECKOUT = Path(__file__).resolve().parents[2]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the running build is, and how the last one ended. `problem` is one sentence, None while all is well."""

    done_bytes: int = 0
    todo_bytes: int = 0
    is_building: bool = False
    problem: str | None = None


class _Step(msgspec.Struct, frozen=True):
    done_bytes: int
    todo_bytes: int


_Told = TypeVar("_Told", _Step, Built)


class CacheKeeper:
    """Builds a journal's cache now and whenever segments were closed since, until it is stopped.

    The one rule: `stop` before the reader ends. A build that is stopped halfway is taken up by the next.
    """

    def __init__(self, journal: Path, cache: Path, *, every_s: float = EVERY_S) -> None:
        self._journal = journal
        self._cache = Cache(cache)
        self._command = [sys.executable, "-P", "-m", "state.query", str(journal), str(cache)]
        self._every_s = every_s
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"cache of {journal.parent.name}", daemon=True)
        self.progress = Progress()
        """Replaced as a whole, so that any thread may read it."""

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End a running build and the thread. Idempotent; returns when both have ended."""
        self._stopping.set()
        with self._turn:
            if self._child is not None:
                self._child.terminate()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._cache.is_complete(list_segments(self._journal)[:-1]):
                    self.progress = self._build()
            except OSError as error:
                self.progress = Progress(problem=f"the cache cannot be built: {error}")
            self._stopping.wait(self._every_s)

    def _build(self) -> Progress:
        with self._turn:
            if self._stopping.is_set():
                return self.progress
            self._child = subprocess.Popen(  # noqa: S603 - our own module
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(_CHECKOUT)},
            )
        last = b""
        with self._child as child:
            for last in child.stdout or ():
                step = _read(last, _Step)
                if step is not None:
                    self.progress = Progress(done_bytes=step.done_bytes, todo_bytes=step.todo_bytes, is_building=True)
        if self._stopping.is_set():
            return Progress(problem=self.progress.problem)
        return self._outcome(_read(last, Built) if child.returncode == 0 else None, child.returncode)

    def _outcome(self, built: Built | None, code: int) -> Progress:
        done = self.progress
        problem = None
        if built is None:
            problem = f"the cache's builder ended with code {code}; the journal is read without it"
        elif built.problems:
            problem = built.problems[0]
        return Progress(done_bytes=done.done_bytes, todo_bytes=done.todo_bytes, problem=problem)


def _read(raw: bytes, kind: type[_Told]) -> _Told | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNDECODABLE:
        return None


def main(arguments: list[str]) -> int:
    """Build once, telling every step on stdout as a line of JSON, the outcome last. Ends when nobody listens."""
    journal, cache = map(Path, arguments)
    os.nice(_NICE)

    def tell(value: object) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
        sys.stdout.buffer.flush()

    try:
        tell(build(journal, cache, progress=lambda done, todo: tell(_Step(done, todo))))
    except BrokenPipeError:
        sys.stdout = None  # or Python would complain about it once more at its end
    return 0
