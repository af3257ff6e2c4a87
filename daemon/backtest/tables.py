"""The tables of a run: columns that grow cheaply while it goes on, and become Parquet row groups as they fill.

A row that comes alone costs a tuple, rows that come together a copy; text is kept as numbers into a list of words. No
wall time is in any column, so the same decisions give the same bytes.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from daemon.backtest.schemas import DECISIONS, TS
from daemon.core.events import Side

ROW_GROUP = 20_000
"""Rows of the decision table that are held in memory, and then make one row group of the file."""
NO_WORD = -1
"""Stands for null in a column of words."""

_NAN = math.nan


class _Numbers(dict[str | None, int]):
    """Text -> its number; one that is new gets the next."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__({None: NO_WORD})
        self._texts = texts

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self._texts)
        self._texts.append(text)
        return number


class Words:
    """Texts that repeat, each once: `numbers[text]` is what a column keeps, `NO_WORD` for None."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.numbers = _Numbers(self.texts)

    def column(self, numbers: NDArray[np.int32]) -> pa.Array:
        """Numbers as a dictionary column; the dictionary holds every word so far."""
        return pa.DictionaryArray.from_arrays(_masked(numbers, numbers < 0), pa.array(self.texts, pa.string()))


class HedgeOrder(msgspec.Struct, kw_only=True):
    """What became of the order of one row; filled in as executions and commissions are told."""

    order_ref: str
    side: Side
    quantity_shares: float
    filled_shares: float = 0.0
    value_usd: float = 0.0
    commission_usd: float = 0.0


_KINDS: dict[str, type[np.generic]] = {
    "ts_us": np.int64,
    "session": np.int32,
    "spot": np.float64,
    "net_delta_shares": np.float64,
    "own_shares": np.float64,
    "option_value_usd": np.float64,
    "option_cost_usd": np.float64,
    "state_code": np.int32,
    "daemon_state": np.int32,
    "needed": np.bool_,
    "refused": np.int32,
    "measured": np.float64,
    "limit": np.float64,
}
"""The columns of `DecisionColumns`: numbers of words are integers; NaN stands for what is not known."""
_WORDS = ("session", "state_code", "daemon_state", "refused")
_CODE, _REFUSED = list(_KINDS).index("state_code"), list(_KINDS).index("refused")


class DecisionColumns:
    """The newest rows of the decision table, in order of time. `take` moves finished ones out as a record batch.

    A row that comes alone waits as a tuple until arrays are wanted; rows that come as arrays are copied at once.
    """

    def __init__(self) -> None:
        self.words = Words()
        """Of sessions, state codes, daemon states and refusals alike."""
        self.orders: dict[int, HedgeOrder] = {}
        """Row -> its order. Rows count from the oldest one that is held."""
        self.measured_text: dict[int, str] = {}
        self.limit_text: dict[int, str] = {}
        """Row -> what the refusing rule measured, and its limit, where it is no number."""
        self._columns: dict[str, NDArray[Any]] = {name: np.empty(ROW_GROUP, kind) for name, kind in _KINDS.items()}
        self._settled = 0
        """Rows in the columns; those behind them are `_newest`."""
        self._newest: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return self._settled + len(self._newest)

    def add(  # noqa: PLR0917 -- a hot call: positional
        self,
        ts_us: int,
        session: int,
        spot: float,
        net_delta_shares: float,
        own_shares: float,
        option_value_usd: float,
        option_cost_usd: float,
        state_code: int,
        daemon_state: int,
        needed: bool,
        refused: int,
        measured: float | str | None,
        limit: float | str | None,
    ) -> int:
        """Append a row; NaN stands for what is not known. Gives its number."""
        row = self._settled + len(self._newest)
        if measured is None or isinstance(measured, str):
            if measured is not None:
                self.measured_text[row] = measured
            measured = _NAN
        if limit is None or isinstance(limit, str):
            if limit is not None:
                self.limit_text[row] = limit
            limit = _NAN
        self._newest.append(
            (
                ts_us, session, spot, net_delta_shares, own_shares, option_value_usd, option_cost_usd, state_code,
                daemon_state, needed, refused, measured, limit,
            )
        )  # fmt: skip
        return row

    def extend(self, rows: int, columns: Mapping[str, Any]) -> None:
        """Append so many rows without orders: name of each column -> its values, or the one that all of them have."""
        self._settle(rows)
        start, stop = self._settled, self._settled + rows
        for name, column in self._columns.items():
            column[start:stop] = columns[name]
        self._settled = stop

    def drop_last(self) -> None:
        """Take the newest row back: a later decision of its moment says more. It must have no order."""
        if self._newest:
            self._newest.pop()
        else:
            self._settled -= 1
        row = len(self)
        self.measured_text.pop(row, None)
        self.limit_text.pop(row, None)

    def refuse(self, row: int, rule: int) -> None:
        """The hedge of that row was refused after all, by the rule of that number."""
        place = row - self._settled
        if place < 0:
            self._columns["refused"][row] = rule
        else:
            values = self._newest[place]
            self._newest[place] = (*values[:_REFUSED], rule, *values[_REFUSED + 1 :])

    def last_code(self) -> str:
        """The newest row's state code; empty where there is no row."""
        if not len(self):
            return ""
        number: int = self._newest[-1][_CODE] if self._newest else self._columns["state_code"][self._settled - 1]
        return self.words.texts[number]

    def column(self, name: str, rows: int) -> NDArray[Any]:
        """One column of the oldest rows: a view that holds until the next change."""
        self._settle(0)
        return self._columns[name][:rows]

    def take(self, rows: int) -> pa.RecordBatch:
        """The oldest `rows` as a batch of `DECISIONS`; they are held no more."""
        self._settle(0)
        batch, left = self._batch(rows), self._settled - rows
        for column in self._columns.values():
            column[:left] = column[rows : self._settled].copy()
        self._settled = left
        self.orders = {row - rows: order for row, order in self.orders.items() if row >= rows}
        self.measured_text = {row - rows: text for row, text in self.measured_text.items() if row >= rows}
        self.limit_text = {row - rows: text for row, text in self.limit_text.items() if row >= rows}
        return batch

    def _settle(self, more: int) -> None:
        """Move the newest rows into the columns, and make room for `more`."""
        newest, start = self._newest, self._settled
        stop = start + len(newest)
        if stop + more > len(self._columns["ts_us"]):
            room = max(stop + more, 2 * len(self._columns["ts_us"]))
            for name, column in self._columns.items():
                self._columns[name] = np.empty(room, column.dtype)
                self._columns[name][:start] = column[:start]
        if newest:
            for column, values in zip(self._columns.values(), zip(*newest, strict=True), strict=True):
                column[start:stop] = values
            self._settled, self._newest = stop, []

    def _batch(self, rows: int) -> pa.RecordBatch:
        orders = [(row, order) for row, order in self.orders.items() if row < rows]
        filled = [(row, order) for row, order in orders if order.filled_shares > 0]
        hedged, sides = np.zeros(rows, np.bool_), np.full(rows, NO_WORD, np.int32)
        for row, order in orders:
            hedged[row], sides[row] = True, self.words.numbers[order.side]
        found: dict[str, Any] = {name: column[:rows].copy() for name, column in self._columns.items()}
        made = {
            name: self.words.column(column) if name in _WORDS else array_of(column) for name, column in found.items()
        }
        columns = {
            **made,
            "ts": made["ts_us"].cast(TS),
            "hedged": array_of(hedged),
            "side": self.words.column(sides),
            "quantity_shares": _sparse(rows, [(row, order.quantity_shares) for row, order in orders]),
            "filled_shares": _sparse(rows, [(row, order.filled_shares) for row, order in orders]),
            "price": _sparse(rows, [(row, order.value_usd / order.filled_shares) for row, order in filled]),
            "commission_usd": _sparse(rows, [(row, order.commission_usd) for row, order in filled]),
            "order_ref": _texts(rows, [(row, order.order_ref) for row, order in orders]),
            "measured_text": _texts(rows, self.measured_text.items()),
            "limit_text": _texts(rows, self.limit_text.items()),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in DECISIONS.names], schema=DECISIONS)


