"""Following a growing journal, over rotation, compression and removal. Never writes, never locks."""

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from state.journal_reader import decode_line
from state.place import Place, end_of, find_again, mark_of, seq_of, stands
from state.records import JournalLine
from state.segments import ARCHIVE_ERRORS, Segment, list_segments, open_segment


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Lines between these two that are not to be had: removed by retention while we were behind, or damaged."""

    after_seq: int
    next_seq: int


class JournalTail:
    """Follows a growing journal: each `poll` gives whole lines that are new since the last, each once, in order.

    The one rule: after each poll look at `gap` and `has_more`. `gap` says which lines are missing before the first
    one given (None: nothing is); `has_more` that the poll stopped at its bound, or before a gap. A line that is not
    whole yet is given when it is; one that this version cannot read is left out and is no gap. A journal that was put
    away and begun anew is followed from its start.
    """

    def __init__(
        self, folder: Path, *, from_end: bool = True, max_lines: int = 10_000, max_bytes: int = 8 * 1024 * 1024
    ) -> None:
        self.gap: Gap | None = None
        self.has_more = False
        self._folder = folder
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._place = end_of(list_segments(folder)) if from_end else None

    def poll(self) -> list[JournalLine]:
        """New lines, oldest first: at most `max_lines`, and no further one behind `max_bytes`. Raises OSError."""
        batch = _Batch(self._place, self._max_lines, self._max_bytes)
        try:
            batch.fill(list_segments(self._folder))
        except FileNotFoundError:
            batch.has_more = True  # removed or put away since it was listed: the next poll finds out
        self._place, self.gap, self.has_more = batch.place, batch.gap, batch.has_more
        return batch.lines


class _Batch:
    """What one poll collects, and the place after it."""

    def __init__(self, place: Place | None, max_lines: int, max_bytes: int) -> None:
        self.place = place
        self.lines: list[JournalLine] = []
        self.gap: Gap | None = None
        self.has_more = False
        self._max_lines = max_lines
        self._bytes_left = max_bytes

    def fill(self, segments: tuple[Segment, ...]) -> None:
        """Read on from the place. Raises OSError."""
        if self.place is not None and not stands(segments, self.place):
            self.place = find_again(segments, self.place)
        for segment in segments:
            start = 0
            if self.place is not None and segment.number <= self.place.number:
                if segment.number < self.place.number:
                    continue
                start = self.place.offset
            if not self._read(segment, start):
                return

    def _read(self, segment: Segment, start: int) -> bool:
        """Take the whole lines of a segment from `start` on; False when the batch ends here."""
        with open_segment(segment) as file, suppress(*ARCHIVE_ERRORS):
            file.seek(start)
            return self._read_lines(segment, file, start)
        return True  # what a damaged archive does not give is a gap before the next segment's lines

    def _read_lines(self, segment: Segment, file: BinaryIO, offset: int) -> bool:
        for raw in file:
            if not raw.endswith(b"\n"):
                return True
            if len(self.lines) >= self._max_lines or self._bytes_left <= 0 or not self._take(raw):
                self.has_more = True
                return False
            offset += len(raw)
            self._bytes_left -= len(raw)
            seq = max(self._known(), seq_of(raw) or 0)
            self.place = Place(number=segment.number, offset=offset, mark=mark_of(raw), seq=seq)
        return True

    def _known(self) -> int:
        """The newest number so far; 0 before the first."""
        return 0 if self.place is None else self.place.seq

    def _take(self, raw: bytes) -> bool:
        """Keep what is new; False for a line behind a gap while others before the gap are still to be given."""
        seq, known = seq_of(raw), self._known()
        if seq is None or seq <= known:
            return True
        if known and seq > known + 1:
            if self.lines:
                return False
            self.gap = Gap(after_seq=known if self.gap is None else self.gap.after_seq, next_seq=seq)
        line = decode_line(raw)
        if line is not None:
            self.lines.append(line)
        return True
