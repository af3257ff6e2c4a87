"""What the journal says about a moment: the answers to wishes around it, and, without a tape, the whole answer."""

from typing import TYPE_CHECKING

from cli.output import to_the_second
from cli.why_answer import SLACK_US, Answer, line_text

if TYPE_CHECKING:
    from daemon.core.trace import Trace
    from state.query import JournalIndex
    from state.records import JournalLine, JournalType

_WINDOWS_S = (60, 900, 14_400, 7 * 86_400)
"""How far ahead the next answer is looked for, step by step."""
_MOST = 5000


def ask_journal(answer: Answer, index: "JournalIndex") -> None:
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


def was_not_running(answer: Answer, index: "JournalIndex", replayed: "Trace", run_id: str) -> None:
    """The tape ends before the moment: because the run had ended, or because the tape had."""
    from state.query import Filter
    from state.records import JournalType
    from state.times import iso_from_us

    last_us = replayed.book.ts_us
    at = to_the_second(iso_from_us(last_us))
    later = index.newest(Filter(run_id=run_id, since_us=last_us + SLACK_US, until_us=answer.at_us + 1), 1).lines
    ended = index.newest(Filter(run_id=run_id, types=frozenset({JournalType.RUN_STOPPED})), 1).lines
    if later:
        how = f"the tape of run {run_id} ends at {at}, though the run went on"
    elif ended:
        how = f"the run before it, {run_id}, stopped at {at} ({ended[0].reason})"
    else:
        how = f"the run before it, {run_id}, was last heard of at {at}: it was killed, or crashed"
        answer.sentence = f"the daemon was not running: {how}"
    answer.notes.append(f"no tape covers this moment: {how}")


def by_the_journal_alone(answer: Answer, index: "JournalIndex") -> None:
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
