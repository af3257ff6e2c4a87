"""Letting go of the journal's oldest segments, so that what remains can still be verified.

A segment goes only when it is closed and checked, when every later one opens with a `ledger_checkpoint` (so that a
ledger can be rebuilt without it), and after its anchor lies durably in `anchors.jsonl`, where it stays for ever.
"""

from datetime import date
from pathlib import Path

import msgspec

from state.anchors import ANCHORS_NAME, Chain, append_anchor, read_anchors, read_chain, settle_anchors
from state.archive import Closed, archive_path, check_closed
from state.atomic import sync_folder
from state.journal_reader import decode_line
from state.records import JournalType, SegmentAnchor
from state.segments import ARCHIVE_ERRORS, JournalDamaged, Segment, day_of, open_segment
from state.times import iso_from_us

KEPT_SEGMENTS = 2
"""The newest ones, which stay whatever their age: the open one and the one before it."""


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """The segments that may go, oldest first, and why none may although some are old enough."""

    segments: tuple[Segment, ...]
    obstacle: str | None = None


def age_days(day: str, wall_us: int) -> int:
    """Whole UTC days from a day like `20261121` until now; negative for a day to come. What is no date is never old."""
    try:
        return (date.fromisoformat(day_of(wall_us)) - date.fromisoformat(day)).days
    except ValueError:
        return 0


def expired_segments(chain: Chain, *, keep_days: int, wall_us: int) -> Expired:
    """What retention may remove: from the oldest on, until the first that is young enough. Raises OSError."""
    old = []
    for segment in chain.segments[:-KEPT_SEGMENTS]:
        if age_days(segment.day, wall_us) <= keep_days:
            break
        old.append(segment)
    if not old:
        return Expired(segments=())
    for later in chain.segments[1:]:
        if not _opens_with_checkpoint(later):
            obstacle = f"{later.path} does not open with a ledger_checkpoint, so the older segments are still needed"
            return Expired(segments=(), obstacle=obstacle)
    return Expired(segments=tuple(old))


def remove_oldest(folder: Path, number: int, *, wall_us: int) -> SegmentAnchor | None:
    """Anchor the oldest segment durably and remove it, in whatever forms it lies there.

    `number` is the one that is meant; None where another is the oldest by now, or where it is not closed. For the
    one process that holds the maintenance lock. Raises JournalDamaged (nothing is removed then), OSError.
    """
    chain = read_chain(folder)
    if not chain.segments or chain.segments[0].number != number:
        return None
    segment = chain.segments[0]
    closed = check_closed(chain, 0)
    if closed is None:
        return None
    anchor = _anchored(folder, segment, closed, wall_us)
    if not segment.is_compressed:
        # First the form that does not count: killed between the two, the one that was checked is what is left.
        archive_path(segment.path).unlink(missing_ok=True)
    segment.path.unlink()
    # Before the next one goes: a hole in the middle would be damage.
    sync_folder(folder)
    return anchor


def _anchored(folder: Path, segment: Segment, closed: Closed, wall_us: int) -> SegmentAnchor:
    """The anchor of a segment, appended where an interrupted pass has not done so already."""
    anchors = read_anchors(folder)
    anchor = SegmentAnchor(
        seq=len(anchors) + 1,
        wall_ts=iso_from_us(wall_us),
        segment=segment.name,
        number=segment.number,
        lines=closed.lines,
        first_seq=closed.before.seq + 1,
        last_seq=closed.after.seq,
        previous_hash=closed.before.hash,
        last_hash=closed.after.hash,
        opening=_first_line(segment).rstrip(b"\n").decode(),
    )
    for place, known in enumerate(anchors, start=1):
        if known.number != segment.number:
            continue
        if msgspec.structs.replace(known, seq=anchor.seq, wall_ts=anchor.wall_ts) != anchor:
            detail = f"the anchor of segment {segment.name} tells of other lines than the segment holds"
            raise JournalDamaged(path=folder / ANCHORS_NAME, line=place, kind="sequence", detail=detail)
        settle_anchors(folder)
        return known
    append_anchor(folder, anchor)
    return anchor


def _opens_with_checkpoint(segment: Segment) -> bool:
    try:
        line = decode_line(_first_line(segment))
    except ARCHIVE_ERRORS:
        return False
    return line is not None and line.type is JournalType.LEDGER_CHECKPOINT


def _first_line(segment: Segment) -> bytes:
    with open_segment(segment) as file:
        return file.readline()
