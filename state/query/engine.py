"""One way to ask a journal: the newest operations, the life of an intent, and counts by group.

Every answer is what reading all lines would give. The newest lines are read from the journal's end; closed segments
that the cache covers are looked up there, all others are read through. No cache, half a cache or a damaged one makes
an answer slower, never another one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from state.journal_reader import decode_line
from state.layout import DeskPaths
from state.query.aggregates import Count, GroupBy, Tally, columns_of
from state.query.build import Built, Progress, build
from state.query.cache import Cache, Part
from state.query.export import each_line
from state.query.filters import ROUTINE, Filter, Sieve, matches
from state.query.forward import Oldest
from state.query.lookup import nearest_places, places_of_life, tallied
from state.query.parquet import CacheFailed
from state.query.places import growing, read_places
from state.query.reading import Problems, blocks_backward, size_bytes
from state.query.tail import belongs, life_in_segment, matching_backward, matching_forward
from state.records import JournalLine
from state.segments import Segment, list_segments

TAIL_LINES = 5000
"""So many lines of the newest closed segment are read before the cache is asked: about what loading DuckDB costs."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Operations, and what was wrong with the files that they came from, one sentence each."""

    lines: tuple[JournalLine, ...]
    left_out: int = 0
    """Routine lines that match and lie between those given."""
    problems: tuple[str, ...] = ()


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Counts sorted by group, and what was wrong with the files that they came from."""

    counts: tuple[Count, ...]
    problems: tuple[str, ...] = ()


class CacheStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the journal the cache covers. Damaged segments count as closed, never as cached."""

    segments_closed: int
    segments_cached: int
    uncached_bytes: int
    """Of closed segments that would have to be read through, but could be cached."""
    problems: tuple[str, ...] = ()


class JournalIndex:
    """Asks one journal with the help of one cache folder, which need not exist.

    The one rule: nothing here writes but `build`. May be shared by threads.
    """

    def __init__(self, journal: Path, cache: Path) -> None:
        self.journal = journal
        self.cache = cache
        self._cache = Cache(cache)

    @classmethod
    def of(cls, paths: DeskPaths) -> "JournalIndex":
        """A desk's journal, with its cache where every reader looks for it."""
        return cls(paths.journal, paths.cache / "journal")

    def newest(self, wanted: Filter, limit: int, *, routine: bool = True) -> Found:
        """The newest `limit` matching lines, newest first. Raises OSError.

        Without `routine` the lines that a desk writes by itself are left out and counted.
        """
        search = _Newest(self._cache, wanted, limit, routine=routine)
        search.run(list_segments(self.journal))
        return Found(lines=tuple(search.lines), left_out=search.left_out, problems=search.problems.all())

    def oldest(self, wanted: Filter, limit: int, *, routine: bool = True) -> Found:
        """The oldest `limit` matching lines, oldest first. Raises OSError.

        With `after_seq` these are the next ones behind a line, as a reader who turns a page back needs them.
        """
        problems = Problems()
        search = Oldest(wanted, limit, routine=routine, problems=problems)
        search.run(self.parts(wanted, problems))
        return Found(lines=tuple(search.lines), left_out=search.left_out, problems=problems.all())

    def each(
        self, wanted: Filter, *, routine: bool = True, intent: str | None = None
    ) -> Iterator[tuple[bytes, JournalLine]]:
        """Every matching line, oldest first, with its own bytes (line break included), however many. Raises OSError.

        With `intent` only of that intent's life: its own lines and those of its orders.
        """
        problems = Problems()
        parts = self.parts(wanted if intent is None else None, problems)
        return each_line([part.segment for part in parts], wanted, routine=routine, intent=intent, problems=problems)

    def life_of_intent(self, intent_id: str) -> Found:
        """Everything about one intent in journal order: its own lines and those of its orders. Raises OSError."""
        problems = Problems()
        order_refs: set[str] = set()
        life: list[JournalLine] = []
        for is_cached, run in groupby(self.parts(None, problems), lambda part: part.parquet is not None):
            parts = list(run)
            if is_cached:
                before = frozenset(order_refs)
                try:
                    life += _life_in_cache(parts, intent_id, order_refs, problems)
                    continue
                except CacheFailed:
                    order_refs = set(before)
            for part in parts:
                life += (line for _, line in life_in_segment(part.segment, intent_id, order_refs, problems))
        return Found(lines=tuple(life), problems=problems.all())

    def count_by(self, wanted: Filter, by: Sequence[GroupBy] = ()) -> Counted:
        """How many lines match, by group; without any group one count of all. Raises OSError, TooManyGroups."""
        problems = Problems()
        columns = columns_of(by)
        tally = Tally(columns)
        parts = self.parts(wanted, problems)
        cached = [part.parquet for part in parts if part.parquet is not None]
        if cached:
            try:
                of_cache = Tally(columns)
                for basis, count, quantity in tallied(cached, wanted, columns):
                    of_cache.add(basis, count, quantity)
                tally = of_cache
                parts = [part for part in parts if part.parquet is None]
            except CacheFailed:
                pass  # all of it is read through
        for part in parts:
            for line in matching_forward(part.segment, wanted, problems):
                tally.add_line(line)
        return Counted(counts=tuple(tally.counts(by)), problems=problems.all())

    def status(self) -> CacheStatus:
        """What the cache covers now. Raises OSError."""
        closed = list_segments(self.journal)[:-1]
        damaged = self._cache.problems(closed)
        uncached = [
            segment for segment in closed if not (self._cache.is_cached(segment) or self._cache.problems([segment]))
        ]
        return CacheStatus(
            segments_closed=len(closed),
            segments_cached=len(closed) - len(uncached) - len(damaged),
            uncached_bytes=sum(map(size_bytes, uncached)),
            problems=damaged,
        )

    def build(self, *, progress: Progress | None = None, should_stop: Callable[[], bool] | None = None) -> Built:
        """Bring the cache up to date in this thread: some ten seconds for a million operations. Never raises."""
        return build(self.journal, self.cache, progress=progress, should_stop=should_stop)

    def parts(self, wanted: Filter | None, problems: Problems) -> list[Part]:
        """Every segment that may hold an answer, in chain order; the open one is always read."""
        segments = list_segments(self.journal)
        for problem in self._cache.problems(segments[:-1]):
            problems.add(problem)
        return [*self._cache.parts(segments[:-1], wanted), *(Part(segment=last) for last in segments[-1:])]


