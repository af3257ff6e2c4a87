"""The space that a sweep searches: the values along each key, and where a cell lies among them."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from state.runs.records import Searched, SweepPlan

DEFAULT_TRIALS = 64
"""Cells of a random or Bayesian search where nobody says how many."""
_TOLERANCE = 1e-9
_MANY_WHOLE_NUMBERS = 10_000

Point = tuple[float | None, ...]
"""A cell's place, a coordinate for each key; None for a key without order."""


def place(plan: SweepPlan, params: Mapping[str, Any]) -> Point:
    """Where a cell lies: on a grid by rank, else in the unit cube. The order of the keys is the plan's."""
    return tuple(_coordinate(searched, params.get(searched.key), plan.method == "grid") for searched in plan.searched)


@lru_cache(maxsize=256)
def axis(searched: Searched) -> tuple[Any, ...]:
    """The values of a key that is searched value by value (a list, or bounds with a step); empty for a continuous one.

    With `log` the step is a factor: 1 to 16 by 2 is 1, 2, 4, 8, 16. Whole numbers without a step are walked one by one
    unless there are so many that nobody would.
    """
    if searched.values:
        return searched.values
    if searched.low is None or searched.high is None:
        return ()
    few = searched.integer and not searched.log and searched.high - searched.low < _MANY_WHOLE_NUMBERS
    step = 1.0 if searched.step is None and few else searched.step
    if step is None:
        return ()
    if searched.log:
        count = math.floor(math.log(searched.high / searched.low) / math.log(step) + _TOLERANCE) + 1
        raw = [searched.low * step**place for place in range(count)]
    else:
        count = math.floor((searched.high - searched.low) / step + _TOLERANCE) + 1
        raw = [searched.low + step * place for place in range(count)]
    return tuple(round(value) if searched.integer else float(f"{value:.12g}") for value in raw)


def cell_count(searched: Sequence[Searched]) -> int | None:
    """How many cells the space has; None where a key is continuous."""
    if not all(axis(each) for each in searched):
        return None
    return math.prod(len(axis(each)) for each in searched)


def cells_tried(count: int | None, trials: int | None, *, is_grid: bool) -> int:
    """How many of a space's `count` cells a search tries; a grid's are all of them."""
    if is_grid:
        return count or 0
    wanted = DEFAULT_TRIALS if trials is None else trials
    return wanted if count is None else min(wanted, count)


def trials_made(cells: int, folds: int) -> int:
    """How many trials that makes at most: under a split every cell is played in and out of each fold's sample."""
    return cells * 2 * folds if folds else cells


def is_number(value: object) -> bool:
    """Whether a value of a key has an order: true and false have none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _coordinate(searched: Searched, value: Any, by_rank: bool) -> float | None:
    values = axis(searched)
    if not is_number(value) or not all(is_number(each) for each in values):
        return None
    if by_rank:
        return float(sorted(values).index(value)) if value in values else None
    low = min(values) if searched.low is None else searched.low
    high = max(values) if searched.high is None else searched.high
    if high <= low:
        return 0.0
    if searched.log and low > 0:
        return math.log(value / low) / math.log(high / low)
    return float((value - low) / (high - low))
