"""Who did what: hash-chained like the journal, but written by several processes, one at a time under a lock."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import filelock
import msgspec

from state.anchors import read_chain
from state.atomic import sync_path_to, write_again, write_all
from state.chain import Head, seal
from state.journal_reader import segment_backwards
from state.lock_holder import holder_of
from state.records import AuditLine
from state.segments import (
    JournalDamaged,
    Segment,
    checked_lines,
    cut_torn_end,
    day_of,
    head_at_end,
    last_line_break,
    list_segments,
    segment_path,
)
from state.times import iso_from_us
from state.undecodable import UNDECODABLE

SEGMENT_BYTES = 4 * 1024 * 1024
"""Where a segment ends, besides at the wall day's end."""

_LOCK_TIMEOUT_S = 5.0
_audit_decoder = msgspec.json.Decoder(AuditLine)


class AuditError(Exception):
    """The audit could not be written; what was to be audited should then not be done."""


def append_audit(
    folder: Path,
    *,
    wall_us: int,
    source: Literal["cockpit", "cli", "supervisor"],
    action: str,
    by: str,
    outcome: str,
    reason: str | None = None,
    command_id: str | None = None,
    address: str | None = None,
    data: dict[str, Any] | None = None,
) -> AuditLine:
    """Append one entry durably and give it back. Waits for other writers up to 5 s. Raises AuditError.

    A torn end that a killed writer left is kept beside the segment first, and an entry `repaired` says so.
    """
    entry = AuditLine(
        seq=0,
        wall_ts=iso_from_us(wall_us),
        source=source,
        action=action,
        by=by,
        outcome=outcome,
        reason=reason,
        command_id=command_id,
        address=address,
        data=data,
    )
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        with _locked(folder):
            return _append(folder, entry, wall_us)
    except (OSError, JournalDamaged) as error:
        raise AuditError(f"{folder}: cannot be written: {error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the audit's lock. Raises AuditError, naming the holder where the system knows it; OSError."""
    lock = filelock.FileLock(folder / ".lock", timeout=_LOCK_TIMEOUT_S)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        holder = holder_of(folder / ".lock")
        raise AuditError(
            f"{folder}: {holder} holds the audit's lock for more than {_LOCK_TIMEOUT_S:g} s; end it if it hangs"
        ) from error
    try:
        yield
    finally:
        lock.release()


def read_audit(folder: Path) -> list[AuditLine]:
    """Every entry in order, with the chain checked. Raises JournalDamaged at the first that does not hold."""
    found = []
    chain = read_chain(folder)
    head, segments = chain.start, chain.segments
    for index, segment in enumerate(segments):
        lines = checked_lines(segment, head, last=index == len(segments) - 1)
        for number, (body, after, _) in enumerate(lines, start=1):
            head = after
            try:
                found.append(_audit_decoder.decode(body))
            except UNDECODABLE as error:
                detail = f"not an entry of this version: {error}"
                raise JournalDamaged(path=segment.path, line=number, kind="unknown_type", detail=detail) from error
    return found


def newest_audit(folder: Path, limit: int) -> list[AuditLine]:
    """The newest entries, newest first, unchecked; what is no entry is left out. Raises OSError."""
    found: list[AuditLine] = []
    for segment in reversed(list_segments(folder)):
        for raw in segment_backwards(segment):
            if len(found) >= limit:
                return found
            with suppress(*UNDECODABLE):
                found.append(_audit_decoder.decode(raw))
    return found


class _End(msgspec.Struct, frozen=True, kw_only=True):
    """Where the record stands: its head, its last segment (None for an empty folder) and that one's size."""

    head: Head
    segment: Segment | None = None
    size: int = 0
    repaired: dict[str, Any] | None = None


def _append(folder: Path, entry: AuditLine, wall_us: int) -> AuditLine:
    """One write and one fsync. The lock is held."""
    end = _cut_to_end(folder)
    head = end.head
    content = b""
    if end.repaired is not None:
        note = msgspec.structs.replace(
            entry, seq=head.seq + 1, action="repaired", outcome="done", data=end.repaired, reason=None, command_id=None
        )
        content, head = seal(head, msgspec.json.encode(note))
    entry = msgspec.structs.replace(entry, seq=head.seq + 1)
    content += seal(head, msgspec.json.encode(entry))[0]
    day = day_of(wall_us)
    if end.segment is not None and not _is_full(end, day):
        _write(end.segment.path, end.size, content)
        return entry
    if end.segment is not None and not end.segment.is_compressed:
        # Its last line and its name may be of a writer that was killed before its sync; the new one builds on them.
        write_again(end.segment.path, end.size)
        sync_path_to(folder)
    number = 1 if end.segment is None else end.segment.number + 1
    _write(segment_path(folder, day, number), 0, content)
    return entry


def _cut_to_end(folder: Path) -> _End:
    """Where the record stands; a torn end that a dead writer left is cut off first. Only the end is read."""
    segments = list_segments(folder)
    if not segments or segments[-1].is_compressed:
        last = segments[-1] if segments else None
        return _End(head=head_at_end(last) if last is not None else read_chain(folder).start, segment=last)
    last = segments[-1]
    with last.path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        good_bytes = last_line_break(file, size) + 1
    repaired = None
    if good_bytes < size:
        kept = cut_torn_end(last.path, good_bytes)
        repaired = {
            "segment": last.path.name,
            "offset": good_bytes,
            "torn_bytes": size - good_bytes,
            "kept_in": kept.name,
        }
    if good_bytes > 0:
        head = head_at_end(last)
    else:
        head = head_at_end(segments[-2]) if len(segments) > 1 else read_chain(folder).start
    return _End(head=head, segment=last, size=good_bytes, repaired=repaired)


def _is_full(end: _End, day: str) -> bool:
    """Whether the next entry starts a segment. An empty one, of an append that was refused, is used at any day."""
    if end.segment is None or end.segment.is_compressed:
        return True
    return end.size > 0 and (end.size >= SEGMENT_BYTES or end.segment.day != day)


def _write(path: Path, size: int, content: bytes) -> None:
    """Append durably to a file of `size` bytes; after a refusal none of it remains. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
        sync_path_to(path.parent)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, size)  # where this is refused too, the next writer finds a torn end
        raise
    finally:
        os.close(descriptor)
