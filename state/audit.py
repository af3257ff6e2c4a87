"""Who did what: hash-chained like the journal, but written by several processes, one at a time under a lock."""

import os
from pathlib import Path
from typing import Any, Literal

import filelock
import msgspec

from state.anchors import read_chain
from state.atomic import sync_folder, write_all
from state.chain import Head, seal
from state.journal_reader import raw_lines_backwards
from state.records import AuditLine
from state.segments import (
    JournalDamaged,
    checked_lines,
    cut_torn_end,
    day_of,
    head_at_end,
    list_segments,
    segment_path,
)
from state.times import iso_from_us

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
    """Append one entry durably and give it back. Waits for other writers up to 5 s. Raises AuditError."""
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=_LOCK_TIMEOUT_S):
            head = _current_head(folder)
            line = AuditLine(
                seq=head.seq + 1,
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
            _append(folder, head, line, wall_us)
    except filelock.Timeout as error:
        raise AuditError(f"{folder}: another process holds the audit's lock for more than 5 s") from error
    except (OSError, JournalDamaged) as error:
        raise AuditError(f"{folder}: cannot be written: {error}") from error
    return line


def read_audit(folder: Path) -> list[AuditLine]:
    """Every entry in order, with the chain checked. Raises JournalDamaged at the first that does not hold."""
    found = []
    chain = read_chain(folder)
    head, segments = chain.start, chain.segments
    for index, segment in enumerate(segments):
        for body, after, _ in checked_lines(segment, head, last=index == len(segments) - 1):
            head = after
            found.append(_audit_decoder.decode(body))
    return found


def newest_audit(folder: Path, limit: int) -> list[AuditLine]:
    """The newest entries, newest first, unchecked; what is no entry is left out. Raises OSError."""
    found: list[AuditLine] = []
    for segment in reversed(list_segments(folder)):
        for raw in raw_lines_backwards(segment.path):
            if len(found) >= limit:
                return found
            try:
                found.append(_audit_decoder.decode(raw))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
    return found


def _current_head(folder: Path) -> Head:
    """Where the chain stands; a torn end that a dead writer left is cut off first. The lock is held."""
    segments = list_segments(folder)
    if not segments:
        return Head()
    last = segments[-1]
    with last.path.open("rb") as file:
        content = file.read()
    good_bytes = content.rfind(b"\n") + 1
    if good_bytes < len(content):
        cut_torn_end(last.path, good_bytes)
    if good_bytes == 0:
        return head_at_end(segments[-2]) if len(segments) > 1 else Head()
    return head_at_end(last)


def _append(folder: Path, head: Head, line: AuditLine, wall_us: int) -> None:
    """One write and one fsync, into today's segment. The lock is held."""
    segments = list_segments(folder)
    day = day_of(wall_us)
    sealed, _ = seal(head, msgspec.json.encode(line))
    if segments and segments[-1].day == day:
        path = segments[-1].path
    else:
        path = segment_path(folder, day, segments[-1].number + 1 if segments else 1)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        write_all(descriptor, sealed)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(folder)
