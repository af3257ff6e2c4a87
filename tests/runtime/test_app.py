"""`run_daemon` in this process: how a run ends, and what it says when it cannot start."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.core.book import Book
from daemon.core.effects import AnyEffect
from daemon.core.events import AnyEvent, Quote
from daemon.core.step import Core
from daemon.runtime.app import run_daemon
from daemon.runtime.clocks import Clock, MarketClock, WallClock, wall_us
from daemon.runtime.recovery import FAILED, open_journal
from daemon.runtime.salvage import CannotSalvageError, plan_salvage
from daemon.venues.protocol import Emit, FatalVenueError, VenueClock
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.look import look_at
from state.records import Check, JournalLine, JournalType, SelfCheck
from state.snapshot import read_snapshot, write_snapshot
from state.times import iso_from_us
from state.verification import verify
from tests.runtime.daemon_process import profile
from tests.runtime.eager_strategy import EagerStrategy
from tests.runtime.file_venue import SYMBOL, FileExchange, FileVenue
from tests.runtime.workbench import WALL_US

MINUTE_US = 60_000_000

Act = Callable[[FileVenue, Emit], None]


class ActingVenue(FileVenue):
    """Connects, lives a moment, then does what the test says; serves on unless that raises."""

    act: Act
    returns = False

    async def run(self, emit: Emit) -> None:
        self.connect(emit)
        emit(Quote(ts_us=self.clock.now_us(), instrument=SYMBOL, bid=69.99, ask=70.01))
        await asyncio.sleep(0.05)
        self.act(self, emit)
        if not self.returns:
            await asyncio.Event().wait()


class Desk:
    """One desk under test."""

    def __init__(self, paths: DeskPaths) -> None:
        self.paths = paths
        self.exchange = FileExchange(paths.root.parent / "exchange.jsonl")
        self.venue: ActingVenue | None = None
        self.account = "DU1234567"

    def touch_stop(self, venue: FileVenue, emit: Emit) -> None:
        (self.paths.control / "stop").touch()

    def run(
        self,
        act: Act | None = None,
        *,
        hedges: int = 1,
        clock: Clock | None = None,
        core: Core | None = None,
        returns: bool = False,
    ) -> int:
        def factory(venue_clock: VenueClock, _own_prefix: Callable[[], str]) -> ActingVenue:
            self.venue = ActingVenue(self.exchange, venue_clock, journal=self.paths.journal, account=self.account)
            self.venue.act = self.touch_stop if act is None else act
            self.venue.returns = returns
            return self.venue

        chosen = profile()
        return run_daemon(
            profile=chosen,
            profile_hash="0" * 64,
            version="test",
            paths=self.paths,
            core=Core(chosen, EagerStrategy(hedges)) if core is None else core,
            venue_factory=factory,
            clock=WallClock() if clock is None else clock,
        )

    def lines(self, kind: JournalType | None = None) -> list[JournalLine]:
        return [line for line in read_journal(self.paths.journal) if kind in (None, line.type)]

    def logged(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.paths.logs / "daemon.jsonl").read_text().splitlines()]


@pytest.fixture
def desk(paths: DeskPaths) -> Desk:
    return Desk(paths)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("bifrost: ")
    return said[0]


def test_a_run_ends_with_0_and_lets_go_of_everything(desk: Desk) -> None:
    assert desk.run() == 0
    assert verify(desk.paths.journal).ok
    # A second run of the same process finds every lock free, and says that stop stands.
    assert desk.run() == 3
    assert len(desk.exchange.sent_refs()) == 1


def test_a_venue_that_dies_ends_the_daemon_with_1_and_is_named(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    def dies(venue: FileVenue, emit: Emit) -> None:
        raise ZeroDivisionError("boom")

    assert desk.run(dies) == 1
    assert "task venue died: ZeroDivisionError: boom" in one_line(capsys)
    assert desk.lines()[-1].type is JournalType.RUN_STOPPED
    assert desk.lines()[-1].status == "crashed"
    assert any(line["event"] == "task_died" and "ZeroDivisionError" in str(line["exception"]) for line in desk.logged())
    assert all(line["run_id"] == desk.lines()[0].run_id for line in desk.logged())


def test_a_venue_that_returns_ends_the_daemon_with_1(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run(lambda venue, emit: None, returns=True) == 1
    assert "task venue returned unexpectedly" in one_line(capsys)


def test_what_the_venue_refuses_for_good_is_exit_2_in_its_own_words(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(venue: FileVenue, emit: Emit) -> None:
        raise FatalVenueError("leg TWX 20140719 C 71 does not exist; mend legs[0] in the profile")

    assert desk.run(refuses) == 2
    assert "leg TWX 20140719 C 71 does not exist" in one_line(capsys)


def test_a_book_of_another_account_is_refused(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run() == 0
    capsys.readouterr()
    (desk.paths.control / "stop").unlink()
    desk.account = "DU7654321"
    assert desk.run() == 2
    assert "is of account DU1234567, but connected is DU7654321" in one_line(capsys)
    assert len(desk.lines(JournalType.INTENT)) == 1


def test_a_callback_of_the_loop_that_raises_is_a_crash(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    def later(venue: FileVenue, emit: Emit) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)

    assert desk.run(later) == 1
    assert "loop callback died: ZeroDivisionError" in one_line(capsys)


def test_a_decision_that_raises_latches_a_halt_that_the_next_run_knows(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    class FaultyCore(Core):
        def step(self, book: Book, event: AnyEvent) -> tuple[Book, tuple[AnyEffect, ...]]:
            if isinstance(event, Quote):
                raise KeyError("gone")
            return super().step(book, event)

    assert desk.run(core=FaultyCore(profile(), EagerStrategy(1))) == 1
    assert "deciding on Quote failed: KeyError: 'gone'" in one_line(capsys)
    (halt,) = desk.lines(JournalType.HALT)
    assert halt.reason == "internal_error"
    assert desk.run() == 0
    assert desk.exchange.sent_refs() == []
    snapshot = read_snapshot(desk.paths.snapshot).snapshot
    assert snapshot is not None
    assert snapshot.posture is not None
    assert snapshot.posture.name == "HALTED"


def test_a_venue_that_does_not_close_is_left_behind(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: ActingVenue) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("daemon.runtime.run._CLOSE_S", 0.05)
    monkeypatch.setattr(ActingVenue, "close", never)
    assert desk.run() == 0
    assert any(line["event"] == "venue_did_not_close" for line in desk.logged())


def test_in_market_time_every_stamp_is_answered_by_a_probe_after_its_decisions(desk: Desk) -> None:
    clock = MarketClock()

    class Market:
        stamps = 0

        def step(self, venue: FileVenue, emit: Emit) -> None:
            if self.stamps == 3:
                desk.touch_stop(venue, emit)
                return
            assert venue.probes == self.stamps
            self.stamps += 1
            clock.market_stamp(WALL_US + self.stamps * MINUTE_US)
            emit(Quote(ts_us=clock.now_us(), instrument=SYMBOL, bid=69.99, ask=70.01))
            asyncio.get_running_loop().call_later(0.05, self.step, venue, emit)

    assert desk.run(Market().step, clock=clock) == 0
    assert desk.venue is not None
    assert desk.venue.probes == 3
    # A restarted desk goes on where its journal ended, not at the machine's time.
    again = MarketClock()
    assert desk.run(clock=again) == 3
    assert again.now_us() == WALL_US + 3 * MINUTE_US


@pytest.mark.parametrize("damage", ["edited", "lost_tail"])
def test_a_damaged_journal_is_refused_with_one_line_and_left_as_it_is(
    desk: Desk, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.run() == 0
    (segment,) = desk.paths.journal.glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    if damage == "edited":
        lines[2] = lines[2].replace(b'"desk":"eager"', b'"desk":"evil!"')
        segment.write_bytes(b"".join(lines))
    else:
        segment.write_bytes(b"".join(lines[:-3]))
    before = segment.read_bytes()
    capsys.readouterr()
    assert desk.run() == 5
    assert "journal damaged" in one_line(capsys)
    assert segment.read_bytes() == before
    shown = look_at(desk.paths, wall_us()).light
    assert (shown.state, shown.word) == ("not_live", "JOURNAL DAMAGED")
    assert "stopped" in [reason.code for reason in shown.reasons]


def test_damage_does_not_make_the_snapshot_forget_a_failure_that_only_it_remembers(desk: Desk) -> None:
    assert desk.run() == 0
    last = read_snapshot(desk.paths.snapshot).snapshot
    assert last is not None
    failed = Check(name="journal", ok=False, severity="red", measured="Input/output error", reason=FAILED)
    verdict = SelfCheck(status="blocked", block_reasons=(FAILED,), checks=(failed,))
    write_snapshot(desk.paths.snapshot, msgspec.structs.replace(last, self_check=verdict), sync=False)
    (segment,) = desk.paths.journal.glob("*.jsonl")
    sound = segment.read_bytes()
    segment.write_bytes(sound.replace(b'"desk":"eager"', b'"desk":"evil!"', 1))
    assert [desk.run(), desk.run()] == [5, 5]
    segment.write_bytes(sound)  # restored from a backup
    opened = open_journal(desk.paths)
    opened.writer.close()
    assert opened.failed_before == "Input/output error"


@pytest.mark.parametrize("closed", [0, 1])
def test_damage_in_any_closed_segment_is_refused_although_it_was_verified_before(
    desk: Desk, closed: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(JournalWriter.__init__.__kwdefaults__ or {}, "segment_bytes", 1)
    assert [desk.run() for _ in range(3)] == [0, 3, 3]  # each run opens a segment; the stop stands
    segment = sorted(desk.paths.journal.glob("*.jsonl"))[closed]
    segment.write_bytes(segment.read_bytes().replace(b'"desk":"eager"', b'"desk":"evil!"', 1))
    capsys.readouterr()
    assert desk.run() == 5
    said = one_line(capsys)
    assert "journal damaged" in said
    assert f"{segment}, line 1: " in said


def test_a_long_first_reading_of_the_journal_is_told_to_the_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("daemon.runtime.recovery._TELL_EVERY_NS", 0)
    monkeypatch.setitem(JournalWriter.__init__.__kwdefaults__ or {}, "segment_bytes", 1)
    assert [desk.run() for _ in range(3)] == [0, 3, 3]
    assert "verifying_journal" in caplog.text


def test_a_checkpoint_that_does_not_fit_is_a_damaged_journal(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    writer = JournalWriter(desk.paths.journal, wall_us=lambda: WALL_US)
    writer.open()
    now = iso_from_us(WALL_US)
    kind = JournalType.LEDGER_CHECKPOINT
    writer.append([JournalLine(seq=1, ts=now, wall_ts=now, type=kind, desk="eager", run_id="r", data={"ledger": 5})])
    writer.close()
    assert desk.run() == 5
    said = one_line(capsys)
    assert "journal damaged" in said
    assert "use the version of this program that wrote it" in said  # a salvage refuses what verifies


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (JournalType.FILL, {"order_ref": "eager.ab.1", "side": "BUY", "data": {"exec_key": "x", "revision": None}}),
        (
            JournalType.INTENT,
            {"order_ref": "nodot", "side": "BUY", "quantity": 1.0, "intent_id": "i", "instrument": "X"},
        ),
    ],
)
def test_a_line_that_cannot_be_folded_is_no_crash(
    desk: Desk, kind: JournalType, fields: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.run() == 0
    writer = JournalWriter(desk.paths.journal, wall_us=wall_us)
    writer.open()
    now = iso_from_us(WALL_US)
    writer.append(
        [JournalLine(seq=writer.next_seq, ts=now, wall_ts=now, type=kind, desk="eager", run_id="r", **fields)]
    )
    writer.close()
    capsys.readouterr()
    assert desk.run() == 5
    assert "journal damaged" in one_line(capsys)
    with pytest.raises(CannotSalvageError, match="use the version"):
        plan_salvage(desk.paths, wall_us=WALL_US)


@pytest.mark.parametrize("where", ["root", "journal", "logs"])
def test_a_folder_that_cannot_be_used_is_refused_with_one_line(
    tmp_path: Path, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = DeskPaths(tmp_path / "elsewhere", "eager")
    blocked = {"root": paths.root, "journal": paths.journal, "logs": paths.logs}[where]
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("a file where a folder should be")
    assert Desk(paths).run() == 2
    assert "cannot" in one_line(capsys)


def test_stale_temporary_files_of_a_dead_writer_are_removed(desk: Desk) -> None:
    stale = desk.paths.folder / ".snapshot.json.4242-dead.tmp"
    stale.write_text("half a snapsh")
    assert desk.run() == 0
    assert not stale.exists()
