"""A desk's history and what the statistics need of its journal, read once and then followed; shared by all pages.

The first read runs in a thread of its own with its progress said; afterwards a look costs a few stats and the lines
that are new. What is kept is bounded: a point of the curve is 20 bytes, and of days long past only each hour's
extremes stay.
"""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from cockpit.clock import monotonic_s
from state.follow import JournalTail
from state.history import FileStamp, history_stamps, read_lines
from state.layout import DeskPaths
from state.statistics.digest import Curve, DayPart, Digest, Fill, curve, decoded, joined_days
from state.statistics.operations import OperationFacts

Value = TypeVar("Value")
LOOK_EVERY_S = 0.25
FULL_DAYS = 500
"""Day files whose every minute is kept: two years of sessions, 5 MB a year; around the clock 10 MB a year."""
MOST_DESKS = 8
MOST_FACTS = 2_000_000
MOST_KEPT = 48
_Stamp = tuple[FileStamp, ...]
"""Of each of a day's files."""


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known now. Replaced as a whole, so that any thread may read it; `version` grows with each change."""

    version: int = 0
    curve: Curve = msgspec.field(default_factory=lambda: curve([]))
    fills: tuple[Fill, ...] = ()
    days: dict[str, DayPart] = msgspec.field(default_factory=dict)
    facts: OperationFacts = msgspec.field(default_factory=OperationFacts)
    fills_version: int = 0
    facts_version: int = 0
    """These two grow when fills or facts change, which is less often."""
    unreadable: int = 0
    """Lines of the history that are no sample."""
    problem: str | None = None
    """Why the newest look did not see everything; one sentence."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How far the first read is; `done` and `todo` count day files, then journal lines follow."""

    done: int = 0
    todo: int = 0
    operations: int = 0


class _DayFile:
    """One UTC day of the history as far as it was read."""

    def __init__(self, stamp: _Stamp) -> None:
        self.stamp = stamp
        self.digest = Digest()
        self.read_bytes = 0
        """Of the plain file, up to the last line break."""
        self.is_joined = False
        """Read from a compressed file, or from both: what comes next is found by reading the day anew."""

    def follow(self, folder: Path, stamp: _Stamp) -> bool:
        """Take in what was appended to a plain file; False where it is not the file that it was. Raises OSError."""
        if self.is_joined or len(stamp) != 1 or stamp[0].name.endswith(".gz"):
            return False
        if stamp[0][:2] != self.stamp[0][:2] or stamp[0].size < self.read_bytes:
            return False
        with (folder / stamp[0].name).open("rb") as file:
            if self.read_bytes:
                file.seek(self.read_bytes - 1)
                if file.read(1) != b"\n":
                    return False
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self.digest.extend(decoded(whole.splitlines()))
        self.read_bytes += len(whole)
        self.stamp = stamp
        return True


