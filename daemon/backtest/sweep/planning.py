"""From what was asked for to a plan: the keys and their bounds, the data that is there, the folds cut from it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from config.loader import LoadedProfile
from config.search_space import SpaceError
from daemon.backtest.feeds.asked import refuse_expired_before
from daemon.backtest.feeds.opening import open_feed, session_days
from daemon.backtest.feeds.spec import Slice, parse_spec
from daemon.backtest.run_folder import wall_us
from daemon.backtest.sweep.space import parse_search
from state.runs.axes import cell_count, cells_tried, trials_made
from state.runs.objectives import objective_names
from state.runs.records import SCHEMA_VERSION, DataInfo, ProfileInfo, Searched, SweepPlan, VenueModel
from state.runs.walk_forward import IN_SAMPLE_WINDOWS, Fold, Window, split, walk_forward
from state.times import iso_from_us

Method = Literal["grid", "random", "bayes"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator wants searched."""

    run_id: str
    search: Sequence[str]
    method: Method
    objective: str
    data: str
    title: str = ""
    trials: int | None = None
    """Cells (under a Bayesian split: of each fold); a grid has its own number."""
    seed: int = 0
    maximise: bool = True
    folds: int | None = None
    """Walk-forward, so many; None without."""
    ratio: int = IN_SAMPLE_WINDOWS
    """In-sample window, in out-of-sample windows."""
    anchored: bool = False
    split_pct: float | None = None
    """One fold: so much in sample; None without."""
    workers: int = 1
    scheduler: str | None = None


def make_plan(
    asked: Asked, loaded: LoadedProfile, overrides: Mapping[str, Any], model: VenueModel, *, base: Path, root: Path
) -> SweepPlan:
    """The plan, with the data opened once and every bound checked.

    Args:
        asked: what is wanted.
        loaded: the profile with `overrides` in it.
        overrides: where it differs from its file.
        model: how the venue fills.
        base: the folder that relative paths of the data start from.
        root: the state folder, for `tape:DESK`.

    Raises:
        SpaceError, FeedError, FoldError: one line with the remedy.
    """
    searched = parse_search(asked.search, needs_steps=asked.method == "grid")
    for each in searched:
        if each.key in overrides:
            raise SpaceError(f"{each.key}: both set and searched; leave out its --set or its --search")
    if asked.objective not in objective_names():
        raise SpaceError(f"--objective {asked.objective!r}: one of {', '.join(objective_names())}")
    if asked.folds is not None and asked.split_pct is not None:
        raise SpaceError("--walk-forward and --split both cut the data; leave one out")
    feed = open_feed(asked.data, loaded.profile, base=base, root=root)
    days = session_days(feed.spec, loaded.profile, base=base, root=root)
    folds: tuple[Fold, ...] = ()
    if asked.folds is not None:
        folds = walk_forward(days, asked.folds, ratio=asked.ratio, anchored=asked.anchored)
    elif asked.split_pct is not None:
        folds = split(days, asked.split_pct)
    for fold in folds:
        refuse_expired_before(Slice(first=fold.outside.first, last=fold.outside.last), loaded.profile, "a fold")
    return SweepPlan(
        schema=SCHEMA_VERSION,
        run_id=asked.run_id,
        title=asked.title,
        created_ts=iso_from_us(wall_us()),
        method=asked.method,
        objective=asked.objective,
        maximise=asked.maximise,
        trials=_trials(asked, searched),
        seed=asked.seed,
        searched=searched,
        profile=ProfileInfo(
            name=loaded.profile.name, hash=loaded.hash, path=str(loaded.path), overrides=dict(overrides)
        ),
        data=DataInfo(spec=feed.spec, description=feed.description, hash=feed.data_hash, sessions=len(days)),
        venue=model,
        folds=tuple((_cut(feed.spec, fold.inside), _cut(feed.spec, fold.outside)) for fold in folds),
        workers=asked.workers,
        scheduler=asked.scheduler,
    )


def trial_count(plan: SweepPlan) -> int:
    """How many trials the plan makes at most: cells, times the stretches each is played on."""
    return trials_made(plan.trials, len(plan.folds))


def _trials(asked: Asked, searched: Sequence[Searched]) -> int:
    count = cell_count(searched)
    if asked.method == "grid" and asked.trials is not None:
        raise SpaceError(f"--trials: a grid tries every cell ({count}); leave it out, or take --method random")
    return cells_tried(count, asked.trials, is_grid=asked.method == "grid")


def _cut(spec: str, window: Window) -> str:
    return f"{parse_spec(spec).text}{Slice(first=window.first, last=window.last)}"
