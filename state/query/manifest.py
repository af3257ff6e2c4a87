"""What the cache holds of which segment: one small file, read before any Parquet file is opened.

An entry is of use only while its segment is the file it was made from; whatever does not fit is as good as absent.
"""

import functools
import hashlib
import zlib
from pathlib import Path
from typing import BinaryIO

import msgspec

from state.atomic import replace_file
from state.chain import Head
from state.query.filters import Filter
from state.records import JournalLine, JournalType
from state.segments import Segment
from state.undecodable import UNDECODABLE

MANIFEST_NAME = "manifest.json"
_FORM = 2
_CHUNK_BYTES = 256 * 1024
_GZIP_TRAILER_BYTES = 8


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """By what a file is known again without reading it: any change of its bytes gives it another `ctime_ns`."""

    name: str
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A segment's lines as plain bytes, whatever file holds them."""

    size_bytes: int
    crc32: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One closed segment: verified and cached, or (with `problem`) found damaged and therefore not cached.

    Times are the least and greatest `ts` in microseconds of its readable lines, None when no line has a time.
    """

    segment: str
    stamp: Stamp
    content: Content | None = None
    before: Head | None
    after: Head | None
    """Where the chain stands before and after it; None where that cannot be told."""
    rows: int = 0
    from_us: int | None = None
    to_us: int | None = None
    types: frozenset[JournalType] = frozenset()
    file: Content | None = None
    """The Parquet file; None where no line is readable, and where the segment is damaged."""
    problem: str | None = None

    def may_answer(self, wanted: Filter) -> bool:
        """False only where no line of the segment can match."""
        if wanted.types is not None and not (self.types & wanted.types):
            return False
        if not self._may_hold_numbers(wanted):
            return False
        if wanted.since_us is None and wanted.until_us is None:
            return self.rows > 0
        if self.from_us is None or self.to_us is None:
            return False
        return (wanted.since_us is None or self.to_us >= wanted.since_us) and (
            wanted.until_us is None or self.from_us < wanted.until_us
        )

    def _may_hold_numbers(self, wanted: Filter) -> bool:
        """A cached segment's lines are numbered without a gap from one head to the next."""
        if wanted.after_seq is not None and self.after is not None and self.after.seq <= wanted.after_seq:
            return False
        return wanted.before_seq is None or self.before is None or self.before.seq + 1 < wanted.before_seq


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Entries by the segment's name. `reader` tells which lines could be read by the version that built them."""

    reader: str
    entries: dict[str, Entry]


@functools.cache
def reader_mark() -> str:
    """Changes with the cache's form, and with every change to what this version takes for a journal line."""
    schema = msgspec.json.encode(msgspec.json.schema(JournalLine), order="sorted")
    return f"{_FORM}-{hashlib.sha256(schema).hexdigest()[:16]}"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a cache folder; an empty one where it is missing, changed, or of another version."""
    nothing = Manifest(reader=reader_mark(), entries={})
    try:
        body, _, digest = (folder / MANIFEST_NAME).read_bytes().rpartition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return nothing
        found = msgspec.json.decode(body, type=Manifest)
    except (OSError, *UNDECODABLE):
        return nothing
    return found if found.reader == nothing.reader else nothing


def write_manifest(folder: Path, entries: dict[str, Entry]) -> None:
    """Replace the manifest. Raises OSError."""
    body = msgspec.json.encode(Manifest(reader=reader_mark(), entries=entries))
    replace_file(folder / MANIFEST_NAME, body + b"\n" + hashlib.sha256(body).hexdigest().encode(), sync=False)


def stamp_of(path: Path) -> Stamp:
    """Raises OSError."""
    found = path.stat()
    return Stamp(
        name=path.name, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns, ctime_ns=found.st_ctime_ns
    )  # fmt: skip


def is_of(entry: Entry, segment: Segment) -> bool:
    """Whether the entry was made from what the segment holds now; of a changed file only gzip's trailer is read."""
    try:
        if stamp_of(segment.path) == entry.stamp:
            return True
        if not segment.is_compressed or entry.content is None:
            return False
        return _gzip_trailer(segment.path) == _trailer_of(entry.content)
    except OSError:
        return False


def parquet_path(folder: Path, segment: str) -> Path:
    """Where the cache of a segment lies."""
    return folder / f"{segment}.parquet"


def content_of(file: BinaryIO) -> Content:
    """Size and CRC-32 of everything that is left to read. Raises what reading raises."""
    size_bytes, crc32 = 0, 0
    while chunk := file.read(_CHUNK_BYTES):
        size_bytes += len(chunk)
        crc32 = zlib.crc32(chunk, crc32)
    return Content(size_bytes=size_bytes, crc32=crc32)


def _gzip_trailer(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-_GZIP_TRAILER_BYTES, 2)
        return file.read()


def _trailer_of(content: Content) -> bytes:
    """CRC-32 and size modulo 2^32, as gzip writes them behind the same bytes (RFC 1952)."""
    return content.crc32.to_bytes(4, "little") + (content.size_bytes % 2**32).to_bytes(4, "little")
