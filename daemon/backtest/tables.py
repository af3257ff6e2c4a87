"""The tables of a run: columns that grow cheaply while it goes on, and become Parquet row groups as they fill.

A row costs a few appends to arrays; text is kept as numbers into lists of words. No wall time is in any column, so the
same decisions give the same bytes.
"""

import math
from array import array
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


class Words:
    """Texts that repeat, each once: `number(text)` is what a column keeps."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str | None, int] = {None: NO_WORD}

    def number(self, text: str | None) -> int:
        """The word's number; `NO_WORD` for None."""
        found = self._numbers.get(text)
        if found is None and text is not None:
            found = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return NO_WORD if found is None else found

    def column(self, numbers: NDArray[np.int32]) -> pa.Array:
        """Numbers as a dictionary column; the dictionary holds every word so far."""
        indices = pa.array(numbers, mask=numbers < 0)
        return pa.DictionaryArray.from_arrays(indices, pa.array(self.texts, pa.string()))


class HedgeOrder(msgspec.Struct, kw_only=True):
    """What became of the order of one row; filled in as executions and commissions are told."""

    order_ref: str
    side: Side
    quantity_shares: float
    filled_shares: float = 0.0
    value_usd: float = 0.0
    commission_usd: float = 0.0


class DecisionColumns:
    """The newest rows of the decision table, in order of time. `take` moves finished ones out as a record batch."""

    def __init__(self) -> None:
        self.words = Words()
        """Of sessions, state codes, daemon states and refusals alike."""
        self.ts_us = array("q")
        self.session = array("i")
        self.spot = array("d")
        self.net_delta_shares = array("d")
        self.own_shares = array("d")
        self.option_value_usd = array("d")
        self.option_cost_usd = array("d")
        self.state_code = array("i")
        self.daemon_state = array("i")
        self.needed = array("b")
        self.refused = array("i")
        self.orders: dict[int, HedgeOrder] = {}
        """Row -> its order. Rows count from the oldest one that is held."""
        self.measured = array("d")
        self.limit = array("d")
        """What the refusing rule measured, and its limit."""
        self.measured_text: dict[int, str] = {}
        self.limit_text: dict[int, str] = {}
        """Row -> the same where it is no number."""

    def __len__(self) -> int:
        return len(self.ts_us)

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
        row = len(self.ts_us)
        self.ts_us.append(ts_us)
        self.session.append(session)
        self.spot.append(spot)
        self.net_delta_shares.append(net_delta_shares)
        self.own_shares.append(own_shares)
        self.option_value_usd.append(option_value_usd)
        self.option_cost_usd.append(option_cost_usd)
        self.state_code.append(state_code)
        self.daemon_state.append(daemon_state)
        self.needed.append(needed)
        self.refused.append(refused)
        if measured is None and limit is None:
            self.measured.append(_NAN)
            self.limit.append(_NAN)
            return row
        self.measured.append(_number(measured))
        self.limit.append(_number(limit))
        if isinstance(measured, str):
            self.measured_text[row] = measured
        if isinstance(limit, str):
            self.limit_text[row] = limit
        return row

    def extend(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Append many rows without orders: name of each column -> its values, all of one length."""
        for name, column in self._columns().items():
            column.frombytes(np.ascontiguousarray(columns[name], dtype=column.typecode).tobytes())

    def drop_last(self) -> None:
        """Take the newest row back: a later decision of its moment says more. It must have no order."""
        row = len(self.ts_us) - 1
        for column in self._columns().values():
            column.pop()
        self.measured_text.pop(row, None)
        self.limit_text.pop(row, None)

    def take(self, rows: int) -> pa.RecordBatch:
        """The oldest `rows` as a batch of `DECISIONS`; they are held no more."""
        batch = self._batch(rows)
        for column in self._columns().values():
            del column[:rows]
        self.orders = {row - rows: order for row, order in self.orders.items() if row >= rows}
        self.measured_text = {row - rows: text for row, text in self.measured_text.items() if row >= rows}
        self.limit_text = {row - rows: text for row, text in self.limit_text.items() if row >= rows}
        return batch

    def _columns(self) -> dict[str, "array[Any]"]:
        return {
            "ts_us": self.ts_us,
            "session": self.session,
            "spot": self.spot,
            "net_delta_shares": self.net_delta_shares,
            "own_shares": self.own_shares,
            "option_value_usd": self.option_value_usd,
            "option_cost_usd": self.option_cost_usd,
            "state_code": self.state_code,
            "daemon_state": self.daemon_state,
            "needed": self.needed,
            "refused": self.refused,
            "measured": self.measured,
            "limit": self.limit,
        }

    def _batch(self, rows: int) -> pa.RecordBatch:
        orders = [(row, order) for row, order in self.orders.items() if row < rows]
        filled = [(row, order) for row, order in orders if order.filled_shares > 0]
        hedged = np.zeros(rows, dtype=bool)
        hedged[[row for row, _ in orders]] = True
        sides = np.full(rows, NO_WORD, dtype=np.int32)
        for row, order in orders:
            sides[row] = self.words.number(order.side)
        ts = _column(self.ts_us, rows, np.int64)
        columns = {
            "ts": pa.array(ts).cast(TS),
            "ts_us": pa.array(ts),
            "session": self._word(self.session, rows),
            "spot": _floats(self.spot, rows),
            "net_delta_shares": _floats(self.net_delta_shares, rows),
            "own_shares": _floats(self.own_shares, rows),
            "option_value_usd": _floats(self.option_value_usd, rows),
            "option_cost_usd": _floats(self.option_cost_usd, rows),
            "state_code": self._word(self.state_code, rows),
            "daemon_state": self._word(self.daemon_state, rows),
            "needed": pa.array(_column(self.needed, rows, np.int8).astype(bool)),
            "hedged": pa.array(hedged),
            "side": self.words.column(sides),
            "quantity_shares": _sparse(rows, [(row, order.quantity_shares) for row, order in orders]),
            "filled_shares": _sparse(rows, [(row, order.filled_shares) for row, order in orders]),
            "price": _sparse(rows, [(row, order.value_usd / order.filled_shares) for row, order in filled]),
            "commission_usd": _sparse(rows, [(row, order.commission_usd) for row, order in filled]),
            "order_ref": _texts(rows, [(row, order.order_ref) for row, order in orders]),
            "refused": self._word(self.refused, rows),
            "measured": _floats(self.measured, rows),
            "limit": _floats(self.limit, rows),
            "measured_text": _texts(rows, self.measured_text.items()),
            "limit_text": _texts(rows, self.limit_text.items()),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in DECISIONS.names], schema=DECISIONS)

    def _word(self, numbers: "array[int]", rows: int) -> pa.Array:
        return self.words.column(_column(numbers, rows, np.int32))


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


def _column(values: "array[Any]", rows: int, kind: Any) -> NDArray[Any]:
    """The first rows as a copy: an array that somebody looks into cannot grow."""
    return np.array(memoryview(values)[:rows], dtype=kind)


def _floats(values: "array[float]", rows: int) -> pa.Array:
    return pa.array(_column(values, rows, np.float64), from_pandas=True)


def _number(value: float | str | None) -> float:
    return _NAN if value is None or isinstance(value, str) else value


def _sparse(rows: int, values: Iterable[tuple[int, float]]) -> pa.Array:
    found = np.full(rows, _NAN)
    for row, value in values:
        found[row] = value
    return pa.array(found, from_pandas=True)


def _texts(rows: int, values: Iterable[tuple[int, str]]) -> pa.Array:
    found: list[str | None] = [None] * rows
    for row, value in values:
        if row < rows:
            found[row] = value
    return pa.array(found, pa.string())
