"""A hash-chained record that goes on over several files: naming, opening, scanning and the repair of a torn end.

A segment is called `<wall day>-<number>.jsonl`, like `20261121-0001.jsonl`. The number counts from the record's
birth and alone gives the order: a clock that jumps back a day cannot reorder the chain. A closed segment may be
compressed with gzip (`20261121-0001.jsonl.gz`): the same lines, the same chain.
"""

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from state.atomic import sync_folder, write_all
from state.chain import Head, Kind, LineError, check, read_head
from state.times import iso_from_us

_NAME = re.compile(r"(\d{8})-(\d{4,})\.jsonl(\.gz)?")
_TAIL_BYTES = 64 * 1024

Progress = Callable[[int, int], None]
"""Told how many segments are done, of how many."""


class JournalError(Exception):
    """The record could not be written; nothing more will be by this writer."""


class JournalDamaged(JournalError):  # noqa: N818 - a state of the file, and the exit code 5 of the daemon
    """What is on disk does not hold together. Nobody repairs this but a human: see the runbook, `journal_damaged`.

    `line` counts from 1 within the file; 0 means the file or folder as a whole.
    """

    def __init__(self, *, path: Path, line: int, kind: Kind, detail: str) -> None:
        place = f"{path}, line {line}" if line > 0 else str(path)
        super().__init__(f"{place}: {detail} ({kind})")
        self.path = path
        self.line = line
        self.kind: Kind = kind


def unreadable(folder: Path, error: OSError) -> JournalDamaged:
    """A refusal of the system while the record in `folder` was read, as damage of the file that it concerns."""
    path = folder if error.filename is None else Path(error.filename)
    return JournalDamaged(path=path, line=0, kind="unreadable", detail=error.strerror or str(error))


class Segment(msgspec.Struct, frozen=True):
    """One file of a record."""

    path: Path
    day: str
    number: int

    @property
    def name(self) -> str:
        """`20261121-0001`: what stays the same when it is compressed."""
        return self.path.name.split(".", 1)[0]

    @property
    def is_compressed(self) -> bool:
        """Whether it was put away with gzip; such a segment is closed."""
        return self.path.suffix == ".gz"


class Scan(msgspec.Struct, frozen=True):
    """What checking one segment gave: the head after its last whole line, and how many bytes and lines hold."""

    head: Head
    lines: int
    good_bytes: int
    torn_bytes: int


def day_of(wall_us: int) -> str:
    """`20261121`: the UTC day that names a segment."""
    return iso_from_us(wall_us)[:10].replace("-", "")


def segment_path(folder: Path, day: str, number: int) -> Path:
    """Where a segment lies."""
    return folder / f"{day}-{number:04d}.jsonl"


def list_segments(folder: Path) -> tuple[Segment, ...]:
    """The segments of a record in chain order; other names are not ours. Empty when there is no folder.

    Where a segment lies there both plain and compressed, compressing it was interrupted: the plain one counts.
    """
    try:
        names = {entry.name for entry in folder.iterdir()}
    except FileNotFoundError:
        return ()
    found = []
    for name in names:
        match = _NAME.fullmatch(name)
        if match is not None and not (match.group(3) and name.removesuffix(".gz") in names):
            found.append(Segment(folder / name, match.group(1), int(match.group(2))))
    return tuple(sorted(found, key=lambda segment: (segment.number, segment.day)))


def open_segment(segment: Segment) -> BinaryIO:
    """The segment's bytes as they were written, whether it is compressed or not. Raises OSError.

    A segment that was compressed since it was listed is found all the same; FileNotFoundError means that it is
    gone. Reading a compressed one may raise what `ARCHIVE_ERRORS` lists.
    """
    if segment.is_compressed:
        return _open_compressed(segment.path)
    try:
        return segment.path.open("rb")
    except FileNotFoundError:
        return _open_compressed(segment.path.with_name(f"{segment.path.name}.gz"))


