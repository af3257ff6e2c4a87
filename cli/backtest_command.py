"""`backtest`: the same decisions over recorded or made-up prices. No network, no order, no desk is touched."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError, ExitCode
from cli.history_options import DataOption, PositionOption, PriorityOption, RunNameOption, SetOption, TitleOption
from cli.history_profile import load_for_history
from cli.history_run import EXITS, INTERRUPTED, new_run_id, opened_feed, take_priority, terminate_as_interrupt
from cli.option_groups import with_groups
from cli.options import JsonOption, ProfileOption, RootOption, Settings, settings
from cli.output import complain, say, say_json
from cli.progress import share_shown
from cli.venue_options import VenueOptions

if TYPE_CHECKING:
    from config.schema import Profile
    from daemon.backtest.feeds.feed import Feed
    from state.runs.folder import BacktestPaths
    from state.runs.records import Summary


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        "backtest",
        short_help="What a profile would have decided and earned over past prices",
        epilog="Example: ./bifrost backtest --profile demo --data synthetic:7:3   or   ./bifrost backtest "
        "--profile recorded_day --data lean:../shared/data/lean:TWX:20140605 "
        "--set gates.intent.hedge.cooldown_seconds=30",
    )(backtest)


@with_groups
def backtest(
    context: typer.Context,
    *,
    profile: ProfileOption,
    data: DataOption,
    set_: SetOption = None,
    position: PositionOption = None,
    name: RunNameOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Its folder, instead of <root>/_backtests/RUN_ID.", show_default=False
        ),
    ] = None,
    title: TitleOption = "",
    venue: VenueOptions,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Also write report.html.")] = True,
    event_by_event: Annotated[
        bool,
        typer.Option(
            "--event-by-event", help="Without the compiled stretches between decisions; the result is the same."
        ),
    ] = False,
    priority: PriorityOption = "normal",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Play past prices through the decision core and a simulated venue, and write down what came of it.

    The folder gets decisions.parquet, equity.parquet, fills.parquet, summary.json and report.html. Exit 0 finished,
    1 failed or come to nothing (the last line says why), 2 wrong words, 130 interrupted (what there was is kept).
    """
    from daemon.backtest.run import run_backtest
    from daemon.backtest.run_folder import RunFolderError
    from daemon.strategies.gamma_scalper.strategy import GammaScalper

    chosen = settings(context, None, root, as_json=as_json)
    take_priority(priority)
    loaded, overrides = load_for_history(profile, set_, position)
    paths = _paths(chosen, name, out, loaded.profile.name)
    is_named, has_begun = name is not None or out is not None, False
    try:
        with terminate_as_interrupt(), share_shown("backtest", quiet=as_json) as progress:
            feed = _opened(paths, data, loaded.profile, chosen.root, keep=is_named)
            has_begun = True
            result = run_backtest(
                loaded,
                GammaScalper,
                feed,
                model=venue.model(loaded.profile),
                out=paths,
                overrides=overrides,
                title=title,
                progress=progress,
                fast=not event_by_event,
            )
    except RunFolderError as error:
        # Before: another run's folder, or no place for one. From then on: a disk that takes no more.
        raise CommandError(str(error), ExitCode.FAILED if has_begun else ExitCode.USAGE) from error
    except KeyboardInterrupt:
        complain("bifrost: interrupted before the first price; there is nothing to keep")
        return INTERRUPTED
    if report and result.summary.status == "finished":
        _write_report(paths)
    return _told(result.summary, paths, as_json=chosen.as_json)


def _paths(chosen: Settings, name: str | None, out: Path | None, profile: str) -> "BacktestPaths":
    """Raises CommandError (2) for a name that cannot be a folder's, and for two places at once."""
    from state.runs.folder import BACKTESTS, BacktestPaths, RunNameError, backtest_paths

    if out is not None:
        if name is not None:
            raise CommandError("--name and --out both say where; leave one out", ExitCode.USAGE)
        return BacktestPaths(out.absolute())
    try:
        return backtest_paths(chosen.root, name or new_run_id(chosen.root / BACKTESTS, profile))
    except RunNameError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def _opened(paths: "BacktestPaths", data: str, profile: "Profile", root: Path, *, keep: bool) -> "Feed":
    """The feed, while the folder says so. Without one, only a folder that was asked for by name is left behind.

    Raises CommandError (2), RunFolderError.
    """
    from daemon.backtest.run_folder import RunFolder

    folder = RunFolder(paths)
    folder.begin(f"opening {data}")
    try:
        return opened_feed(data, profile, root)
    except CommandError as error:
        if keep:
            folder.tell(0.0, str(error), status="failed")
        else:
            folder.discard()
        raise
    except KeyboardInterrupt:
        folder.tell(0.0, "interrupted before the first price", status="interrupted")
        raise


def _told(summary: "Summary", paths: "BacktestPaths", *, as_json: bool) -> int:
    """What came of it, and the exit code."""
    if as_json:
        say_json(summary)
    else:
        from cli.backtest_text import report_text

        say(report_text(summary, paths))
    if summary.problem is not None:
        complain(f"bifrost: {summary.problem}")
    if summary.status == "interrupted":
        complain(
            f"bifrost: interrupted; what was played is kept in {paths.folder}. A run does not go on: "
            "start it anew under another name"
        )
    return EXITS[summary.status]


def _write_report(paths: "BacktestPaths") -> None:
    """A report that cannot be written is no reason to lose the run."""
    from daemon.backtest.report import write_report

    try:
        write_report(paths)
    except (OSError, ValueError) as error:
        complain(f"bifrost: no report: {error}")
