"""One sweep: as many trials at once as the pool has room for, each written down as it ends, until none is left."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from config.loader import LoadedProfile, ProfileError
from config.schema import Profile
from daemon.backtest.sweep.jobs import Job
from daemon.backtest.sweep.pool import Pool
from daemon.backtest.sweep.results import ResultsFolder
from daemon.backtest.sweep.schedule import Schedule, SearcherOf, Task
from state.runs.objectives import Better
from state.runs.records import Status, SweepPlan, Trial, TrialsEnded

ProgressCall = Callable[[float, str], None]
"""0 to 1, and a line."""
CellOf = Callable[[Mapping[str, Any]], LoadedProfile]
"""Searched keys and their values -> the profile that decides. Raises ProfileError."""

_LOOK_EVERY_S = 0.5


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a sweep ended."""

    status: Status
    trials: tuple[Trial, ...]
    """Everything that is in the results, earlier parts included."""
    text: str
    """One line."""


def run_sweep(
    folder: ResultsFolder,
    *,
    base: Profile,
    cell_of: CellOf,
    pool: Pool,
    searcher_of: SearcherOf,
    root: Path | None = None,
    progress: ProgressCall | None = None,
) -> Outcome:
    """Run what the plan of a folder still lacks.

    Args:
        folder: open for writing; its plan says what is searched, its earlier trials what has been tried.
        base: the profile without any cell's keys; it opens the data.
        cell_of: the profile with a cell's keys; a cell that it refuses is a trial with that problem.
        pool: where the trials run; the caller closes it.
        searcher_of: makes the search.
        root: the state folder, for data that lies in it.
        progress: told after each trial and about twice a second.

    Returns:
        The outcome. After Ctrl-C it is `interrupted`: what ended is kept, what was under way is given up and will be
        tried again by who goes on. A sweep of which no trial came to a result has failed.

    Raises:
        SweepFolderError, PoolError: results cannot be written, or the cluster is gone; what came is kept.
    """
    return _Sweep(folder, base=base, cell_of=cell_of, pool=pool, root=root, progress=progress).run(searcher_of)


class _Sweep:
    """One call of `run_sweep`."""

    def __init__(
        self,
        folder: ResultsFolder,
        *,
        base: Profile,
        cell_of: CellOf,
        pool: Pool,
        root: Path | None,
        progress: ProgressCall | None,
    ) -> None:
        self._folder = folder
        self._plan: SweepPlan = folder.plan
        self._base = base
        self._cell_of = cell_of
        self._pool = pool
        self._root = root
        self._progress = progress
        self._trials = list(folder.earlier)
        self._better = Better(maximise=self._plan.maximise)
        self._hashes = {self._spec_of(trial): trial.data_hash for trial in self._trials if trial.data_hash}
        self._total = 0
        self._running = 0

    def run(self, searcher_of: SearcherOf) -> Outcome:
        schedule = Schedule(self._plan, searcher_of, self._trials)
        self._total = schedule.total
        self._tell()
        try:
            self._run_all(schedule)
        except KeyboardInterrupt:
            return self._end("interrupted")
        except BaseException:
            self._folder.tell(self._done(), "ended by an error of the program", status="failed")
            raise
        return self._end("finished" if any(trial.objective is not None for trial in self._trials) else "failed")

    def _run_all(self, schedule: Schedule) -> None:
        while True:
            while self._running < self._pool.slots and (task := schedule.next()) is not None:
                self._begin(task, schedule)
            if not self._running:
                return
            for trial in self._pool.wait(_LOOK_EVERY_S):
                self._running -= 1
                self._take(trial, schedule)
            self._tell()

    def _begin(self, task: Task, schedule: Schedule) -> None:
        where = task.stretch
        try:
            cell = self._cell_of(task.params)
        except ProfileError as error:
            refused = Trial(
                number=task.number, fold=where.fold, sample=where.sample, params=task.params, objective=None,
                figures=None, problem="; ".join(_told_by(error)),
            )  # fmt: skip
            self._take(refused, schedule)
            return
        self._running += 1
        self._pool.submit(
            Job(
                number=task.number,
                fold=where.fold,
                sample=where.sample,
                params=task.params,
                spec=where.spec,
                base=self._base,
                cell=cell,
                model=self._plan.venue,
                objective=self._plan.objective,
                root=self._root,
                data_hash=self._hashes.get(where.spec),
            )
        )

    def _take(self, trial: Trial, schedule: Schedule) -> None:
        expected = self._hashes.setdefault(self._spec_of(trial), trial.data_hash) if trial.data_hash else None
        if expected is not None and expected != trial.data_hash:
            text = "the data changed between two trials of this sweep; start a new one"
            trial = msgspec.structs.replace(trial, objective=None, figures=None, problem=text)
        self._folder.append(trial)
        self._trials.append(trial)
        schedule.ended(trial)

    def _spec_of(self, trial: Trial) -> str:
        if trial.fold is None:
            return self._plan.data.spec
        return self._plan.folds[trial.fold][0 if trial.sample == "in" else 1]

    def _done(self) -> float:
        return min(len(self._trials) / self._total, 1.0) if self._total else 1.0

    def _ended(self) -> TrialsEnded:
        """Under a split there is no one best: see the folds."""
        whole = [trial for trial in self._trials if trial.sample == "all" and trial.objective is not None]
        best = max(whole, key=lambda each: self._better.score(each.objective or 0.0), default=None)
        return TrialsEnded(
            ended=len(self._trials),
            total=self._total,
            failed=sum(trial.problem is not None for trial in self._trials),
            best=None if best is None else best.objective,
            best_cell=None if best is None else best.number,
        )

    def _tell(self) -> None:
        ended = self._ended()
        text = _text(ended)
        self._folder.tell(self._done(), text, trials=ended)
        if self._progress is not None:
            self._progress(self._done(), text)

    def _end(self, status: Status) -> Outcome:
        ended = self._ended()
        text = _text(ended)
        if status == "failed":
            first = next((trial.problem for trial in self._trials if trial.problem is not None), "there was no trial")
            text = f"no trial came to a result: {first}"
        told = None if status == "failed" else ended
        self._folder.tell(1.0 if status == "finished" else self._done(), text, status=status, trials=told)
        return Outcome(status=status, trials=tuple(self._trials), text=text)


def _text(told: TrialsEnded) -> str:
    """`14 of 64 trials, best 812.4 (cell 7), 2 failed`."""
    text = f"{told.ended} of {told.total} trials"
    if told.best is not None:
        text += f", best {told.best:,.6g} (cell {told.best_cell})"
    return text + (f", {told.failed} failed" if told.failed else "")


def _told_by(error: ProfileError) -> list[str]:
    """What a profile's checks say, without the place: a cell has no file."""
    if not error.problems:
        return [str(error)]
    return [f"{problem.path}: {problem.text}" if problem.path else problem.text for problem in error.problems]
