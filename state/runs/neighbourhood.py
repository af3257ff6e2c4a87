"""Plateau or spike: how much of a cell's advantage its neighbours share.

The best of many cells is partly luck. A parameter that is right stays right when it is changed a little; a cell whose
neighbours fall back to the middle of the field owes its place to chance. So each cell is told beside its neighbours,
and the recommended cell is the one that is good together with its neighbourhood, not the one whose own figure is best.

Neighbours on a grid are the cells at most one step away in every key (Moore neighbourhood); in a random or Bayesian
search they are the nearest in the unit cube (each key from its low to its high, by logarithm where it is searched so).
A key with words instead of numbers (market, limit) has no order: only cells with the same word are neighbours.
"""

import math
import statistics
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec

from state.runs.objectives import Better
from state.runs.records import Searched, SweepPlan, Trial
from state.runs.trials import Cell, cells

Word = Literal["plateau", "spike", "below", "alone", "failed"]

KEPT_PCT = 50.0
"""From so much of its advantage over the middle cell on, kept by the mean of its neighbours, a cell is a plateau."""
_FEWEST = 2
"""Neighbours that a verdict needs."""
_TOLERANCE = 1e-9
_MANY_WHOLE_NUMBERS = 10_000

Point = tuple[float | None, ...]
"""A cell's place, a coordinate for each key; None for a key without order."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One cell beside its neighbours. Objectives in the sweep's own unit."""

    number: int
    params: dict[str, Any]
    objective: float | None
    neighbours: tuple[int, ...]
    """Numbers of the neighbours that came to a result."""
    neighbour_mean: float | None
    neighbour_worst: float | None
    robust: float | None
    """The worse of the cell's own objective and the median of it and its neighbours: both must be good."""
    kept_pct: float | None
    """How much of the cell's advantage over the middle cell the mean of its neighbours keeps, in percent."""
    word: Word
    """plateau, spike; below: poorer than the middle cell; alone: fewer than two neighbours; failed: no result."""


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """Which cell to take, and why it is not simply the best one."""

    best: Judged
    """By its own objective."""
    robust: Judged
    """By its neighbourhood: the one to take."""
    why: str
    """One line with the numbers."""


def judge(plan: SweepPlan, trials: Iterable[Trial]) -> tuple[Judged, ...]:
    """Every cell of a sweep beside its neighbours, by number. The unit of everything is the objective's."""
    field = cells(plan, trials)
    good = [cell for cell in field if cell.objective is not None]
    if not good:
        return tuple(_failed(cell) for cell in field)
    middle = statistics.median(cell.objective for cell in good if cell.objective is not None)
    places = {cell.number: place(plan, cell.params) for cell in good}
    on_grid = plan.method == "grid"
    better = Better(maximise=plan.maximise)
    found = []
    for cell in field:
        if cell.objective is None:
            found.append(_failed(cell))
            continue
        near = _adjacent(cell, good, places, plan) if on_grid else _nearest(cell, good, places, plan)
        found.append(_judged(cell, cell.objective, near, middle, better))
    return tuple(found)


def ranked(plan: SweepPlan, judged: Iterable[Judged]) -> tuple[Judged, ...]:
    """Those that came to a result, the one to take first: by robust score, then by the worst neighbour, then alone.

    A cell without neighbours comes behind all that have some: nothing is known of its surroundings.
    """
    better = Better(maximise=plan.maximise)
    good = [each for each in judged if each.objective is not None]
    return tuple(sorted(good, key=lambda each: (each.word != "alone", _robust_order(each, better)), reverse=True))


def recommend(plan: SweepPlan, judged: Iterable[Judged]) -> Recommendation | None:
    """The cell that is good together with its neighbourhood; None where no cell came to a result."""
    order = ranked(plan, judged)
    if not order:
        return None
    better = Better(maximise=plan.maximise)
    best = max(order, key=lambda each: (better.score(each.objective or 0.0), -each.number))
    return Recommendation(best=best, robust=order[0], why=_why(plan, best, order[0]))


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


def _words(plan: SweepPlan, params: Mapping[str, Any], point: Point) -> tuple[Any, ...]:
    return tuple(params.get(each.key) for each, at in zip(plan.searched, point, strict=True) if at is None)


