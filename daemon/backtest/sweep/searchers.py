"""Which cell is tried next: every one (grid), drawn ones (random), or where the earlier ones point (Bayesian).

All three own no loop: who runs the trials asks for a cell and tells what it came to. A cell depends on the plan's seed,
on its own number and (Bayesian) on what was told before, on nothing else: a search that goes on after an interruption
asks for the cells that the uninterrupted one would have asked for.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import numpy as np

from state.runs.axes import axis, cell_count
from state.runs.records import Searched, SweepPlan

_REDRAWS = 100
"""Draws that hit known cells before the search says that it finds no new one."""


class Asked(msgspec.Struct, frozen=True):
    """One cell to be tried."""

    number: int
    params: dict[str, Any]


class Searcher(Protocol):
    """Gives cells by number, each once."""

    total: int
    """How many it will give at most."""

    def known(self, number: int, params: Mapping[str, Any], objective: float | None) -> bool:
        """A cell of an earlier part of the same search, whose trial ended. Whether it will not be asked again."""
        ...

    def ask(self) -> Asked | None:
        """The next cell; None once there are no more."""
        ...

    def tell(self, number: int, objective: float | None) -> None:
        """What a cell came to; None where it failed."""
        ...


class _Blind:
    """What learns nothing from its cells: it asks for the same ones again, and who runs them knows which are done."""

    def known(self, number: int, params: Mapping[str, Any], objective: float | None) -> bool:  # noqa: ARG002 -- the protocol's shape
        """Nothing to learn."""
        return False

    def tell(self, number: int, objective: float | None) -> None:
        """Nothing to learn."""


class Grid(_Blind):
    """Every cell of the space; the last key turns fastest."""

    def __init__(self, plan: SweepPlan, first: int = 0) -> None:
        self.total = cell_count(plan.searched) or 0
        self._keys = [searched.key for searched in plan.searched]
        self._cells = enumerate(itertools.product(*(axis(searched) for searched in plan.searched)), start=first)

    def ask(self) -> Asked | None:
        """The next one in order."""
        number, values = next(self._cells, (0, None))
        return None if values is None else Asked(number, dict(zip(self._keys, values, strict=True)))


class Random(_Blind):
    """Cells drawn evenly over the space (by logarithm where a key says so), without repetition."""

    def __init__(self, plan: SweepPlan, first: int = 0) -> None:
        self._plan = plan
        count = cell_count(plan.searched)
        self.total = plan.trials if count is None else min(plan.trials, count)
        self._first = self._next = first
        self._seen: set[tuple[Any, ...]] = set()

    def ask(self) -> Asked | None:
        """The next draw that is new. A small space that is nearly used up is walked to its end."""
        if self._next >= self._first + self.total:
            return None
        number, self._next = self._next, self._next + 1
        random = np.random.Generator(np.random.PCG64([self._plan.seed, number]))
        for _ in range(_REDRAWS):
            params = {searched.key: _drawn(searched, random) for searched in self._plan.searched}
            if tuple(params.values()) not in self._seen:
                break
        else:
            params = self._first_unseen()
        self._seen.add(tuple(params.values()))
        return Asked(number, params)

    def _first_unseen(self) -> dict[str, Any]:
        keys = [searched.key for searched in self._plan.searched]
        cells = itertools.product(*(axis(searched) for searched in self._plan.searched))
        return dict(zip(keys, next(cell for cell in cells if cell not in self._seen), strict=True))


def _drawn(searched: Searched, random: np.random.Generator) -> Any:
    values = axis(searched)
    if values:
        return values[int(random.integers(len(values)))]
    low, high = searched.low or 0.0, searched.high or 0.0
    by_log = searched.log
    drawn = math.exp(random.uniform(math.log(low), math.log(high))) if by_log else random.uniform(low, high)
    if searched.integer:
        return min(max(round(drawn), round(low)), round(high))
    return rounded(drawn, low, high)


def rounded(value: float, low: float, high: float) -> float:
    """Six digits are more than a profile's reader needs; never outside the bounds."""
    return min(max(float(f"{value:.6g}"), low), high)
