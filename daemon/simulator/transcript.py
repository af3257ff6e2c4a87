"""What clients asked, in the order it arrived: for tests ("no order after the stop") and for reading afterwards."""

import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import msgspec

from daemon.simulator.codec import Values

_KEPT = 100_000
_QUIET = frozenset({"reqCurrentTime"})
"""Probes come with every step; the file leaves them out."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One request of one client."""

    monotonic_s: float
    """The machine's monotonic clock, which on one machine is the same for every process."""
    market_us: int
    client_id: int | None
    request: str
    values: Values


class Transcript:
    """The newest requests in memory, and all but probes in a JSONL file where one is named."""

    def __init__(self, path: Path | None = None) -> None:
        self.entries: deque[Heard] = deque(maxlen=_KEPT)
        self._file: TextIO | None = None if path is None else path.open("a", encoding="utf-8", buffering=1)

    def hear(self, *, market_us: int, client_id: int | None, request: str, values: Values) -> None:
        """Note one request."""
        entry = Heard(
            monotonic_s=time.monotonic(), market_us=market_us, client_id=client_id, request=request, values=values
        )
        self.entries.append(entry)
        if self._file is not None and request not in _QUIET:
            with suppress(OSError):  # a full disk costs the note, never the request
                self._file.write(msgspec.json.encode(entry).decode() + "\n")

    def requests(self, name: str) -> list[Heard]:
        """Every kept request of that name."""
        return [entry for entry in self.entries if entry.request == name]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
