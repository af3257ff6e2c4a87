"""How many lines match, asked again and again: only what was added since the last time is read.

What was counted of a segment holds while it is the same file (by its inode) and has only grown.
"""

from collections import deque
from collections.abc import Sequence

import msgspec

from state.journal_reader import decode_line
from state.query.cache import Part
from state.query.engine import JournalIndex
from state.query.filters import ROUTINE, Filter, Sieve, matches
from state.query.lookup import counts_by_segment
from state.query.parquet import CacheFailed
from state.query.reading import BLOCK_BYTES, Problems, open_wherever
from state.query.tail import matching_forward
from state.records import JournalLine
from state.segments import Segment

REMEMBERED = 1000
"""So many of the newest matching lines are known one by one."""


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """All lines that match; how many of them are newer than the line asked for; and what was wrong with the files."""

    total: int
    newer: int
    is_newer_bounded: bool = False
    """There are at least so many newer ones: no more than REMEMBERED are told apart."""
    problems: tuple[str, ...] = ()


class _Seen(msgspec.Struct, frozen=True):
    """A segment as far as it was counted: up to this byte, of this file."""

    inode: int
    end_byte: int
    count: int


class RunningCount:
    """Counts the lines of one filter. The one rule: one caller at a time."""

    def __init__(self, index: JournalIndex, wanted: Filter, *, routine: bool = True) -> None:
        self._index = index
        self._wanted = wanted
        self._routine = routine
        self._sieve = Sieve(wanted)
        self._seen: dict[str, _Seen] = {}
        self._newest: deque[int] = deque(maxlen=REMEMBERED)
        """Numbers of the newest matching lines, in ascending order."""

    def count(self, *, newer_than: int | None = None) -> Total:
        """As the journal is now. Raises OSError."""
        problems = Problems()
        parts = self._index.parts(self._wanted, problems)
        changed = [part for part in parts if not self._is_known(part.segment)]
        unseen = [part for part in changed if not self._goes_on(part.segment)]
        if unseen:
            self._start(unseen)
        for part in changed:
            self._go_on(part.segment, problems)
        names = {part.segment.name for part in parts}
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        newer = 0 if newer_than is None else sum(seq > newer_than for seq in self._newest)
        return Total(
            total=sum(seen.count for seen in self._seen.values()),
            newer=newer,
            is_newer_bounded=newer == REMEMBERED,
            problems=problems.all(),
        )

    def _is_known(self, segment: Segment) -> bool:
        seen, status = self._seen.get(segment.name), _status(segment)
        return seen is not None and status is not None and status == (seen.inode, seen.end_byte)

    def _goes_on(self, segment: Segment) -> bool:
        """Whether this is the file that was counted before, with more at its end."""
        seen, status = self._seen.get(segment.name), _status(segment)
        return seen is not None and status is not None and seen.inode == status[0] and seen.end_byte <= status[1]

    def _start(self, parts: Sequence[Part]) -> None:
        """Count new segments by the cache where it can tell, and learn which the newest lines are."""
        for name in [part.segment.name for part in parts]:
            self._seen.pop(name, None)
        cached = [part.parquet for part in parts if part.parquet is not None]
        try:
            by_number = counts_by_segment(cached, self._wanted, routine=self._routine) if cached else {}
        except CacheFailed:
            by_number, cached = {}, []
        for part in parts:
            status = _status(part.segment)
            if status is not None and part.parquet is not None and cached:
                self._seen[part.segment.name] = _Seen(*status, by_number.get(part.segment.number, 0))
        newest = self._index.newest(self._wanted, REMEMBERED, routine=self._routine).lines
        self._newest = deque((line.seq for line in reversed(newest)), maxlen=REMEMBERED)

    def _go_on(self, segment: Segment, problems: Problems) -> None:
        """Count what was added to one segment, or all of it where that is another file than before."""
        status = _status(segment)
        if status is None or self._is_known(segment):
            return
        seen = self._seen.get(segment.name)
        if segment.is_compressed:
            count = sum(self._counts(line) for line in matching_forward(segment, self._wanted, problems))
            self._seen[segment.name] = _Seen(*status, count)
            return
        if seen is None or not self._goes_on(segment):
            seen = _Seen(status[0], 0, 0)
        self._seen[segment.name] = self._read_on(segment, seen)

    def _read_on(self, segment: Segment, seen: _Seen) -> _Seen:
        end, count = seen.end_byte, seen.count
        opened = open_wherever(segment)
        if opened is None:
            return seen
        known = self._newest[-1] if self._newest else 0
        with opened[1] as file:
            file.seek(end)
            rest = b""
            while chunk := file.read(BLOCK_BYTES):
                block = rest + chunk
                whole = block.rfind(b"\n") + 1
                rest = block[whole:]
                end += whole
                for raw in self._sieve.sift(block[:whole]) if whole else ():
                    line = decode_line(raw)
                    if line is None or not matches(line, self._wanted) or not self._counts(line):
                        continue
                    count += 1
                    if line.seq > known:
                        self._newest.append(line.seq)
        return _Seen(seen.inode, end, count)

    def _counts(self, line: JournalLine) -> bool:
        return self._routine or line.type not in ROUTINE


def _status(segment: Segment) -> tuple[int, int] | None:
    """Inode and size; None when the file went away."""
    try:
        found = segment.path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size
