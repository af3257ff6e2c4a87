"""A damaged journal: where it breaks first, and what of it can still be believed. Never writes.

A line is believed when its hash follows from the line before it. After a damaged line the chain goes on from what
that line says its own hash is: the lines behind it vouch for one another again, though the damaged one stays
unbelieved. The newest `ledger_checkpoint` that is believed, and every believed line behind it, rebuild the ledger but
for the lines left out. Where no segment holds one, the anchor of the newest removed segment does.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from state.anchors import read_anchors
from state.chain import Head, LineError, check, read_head
from state.journal import require_anchor
from state.records import JournalLine, JournalType, SegmentAnchor
from state.segments import ARCHIVE_ERRORS, JournalDamaged, Progress, Segment, list_segments, open_segment
from state.undecodable import UNDECODABLE
from state.verification import Verification, verify

_CHECKPOINT = b'"type":"ledger_checkpoint"'
_ORDER_REF = re.compile(rb'"order_ref":"([^"\\]+)\.(\d{1,15})"')
_line_decoder = msgspec.json.Decoder(JournalLine)


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What of a journal can be believed: the newest checkpoint that verifies and the verified lines behind it."""

    lines: tuple[JournalLine, ...]
    """Oldest first; the first is a `ledger_checkpoint`. Empty when none verifies. Damaged lines between are missing."""
    head: Head
    """Of the last of them."""
    lines_left_out: int
    """Lines behind that checkpoint which nothing vouches for (all lines where there is none)."""
    newest_order: dict[str, int]
    """What comes before the number in an order_ref -> the highest number in the lines left out."""


def first_damage(
    folder: Path, *, anchor: tuple[int, str] | None = None, progress: Progress | None = None
) -> Verification | None:
    """Where the journal breaks first; None when all of it holds, but for a torn end, which the writer repairs.

    `anchor` is the snapshot's (journal_seq, journal_hash): the chain alone cannot miss its own last lines.
    """
    found = verify(folder, anchor=anchor, progress=progress)
    if not found.is_torn_end:
        return None if found.ok else found
    try:
        # What is torn may be a line that somebody remembers as whole.
        require_anchor(folder, Head(found.head_seq, found.head_hash), anchor)
    except JournalDamaged as damage:
        return msgspec.structs.replace(found, problem=str(damage), file=str(folder), line=0, kind=damage.kind)
    return None


def what_holds(folder: Path) -> Remains:
    """Read everything that is there and keep what can be believed. Raises JournalDamaged, PermissionError.

    JournalDamaged is raised for a believed line that this version does not know: another version wrote it.
    """
    stretches = _Stretches()
    anchors = _believed_anchors(folder)
    for anchor in anchors[-1:]:
        stretches.begin_with(anchor)
    before: Segment | None = None
    segments = list_segments(folder)
    for segment in segments:
        if before is None or segment.number != before.number + 1:
            stretches.start_at(_start(anchors, segment) if before is None else None)
        try:
            for raw in _raw_lines(segment):
                stretches.read(raw, unfinished=segment is segments[-1] and not raw.endswith(b"\n"))
        except PermissionError:
            raise
        except (*ARCHIVE_ERRORS, OSError):
            stretches.start_at(None)
        before = segment
    return Remains(
        lines=tuple(_decoded(folder, body) for body in stretches.believed),
        head=stretches.believed_head,
        lines_left_out=stretches.lines_left_out,
        newest_order=stretches.newest_order,
    )


class _Stretches:
    """Feeds on raw lines in order and keeps what can be folded."""

    def __init__(self) -> None:
        self.believed: list[bytes] = []
        self.believed_head = Head()
        self.lines_left_out = 0
        self.newest_order: dict[str, int] = {}
        self._head: Head | None = None

    def begin_with(self, anchor: SegmentAnchor) -> None:
        """The checkpoint that opened the last removed segment: old, and better than none."""
        before = Head(anchor.first_seq - 1, anchor.previous_hash)
        self.start_at(before)
        self.read(anchor.opening.encode() + b"\n", unfinished=False)
        self.start_at(None)

    def start_at(self, head: Head | None) -> None:
        """The next line follows this one; None when nobody knows what came before it."""
        self._head = head

    def read(self, raw: bytes, *, unfinished: bool) -> None:
        """Take one line as it stands in the file."""
        if not unfinished and self._head is not None:
            try:
                body, head = check(self._head, raw)
            except LineError:
                self.start_at(_stated(raw))
            else:
                self._head = head
                if self._take(body, head):
                    return
        elif not unfinished:
            self.start_at(_stated(raw))
        self._leave_out(raw)

    def _take(self, body: bytes, head: Head) -> bool:
        """Keep a verified line; False where no checkpoint comes before it, or where it was taken before.

        A stretch that was copied behind newer lines vouches for itself too, and must not take their place.
        """
        if self.believed and head.seq <= self.believed_head.seq:
            return False
        if _CHECKPOINT in body and _is_checkpoint(body):
            self.believed, self.lines_left_out, self.newest_order = [], 0, {}
        elif not self.believed:
            return False
        self.believed.append(body)
        self.believed_head = head
        return True

    def _leave_out(self, raw: bytes) -> None:
        self.lines_left_out += 1
        for owner, number in _ORDER_REF.findall(raw):
            name = owner.decode("utf-8", "replace")
            self.newest_order[name] = max(self.newest_order.get(name, 0), int(number))


def _raw_lines(segment: Segment) -> Iterator[bytes]:
    with open_segment(segment) as file:
        yield from file


def _believed_anchors(folder: Path) -> tuple[SegmentAnchor, ...]:
    """Of the removed segments; none where their own file is damaged."""
    try:
        return read_anchors(folder)
    except JournalDamaged:
        return ()


def _start(anchors: tuple[SegmentAnchor, ...], first: Segment) -> Head | None:
    """Where the chain stands before its first segment, as far as the anchors can say."""
    if first.number == 1:
        return Head()
    found = [anchor for anchor in anchors if anchor.number == first.number - 1]
    return Head(found[0].last_seq, found[0].last_hash) if found else None


def _stated(raw: bytes) -> Head | None:
    """The head after a line by its own words, which the next line confirms or not."""
    try:
        return read_head(raw)
    except LineError:
        return None


def _is_checkpoint(body: bytes) -> bool:
    try:
        return _line_decoder.decode(body).type is JournalType.LEDGER_CHECKPOINT
    except UNDECODABLE:
        return False


def _decoded(folder: Path, body: bytes) -> JournalLine:
    try:
        return _line_decoder.decode(body)
    except UNDECODABLE as error:
        detail = f"a line that holds is none of this version: {error}; use the version that wrote it"
        raise JournalDamaged(path=folder, line=0, kind="unknown_type", detail=detail) from error
