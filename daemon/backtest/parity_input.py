"""What a comparison of tape and journal is fed with: the tape's files, the day that is asked about, a run's lines."""

from collections.abc import Iterable

import msgspec

from daemon.core.book import Book
from daemon.core.events import AnyEvent
from state.records import JournalLine
from state.times import us_from_iso


class TapeStretch(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a run's tape: the book that it starts with and its events, read as they are asked for."""

    tape_seq: int
    """Of the last event before it; 0 at the run's start."""
    book: Book
    events: Iterable[tuple[int, AnyEvent]]


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A half-open interval of the desk's own time."""

    since_us: int
    until_us: int

    def holds(self, line: JournalLine) -> bool:
        """Whether the line is of this day."""
        return self.since_us <= us_from_iso(line.ts) < self.until_us


class Lines:
    """The journal of one run, read once and in order, with the next line in sight."""

    def __init__(self, lines: Iterable[JournalLine]) -> None:
        self._lines = iter(lines)
        self.next: JournalLine | None = next(self._lines, None)

    def take(self) -> None:
        """The next line is dealt with."""
        self.next = next(self._lines, None)
