"""Which closed segments the cache can answer for: an entry that fits its segment, and a file that fits its entry."""

import functools
from collections.abc import Sequence
from pathlib import Path

import msgspec

from state.query.filters import Filter
from state.query.manifest import (
    MANIFEST_NAME,
    Content,
    Entry,
    Manifest,
    Stamp,
    content_of,
    is_of,
    parquet_path,
    read_manifest,
    stamp_of,
)
from state.segments import Segment


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A segment to be asked, and its Parquet file where the cache may answer for it."""

    segment: Segment
    parquet: Path | None = None


class Cache:
    """The reading side of a cache folder. Never writes; what is missing or does not fit is simply not used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last_read: tuple[Stamp | None, Manifest] | None = None

    def manifest(self) -> Manifest:
        """The manifest as it is now; read again only when the file changed."""
        try:
            stamp = stamp_of(self.folder / MANIFEST_NAME)
        except OSError:
            stamp = None
        last = self._last_read
        if last is None or stamp is None or stamp != last[0]:
            last = self._last_read = (stamp, read_manifest(self.folder))
        return last[1]

    def parts(self, closed: Sequence[Segment], wanted: Filter | None) -> list[Part]:
        """The closed segments that may hold an answer, in the order given."""
        entries = self.manifest().entries
        found = []
        for segment in closed:
            entry = entries.get(segment.name)
            if entry is None or entry.problem is not None or not is_of(entry, segment):
                found.append(Part(segment=segment))
            elif wanted is None or entry.may_answer(wanted):
                found.append(Part(segment=segment, parquet=self._parquet(entry)))
        return found

    def problems(self, segments: Sequence[Segment]) -> tuple[str, ...]:
        """What the builder found wrong with these segments and nobody has changed since."""
        entries = self.manifest().entries
        marked = ((entries.get(segment.name), segment) for segment in segments)
        return tuple(
            entry.problem
            for entry, segment in marked
            if entry is not None and entry.problem is not None and is_of(entry, segment)
        )

    def is_cached(self, segment: Segment) -> bool:
        """Whether the cache can answer for this segment."""
        entry = self.manifest().entries.get(segment.name)
        if entry is None or entry.problem is not None or not is_of(entry, segment):
            return False
        return entry.rows == 0 or self._parquet(entry) is not None

    def is_complete(self, closed: Sequence[Segment]) -> bool:
        """Whether a build would find nothing to do: each is cached or marked as damaged, and no other is kept."""
        if self.manifest().entries.keys() != {segment.name for segment in closed}:
            return False
        return all(self.is_cached(segment) or self.problems([segment]) for segment in closed)

    def _parquet(self, entry: Entry) -> Path | None:
        path = parquet_path(self.folder, entry.segment)
        try:
            return path if _content_of(path, stamp_of(path)) == entry.file else None
        except OSError:
            return None


@functools.lru_cache(maxsize=10_000)
def _content_of(path: Path, _: Stamp) -> Content:
    """What is in a Parquet file: a process reads each one whole, once, before it is used. Raises OSError."""
    with path.open("rb") as file:
        return content_of(file)