def _adjacent(cell: Cell, good: list[Cell], places: Mapping[int, Point], plan: SweepPlan) -> list[Cell]:
    here = places[cell.number]
    return [
        other
        for other in good
        if other.number != cell.number
        and _words(plan, other.params, places[other.number]) == _words(plan, cell.params, here)
        and all(a is None or b is None or abs(a - b) <= 1 for a, b in zip(here, places[other.number], strict=True))
    ]


def _nearest(cell: Cell, good: list[Cell], places: Mapping[int, Point], plan: SweepPlan) -> list[Cell]:
    """As many as a cell of a grid has at its faces and two more: 2 x keys + 2."""
    here = places[cell.number]
    alike = [
        (_distance(here, places[other.number]), other.number, other)
        for other in good
        if other.number != cell.number
        and _words(plan, other.params, places[other.number]) == _words(plan, cell.params, here)
    ]
    return [other for _, _, other in sorted(alike, key=lambda each: each[:2])[: 2 * len(here) + 2]]


def _distance(a: Point, b: Point) -> float:
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True) if x is not None and y is not None))


def _judged(cell: Cell, objective: float, near: list[Cell], middle: float, better: Better) -> Judged:
    around = [other.objective for other in near if other.objective is not None]
    mean = statistics.fmean(around) if around else None
    advantage = better.score(objective) - better.score(middle)
    kept = None
    if mean is not None and advantage > _TOLERANCE:
        kept = 100 * (better.score(mean) - better.score(middle)) / advantage
    median = statistics.median([objective, *around])
    return Judged(
        number=cell.number,
        params=cell.params,
        objective=objective,
        neighbours=tuple(other.number for other in near),
        neighbour_mean=mean,
        neighbour_worst=min(around, key=better.score) if around else None,
        robust=min(objective, median, key=better.score),
        kept_pct=kept,
        word=_word(
            len(around), kept, advantage, is_flat=mean is not None and better.score(mean) >= better.score(objective)
        ),
    )


def _word(neighbours: int, kept_pct: float | None, advantage: float, *, is_flat: bool) -> Word:
    """A cell as good as the middle one has no advantage to lose: where nothing around it is poorer it is a plateau."""
    if neighbours < _FEWEST:
        return "alone"
    if kept_pct is not None:
        return "plateau" if kept_pct >= KEPT_PCT else "spike"
    return "plateau" if is_flat and advantage >= -_TOLERANCE else "below"


def _failed(cell: Cell) -> Judged:
    return Judged(
        number=cell.number, params=cell.params, objective=None, neighbours=(), neighbour_mean=None,
        neighbour_worst=None, robust=None, kept_pct=None, word="failed",
    )  # fmt: skip


def _robust_order(each: Judged, better: Better) -> tuple[float, ...]:
    worst = each.neighbour_worst if each.neighbour_worst is not None else each.objective
    parts = (each.robust, worst, each.objective)
    return (*(better.score(part) for part in parts if part is not None), -each.number)


def _why(plan: SweepPlan, best: Judged, robust: Judged) -> str:
    alone = f"cell {best.number} is best by itself ({best.objective:,.6g} {plan.objective})"
    if robust.word == "alone":
        return f"{alone}, but too few cells lie around any to tell plateau from spike: try more"
    around = (
        f"its {len(robust.neighbours)} neighbours average {robust.neighbour_mean:,.6g}, "
        f"the worst {robust.neighbour_worst:,.6g}"
    )
    if best.number == robust.number:
        doubt = f"; yet a spike: they keep {best.kept_pct:.0f} % of its advantage" if best.word == "spike" else ""
        return f"{alone}, and its neighbourhood is the best too ({around}{doubt})"
    taken = f"cell {robust.number} ({robust.objective:,.6g}) stands better ({around})"
    return f"{alone}, {_fault(best)}; {taken}"


def _fault(best: Judged) -> str:
    if best.word == "spike":
        around = f"its {len(best.neighbours)} neighbours average {best.neighbour_mean:,.6g}"
        return f"but a spike: {around} and keep {best.kept_pct:.0f} % of its advantage"
    if best.word == "alone":
        return "but too few cells lie around it to tell"
    return f"but its neighbours average {best.neighbour_mean:,.6g}, the worst {best.neighbour_worst:,.6g}"
