"""Which trials a sweep still has to run, in order: cells from the searchers, each on every stretch of its round.

Without a split there is one round, and one stretch: the whole data. A grid or random search under a walk-forward split
is one round too: every cell is played on every fold's in-sample and out-of-sample stretch. A Bayesian search is a round
for each fold: what it learns in one fold's sample must not choose the cells of another.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from daemon.backtest.sweep.searchers import Searcher
from state.runs.records import SweepPlan, Trial

Sample = Literal["all", "in", "out"]
SearcherOf = Callable[[SweepPlan, int], Searcher]
"""The plan and the number of the first cell."""


class Stretch(msgspec.Struct, frozen=True):
    """One piece of the data."""

    fold: int | None
    sample: Sample
    spec: str


class Task(msgspec.Struct, frozen=True):
    """One cell on one stretch. The out-of-sample one follows once this has ended."""

    number: int
    params: dict[str, Any]
    stretch: Stretch


class _Round(msgspec.Struct, frozen=True):
    """A searcher, and the stretches that each of its cells is played on: whole or in-sample, with what follows."""

    searcher: Searcher
    stretches: tuple[tuple[Stretch, Stretch | None], ...]


class Schedule:
    """What is still to be run: `next` gives it, `ended` takes what came of it.

    Out-of-sample trials wait for the in-sample trial of the same cell and fold. So a cell of which anything is known
    has its in-sample result, and a Bayesian search can always be told it when it goes on.
    """

    def __init__(self, plan: SweepPlan, searcher_of: SearcherOf, earlier: Iterable[Trial] = ()) -> None:
        before = tuple(earlier)
        self._rounds = deque(_rounds(plan, searcher_of))
        self.total = sum(_trials(each) for each in self._rounds)
        """How many trials there will be at most."""
        self._done = {(trial.number, trial.fold, trial.sample) for trial in before}
        self._ready: deque[Task] = deque()
        self._asked: dict[int, Searcher] = {}
        self._follows = {
            stretch.fold: follower for each in self._rounds for stretch, follower in each.stretches if follower
        }
        for each in self._rounds:
            self._remember(each, before)

    def next(self) -> Task | None:
        """The next trial; None while everything that is left waits for a trial under way, and at the end."""
        while not self._ready and self._rounds:
            now = self._rounds[0]
            cell = now.searcher.ask()
            if cell is None:
                self._rounds.popleft()
                continue
            self._asked[cell.number] = now.searcher
            for stretch, follower in now.stretches:
                if not self._add(cell.number, cell.params, stretch) and follower is not None:
                    self._add(cell.number, cell.params, follower)
        return self._ready.popleft() if self._ready else None

    def ended(self, trial: Trial) -> None:
        """Tell who asked for the cell; its out-of-sample trial may run now."""
        self._done.add((trial.number, trial.fold, trial.sample))
        if trial.sample == "out":
            return
        self._asked[trial.number].tell(trial.number, trial.objective)
        follower = self._follows.get(trial.fold)
        if follower is not None:
            self._add(trial.number, trial.params, follower)

    def _add(self, number: int, params: dict[str, Any], stretch: Stretch) -> bool:
        """Whether it had to be added: what has been run is not run again."""
        if (number, stretch.fold, stretch.sample) in self._done:
            return False
        self._ready.append(Task(number, params, stretch))
        return True

    def _remember(self, each: _Round, before: tuple[Trial, ...]) -> None:
        folds = {stretch.fold: follower for stretch, follower in each.stretches}
        for trial in before:
            if trial.sample == "out" or trial.fold not in folds:
                continue
            is_kept = each.searcher.known(trial.number, trial.params, trial.objective)
            follower = folds[trial.fold]
            if is_kept and follower is not None:
                self._add(trial.number, trial.params, follower)


def _rounds(plan: SweepPlan, searcher_of: SearcherOf) -> list[_Round]:
    if not plan.folds:
        return [_Round(searcher_of(plan, 0), ((Stretch(None, "all", plan.data.spec), None),))]
    pairs = [
        (Stretch(fold, "in", inside), Stretch(fold, "out", outside))
        for fold, (inside, outside) in enumerate(plan.folds)
    ]
    if plan.method != "bayes":
        return [_Round(searcher_of(plan, 0), tuple(pairs))]
    return [_Round(searcher_of(plan, fold * plan.trials), (pair,)) for fold, pair in enumerate(pairs)]


def _trials(each: _Round) -> int:
    return each.searcher.total * sum(1 if follower is None else 2 for _, follower in each.stretches)
