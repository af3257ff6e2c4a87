"""The lines of one segment, wherever it lies by now: plain, compressed meanwhile, or gone.

Unchecked and tolerant, for showing. A compressed segment that does not unpack gives what comes before the damage.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from state.journal_reader import decode_line
from state.records import JournalLine
from state.segments import ARCHIVE_ERRORS, Segment, open_segment

BLOCK_BYTES = 64 * 1024


class Problems:
    """What was wrong with the files on the way to an answer, each said once."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}

    def add(self, problem: str) -> None:
        """Say it, unless it was said."""
        self._found[problem] = None

    def all(self) -> tuple[str, ...]:
        """In the order in which they were met."""
        return tuple(self._found)


def open_wherever(segment: Segment) -> tuple[Segment, BinaryIO] | None:
    """The segment's bytes, also where it was compressed since it was listed; None when retention removed it.

    Raises OSError.
    """
    try:
        return segment, open_segment(segment)
    except FileNotFoundError:
        moved = _other_form(segment)
    try:
        return moved, open_segment(moved)
    except FileNotFoundError:
        return None


def _other_form(segment: Segment) -> Segment:
    name = segment.path.name
    other = name.removesuffix(".gz") if segment.is_compressed else f"{name}.gz"
    return msgspec.structs.replace(segment, path=segment.path.with_name(other))


def size_bytes(segment: Segment) -> int:
    """Of the file as it lies there; 0 when it went away."""
    try:
        return segment.path.stat().st_size
    except FileNotFoundError:
        return 0


def blocks_forward(segment: Segment, problems: Problems) -> Iterator[bytes]:
    """Whole lines, many at a time, first to last; cut at the last line break. Raises OSError."""
    opened = open_wherever(segment)
    if opened is None:
        return
    found, file = opened
    rest = b""
    with file:
        try:
            while chunk := file.read(BLOCK_BYTES):
                end = chunk.rfind(b"\n") + 1
                if end:
                    yield rest + chunk[:end]
                    rest = chunk[end:]
                else:
                    rest += chunk
        except ARCHIVE_ERRORS as error:
            problems.add(_not_unpacked(found.path, error))


def blocks_backward(segment: Segment, problems: Problems) -> Iterator[bytes]:
    """As `blocks_forward`, last block first; a compressed segment is unpacked into a temporary file. Raises OSError."""
    opened = None if segment.is_compressed else open_wherever(segment)
    if opened is not None and not opened[0].is_compressed:
        with opened[1] as file:
            yield from _backward(file)
        return
    if opened is not None:
        opened[1].close()
    with tempfile.TemporaryFile(prefix="bifrost-segment-") as unpacked:
        unpacked.writelines(blocks_forward(segment, problems))
        yield from _backward(unpacked)


def _backward(file: BinaryIO) -> Iterator[bytes]:
    position = file.seek(0, os.SEEK_END)
    rest: bytes | None = None
    while position > 0:
        size = min(BLOCK_BYTES, position)
        position -= size
        file.seek(position)
        chunk = file.read(size) + (rest or b"")
        if rest is None:
            chunk = chunk[: chunk.rfind(b"\n") + 1]  # what follows the last line break is no line yet
            if not chunk:
                continue
        begins = chunk.find(b"\n", 0, len(chunk) - 1) + 1 if position else 0
        if position and not begins:
            rest = chunk
            continue
        rest = chunk[:begins]
        yield chunk[begins:]


def lines_at(segment: Segment, offsets: Sequence[int], problems: Problems) -> list[JournalLine]:
    """The lines that begin at these ascending byte offsets; what cannot be read there is left out. Raises OSError."""
    opened = open_wherever(segment)
    if opened is None:
        return []
    found, file = opened
    lines: list[JournalLine] = []
    with file:
        try:
            for offset in offsets:
                file.seek(offset)
                line = decode_line(file.readline())
                if line is not None:
                    lines.append(line)
        except ARCHIVE_ERRORS as error:
            problems.add(_not_unpacked(found.path, error))
    return lines


def _not_unpacked(path: Path, error: Exception) -> str:
    return f"{path}: cannot be unpacked, what follows the damage is missing here: {error}"
