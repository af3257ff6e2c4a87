"""What a table is: columns, rows of text, and what is shown while there is none. Pure.

Every cell is text that must be shown as it is: instrument names, reasons and statuses come from the broker.
"""

from typing import Any, Literal

import msgspec

from cockpit.reader import Reader

Tone = Literal["foreign", "bad", "warn", "good"]


class Column(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column: its head, its unit, and how cells are set.

    `sort`: a click on the head orders the rows by it. `two_lines`: what follows a line break stands small below.
    """

    name: str
    label: str
    unit: str | None = None
    align: Literal["left", "right"] = "left"
    wrap: bool = False
    link: bool = False
    badge: bool = False
    sort: bool = False
    two_lines: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of cells, as many as there are columns.

    `key` names the thing that the row is about: a row whose key stays is kept on the page, with its selection.
    """

    cells: tuple[str, ...]
    tone: Tone | None = None
    key: str | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What a page's table component draws. `empty` is shown instead of a table without rows."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str
    aside: str = ""


class Columns:
    """Makes the columns of one table, their heads from the catalogue's `tables.<table>.columns.<name>`."""

    def __init__(self, reader: Reader, table: str) -> None:
        self._reader = reader
        self._table = table

    def left(self, name: str, *, unit: str | None = None, wrap: bool = False, link: bool = False) -> Column:
        """A column of text."""
        return Column(name=name, label=self._label(name), unit=self._unit(unit), wrap=wrap, link=link)

    def right(self, name: str, unit: str | None = None, *, two_lines: bool = False) -> Column:
        """A column of numbers in one unit (a name under `tables.units`), or of numbers that carry their own."""
        return Column(name=name, label=self._label(name), unit=self._unit(unit), align="right", two_lines=two_lines)

    def _label(self, name: str) -> str:
        return self._reader.say(f"tables.{self._table}.columns.{name}")

    def _unit(self, unit: str | None) -> str | None:
        return None if unit is None else self._reader.say(f"tables.units.{unit}")


def sortable(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The same columns, each of which orders the rows when its head is clicked."""
    return tuple(msgspec.structs.replace(column, sort=True) for column in columns)


def plain(table: Table) -> dict[str, Any]:
    """The table as plain values, for a component's data."""
    found: dict[str, Any] = msgspec.to_builtins(table)
    return found
