"""What the runtime does around a journal that fails: rescue, remember, measure."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import state.journal
from config.schema import Storage
from daemon.core.effects import Record
from daemon.core.events import AnyEvent, DiskReport, SinkFailed
from daemon.core.recovery import checkpoint
from daemon.core.turn import halted, latched
from daemon.runtime import snapshot_publisher
from daemon.runtime.clocks import MarketClock, wall_us
from daemon.runtime.disk_watch import DiskWatch
from daemon.runtime.journal_sink import JournalSink
from daemon.runtime.recovery import FAILED, UnwritableJournalError, open_journal, start_run
from daemon.runtime.requests import RequestDesk
from daemon.runtime.slowest_append import SlowestAppend
from state.control import RequestRead, read_requests
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import Check, JournalType, SelfCheck
from state.reserve import RESERVE_NAME
from state.snapshot import write_snapshot
from state.verification import verify
from tests.runtime.test_snapshot_publisher import Published
from tests.runtime.workbench import WALL_US, Bench, synced_book
from tests.support.desk_files import make_snapshot

T = JournalType
SECOND_NS = 1_000_000_000


def note(status: str) -> Record:
    return Record(type=T.TRANSITION, status=status)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[JournalSink]:
    writer = JournalWriter(tmp_path / "journal", wall_us=lambda: WALL_US)
    writer.open()
    made = JournalSink(writer, desk="desk", run_id="run", checkpoint=lambda: checkpoint(synced_book()))
    assert made.write([note("first")], ts_us=WALL_US, tape_seq=None) is None
    yield made
    made.close()


def said_statuses(folder: Path) -> list[str | None]:
    return [line.status for line in read_journal(folder / "journal")]


def refuse_writes(monkeypatch: pytest.MonkeyPatch, code: int, *, after_bytes: int = 0) -> None:
    real = os.write
    taken: list[int] = []

    def write(descriptor: int, data: bytes) -> int:
        if taken or after_bytes == 0:
            monkeypatch.undo()
            raise OSError(code, os.strerror(code))
        taken.append(after_bytes)
        return real(descriptor, data[:after_bytes])

    monkeypatch.setattr(os, "write", write)


def test_a_stderr_on_the_full_disk_ends_nothing(
    sink: JournalSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - its close is refused as well
    try:
        refuse_writes(monkeypatch, errno.ENOSPC)
        with contextlib.redirect_stderr(full):
            error = sink.write([note("a"), note("b")], ts_us=WALL_US, tape_seq=None)
    finally:
        with pytest.raises(OSError, match="No space left"):
            full.close()  # what was said is still in its buffer
    assert error is not None
    assert said_statuses(tmp_path) == ["checkpoint", "first", "a", "b"]


def test_records_that_a_full_disk_refused_are_journaled_in_the_room_of_the_reserve(
    sink: JournalSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse_writes(monkeypatch, errno.ENOSPC)
    error = sink.write([note("a"), note("b")], ts_us=WALL_US, tape_seq=None)
    assert error is not None
    assert "No space left" in error
    assert sink.failed == error
    assert sink.write([note("c")], ts_us=WALL_US, tape_seq=None) is None
    assert said_statuses(tmp_path) == ["checkpoint", "first", "a", "b", "c"]
    said = capsys.readouterr().err
    assert "ALARM journal_failed" in said
    assert "not journaled" not in said
    assert not (tmp_path / "journal" / RESERVE_NAME).exists()
    assert sink.failed == error


def test_what_landed_of_a_refused_write_is_not_written_twice(
    sink: JournalSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (segment,) = (tmp_path / "journal").glob("*.jsonl")
    line_bytes = len(segment.read_bytes().splitlines(keepends=True)[-1])
    refuse_writes(monkeypatch, errno.ENOSPC, after_bytes=line_bytes + 20)
    sink.write([note("second"), note("third")], ts_us=WALL_US, tape_seq=None)
    assert said_statuses(tmp_path) == ["checkpoint", "first", "second", "third", "repaired"]
    assert verify(tmp_path / "journal").ok


def test_after_a_second_refusal_everything_is_said(
    sink: JournalSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse_writes(monkeypatch, errno.ENOSPC)
    assert sink.write([note("a")], ts_us=WALL_US, tape_seq=None) is not None
    refuse_writes(monkeypatch, errno.ENOSPC)
    assert sink.write([note("b")], ts_us=WALL_US, tape_seq=None) is None
    assert sink.write([note("c")], ts_us=WALL_US, tape_seq=None) is None
    said = capsys.readouterr().err
    assert said.count("ALARM journal_failed") == 1
    assert '"status":"b"' in said
    assert '"status":"c"' in said
    assert said_statuses(tmp_path) == ["checkpoint", "first", "a"]


def test_a_record_that_cannot_be_encoded_ends_new_risk_but_the_sound_file_takes_the_halt(
    sink: JournalSink, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = sink.write([Record(type=T.INTENT, price=float("nan"))], ts_us=WALL_US, tape_seq=None)
    assert error is not None
    assert sink.write([halted(FAILED, error)], ts_us=WALL_US, tape_seq=None) is None
    assert said_statuses(tmp_path) == ["checkpoint", "first", "latched"]
    assert (tmp_path / "journal" / RESERVE_NAME).exists()
    assert "not journaled" in capsys.readouterr().err


def test_a_closed_segment_is_told_so_that_the_snapshot_is_synced(
    sink: JournalSink, paths: DeskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Published(paths)
    sink.rotated = published.publisher.rotated
    synced: list[bool] = []
    outcomes = iter([OSError(errno.ENOSPC, "full"), None, None, None])
    real = snapshot_publisher.write_present

    def noting(*args: Any, sync: bool, **others: Any) -> None:
        synced.append(sync)
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        real(*args, sync=sync, **others)

    monkeypatch.setattr(snapshot_publisher, "write_present", noting)
    sink._writer._segment_bytes = 1
    sink.write([note("opens a segment")], ts_us=WALL_US, tape_seq=None)
    for _ in range(3):
        published.publisher.publish(sync=False)
    # A sync that failed is owed until a fresh file has had one.
    assert synced == [True, True, False]


async def test_the_tape_ends_with_the_journal_so_that_it_takes_none_of_the_last_room(paths: DeskPaths) -> None:
    bench = Bench(paths, lambda book, event: ())
    bench.handle(SinkFailed(ts_us=WALL_US, what="journal", error="full"))
    size = bench.tape._writer.tape_seq
    bench.handle(SinkFailed(ts_us=WALL_US, what="journal", error="full"))
    assert bench.tape._writer.tape_seq == size == 1
    bench.close()


def test_a_failure_met_by_an_unreadable_request_reaches_the_core(
    sink: JournalSink, paths: DeskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[AnyEvent] = []
    desk = RequestDesk(paths.requests, emit=told.append, journal=sink, now_us=lambda: WALL_US, known=frozenset())
    refuse_writes(monkeypatch, errno.EIO)
    desk.requested(RequestRead(name="junk.json", request=None, problem="no JSON", age_ms=1.0))
    (event,) = told
    assert isinstance(event, SinkFailed)
    assert event.what == "journal"


def test_a_request_whose_name_is_no_text_is_refused_and_fails_nothing(sink: JournalSink, paths: DeskPaths) -> None:
    (paths.requests / os.fsdecode(b"r\xfe.json")).touch()
    (read,) = read_requests(paths.requests, WALL_US)
    desk = RequestDesk(paths.requests, emit=pytest.fail, journal=sink, now_us=lambda: WALL_US, known=frozenset())
    desk.requested(read)
    assert sink.failed is None
    assert list(paths.requests.iterdir()) == []


# --- what a restart remembers ----------------------------------------------------------------------
def red_snapshot(paths: DeskPaths, *, journal_seq: int, journal_hash: str) -> None:
    check = Check(name="journal", ok=False, severity="red", measured="Input/output error", reason=FAILED)
    verdict = SelfCheck(status="blocked", block_reasons=(FAILED,), checks=(check,))
    snapshot = make_snapshot(desk=paths.desk, self_check=verdict, journal_seq=journal_seq, journal_hash=journal_hash)
    write_snapshot(paths.snapshot, snapshot, sync=True)


def journal_with(paths: DeskPaths, *records: Record) -> tuple[int, str]:
    writer = JournalWriter(paths.journal, wall_us=wall_us)
    writer.open()
    sink = JournalSink(writer, desk=paths.desk, run_id="r")
    sink.write([checkpoint(synced_book()), *records], ts_us=WALL_US, tape_seq=None)
    sink.close()
    return sink.head


def test_a_failure_that_only_the_snapshot_saw_is_latched_at_the_next_start(paths: DeskPaths) -> None:
    seq, hash_ = journal_with(paths)
    red_snapshot(paths, journal_seq=seq, journal_hash=hash_)
    desk = open_journal(paths)
    assert desk.failed_before == "Input/output error"
    sink = JournalSink(desk.writer, desk=paths.desk, run_id="r2")
    book = latched(synced_book(), FAILED, desk.failed_before)
    assert start_run(sink, desk, book, ts_us=WALL_US, identity={}) is None
    sink.close()
    again = open_journal(paths)
    assert again.failed_before is None
    assert again.recovered.ledger is not None
    assert [halt.code for halt in again.recovered.ledger.halts] == [FAILED]
    again.writer.close()


def test_a_reset_behind_the_snapshot_has_ended_it(paths: DeskPaths) -> None:
    seq, hash_ = journal_with(paths)
    desk = open_journal(paths)
    sink = JournalSink(desk.writer, desk=paths.desk, run_id="r2")
    sink.write([Record(type=T.RESET, status="done")], ts_us=WALL_US, tape_seq=None)
    sink.close()
    red_snapshot(paths, journal_seq=seq, journal_hash=hash_)
    assert open_journal(paths).failed_before is None


def test_a_green_snapshot_remembers_nothing(paths: DeskPaths) -> None:
    seq, hash_ = journal_with(paths)
    write_snapshot(paths.snapshot, make_snapshot(journal_seq=seq, journal_hash=hash_), sync=True)
    assert open_journal(paths).failed_before is None


def test_a_journal_that_cannot_be_read_at_start_is_no_crash(paths: DeskPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    journal_with(paths)

    def broken(folder: Path) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("daemon.runtime.recovery.read_since_checkpoint", broken)
    with pytest.raises(UnwritableJournalError, match="Input/output error"):
        open_journal(paths)


# --- the disk --------------------------------------------------------------------------------------
def test_the_slowest_append_is_that_of_the_last_minute() -> None:
    slowest = SlowestAppend()
    assert slowest.within(0) == 0.0
    for second, duration_ms in enumerate((5.0, 400.0, 3.0, 20.0, 1.0)):
        slowest.add(second * SECOND_NS, duration_ms)
    assert slowest.within(60 * SECOND_NS) == 400.0
    assert slowest.within(61 * SECOND_NS) == 20.0
    assert slowest.within(63 * SECOND_NS) == 1.0
    assert slowest.within(64 * SECOND_NS) == 0.0


def test_an_append_is_measured_with_its_sync(sink: JournalSink, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(state.journal, "_sync_data", lambda descriptor: time.sleep(0.05))
    sink.write([note("slow")], ts_us=WALL_US, tape_seq=None)
    assert sink.slowest.within(time.monotonic_ns()) >= 50.0


class Told:
    """A disk watch over a folder whose room the test sets."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free_mib = 5000.0
        self.reports: list[DiskReport] = []
        self.slowest = SlowestAppend()
        real = os.statvfs(folder)
        fields = {name: getattr(real, name) for name in dir(real) if name.startswith("f_")}

        def statvfs(asked: Path) -> Any:
            room = {"f_frsize": 1024, "f_bavail": round(self.free_mib * 1024), "f_files": 0}
            return msgspec.defstruct("Room", [(name, Any) for name in fields])(**{**fields, **room})

        monkeypatch.setattr(os, "statvfs", statvfs)
        self.watch = DiskWatch(
            (folder,),
            limits=Storage(min_free_mib=100.0, slow_sync_ms=250.0),
            clock=MarketClock(WALL_US),
            emit=self.reports.append,  # type: ignore[arg-type]
            slowest=self.slowest,
        )


