"""Publishes the present and the history samples from a thread of its own, off the decision path.

A thread rather than a task, so that a blocked event loop is still seen: the snapshot goes on and its
`loop_age_ms` grows.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import structlog

from daemon.core.book import Book
from daemon.core.effects import Sample
from daemon.runtime.clocks import monotonic_ns, wall_us
from daemon.runtime.engine import Latest
from state.control import read_control
from state.layout import DeskPaths
from state.light import light
from state.records import SCHEMA_VERSION, HistorySample, LatencyMs, Snapshot
from state.sink import write_present
from state.snapshot import read_snapshot
from state.times import iso_from_us

_log = structlog.stdlib.get_logger("bifrost.runtime.snapshot")

_MIN_INTERVAL_S: Final = 0.1
"""At most ten snapshots a second, however many decisions."""


Sink = Literal["snapshot", "history"]


class Identity(NamedTuple):
    """What every snapshot of this run repeats."""

    desk: str
    run_id: str
    profile: str
    profile_hash: str
    version: str
    client_id: int
    period_ms: int


class SnapshotPublisher:
    """Writes `snapshot.json` each period and soon after decisions, newest wins; and `history/` lines.

    The one rule: `run` belongs to a worker thread; everything else is called from the loop's thread.
    `present` turns a book into the snapshot's fields (pure); `failed(what, error)` is called in the worker thread.
    """

    def __init__(
        self,
        *,
        paths: DeskPaths,
        identity: Identity,
        latest: Callable[[], Latest],
        present: Callable[[Book], dict[str, Any]],
        latency: Callable[[], LatencyMs | None],
        failed: Callable[[Sink, str], None],
    ) -> None:
        self._paths = paths
        self._identity = identity
        self._latest = latest
        self._present = present
        self._latency = latency
        self._failed = failed
        self._failing: set[Sink] = set()
        self._samples: deque[tuple[Sample, Book]] = deque()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._halts: tuple[str, ...] = ()
        self._sync_due = False
        self._seq = _last_seq(paths.snapshot)

    def decided(self) -> None:
        """A decision was made: publish soon."""
        self._wake.set()

    def rotated(self) -> None:
        """A journal segment was closed: the next snapshot, which remembers the chain's head, is synced to disk."""
        self._sync_due = True
        self._wake.set()

    def sample(self, sample: Sample, book: Book) -> None:
        """Append one history line soon."""
        self._samples.append((sample, book))
        self._wake.set()

    def stop(self) -> None:
        """Publish once more, synced to disk, and end."""
        self._stopped.set()
        self._wake.set()

    def run(self) -> None:
        """Publish until stopped. Any error but the disk's is a bug and ends the daemon."""
        while not self._stopped.is_set():
            published_ns = monotonic_ns()
            self.publish(sync=False)
            if self._wake.wait(_left_s(published_ns, self._identity.period_ms / 1000)):
                self._stopped.wait(_left_s(published_ns, _MIN_INTERVAL_S))
            self._wake.clear()
        self.publish(sync=True)

    def publish(self, *, sync: bool) -> None:
        """Write the present now, and every waiting sample."""
        latest = self._latest()
        self._seq += 1
        snapshot = self._snapshot(
            latest.book, latest.journal_head, loop_age_ms=(monotonic_ns() - latest.alive_ns) / 1e6
        )
        halts = tuple(halt.code for halt in latest.book.ledger.halts)
        due, self._sync_due = self._sync_due, False
        sync = sync or due or halts != self._halts
        samples = []
        while self._samples:
            sample, book = self._samples.popleft()
            shown = self._snapshot(book, latest.journal_head, loop_age_ms=0.0)
            samples.append(self._history_line(sample, shown, day=book.ledger.day))
        # Without samples, or when the history takes none: the present must still be seen.
        written = bool(samples) and self._write("history", snapshot, samples, sync=sync)
        if written or self._write("snapshot", snapshot, (), sync=sync):
            self._halts = halts
        elif due:
            self._sync_due = True

    def _snapshot(self, book: Book, journal_head: tuple[int, str], *, loop_age_ms: float) -> Snapshot:
        return Snapshot(
            **self._present(book),
            schema=SCHEMA_VERSION,
            pid=os.getpid(),
            seq=self._seq,
            wall_ts=iso_from_us(wall_us()),
            profile=self._identity.profile,
            profile_hash=self._identity.profile_hash,
            version=self._identity.version,
            client_id=self._identity.client_id,
            period_ms=self._identity.period_ms,
            journal_seq=journal_head[0],
            journal_hash=journal_head[1],
            latency_ms=self._latency(),
            loop_age_ms=loop_age_ms,
        )

    def _history_line(self, sample: Sample, snapshot: Snapshot, *, day: str) -> HistorySample:
        control = read_control(self._paths.control, wall_us())
        return HistorySample(
            schema=SCHEMA_VERSION,
            kind=sample.kind,
            desk=snapshot.desk,
            run_id=snapshot.run_id,
            ts=snapshot.ts,
            wall_ts=snapshot.wall_ts,
            session_date=day or None,
            equity_usd=snapshot.equity_usd,
            daily_pnl_usd=snapshot.daily_pnl_usd,
            drawdown_pct=snapshot.drawdown_pct,
            underlying_price=_underlying_mid(snapshot),
            net_delta_shares=_net_delta_shares(snapshot),
            own_shares=snapshot.own_shares,
            hedges_today=None if snapshot.counters is None else snapshot.counters.get("hedges_today"),
            pnl_parts=snapshot.pnl_parts,
            traded_usd=None if snapshot.counters is None else snapshot.counters.get("traded_usd"),
            light=light(snapshot, control, wall_us()).state,
            data=sample.data,
        )

    def _write(self, what: Sink, snapshot: Snapshot, samples: Sequence[HistorySample], *, sync: bool) -> bool:
        """True when written; a new failure is reported once, and again only after a success."""
        try:
            write_present(self._paths, snapshot, samples=samples, sync=sync)
        except OSError as error:
            if what not in self._failing:
                self._failing.add(what)
                _log.critical("sink_failed", what=what, error=str(error))
                self._failed(what, str(error))
            return False
        self._failing.discard(what)
        return True


def _left_s(since_ns: int, interval_s: float) -> float:
    """What is left of an interval that began at `since_ns`."""
    return max(0.0, interval_s - (monotonic_ns() - since_ns) / 1e9)


def _underlying_mid(snapshot: Snapshot) -> float | None:
    """The underlying is the first instrument; a price for the history needs both sides."""
    if not snapshot.instruments:
        return None
    quote = snapshot.instruments[0]
    return None if quote.bid is None or quote.ask is None else (quote.bid + quote.ask) / 2


def _net_delta_shares(snapshot: Snapshot) -> float | None:
    """A strategy that has greeks shows them under this name."""
    greeks = None if snapshot.strategy is None else snapshot.strategy.get("greeks")
    return greeks.get("net_delta_shares") if isinstance(greeks, dict) else None


def _last_seq(snapshot: Path) -> int:
    """Where `seq` goes on, so that it grows over restarts of the desk; damage jumps ahead rather than back."""
    if not snapshot.exists():
        return 0
    read = read_snapshot(snapshot)
    # Ten snapshots a second can never have counted as many milliseconds as there are since 1970.
    return wall_us() // 1000 if read.snapshot is None else read.snapshot.seq
