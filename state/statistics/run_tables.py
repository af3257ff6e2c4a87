"""A backtest's folder read into the shapes of a desk's history, so that one code states the figures of both.

A backtest writes no journal: what a desk would have journaled as a refusal is each stretch of decision moments with
one and the same refusal. Its orders need no wire, so there is no latency to tell.
"""

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from numpy.typing import NDArray

from state.records import PnlParts
from state.runs.folder import BacktestPaths
from state.statistics.days import PARTS
from state.statistics.digest import DayPart, Digest, Fill, finite
from state.statistics.operations import OperationFacts
from state.statistics.past import Source, source_of


class RunTableError(ValueError):
    """A table of a run that cannot be read; one line that names the file and the remedy."""


def load_run(paths: BacktestPaths) -> Source:
    """Everything that a finished backtest's tables tell. Raises RunTableError."""
    equity, fills = read_table(paths.equity), read_table(paths.fills)
    decisions = read_table(paths.decisions, ("ts_us", "session", "refused"))
    try:
        return source_of_tables(equity, fills, decisions)
    except (KeyError, TypeError, ValueError) as error:
        line = f"{paths.folder}: its tables are not those of a backtest ({error}); run it again"
        raise RunTableError(line) from error


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One Parquet file of a run; of the columns those that it has. Raises RunTableError."""
    try:
        known = None if columns is None else set(pq.read_schema(path).names)
        return pq.read_table(path, columns=None if known is None else [name for name in columns or () if name in known])
    except FileNotFoundError as error:
        raise RunTableError(f"{path}: missing; the run did not end, run the backtest again") from error
    except (OSError, pa.ArrowException) as error:
        raise RunTableError(f"{path}: cannot be read ({error}); run the backtest again") from error


def source_of_tables(equity: pa.Table, fills: pa.Table, decisions: pa.Table) -> Source:
    """The tables as days, curve, fills and refusals. Raises KeyError for a column that must be there."""
    digest = Digest(fills=_fills(fills))
    times, values = numbers(equity, "ts_us", np.int64), numbers(equity, "equity_usd")
    depth = np.nan_to_num(np.abs(numbers(equity, "drawdown_pct")))
    known = np.isfinite(values)
    digest.ts_us = array("q", times[known].tolist())
    digest.equity_usd = array("d", values[known].tolist())
    digest.drawdown_pct = array("f", depth[known].tolist())
    digest.days = _days(equity, times)
    return source_of([digest], _facts(decisions))


def numbers(table: pa.Table, name: str, dtype: Any = np.float64) -> NDArray[Any]:
    """A column as numpy, missing values as NaN; all NaN where an optional column is not there."""
    if name not in table.column_names:
        if dtype is np.int64:
            raise KeyError(f"no column {name}")
        return np.full(table.num_rows, np.nan)
    return np.asarray(table.column(name).to_numpy(), dtype=dtype)


def texts(table: pa.Table, name: str) -> list[str | None]:
    """A column as text; all None where it is not there."""
    if name not in table.column_names:
        return [None] * table.num_rows
    return list(table.column(name).to_pylist())


def session_codes(table: pa.Table) -> tuple[NDArray[np.int64], list[str]]:
    """Each row's session as a number into the list of ISO dates; a row that names none is of the session before it.

    Before the first session it is the UTC day.

    Numbers and not texts: a run of a year by the second has six million rows.
    """
    utc = numbers(table, "ts_us", np.int64) // 86_400_000_000
    if "session" not in table.column_names:
        days, codes = np.unique(utc, return_inverse=True)
        return codes.astype(np.int64), [str(day) for day in np.datetime_as_string(days.astype("datetime64[D]"))]
    codes, known = word_codes(table, "session")
    # A night names no session: it belongs to the one before, as the desk counts its days.
    last_named = np.maximum.accumulate(np.where(codes >= 0, np.arange(codes.size), -1))
    codes = np.where(last_named >= 0, codes[np.maximum(last_named, 0)], -1)
    before = codes < 0
    if before.any():
        dates = [str(date) for date in np.datetime_as_string(utc[before].astype("datetime64[D]"))]
        known = list(dict.fromkeys((*known, *dates)))
        codes[before] = [known.index(date) for date in dates]
    return codes, known


def word_codes(table: pa.Table, name: str) -> tuple[NDArray[np.int64], list[str]]:
    """A column of words as numbers into a list of them, -1 where a row has none."""
    column = table.column(name)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    joined = column.unify_dictionaries().combine_chunks()
    if isinstance(joined, pa.ChunkedArray):  # of no chunk at all
        return np.empty(0, np.int64), []
    codes = joined.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, [str(word) for word in joined.dictionary.to_pylist()]


def sessions(table: pa.Table) -> list[str]:
    """The session date of each row as text, by `session_codes`: of a small table."""
    codes, names = session_codes(table)
    return [names[code] for code in codes.tolist()]


def _days(equity: pa.Table, times: NDArray[np.int64]) -> dict[str, DayPart]:
    """One part for each session, its last row having the last word."""
    if equity.num_rows == 0:
        return {}
    codes, names = session_codes(equity)
    starts = np.append(0, np.flatnonzero(codes[1:] != codes[:-1]) + 1)
    ends = np.append(starts[1:], codes.size)
    column = {
        name: numbers(equity, name)
        for name in ("equity_usd", "day_pnl_usd", "drawdown_pct", "spot", "traded_usd", "hedges_today", *PARTS)
    }
    found: dict[str, DayPart] = {}
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        last = {name: _last(values[start:end]) for name, values in column.items()}
        gaps = np.diff(times[start:end])
        deepest = np.abs(column["drawdown_pct"][start:end])
        part = DayPart(
            day=names[codes[start]],
            is_session=True,
            first_us=int(times[start]),
            last_us=int(times[end - 1]),
            minutes=end - start,
            first_equity_usd=finite(float(column["equity_usd"][start])),
            equity_usd=last["equity_usd"],
            daily_pnl_usd=last["day_pnl_usd"],
            drawdown_pct=float(np.nanmax(deepest)) if np.isfinite(deepest).any() else None,
            parts=_parts(last),
            traded_usd=last["traded_usd"],
            hedges=None if last["hedges_today"] is None else int(last["hedges_today"]),
            underlying_price=last["spot"],
            widest_gap_us=int(gaps.max()) if gaps.size else 0,
        )
        found[part.day] = found[part.day].joined(part) if part.day in found else part
    return found


def _last(values: NDArray[np.float64]) -> float | None:
    """The newest that is known."""
    known = np.flatnonzero(np.isfinite(values))
    return float(values[known[-1]]) if known.size else None


def _parts(last: dict[str, float | None]) -> PnlParts | None:
    split = {name: last[name] for name in PARTS}
    total = last["day_pnl_usd"]
    if total is None or any(value is None for value in split.values()):
        return None
    known = {name: value for name, value in split.items() if value is not None}
    # By what holds it is not in the table: statistics ask for where it came from alone.
    return PnlParts(realised_usd=0.0, unrealised_usd=0.0, legs_usd=total + known["commission_usd"], total_usd=total,
                    **known)  # fmt: skip


def _fills(table: pa.Table) -> list[Fill]:
    times = numbers(table, "ts_us", np.int64).tolist()
    amounts = (numbers(table, name).tolist() for name in ("quantity_shares", "price", "decision_mid", "slippage_usd"))
    words = (texts(table, name) for name in ("order_ref", "side", "exec_key"))
    return [
        Fill(
            ts_us=ts_us,
            order_ref=order_ref,
            exec_key=exec_key,
            revision=0,
            side=side,
            quantity=abs(quantity),
            price=price,
            equity_usd=None,
            decision_mid=finite(mid),
            slippage_usd=None if finite(mid) is None else finite(slippage),
        )
        for ts_us, quantity, price, mid, slippage, order_ref, side, exec_key in zip(
            times, *amounts, *words, strict=True
        )
    ]


def _facts(decisions: pa.Table) -> OperationFacts:
    """Each stretch of one and the same refusal as one, at its first moment: what a journal would hold."""
    facts = OperationFacts()
    times = numbers(decisions, "ts_us", np.int64)
    if times.size == 0:
        return facts
    facts.since_us, facts.until_us = int(times[0]), int(times[-1])
    for start, _, rule in refusal_stretches(decisions):
        facts.refuse(int(times[start]), rule)
    return facts


def refusal_stretches(decisions: pa.Table) -> list[tuple[int, int, str]]:
    """(first row, row after the last, rule) of each stretch of rows that one and the same rule refused, in order.

    A row with another refusal, or with none, ends a stretch; so does a new session: as the journal tells of one.
    """
    if decisions.num_rows == 0:
        return []
    codes, names = word_codes(decisions, "refused")
    day, _ = session_codes(decisions)
    cuts = np.flatnonzero((codes[1:] != codes[:-1]) | (day[1:] != day[:-1])) + 1
    starts = np.append(0, cuts)
    ends = np.append(cuts, codes.size)
    return [
        (start, end, names[codes[start]])
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        if codes[start] >= 0
    ]
