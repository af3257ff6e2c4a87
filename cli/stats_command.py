"""`stats`: what a desk, or a backtest, has earned, from what, and how it was done. Offline, from files alone."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, JsonOption, RootOption, Settings, settings
from cli.output import say, say_json
from cli.progress import progress_bar
from cli.why_time import zone_of

if TYPE_CHECKING:
    from state.runs.folder import BacktestPaths
    from state.runs.records import Summary
    from state.statistics.past import Past, Source
    from state.statistics.statement import Grouping

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_AGE = re.compile(r"(\d{1,5})d")
DAY_HELP = "a day (2026-11-21) or an age in days (30d, counted back from the newest)"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        "stats",
        short_help="What a desk or a backtest has earned, from what, and how",
        epilog="Example: ./bifrost stats --desk demo --by week --since 90d   or   "
        "./bifrost stats --run RUN_ID --by hour --json",
    )(stats)


def stats(
    context: typer.Context,
    *,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="RUN_ID|DIR", help="A backtest's figures instead of a desk's.", show_default=False
        ),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", metavar="GROUP", help="The table's rows: day, week, month, or hour of the day.")
    ] = "day",
    since: Annotated[
        str | None, typer.Option("--since", metavar="DAY", help=f"The first day: {DAY_HELP}.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DAY", help="The last day, itself included.", show_default=False)
    ] = None,
    zone: Annotated[
        str, typer.Option("--zone", metavar="NAME", help="Of hours and times, like UTC or Europe/Berlin.")
    ] = "America/New_York",
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Also write the --by table, every row of it.", show_default=False),
    ] = None,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Win rate, P&L and its attribution, drawdowns, hedges, slippage, latency, refusals: each with its n and unit.

    Read from a desk's history and journal, or from a backtest's tables, by the same code; nothing is written but
    --csv, and a running daemon does not notice. Days are the desk's own sessions.
    """
    from state.runs.caveats import caveat_text, caveats
    from state.statistics.past import Past
    from state.statistics.statement import statement

    chosen = settings(context, desk, root, as_json=as_json)
    if run is not None and desk is not None:
        raise CommandError("--run and --desk ask for two different things; leave one out", ExitCode.USAGE)
    grouping, where = _grouping(by), zone_of(zone)
    summary = None if run is None else _summary(chosen, run)
    source = _desk_source(chosen) if run is None else _run_source(chosen, run)
    past = Past(source, first_day=_first_day(since, source), last_day=_last_day(until))
    if past.days and csv is not None:
        _write_csv(csv, past, grouping, zone)
    told = () if summary is None else tuple(caveat_text(each) for each in caveats(summary))
    if chosen.as_json:
        about = {"desk": chosen.desk} if summary is None else _about(summary, told)
        say_json({**about, **statement(past, grouping, where.key)})
        return ExitCode.DONE
    if not past.days:
        say(_nothing(chosen, run, source))
        return ExitCode.DONE
    from cli.stats_text import print_past

    print_past(past, _title(chosen, run, summary), grouping, where, is_run=run is not None, caveats=told)
    return ExitCode.DONE


def _about(summary: "Summary", told: tuple[str, ...]) -> dict[str, object]:
    """What must be known of a run before its figures."""
    return {"run_id": summary.run_id, "status": summary.status, "caveats": told}


def _grouping(name: str) -> "Grouping":
    from state.statistics.statement import GROUPINGS

    for each in GROUPINGS:
        if each == name:
            return each
    raise CommandError(f"--by {name}: write one of {', '.join(GROUPINGS)}", ExitCode.USAGE)


def _desk_source(chosen: Settings) -> "Source":
    from state.statistics.loading import load_desk

    paths = chosen.existing_paths()
    try:
        with progress_bar("reading the history (days)", quiet=chosen.as_json) as show:
            return load_desk(paths, progress=show)
    except OSError as error:
        raise CommandError(f"the files of {chosen.desk} cannot be read: {error}") from error


