"""Two keys of a sweep against each other, as a table of objectives."""

import statistics
from collections.abc import Iterable
from typing import Any

import msgspec

from state.runs.records import SweepPlan, Trial
from state.runs.trials import Cell, cells


class HeatMap(msgspec.Struct, frozen=True, kw_only=True):
    """`objective[row][column]` is that of `y_values[row]`, `x_values[column]`; None where no cell came to a result."""

    x_key: str
    y_key: str | None
    """None: one key alone, one row."""
    x_values: tuple[Any, ...]
    """In order where they are numbers."""
    y_values: tuple[Any, ...]
    objective: tuple[tuple[float | None, ...], ...]
    """Of several cells at one place (other keys vary too) the median."""
    numbers: tuple[tuple[tuple[int, ...], ...], ...]
    """The cells at each place, failed ones too."""


def heat_map(plan: SweepPlan, trials: Iterable[Trial], x_key: str, y_key: str | None = None) -> HeatMap:
    """The table of two searched keys, or the row of one. A place holds exactly the cells with these two values."""
    field = cells(plan, trials)
    columns = _values(field, x_key)
    rows: tuple[Any, ...] = (None,) if y_key is None else _values(field, y_key)
    at: dict[tuple[Any, Any], list[Cell]] = {}
    for cell in field:
        at.setdefault((cell.params.get(x_key), None if y_key is None else cell.params.get(y_key)), []).append(cell)
    places = [[at.get((column, row), []) for column in columns] for row in rows]
    return HeatMap(
        x_key=x_key,
        y_key=y_key,
        x_values=columns,
        y_values=() if y_key is None else rows,
        objective=tuple(tuple(_median(place) for place in row) for row in places),
        numbers=tuple(tuple(tuple(cell.number for cell in place) for place in row) for row in places),
    )


def _values(field: Iterable[Cell], key: str) -> tuple[Any, ...]:
    """Numbers in order, words behind them."""
    found = {cell.params.get(key) for cell in field}
    return tuple(sorted(found, key=lambda value: (not isinstance(value, int | float), _order(value), str(value))))


def _order(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _median(place: list[Cell]) -> float | None:
    found = [cell.objective for cell in place if cell.objective is not None]
    return statistics.median(found) if found else None
