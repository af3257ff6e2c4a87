"""A table of text within a width: the columns that matter most stay, the rest is left out whole. Pure."""

from collections.abc import Sequence

from cockpit.tables import Column, Row, Table
from cockpit.terminal.text import Line, Span, Style, clean, pad, width_of

_GAP = 2
_WIDEST = 44
"""No cell takes more, so that one long text does not push every other column out."""
_LEAST_STRETCHED = 16
_TONES: dict[str, Style] = {"bad": "alarm", "warn": "warn", "foreign": "dim"}


def grid(table: Table, width: int, *, first: Sequence[str] = (), stretch: str | None = None) -> list[Line]:
    """Head and rows. `first` names the columns that are kept before all others; the order shown is the table's.

    `stretch` names the column that takes less where there is little room, and all the room that is left.
    """
    shown = table.rows
    if not shown:
        return []
    sizes = [_size(index, column, shown) for index, column in enumerate(table.columns)]
    elastic = next((at for at, column in enumerate(table.columns) if column.name == stretch), None)
    longest = 0
    if elastic is not None:
        longest = max(width_of(_cell(row, elastic)) for row in shown)
        sizes[elastic] = min(sizes[elastic], _LEAST_STRETCHED)
    kept = _kept(table.columns, sizes, width, first)
    if elastic in kept:
        left = width - sum(sizes[at] for at in kept) - _GAP * (len(kept) - 1)
        sizes[elastic] = min(sizes[elastic] + left, max(longest, sizes[elastic]))
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
