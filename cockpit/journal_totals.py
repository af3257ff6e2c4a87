"""How many operations match the filters that are looked at now: counted once, then only what is new. Bounded."""

import threading
from collections import OrderedDict
from pathlib import Path

from state.layout import DeskPaths
from state.query import Filter, JournalIndex, RunningCount
from state.query.running_count import Total

MOST = 32
"""Filters that are remembered: more than are looked at at once on a home network."""


class JournalTotals:
    """Counts kept up to date, by desk and filter; shared by the routes' threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[Path, Filter, bool], tuple[RunningCount, threading.Lock]] = OrderedDict()

    def total(self, paths: DeskPaths, wanted: Filter, *, routine: bool, newer_than: int | None) -> Total:
        """As the journal is now. Raises OSError."""
        key = (paths.folder, wanted, routine)
        with self._lock:
            found = self._counts.pop(key, None)
            if found is None:
                found = (RunningCount(JournalIndex.of(paths), wanted, routine=routine), threading.Lock())
            self._counts[key] = found
            while len(self._counts) > MOST:
                self._counts.popitem(last=False)
        count, turn = found
        with turn:
            return count.count(newer_than=newer_than)
