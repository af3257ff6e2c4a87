"""One row of a csv file as numbers: the moment, and what each column says then."""

import math
from datetime import UTC, datetime

import msgspec

from daemon.backtest.feeds.csv_columns import Columns
from daemon.core.black_scholes import MAX_VOLATILITY
from daemon.venues.feeds.errors import FeedError
from daemon.venues.feeds.lean_rows import Bar
from state.times import us_from_iso

EARLIEST_US = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
LATEST_US = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


class CsvRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one row says. A side that was left empty is None; what is no number at all is NaN, and counted later."""

    ts_us: int
    line: int
    stock: Bar
    last: float | None
    legs: tuple[Bar | float | None, ...]
    """Of each leg: its sides, or the volatility that prices it, or None where the file says nothing now."""


class RowReader:
    """Turns fields into rows. Raises FeedError that names the line, the column and the remedy."""

    def __init__(self, columns: Columns, names: list[str], *, spread_usd: float, place: str) -> None:
        self._columns = columns
        self._names = names
        self._spread_usd = spread_usd
        self._place = place

    def row(self, line: int, fields: list[str]) -> CsvRow:
        """One line's row."""
        columns = self._columns
        if len(fields) != columns.count:
            raise FeedError(f"{self._place} line {line}: {len(fields)} fields, the header has {columns.count}")
        ts_us = self._time(line, fields[columns.time])
        bid, ask = self._sides(line, fields)
        size = 0.0, 0.0
        if columns.bid_size is not None or columns.ask_size is not None:
            size = self._size(line, fields, columns.bid_size), self._size(line, fields, columns.ask_size)
        legs: list[Bar | float | None] = []
        for leg in columns.legs:
            if leg.bid is not None and leg.ask is not None:
                sides = self._number(line, fields, leg.bid), self._number(line, fields, leg.ask)
                legs.append(Bar(label_us=ts_us, bid=sides[0], ask=sides[1]))
            else:
                legs.append(None if leg.volatility is None else self._volatility(line, fields, leg.volatility))
        return CsvRow(
            ts_us=ts_us,
            line=line,
            stock=Bar(label_us=ts_us, bid=bid, ask=ask, bid_size=size[0], ask_size=size[1]),
            last=None if columns.last is None else self._number(line, fields, columns.last),
            legs=tuple(legs),
        )

    def _time(self, line: int, text: str) -> int:
        unit_us = self._columns.unit_us
        try:
            ts_us = us_from_iso(text.strip()) if unit_us is None else _whole(text, unit_us)
        except (ValueError, OverflowError):
            raise FeedError(self._no_time(line, text)) from None
        if not EARLIEST_US <= ts_us < LATEST_US:
            year = "far away" if abs(ts_us) > 4 * LATEST_US else f"of {datetime.fromtimestamp(ts_us // 10**6, UTC):%Y}"
            name = self._names[self._columns.time].strip()
            raise FeedError(
                f"{self._place} line {line}: {name} {text[:40]!r} is {year}; is the unit right (ts_s, ts_ms, ts_us)?"
            )
        return ts_us

    def _no_time(self, line: int, text: str) -> str:
        name, shown = self._names[self._columns.time].strip(), text.strip()[:40]
        where = f"{self._place} line {line}: {name} {shown!r}"
        if self._columns.unit_us is not None:
            return f"{where} is no whole number"
        if shown.replace(".", "", 1).isdigit():
            return f"{where} is a number; name the column ts_s, ts_ms or ts_us, by its unit"
        return f"{where} is no ISO time with zone; write 2014-06-05T09:31:00-04:00, or 13:31:00Z for UTC"

    def _sides(self, line: int, fields: list[str]) -> tuple[float | None, float | None]:
        columns = self._columns
        if columns.bid is not None and columns.ask is not None:
            return self._number(line, fields, columns.bid), self._number(line, fields, columns.ask)
        mid = None if columns.mid is None else self._number(line, fields, columns.mid)
        if mid is None:
            return None, None
        spread = None if columns.spread is None else self._number(line, fields, columns.spread)
        if spread is None or not 0 <= spread < math.inf:
            spread = self._spread_usd
        # To a hundredth of a cent: 70.01, not 70.00999999999999.
        return (round(mid - spread / 2, 4), round(mid + spread / 2, 4)) if mid > spread / 2 else (math.nan, math.nan)

    def _number(self, line: int, fields: list[str], index: int) -> float | None:
        text = fields[index]
        if not text or text.isspace():
            return None
        try:
            return float(text)
        except ValueError:
            name = self._names[index].strip()
            raise FeedError(f"{self._place} line {line}: {name} {text[:40]!r} is no number; leave it empty") from None

    def _size(self, line: int, fields: list[str], index: int | None) -> float:
        size = None if index is None else self._number(line, fields, index)
        return size if size is not None and 0 <= size < math.inf else 0.0

    def _volatility(self, line: int, fields: list[str], index: int) -> float | None:
        volatility = self._number(line, fields, index)
        if volatility is not None and not 0 < volatility <= MAX_VOLATILITY:
            name = self._names[index].strip()
            raise FeedError(
                f"{self._place} line {line}: {name} {volatility:g} is no volatility a year; write 0.35 for 35 %"
            )
        return volatility


def _whole(text: str, unit_us: int) -> int:
    """Whole numbers exactly; a decimal fraction to the microsecond."""
    plain = text.strip()
    if len(plain) > 30:
        raise ValueError(plain)
    try:
        return int(plain) * unit_us
    except ValueError:
        return round(float(plain) * unit_us)
