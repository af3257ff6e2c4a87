"""The folder of one sweep, written so that whatever came is kept: results are appended, a line for each trial.

sweep.json      first: the plan
results.jsonl   a line for each trial, in the order in which they ended, handed to the system at once
progress.json   replaced at most twice a second while the sweep goes on, and at its end
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from daemon.backtest.run_folder import PROGRESS_EVERY_S, wall_us
from state.atomic import replace_file, write_all
from state.runs.files import SUMMARY_BYTES, UnreadableError
from state.runs.folder import SweepPaths
from state.runs.reading import decode
from state.runs.records import SCHEMA_VERSION, Progress, Status, SweepPlan, Trial, TrialsEnded
from state.runs.trials import read_trials
from state.times import iso_from_us


class SweepFolderError(Exception):
    """The folder cannot be read or written, or is in use. One line with the remedy."""


class ResultsFolder:
    """The one writer of a sweep's folder. Made by `new` or `again`; `close` at the end. Raises SweepFolderError."""

    def __init__(self, paths: SweepPaths, plan: SweepPlan, earlier: tuple[Trial, ...], descriptor: int) -> None:
        self.plan = plan
        self.earlier = earlier
        """What earlier parts of this sweep left."""
        self._paths = paths
        self._descriptor = descriptor
        self._started_us = wall_us()
        self._started_s = time.monotonic()
        self._told_s = -PROGRESS_EVERY_S
        self._first: float | None = None
        """The share that was done before this process began."""
        self._grown = (0.0, 0.0)
        """When the share last grew (seconds since the start), and to what."""

    @classmethod
    def new(cls, paths: SweepPaths, plan: SweepPlan) -> "ResultsFolder":
        """A fresh folder with the plan in it."""
        try:
            paths.folder.mkdir(parents=True, exist_ok=True)
            # An empty file of results alone is of a sweep that was killed before its plan was written.
            if paths.plan.exists() or (paths.results.exists() and paths.results.stat().st_size > 0):
                raise SweepFolderError(
                    f"{paths.folder} holds a sweep already: go on with --resume {paths.run_id}, "
                    "or choose another --name"
                )
            descriptor = _locked(paths.results)
            _replace(paths.plan, plan)
        except OSError as error:
            raise SweepFolderError(f"cannot write {paths.folder}: {error.strerror or error}") from error
        return cls(paths, plan, (), descriptor)

    @classmethod
    def again(cls, paths: SweepPaths) -> "ResultsFolder":
        """The folder of a sweep that was begun before. A line that a dying process tore is cut off."""
        plan = plan_of(paths)
        try:
            descriptor = _locked(paths.results)
            whole = paths.results.read_bytes().rfind(b"\n") + 1
            os.ftruncate(descriptor, whole)
            earlier = read_trials(paths.results)
        except (OSError, UnreadableError) as error:
            raise SweepFolderError(f"{paths.folder} cannot be gone on with: {error}") from error
        return cls(paths, plan, earlier, descriptor)

    def append(self, trial: Trial) -> None:
        """One trial has ended."""
        size = os.fstat(self._descriptor).st_size
        try:
            write_all(self._descriptor, msgspec.json.encode(trial) + b"\n")
        except OSError as error:
            with suppress(OSError):  # a full disk takes a part and then refuses: no torn line before the next one
                os.ftruncate(self._descriptor, size)
            raise SweepFolderError(f"cannot write {self._paths.results}: {error.strerror or error}") from error

    def tell(self, done: float, text: str, *, status: Status = "running", trials: TrialsEnded | None = None) -> None:
        """Say how far it is, at most twice a second; an end is always said. `trials`: what `text` says."""
        now_s = time.monotonic()
        seconds = now_s - self._started_s
        eta_s = self._eta_s(done, seconds) if status == "running" else None
        if status == "running" and now_s - self._told_s < PROGRESS_EVERY_S:
            return
        self._told_s = now_s
        progress = Progress(
            schema=SCHEMA_VERSION,
            run_id=self._paths.run_id,
            kind="sweep",
            status=status,
            pid=os.getpid(),
            done=round(done, 4),
            text=text,
            started_ts=iso_from_us(self._started_us),
            updated_ts=iso_from_us(wall_us()),
            seconds=round(seconds, 3),
            eta_s=eta_s,
            trials=trials,
        )
        try:
            _replace(self._paths.progress, progress)
        except OSError as error:
            raise SweepFolderError(f"cannot write {self._paths.progress}: {error.strerror or error}") from error

    def _eta_s(self, done: float, seconds: float) -> float | None:
        """By the pace of this process up to the last trial that ended; counts down until the next one does."""
        if self._first is None:
            self._first, self._grown = done, (seconds, done)
        if done > self._grown[1]:
            self._grown = (seconds, done)
        then_s, share = self._grown
        if share <= self._first:
            return None
        return round(max(then_s * (1 - share) / (share - self._first) - (seconds - then_s), 0.0), 1)

    def close(self) -> None:
        """Let another process go on with it."""
        os.close(self._descriptor)


def plan_of(paths: SweepPaths) -> SweepPlan:
    """What a sweep searches. Raises SweepFolderError."""
    try:
        return decode(paths.plan, SUMMARY_BYTES, SweepPlan)
    except UnreadableError as error:
        if error.code == "missing":
            raise SweepFolderError(
                f"no sweep {paths.run_id!r} under {paths.folder.parent}; `bifrost sweep list` shows those that exist"
            ) from error
        raise SweepFolderError(f"{paths.folder}: {error}") from error


def _locked(path: Path) -> int:
    """Open for appending, alone: two processes on one sweep would try every cell twice."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise SweepFolderError(f"another process runs the sweep in {path.parent}: wait for it, or end it") from None
    return descriptor


def _replace(path: Path, record: msgspec.Struct) -> None:
    replace_file(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n", sync=False)