class _Newest:
    """One search from the journal's end."""

    def __init__(self, cache: Cache, wanted: Filter, limit: int, *, routine: bool) -> None:
        self._cache = cache
        self._wanted = wanted
        self._limit = limit
        self._routine = routine
        self.lines: list[JournalLine] = []
        self.left_out = 0
        self.problems = Problems()

    @property
    def _missing(self) -> int:
        return self._limit - len(self.lines)

    def run(self, segments: Sequence[Segment]) -> None:
        """The open segment, a look into the newest closed one, then what the cache knows of the rest."""
        closed = list(segments[:-1])
        for last in segments[-1:]:
            self._read(last)
        if self._wanted == Filter():
            self._read_all(closed[::-1])  # every line is an answer: nothing is faster than reading them
            return
        is_of_the_end = self._wanted.until_us is None and self._wanted.before_seq is None
        if self._missing and closed and is_of_the_end and self._try(closed[-1]):
            closed.pop()
        if self._missing and closed:
            self._search(closed)

    def _search(self, closed: Sequence[Segment]) -> None:
        for problem in self._cache.problems(closed):
            self.problems.add(problem)
        parts = self._cache.parts(closed[::-1], self._wanted)
        for is_cached, run in groupby(parts, lambda part: part.parquet is not None):
            for look in growing(list(run)):
                if not self._missing:
                    return
                if not (is_cached and self._look_up(look)):
                    self._read_all([part.segment for part in look])

    def _read_all(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            if not self._missing:
                return
            self._read(segment)

    def _read(self, segment: Segment) -> None:
        for line in matching_backward(segment, self._wanted, self.problems):
            self._take(line)
            if not self._missing:
                return

    def _try(self, segment: Segment) -> bool:
        """Read a segment back as far as patience goes; False, and nothing taken, where that was not enough."""
        taken, left_out, patience = len(self.lines), self.left_out, TAIL_LINES
        sieve = Sieve(self._wanted)
        for block in blocks_backward(segment, self.problems):
            for raw in sieve.sift(block)[::-1]:
                line = decode_line(raw)
                if line is None or not matches(line, self._wanted):
                    patience -= 1
                    continue
                self._take(line)
                if not self._missing:
                    return True
            if patience <= 0:
                del self.lines[taken:]
                self.left_out = left_out
                return False
        return True

    def _take(self, line: JournalLine) -> None:
        if not self._routine and line.type in ROUTINE:
            self.left_out += 1
        else:
            self.lines.append(line)

    def _look_up(self, look: Sequence[Part]) -> bool:
        """Take what the cache names in these parts; False where it cannot tell, or not the truth."""
        files = [part.parquet for part in look if part.parquet is not None]
        try:
            places, left_out = nearest_places(files, self._wanted, self._missing, routine=self._routine, newest=True)
            lines = read_places(look, places[::-1], self.problems)
        except CacheFailed:
            return False
        if not all(matches(line, self._wanted) for line in lines):
            return False
        self.lines += reversed(lines)
        self.left_out += left_out
        return True


def _life_in_cache(
    parts: Sequence[Part], intent_id: str, order_refs: set[str], problems: Problems
) -> list[JournalLine]:
    """What cached segments hold of an intent's life; adds its orders to `order_refs`. Raises CacheFailed, OSError."""
    files = [part.parquet for part in parts if part.parquet is not None]
    places = places_of_life(files, intent_id, order_refs)
    return [line for line in read_places(parts, places, problems) if belongs(line, intent_id, order_refs)]
