"""`why`: what was decided at one moment, and by which numbers."""

from typing import Annotated

import typer

from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, JsonOption, RootOption, settings
from cli.output import complain, say_json
from cli.why_answer import Answer, span_of
from cli.why_time import HELP, moment_us, zone_of


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        "why",
        short_help="Why the desk did, or did not, hedge at a moment",
        epilog="Example: ./bifrost why --at 14:03   or   ./bifrost why --at 2014-06-05T10:03 --zone America/New_York",
    )(why)


def why(
    context: typer.Context,
    *,
    at: Annotated[str, typer.Option("--at", metavar="TIME", help=f"{HELP}.")],
    zone: Annotated[
        str, typer.Option("--zone", metavar="NAME", help="Of a time without a zone of its own, like America/New_York.")
    ] = "UTC",
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", metavar="NAME|FILE", help="Instead of the profile that the run had.", show_default=False
        ),
    ] = None,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Why the desk did, or did not, hedge at a moment of its own time: one sentence, every rule with its numbers.

    The recorded tape is replayed through the same core up to that moment. Where no tape covers it, the journal
    alone answers, and says so. Nothing is written, and a running daemon does not notice.
    """
    from cli.why_trace import find_out

    chosen = settings(context, desk, root, as_json=as_json)
    paths, where = chosen.existing_paths(), zone_of(zone)
    try:
        span = span_of(paths)
        at_us = moment_us(at, first_us=span.first_us, newest_us=span.newest_us, zone=where)
        answer = find_out(paths, at_us, span, profile=profile, progress=_say_progress)
    except OSError as error:
        raise CommandError(f"the files of {chosen.desk} cannot be read: {error}") from error
    if chosen.as_json:
        say_json(_as_json(answer, desk=chosen.desk, asked=at, zone=zone))
    else:
        from cli.why_text import print_answer

        print_answer(answer, zone=where)
    return ExitCode.DONE


def _say_progress(events: int) -> None:
    complain(f"bifrost: {events:,} events replayed …")


def _as_json(answer: Answer, *, desk: str, asked: str, zone: str) -> dict[str, object]:
    from state.times import iso_from_us

    def time(time_us: int | None) -> str | None:
        return None if time_us is None else iso_from_us(time_us)

    explanation = answer.explanation
    return {
        "desk": desk,
        "asked": asked,
        "zone": zone,
        "at": time(answer.at_us),
        "sentence": answer.sentence,
        "source": answer.source,
        "notes": answer.notes,
        "run_id": answer.run_id,
        "profile": answer.profile,
        "decided_at": time(answer.decided_us),
        "tape_seq": answer.tape_seq,
        "event": answer.event,
        "needed": None if explanation is None else explanation.needed,
        "refused": None if explanation is None else explanation.refused,
        "state_code": None if explanation is None else explanation.state_code,
        "codes": [] if explanation is None else explanation.codes,
        "embargoes": [] if explanation is None else explanation.embargoes,
        "numbers": {} if explanation is None else explanation.numbers,
        "quote": answer.quote,
        "rules_at": time(answer.rules_us),
        "rules": answer.rules,
        "decided": answer.decided,
        "before": answer.before,
        "after": answer.after,
        "life": answer.life,
    }
