"""A run's tables, a piece at a time: a year is a hundred thousand rows, of which a page shows a hundred."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from numpy.typing import NDArray

from state.runs.files import UnreadableError, is_regular

MOST_ROWS: Final = 50_000_000
"""Of one table; more is no run of minutes."""


class RunTable:
    """One Parquet file, open. Close it, or use it in a `with`. Raises UnreadableError for what is no table."""

    def __init__(self, path: Path) -> None:
        if not is_regular(path):
            code, text = ("foreign", "is no regular file") if path.exists() else ("missing", "is missing")
            raise UnreadableError(code, f"{path.name} {text}")
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableError("undecodable", _line(path, error)) from error
        self._path = path
        self.names: frozenset[str] = frozenset(self._file.schema_arrow.names)
        self.rows: int = self._file.metadata.num_rows
        if self.rows > MOST_ROWS:
            self._file.close()
            raise UnreadableError("too_large", f"{path.name} has {self.rows:,d} rows, more than {MOST_ROWS:,d}")

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Those of the named columns that there are, whole. Raises UnreadableError."""
        try:
            return self._file.read([name for name in names if name in self.names])
        except (pa.ArrowException, OSError) as error:
            raise UnreadableError("undecodable", _line(self._path, error)) from error

    def rows_at(self, numbers: NDArray[np.int64], names: Sequence[str]) -> pa.Table:
        """The rows of these numbers (ascending) with the named columns; only the row groups that hold them are read.

        Raises UnreadableError.
        """
        shown = [name for name in names if name in self.names]
        meta = self._file.metadata
        ends = np.cumsum([meta.row_group(group).num_rows for group in range(meta.num_row_groups)])
        groups = np.searchsorted(ends, numbers, side="right")
        found = []
        try:
            for group in np.unique(groups):
                start = ends[group] - meta.row_group(int(group)).num_rows
                whole = self._file.read_row_group(int(group), columns=shown)
                found.append(whole.take(pa.array(numbers[groups == group] - start)))
            if not found:
                return self._file.schema_arrow.empty_table().select(shown)
            return pa.concat_tables(found, promote_options="permissive")
        except (pa.ArrowException, OSError, IndexError) as error:
            raise UnreadableError("undecodable", _line(self._path, error)) from error

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def numbers_of(table: pa.Table, name: str) -> NDArray[np.float64]:
    """A numeric column as floats, NaN where it is null or missing or no number at all."""
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    column = table.column(name)
    try:
        return np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException:
        return np.full(table.num_rows, np.nan)


def times_of(table: pa.Table) -> NDArray[np.int64]:
    """Microseconds since the epoch of each row: `ts_us`, or `ts`. Raises UnreadableError where there is neither."""
    for name in ("ts_us", "ts"):
        if name in table.column_names:
            column = table.column(name)
            try:
                if pa.types.is_timestamp(column.type):
                    column = pc.cast(column, pa.timestamp("us", tz=column.type.tz))
                return np.asarray(pc.cast(column, pa.int64()).to_numpy(), dtype=np.int64)
            except (pa.ArrowException, ValueError) as error:
                raise UnreadableError("undecodable", f"column {name}: {str(error).splitlines()[0]}"[:300]) from error
    raise UnreadableError("undecodable", "the table has no column ts_us and none named ts")


def _line(path: Path, error: BaseException) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return f"{path.name}: {lines[0]}"[:300]
