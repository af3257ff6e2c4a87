"""Judging a record: whether its whole chain holds, and if not, where it breaks first. Never writes, never locks."""

import time
from pathlib import Path

import msgspec

from state.anchors import read_chain
from state.chain import Head
from state.segments import JournalDamaged, Segment, checked_lines

_SETTLE_S = 0.01


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a journal: whether it holds, how far, and if not, the file, line and kind of the first damage."""

    ok: bool
    records: int
    head_seq: int
    head_hash: str
    problem: str | None = None


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