def test_the_core_hears_of_the_disk_when_a_verdict_changes_and_not_of_every_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(tmp_path, monkeypatch)
    for free_mib in (5000.0, 4000.0, 99.0, 98.0, 105.0, 111.0, 5000.0):
        told.free_mib = free_mib
        told.watch.look()
    assert [report.free_mib for report in told.reports] == [5000.0, 99.0, 111.0]
    assert {report.free_inodes for report in told.reports} == {None}
    import time

    told.slowest.add(time.monotonic_ns(), 300.0)
    told.watch.look()
    assert told.reports[-1].slowest_append_ms == 300.0
    # Without a change, once a minute.
    told.watch._told_ns -= 61 * SECOND_NS
    told.watch.look()
    assert len(told.reports) == 5


def test_a_disk_that_cannot_be_asked_has_no_room(tmp_path: Path) -> None:
    reports: list[AnyEvent] = []
    watch = DiskWatch(
        (tmp_path, tmp_path / "gone"),
        limits=Storage(),
        clock=MarketClock(WALL_US),
        emit=reports.append,
        slowest=SlowestAppend(),
    )
    watch.look()
    (report,) = reports
    assert isinstance(report, DiskReport)
    assert (report.free_mib, report.free_inodes) == (0.0, None)


def test_a_real_disk_is_measured(tmp_path: Path) -> None:
    reports: list[AnyEvent] = []
    watch = DiskWatch(
        (tmp_path,), limits=Storage(), clock=MarketClock(WALL_US), emit=reports.append, slowest=SlowestAppend()
    )
    watch.look()
    (report,) = reports
    assert isinstance(report, DiskReport)
    found = os.statvfs(tmp_path)
    assert report.free_mib == pytest.approx(found.f_bavail * found.f_frsize / 1024**2, rel=0.2)
