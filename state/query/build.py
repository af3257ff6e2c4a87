"""Building the cache: every closed segment is verified and written down in a Parquet file, one after the other.

Only the reading side builds, one process at a time, and whatever it leaves half done is done again. A segment whose
chain does not hold is not cached: its entry in the manifest only says why.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import filelock
import msgspec

from state.anchors import iterate_anchors
from state.chain import Head
from state.journal_reader import decode_line
from state.query.cache import Cache
from state.query.manifest import Content, Entry, Stamp, content_of, is_of, parquet_path, stamp_of, write_manifest
from state.query.parquet import CacheFailed, Row, row_of, write_parquet
from state.query.reading import size_bytes
from state.records import JournalLine, JournalType
from state.segments import (
    ARCHIVE_ERRORS,
    JournalDamaged,
    Segment,
    checked_lines,
    head_at_end,
    list_segments,
    open_segment,
)

MIN_FREE_BYTES = 512 * 1024 * 1024
"""A cache is never worth the room that the journal may need."""
_BATCH_ROWS = 1000
_TEMPORARY = ".tmp"
_encoder = msgspec.json.Encoder()

Progress = Callable[[int, int], None]
"""Told after every segment: bytes of segments done, bytes of all segments to do."""


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """What a build did. `complete` means that every closed segment is now cached or known to be damaged."""

    segments: int = 0
    complete: bool = False
    busy: bool = False
    """Another process builds this cache; nothing was done."""
    problems: tuple[str, ...] = ()


class CacheUnwritable(Exception):  # noqa: N818 - becomes a problem in words; questions are answered without a cache
    """The cache folder cannot be written, or its disk has no room to spare."""


def build(
    journal: Path, folder: Path, *, progress: Progress | None = None, should_stop: Callable[[], bool] | None = None
) -> Built:
    """Bring the cache up to date with the journal. Never raises for the state of either: see `problems`."""
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=0):
            return _Builder(journal, folder).run(progress, should_stop)
    except filelock.Timeout:
        return Built(busy=True)
    except (OSError, CacheUnwritable) as error:
        return Built(problems=(f"the cache {folder} cannot be built: {error}",))


class _Builder:
    """One build, by the holder of the lock."""

    def __init__(self, journal: Path, folder: Path) -> None:
        self._journal = journal
        self._folder = folder
        self._cache = Cache(folder)
        self._entries: dict[str, Entry] = {}
        self._problems: list[str] = []

    def run(self, progress: Progress | None, should_stop: Callable[[], bool] | None) -> Built:
        """Go through the closed segments in chain order, carrying the head that each must continue."""
        closed = list_segments(self._journal)[:-1]
        self._sweep(closed)
        sizes = [size_bytes(segment) for segment in closed]
        built, done_bytes = 0, 0
        head = self._start(closed)
        for segment, its_bytes in zip(closed, sizes, strict=True):
            if should_stop is not None and should_stop():
                return Built(segments=built, problems=tuple(self._problems))
            entry = self._fitting(segment, head)
            if entry is None:
                entry = self._build(segment, head)
                built += 1
            if entry is not None and entry.problem is not None:
                self._problems.append(entry.problem)
            head = None if entry is None else entry.after
            done_bytes += its_bytes
            if progress is not None:
                progress(done_bytes, sum(sizes))
        return Built(segments=built, complete=True, problems=tuple(self._problems))

    def _sweep(self, closed: Sequence[Segment]) -> None:
        """Forget segments that retention removed, and remove what belongs to no entry, also of a died builder."""
        known = self._cache.manifest().entries
        self._entries = {segment.name: known[segment.name] for segment in closed if segment.name in known}
        if self._entries != known:
            write_manifest(self._folder, self._entries)
        for path in self._folder.iterdir():
            is_left_over = path.suffix == ".parquet" and path.stem not in self._entries
            if is_left_over or path.suffix == _TEMPORARY:
                path.unlink(missing_ok=True)

    def _start(self, closed: Sequence[Segment]) -> Head | None:
        """The head before the first segment; None where neither birth nor anchor accounts for it."""
        if not closed or closed[0].number == 1:
            return Head()
        try:
            for anchor in iterate_anchors(self._journal):
                if anchor.number == closed[0].number - 1:
                    return Head(anchor.last_seq, anchor.last_hash)
        except JournalDamaged as error:
            self._problems.append(str(error))
        return None

    def _fitting(self, segment: Segment, head: Head | None) -> Entry | None:
        """The entry where it is still true, with a fresh stamp; None where the segment must be looked at again."""
        entry = self._entries.get(segment.name)
        if entry is None or entry.before != head:
            return None
        if is_of(entry, segment):
            return entry if entry.problem is not None or self._cache.is_cached(segment) else None
        if entry.problem is not None:
            return None
        try:
            stamp = stamp_of(segment.path)
            if _content(segment) != entry.content:
                return None
        except (OSError, *ARCHIVE_ERRORS):
            return None
        self._keep(msgspec.structs.replace(entry, stamp=stamp))
        return entry if self._cache.is_cached(segment) else None

    def _build(self, segment: Segment, head: Head | None) -> Entry | None:
        """Verify a segment and write its file; None where it went away, or cannot be written down."""
        if shutil.disk_usage(self._folder).free < MIN_FREE_BYTES:
            raise CacheUnwritable(f"less than {MIN_FREE_BYTES // 2**20} MiB of its disk are free")
        try:
            stamp = stamp_of(segment.path)
            try:
                entry = self._written(segment, stamp, head)
            except JournalDamaged as error:
                entry = Entry(
                    segment=segment.name, stamp=stamp, before=head, after=_words_of_end(segment), problem=str(error)
                )
            if stamp_of(segment.path) != stamp:
                return None  # compressed or replaced under our eyes: the next build will see it as it is then
        except FileNotFoundError:
            return None
        except CacheFailed as error:
            self._problems.append(f"{segment.path}: cannot be cached: {error}")
            return None
        self._keep(entry)
        return entry

    def _written(self, segment: Segment, stamp: Stamp, head: Head | None) -> Entry:
        if head is None:
            detail = "cannot be verified, because of what is missing or damaged before it"
            raise JournalDamaged(path=segment.path, line=0, kind="missing_segment", detail=detail)
        found = _Found(head)
        rows = self._folder / f"{segment.name}.rows{_TEMPORARY}"
        made = self._folder / f"{segment.name}.parquet{_TEMPORARY}"
        try:
            with rows.open("wb") as file:
                file.writelines(found.encoded(segment))
            parquet = None
            if found.rows:
                write_parquet(rows, made)
                with made.open("rb") as file:
                    parquet = content_of(file)
                made.replace(parquet_path(self._folder, segment.name))
        finally:
            rows.unlink(missing_ok=True)
            made.unlink(missing_ok=True)
        return Entry(
            segment=segment.name,
            stamp=stamp,
            content=_content(segment),
            before=head,
            after=found.head,
            rows=found.rows,
            from_us=found.from_us,
            to_us=found.to_us,
            types=frozenset(found.types),
            file=parquet,
        )

    def _keep(self, entry: Entry) -> None:
        self._entries[entry.segment] = entry
        write_manifest(self._folder, self._entries)


class _Found:
    """What going through one segment gives, checked line by line."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.rows = 0
        self.from_us: int | None = None
        self.to_us: int | None = None
        self.types: set[JournalType] = set()

    def encoded(self, segment: Segment) -> Iterator[bytes]:
        """The rows of its readable lines as newline-delimited JSON, in batches. Raises JournalDamaged."""
        batch: list[Row] = []
        at = 0
        for body, head, end in checked_lines(segment, self.head, last=False):
            line = decode_line(body)
            if line is not None:
                batch.append(self._row(line, segment.number, at))
            self.head, at = head, end
            if len(batch) == _BATCH_ROWS:
                yield _encoder.encode_lines(batch)
                batch.clear()
        yield _encoder.encode_lines(batch)

    def _row(self, line: JournalLine, number: int, at: int) -> Row:
        row = row_of(line, number, at)
        self.rows += 1
        self.types.add(line.type)
        if row.ts_us is not None:
            self.from_us = row.ts_us if self.from_us is None else min(self.from_us, row.ts_us)
            self.to_us = row.ts_us if self.to_us is None else max(self.to_us, row.ts_us)
        return row


def _content(segment: Segment) -> Content:
    with open_segment(segment) as file:
        return content_of(file)


def _words_of_end(segment: Segment) -> Head | None:
    """Where a damaged segment says that it ends, so that what follows it can still be verified."""
    try:
        return head_at_end(segment)
    except JournalDamaged:
        return None
