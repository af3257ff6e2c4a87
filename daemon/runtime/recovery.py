"""Opens a desk's journal for a new run: repair, fold, and the lines that every run starts with."""

import os
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from daemon.core.book import Book
from daemon.core.effects import Record
from daemon.core.recovery import Recovered, checkpoint, recover
from daemon.core.turn import halted
from daemon.runtime.clocks import monotonic_ns, wall_us
from daemon.runtime.journal_sink import JournalSink, repaired
from state.journal import JournalDamaged, JournalError, JournalWriter, Opened
from state.journal_reader import lines_backwards, read_since_checkpoint
from state.layout import DeskPaths
from state.records import JournalType
from state.snapshot import read_snapshot
from state.times import us_from_iso
from state.verified import verify_closed

FAILED: Final = "journal_failed"
_TELL_EVERY_NS: Final = 3_000_000_000
_log = structlog.stdlib.get_logger("bifrost.runtime.recovery")
UNFOLDABLE: Final = (JournalError, msgspec.MsgspecError, ValueError, LookupError, TypeError)
"""What reading and folding lines raises whose chain holds: nobody damaged them, another version wrote them."""
OTHER_VERSION: Final = "its chain holds, so a salvage would not help: use the version of this program that wrote it"
_WAY_OUT: Final = "run ./bifrost salvage once you have read the runbook, journal_damaged"


class DamagedJournalError(Exception):
    """The journal cannot be trusted or read (exit 5); one line that names the place."""


class UnwritableJournalError(Exception):
    """The journal's folder cannot be written at start (exit 2)."""


class Opens(Protocol):
    """The core's other verb."""

    def open(self, *, desk: str, run_id: str, recovered: Recovered, new_ledger_id: str, ts_us: int) -> Book:
        """The first book of a run."""
        ...


class _Progress:
    """Tells the log every few seconds how far the first reading of a long journal is."""

    def __init__(self) -> None:
        self._told_ns = monotonic_ns()

    def __call__(self, done: int, total: int) -> None:
        now_ns = monotonic_ns()
        if now_ns - self._told_ns >= _TELL_EVERY_NS:
            self._told_ns = now_ns
            _log.info("verifying_journal", segments_done=done, segments=total)


class OpenedDesk(NamedTuple):
    """A journal ready to be written, what it remembers, and the newest `ts` in it (0 for a new desk).

    `failed_before` says why an earlier run could not write the journal, where only its last snapshot remembers.
    """

    writer: JournalWriter
    opened: Opened
    recovered: Recovered
    last_ts_us: int
    failed_before: str | None


def open_journal(paths: DeskPaths) -> OpenedDesk:
    """Open, repair a torn end and fold. Raises DamagedJournalError or UnwritableJournalError."""
    if paths.salvaging.exists():
        # An empty journal/ beside it must not begin anew: the desk's shares are in what was put aside.
        raise DamagedJournalError(f"{paths.salvaging}: a salvage was cut short; run ./bifrost salvage again")
    writer = JournalWriter(paths.journal, wall_us=wall_us)
    try:
        verify_closed(paths.journal, progress=_Progress())  # the writer itself looks at the last segment only
        opened = writer.open(anchor=snapshot_anchor(paths))
    except JournalDamaged as error:
        raise DamagedJournalError(f"{error}; {_WAY_OUT}") from error
    except JournalError as error:
        raise UnwritableJournalError(str(error)) from error
    except OSError as error:
        raise UnwritableJournalError(f"{paths.journal}: cannot be read: {error}") from error
    try:
        recovered = recover(read_since_checkpoint(paths.journal))
        newest = next(iter(lines_backwards(paths.journal)), None)
        failed_before = _unjournaled_failure(paths, recovered)
    except OSError as error:
        writer.close()
        raise UnwritableJournalError(f"{paths.journal}: cannot be read: {error}") from error
    except UNFOLDABLE as error:
        writer.close()
        broken = isinstance(error, JournalDamaged) and error.kind != "unknown_type"
        raise DamagedJournalError(f"{paths.journal}: {error}; {_WAY_OUT if broken else OTHER_VERSION}") from error
    last_ts_us = 0 if newest is None else us_from_iso(newest.ts)
    return OpenedDesk(
        writer=writer, opened=opened, recovered=recovered, last_ts_us=last_ts_us, failed_before=failed_before
    )


def start_run(
    sink: JournalSink, desk: OpenedDesk, book: Book, *, ts_us: int, identity: dict[str, str | int | None]
) -> str | None:
    """Write the lines every run starts with, durably; returns the error if the disk refuses them."""
    records = [checkpoint(book)]
    if desk.opened.repaired is not None:
        records.append(repaired(desk.opened.repaired))
    if desk.failed_before is not None:
        records.append(halted(FAILED, desk.failed_before))
    records.append(Record(type=JournalType.RUN_STARTED, status="started", data={**identity, "pid": os.getpid()}))
    return sink.write(records, ts_us=ts_us, tape_seq=None)


def answered_requests(paths: DeskPaths, *, within_us: int = 120_000_000) -> frozenset[str]:
    """Ids of the operator requests that the journal answered lately; older files are refused by their age anyway."""
    since_us = wall_us() - within_us
    ids: set[str] = set()
    for line in lines_backwards(paths.journal):
        if us_from_iso(line.wall_ts) < since_us:
            break
        if line.data is not None and "request_id" in line.data:
            ids.add(str(line.data["request_id"]))
    return frozenset(ids)


def _unjournaled_failure(paths: DeskPaths, recovered: Recovered) -> str | None:
    """Why the last run could not write its journal, where it could not write the halt either.

    Then its last snapshot alone remembers, until a reset stands in the journal behind the head that it knew.
    """
    snapshot = read_snapshot(paths.snapshot).snapshot
    if snapshot is None or FAILED not in snapshot.self_check.block_reasons:
        return None
    if recovered.ledger is not None and any(halt.code == FAILED for halt in recovered.ledger.halts):
        return None
    known_seq = 0 if snapshot.journal_seq is None else snapshot.journal_seq
    for line in lines_backwards(paths.journal):
        if line.seq <= known_seq:
            break
        if line.type is JournalType.RESET:
            return None
    said = [check.measured for check in snapshot.self_check.checks if check.reason == FAILED]
    return str(said[0]) if said and said[0] is not None else "by the word of the last snapshot"


def snapshot_anchor(paths: DeskPaths) -> tuple[int, str] | None:
    """The chain's head as the last snapshot remembers it: the chain alone cannot miss its own last lines."""
    snapshot = read_snapshot(paths.snapshot).snapshot
    if snapshot is None or snapshot.journal_seq is None or snapshot.journal_hash is None:
        return None
    return snapshot.journal_seq, snapshot.journal_hash
