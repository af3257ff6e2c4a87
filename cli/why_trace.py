"""What `why` finds out about a moment: from the tape where one covers it, from the journal in any case."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import CommandError, ExitCode
from cli.output import to_the_second

if TYPE_CHECKING:
    from daemon.core.book import Book
    from daemon.core.strategy import Explanation
    from daemon.core.trace import Decided, Trace
    from state.layout import DeskPaths
    from state.query import JournalIndex
    from state.records import JournalLine, JournalType
    from state.tape_at import TapePart

_SLACK_US = 2_000_000
"""A run ticks at least this often: what lies further behind its last event, it did not see."""
_WINDOWS_S = (60, 900, 14_400, 7 * 86_400)
"""How far ahead the next answer is looked for, step by step."""
_MOST = 5000
DASH = "\N{EN DASH}"
_UNITS = {"pct": "%", "usd": "USD"}


@dataclass(frozen=True)
class Span:
    """What the desk's files tell of."""

    first_us: int
    newest_us: int


@dataclass
class Answer:
    """Everything that `why` says. What came from the tape is None where none covers the moment."""

    at_us: int
    sentence: str = ""
    source: str = "journal"
    run_id: str | None = None
    profile: str | None = None
    notes: list[str] = field(default_factory=list)
    """What the reader must know before he believes the rest."""
    decided_us: int | None = None
    tape_seq: int | None = None
    event: str | None = None
    explanation: "Explanation | None" = None
    quote: dict[str, float | str | None] | None = None
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Rule -> ok, measured, limit, unit, waived."""
    rules_us: int | None = None
    """When they were measured."""
    decided: list["JournalLine"] = field(default_factory=list)
    """The journal's own answers at exactly this moment."""
    before: "JournalLine | None" = None
    after: "JournalLine | None" = None
    life: list["JournalLine"] = field(default_factory=list)
    """What became of the intent decided here, or of the next one."""


def span_of(paths: "DeskPaths") -> Span:
    """From the journal's first line to the newest thing that the desk has written. Raises CommandError, OSError."""
    from state.journal_reader import read_journal
    from state.query import Filter, newest
    from state.segments import JournalError
    from state.snapshot import read_snapshot
    from state.times import us_from_iso

    try:
        first = next(iter(read_journal(paths.journal)), None)
    except JournalError:
        first = None
    last = newest(paths.journal, Filter(), 1)
    if not last:
        raise CommandError(f"{paths.desk}: the journal is empty or unreadable: nothing was decided that could be told")
    newest_us = us_from_iso(last[0].ts)
    snapshot = read_snapshot(paths.snapshot).snapshot
    if snapshot is not None:
        newest_us = max(newest_us, us_from_iso(snapshot.ts))
    return Span(newest_us if first is None else us_from_iso(first.ts), newest_us)


def find_out(
    paths: "DeskPaths", at_us: int, span: Span, *, profile: str | None, progress: Callable[[int], None]
) -> Answer:
    """The whole answer. Raises CommandError where the moment lies outside the record, OSError."""
    from state.query import JournalIndex
    from state.times import iso_from_us

    if not span.first_us <= at_us <= span.newest_us + _SLACK_US:
        where = "after" if at_us > span.newest_us else "before"
        covered = f"{to_the_second(iso_from_us(span.first_us))} to {to_the_second(iso_from_us(span.newest_us))}"
        line = f"{iso_from_us(at_us)} lies {where} the record of desk {paths.desk}, which covers {covered}"
        raise CommandError(f"{line}; ask for a moment in it with --at", ExitCode.USAGE)
    answer = Answer(at_us=at_us)
    index = JournalIndex.of(paths)
    _ask_journal(answer, index)
    if not _ask_tape(answer, paths, index, profile, progress):
        _by_the_journal_alone(answer, index)
    return answer


def _ask_journal(answer: Answer, index: "JournalIndex") -> None:
    """The answers to wishes at, before and after the moment."""
    from state.records import JournalType

    kinds = frozenset({JournalType.INTENT, JournalType.REFUSED})
    at_us = answer.at_us
    answer.decided = _lines(index, kinds, at_us, at_us + 1)
    earlier = _newest(index, kinds, at_us)
    answer.before = earlier
    for window_s in _WINDOWS_S:
        later = _lines(index, kinds, at_us + 1, at_us + 1 + window_s * 1_000_000)
        if later:
            answer.after = later[0]
            break
    told = answer.decided[-1] if answer.decided else answer.after
    if told is not None and told.type is JournalType.INTENT and told.intent_id:
        answer.life = [line for line in index.life_of_intent(told.intent_id).lines if line.seq != told.seq]


def _lines(index: "JournalIndex", kinds: "frozenset[JournalType]", since_us: int, until_us: int) -> "list[JournalLine]":
    from state.query import Filter

    return list(index.newest(Filter(since_us=since_us, until_us=until_us, types=kinds), _MOST).lines)[::-1]


def _newest(index: "JournalIndex", kinds: "frozenset[JournalType]", before_us: int) -> "JournalLine | None":
    from state.query import Filter

    found = index.newest(Filter(until_us=before_us, types=kinds), 1).lines
    return found[0] if found else None


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
    from daemon.runtime.tape_source import read_book, read_core_events
    from daemon.strategies.gamma_scalper.strategy import GammaScalper

    run_id = part.checkpoint.run_id
    chosen = _profile(answer, index, run_id, profile)
    strategy = GammaScalper(chosen)
    core = Core(chosen, strategy)
    book = read_book(part.checkpoint, strategy)
    replayed = trace(core, book, _counted(read_core_events(part.path), progress), answer.at_us)
    if replayed.is_over and answer.at_us - replayed.book.ts_us > _SLACK_US:
        _was_not_running(answer, index, replayed, run_id)
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


