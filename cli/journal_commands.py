"""`ops`: reading a desk's journal."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, JsonOption, RootOption, settings
from cli.output import coloured, say, say_json

if TYPE_CHECKING:
    from state.layout import DeskPaths
    from state.query import Filter
    from state.records import JournalLine, JournalType

_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME_HELP = "a time (2026-11-21T14:30:00Z), a day (2026-11-21) or an age (90s, 15m, 2h, 1d)"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "ops",
        short_help="The newest operations of the journal",
        epilog="Example: ./bifrost ops --type fill --type refused --since 2h --limit 20",
    )(operations)


def operations(
    context: typer.Context,
    *,
    since: Annotated[str | None, typer.Option("--since", metavar="T", help=f"From: {_TIME_HELP}.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="T", help=f"Before: {_TIME_HELP}.")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this type; may be repeated.")
    ] = None,
    intent: Annotated[str | None, typer.Option("--intent", metavar="ID", help="The whole life of one intent.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also ledger_checkpoint and transition lines, which are left out at first.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The newest so many.")] = 50,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """The newest operations of the journal, oldest first. Times are the desk's own `ts`; ages count from its newest."""
    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    wanted = _filter(paths, since, until, types)
    try:
        lines, left_out = _find(paths, wanted, intent, limit, everything=everything)
    except OSError as error:
        raise CommandError(f"the journal of {chosen.desk} cannot be read: {error}") from error
    if chosen.as_json:
        say_json({"desk": chosen.desk, "operations": lines, "left_out": left_out})
        return ExitCode.DONE
    if lines:
        from cli.journal_table import print_table

        print_table(lines)
    else:
        say(f"{chosen.desk}: no operation matches")
    if left_out:
        words = f"{left_out} routine lines (ledger_checkpoint, transition) left out; --all shows them"
        say(coloured(words, "dim"))
    return ExitCode.DONE


def _find(
    paths: "DeskPaths", wanted: "Filter", intent: str | None, limit: int, *, everything: bool
) -> "tuple[list[JournalLine], int]":
    """The lines, oldest first, and how many routine ones were left out among them. Raises OSError."""
    from state.query import life_of_intent, matches, newest, newest_without_routine

    if intent is not None:
        return [line for line in life_of_intent(paths.journal, intent) if matches(line, wanted)][-limit:], 0
    if everything or wanted.types is not None:
        return newest(paths.journal, wanted, limit)[::-1], 0
    lines, left_out = newest_without_routine(paths.journal, wanted, limit)
    return lines[::-1], left_out


def _filter(paths: "DeskPaths", since: str | None, until: str | None, types: list[str] | None) -> "Filter":
    from state.query import Filter

    return Filter(
        since_us=None if since is None else _time_us(paths, "--since", since),
        until_us=None if until is None else _time_us(paths, "--until", until),
        types=frozenset(_type(name) for name in types) if types else None,
    )


def _type(name: str) -> "JournalType":
    import difflib

    from state.records import JournalType

    try:
        return JournalType(name)
    except ValueError:
        known = [each.value for each in JournalType]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        raise CommandError(f"--type {name}: no such operation; {hint}", ExitCode.USAGE) from None


def _time_us(paths: "DeskPaths", option: str, text: str) -> int:
    """A time, a day or an age as microseconds since the epoch. Raises CommandError (2)."""
    from state.times import us_from_iso

    age = _AGE.match(text)
    if age is not None:
        return _newest_ts_us(paths) - int(float(age[1]) * _SECONDS[age[2]] * 1_000_000)
    try:
        return us_from_iso(f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else text)
    except ValueError:
        raise CommandError(f"{option} {text!r}: write {_TIME_HELP}", ExitCode.USAGE) from None


def _newest_ts_us(paths: "DeskPaths") -> int:
    """The desk's own now: a replayed desk's day is long past. The wall clock when it has no journal."""
    from daemon.runtime.clocks import wall_us
    from state.query import Filter, newest
    from state.times import us_from_iso

    lines = newest(paths.journal, Filter(), 1)
    return us_from_iso(lines[0].ts) if lines else wall_us()
