"""What `why` finds out about a moment: from the tape where one covers it, from the journal in any case."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from cli.errors import CommandError, ExitCode
from cli.output import to_the_second
from cli.run_profile import profile_of_run, require_symbol
from cli.why_answer import SLACK_US, Answer, Span
from cli.why_journal import ask_journal, by_the_journal_alone, was_not_running

if TYPE_CHECKING:
    from daemon.core.book import Book
    from daemon.core.strategy import Explanation
    from daemon.core.trace import Decided, Trace
    from state.layout import DeskPaths
    from state.query import JournalIndex
    from state.tape_at import TapePart


def find_out(
    paths: "DeskPaths", at_us: int, span: Span, *, profile: str | None, progress: Callable[[int], None]
) -> Answer:
    """The whole answer. Raises CommandError where the moment lies outside the record, OSError."""
    from state.query import JournalIndex
    from state.times import iso_from_us

    if not span.first_us <= at_us <= span.newest_us + SLACK_US:
        where = "after" if at_us > span.newest_us else "before"
        covered = f"{to_the_second(iso_from_us(span.first_us))} to {to_the_second(iso_from_us(span.newest_us))}"
        line = f"{iso_from_us(at_us)} lies {where} the record of desk {paths.desk}, which covers {covered}"
        raise CommandError(f"{line}; ask for a moment in it with --at", ExitCode.USAGE)
    answer = Answer(at_us=at_us)
    index = JournalIndex.of(paths)
    ask_journal(answer, index)
    if not _ask_tape(answer, paths, index, profile, progress):
        by_the_journal_alone(answer, index)
    return answer


def _ask_tape(
    answer: Answer, paths: "DeskPaths", index: "JournalIndex", profile: str | None, progress: Callable[[int], None]
) -> bool:
    """Replay up to the moment; False, with a note why, where no tape can."""
    from state.tape import TapeError
    from state.tape_at import tape_parts
    from state.times import iso_from_us

    found = tape_parts(paths.tape)
    answer.notes += [f"tape damaged: {problem}" for problem in found.problems]
    part = found.at(answer.at_us)
    if part is None:
        begins = f"it begins {iso_from_us(found.parts[0].begins_us)}" if found.parts else "there is none"
        answer.notes.append(f"no tape covers this moment ({begins})")
        return False
    try:
        return _replay(answer, part, index, profile, progress)
    except TapeError as error:
        answer.notes.append(f"the tape cannot tell: {error}")
        return False


def _replay(
    answer: Answer, part: "TapePart", index: "JournalIndex", profile: str | None, progress: Callable[[int], None]
) -> bool:
    from daemon.core.step import Core
    from daemon.core.trace import explained, trace
    from daemon.strategies.gamma_scalper.strategy import GammaScalper
    from daemon.venues.feeds.tape import read_book, read_core_events

    run_id = part.checkpoint.run_id
    of_run = profile_of_run(index, run_id, profile)
    if not of_run.is_that_of_the_run:
        answer.notes.append(
            f"THE PROFILE IS NOT THAT OF THE RUN: {of_run.loaded.path} has hash {of_run.loaded.hash[:12]}, the run had "
            f"{str(of_run.recorded_hash)[:12]}; limits and verdicts below are by the file as it is now"
        )
    chosen = of_run.loaded.profile
    strategy = GammaScalper(chosen)
    core = Core(chosen, strategy)
    book = read_book(part.checkpoint, strategy)
    require_symbol(of_run.loaded, run_id, book.underlying)
    replayed = trace(core, book, _counted(read_core_events(part.path), progress), answer.at_us)
    if replayed.is_over and answer.at_us - replayed.book.ts_us > SLACK_US:
        was_not_running(answer, index, replayed, run_id)
        return False
    answer.source, answer.run_id, answer.profile = "tape", run_id, chosen.name
    if replayed.last is None:
        answer.sentence = "nothing was decided yet: the run had only just begun"
        return True
    _fill_in(answer, replayed.last, explained(core, replayed.last))
    _compare(answer, replayed)
    return True


def _counted(events: "Iterator[Any]", progress: Callable[[int], None]) -> "Iterator[Any]":
    for number, event in enumerate(events, start=1):
        if number % 20_000 == 0:
            progress(number)
        yield event


def _fill_in(answer: Answer, decided: "Decided", explanation: "Explanation") -> None:
    from state.records import JournalType

    answer.decided_us, answer.tape_seq = decided.ts_us, decided.tape_seq
    answer.event = str(type(decided.event).__struct_config__.tag)
    answer.explanation = explanation
    names = ("ok", "measured", "limit", "unit", "waived")
    answer.rules = {rule.rule: {name: getattr(rule, name) for name in names} for rule in explanation.rules}
    answer.rules_us = decided.ts_us
    answer.quote = _quote(decided.after)
    answer.sentence = explanation.sentence
    intents = [each for each in decided.records if each.type is JournalType.INTENT]
    kept = [each for each in decided.records if each.status == "refused_by_core"]
    if intents:
        answer.sentence += f"; it went out as {intents[0].order_ref}"
    elif kept:
        answer.sentence += (
            f", but the core's own last word was no: {', '.join((kept[0].data or {}).get('reasons', ()))}"
        )
    blocked = [line for line in answer.decided if line.status == "not_sent"]
    if blocked:
        answer.sentence += f"; the last look before sending kept it here: {blocked[-1].reason}"


def _quote(book: "Book") -> dict[str, float | str | None]:
    """The underlying's prices as the decision saw them."""
    quote = book.quote()
    shown: dict[str, float | str | None] = dict.fromkeys(("bid", "ask", "mid", "spread_pct", "age_ms"))
    shown = {"instrument": book.underlying, **shown}
    if quote is None:
        return shown
    shown |= {"bid": quote.bid, "ask": quote.ask, "mid": quote.mid, "spread_pct": quote.spread_pct}
    return shown | {"age_ms": (book.ts_us - quote.ts_us) / 1000 if quote.ts_us else None}


def _compare(answer: Answer, replayed: "Trace") -> None:
    """The replay must have given the journal's own answers; where it does not, say so before anything else."""
    made = [
        (record.type, record.reason, record.quantity) for decided in replayed.answered for record in decided.records
    ]
    told = [
        (line.type, line.reason, line.quantity)
        for line in answer.decided
        if line.tape_seq is not None and line.run_id == answer.run_id
    ]
    if made != told:
        answer.notes.append(
            "THE REPLAY DOES NOT GIVE WHAT THE JOURNAL SAYS of this moment: another profile or another version of this "
            "program ran then; believe the journal's lines"
        )