def _summary(chosen: Settings, run: str) -> "Summary":
    """The run's own word about itself. Raises CommandError (2) for a run that is not there."""
    import msgspec

    from state.runs.folder import BACKTESTS, run_ids
    from state.runs.records import Summary
    from state.undecodable import UNDECODABLE

    paths = _run_paths(chosen, run)
    if not paths.folder.is_dir():
        known = run_ids(chosen.root, BACKTESTS)
        there = f"there: {', '.join(known[-5:])}" if known else "no backtest was ever run there"
        raise CommandError(
            f"no backtest {run!r} under {paths.folder.parent} ({there}); "
            "run one: ./bifrost backtest --profile demo --data synthetic:1",
            ExitCode.USAGE,
        )
    try:
        return msgspec.json.decode(paths.summary.read_bytes(), type=Summary)
    except FileNotFoundError as error:
        raise CommandError(f"{paths.folder}: {_without_summary(paths)}") from error
    except (OSError, *UNDECODABLE) as error:
        raise CommandError(f"{paths.summary}: cannot be read ({error}); run the backtest again") from error


def _without_summary(paths: "BacktestPaths") -> str:
    """How a run stands that has left no figures: it goes on, was killed, or could not be written."""
    from state.runs.reading import look_at_backtest

    found = look_at_backtest(paths)
    said = "" if found.progress is None else f" ({found.progress.text})"
    if found.standing == "running":
        return f"the run has not ended yet{said}; ask again when it has"
    ended = "failed" if found.standing == "failed" else "was killed"
    return f"the run {ended}{said} and left no figures; run it again under another name"


def _run_paths(chosen: Settings, run: str) -> "BacktestPaths":
    """A run of the root by its name, or any folder (`backtest --out DIR`) by its path. Raises CommandError (2)."""
    from state.runs.folder import BacktestPaths, RunNameError, backtest_paths

    if "/" in run:
        return BacktestPaths(Path(run).expanduser().absolute())
    try:
        return backtest_paths(chosen.root, run)
    except RunNameError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def _run_source(chosen: Settings, run: str) -> "Source":
    from state.statistics.run_tables import RunTableError, load_run

    try:
        return load_run(_run_paths(chosen, run))
    except RunTableError as error:
        raise CommandError(str(error)) from error


def _first_day(text: str | None, source: "Source") -> str:
    """An ISO date; empty without a bound. Raises CommandError (2)."""
    import datetime as dt

    age = None if text is None else _AGE.fullmatch(text)
    if age is None or not source.days:
        return "" if age is not None else _date("--since", text)
    newest = dt.date.fromisoformat(source.days[-1].day)
    return (newest - dt.timedelta(days=max(0, int(age[1]) - 1))).isoformat()


def _last_day(text: str | None) -> str:
    return _date("--until", text)


def _date(option: str, text: str | None) -> str:
    import datetime as dt

    if text is None:
        return ""
    try:
        if _DAY.fullmatch(text):
            return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise CommandError(f"{option} {text!r}: write {DAY_HELP}", ExitCode.USAGE)


def _write_csv(file: Path, past: "Past", by: "Grouping", zone: str) -> None:
    from state.statistics.rows import as_csv
    from state.statistics.statement import period_table

    try:
        file.write_text(as_csv(period_table(past, by, zone)), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--csv {file}: {error.strerror or error}; name a file that can be written") from error


def _title(chosen: Settings, run: str | None, summary: "Summary | None") -> str:
    if run is None or summary is None:
        return chosen.desk
    changed = "".join(f", {key}={value}" for key, value in summary.profile.overrides.items())
    ended = "" if summary.status == "finished" else f" ({summary.status})"
    return f"backtest {run}{ended}: {summary.profile.name}{changed} on {summary.data.description}"


def _nothing(chosen: Settings, run: str | None, source: "Source") -> str:
    """What to do when there is nothing to show."""
    name = chosen.desk if run is None else f"backtest {run}"
    if source.days:
        first, last = source.days[0].day, source.days[-1].day
        return f"{name}: no day between --since and --until; there are samples from {first} to {last}"
    if run is not None:
        return f"{name}: its equity table is empty: the data held no open session; see its summary.json"
    return f"{name}: no sample yet: its daemon writes one a minute while it runs: {chosen.shell()} up"
