"""The newest journal lines of some types, kept up to date without reading the journal twice."""

from collections import deque
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

from state.follow import JournalTail
from state.journal_reader import lines_backwards
from state.records import JournalLine, JournalType

LOOK_BACK_LINES = 5000
"""How far back the first look goes; later ones only read what is new."""


class RecentLines:
    """Follows one journal. The one rule: one caller at a time."""

    def __init__(self, journal: Path, types: Collection[JournalType], kept: int) -> None:
        self._journal = journal
        self._types = frozenset(types)
        self._kept = kept
        self._tail: JournalTail | None = None
        self._lines: deque[JournalLine] = deque(maxlen=kept)
        self._known = 0
        """`seq` of the newest line among them."""

    def oldest_first(self) -> Sequence[JournalLine]:
        """At most `kept` lines; as they were where the journal cannot be read just now."""
        try:
            self._follow()
        except OSError:
            # An unreadable journal is the daemon's and the light's matter.
            self._tail = None
        return list(self._lines)

    def _follow(self) -> None:
        if self._tail is None:
            # The tail stands at the end before we look back, so that no line falls between the two.
            self._tail = JournalTail(self._journal)
            back = islice(lines_backwards(self._journal), LOOK_BACK_LINES)
            found = list(islice((line for line in back if line.type in self._types), self._kept))
            self._lines = deque(found[::-1], maxlen=self._kept)
            self._known = self._lines[-1].seq if self._lines else 0
        for line in self._tail.poll():
            if line.seq == 1:
                self._known = 0  # the journal was put away and begun anew, as a salvage does
            if line.type in self._types and line.seq > self._known:
                self._lines.append(line)
                self._known = line.seq
        if self._tail.has_more or self._tail.gap is not None:
            self._tail = None  # too far behind, or lines are gone: the next look goes back from the end again
