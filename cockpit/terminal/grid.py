"""A table of text within a width: the columns that matter most stay, the rest is left out whole. Pure."""

from collections.abc import Sequence

from cockpit.tables import Column, Row, Table
from cockpit.terminal.text import Line, Span, Style, clean, pad, width_of

_GAP = 2
_WIDEST = 44
"""No cell takes more, so that one long text does not push every other column out."""
_TONES: dict[str, Style] = {"bad": "alarm", "warn": "warn", "foreign": "dim"}


def grid(table: Table, width: int, *, first: Sequence[str] = (), rows: Sequence[Row] | None = None) -> list[Line]:
    """Head and rows. `first` names the columns that are kept before all others; the order shown is the table's."""
    shown = table.rows if rows is None else rows
    if not shown:
        return []
    sizes = [_size(index, column, shown) for index, column in enumerate(table.columns)]
    kept = _kept(table.columns, sizes, width, first)
    lines: list[Line] = [(Span("  ".join(_head(table.columns[at], sizes[at]) for at in kept), "dim"),)]
    for row in shown:
        style = _TONES.get(str(row.tone), "plain")
        cells = (pad(_cell(row, at), sizes[at], right=table.columns[at].align == "right") for at in kept)
        lines.append((Span("  ".join(cells).rstrip(), style),))
    return lines


def _kept(columns: Sequence[Column], sizes: Sequence[int], width: int, first: Sequence[str]) -> list[int]:
    """Which columns fit, most wanted first."""
    rank = {name: place for place, name in enumerate(first)}
    wanted = sorted(range(len(columns)), key=lambda at: (rank.get(columns[at].name, len(rank)), at))
    kept: list[int] = []
    left = width
    for at in wanted:
        need = sizes[at] + (_GAP if kept else 0)
        if need <= left:
            kept.append(at)
            left -= need
    return sorted(kept)


def _cell(row: Row, at: int) -> str:
    return clean(row.cells[at]) if at < len(row.cells) else ""


def _size(at: int, column: Column, rows: Sequence[Row]) -> int:
    return min(_WIDEST, max(width_of(_title(column)), *(width_of(_cell(row, at)) for row in rows)))


def _title(column: Column) -> str:
    return column.label if column.unit is None else f"{column.label} {column.unit}"


def _head(column: Column, size: int) -> str:
    return pad(_title(column), size, right=column.align == "right")
