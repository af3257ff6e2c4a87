"""What `bifrost sweep run` is put together from: the folder with its plan, the pool, the search."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import CommandError, ExitCode
from cli.history_run import new_run_id
from cli.options import Settings
from cli.output import complain
from cli.progress import share_shown

if TYPE_CHECKING:
    from config.loader import LoadedProfile
    from daemon.backtest.sweep.planning import Asked
    from daemon.backtest.sweep.pool import Pool
    from daemon.backtest.sweep.results import ResultsFolder
    from daemon.backtest.sweep.run import Outcome
    from daemon.backtest.sweep.schedule import SearcherOf
    from state.runs.folder import SweepPaths
    from state.runs.records import SweepPlan, VenueModel


def paths_of(chosen: Settings, run_id: str) -> "SweepPaths":
    """Where a sweep lies. Raises CommandError (2) for a name that cannot be a folder's."""
    from state.runs.folder import RunNameError, sweep_paths

    try:
        return sweep_paths(chosen.root, run_id)
    except RunNameError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def new_id(chosen: Settings, base: "LoadedProfile") -> str:
    """A name that no sweep has."""
    from state.runs.folder import SWEEPS

    return new_run_id(chosen.root / SWEEPS, base.profile.name)


def begun(
    chosen: Settings, asked: "Asked", base: "LoadedProfile", overrides: dict[str, Any], model: "VenueModel"
) -> "ResultsFolder":
    """A new folder with its plan. Raises CommandError (2)."""
    from config.search_space import SpaceError
    from daemon.backtest.sweep.planning import make_plan, trial_count
    from daemon.backtest.sweep.results import ResultsFolder, SweepFolderError
    from daemon.venues.feeds.errors import FeedError
    from state.runs.walk_forward import FoldError

    try:
        plan = make_plan(asked, base, overrides, model, base=Path.cwd(), root=chosen.root)
        folder = ResultsFolder.new(paths_of(chosen, asked.run_id), plan)
    except (SpaceError, FeedError, FoldError, SweepFolderError) as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    folder.tell(0.0, "starting")
    stretches = f" on {2 * len(plan.folds)} stretches: {trial_count(plan)} trials" if plan.folds else ""
    complain(f"sweep {plan.run_id}: {plan.trials} cells{stretches}")
    return folder


def again(chosen: Settings, run_id: str) -> "tuple[ResultsFolder, LoadedProfile]":
    """The folder of an earlier sweep and its profile. Raises CommandError (2) where that is not the same any more."""
    from config.loader import ProfileError
    from config.overrides import load_overridden
    from daemon.backtest.sweep.results import ResultsFolder, SweepFolderError

    try:
        folder = ResultsFolder.again(paths_of(chosen, run_id))
        path = str(folder.plan.profile.path)
        base = load_overridden(path, folder.plan.profile.overrides)
    except (SweepFolderError, ProfileError) as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    if base.hash != folder.plan.profile.hash:
        raise CommandError(f"{path} has changed since sweep {run_id} began; start a new one", ExitCode.USAGE)
    return folder, base


def carried_out(
    chosen: Settings, folder: "ResultsFolder", base: "LoadedProfile", workers: int, scheduler: str | None
) -> "Outcome":
    """Run what the folder's plan still lacks. Raises CommandError (1, 2); the folder then says why it stopped."""
    from config.overrides import load_overridden
    from daemon.backtest.sweep.pool import PoolError
    from daemon.backtest.sweep.results import SweepFolderError
    from daemon.backtest.sweep.run import run_sweep

    plan = folder.plan

    def cell_of(params: Any) -> "LoadedProfile":
        return load_overridden(str(plan.profile.path), {**plan.profile.overrides, **params})

    with ExitStack() as stack:
        try:
            pool = _pool(stack, chosen, plan, base, workers=workers, scheduler=scheduler)
        except CommandError as error:
            folder.tell(0.0, str(error), status="failed")
            raise
        except KeyboardInterrupt:
            folder.tell(0.0, "interrupted before the first trial", status="interrupted")
            raise
        shown = stack.enter_context(share_shown(plan.run_id, quiet=chosen.as_json))
        try:
            return run_sweep(
                folder,
                base=base.profile,
                cell_of=cell_of,
                pool=pool,
                searcher_of=_searcher(plan),
                root=chosen.root,
                progress=shown,
            )
        except (SweepFolderError, PoolError) as error:
            raise CommandError(str(error)) from error


def _pool(
    stack: ExitStack,
    chosen: Settings,
    plan: "SweepPlan",
    base: "LoadedProfile",
    *,
    workers: int,
    scheduler: str | None,
) -> "Pool":
    from daemon.strategies.gamma_scalper.strategy import GammaScalper

    if scheduler is None:
        from daemon.backtest.sweep.local import LocalPool

        return stack.enter_context(LocalPool(workers, GammaScalper))
    from daemon.backtest.sweep.cluster import ClusterPool
    from daemon.backtest.sweep.pool import PoolError

    try:
        pool = stack.enter_context(ClusterPool(scheduler, GammaScalper))
        pool.check([plan.data.spec], base.profile, chosen.root)
    except PoolError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    return pool


def _searcher(plan: "SweepPlan") -> "SearcherOf":
    if plan.method == "bayes":
        from daemon.backtest.sweep.bayesian import Bayesian

        return Bayesian
    from daemon.backtest.sweep.searchers import Grid, Random

    return Grid if plan.method == "grid" else Random
