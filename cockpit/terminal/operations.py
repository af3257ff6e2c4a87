"""The newest operations as a table for a terminal. Pure."""

from collections.abc import Sequence

from cockpit import wording
from cockpit.reader import Reader
from cockpit.tables import Column, Row, Table, quantity_words, tone_of, what_and_why
from state.records import JournalLine


def operations(lines: Sequence[JournalLine], reader: Reader) -> Table:
    """One line each, in the order given: when, what, how much at which price, and why."""
    say = reader.say
    columns = (
        Column(name="time", label=say("top.columns.time"), unit=reader.zone_name),
        Column(name="type", label=say("top.columns.type")),
        Column(name="side", label=say("top.columns.side")),
        Column(name="quantity", label=say("top.columns.quantity"), align="right"),
        Column(name="instrument", label=say("top.columns.instrument")),
        Column(name="price", label=say("top.columns.price"), unit="USD", align="right"),
        Column(name="status", label=say("top.columns.status")),
        Column(name="reason", label=say("top.columns.reason")),
    )
    return Table(
        title=say("top.last_operations"),
        aside=say("top.newest_first"),
        columns=columns,
        rows=tuple(_row(line, reader) for line in lines),
        empty=say("top.no_operation"),
    )


def _row(line: JournalLine, reader: Reader) -> Row:
    return Row(
        cells=(
            reader.time_of_day(line.ts),
            wording.operation(line.type, reader),
            line.side or "",
            quantity_words(line, reader),
            line.instrument or "",
            "" if line.price is None else wording.number(line.price, decimals=4),
            "" if line.status is None else wording.status(line.status, reader),
            what_and_why(line, reader),
        ),
        tone=tone_of(line.type),
    )
