"""The cache's Parquet files, written and asked through DuckDB, which nothing else of ours imports.

A file holds one row per readable line of one segment: what can be asked of the line, and where it begins (`byte_at`).
DuckDB is loaded with the first question, kept small, and never looks for anything in the network.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from state.query.aggregates import day_of_us
from state.query.filters import time_of, words_of
from state.records import JournalLine

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ASKING_MEMORY = "64MB"
WRITING_MEMORY = "256MB"
BETWEEN_WORDS = "\x1f"
_THREADS = 2
_ROW_BYTES_MAX = 4 * 1024 * 1024
_FETCH_ROWS = 2048
_COLUMNS = {
    "number": "INTEGER",
    "byte_at": "BIGINT",
    "seq": "BIGINT",
    "ts_us": "BIGINT",
    "day": "INTEGER",
    "type": "VARCHAR",
    "side": "VARCHAR",
    "reason": "VARCHAR",
    "instrument": "VARCHAR",
    "quantity": "DOUBLE",
    "run_id": "VARCHAR",
    "intent_id": "VARCHAR",
    "order_ref": "VARCHAR",
    "said": "VARCHAR",
}
_asking: "list[DuckDBPyConnection]" = []
_only_one = threading.Lock()


class CacheFailed(Exception):  # noqa: N818 - the caller reads the journal itself instead; nobody sees an error
    """The cache cannot answer this."""


class Row(msgspec.Struct, frozen=True):
    """One line as the cache knows it."""

    number: int
    """Of the segment."""
    byte_at: int
    """The byte of the segment's plain content at which the line begins."""
    seq: int
    ts_us: int | None
    day: int | None
    type: str
    side: str | None
    reason: str | None
    instrument: str | None
    quantity: float | None
    run_id: str
    intent_id: str | None
    order_ref: str | None
    said: str | None
    """What `text` is looked for in, joined by a character that no such question may hold."""


def row_of(line: JournalLine, number: int, byte_at: int) -> Row:
    """What is kept of a line that begins at byte `byte_at` of segment `number`."""
    ts_us = time_of(line)
    words = words_of(line)
    return Row(
        number=number,
        byte_at=byte_at,
        seq=line.seq,
        ts_us=ts_us,
        day=None if ts_us is None else day_of_us(ts_us),
        type=line.type.value,
        side=line.side,
        reason=line.reason,
        instrument=line.instrument,
        quantity=line.quantity,
        run_id=line.run_id,
        intent_id=line.intent_id,
        order_ref=line.order_ref,
        said=BETWEEN_WORDS.join(words) if words else None,
    )


def write_parquet(rows: Path, target: Path) -> None:
    """Make a Parquet file of rows as newline-delimited JSON. Raises CacheFailed."""
    quoted = str(target).replace("'", "''")
    query = (
        "COPY (SELECT * FROM read_json(?, format = 'newline_delimited', "  # noqa: S608 - the one name in it is quoted
        f"columns = {_COLUMNS}, maximum_object_size = {_ROW_BYTES_MAX})) "
        f"TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)"
    )
    with _as_cache_failure():
        connection = _connect(WRITING_MEMORY, threads=1)
        try:
            connection.execute(query, [_literal(rows)])
        finally:
            connection.close()


def ask(select: str, files: Sequence[Path], where: str, values: Sequence[Any], rest: str = "") -> Iterator[Any]:
    """The rows of `SELECT select FROM files WHERE where rest`, streamed. Raises CacheFailed.

    `values` stand for the question marks of `where` and `rest`; all three texts are our own, never an operator's.
    """
    with _as_cache_failure():
        cursor = _database().cursor()
        try:
            query = f"SELECT {select} FROM read_parquet(?) WHERE {where} {rest}"  # noqa: S608 - see above
            cursor.execute(query, [[_literal(file) for file in files], *values])
            while rows := cursor.fetchmany(_FETCH_ROWS):
                yield from rows
        finally:
            cursor.close()


def _database() -> "DuckDBPyConnection":
    """One for the process, so that its memory is bounded however many threads ask."""
    with _only_one:
        if not _asking:
            _asking.append(_connect(ASKING_MEMORY, threads=_THREADS))
        return _asking[0]


def _connect(memory: str, *, threads: int) -> "DuckDBPyConnection":
    import duckdb  # noqa: PLC0415 - loading it costs more than most answers from the journal's end

    return duckdb.connect(
        config={
            "memory_limit": memory,
            "threads": threads,
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )


@contextmanager
def _as_cache_failure() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # DuckDB's errors cannot be named before it is loaded; its own are RuntimeErrors and ValueErrors besides.
        if not type(error).__module__.endswith("duckdb"):
            raise
        raise CacheFailed(" ".join(str(error).split())[:200]) from error


def _literal(path: Path) -> str:
    """A path that is not taken for a pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
