"""A guard's verdict as a table: every rule with what it measured, against which limit, and what it said. Pure."""

from collections.abc import Mapping
from typing import Any

from cockpit import wording
from cockpit.reader import Reader
from cockpit.tables import Columns, Row, Table, is_refusal


def rules_table(rules: Mapping[str, Mapping[str, Any]], reader: Reader, *, title: str, aside: str = "") -> Table:
    """`rule -> {ok, measured, limit, unit, waived}`, in the order in which the guard asked them."""
    to = Columns(reader, "rules")
    refused = sum(is_refusal(dict(rule)) for rule in rules.values())
    counted = reader.say("tables.rules.aside", n=len(rules), refused=refused)
    return Table(
        title=title,
        aside=" · ".join(part for part in (aside, counted) if part),
        columns=(to.left("rule"), to.right("measured"), to.right("limit"), to.left("verdict")),
        rows=tuple(_row(name, rule, reader) for name, rule in rules.items()),
        empty=reader.say("tables.rules.empty"),
    )


def _row(name: str, rule: Mapping[str, Any], reader: Reader) -> Row:
    is_no = is_refusal(dict(rule))
    verdict = "refused" if is_no else "waived" if rule.get("waived") is True else "ok"
    return Row(
        key=name,
        cells=(
            wording.rule(name, reader),
            value_words(rule.get("measured"), rule.get("unit"), reader),
            value_words(rule.get("limit"), rule.get("unit"), reader),
            reader.say(f"tables.rules.verdicts.{verdict}"),
        ),
        tone="warn" if is_no else None,
    )


def value_words(value: object, unit: object, reader: Reader) -> str:
    """A number with its unit, or text as it is; a dash where nothing was measured."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str):
        return wording.DASH if not isinstance(value, bool) else str(value).lower()
    text = wording.measured(value, reader)
    name = wording.unit(unit, reader) if isinstance(unit, str) and unit else ""
    return f"{text} {name}".strip()
