"""Reading a journal: checked from the start, followed from the end, or newest first. Never writes, never locks."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from state.anchors import Chain, read_chain
from state.chain import Head
from state.journal import head_before
from state.records import JournalLine, JournalType
from state.segments import JournalDamaged, Segment, checked_lines, list_segments, open_segment

_CHUNK_BYTES = 64 * 1024
_SETTLE_S = 0.01
_line_decoder = msgspec.json.Decoder(JournalLine)


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a journal: whether it holds, how far, and if not, the file, line and kind of the first damage."""

    ok: bool
    records: int
    head_seq: int
    head_hash: str
    problem: str | None = None


def read_journal(folder: Path) -> Iterator[JournalLine]:
    """Every line from the first, with its chain checked. An unfinished last line is left out.

    Raises JournalDamaged at the first line that does not hold; empty when there is no journal.
    """
    yield from _read(read_chain(folder), 0)


def read_since_checkpoint(folder: Path) -> Iterator[JournalLine]:
    """As `read_journal`, from the newest segment that opens with a `ledger_checkpoint`: enough to rebuild a ledger."""
    chain = read_chain(folder)
    first = max(len(chain.segments) - 1, 0)
    while first > 0 and not _opens_with_checkpoint(chain.segments[first]):
        first -= 1
    yield from _read(chain, first)


def _opens_with_checkpoint(segment: Segment) -> bool:
    with open_segment(segment) as file:
        line = decode_line(file.readline())
    return line is not None and line.type is JournalType.LEDGER_CHECKPOINT


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
            except msgspec.MsgspecError as error:
                detail = f"not a journal line of this version: {error}"
                raise JournalDamaged(path=segment.path, line=number, kind="unknown_type", detail=detail) from error


def verify(folder: Path, *, anchor: tuple[int, str] | None = None) -> Verification:
    """Check the whole chain, and against `anchor` (the snapshot's journal_seq and journal_hash) where one is known.

    Only the chain is judged, not whether this version knows every type. A half-written last line that does not
    become whole while we look is a problem too. Never raises for what is in the files; OSError becomes a problem.
    """
    head = Head()
    records = 0
    anchored: str | None = None
    problem: str | None = None
    try:
        chain = read_chain(folder)
        head, segments = chain.start, chain.segments
        for index, segment in enumerate(segments):
            last = index == len(segments) - 1
            good_bytes = 0
            for _, after, offset in checked_lines(segment, head, last=last):
                head, good_bytes = after, offset
                records += 1
                if anchor is not None and head.seq == anchor[0]:
                    anchored = head.hash
            if last:
                problem = _unfinished(segment, good_bytes, records)
    except (JournalDamaged, OSError) as error:
        problem = str(error)
    if problem is None:
        problem = _against_anchor(folder, head, anchor, anchored)
    return Verification(ok=problem is None, records=records, head_seq=head.seq, head_hash=head.hash, problem=problem)


def _unfinished(segment: Segment, good_bytes: int, records: int) -> str | None:
    """Words for a last line that stays half written; a line that a living writer completes meanwhile is fine."""
    for _ in range(3):
        with segment.path.open("rb") as file:
            file.seek(good_bytes)
            rest = file.read()
        if not rest or b"\n" in rest:
            return None
        time.sleep(_SETTLE_S)
    return (
        f"{segment.path}, after {records} good records: {len(rest)} bytes of an unfinished line (torn); "
        "the daemon cuts them off and keeps a copy at its next start"
    )


def _against_anchor(folder: Path, head: Head, anchor: tuple[int, str] | None, anchored: str | None) -> str | None:
    if anchor is None or anchor[0] == 0:
        return None
    seq, remembered = anchor
    if seq > head.seq:
        return f"{folder}: ends at seq {head.seq}, but the snapshot remembers seq {seq} (lost_tail)"
    if anchored != remembered:
        return f"{folder}: the line with seq {seq} is not the one that the snapshot remembers (hash)"
    return None


def decode_line(raw: bytes) -> JournalLine | None:
    """A line as it stands in the file, unchecked; None for what is no line of this version."""
    try:
        return _line_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def raw_lines_backwards(path: Path) -> Iterator[bytes]:
    """The whole lines of one file, last first, reading only as much as is consumed. An unfinished end is left out."""
    with path.open("rb") as file:
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


def lines_backwards(folder: Path) -> Iterator[JournalLine]:
    """The journal newest first, unchecked; lines that this version cannot read are left out."""
    for segment in reversed(list_segments(folder)):
        for raw in raw_lines_backwards(segment.path):
            line = decode_line(raw)
            if line is not None:
                yield line


class JournalTail:
    """Follows a growing journal: each `poll` gives the whole lines that are new since the last.

    It keeps a place in one file and reads nothing twice. A journal that was put away and begun anew is followed
    from its start.
    """

    def __init__(self, folder: Path, *, from_end: bool = True) -> None:
        self._folder = folder
        self._number = 0
        self._inode = 0
        self._offset = 0
        if from_end:
            segments = list_segments(folder)
            if segments:
                self._stand_at_end(segments[-1])

    def _stand_at_end(self, segment: Segment) -> None:
        """After the last line break: an unfinished line will be read when it is whole."""
        with segment.path.open("rb") as file:
            status = os.fstat(file.fileno())
            end = status.st_size
            found = -1
            while end > 0 and found < 0:
                start = max(0, end - _CHUNK_BYTES)
                file.seek(start)
                found = file.read(end - start).rfind(b"\n")
                end = start + found + 1
        self._number, self._inode, self._offset = segment.number, status.st_ino, end

    def poll(self) -> list[JournalLine]:
        """New whole lines, oldest first; lines that this version cannot read are left out. Raises OSError."""
        found: list[JournalLine] = []
        segments = list_segments(self._folder)
        if not any(self._is_current(segment) for segment in segments):
            self._number, self._inode, self._offset = 0, 0, 0
        for segment in segments:
            if segment.number < self._number:
                continue
            if segment.number > self._number:
                self._number, self._inode, self._offset = segment.number, segment.path.stat().st_ino, 0
            found.extend(self._read_new(segment))
        return found

    def _is_current(self, segment: Segment) -> bool:
        if segment.number != self._number:
            return False
        try:
            status = segment.path.stat()
        except FileNotFoundError:
            return False
        return status.st_ino == self._inode and status.st_size >= self._offset

    def _read_new(self, segment: Segment) -> Iterator[JournalLine]:
        with segment.path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for raw in whole.split(b"\n"):
            line = decode_line(raw)
            if line is not None:
                yield line
