"""From where the cache says that lines are to the lines themselves, a few segments at a time."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from state.query.cache import Part
from state.query.lookup import Place
from state.query.parquet import CacheFailed
from state.query.reading import Problems, lines_at
from state.records import JournalLine

FIRST_LOOK = 8
"""Segments that are looked up at once, the nearest first; then twice as many, and so on."""


def growing(parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
    """A few first, then twice as many, and so on: what is asked for is mostly near."""
    parts = list(parts)
    size = FIRST_LOOK
    while parts:
        yield parts[:size]
        del parts[:size]
        size *= 2


def read_places(parts: Sequence[Part], places: Sequence[Place], problems: Problems) -> list[JournalLine]:
    """The lines at these places, which are in chain order. Raises CacheFailed where one is not there, OSError."""
    segments = {part.segment.number: part.segment for part in parts}
    lines: list[JournalLine] = []
    for number, run in groupby(places, lambda place: place[0]):
        lines += lines_at(segments[number], [at for _, at in run], problems)
    if len(lines) != len(places):
        raise CacheFailed("not every line is where the cache says")
    return lines
