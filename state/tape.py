"""The tape: the events that the core consumed, so that a day can be replayed.

Every file starts with a checkpoint of the book and its first tape number; each event follows on its own line,
written before its effects run, not synced. What an event holds is the business of its writer and reader. The
folder is bounded: see `state/tape_folder.py`, which also knows the files' names.
"""

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from state.archive import archive_path
from state.atomic import write_all
from state.records import SCHEMA_VERSION, TapeCheckpoint, TapeEvent
from state.segments import ARCHIVE_ERRORS
from state.tape_folder import make_room, tape_files
from state.undecodable import UNDECODABLE

__all__ = ["TapeError", "TapeWriter", "read_checkpoint", "read_events", "tape_files"]

FILE_BYTES = 256 * 1024 * 1024
MAX_BYTES = 4096 * 1024 * 1024
_LAST_EVENT_BYTES = 64 * 1024
"""How far the event that fills a file may reach beyond its mark."""

_checkpoint_decoder = msgspec.json.Decoder(TapeCheckpoint)
_event_decoder = msgspec.json.Decoder(TapeEvent)


class TapeError(Exception):
    """The tape could not be written or read; the text names the file."""


class TapeWriter:
    """Writes the tape of one run, in files `<run_id>-<number>.jsonl`.

    The one rule: `start` with a checkpoint comes first, and again whenever `rotation_due()`. After a TapeError
    from `append` the tape of this run has ended: no line follows a half-written one. The whole folder stays within
    `max_bytes`, in which a file takes at most a quarter, so that this holds within one long run too.
    """

    def __init__(
        self, folder: Path, *, desk: str, run_id: str, file_bytes: int = FILE_BYTES, max_bytes: int = MAX_BYTES
    ) -> None:
        self._folder = folder
        self._desk = desk
        self._run_id = run_id
        self._max_bytes = max_bytes
        self._file_bytes = min(file_bytes, max_bytes // 4)
        self._descriptor: int | None = None
        self._number = 0
        self._size = 0
        self._full_at = self._file_bytes
        self.tape_seq = 0
        """The number of the last event; 0 before the first. Starts anew with each run."""

    def start(self, checkpoint: Any, *, ts: str, wall_ts: str) -> tuple[str, ...]:
        """Begin a file with a checkpoint of the book (anything JSON), after making room for it. Raises TapeError.

        Gives a line for each old file that could not be removed: the tape goes on, but the operator should know.
        """
        self.close()
        self._number += 1
        path = self._folder / f"{self._run_id}-{self._number:04d}.jsonl"
        first = TapeCheckpoint(
            schema=SCHEMA_VERSION,
            desk=self._desk,
            run_id=self._run_id,
            tape_seq=self.tape_seq,
            ts=ts,
            wall_ts=wall_ts,
            checkpoint=msgspec.Raw(msgspec.json.encode(checkpoint)),
        )
        line = msgspec.json.encode(first) + b"\n"
        # As many bytes of events as of the book: a book larger than a file must not begin one at every event.
        self._full_at = max(self._file_bytes, 2 * len(line))
        try:
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            problems = make_room(self._folder, self._max_bytes - self._full_at - _LAST_EVENT_BYTES)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
            self._write(line)
        except OSError as error:
            self.close()
            raise TapeError(f"{path}: cannot be written: {error}") from error
        return problems

    def rotation_due(self) -> bool:
        """Whether the file is full and `start` should be called."""
        return self._descriptor is not None and self._size >= self._full_at

    def append(self, event: Any) -> int:
        """Write one event (anything JSON); gives its tape_seq. Raises TapeError, and then for ever."""
        if self._descriptor is None:
            raise TapeError(f"the tape of run {self._run_id} is not open")
        tape_seq = self.tape_seq + 1
        try:
            self._write(b'{"tape_seq":%d,"event":%b}\n' % (tape_seq, msgspec.json.encode(event)))
        except (OSError, ValueError) as error:  # a text that is no Unicode cannot be encoded
            self.close()
            raise TapeError(f"the tape of run {self._run_id} cannot be written: {error}") from error
        self.tape_seq = tape_seq
        return tape_seq

    def close(self) -> None:
        """Let go of the file; nothing is synced."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._size = 0

    def _write(self, content: bytes) -> None:
        if self._descriptor is None:
            raise OSError("no file is open")
        write_all(self._descriptor, content)
        self._size += len(content)


def read_checkpoint(path: Path) -> TapeCheckpoint:
    """The first line of a tape file. Raises TapeError."""
    try:
        with _open(path) as file:
            return _checkpoint_decoder.decode(file.readline())
    except (OSError, *ARCHIVE_ERRORS, *UNDECODABLE) as error:
        raise TapeError(f"{path}, line 1: not a tape's checkpoint: {error}") from error


def read_events(path: Path, *, torn: Callable[[int], None] = lambda _: None) -> Iterator[TapeEvent]:
    """The events of one file in order; an unfinished last line is left out. Raises TapeError with the line.

    `torn` is told how many bytes that line has.
    """
    expected = read_checkpoint(path).tape_seq
    for number, raw in _lines(path):
        if number == 1:
            continue
        if not raw.endswith(b"\n"):
            torn(len(raw))
            return
        expected += 1
        try:
            event = _event_decoder.decode(raw)
        except UNDECODABLE as error:
            raise TapeError(f"{path}, line {number}: not an event: {error}") from error
        if event.tape_seq != expected:
            raise TapeError(f"{path}, line {number}: tape_seq {event.tape_seq}, expected {expected}")
        yield event


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered from 1. Raises TapeError for what cannot be read or unpacked."""
    number = 0
    try:
        with _open(path) as file:
            for number, raw in enumerate(file, start=1):
                yield number, raw
    except (OSError, *ARCHIVE_ERRORS) as error:
        raise TapeError(f"{path}, line {number + 1}: cannot be read: {error}") from error


def _open(path: Path) -> BinaryIO:
    """A tape file as it was written; also where it was compressed since its name was read. Raises OSError."""
    if path.suffix != ".gz":
        try:
            return path.open("rb")
        except FileNotFoundError:
            path = archive_path(path)
    return cast("BinaryIO", gzip.open(path, "rb"))
