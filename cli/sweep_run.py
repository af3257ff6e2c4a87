"""`bifrost sweep run`: from options to a plan, from a plan to trials, and what came of them."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.backtest_options import (
    INTERRUPTED,
    ExtraSpreadOption,
    LatencyOption,
    MinimumCommissionOption,
    PositionOption,
    PriorityOption,
    SetOption,
    ShareCommissionOption,
    SlicesOption,
    SlippageOption,
    TitleOption,
    load_for_history,
    new_run_id,
    take_priority,
    terminate_as_interrupt,
    venue_model,
)
from cli.errors import CommandError, ExitCode
from cli.options import JsonOption, RootOption, Settings, settings
from cli.output import complain, say, say_json
from cli.progress import share_shown

if TYPE_CHECKING:
    from config.loader import LoadedProfile
    from daemon.backtest.sweep.pool import Pool
    from daemon.backtest.sweep.results import ResultsFolder
    from daemon.backtest.sweep.run import Outcome
    from daemon.backtest.sweep.schedule import SearcherOf
    from state.runs.folder import SweepPaths
    from state.runs.records import SweepPlan

_BEST = 10
_EXITS = {"finished": int(ExitCode.DONE), "interrupted": INTERRUPTED, "failed": int(ExitCode.FAILED)}


def run(
    context: typer.Context,
    *,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="NAME|FILE", help="Whose keys are varied.", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="SPEC",
            help="lean:DIR:SYMBOL:YYYYMMDD[-YYYYMMDD], csv:FILE, tape:PATH or synthetic:SEED[:SESSIONS[:YYYY-MM-DD]].",
            show_default=False,
        ),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            "--search",
            metavar="KEY=LOW:HIGH[:STEP][:log] | KEY=V1,V2,..",
            help="A key and what it may be; may repeat. With log, STEP is a factor.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        Literal["grid", "random", "bayes"],
        typer.Option("--method", help="Every cell, drawn ones, or where the earlier cells point (Optuna's TPE)."),
    ] = "grid",
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=1, metavar="N", help="Cells of a random or Bayesian search. [64]", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of a random or Bayesian search.")] = 0,
    objective: Annotated[
        str, typer.Option("--objective", metavar="FIGURE", help="Any figure of a backtest: pnl_usd, sharpe, ...")
    ] = "pnl_usd",
    minimise: Annotated[bool, typer.Option("--minimise", help="Look for the smallest instead.")] = False,
    walk_forward: Annotated[
        int | None,
        typer.Option(
            "--walk-forward",
            min=1,
            metavar="FOLDS",
            help="Choose in sample, tell out of sample, so many times in sequence.",
            show_default=False,
        ),
    ] = None,
    in_sample: Annotated[
        int, typer.Option("--in-sample", min=1, metavar="N", help="In-sample window, in out-of-sample windows.")
    ] = 3,
    anchored: Annotated[
        bool, typer.Option("--anchored", help="In-sample windows all begin with the data, instead of rolling.")
    ] = False,
    split: Annotated[
        float | None,
        typer.Option("--split", metavar="PCT", help="One fold: the first PCT % in sample.", show_default=False),
    ] = None,
    set_: SetOption = None,
    position: PositionOption = None,
    slippage_bps: SlippageOption = None,
    extra_spread_usd: ExtraSpreadOption = None,
    latency_ms: LatencyOption = None,
    partial_fill_shares: SlicesOption = None,
    commission_usd_share: ShareCommissionOption = None,
    commission_minimum_usd: MinimumCommissionOption = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, metavar="N", help="Processes. Default: every core.", show_default=False),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", metavar="tcp://HOST:PORT", help="A Dask cluster instead of processes.", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="RUN_ID", help="The run's name. Default: time and profile.", show_default=False),
    ] = None,
    title: TitleOption = "",
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN_ID", help="Go on with a sweep that was interrupted.", show_default=False),
    ] = None,
    priority: PriorityOption = "normal",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Try every cell of a space of profile keys, or as many as are asked for, and say which one to trust.

    Results are appended to <root>/_sweeps/RUN_ID/results.jsonl as they come. Exit 0 finished, 1 no cell came to a
    result, 2 wrong words, 130 interrupted: what came is kept, and --resume goes on.
    """
    from daemon.backtest.sweep.planning import Asked

    chosen = settings(context, None, root, as_json=as_json)
    take_priority(priority)
    count = workers or _cores()
    with ExitStack() as stack:
        stack.enter_context(terminate_as_interrupt())
        try:
            if resume is not None:
                _refuse_beside_resume(context)
                folder, base = _again(chosen, resume)
            else:
                if profile is None or data is None:
                    missing = "--profile" if profile is None else "--data"
                    raise CommandError(f"{missing} is missing; see `bifrost sweep run --help`", ExitCode.USAGE)
                base, overrides = load_for_history(profile, set_, position)
                model = venue_model(
                    base.profile,
                    slippage_bps=slippage_bps,
                    extra_spread_usd=extra_spread_usd,
                    latency_ms=latency_ms,
                    partial_fill_shares=partial_fill_shares,
                    commission_usd_share=commission_usd_share,
                    commission_minimum_usd=commission_minimum_usd,
                )
                asked = Asked(
                    run_id=paths_of(chosen, name or _new_id(chosen, base)).run_id,
                    search=search or (),
                    method=method,
                    objective=objective,
                    data=data,
                    title=title,
                    trials=trials,
                    seed=seed,
                    maximise=not minimise,
                    folds=walk_forward,
                    ratio=in_sample,
                    anchored=anchored,
                    split_pct=split,
                    workers=count,
                    scheduler=scheduler,
                )
                folder = _begun(chosen, asked, base, overrides, model)
            stack.callback(folder.close)
            outcome = _carried_out(chosen, folder, base, count, scheduler)
        except KeyboardInterrupt:
            complain("bifrost: interrupted before the first trial")
            return INTERRUPTED
    return _told(chosen, folder.plan, outcome)


