"""Whole stretches of a csv file as arrays, where there is nothing odd in them.

A block is clean when reading it row by row would give one plain step for every line and no finding: numbers in every
field that is asked for, times that ascend within one session and without a silence, two sides that are prices and not
crossed. Everything else is left to the row reader, which says what is wrong and where; so a block is never read in two
ways, and only what is easy is read fast.
"""

import io
from typing import NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pa_csv  # type: ignore[import-untyped]
from numpy.typing import NDArray

from daemon.backtest.feeds.csv_columns import Columns
from daemon.backtest.feeds.csv_rows import EARLIEST_US, LATEST_US
from daemon.venues.feeds.lean_rows import SENTINEL_USD

_TIME, _BID, _ASK, _LAST = "time", "bid", "ask", "last"


class CleanBlock(NamedTuple):
    """Rows as columns; prices in USD."""

    first_line: int
    ts_us: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    last: NDArray[np.float64] | None
    """None without such a column."""

    def but_last(self) -> "CleanBlock":
        """Without its last row."""
        last = None if self.last is None else self.last[:-1]
        return CleanBlock(self.first_line, self.ts_us[:-1], self.bid[:-1], self.ask[:-1], last)


class BlockReader:
    """Reads blocks of one layout of columns. The one rule: ask `is_able` first."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        wanted = {columns.time: _TIME, columns.bid: _BID, columns.ask: _ASK, columns.last: _LAST}
        self._names = [wanted.get(index, str(index)) for index in range(columns.count)]
        types = {_TIME: pa.int64(), _BID: pa.float64(), _ASK: pa.float64(), _LAST: pa.float64()}
        self._asked = {name: kind for name, kind in types.items() if name in self._names}

    @property
    def is_able(self) -> bool:
        """Whole numbers for times, both sides, and nothing that the rows would have to say of a leg or a size."""
        columns = self._columns
        quiet = all(leg.bid is None and leg.volatility is None for leg in columns.legs)
        sized = columns.bid_size is not None or columns.ask_size is not None
        return columns.unit_us is not None and columns.bid is not None and quiet and not sized

    def read(self, block: bytes, first_line: int) -> CleanBlock | None:
        """The block's rows, None where it is not clean by itself (the session is the caller's to check)."""
        unit_us = self._columns.unit_us
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        if unit_us is None or b'"' in block or b"\0" in block or b"\r" in block or not block.isascii():
            return None
        try:
            table = pa_csv.read_csv(
                io.BytesIO(block),
                read_options=pa_csv.ReadOptions(column_names=self._names, use_threads=False, block_size=len(block) + 1),
                parse_options=pa_csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
                convert_options=pa_csv.ConvertOptions(
                    column_types=self._asked, include_columns=list(self._asked), null_values=[""]
                ),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != lines or any(column.null_count for column in table.columns):
            return None
        time = table[_TIME].to_numpy()
        bid, ask = table[_BID].to_numpy(), table[_ASK].to_numpy()
        last = table[_LAST].to_numpy() if _LAST in self._asked else None
        sides = (bid > 0) & (bid <= ask) & (ask < SENTINEL_USD)
        if last is not None:
            sides &= (last > 0) & (last < SENTINEL_USD)
        if not sides.all() or not (EARLIEST_US // unit_us < time[0] <= time[-1] < LATEST_US // unit_us):
            return None
        if not (np.diff(time) > 0).all():
            return None
        return CleanBlock(first_line, time * unit_us, bid, ask, last)
