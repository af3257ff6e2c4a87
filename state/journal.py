"""The journal's writer: operations, durable before anything acts on them.

One append is one write and one fdatasync. After the first failure the writer is broken: a second fsync on the same
file may succeed although the data is lost, so nobody tries one. Where the system merely refused room, a descriptor or
a permission, `last_words` reads the record again through a fresh descriptor; see there.
"""

import errno
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import filelock
import msgspec

from state.anchors import head_before, read_chain
from state.atomic import sync_path_to, write_again, write_all
from state.chain import Head, seal
from state.records import JournalLine, JournalType
from state.reserve import RESERVE_BYTES, Reserve
from state.segments import (
    JournalDamaged,
    JournalError,
    Segment,
    cut_torn_end,
    day_of,
    scan,
    segment_path,
)

__all__ = ["JournalDamaged", "JournalError", "JournalWriter", "Opened", "Repair"]

SEGMENT_BYTES = 16 * 1024 * 1024
"""Where a segment ends, at the next append that may start one; checking one this big takes a fraction of a second."""

_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync

_REFUSALS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM},
)
"""What a write or an open may say while everything on the disk is still sound."""


class _UnsyncedNameError(OSError):
    """A new segment's name may not be on the disk: like any failed sync, it leaves nothing to believe in."""


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """A torn end that `open` cut off: the bytes now lie in `kept_in`. To be journaled as `repaired`."""

    segment: str
    offset: int
    torn_bytes: int
    kept_in: str


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What `open` found: the head of the chain (0 and zeros for a new journal) and the repair, if one was needed."""

    repaired: Repair | None
    head_seq: int
    head_hash: str
    reserve_bytes: int = 0
    """Room that is kept for the last words; 0 when the disk had none to give."""


class JournalWriter:
    """The one writer of a journal folder.

    The one rule: after any JournalError from `append` take no new risk; what `last_words` may still allow is meant
    for the halt and for what lowers risk. Lines must be numbered from `next_seq` on. When `rotation_due()` is true,
    begin the next append with a `ledger_checkpoint`: only such an append starts a new segment, so that each segment
    can be read alone.
    """

    def __init__(
        self,
        folder: Path,
        *,
        wall_us: Callable[[], int],
        segment_bytes: int = SEGMENT_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._folder = folder
        self._wall_us = wall_us
        self._segment_bytes = segment_bytes
        self._lock = filelock.FileLock(folder / ".lock", timeout=0)
        self._reserve = Reserve(folder, reserve_bytes)
        self._head = Head()
        self._segment: Segment | None = None
        self._descriptor: int | None = None
        self._size = 0
        self._broken: str | None = "open() was not called"
        self._may_speak = False
        self._speaking = False

    def open(self, *, anchor: tuple[int, str] | None = None) -> Opened:
        """Check the last segment, cut off a torn end, and stand ready to append.

        `anchor` is a (journal_seq, journal_hash) that somebody remembers, as the snapshot does: the chain alone
        cannot tell that its last lines are gone. Raises JournalDamaged for anything but a torn end, JournalError
        when another process writes here or the folder cannot be used.
        """
        try:
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._lock.acquire()
        except filelock.Timeout as error:
            raise JournalError(f"{self._folder}: another process writes this journal; stop it first") from error
        except OSError as error:
            raise JournalError(f"{self._folder}: cannot be written: {error}") from error
        try:
            opened = self._open_last(anchor)
            if self._segment is not None and self._descriptor is not None:
                # The run before may have ended at a failed sync: what is read here need not be on the disk.
                write_again(self._segment.path, self._size)
            # Nor need the names, where the process that made them was killed before it could sync.
            sync_path_to(self._folder)
        except OSError as error:
            self._let_go()
            raise JournalError(f"{self._folder}: cannot be opened: {error}") from error
        except JournalDamaged:
            self._let_go()
            raise
        self._broken = None
        return msgspec.structs.replace(opened, reserve_bytes=self._reserve.keep())

    def _open_last(self, anchor: tuple[int, str] | None) -> Opened:
        chain = read_chain(self._folder)
        repaired = None
        if chain.segments:
            self._segment = chain.segments[-1]
            before = head_before(chain, len(chain.segments) - 1)
            found = scan(self._segment, before, last=True)
            if found.torn_bytes:
                kept = cut_torn_end(self._segment.path, found.good_bytes)
                repaired = Repair(
                    segment=self._segment.path.name,
                    offset=found.good_bytes,
                    torn_bytes=found.torn_bytes,
                    kept_in=kept.name,
                )
            self._head = found.head
            self._size = found.good_bytes
            if not self._segment.is_compressed:  # such a one is closed: the next append begins another
                self._descriptor = os.open(self._segment.path, os.O_WRONLY | os.O_APPEND)
        require_anchor(self._folder, self._head, anchor)
        return Opened(repaired=repaired, head_seq=self._head.seq, head_hash=self._head.hash)

    @property
    def next_seq(self) -> int:
        """The number that the next line must carry."""
        return self._head.seq + 1

    @property
    def head(self) -> tuple[int, str]:
        """Sequence number and hash of the last line."""
        return self._head.seq, self._head.hash

    @property
    def segment_number(self) -> int:
        """The number of the segment that is written to; 0 before the first."""
        return 0 if self._segment is None else self._segment.number

    @property
    def broken(self) -> str | None:
        """Why nothing can be written any more; None while it works."""
        return self._broken

    def rotation_due(self) -> bool:
        """Whether the next append should start a segment, and so begin with a `ledger_checkpoint`."""
        if self._segment is None or self._segment.is_compressed or self._size == 0:
            return True
        return not self._speaking and (
            self._size >= self._segment_bytes or self._segment.day != day_of(self._wall_us())
        )

    def append(self, lines: Sequence[JournalLine]) -> None:
        """Write all lines in one write; they are on the disk when this returns.

        Raises JournalError when the system refuses (then nothing more can be written), ValueError for lines
        that cannot be journaled (wrong number, a number that is not finite); nothing is written then.
        """
        if self._broken is not None:
            raise JournalError(f"{self._folder}: the journal is closed to writing: {self._broken}")
        if not lines:
            return
        content, head = self._encode(lines)
        written = False
        try:
            descriptor = self._rotate(lines[0])
            write_all(descriptor, content)
            written = True
            _sync_data(descriptor)
        except OSError as error:
            self._broken = str(error)
            unsynced = written or isinstance(error, _UnsyncedNameError)
            self._may_speak = not (unsynced or self._speaking) and error.errno in _REFUSALS
            raise JournalError(f"{self._folder}: cannot be written: {error}") from error
        self._size += len(content)
        self._head = head

    def last_words(self) -> Opened | None:
        """After a failed append: give up the reserve and stand ready again, on a fresh descriptor; None if hopeless.

        For the halt and for the operator's flatten, not for business as before. Possible once, and only after a
        write or an open was refused (no room, no descriptor, no permission). After a failed sync or an I/O error
        nothing here may be believed, and the record is left as it is. Whole lines of the failed append may have
        landed: they stay, `head_seq` tells which. A torn one is cut off and kept, as at `open`.
        """
        if not self._may_speak:
            return None
        self._may_speak = False
        self._speaking = True
        acknowledged = self._head
        self._close_descriptor()
        self._reserve.release()
        try:
            opened = self._open_last(self.head)
            if self._descriptor is not None:
                _sync_data(self._descriptor)
        except (OSError, JournalError) as error:
            self._broken = str(error)
            self._head = acknowledged
            return None
        self._broken = None
        return opened

    def close(self) -> None:
        """Let go of the journal; every line that `append` took is on the disk already."""
        self._broken = "it was closed"
        self._let_go()

    def _let_go(self) -> None:
        self._close_descriptor()
        self._reserve.close()
        self._lock.release()

    def _close_descriptor(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            with suppress(OSError):
                os.close(descriptor)

    def _encode(self, lines: Sequence[JournalLine]) -> tuple[bytes, Head]:
        head = self._head
        parts = []
        for line in lines:
            if line.seq != head.seq + 1:
                raise ValueError(f"journal line of type {line.type}: seq {line.seq}, expected {head.seq + 1}")
            body = msgspec.json.encode(line)
            if b"null" in body:
                # The encoder writes what is not finite as null; without the word there is nothing to look for.
                _require_finite(line)
            sealed, head = seal(head, body)
            parts.append(sealed)
        return b"".join(parts), head

    def _rotate(self, first: JournalLine) -> int:
        """The descriptor to write to, of a new segment where one is due and the append can open it.

        The very first append always opens one. The old segment is let go of last: whatever refuses the new one,
        the old one is still in hand.
        """
        if self._descriptor is not None and (
            self._size == 0  # an empty segment of an interrupted start is used, not left behind
            or first.type is not JournalType.LEDGER_CHECKPOINT
            or not self.rotation_due()
        ):
            return self._descriptor
        number = self.segment_number + 1
        day = day_of(self._wall_us())
        path = segment_path(self._folder, day, number)
        # The folder's descriptor first: refused later, it would leave a segment whose name nothing makes durable.
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
            try:
                os.fsync(folder)
            except OSError as error:
                os.close(descriptor)
                raise _UnsyncedNameError(error.errno, error.strerror) from error
        finally:
            os.close(folder)
        self._close_descriptor()
        self._descriptor = descriptor
        self._segment = Segment(path, day, number)
        self._size = 0
        return descriptor


def require_anchor(folder: Path, head: Head, anchor: tuple[int, str] | None) -> None:
    """Raise JournalDamaged when somebody remembers a line that comes after `head`, or another line at its place."""
    if anchor is None:
        return
    seq, remembered = anchor
    if seq > head.seq or (seq == head.seq and remembered != head.hash):
        detail = f"ends at seq {head.seq}, but the snapshot remembers seq {seq}; lines were lost or replaced"
        raise JournalDamaged(path=folder, line=0, kind="lost_tail", detail=detail)


def _require_finite(line: JournalLine) -> None:
    """JSON has no NaN or infinity, and the encoder would quietly write null."""
    for name in ("quantity", "price", "latency_ms"):
        value = getattr(line, name)
        if value is not None and not math.isfinite(value):
            raise ValueError(f"journal line {line.seq} of type {line.type}: {name} is {value}")
    if line.data is not None:
        _require_finite_data(line, line.data, "data")


def _require_finite_data(line: JournalLine, value: Any, where: str) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"journal line {line.seq} of type {line.type}: {where} is {value}")
    elif isinstance(value, dict):
        for key, item in value.items():
            _require_finite_data(line, item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for item in value:
            _require_finite_data(line, item, where)
