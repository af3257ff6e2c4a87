"""`ops`: asking a desk's journal."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError, ExitCode
from cli.journal_question import TIME_HELP, groups_of, side_of, time_us, types_of
from cli.options import DeskOption, JsonOption, RootOption, Settings, settings
from cli.output import coloured, complain, say, say_json
from cli.progress import MIB, progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from state.query import Filter, Found, GroupBy, JournalIndex

READ_THROUGH_BYTES = 64 * MIB
"""So much of closed segments is read in a second or two; for more than that the cache is built first."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "ops",
        short_help="The newest operations of the journal, or how many there are",
        epilog="Example: ./bifrost ops --type fill --type refused --since 2h --limit 20   or   "
        "./bifrost ops --type refused --count-by day --count-by reason",
    )(operations)


def operations(
    context: typer.Context,
    *,
    since: Annotated[str | None, typer.Option("--since", metavar="T", help=f"From: {TIME_HELP}.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="T", help=f"Before: {TIME_HELP}.")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Only this type; may be repeated.")
    ] = None,
    side: Annotated[str | None, typer.Option("--side", metavar="BUY|SELL", help="Only this side.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="CODE", help="Only with just this reason.")] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="WORDS", help="Only with this in reason, status or state code.")
    ] = None,
    order: Annotated[str | None, typer.Option("--order", metavar="REF", help="Only of this order_ref.")] = None,
    intent: Annotated[str | None, typer.Option("--intent", metavar="ID", help="The whole life of one intent.")] = None,
    count_by: Annotated[
        list[str] | None,
        typer.Option(
            "--count-by",
            metavar="GROUP",
            help="Count them instead: by day, week or month (UTC, of ts), type, reason, side or instrument; "
            "may be repeated.",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also ledger_checkpoint and transition lines, which are left out at first.")
    ] = False,
    before: Annotated[
        int | None, typer.Option("--before", metavar="N", min=1, help="Only operations before number N.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The newest so many.")] = 50,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """The newest operations of the journal, oldest first. Times are the desk's own `ts`; ages count from its newest.

    Counts are of all operations that match, routine ones included. The first count of a long journal builds a cache
    of its closed segments, which may be deleted at any time.
    """
    from state.query import Filter, JournalIndex, TooManyGroups

    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    wanted = Filter(
        since_us=time_us(paths, "--since", since),
        until_us=time_us(paths, "--until", until),
        types=types_of(types),
        side=side_of(side),
        reason=reason,
        text=text,
        order_ref=order,
        before_seq=before,
    )
    if wanted.since_us is not None and wanted.until_us is not None and wanted.since_us >= wanted.until_us:
        raise CommandError("--until lies before --since, so nothing can match; swap them", ExitCode.USAGE)
    by = groups_of(count_by)
    if by and intent is not None:
        raise CommandError("--intent shows the life of one intent; leave --count-by out", ExitCode.USAGE)
    index = JournalIndex.of(paths)
    try:
        if by or any(asked is not None for asked in (intent, order, reason, until, before)):
            _prepare(index, chosen)  # what is asked for may lie far back
        if by:
            return _say_counts(index, wanted, by, chosen)
        return _say_operations(_found(index, wanted, intent, limit, everything=everything), chosen)
    except OSError as error:
        raise CommandError(f"the journal of {chosen.desk} cannot be read: {error}") from error
    except TooManyGroups as error:
        raise CommandError(f"--count-by: {error}", ExitCode.USAGE) from error


def _prepare(index: "JournalIndex", chosen: Settings) -> None:
    """Build the cache where reading everything would take long. Whatever comes of it, the question is answered."""
    if index.status().uncached_bytes <= READ_THROUGH_BYTES:
        return
    with progress_bar("caching closed segments, once (MiB)", quiet=chosen.as_json, unit=MIB) as show:
        built = index.build(progress=show)
    if built.busy:
        complain("bifrost: another process builds the journal's cache; reading without it")
    elif not built.complete:
        complain(f"bifrost: {'; '.join(built.problems)}; reading without it")


def _found(index: "JournalIndex", wanted: "Filter", intent: str | None, limit: int, *, everything: bool) -> "Found":
    """The operations, oldest first."""
    import msgspec

    from state.query import matches

    if intent is not None:
        life = index.life_of_intent(intent)
        kept = [line for line in life.lines if matches(line, wanted)]
        return msgspec.structs.replace(life, lines=tuple(kept[-limit:]))
    found = index.newest(wanted, limit, routine=everything or wanted.types is not None)
    return msgspec.structs.replace(found, lines=found.lines[::-1])


def _say_operations(found: "Found", chosen: Settings) -> int:
    if chosen.as_json:
        say_json(
            {"desk": chosen.desk, "operations": found.lines, "left_out": found.left_out, "problems": found.problems}
        )
        return ExitCode.DONE
    if found.lines:
        from cli.journal_table import print_table

        print_table(found.lines)
    else:
        say(_nothing(chosen))
    if found.left_out:
        words = f"{found.left_out} routine lines (ledger_checkpoint, transition) left out; --all shows them"
        say(coloured(words, "dim"))
    _say_problems(found.problems)
    return ExitCode.DONE


def _say_counts(index: "JournalIndex", wanted: "Filter", by: "Sequence[GroupBy]", chosen: Settings) -> int:
    from cli.journal_counts import counts_as_json, print_counts

    counted = index.count_by(wanted, by)
    if chosen.as_json:
        counts = counts_as_json(counted.counts, by)
        say_json({"desk": chosen.desk, "count_by": by, "counts": counts, "problems": counted.problems})
        return ExitCode.DONE
    if counted.counts:
        print_counts(counted.counts, by, quantity=wanted.types is not None)
    else:
        say(_nothing(chosen))
    _say_problems(counted.problems)
    return ExitCode.DONE


def _nothing(chosen: Settings) -> str:
    """What to do when there is nothing to show."""
    from state.segments import list_segments

    if not any(segment.path.stat().st_size for segment in list_segments(chosen.paths().journal)):
        return f"{chosen.desk}: the journal is empty: nothing was done yet"
    return f"{chosen.desk}: no operation matches; ask for more time or fewer filters, or see all: {chosen.shell()} ops"


def _say_problems(problems: "Sequence[str]") -> None:
    for problem in problems:
        complain(f"bifrost: not all of the journal can be trusted: {problem}; see docs/runbook.md#journal_damaged")
