"""A sweep's `results.jsonl`: a trial on each line, the last of which a dying process may have torn."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from state.runs.files import UnreadableError
from state.runs.records import Figures, SweepPlan, Trial
from state.undecodable import UNDECODABLE


def read_trials(path: Path) -> tuple[Trial, ...]:
    """Every whole line in its order; a torn last line was never written. No file: none.

    Raises UnreadableError, naming the line, where a line that ends is no trial.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UnreadableError("unreadable", f"{path.name}: {error.strerror}") from error
    lines = content.split(b"\n")[:-1]
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(msgspec.json.decode(line, type=Trial))
        except UNDECODABLE as error:
            raise UnreadableError("undecodable", f"{path.name}:{number}: {error}"[:300]) from error
    return tuple(found)


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One choice of parameters with what is known of it before any look out of sample."""

    number: int
    params: dict[str, Any]
    objective: float | None
    """On the whole data; under a walk-forward split the mean over the folds' in-sample stretches. None: it failed."""
    figures: Figures | None
    """On the whole data; None under a split."""
    hedges: int | None = None
    """Sent over the `sessions` that the objective is of; None: nothing says it."""
    sessions: int | None = None
    problem: str | None = None


def cells(plan: SweepPlan, trials: Iterable[Trial]) -> tuple[Cell, ...]:
    """The cells that may be compared with each other, by number.

    Out-of-sample trials take no part: whoever chose by them would have none left. A Bayesian search asks for other
    cells in each fold; then those of the last fold, the newest data, are the ones.
    """
    last = len(plan.folds) - 1
    wanted = [trial for trial in trials if trial.sample != "out"]
    if plan.folds and plan.method == "bayes":
        wanted = [trial for trial in wanted if trial.fold == last]
    stretches = 1 if not plan.folds or plan.method == "bayes" else len(plan.folds)
    grouped: dict[int, list[Trial]] = {}
    for trial in wanted:
        grouped.setdefault(trial.number, []).append(trial)
    return tuple(_cell(plan, grouped[number], stretches) for number in sorted(grouped))


def _cell(plan: SweepPlan, trials: list[Trial], stretches: int) -> Cell:
    values = [trial.objective for trial in trials if trial.objective is not None]
    whole = len(values) == stretches
    told = [trial.figures for trial in trials if trial.figures is not None]
    return Cell(
        number=trials[0].number,
        params=trials[0].params,
        objective=sum(values) / stretches if whole else None,
        figures=trials[0].figures if not plan.folds else None,
        hedges=sum(each.hedges for each in told) if told else None,
        sessions=sum(each.days for each in told) if told else None,
        problem=next((trial.problem for trial in trials if trial.problem is not None), None),
    )