class HistoryStore:
    """One desk's past. `look` may be called from any thread; one reads at a time, the others take what is there."""

    def __init__(self, paths: DeskPaths) -> None:
        self._paths = paths
        self._turn = threading.Lock()
        self._starting = threading.Lock()
        self._looked_at = -LOOK_EVERY_S
        self._files: dict[str, _DayFile] = {}
        self._broken: dict[str, tuple[_Stamp, str]] = {}
        """Day files that could not be read as they are now, and why: not tried again before they change."""
        self._thinned: set[str] = set()
        self._tail = JournalTail(paths.journal, from_end=False)
        self._facts = OperationFacts()
        self._first = threading.Event()
        self._thread: threading.Thread | None = None
        self._kept: dict[str, tuple[object, Any]] = {}
        self.view = HistoryView()
        self.reading = Reading()

    def look(self, *, wait_s: float = 0.0) -> HistoryView:
        """The newest view. The first call starts the reading and waits for it at most `wait_s`."""
        if not self._first.is_set():
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._read_first, name=f"history of {self._paths.desk}", daemon=True
                    )
                    self._thread.start()
            self._first.wait(wait_s)
            return self.view
        if self._turn.acquire(blocking=False):
            try:
                self._follow()
            finally:
                self._turn.release()
        return self.view

    def memo(self, name: str, key: object, make: Callable[[], Value]) -> Value:
        """What `make` made when `key` was last the same; a value that another thread makes meanwhile may win."""
        kept = self._kept.get(name)
        if kept is None or kept[0] != key:
            kept = (key, make())
            self._kept.pop(name, None)
            while len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[name] = kept
        found: Value = kept[1]
        return found

    def is_read(self) -> bool:
        """Whether the first read has ended."""
        return self._first.is_set()

    def _read_first(self) -> None:
        with self._turn:
            try:
                self._refresh()
            finally:
                self._first.set()

    def _follow(self) -> None:
        now_s = monotonic_s()
        if now_s - self._looked_at >= LOOK_EVERY_S:
            self._refresh()
            self._looked_at = monotonic_s()

    def _refresh(self) -> None:
        problem = None
        changed = False
        try:
            changed = self._refresh_history()
            problem = next((said for _, said in self._broken.values()), None)
        except OSError as error:
            problem = f"the history cannot be read: {error}"
        try:
            changed |= self._refresh_facts()
        except OSError as error:
            problem = problem or f"the journal cannot be read: {error}"
        if changed or problem != self.view.problem:
            self.view = self._made(problem)

    def _refresh_history(self) -> bool:
        stamps = history_stamps(self._paths.history)
        gone = self._files.keys() - stamps.keys()
        for day in gone:
            del self._files[day]
            self._thinned.discard(day)
        changed = bool(gone)
        for number, (day, stamp) in enumerate(stamps.items(), start=1):
            try:
                changed |= self._refresh_day(day, stamp)
            except OSError as error:
                self._broken[day] = (stamp, str(error))
            if not self._first.is_set():
                self.reading = Reading(done=number, todo=len(stamps))
        self._broken = {day: broken for day, broken in self._broken.items() if day in stamps}
        for day in list(stamps)[:-FULL_DAYS]:
            if day in self._files and day not in self._thinned:
                thin(self._files[day].digest)
                self._thinned.add(day)
        return changed

    def _refresh_day(self, day: str, stamp: _Stamp) -> bool:
        known = self._files.get(day)
        if known is not None and known.stamp == stamp:
            return False
        if day in self._broken and self._broken[day][0] == stamp:
            return False
        self._broken.pop(day, None)
        self._thinned.discard(day)
        try:
            for file in (known, _DayFile(stamp)):
                if file is not None and file.follow(self._paths.history, stamp):
                    self._files[day] = file
                    return True
        except FileNotFoundError:
            pass  # put away since it was listed: read below in whatever form it is now
        joined = _DayFile(stamp)
        joined.is_joined = True
        joined.digest.extend(decoded(read_lines(self._paths.history, day)))
        self._files[day] = joined
        return True

    def _refresh_facts(self) -> bool:
        changed = False
        while True:
            lines = self._tail.poll()
            if any(line.seq == 1 for line in lines):
                # Put away and begun anew, by a salvage or a fresh start: what follows is another journal.
                self._facts = OperationFacts()
                lines = lines[max(at for at, line in enumerate(lines) if line.seq == 1) :]
                changed = True
            changed |= self._facts.extend(lines)
            if not self._first.is_set():
                read = self.reading.operations + len(lines)
                self.reading = msgspec.structs.replace(self.reading, operations=read)
            if not lines and not self._tail.has_more:
                break
        if len(self._facts.refused_us) > MOST_FACTS:
            self._facts.forget_before(self._facts.refused_us[-MOST_FACTS // 2])
        return changed

    def _made(self, problem: str | None) -> HistoryView:
        digests = [self._files[day].digest for day in sorted(self._files)]
        before = self.view
        fills = tuple(fill for digest in digests for fill in digest.fills)
        facts = before.facts
        has_facts = (len(self._facts.refused_us), len(self._facts.sent_us), self._facts.since_us)
        if has_facts != (len(facts.refused_us), len(facts.sent_us), facts.since_us):
            facts = self._facts.copied()
        return HistoryView(
            version=before.version + 1,
            curve=curve(digests),
            fills=fills,
            fills_version=before.fills_version + (fills != before.fills),
            days=joined_days(digests),
            facts=facts,
            facts_version=before.facts_version + (facts is not before.facts),
            unreadable=sum(digest.unreadable for digest in digests),
            problem=problem,
        )


def thin(digest: Digest) -> None:
    """Keep of each hour the first, lowest, highest and last point."""
    ts_us = np.array(digest.ts_us, dtype=np.int64)
    if ts_us.size == 0:
        return
    equity = np.array(digest.equity_usd, dtype=np.float64)
    hours = ts_us // 3_600_000_000
    order = np.lexsort((equity, hours))
    edges = np.flatnonzero(np.append(True, hours[order][1:] != hours[order][:-1]))
    ends = np.append(edges[1:], ts_us.size) - 1
    _, first = np.unique(hours, return_index=True)
    _, last = np.unique(hours[::-1], return_index=True)
    keep = np.unique(np.concatenate((order[edges], order[ends], first, ts_us.size - 1 - last)))
    digest.ts_us = array("q", ts_us[keep].tolist())
    digest.equity_usd = array("d", equity[keep].tolist())
    digest.drawdown_pct = array("f", np.array(digest.drawdown_pct)[keep].tolist())


class HistoryStores:
    """The stores of the desks that somebody looked at lately."""

    def __init__(self, most: int = MOST_DESKS) -> None:
        self._most = most
        self._turn = threading.Lock()
        self._stores: OrderedDict[Path, HistoryStore] = OrderedDict()

    def of(self, paths: DeskPaths) -> HistoryStore:
        """The desk's store, made where there is none; the one not asked for longest goes beyond the bound."""
        with self._turn:
            store = self._stores.get(paths.folder)
            if store is None:
                store = self._stores[paths.folder] = HistoryStore(paths)
                if len(self._stores) > self._most:
                    self._stores.popitem(last=False)
            self._stores.move_to_end(paths.folder)
            return store


stores = HistoryStores()
"""Of this process: pages and routes share it."""
