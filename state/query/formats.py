"""Operations as files for other programs: JSONL, CSV and Parquet, made a piece at a time.

JSONL is the journal's own bytes, so that its hashes still hold. CSV is RFC 4180, and safe to open in a spreadsheet:
text that such a program would take for a formula gets an apostrophe before it. Parquet keeps the types.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, Literal

import msgspec

from state.records import JournalLine

Format = Literal["jsonl", "csv", "parquet"]
Lines = Iterable[tuple[bytes, JournalLine]]
MEDIA_TYPES: Final[dict[Format, str]] = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
COLUMNS: Final = msgspec.structs.fields(JournalLine)
NAMES: Final = (*(field.encode_name for field in COLUMNS), "hash")
"""Of CSV and Parquet: the fields of a line as they are spelt in the journal, its `data` as JSON text, its hash."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_BATCH_LINES: Final = 500
_GROUP_LINES: Final = 10_000


def encode(lines: Lines, form: Format) -> Iterator[bytes]:
    """The file in pieces. Memory stays bounded by one piece, however many lines there are."""
    return _ENCODERS[form](lines)


def _jsonl(lines: Lines) -> Iterator[bytes]:
    walk = iter(lines)
    while piece := b"".join(raw for raw, _ in islice(walk, _BATCH_LINES)):
        yield piece


def _csv(lines: Lines) -> Iterator[bytes]:
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(NAMES)
    walk = iter(lines)
    while True:
        batch = list(islice(walk, _BATCH_LINES))
        writer.writerows([_cell(value) for value in _values(raw, line)] for raw, line in batch)
        yield written.getvalue().encode("utf-8", "replace")
        written.seek(0)
        written.truncate()
        if len(batch) < _BATCH_LINES:
            return


def _values(raw: bytes, line: JournalLine) -> list[Any]:
    """A line's values in the order of NAMES."""
    values = [getattr(line, field.name) for field in COLUMNS]
    return [*(_plain(value) for value in values), _hash_of(raw)]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return str(value) if isinstance(value, str) else value


def _hash_of(raw: bytes) -> str:
    """What the line says that its own hash is; empty for one that says nothing."""
    found = raw.rpartition(b'"hash":"')[2]
    text = found.partition(b'"')[0].decode("latin-1")
    return text if len(text) == _HASH_LENGTH else ""


_HASH_LENGTH: Final = 64


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula is made text again; numbers are numbers."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _parquet(lines: Lines) -> Iterator[bytes]:
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - loading it costs more than most exports
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415

    schema = pa.schema([(name, _arrow_type(pa, name)) for name in NAMES])
    sink = _Sink()
    walk = iter(lines)
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        while batch := list(islice(walk, _GROUP_LINES)):
            columns = zip(*(_values(raw, line) for raw, line in batch), strict=True)
            arrays = [pa.array(map(_whole, column), field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            yield sink.take()
    yield sink.take()


def _arrow_type(pa: Any, name: str) -> Any:
    if name in {"seq", "tape_seq"}:
        return pa.int64()
    return pa.float64() if name in {"quantity", "price", "latency_ms"} else pa.string()


def _whole(value: Any) -> Any:
    """A text that is no Unicode (half of a surrogate pair) cannot stand in a Parquet file."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


class _Sink:
    """A file that only grows, and whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0
        self.closed = False

    def write(self, data: Any) -> int:
        """Append."""
        piece = bytes(data)
        self._parts.append(piece)
        self._position += len(piece)
        return len(piece)

    def tell(self) -> int:
        """How many bytes were written in all."""
        return self._position

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The writer is done."""
        self.closed = True

    def readable(self) -> bool:
        """No."""
        return False

    def writable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """No."""
        return False

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._parts = b"".join(self._parts), []
        return taken


_ENCODERS: Final[dict[Format, Callable[[Lines], Iterator[bytes]]]] = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}
