"""Following a growing journal from a place in it. Never writes, never locks."""

import os
from collections.abc import Iterator
from pathlib import Path

from state.journal_reader import decode_line
from state.records import JournalLine
from state.segments import Segment, list_segments

_CHUNK_BYTES = 64 * 1024


class JournalTail:
    """Follows a growing journal: each `poll` gives the whole lines that are new since the last.

    It keeps a place in one file and reads nothing twice. A journal that was put away and begun anew is followed
    from its start.
    """

    def __init__(self, folder: Path, *, from_end: bool = True) -> None:
        self._folder = folder
        self._number = 0
        self._inode = 0
        self._offset = 0
        if from_end:
            segments = list_segments(folder)
            if segments:
                self._stand_at_end(segments[-1])

    def _stand_at_end(self, segment: Segment) -> None:
        """After the last line break: an unfinished line will be read when it is whole."""
        with segment.path.open("rb") as file:
            status = os.fstat(file.fileno())
            end = status.st_size
            found = -1
            while end > 0 and found < 0:
                start = max(0, end - _CHUNK_BYTES)
                file.seek(start)
                found = file.read(end - start).rfind(b"\n")
                end = start + found + 1
        self._number, self._inode, self._offset = segment.number, status.st_ino, end

    def poll(self) -> list[JournalLine]:
        """New whole lines, oldest first; lines that this version cannot read are left out. Raises OSError."""
        found: list[JournalLine] = []
        segments = list_segments(self._folder)
        if not any(self._is_current(segment) for segment in segments):
            self._number, self._inode, self._offset = 0, 0, 0
        for segment in segments:
            if segment.number < self._number:
                continue
            if segment.number > self._number:
                self._number, self._inode, self._offset = segment.number, segment.path.stat().st_ino, 0
            found.extend(self._read_new(segment))
        return found

    def _is_current(self, segment: Segment) -> bool:
        if segment.number != self._number:
            return False
        try:
            status = segment.path.stat()
        except FileNotFoundError:
            return False
        return status.st_ino == self._inode and status.st_size >= self._offset

    def _read_new(self, segment: Segment) -> Iterator[JournalLine]:
        with segment.path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for raw in whole.split(b"\n"):
            line = decode_line(raw)
            if line is not None:
                yield line
