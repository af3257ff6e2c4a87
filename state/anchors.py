"""Where a chain begins: at its birth, or at the anchor of the last segment that retention took away.

Before a segment is removed its anchor (where the chain stood before and after it, and its opening line, which in
a journal is a `ledger_checkpoint`) is appended to `anchors.jsonl` beside the segments, itself a hash-chained file.
Anchors are kept for ever, so that what remains can still be verified and what was removed is still accounted for.
"""

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec

from state.atomic import sync_folder, write_again, write_all
from state.chain import Head, LineError, check, seal
from state.records import SegmentAnchor
from state.segments import JournalDamaged, Segment, checked_lines, cut_torn_end, head_at_end, list_segments, scan
from state.undecodable import UNDECODABLE

ANCHORS_NAME = "anchors.jsonl"
_anchor_decoder = msgspec.json.Decoder(SegmentAnchor)


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it lies in its folder: the head before the first segment that is still there, and the segments."""

    start: Head
    segments: tuple[Segment, ...]


def read_chain(folder: Path) -> Chain:
    """The segments, with nothing missing between them or before them. Raises JournalDamaged, OSError.

    A record may begin after its first segment only where an anchor accounts for every segment before it.
    """
    segments = list_segments(folder)
    if not segments:
        for anchor in iterate_anchors(folder):
            detail = f"no segment is left, but segment number {anchor.number} was followed by another when it went"
            raise JournalDamaged(path=folder, line=0, kind="missing_segment", detail=detail)
        return Chain(start=Head(), segments=())
    for earlier, later in pairwise(segments):
        if later.number != earlier.number + 1:
            raise _missing(later, earlier.number + 1)
    return Chain(start=_start(folder, segments[0]), segments=segments)


def head_before(chain: Chain, index: int) -> Head:
    """The head at the start of a segment, by the last line of the one before. Raises JournalDamaged, OSError."""
    return head_at_end(chain.segments[index - 1]) if index > 0 else chain.start


def _start(folder: Path, first: Segment) -> Head:
    if first.number == 1:
        return Head()
    for anchor in iterate_anchors(folder):
        if anchor.number == first.number - 1:
            return Head(anchor.last_seq, anchor.last_hash)
    raise _missing(first, first.number - 1)


def _missing(segment: Segment, number: int) -> JournalDamaged:
    detail = f"segment number {number} is missing or doubled before it; restore the file from a backup"
    return JournalDamaged(path=segment.path, line=0, kind="missing_segment", detail=detail)


def read_anchors(folder: Path) -> tuple[SegmentAnchor, ...]:
    """As `iterate_anchors`, all of them. Raises JournalDamaged, OSError."""
    return tuple(iterate_anchors(folder))


def iterate_anchors(folder: Path) -> Iterator[SegmentAnchor]:
    """The anchors of removed segments, oldest first; none when nothing was removed. Raises JournalDamaged, OSError.

    Their own chain is checked, that together they account for every segment from the first on without a gap, and
    that each opening line continues the chain where its segment did. An unfinished last line is left out: its
    segment was not removed yet.
    """
    file = _anchors_file(folder)
    if not file.path.exists():
        return
    stood = Head()
    for number, (body, _, _) in enumerate(checked_lines(file, Head(), last=True), start=1):
        try:
            anchor = _anchor_decoder.decode(body)
            _require_account(anchor, number, stood)
        except UNDECODABLE as error:
            raise JournalDamaged(path=file.path, line=number, kind="not_a_line", detail=str(error)) from error
        except LineError as error:
            raise JournalDamaged(path=file.path, line=number, kind=error.kind, detail=str(error)) from error
        stood = Head(anchor.last_seq, anchor.last_hash)
        yield anchor


def _require_account(anchor: SegmentAnchor, number: int, stood: Head) -> None:
    """Raise LineError unless the anchor goes on from where the segment before its own had ended."""
    if anchor.number != number:
        raise LineError("missing_segment", f"accounts for segment number {anchor.number}, expected {number}")
    if anchor.first_seq != stood.seq + 1 or anchor.last_seq != stood.seq + anchor.lines:
        said = f"seq {anchor.first_seq} to {anchor.last_seq} in {anchor.lines} lines"
        raise LineError("sequence", f"the anchor of {anchor.segment} says {said}, but {stood.seq} came before it")
    if anchor.previous_hash != stood.hash:
        raise LineError("hash", f"the anchor of {anchor.segment} does not begin where the one before it ended")
    if anchor.lines == 0:
        return
    try:
        _, opened = check(stood, anchor.opening.encode() + b"\n")
    except LineError as error:
        raise LineError(error.kind, f"the opening line of {anchor.segment}: {error}") from error
    if anchor.lines == 1 and opened.hash != anchor.last_hash:
        raise LineError("hash", f"the anchor of {anchor.segment} does not end with its only line")


def append_anchor(folder: Path, anchor: SegmentAnchor) -> None:
    """Make an anchor durable; its segment may be removed afterwards. Raises JournalDamaged, OSError, ValueError.

    Only for the one process that holds the retention lock. An earlier append that was cut short is cut off first.
    """
    file = _anchors_file(folder)
    head = Head()
    if file.path.exists():
        found = scan(file, Head(), last=True)
        if found.torn_bytes:
            cut_torn_end(file.path, found.good_bytes)
        head = found.head
    if anchor.seq != head.seq + 1:
        raise ValueError(f"{file.path}: anchor with seq {anchor.seq}, expected {head.seq + 1}")
    sealed, _ = seal(head, msgspec.json.encode(anchor))
    descriptor = os.open(file.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        write_all(descriptor, sealed)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(folder)


def settle_anchors(folder: Path) -> None:
    """Make durable what a pass that was killed before its sync had appended, before anything relies on it."""
    path = _anchors_file(folder).path
    write_again(path, path.stat().st_size)
    sync_folder(folder)


def _anchors_file(folder: Path) -> Segment:
    """The anchors' file, so that the segments' own functions can check it."""
    return Segment(path=folder / ANCHORS_NAME, day="", number=0)
