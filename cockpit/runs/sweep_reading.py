"""A sweep for a page: its plan and trials, judged once, kept until the files change."""

import msgspec

from cockpit.runs.store import store
from state.runs.files import UnreadableError, is_regular
from state.runs.folder import SweepPaths
from state.runs.neighbourhood import Judged, Recommendation, judge, recommend
from state.runs.records import SweepPlan, Trial
from state.runs.trials import Cell, cells, read_trials

MOST_BYTES = 256 * 1024 * 1024
"""A trial's line is about a kilobyte."""


class SweepSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a sweep so far. `problem` says why its results cannot be read; None where they can."""

    plan: SweepPlan
    trials: tuple[Trial, ...] = ()
    cells: tuple[Cell, ...] = ()
    judged: tuple[Judged, ...] = ()
    advice: Recommendation | None = None
    problem: str | None = None


def seen(paths: SweepPaths, plan: SweepPlan) -> SweepSeen:
    """The sweep as its files tell it now."""
    return store.made(("sweep",), (paths.plan, paths.results), lambda: _read(paths, plan))


def _read(paths: SweepPaths, plan: SweepPlan) -> SweepSeen:
    if not paths.results.exists():
        return SweepSeen(plan=plan)
    if not is_regular(paths.results) or paths.results.stat().st_size > MOST_BYTES:
        return SweepSeen(
            plan=plan, problem=f"{paths.results.name}: no regular file, or more than {MOST_BYTES:,d} bytes"
        )
    try:
        trials = read_trials(paths.results)
    except UnreadableError as error:
        return SweepSeen(plan=plan, problem=str(error))
    judged = judge(plan, trials)
    return SweepSeen(plan=plan, trials=trials, cells=cells(plan, trials), judged=judged, advice=recommend(plan, judged))
