"""Plateau or spike: how much of a cell's advantage its neighbours share.

The best of many cells is partly luck. A parameter that is right stays right when it is changed a little; a cell whose
neighbours fall back to the middle of the field owes its place to chance. So each cell is told beside its neighbours,
and the recommended cell is the one that is good together with its neighbourhood, not the one whose own figure is best.

Neighbours on a grid are the cells at most one step away in every key (Moore neighbourhood); in a random or Bayesian
search they are the nearest in the unit cube (each key from its low to its high, by logarithm where it is searched so).
A key with words instead of numbers (market, limit) has no order: only cells with the same word are neighbours.
"""

import itertools
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from state.runs.axes import place
from state.runs.objectives import Better
from state.runs.records import SweepPlan, Trial
from state.runs.trials import Cell, cells

Word = Literal["plateau", "spike", "below", "alone", "failed"]

KEPT_PCT = 50.0
"""From so much of its advantage over the middle cell on, kept by the mean of its neighbours, a cell is a plateau."""
_FEWEST = 2
"""Neighbours that a verdict needs."""
_TOLERANCE = 1e-9


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
    hedges: int | None = None
    """Sent over the `sessions` that the objective is of."""
    sessions: int | None = None

    @property
    def hardly_hedged(self) -> bool:
        """Fewer hedges than sessions: what such a cell earned is mostly the way the market went."""
        return self.hedges is not None and self.sessions is not None and self.hedges < self.sessions


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
    around = _adjacent(plan, good) if plan.method == "grid" else _nearest(plan, good)
    better = Better(maximise=plan.maximise)
    found = []
    for cell in field:
        if cell.objective is None:
            found.append(_failed(cell))
            continue
        found.append(_judged(cell, cell.objective, around[cell.number], middle, better))
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


def _adjacent(plan: SweepPlan, good: Sequence[Cell]) -> dict[int, list[Cell]]:
    """Number of a grid's cell -> the cells one step away in any of its keys."""
    at = {_site(plan, cell): cell for cell in good}
    found = {}
    for site, cell in at.items():
        steps = [(value - 1, value, value + 1) if isinstance(value, float) else (value,) for value in site]
        near = (at.get(other) for other in itertools.product(*steps) if other != site)
        found[cell.number] = sorted((each for each in near if each is not None), key=lambda each: each.number)
    return found


def _site(plan: SweepPlan, cell: Cell) -> tuple[Any, ...]:
    """A rank (a float) for each key with an order, the word itself (in a tuple of one) for the others."""
    found = zip(plan.searched, place(plan, cell.params), strict=True)
    return tuple((cell.params.get(searched.key),) if rank is None else rank for searched, rank in found)


def _nearest(plan: SweepPlan, good: Sequence[Cell]) -> dict[int, list[Cell]]:
    """Number of a cell -> the nearest with the same words, as many as a grid's cell has at its faces and two more."""
    alike: dict[tuple[Any, ...], list[tuple[Cell, list[float]]]] = {}
    for cell in good:
        site = _site(plan, cell)
        words = tuple(value for value in site if not isinstance(value, float))
        alike.setdefault(words, []).append((cell, [value for value in site if isinstance(value, float)]))
    most = 2 * len(plan.searched) + 2
    found = {}
    for group in alike.values():
        points = np.array([point for _, point in group], dtype=float).reshape(len(group), -1)
        numbers = np.array([cell.number for cell, _ in group])
        for row, (cell, _) in enumerate(group):
            apart = ((points - points[row]) ** 2).sum(axis=1)
            apart[row] = np.inf
            order = np.lexsort((numbers, apart))[: min(most, len(group) - 1)]
            found[cell.number] = [group[int(each)][0] for each in order]
    return found


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
        hedges=cell.hedges,
        sessions=cell.sessions,
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
        neighbour_worst=None, robust=None, kept_pct=None, word="failed", hedges=cell.hedges, sessions=cell.sessions,
    )  # fmt: skip


def _robust_order(each: Judged, better: Better) -> tuple[float, ...]:
    worst = each.neighbour_worst if each.neighbour_worst is not None else each.objective
    parts = (each.robust, worst, each.objective)
    return (*(better.score(part) for part in parts if part is not None), -each.number)


def hedged_text(cell: Judged) -> str:
    """`12 hedges in 10 sessions`, and what it means where they are few; empty where nothing says it."""
    if cell.hedges is None or cell.sessions is None:
        return ""
    few = ": hardly hedged, so what it earned is mostly the way the market went" if cell.hardly_hedged else ""
    hedges, sessions = ("" if n == 1 else "s" for n in (cell.hedges, cell.sessions))
    return f"{cell.hedges:,} hedge{hedges} in {cell.sessions:,} session{sessions}{few}"


def _why(plan: SweepPlan, best: Judged, robust: Judged) -> str:
    why = _compared(plan, best, robust)
    return f"{why}; yet cell {robust.number} sent {hedged_text(robust)}" if robust.hardly_hedged else why


def _compared(plan: SweepPlan, best: Judged, robust: Judged) -> str:
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
