"""Reading a journal: checked from the start, or newest first. Never writes, never locks."""

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

import msgspec

from state.anchors import Chain, head_before, read_chain
from state.records import JournalLine, JournalType
from state.segments import ARCHIVE_ERRORS, JournalDamaged, Segment, checked_lines, list_segments, open_segment
from state.undecodable import UNDECODABLE

_CHUNK_BYTES = 64 * 1024
_SPOOL_BYTES = 1024 * 1024
_line_decoder = msgspec.json.Decoder(JournalLine)


def read_journal(folder: Path) -> Iterator[JournalLine]:
    """Every line from the first, with its chain checked. An unfinished last line is left out.

    Raises JournalDamaged at the first line that does not hold; empty when there is no journal.
    """
    yield from _read(read_chain(folder), 0)


def read_since_checkpoint(folder: Path) -> Iterator[JournalLine]:
    """As `read_journal`, from the newest segment that opens with a `ledger_checkpoint`: enough to rebuild a ledger."""
    yield from read_since(folder, lambda _: True)


def read_since(folder: Path, is_early_enough: Callable[[JournalLine], bool]) -> Iterator[JournalLine]:
    """As `read_journal`, from the newest segment that opens with a `ledger_checkpoint` of which this is said."""
    chain = read_chain(folder)
    first = max(len(chain.segments) - 1, 0)
    while first > 0 and not _opens_so(chain.segments[first], is_early_enough):
        first -= 1
    yield from _read(chain, first)


def _opens_so(segment: Segment, is_early_enough: Callable[[JournalLine], bool]) -> bool:
    with open_segment(segment) as file:
        line = decode_line(file.readline())
    return line is not None and line.type is JournalType.LEDGER_CHECKPOINT and is_early_enough(line)


def _read(chain: Chain, first: int) -> Iterator[JournalLine]:
    segments = chain.segments
    head = head_before(chain, first)
    for index in range(first, len(segments)):
        segment = segments[index]
        for number, (body, after, _) in enumerate(
            checked_lines(segment, head, last=index == len(segments) - 1), start=1
        ):
            head = after
            try:
                yield _line_decoder.decode(body)
            except UNDECODABLE as error:
                detail = f"not a journal line of this version: {error}"
                raise JournalDamaged(path=segment.path, line=number, kind="unknown_type", detail=detail) from error


def decode_line(raw: bytes) -> JournalLine | None:
    """A line as it stands in the file, unchecked; None for what is no line of this version."""
    try:
        return _line_decoder.decode(raw)
    except UNDECODABLE:
        return None


def raw_lines_backwards(path: Path) -> Iterator[bytes]:
    """The whole lines of one segment's file, last first, unchecked. An unfinished end is left out. Raises OSError.

    Of a plain file only as much is read as is consumed. A compressed one is unpacked into a temporary file first;
    where it is damaged, the lines before the damage are given.
    """
    with _unpacked(path) if path.suffix == ".gz" else path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        rest: bytes | None = None
        while position > 0:
            size = min(_CHUNK_BYTES, position)
            position -= size
            file.seek(position)
            pieces = (file.read(size) + (rest or b"")).split(b"\n")
            if rest is None:
                if len(pieces) == 1:
                    continue  # still inside an unfinished end
                pieces.pop()  # what follows the last line break: nothing, or an unfinished line
            rest = pieces[0]
            yield from reversed(pieces[1:])
        if rest:
            yield rest


def _unpacked(path: Path) -> IO[bytes]:
    """What of a compressed file can be unpacked, where one can seek in it."""
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES)  # noqa: SIM115 - the caller closes it
    try:
        with gzip.open(path, "rb") as file, suppress(*ARCHIVE_ERRORS):
            while chunk := file.read1(_CHUNK_BYTES):
                spool.write(chunk)
    except OSError:
        spool.close()
        raise
    return cast("IO[bytes]", spool)


def lines_backwards(folder: Path) -> Iterator[JournalLine]:
    """The journal newest first, unchecked; lines that this version cannot read are left out. Raises OSError."""
    for segment in reversed(list_segments(folder)):
        for raw in segment_backwards(segment):
            line = decode_line(raw)
            if line is not None:
                yield line


def segment_backwards(segment: Segment) -> Iterator[bytes]:
    """As `raw_lines_backwards`, also of a segment that was compressed since it was listed, or removed (no lines)."""
    compressed = segment.path.with_name(f"{segment.name}.jsonl.gz")
    for path in dict.fromkeys((segment.path, compressed)):
        with suppress(FileNotFoundError):
            yield from raw_lines_backwards(path)
            return
