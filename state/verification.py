"""Judging a record: whether its whole chain holds, and if not, where it breaks first. Never writes, never locks."""

import time
from pathlib import Path

import msgspec

from state.anchors import iterate_anchors, read_chain
from state.chain import Head, Kind
from state.records import SegmentAnchor
from state.segments import JournalDamaged, Progress, Segment, checked_lines, list_segments, unreadable

_SETTLE_S = 0.01
_ATTEMPTS = 3


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a record: whether it holds, how far, and if not, the file, line and kind of the first damage."""

    ok: bool
    records: int
    """Lines that hold."""
    head_seq: int
    head_hash: str
    segments: int = 0
    """Files that hold."""
    removed_segments: int = 0
    """That retention took away, and that anchors account for."""
    problem: str | None = None
    file: str | None = None
    """The damaged file, or the folder where the record as a whole does not hold."""
    line: int | None = None
    """Within the file, from 1; 0 where all of it is meant."""
    kind: Kind | None = None
    is_torn_end: bool = False
    """Whether all that is wrong is an unfinished last line, which the next writer repairs by itself."""


def verify(folder: Path, *, anchor: tuple[int, str] | None = None, progress: Progress | None = None) -> Verification:
    """Check every byte of a journal or audit, and against `anchor` (the snapshot's journal_seq and journal_hash).

    Only the chain is judged, not whether this version knows every type. A half-written last line that does not
    become whole while we look is a problem too. Never raises for what is in the files; OSError becomes a problem.
    """
    listed: tuple[Segment, ...] | None = None
    while True:
        judge = _Judge(folder, anchor, progress)
        try:
            judge.read()
        except JournalDamaged as damage:
            return judge.verdict(damage)
        except FileNotFoundError as error:
            # Retention removed segments after they were listed, one after the other: look again while it goes on.
            before, listed = listed, _listed(folder)
            if listed == before:
                return judge.verdict(unreadable(folder, error))
        except OSError as error:
            return judge.verdict(unreadable(folder, error))
        else:
            break
    return judge.verdict(None)


def _listed(folder: Path) -> tuple[Segment, ...]:
    try:
        return list_segments(folder)
    except OSError:
        return ()


class _Judge:
    """One reading of a record from its first byte to its last."""

    def __init__(self, folder: Path, anchor: tuple[int, str] | None, progress: Progress | None) -> None:
        self._folder = folder
        self._anchor = anchor
        self._progress = progress
        self._head = Head()
        self._start = Head()
        self._records = 0
        self._segments = 0
        self._removed = 0
        self._anchored: str | None = None
        self._is_torn_end = False

    def verdict(self, damage: JournalDamaged | None) -> Verification:
        """What was found, up to the damage."""
        return Verification(
            ok=damage is None,
            records=self._records,
            head_seq=self._head.seq,
            head_hash=self._head.hash,
            segments=self._segments,
            removed_segments=self._removed,
            problem=None if damage is None else str(damage),
            file=None if damage is None else str(damage.path),
            line=None if damage is None else damage.line,
            kind=None if damage is None else damage.kind,
            is_torn_end=self._is_torn_end,
        )

    def read(self) -> None:
        """Raises JournalDamaged at the first damage, OSError."""
        chain = read_chain(self._folder)
        self._head = self._start = chain.start
        first = chain.segments[0].number if chain.segments else 1
        accounts: dict[int, SegmentAnchor] = {}
        for account in iterate_anchors(self._folder):
            if account.number < first:
                self._removed += 1
            else:
                accounts[account.number] = account  # retention was interrupted before it removed the segment
        for done, segment in enumerate(chain.segments):
            self._report(done, len(chain.segments))
            self._read_segment(segment, last=segment is chain.segments[-1], account=accounts.get(segment.number))
        self._report(len(chain.segments), len(chain.segments))
        self._require_anchor()

    def _report(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(done, total)

    def _read_segment(self, segment: Segment, *, last: bool, account: SegmentAnchor | None) -> None:
        before = self._head
        lines = good_bytes = 0
        for _, after, offset in checked_lines(segment, before, last=last):
            self._head, good_bytes = after, offset
            lines += 1
            self._records += 1
            if self._anchor is not None and after.seq == self._anchor[0]:
                self._anchored = after.hash
        if last and not segment.is_compressed:
            torn_bytes = _torn_bytes(segment, good_bytes)
            self._is_torn_end = torn_bytes > 0
            if torn_bytes:
                detail = f"{torn_bytes} bytes of an unfinished line; the next writer cuts them off and keeps a copy"
                raise JournalDamaged(path=segment.path, line=lines + 1, kind="torn", detail=detail)
        if account is not None:
            _require_same(segment, account, before, self._head)
        self._segments += 1

    def _require_anchor(self) -> None:
        """Raise JournalDamaged where the snapshot remembers another line, or one that is no longer there."""
        if self._anchor is None or self._anchor[0] < self._start.seq or self._anchor[0] == 0:
            return
        seq, remembered = self._anchor
        if seq > self._head.seq:
            detail = f"ends at seq {self._head.seq}, but the snapshot remembers seq {seq}"
            raise JournalDamaged(path=self._folder, line=0, kind="lost_tail", detail=detail)
        found = self._start.hash if seq == self._start.seq else self._anchored
        if found != remembered:
            detail = f"the line with seq {seq} is not the one that the snapshot remembers"
            raise JournalDamaged(path=self._folder, line=0, kind="hash", detail=detail)


def _torn_bytes(segment: Segment, good_bytes: int) -> int:
    """How much of a last line stays half written; a living writer completes its own while we look."""
    rest = b""
    for _ in range(_ATTEMPTS):
        with segment.path.open("rb") as file:
            file.seek(good_bytes)
            rest = file.read()
        if not rest or b"\n" in rest:
            return 0
        time.sleep(_SETTLE_S)
    return len(rest)


def _require_same(segment: Segment, account: SegmentAnchor, before: Head, after: Head) -> None:
    """Raise JournalDamaged where a segment is not the one that its anchor speaks of."""
    said = Head(account.first_seq - 1, account.previous_hash), Head(account.last_seq, account.last_hash)
    if (before, after) != said:
        detail = f"is not the segment that its anchor remembers (seq {account.first_seq} to {account.last_seq})"
        raise JournalDamaged(path=segment.path, line=0, kind="hash", detail=detail)
