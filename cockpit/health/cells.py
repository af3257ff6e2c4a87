"""Small things that every table of the Health page is made of. Pure."""

from typing import Final

from cockpit.reader import DASH, Reader
from cockpit.tables import Column, Row, Table, Tone

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")


def left(reader: Reader, name: str, *, wrap: bool = False, link: bool = False) -> Column:
    """A column of text."""
    return Column(name=name, label=reader.say(f"health.columns.{name}"), wrap=wrap, link=link)


def right(reader: Reader, name: str) -> Column:
    """A column of numbers that carry their unit."""
    return Column(name=name, label=reader.say(f"health.columns.{name}"), align="right")


def fact(name: str, value: str, note: str = "", *, tone: Tone | None = None) -> Row:
    """One fact: what, how much, and what that is held against, or why it is not known."""
    return Row(cells=(name, value or DASH, note), tone=tone, key=name)


def facts(title: str, rows: tuple[Row, ...], reader: Reader, *, aside: str = "") -> Table:
    """A table of facts."""
    columns = (left(reader, "fact"), left(reader, "value", wrap=True), left(reader, "note", wrap=True))
    return Table(title=title, aside=aside, columns=columns, rows=rows, empty="")


def size(size_bytes: float | None) -> str:
    """`512 B`, `3.4 MiB`, `12.0 GiB`; a dash when unknown."""
    if size_bytes is None:
        return DASH
    if size_bytes < 1024:
        return f"{size_bytes:.0f} B"
    shown = size_bytes / 1024
    for unit in _UNITS[:-1]:
        if shown < 1024:
            return f"{shown:,.1f} {unit}"
        shown /= 1024
    return f"{shown:,.1f} {_UNITS[-1]}"
