"""The lines of a csv file, plain or gzip, one at a time, with errors that name file and line."""

import csv
import gzip
import hashlib
import io
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from daemon.venues.feeds.errors import FeedError

MOST_BYTES = 1 << 20
"""Of one line. A header for a thousand options has 40 thousand."""
BLOCK_BYTES = 1 << 18
"""Of a block: about eight thousand ticks."""
_DAMAGED = (OSError, EOFError, zlib.error)


class CsvLines:
    """Iterates over (line number, fields); blank lines are left out. Whoever forgets to `close` it leaks nothing."""

    def __init__(self, path: Path) -> None:
        """Raises FeedError where there is no such file, or it cannot be opened."""
        self.path = path
        self.digest = hashlib.sha256()
        """Over the text, unpacked: a file and its archive are the same data."""
        self.is_cut_off = False
        """The last line has no line end."""
        try:
            self._size = path.stat().st_size
            self._raw = path.open("rb")
        except OSError as error:
            raise FeedError(f"{path} cannot be read: {error.strerror or error}") from None
        weakref.finalize(self, self._raw.close)
        packed = self._raw.peek(2)[:2] == b"\x1f\x8b"
        self._file = cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw)) if packed else self._raw
        self._number = 0

    def done(self) -> float:
        """0 to 1, by bytes."""
        if self._raw.closed or self._size == 0:
            return 1.0
        return min(1.0, self._raw.tell() / self._size)

    def close(self) -> None:
        """Let go of the file."""
        self._raw.close()

    def place(self) -> str:
        """The newest line, for an error."""
        return f"{self.path} line {self._number}"

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Line by line. Raises FeedError: not UTF-8, a NUL byte, an endless line, an open quotation, a bad archive."""
        while line := self._read_line():
            yield from self._parsed(line)

    def block(self) -> bytes:
        """Some of the coming lines as they are, whole ones (the last of the file may have no end); empty at the end.

        Each block goes to `lines_of` or `pass_over`, before the next one is taken.
        """
        try:
            block = self._file.read(BLOCK_BYTES)
        except _DAMAGED as error:
            raise self._damage(error) from None
        if block and not block.endswith(b"\n"):
            block += self._read_line()
        return block

    def lines_of(self, block: bytes) -> Iterator[tuple[int, list[str]]]:
        """As iterating, over the lines of one block."""
        for line in io.BytesIO(block):
            yield from self._parsed(line)

    def pass_over(self, block: bytes) -> None:
        """Count the lines of a block that is read in another way."""
        self.digest.update(block)
        self._number += block.count(b"\n") + (not block.endswith(b"\n"))
        self.is_cut_off = not block.endswith(b"\n")

    @property
    def next_line(self) -> int:
        """The number of the line that comes next."""
        return self._number + 1

    def _parsed(self, line: bytes) -> Iterator[tuple[int, list[str]]]:
        self._number += 1
        self.digest.update(line)
        if len(line) > MOST_BYTES:
            raise FeedError(f"{self.place()} has more than {MOST_BYTES} bytes: this is no csv file of quotes")
        if b"\0" in line:
            raise FeedError(f"{self.place()} holds a NUL byte: this is no text, or the file is damaged")
        self.is_cut_off = not line.endswith((b"\n", b"\r"))
        text = self._text(line)
        if text:
            yield self._number, self._fields(text)

    def _read_line(self) -> bytes:
        try:
            return self._file.readline(MOST_BYTES + 1)
        except _DAMAGED as error:
            raise self._damage(error) from None

    def _damage(self, error: Exception) -> FeedError:
        return FeedError(f"{self.path} cannot be read behind line {self._number}: {error}")

    def _text(self, line: bytes) -> str:
        try:
            return line.decode("utf-8-sig" if self._number == 1 else "utf-8").strip("\r\n ")
        except UnicodeDecodeError as error:
            raise FeedError(f"{self.place()} is not UTF-8 ({error.reason}): save the file as UTF-8") from None

    def _fields(self, text: str) -> list[str]:
        if '"' not in text:
            return text.split(",")
        try:
            return next(csv.reader([text], strict=True))
        except (csv.Error, StopIteration) as error:
            raise FeedError(f"{self.place()}: {error}") from None