class Rows:
    """A small table that is kept whole: a list of tuples in the order of its schema after `ts`."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self.rows: list[tuple[Any, ...]] = []
        """Of every column but `ts`, which is made from `ts_us`."""

    def column(self, name: str) -> list[Any]:
        """One column's values."""
        place = self._schema.names.index(name) - 1
        return [row[place] for row in self.rows]

    def table(self) -> pa.Table:
        """All rows."""
        columns = list(zip(*self.rows, strict=True)) or [()] * (len(self._schema.names) - 1)
        arrays = [
            _typed(list(values), field.type) for values, field in zip(columns, list(self._schema)[1:], strict=True)
        ]
        return pa.Table.from_arrays([arrays[0].cast(TS), *arrays], schema=self._schema)


def _typed(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, kind)


def array_of(values: NDArray[Any]) -> pa.Array:
    """Numbers or booleans as a column without another copy; NaN is null. The values must not change any more."""
    if values.dtype == np.bool_:
        bits = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])
    if values.dtype != np.float64:
        return pa.array(values)
    return _masked(values, np.isnan(values))


def _masked(values: NDArray[Any], missing: NDArray[np.bool_]) -> pa.Array:
    """Numbers as a column with nulls."""
    if not missing.any():
        return pa.array(values)
    known = np.packbits(~missing, bitorder="little")
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [pa.py_buffer(known), pa.py_buffer(values)])


def _sparse(rows: int, values: list[tuple[int, float]]) -> pa.Array:
    """A column of a few numbers."""
    if not values:
        return pa.nulls(rows, pa.float64())
    found = np.full(rows, _NAN)
    for row, value in values:
        found[row] = value
    return array_of(found)


def _texts(rows: int, values: Iterable[tuple[int, str]]) -> pa.Array:
    """A column of a few texts; the rows ascend."""
    known, lengths, texts = np.zeros(rows, np.bool_), np.zeros(rows + 1, np.int32), []
    for row, value in values:
        if row < rows:
            text = value.encode()
            known[row], lengths[row + 1] = True, len(text)
            texts.append(text)
    if not texts:
        return pa.nulls(rows, pa.string())
    buffers = (np.packbits(known, bitorder="little"), np.cumsum(lengths, dtype=np.int32), b"".join(texts))
    return pa.Array.from_buffers(pa.string(), rows, [pa.py_buffer(each) for each in buffers])
