"""Walk-forward: cells are chosen on one stretch of sessions and told on the next, which they have never seen.

The sessions are cut into `folds` out-of-sample windows of equal length at the end of the data. Before each of them lies
its in-sample window: `ratio` windows long where it rolls, everything before it where it is anchored. What the division
leaves over goes to the front, so that the last fold ends with the data.

    rolling, 3 folds, ratio 2      anchored, 3 folds, ratio 2
    I I O . .                      I I O . .
    . I I O .                      I I I O .
    . . I I O                      I I I I O
"""

import statistics
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import msgspec

from state.runs.objectives import Better, is_added_up, per_session
from state.runs.records import SweepPlan, Trial

IN_SAMPLE_WINDOWS = 3
"""In-sample window, in out-of-sample windows, where nobody says another."""


class FoldError(ValueError):
    """The sessions cannot be cut so. One line with the remedy."""


class Window(msgspec.Struct, frozen=True):
    """Sessions from the first to the last, both included."""

    first: date
    last: date


class Fold(msgspec.Struct, frozen=True):
    """Where cells are chosen, and where they are told."""

    inside: Window
    outside: Window


def walk_forward(
    sessions: Sequence[date], folds: int, *, ratio: int = IN_SAMPLE_WINDOWS, anchored: bool = False
) -> tuple[Fold, ...]:
    """Cut the sessions (in order). Raises FoldError where there are too few: folds + ratio are needed."""
    if folds < 1 or ratio < 1:
        raise FoldError(f"{folds} folds with {ratio} windows in sample: both must be at least 1")
    length = len(sessions) // (folds + ratio)
    if length == 0:
        raise FoldError(
            f"{len(sessions)} sessions are too few for {folds} folds with {ratio} windows in sample: "
            f"at least {folds + ratio} are needed; take fewer folds or more data"
        )
    found = []
    for fold in range(folds):
        out = len(sessions) - (folds - fold) * length
        begin = 0 if anchored or fold == 0 else out - ratio * length
        found.append(_fold(sessions, begin, out, out + length))
    return tuple(found)


def split(sessions: Sequence[date], in_sample_pct: float) -> tuple[Fold, ...]:
    """One fold: so much of the sessions in sample, the rest out of sample. Raises FoldError where one is empty."""
    out = round(len(sessions) * in_sample_pct / 100)
    if not 0 < out < len(sessions):
        raise FoldError(
            f"{in_sample_pct:g} % of {len(sessions)} sessions leaves one side without any; "
            "give another share, or more data"
        )
    return (_fold(sessions, 0, out, len(sessions)),)


def _fold(sessions: Sequence[date], begin: int, out: int, end: int) -> Fold:
    return Fold(Window(sessions[begin], sessions[out - 1]), Window(sessions[out], sessions[end - 1]))


class FoldRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fold: what the choice promised and what it kept. Objectives that add up (USD, counts) are by session."""

    fold: int
    in_spec: str
    out_spec: str
    number: int | None
    """The best cell in sample; None where none came to a result."""
    params: dict[str, Any]
    in_objective: float | None
    out_objective: float | None
    out_total: float | None
    """Of the whole out-of-sample window, as the trial says."""
    out_rank: int | None
    """Of the in-sample best among all cells, out of sample; 1 is the best."""
    cells: int
    """How many came to a result out of sample."""
    degradation_pct: float | None
    """How much worse it was out of sample, in percent of |in sample|; negative: better."""


class FoldTable(msgspec.Struct, frozen=True, kw_only=True):
    """Every fold, and what following the choices would have come to."""

    objective: str
    is_by_session: bool
    rows: tuple[FoldRow, ...]
    out_sum: float | None
    """Sum of `out_total` over the folds where the objective adds up, else their mean; None until a fold is whole."""


def fold_table(plan: SweepPlan, trials: Iterable[Trial]) -> FoldTable:
    """The out-of-sample table of a sweep with a split; no rows without one."""
    told = tuple(trials)
    rows = tuple(_row(plan, told, fold) for fold in range(len(plan.folds)))
    totals = [row.out_total for row in rows if row.out_total is not None]
    adds_up = is_added_up(plan.objective)
    over_all = None
    if totals:
        over_all = sum(totals) if adds_up else statistics.fmean(totals)
    return FoldTable(objective=plan.objective, is_by_session=adds_up, rows=rows, out_sum=over_all)


def _row(plan: SweepPlan, trials: Sequence[Trial], fold: int) -> FoldRow:
    better = Better(maximise=plan.maximise)
    inside, outside = (
        {
            trial.number: trial
            for trial in trials
            if trial.fold == fold and trial.sample == sample and trial.objective is not None
        }
        for sample in ("in", "out")
    )
    best = max(inside.values(), key=lambda each: (better.score(each.objective or 0.0), -each.number), default=None)
    chosen = None if best is None else outside.get(best.number)
    promised = None if best is None else per_session(best.figures, plan.objective)
    kept = None if chosen is None else per_session(chosen.figures, plan.objective)
    rank = None
    if chosen is not None and chosen.objective is not None:
        scores = [better.score(each.objective) for each in outside.values() if each.objective is not None]
        rank = 1 + sum(score > better.score(chosen.objective) for score in scores)
    in_spec, out_spec = plan.folds[fold]
    return FoldRow(
        fold=fold,
        in_spec=in_spec,
        out_spec=out_spec,
        number=None if best is None else best.number,
        params={} if best is None else best.params,
        in_objective=promised,
        out_objective=kept,
        out_total=None if chosen is None else chosen.objective,
        out_rank=rank,
        cells=len(outside),
        degradation_pct=_degradation_pct(promised, kept, better),
    )


def _degradation_pct(promised: float | None, kept: float | None, better: Better) -> float | None:
    if promised is None or kept is None or promised == 0:
        return None
    return 100 * (better.score(promised) - better.score(kept)) / abs(promised)
