"""The answer of `why` as data, how far a desk's record reaches, and how its numbers are written."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli.errors import CommandError

if TYPE_CHECKING:
    from daemon.core.strategy import Explanation
    from state.layout import DeskPaths
    from state.records import JournalLine

SLACK_US = 2_000_000
"""A run ticks at least this often: what lies further behind its last event, it did not see."""
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
