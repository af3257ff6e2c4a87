"""One search from the journal's start: the oldest lines that match, or the next ones behind a line."""

from collections.abc import Sequence
from itertools import groupby

from state.query.cache import Part
from state.query.filters import ROUTINE, Filter, matches
from state.query.lookup import nearest_places
from state.query.parquet import CacheFailed
from state.query.places import growing, read_places
from state.query.reading import Problems
from state.query.tail import matching_forward
from state.records import JournalLine


class Oldest:
    """The search; `lines` are oldest first, `left_out` counts routine lines that match and lie between them."""

    def __init__(self, wanted: Filter, limit: int, *, routine: bool, problems: Problems) -> None:
        self._wanted = wanted
        self._limit = limit
        self._routine = routine
        self._problems = problems
        self.lines: list[JournalLine] = []
        self.left_out = 0

    @property
    def _missing(self) -> int:
        return self._limit - len(self.lines)

    def run(self, parts: Sequence[Part]) -> None:
        """Through the parts in chain order, no further than needed. Raises OSError."""
        for is_cached, run in groupby(parts, lambda part: part.parquet is not None):
            for look in growing(list(run)):
                if not self._missing:
                    return
                if not (is_cached and self._look_up(look)):
                    self._read(look)

    def _read(self, parts: Sequence[Part]) -> None:
        for part in parts:
            for line in matching_forward(part.segment, self._wanted, self._problems):
                if not self._routine and line.type in ROUTINE:
                    self.left_out += 1
                    continue
                self.lines.append(line)
                if not self._missing:
                    return

    def _look_up(self, look: Sequence[Part]) -> bool:
        """Take what the cache names in these parts; False where it cannot tell, or not the truth."""
        files = [part.parquet for part in look if part.parquet is not None]
        try:
            places, left_out = nearest_places(files, self._wanted, self._missing, routine=self._routine, newest=False)
            lines = read_places(look, places, self._problems)
        except CacheFailed:
            return False
        if not all(matches(line, self._wanted) for line in lines):
            return False
        self.lines += lines
        self.left_out += left_out
        return True
