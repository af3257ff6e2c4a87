"""`replay`: does the same core, fed with a recorded day, decide exactly what the journal says?"""

import time
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, JsonOption, RootOption, settings
from cli.output import complain, say_json
from cli.why_time import zone_of

if TYPE_CHECKING:
    from cli.replay_files import Recorded
    from daemon.backtest.parity_day import DayParity
    from daemon.backtest.parity_input import Day
    from state.layout import DeskPaths

MARKET_ZONE = "America/New_York"
_TELL_EVERY_S = 3.0


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        "replay",
        short_help="Prove that a recorded day is decided again exactly as it was",
        epilog="Example: ./bifrost replay --desk demo --date 2014-06-05 && echo identical",
    )(replay)


def replay(
    context: typer.Context,
    *,
    date: Annotated[
        str | None,
        typer.Option(
            "--date", metavar="YYYY-MM-DD", help="A day, from midnight to midnight in --zone.", show_default=False
        ),
    ] = None,
    zone: Annotated[
        str,
        typer.Option("--zone", metavar="NAME", help="Where the day begins at midnight: the market's place, or UTC."),
    ] = MARKET_ZONE,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="RUN_ID", help="Only this run; without --date the whole of it.", show_default=False
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", metavar="NAME|FILE", help="Instead of the profile that each run had.", show_default=False
        ),
    ] = None,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Feed a recorded day's tape to the core and compare every effect with the journal.

    Exit 0 only if every recorded decision is reproduced (wall_ts, latency_ms, seq and hash aside); 1 if one is not,
    with the first difference shown; 2 if the day cannot be compared, or not all of it. Nothing is written.
    """
    from state.segments import JournalError

    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    if date is None and run is None:
        raise CommandError("which day? give --date, or --run for a whole run", ExitCode.USAGE)
    day = _day(date, zone_of(zone))
    began = time.monotonic()
    try:
        recorded, found = _compare(paths, day, run=run, profile=profile, asked=date)
    except OSError as error:
        raise CommandError(f"the files of {chosen.desk} cannot be read: {error}", ExitCode.USAGE) from error
    except JournalError as error:
        line = f"the journal is damaged, so nothing can be held against it: {error}"
        raise CommandError(f"{line}; see {chosen.shell()} verify", ExitCode.USAGE) from error
    from cli.replay_text import as_object, print_found

    code = ExitCode.FAILED if found.different else ExitCode.DONE if found.is_identical else ExitCode.USAGE
    title = f"{chosen.desk}, {date or run}" + (f" ({zone})" if date is not None else "")
    found.notes[:0] = recorded.problems
    seconds = time.monotonic() - began
    if chosen.as_json:
        asked = {"desk": chosen.desk, "date": date, "zone": zone, "run": run}
        say_json({**asked, "exit_code": int(code), **as_object(found, seconds)})
    else:
        print_found(found, title=title, seconds=seconds)
    return code


def _day(text: str | None, zone: ZoneInfo) -> "Day":
    """From midnight to midnight there, whatever the clocks do in between. Raises CommandError (2)."""
    from daemon.backtest.parity_input import Day
    from state.times import us_from_datetime

    if text is None:
        return Day(since_us=0, until_us=us_from_datetime(datetime.max.replace(tzinfo=ZoneInfo("UTC"))))
    try:
        first = date.fromisoformat(text)
        begins, ends = (
            datetime(each.year, each.month, each.day, tzinfo=zone) for each in (first, first + timedelta(days=1))
        )
        return Day(since_us=us_from_datetime(begins), until_us=us_from_datetime(ends))
    except (ValueError, OverflowError):
        raise CommandError(f"--date {text!r}: write a day like 2014-06-05", ExitCode.USAGE) from None


def _compare(
    paths: "DeskPaths", day: "Day", *, run: str | None, profile: str | None, asked: str | None
) -> "tuple[Recorded, DayParity]":
    """Raises CommandError (2) where there is nothing to replay."""
    from cli.replay_files import journal_from, recorded_on
    from daemon.backtest.parity_day import compare_day

    recorded = recorded_on(paths, day, run_id=run, profile=profile)
    if not recorded.tapes:
        raise CommandError(_nothing(paths, day, recorded, run=run, asked=asked), ExitCode.USAGE)
    told = time.monotonic()

    def progress(events: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            complain(f"bifrost: {events:,} events replayed …")

    found = compare_day(journal_from(paths, recorded.tapes), recorded.tapes, day, progress=progress)
    if not (found.runs or found.uncovered or found.unwritten):
        raise CommandError(_nothing(paths, day, recorded, run=run, asked=asked), ExitCode.USAGE)
    if run is not None:
        found.uncovered = [each for each in found.uncovered if each.run_id == run]
    return recorded, found


def _nothing(paths: "DeskPaths", day: "Day", recorded: "Recorded", *, run: str | None, asked: str | None) -> str:
    """Why there is nothing to compare, and where something would be."""
    from state.journal_reader import lines_backwards
    from state.times import us_from_iso

    what = str(asked) if run is None else f"run {run}" if asked is None else f"{asked} in run {run}"
    on = "on" if asked is not None else "in"
    lines = 0
    for line in lines_backwards(paths.journal):
        lines += day.holds(line) and run in (None, line.run_id)
        if us_from_iso(line.ts) < day.since_us and run is None:
            break
    covered = f"the tape covers {recorded.span} (UTC)" if recorded.span else "this desk has no tape"
    damaged = "".join(f"; {problem}" for problem in recorded.problems)
    if lines:
        kept = "kept for storage.tape_keep_days and within storage.tape_max_mib of the profile"
        return f"no tape of {what} is left, only {lines} journal lines ({covered}; tapes are {kept}){damaged}"
    return f"nothing was recorded {on} {what} ({covered}){damaged}"
