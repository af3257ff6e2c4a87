"""Why a moment was decided as it was: the journal's own answer at once, and the replayed tape's in full. Pure.

The journal tells wishes and refusals; what was measured at any other moment, only a replay of the tape can tell. The
command `bifrost why --json` does that; here its answer becomes tables.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cockpit import wording
from cockpit.decision_rules import rules_table, value_words
from cockpit.reader import Reader
from cockpit.tables import Columns, Row, Table, quantity_words, rules_of, what_and_why
from state.query import Filter, JournalIndex
from state.records import JournalLine, JournalType
from state.times import iso_from_us

DECISIONS = frozenset({JournalType.INTENT, JournalType.REFUSED})
_MOST_AT_ONCE = 20
_UNITS = ("shares", "usd", "pct", "ms", "s")


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What one line of the journal says: a sentence, and the rules that it was judged by."""

    sentence: str
    rules: Table | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal says of a moment: every wish or refusal at just that time, else the last one before."""

    title: str
    answers: tuple[Answered, ...]


class TraceView(msgspec.Struct, frozen=True, kw_only=True):
    """What the replay says. `source` names what answered: the tape, or (with `notes` why) the journal alone."""

    sentence: str
    source: str
    notes: tuple[str, ...]
    facts: tuple[str, ...]
    tables: tuple[Table, ...]


def decided_near(index: JournalIndex, at_us: int) -> tuple[JournalLine, ...]:
    """The wishes and refusals at a moment, oldest first, else the last one before it. Raises OSError."""
    found = index.newest(Filter(until_us=at_us + 1, types=DECISIONS), _MOST_AT_ONCE).lines
    at_once = tuple(line for line in found if found and line.ts == found[0].ts)
    return at_once[::-1] if at_once and at_once[0].ts == iso_from_us(at_us) else found[:1]


def verdict(lines: Sequence[JournalLine], at_iso: str, reader: Reader) -> Verdict:
    """The journal's own answer about a moment, from the lines that `decided_near` gave."""
    title = reader.say("operations.why.title", time=reader.day_and_time(at_iso, milliseconds=True))
    if not lines:
        return Verdict(title=title, answers=(Answered(sentence=reader.say("operations.why.nothing"), rules=None),))
    return Verdict(title=title, answers=tuple(_answered(line, at_iso, reader) for line in lines))


def _answered(line: JournalLine, at_iso: str, reader: Reader) -> Answered:
    parts = (
        wording.operation(line.type.value, reader),
        line.instrument or "",
        line.side or "",
        quantity_words(line, reader),
        what_and_why(line, reader),
    )
    what = " · ".join(part for part in parts if part)
    when = reader.day_and_time(line.ts, milliseconds=True)
    key = "then" if line.ts == at_iso else "before"
    rules = rules_of(line)
    title = reader.say("operations.why.rules", time=when)
    return Answered(
        sentence=reader.say(f"operations.why.{key}", what=what, time=when),
        rules=rules_table(rules, reader, title=title) if rules else None,
    )


def trace_view(answer: Mapping[str, Any], reader: Reader) -> TraceView:
    """The answer of `why --json`. A field that another version left out is simply not shown."""
    is_tape = answer.get("source") == "tape"
    decided_at = answer.get("decided_at")
    facts = [
        _fact("decided_at", reader.day_and_time(decided_at, milliseconds=True) if decided_at else None, reader),
        _fact("run", answer.get("run_id"), reader),
        _fact("profile", answer.get("profile"), reader),
        _fact("event", answer.get("event"), reader),
        _fact("tape_seq", answer.get("tape_seq"), reader),
        _fact("quote", _quote_words(answer.get("quote"), reader), reader),
        _fact("embargoes", _embargo_words(answer.get("embargoes"), reader), reader),
    ]
    rules_at = answer.get("rules_at")
    measured_at = reader.day_and_time(rules_at, milliseconds=True) if rules_at else ""
    rules = {name: rule for name, rule in _mapping(answer.get("rules")).items() if isinstance(rule, dict)}
    title = (
        reader.say("operations.why.rules", time=measured_at) if measured_at else reader.say("operations.why.no_time")
    )
    found = (rules_table(rules, reader, title=title), _codes(answer, reader), _numbers(answer, reader))
    return TraceView(
        sentence=_said(answer.get("sentence") or "", decided_at, reader),
        source=reader.say("operations.why.by_tape" if is_tape else "operations.why.by_journal"),
        notes=tuple(_said(note, decided_at, reader) for note in _sequence(answer.get("notes"))),
        facts=tuple(fact for fact in facts if fact),
        tables=tuple(table for table in found if table.rows),
    )


def _said(sentence: object, decided_at: str | None, reader: Reader) -> str:
    """A sentence of the answer, its times without the day where that is the decision's."""
    return reader.short_times(reader.phrase(str(sentence)), now_iso=decided_at)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _fact(name: str, value: object, reader: Reader) -> str:
    return "" if value is None or value == "" else reader.say(f"operations.why.facts.{name}", value=value)


def _quote_words(quote: object, reader: Reader) -> str:
    found = _mapping(quote)
    if not isinstance(found.get("bid"), int | float) or not isinstance(found.get("ask"), int | float):
        return ""
    age = found.get("age_ms")
    return reader.say(
        "operations.why.quote",
        instrument=found.get("instrument"),
        bid=wording.number(found["bid"], decimals=2),
        ask=wording.number(found["ask"], decimals=2),
        age=wording.age(age if isinstance(age, int | float) else None),
    )


def _embargo_words(codes: object, reader: Reader) -> str:
    return ", ".join(wording.rule(str(code), reader) for code in _sequence(codes))


def _codes(answer: Mapping[str, Any], reader: Reader) -> Table:
    to = Columns(reader, "codes")
    codes = [code for code in _sequence(answer.get("codes")) if isinstance(code, dict)]
    names = [f"{code.get('letter')}{code.get('value')}" for code in codes]
    return Table(
        title=reader.say("tables.codes.title"),
        aside=reader.say("tables.codes.aside", n=len(codes)),
        columns=(to.left("code"), to.left("meaning"), to.left("measured", wrap=True)),
        rows=tuple(
            Row(
                key=name,
                cells=(
                    name,
                    reader.say_known("codes", name, str(code.get("word") or "")),
                    reader.phrase(str(code.get("measured") or "")),
                ),
            )
            for name, code in zip(names, codes, strict=True)
        ),
        empty=reader.say("tables.codes.empty"),
    )


def _numbers(answer: Mapping[str, Any], reader: Reader) -> Table:
    """Every number that the strategy named, under its own name: the unit is its ending."""
    to = Columns(reader, "numbers")
    numbers = _mapping(answer.get("numbers"))
    rows = []
    for name, value in numbers.items():
        unit = next((unit for unit in _UNITS if name.endswith(f"_{unit}")), None)
        label = (name if unit is None else name.removesuffix(f"_{unit}")).replace("_", " ")
        known = reader.say_known("tables.numbers.names", name, label)
        rows.append(Row(key=name, cells=(known, value_words(value, unit, reader))))
    return Table(
        title=reader.say("tables.numbers.title"),
        aside=reader.say("tables.numbers.aside", n=len(rows)),
        columns=(to.left("name"), to.right("value")),
        rows=tuple(rows),
        empty=reader.say("tables.numbers.empty"),
    )
