"""Trials in processes of this machine, one at a time in each.

Not `concurrent.futures`: there the death of one process (a bug in compiled code, the kernel short of memory) breaks the
whole pool and every trial in it, and nobody can say which trial it was. Here each worker has a pipe of its own: the
trial in the hands of the dead one has failed, with the signal that ended it, and a new worker takes its place.

The workers come from a fork server: it imports the program once, runs no threads, and hands out processes that begin
with everything imported. Ctrl-C is the parent's alone; a worker whose parent is gone ends with its trial.
"""

import multiprocessing
import multiprocessing.connection
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Self

from daemon.backtest.sweep.jobs import Job, StrategyOf, run_job
from state.runs.records import Trial

_END_WITHIN_S = 5.0


class LocalPool:
    """Processes on this machine. Use as a context manager."""

    def __init__(self, workers: int, strategy_of: StrategyOf) -> None:
        self.slots = workers
        self._strategy_of = strategy_of
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([run_job.__module__, strategy_of.__module__])
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, job: Job) -> None:
        """Give it to an idle worker, or to a new one. At most `slots` may be under way."""
        while self._idle and not self._idle[-1].process.is_alive():
            self._idle.pop().end()
        worker = self._idle.pop() if self._idle else _Worker(self._context, self._strategy_of)
        worker.give(job)
        self._busy.append(worker)

    def wait(self, timeout_s: float) -> list[Trial]:
        """What has ended; a worker that died gives its trial a problem."""
        ready = set(multiprocessing.connection.wait([worker.pipe for worker in self._busy], timeout_s))
        done = [worker for worker in self._busy if worker.pipe in ready]
        self._busy = [worker for worker in self._busy if worker.pipe not in ready]
        trials = []
        for worker in done:
            trial = worker.take()
            if worker.is_usable:
                self._idle.append(worker)
            else:
                worker.end()
            trials.append(trial)
        return trials

    def close(self) -> None:
        """End every worker, whatever it does."""
        for worker in (*self._idle, *self._busy):
            worker.end()
        self._idle, self._busy = [], []


class _Worker:
    """One process and the trial in its hands."""

    def __init__(self, context: Any, strategy_of: StrategyOf) -> None:
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=work, args=(theirs, strategy_of), name="sweep worker", daemon=True
        )
        self.process.start()
        theirs.close()
        self.is_usable = True
        self._job: Job | None = None

    def give(self, job: Job) -> None:
        """Hand a trial over. A worker that has just died says so at `take`."""
        self._job = job
        with suppress(BrokenPipeError):
            self.pipe.send(job)

    def take(self) -> Trial:
        """What became of the trial."""
        job, self._job = self._job, None
        if job is None:
            raise RuntimeError("this worker has no trial")
        try:
            trial = self.pipe.recv()
        except (EOFError, OSError):
            self.is_usable = False
            self.process.join(_END_WITHIN_S)
            return job.failed(f"its process died ({_death(self.process.exitcode)})")
        if not isinstance(trial, Trial):
            raise TypeError(f"a worker gave {type(trial).__name__}, not a trial")
        return trial

    def end(self) -> None:
        """Kill it: it holds nothing that could be lost."""
        self.process.kill()
        self.process.join(_END_WITHIN_S)
        self.pipe.close()


def _death(code: int | None) -> str:
    if code is None:
        return "its end is not known"
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return name + (": killed, short of memory?" if -code == signal.SIGKILL else "")


def work(pipe: Connection, strategy_of: StrategyOf) -> None:
    """A worker's whole life: a job in, a trial out, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            pipe.send(run_job(pipe.recv(), strategy_of))
