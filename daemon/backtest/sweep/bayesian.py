"""Bayesian search by Optuna's tree-structured Parzen estimator, asked and told by us.

The sampler is seeded anew for each cell, by the plan's seed and the cell's number: what it proposes depends on what was
told before and on nothing that lived in a process, so that a resumed search with one worker is the uninterrupted one.
With several workers the cells that are still being tried count as poor ones (constant liar), so that no two workers
try the same corner; which cells are asked for then depends on which trials end first.

Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011. Optuna takes half a second to
import: this module is imported by who searches so, and by nobody else.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState, create_trial

from daemon.backtest.sweep.searchers import Asked, rounded
from state.runs.axes import axis, cell_count, is_number
from state.runs.records import Searched, SweepPlan

_REASKS = 20
"""Proposals that hit known cells before the search ends: a small space that is used up has no new ones."""
STARTUP_CELLS = 10
"""Drawn evenly before the estimator has enough to go by."""


class Bayesian:
    """Cells that the earlier ones point to. `first` is the number of its first cell."""

    def __init__(self, plan: SweepPlan, first: int = 0) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._plan = plan
        count = cell_count(plan.searched)
        self.total = plan.trials if count is None else min(plan.trials, count)
        self._first = first
        self._next = first
        self._seen: dict[tuple[Any, ...], int] = {}
        """Parameters, in the plan's order -> number of the cell."""
        self._open: dict[int, tuple[Trial, dict[str, Any]]] = {}
        direction = StudyDirection.MAXIMIZE if plan.maximise else StudyDirection.MINIMIZE
        self._study = optuna.create_study(direction=direction, sampler=self._sampler(first, 0))
        self._distributions = {searched.key: _distribution(searched) for searched in plan.searched}

    def known(self, number: int, params: Mapping[str, Any], objective: float | None) -> bool:
        """Tell the study a cell that an earlier part of this search tried. A failed one counts among the poorest."""
        self._seen[self._key(params)] = number
        found = create_trial(
            params={searched.key: _internal(searched, params[searched.key]) for searched in self._plan.searched},
            distributions=self._distributions,
            value=objective,
            state=TrialState.PRUNED if objective is None else TrialState.COMPLETE,
        )
        self._study.add_trial(found)
        return True

    def ask(self) -> Asked | None:
        """The next proposal that is new; None after the last, or where a small space is used up."""
        taken = set(self._seen.values())
        while self._next in taken:
            self._next += 1
        if self._next >= self._first + self.total:
            return None
        for attempt in range(_REASKS):
            self._study.sampler = self._sampler(self._next, attempt)
            trial = self._study.ask(self._distributions)
            params = {each.key: _external(each, trial.params[each.key]) for each in self._plan.searched}
            if self._key(params) not in self._seen:
                self._seen[self._key(params)] = self._next
                self._open[self._next] = (trial, params)
                return Asked(self._next, params)
            self._study.tell(trial, state=TrialState.FAIL)
        return None

    def tell(self, number: int, objective: float | None) -> None:
        """What a cell came to. Optuna's own trial, whose numbers have more digits than ours, is taken back."""
        trial, params = self._open.pop(number)
        self._study.tell(trial, state=TrialState.FAIL)
        self.known(number, params, objective)

    def _key(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(params.get(searched.key) for searched in self._plan.searched)

    def _sampler(self, number: int, attempt: int) -> optuna.samplers.TPESampler:
        seed = int(np.random.SeedSequence([self._plan.seed, number, attempt]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=STARTUP_CELLS, multivariate=True, constant_liar=True
            )


def _distribution(searched: Searched) -> BaseDistribution:
    """Values with an order are searched by their place in it; words by name."""
    values = axis(searched)
    if values and all(is_number(value) for value in values):
        return IntDistribution(0, len(values) - 1)
    if values:
        return CategoricalDistribution(tuple(range(len(values))))
    low, high = searched.low or 0.0, searched.high or 0.0
    if searched.integer:
        return IntDistribution(round(low), round(high), log=searched.log)
    return FloatDistribution(low, high, log=searched.log)


def _internal(searched: Searched, value: Any) -> Any:
    values = axis(searched)
    if not values:
        return value
    ordered = sorted(values) if all(is_number(each) for each in values) else list(values)
    return ordered.index(value)


def _external(searched: Searched, value: Any) -> Any:
    values = axis(searched)
    if values:
        ordered = sorted(values) if all(is_number(each) for each in values) else list(values)
        return ordered[value]
    if searched.integer:
        return int(value)
    return rounded(value, searched.low or 0.0, searched.high or 0.0)
