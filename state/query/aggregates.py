"""Counting operations by groups: what a group may be, and adding counts up whatever path they came by."""

import datetime as dt
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, get_args

import msgspec

from state.query.filters import time_of
from state.records import JournalLine

GroupBy = Literal["day", "week", "month", "type", "reason", "side", "instrument"]
"""Days are UTC days of `ts`, weeks those of ISO 8601, which begin on Monday."""

GROUPS = get_args(GroupBy)
MAX_GROUPS = 100_000
_DAY_US = 86_400_000_000
_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()

Basis = tuple[int | str | None, ...]
"""A group as it is counted: times as days since 1970-01-01, everything else as it stands in the line."""


class TooManyGroups(ValueError):  # noqa: N818 - the question is at fault, and its text says what to do
    """A question whose answer would be as long as the journal itself."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """One group: its names in the order asked for (None: the lines say nothing), and how many lines it has.

    `quantity` adds up the quantities of its lines to six decimals, whatever their unit; None where no line has one.
    """

    key: tuple[str | None, ...]
    count: int
    quantity: float | None = None


def columns_of(by: Sequence[GroupBy]) -> tuple[str, ...]:
    """What must be told apart to group so: days for every span of time, the rest by its own name."""
    return tuple(dict.fromkeys("day" if name in _SPANS else name for name in by))


def day_of_us(ts_us: int) -> int:
    """The UTC day, counted from 1970-01-01."""
    return ts_us // _DAY_US


def _day(line: JournalLine) -> int | None:
    ts_us = time_of(line)
    return None if ts_us is None else day_of_us(ts_us)


def _getter(column: str) -> Callable[[JournalLine], int | str | None]:
    if column == "day":
        return _day
    if column == "type":
        return lambda line: line.type.value
    return operator.attrgetter(column)


class Tally:
    """Counts by basis, added up. Raises TooManyGroups beyond MAX_GROUPS, so that its memory is bounded."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._getters = [_getter(column) for column in columns]
        self._found: dict[Basis, tuple[int, float | None]] = {}

    def add_line(self, line: JournalLine) -> None:
        """One more line."""
        self.add(tuple([get(line) for get in self._getters]), 1, line.quantity)

    def add(self, basis: Basis, count: int, quantity: float | None) -> None:
        """So many more lines of a group, and the sum of their quantities."""
        before = self._found.get(basis)
        if before is None:
            if len(self._found) == MAX_GROUPS:
                raise TooManyGroups(f"more than {MAX_GROUPS:,} groups; ask for less time, or group by less")
            self._found[basis] = (count, quantity)
        else:
            self._found[basis] = (before[0] + count, _sum(before[1], quantity))

    def counts(self, by: Sequence[GroupBy]) -> list[Count]:
        """The groups, sorted by their names; unnamed ones last."""
        folded: dict[tuple[str | None, ...], tuple[int, float | None]] = {}
        for basis, (count, quantity) in self._found.items():
            values = dict(zip(self.columns, basis, strict=True))
            key = tuple(_name(name, values["day" if name in _SPANS else name]) for name in by)
            before = folded.get(key, (0, None))
            folded[key] = (before[0] + count, _sum(before[1], quantity))
        return [
            Count(key=key, count=count, quantity=None if quantity is None else round(quantity, 6))
            for key, (count, quantity) in sorted(folded.items(), key=lambda item: _order(item[0]))
        ]


def _sum(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other


def _order(key: Iterable[str | None]) -> list[tuple[bool, str]]:
    return [(name is None, name or "") for name in key]


def _name(group: str, value: int | str | None) -> str | None:
    """`2026-11-21`, `2026-W47`, `2026-11`, or what stands in the line."""
    if not isinstance(value, int):
        return value
    date = dt.date.fromordinal(value + _EPOCH_ORDINAL)
    return _SPANS[group](date)


def _week(date: dt.date) -> str:
    year, week, _ = date.isocalendar()
    return f"{year:04d}-W{week:02d}"


_SPANS: dict[str, Callable[[dt.date], str]] = {
    "day": dt.date.isoformat,
    "week": _week,
    "month": lambda date: date.isoformat()[:7],
}