def _open_compressed(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb"))


ARCHIVE_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a damaged compressed segment raises."""


def checked_lines(segment: Segment, head: Head, *, last: bool) -> Iterator[tuple[bytes, Head, int]]:
    """Body, head after it and end offset of every line. An unfinished end is left out in the `last` segment.

    Raises JournalDamaged naming the first line that does not continue the chain from `head`, and for a segment
    without a line that another one follows: no writer leaves one behind. A compressed segment is never open.
    """
    may_be_open = last and not segment.is_compressed
    offset = 0
    number = 0
    with open_segment(segment) as file:
        try:
            for number, raw in enumerate(file, start=1):  # noqa: B007 - names the place where unpacking fails
                if may_be_open and not raw.endswith(b"\n"):
                    # An append cut short, perhaps filled up with zeros: only the very end of a file can look so.
                    return
                body, head = check(head, raw)
                offset += len(raw)
                yield body, head, offset
        except LineError as error:
            raise JournalDamaged(path=segment.path, line=number, kind=error.kind, detail=str(error)) from error
        except ARCHIVE_ERRORS as error:
            raise _not_unpacked(segment, number + 1, error) from error
        except OSError as error:
            error.filename = error.filename or str(segment.path)  # a failed read does not know of what
            raise
    if number == 0 and not last:
        detail = "holds no line, although another segment follows it; restore the file from a backup"
        raise JournalDamaged(path=segment.path, line=0, kind="not_a_line", detail=detail)


def scan(segment: Segment, head: Head, *, last: bool) -> Scan:
    """Check a whole segment. Raises JournalDamaged, OSError.

    Only the `last` segment may have a torn end, unless it is compressed; of another `torn_bytes` is 0.
    """
    lines = 0
    good_bytes = 0
    for _, after, offset in checked_lines(segment, head, last=last):
        head = after
        lines += 1
        good_bytes = offset
    may_be_open = last and not segment.is_compressed
    torn_bytes = segment.path.stat().st_size - good_bytes if may_be_open else 0
    return Scan(head, lines, good_bytes, torn_bytes)


def head_at_end(segment: Segment) -> Head:
    """The head by the words of a closed segment's last line. Raises JournalDamaged, OSError.

    Of a plain segment only the end is read; a compressed one has to be unpacked from its start.
    """
    try:
        return read_head(_last_line(segment))
    except LineError as error:
        raise JournalDamaged(path=segment.path, line=0, kind=error.kind, detail=f"last line: {error}") from error
    except ARCHIVE_ERRORS as error:
        raise _not_unpacked(segment, 0, error) from error


def _last_line(segment: Segment) -> bytes:
    if segment.is_compressed:
        return _last_line_unpacked(segment)
    try:
        with segment.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = last_line_break(file, size - 1) + 1
            file.seek(start)
            return file.read(size - start)
    except FileNotFoundError:
        return _last_line_unpacked(segment)


def _last_line_unpacked(segment: Segment) -> bytes:
    last = b""
    with open_segment(segment) as file:
        for last in file:  # noqa: B007 - only the last one is wanted
            pass
    return last


def last_line_break(file: BinaryIO, end: int) -> int:
    """Offset of the last line break before `end`, or -1; reads backwards and only as far as needed."""
    while end > 0:
        start = max(0, end - _TAIL_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found
        end = start
    return -1


def _not_unpacked(segment: Segment, line: int, error: Exception) -> JournalDamaged:
    detail = f"the compressed segment cannot be unpacked: {error}; restore the file from a backup"
    return JournalDamaged(path=segment.path, line=line, kind="archive", detail=detail)


def cut_torn_end(path: Path, good_bytes: int) -> Path:
    """Move the bytes after `good_bytes` into `<name>.torn-<offset>` beside the file, durably. Gives that path.

    The copy is on disk before the original is cut, so that a second crash loses nothing. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        torn = os.pread(descriptor, os.fstat(descriptor).st_size - good_bytes, good_bytes)
        copy = _keep(path, torn, good_bytes)
        os.ftruncate(descriptor, good_bytes)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return copy


def _keep(path: Path, torn: bytes, offset: int) -> Path:
    """Write the copy under a name that nothing else has."""
    attempt = 1
    while True:
        suffix = "" if attempt == 1 else f".{attempt}"
        copy = path.with_name(f"{path.name}.torn-{offset}{suffix}")
        try:
            descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        except FileExistsError:
            attempt += 1
            continue
        try:
            write_all(descriptor, torn)
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):  # half a copy keeps nothing: the bytes are still in the segment
                copy.unlink()
            raise
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
        return copy
