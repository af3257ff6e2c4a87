"""The tape of one run: every event that the core consumes, written (not synced) before its effects run."""

from pathlib import Path

import structlog

from daemon.core.book import Book
from daemon.core.events import AnyEvent
from daemon.runtime.clocks import wall_us
from state.tape import TapeWriter
from state.times import iso_from_us

_MIB = 1024 * 1024
_log = structlog.stdlib.get_logger("bifrost.runtime.tape")


class TapeSink:
    """Starts each tape file with a checkpoint of the book. After a TapeError the tape has ended for this run.

    The tape's folder stays within `max_mib`: the oldest files make room for a new one.
    """

    def __init__(self, folder: Path, *, desk: str, run_id: str, max_mib: float) -> None:
        self._writer = TapeWriter(folder, desk=desk, run_id=run_id, max_bytes=int(max_mib * _MIB))

    def start(self, book: Book) -> None:
        """Begin a file. Raises TapeError."""
        problems = self._writer.start(book, ts=iso_from_us(book.ts_us), wall_ts=iso_from_us(wall_us()))
        for problem in problems:
            _log.warning("tape_not_bounded", problem=problem)

    def write(self, event: AnyEvent, before: Book) -> int:
        """Write one event; `before` is the book that has not seen it yet. Returns its tape_seq. Raises TapeError."""
        if self._writer.rotation_due():
            self.start(before)
        return self._writer.append(event)

    def close(self) -> None:
        """Let go of the file."""
        self._writer.close()
