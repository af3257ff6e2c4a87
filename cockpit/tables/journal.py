"""Tables of the journal: operations in the order given, and counts of them. Pure: lines in, text out."""

from collections.abc import Sequence
from typing import Any

from cockpit import wording
from cockpit.reader import Reader
from cockpit.tables.model import Column, Columns, Row, Table, Tone, sortable
from state.query import Count, Counted, GroupBy
from state.records import JournalLine, JournalType

_BAD = {
    JournalType.REJECTED,
    JournalType.UNKNOWN_OUTCOME,
    JournalType.HALT,
    JournalType.CONTROL_REFUSED,
    JournalType.FLATTEN_ABORTED,
    JournalType.FLATTEN_STUCK,
}
_WARN = {JournalType.REPAIRED, JournalType.BOOK_FOREIGN, JournalType.CLOCK_JUMP}
_CALENDAR = ("day", "week", "month")


def tone_of(kind: JournalType) -> Tone | None:
    """How loud a kind of operation is: what went wrong, what deserves a look; everything else is normal life."""
    if kind in _BAD:
        return "bad"
    return "warn" if kind in _WARN else None


def journal(lines: Sequence[JournalLine], reader: Reader, *, title: str, aside: str, empty: str) -> Table:
    """Operations in the order given; a row's key is its line's number."""
    to = Columns(reader, "journal")
    time = to.left("time")
    return Table(
        title=title,
        aside=aside,
        empty=empty,
        columns=(
            Column(name=time.name, label=time.label, unit=reader.zone_name),
            to.left("type"),
            to.left("intent", link=True),
            to.left("instrument"),
            to.left("side"),
            to.right("quantity"),
            to.right("price", "usd"),
            to.left("status"),
            to.left("reason", wrap=True),
            to.left("why", link=True),
            to.left("code"),
            to.right("latency", "ms"),
            to.right("seq"),
        ),
        rows=tuple(_journal_row(line, reader) for line in lines),
    )


def _journal_row(line: JournalLine, reader: Reader) -> Row:
    return Row(
        key=str(line.seq),
        cells=(
            reader.day_and_time(line.ts, milliseconds=True),
            wording.operation(line.type.value, reader),
            line.intent_id or "",
            line.instrument or "",
            line.side or "",
            quantity_words(line, reader),
            wording.number(line.price, decimals=4) if line.price is not None else "",
            "" if line.status is None else wording.status(line.status, reader),
            what_and_why(line, reader),
            reader.say("tables.journal.why"),
            line.state_code or "",
            wording.number(line.latency_ms, decimals=1) if line.latency_ms is not None else "",
            str(line.seq),
        ),
        tone=tone_of(line.type),
    )


def quantity_words(line: JournalLine, reader: Reader) -> str:
    """`1 share`, `250 shares`, or nothing."""
    return "" if line.quantity is None else wording.quantity(line.quantity, line.unit, reader)


def counts(counted: Counted, by: GroupBy, reader: Reader, *, quantity: bool) -> Table:
    """Operations counted in groups; their `quantity` adds up only where the operations are of one kind."""
    to = Columns(reader, "counts")
    group = Column(
        name="group",
        label=reader.say(f"tables.counts.by.{by}").capitalize(),
        unit="UTC" if by in _CALENDAR else None,
        sort=True,
    )
    columns = [group, *sortable((to.right("count"), *((to.right("quantity"),) if quantity else ())))]
    total, groups = sum(each.count for each in counted.counts), len(counted.counts)
    return Table(
        title=reader.say("tables.counts.title", by=reader.say(f"tables.counts.by.{by}")),
        aside=reader.say("tables.counts.aside", n=wording.shares(total), groups=wording.shares(groups)),
        columns=tuple(columns),
        rows=tuple(_count_row(each, by, reader, len(columns)) for each in counted.counts),
        empty=reader.say("operations.no_match"),
    )


def _count_row(count: Count, by: GroupBy, reader: Reader, width: int) -> Row:
    (group,) = count.key
    name = wording.DASH if group is None else group
    if by == "type":
        name = wording.operation(name, reader)
    quantity = "" if count.quantity is None else wording.shares(count.quantity)
    return Row(key=group, cells=(name, wording.shares(count.count), quantity)[:width])


def what_and_why(line: JournalLine, reader: Reader) -> str:
    """The reason and, for a refusal or a command, the numbers and words that belong to it."""
    data: dict[str, Any] = line.data if line.data is not None else {}
    rules = [rule_words(name, rule, reader) for name, rule in rules_of(line).items() if is_refusal(rule)]
    command, detail, by = (data.get(key) for key in ("command", "detail", "by"))
    # A refusal's reason is the name of its first rule, which the rules say again with numbers.
    is_said = line.reason in {name for name, rule in rules_of(line).items() if is_refusal(rule)}
    reason = None if is_said or not line.reason else wording.cause(line.reason, reader)
    detail = reader.phrase(detail) if isinstance(detail, str) else None
    who = reader.say("tables.journal.by", name=by) if isinstance(by, str) else None
    parts = [command, reason, *rules, detail, who]
    return " · ".join(dict.fromkeys(part for part in parts if isinstance(part, str) and part))


def rules_of(line: JournalLine) -> dict[str, dict[str, Any]]:
    """A guard's verdict: `rule -> {ok, measured, limit, unit, waived}`, under `rules` or bare; empty where none is."""
    data: dict[str, Any] = line.data if line.data is not None else {}
    rules = data.get("rules", data)
    if not isinstance(rules, dict):
        return {}
    return {name: rule for name, rule in rules.items() if isinstance(rule, dict) and isinstance(rule.get("ok"), bool)}


def is_refusal(rule: dict[str, Any]) -> bool:
    """Whether this rule said no, and its no counted."""
    return rule.get("ok") is False and rule.get("waived") is not True


def rule_words(name: str, rule: dict[str, Any], reader: Reader) -> str:
    """`cooldown 22.4, limit 60 s`."""
    measured, limit, unit = rule.get("measured"), rule.get("limit"), rule.get("unit")
    text = wording.rule(name, reader)
    if isinstance(measured, str | int | float):
        text += f" {wording.measured(measured, reader)}"
    if isinstance(limit, str | int | float):
        text += reader.say("tables.journal.limit", limit=wording.measured(limit, reader))
    return f"{text} {wording.unit(unit, reader)}" if isinstance(unit, str) and unit else text