def _profile(answer: Answer, index: "JournalIndex", run_id: str, asked: str | None) -> Any:
    """The profile that the run had, with a note where that cannot be said for sure. Raises CommandError (2)."""
    from cli.profile_commands import load
    from state.query import Filter
    from state.records import JournalType

    lines = index.newest(Filter(run_id=run_id, types=frozenset({JournalType.RUN_STARTED})), 1).lines
    data = lines[0].data if lines and lines[0].data is not None else {}
    name, path = data.get("profile"), data.get("profile_path")
    known = path if isinstance(path, str) and Path(path).exists() else name
    if asked is None and not isinstance(known, str):
        line = f"the journal no longer says which profile run {run_id} had"
        raise CommandError(f"{line}; name it with --profile", ExitCode.USAGE)
    try:
        loaded = load(asked if asked is not None else str(known))
    except CommandError as error:
        line = f"the profile of that run cannot be read ({error}); name one with --profile"
        raise CommandError(line, ExitCode.USAGE) from error
    recorded = data.get("profile_hash")
    if recorded is not None and recorded != loaded.hash:
        answer.notes.append(
            f"THE PROFILE IS NOT THAT OF THE RUN: {loaded.path} has hash {loaded.hash[:12]}, the run had "
            f"{str(recorded)[:12]}; limits and verdicts below are by the file as it is now"
        )
    return loaded.profile


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


def _was_not_running(answer: Answer, index: "JournalIndex", replayed: "Trace", run_id: str) -> None:
    """The tape ends before the moment: because the run had ended, or because the tape had."""
    from state.query import Filter
    from state.records import JournalType
    from state.times import iso_from_us

    last_us = replayed.book.ts_us
    at = to_the_second(iso_from_us(last_us))
    later = index.newest(Filter(run_id=run_id, since_us=last_us + _SLACK_US, until_us=answer.at_us + 1), 1).lines
    ended = index.newest(Filter(run_id=run_id, types=frozenset({JournalType.RUN_STOPPED})), 1).lines
    if later:
        how = f"the tape of run {run_id} ends at {at}, though the run went on"
    elif ended:
        how = f"the run before it, {run_id}, stopped at {at} ({ended[0].reason})"
    else:
        how = f"the run before it, {run_id}, was last heard of at {at}: it was killed, or crashed"
        answer.sentence = f"the daemon was not running: {how}"
    answer.notes.append(f"no tape covers this moment: {how}")


def _by_the_journal_alone(answer: Answer, index: "JournalIndex") -> None:
    """Without a tape: what the journal's lines say, and that this is all."""
    from state.records import JournalType
    from state.times import iso_from_us, us_from_iso

    ends = frozenset({JournalType.RUN_STARTED, JournalType.RUN_STOPPED})
    run = _newest(index, ends, answer.at_us + 1)
    answer.run_id = None if run is None else run.run_id
    machine = _newest(index, frozenset({JournalType.TRANSITION}), answer.at_us + 1)
    told = answer.decided[-1] if answer.decided else answer.before
    if answer.sentence:
        return
    if run is not None and run.type is JournalType.RUN_STOPPED and us_from_iso(run.ts) < answer.at_us:
        ended = to_the_second(run.ts)
        answer.sentence = f"the daemon was not running: run {run.run_id} ended at {ended} ({run.reason})"
    elif told is None:
        answer.sentence = "the journal knows of no wish for an order up to then"
    else:
        when = "at that moment" if answer.decided else f"at {to_the_second(told.ts)}, the last one before"
        answer.sentence = f"by the journal alone, the answer {when} was: {line_text(told)}"
    if (
        machine is not None
        and machine.run_id == answer.run_id
        and run is not None
        and run.type is JournalType.RUN_STARTED
    ):
        since = to_the_second(machine.ts)
        answer.sentence += f"; the trading machine had been {machine.status} ({machine.reason}) since {since}"
    rules = (told.data or {}).get("rules") if told is not None else None
    if told is not None and isinstance(rules, dict) and rules:
        answer.rules, answer.rules_us = rules, us_from_iso(told.ts)
    if answer.rules_us is not None and answer.rules_us != answer.at_us:
        answer.notes.append(f"the rules below are those of {iso_from_us(answer.rules_us)}")


def line_text(line: "JournalLine") -> str:
    """`refused SELL 31 shares by cooldown: 12.4 s, limit 60 s`."""
    from state.records import JournalType

    size = "" if line.quantity is None else f" {line.side} {line.quantity:g} shares"
    if line.type is JournalType.INTENT:
        return f"intended{size} ({line.reason}), order {line.order_ref}"
    rules = (line.data or {}).get("rules")
    rule = rules.get(line.reason) if isinstance(rules, dict) else None
    return f"refused{size} by {line.reason}" + ("" if not rule else f": {measured_text(rule)}")


def measured_text(rule: dict[str, Any]) -> str:
    """`12.4 s, limit 60 s`."""
    shown = value_text(rule.get("measured"), rule.get("unit"))
    limit = rule.get("limit")
    return shown if limit is None else f"{shown}, limit {value_text(limit, rule.get('unit'))}"


def value_text(value: object, unit: object) -> str:
    """A number with its unit, short; a dash where there is nothing to measure."""
    if value is None:
        return DASH
    named = _UNITS.get(str(unit), str(unit).replace("_", " ")) if unit else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{value} {named}".strip()
    number = value + 0.0  # no minus before a zero
    return f"{number:.10g} {named}".strip() if number.is_integer() else f"{number:.5g} {named}".strip()