def paths_of(chosen: Settings, run_id: str) -> "SweepPaths":
    """Where a sweep lies. Raises CommandError (2) for a name that cannot be a folder's."""
    from state.runs.folder import RunNameError, sweep_paths

    try:
        return sweep_paths(chosen.root, run_id)
    except RunNameError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def _new_id(chosen: Settings, base: "LoadedProfile") -> str:
    from state.runs.folder import SWEEPS

    return new_run_id(chosen.root / SWEEPS, base.profile.name)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_WITH_RESUME = {"context", "workers", "scheduler", "resume", "priority", "root", "as_json"}


def _refuse_beside_resume(context: typer.Context) -> None:
    """A sweep goes on as it was planned: every other option stands in its plan."""
    for option in context.params:
        if option not in _WITH_RESUME and context.get_parameter_source(option).name == "COMMANDLINE":  # type: ignore[union-attr]
            flag = "--" + option.rstrip("_").replace("_", "-")
            raise CommandError(
                f"{flag} stands in the plan of the sweep that --resume names; leave it out", ExitCode.USAGE
            )


def _begun(
    chosen: Settings, asked: Any, base: "LoadedProfile", overrides: dict[str, Any], model: Any
) -> "ResultsFolder":
    """A new folder with its plan. Raises CommandError (2)."""
    from daemon.backtest.sweep.planning import make_plan, trial_count
    from daemon.backtest.sweep.results import ResultsFolder, SweepFolderError
    from daemon.backtest.sweep.space import SpaceError
    from daemon.venues.feeds.errors import FeedError
    from state.runs.walk_forward import FoldError

    try:
        plan = make_plan(asked, base, overrides, model, base=Path.cwd(), root=chosen.root)
        folder = ResultsFolder.new(paths_of(chosen, asked.run_id), plan)
    except (SpaceError, FeedError, FoldError, SweepFolderError) as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    stretches = f" on {2 * len(plan.folds)} stretches: {trial_count(plan)} trials" if plan.folds else ""
    complain(f"sweep {plan.run_id}: {plan.trials} cells{stretches}")
    return folder


def _again(chosen: Settings, run_id: str) -> "tuple[ResultsFolder, LoadedProfile]":
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


def _carried_out(
    chosen: Settings, folder: "ResultsFolder", base: "LoadedProfile", workers: int, scheduler: str | None
) -> "Outcome":
    """Raises CommandError (1, 2)."""
    from config.overrides import load_overridden
    from daemon.backtest.sweep.pool import PoolError
    from daemon.backtest.sweep.results import SweepFolderError
    from daemon.backtest.sweep.run import run_sweep

    plan = folder.plan

    def cell_of(params: Any) -> "LoadedProfile":
        return load_overridden(str(plan.profile.path), {**plan.profile.overrides, **params})

    with ExitStack() as stack:
        pool = _pool(stack, chosen, plan, base, workers=workers, scheduler=scheduler)
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


def _told(chosen: Settings, plan: "SweepPlan", outcome: "Outcome") -> int:
    """The verdict, and the exit code."""
    from cli.sweep_text import show_text, verdict

    if chosen.as_json:
        say_json(
            {"run_id": plan.run_id, "standing": outcome.status, "text": outcome.text} | verdict(plan, outcome.trials)
        )
    else:
        say(show_text(plan, outcome.trials, outcome.status, best=_BEST, shell=chosen.shell_line()))
    if outcome.status == "interrupted":
        again = chosen.shell_line().format(f"sweep run --resume {plan.run_id}")
        complain(f"bifrost: interrupted: {outcome.text}; what came is kept, go on with {again}")
    elif outcome.status == "failed":
        complain(f"bifrost: {outcome.text}")
    return _EXITS[outcome.status]
