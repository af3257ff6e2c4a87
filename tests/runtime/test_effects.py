from collections.abc import Sequence
from pathlib import Path

import pytest

from daemon.core.book import Book
from daemon.core.effects import (
    Alarm,
    AnyEffect,
    AssertControl,
    CancelOrder,
    CancelTimer,
    ModifyOrder,
    Record,
    ReleaseControl,
    RequestReconcile,
    Sample,
    StartTimer,
)
from daemon.core.events import AnyEvent, Clock, ControlFile, OrderBlocked, SinkFailed
from daemon.core.recovery import checkpoint
from state.control import read_control
from state.layout import DeskPaths
from state.records import JournalType
from tests.runtime.workbench import WALL_US, Bench, Script, control_book, intent, order, synced_book


def on_clock(*effects: AnyEffect) -> Script:
    def script(book: Book, event: AnyEvent) -> Sequence[AnyEffect]:
        return effects if isinstance(event, Clock) else ()

    return script


def tick() -> Clock:
    return Clock(ts_us=WALL_US)


def blocked(bench: Bench) -> list[str]:
    return [event.reason for event in bench.core.events if isinstance(event, OrderBlocked)]


async def test_the_intent_is_on_disk_before_the_order_leaves_whatever_their_order_in_the_step(paths: DeskPaths) -> None:
    bench = Bench(paths, on_clock(order(), intent(), Record(type=JournalType.TRANSITION)))
    bench.handle(tick())
    assert bench.venue.journal_at_place == [["intent", "transition"]]
    assert bench.event_names() == ["Clock", "OrderSent"]
    bench.close()


def change() -> tuple[AnyEffect, AnyEffect]:
    """A modification as the core asks for it."""
    effect = ModifyOrder(order_ref="eager.abcd.1", quantity=10.0, limit_price=70.5)
    return effect, Record(type=JournalType.MODIFY_SENT, order_ref=effect.order_ref)


async def test_a_modification_leaves_after_its_record_and_is_told_as_sent(paths: DeskPaths) -> None:
    bench = Bench(paths, on_clock(*change()))
    bench.handle(tick())
    assert bench.venue.calls == [("modify", "eager.abcd.1")]
    assert bench.venue.journal_at_place == [["modify_sent"]]
    assert bench.event_names() == ["Clock", "ModifySent"]
    bench.close()


@pytest.mark.parametrize("why", ["pause", "stop", "flatten", "queue", "socket"])
async def test_what_keeps_an_order_here_keeps_a_modification_here(paths: DeskPaths, why: str) -> None:
    bench = Bench(paths, on_clock(*change()))
    if why == "queue":
        bench.venue.blocked = "3 requests wait in the queue"
    elif why == "socket":
        bench.venue.refuses = "socket closed"
    else:
        (paths.control / why).touch()
    bench.handle(tick())
    assert bench.venue.calls == []
    assert bench.event_names() == ["Clock", "ModifyBlocked"]
    bench.close()


async def test_one_step_is_one_durable_append(paths: DeskPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    import state.journal

    syncs: list[int] = []
    real = state.journal._sync_data
    monkeypatch.setattr(state.journal, "_sync_data", lambda descriptor: (syncs.append(1), real(descriptor)))
    bench = Bench(paths, on_clock(intent(), Record(type=JournalType.TRANSITION), Record(type=JournalType.REFUSED)))
    bench.handle(tick())
    assert len(syncs) == 1
    assert [line.seq for line in bench.lines()] == [1, 2, 3]
    bench.close()


@pytest.mark.parametrize(
    ("name", "reason"), [("stop", "stop_asserted"), ("pause", "paused"), ("flatten", "flatten_asserted")]
)
async def test_the_last_look_sees_a_file_that_the_core_has_not_seen(paths: DeskPaths, name: str, reason: str) -> None:
    bench = Bench(paths, on_clock(intent(), order()))
    (paths.control / name).touch()
    bench.handle(tick())
    assert blocked(bench) == [reason]
    assert bench.venue.calls == []
    bench.close()


async def test_the_last_look_counts_a_missing_control_folder_as_a_pause(paths: DeskPaths) -> None:
    bench = Bench(paths, on_clock(intent(), order()))
    paths.requests.rmdir()
    paths.control.rmdir()
    bench.handle(tick())
    assert blocked(bench) == ["control_unreadable"]
    bench.close()


async def test_a_signal_blocks_before_its_event_is_decided(paths: DeskPaths) -> None:
    bench = Bench(paths, on_clock(intent(), order()))
    bench.last_look.stop_signalled = True
    bench.handle(tick())
    assert blocked(bench) == ["stop_asserted"]
    bench.close()


async def test_a_stop_once_seen_blocks_although_the_file_is_gone(paths: DeskPaths) -> None:
    stop = ControlFile(name="stop", since_us=WALL_US, age_ms=0.0)
    bench = Bench(paths, on_clock(intent(), order()), book=control_book(stop=stop))
    bench.handle(tick())
    assert blocked(bench) == ["stop_asserted"]
    bench.close()


async def test_the_link_and_the_request_queue_are_looked_at_again(paths: DeskPaths) -> None:
    bench = Bench(paths, on_clock(intent(), order()))
    bench.venue.blocked = "3 requests wait in the queue"
    bench.handle(tick())
    assert blocked(bench) == ["3 requests wait in the queue"]
    bench.close()


async def test_an_order_that_did_not_leave_is_blocked_with_the_venues_words(paths: DeskPaths) -> None:
    bench = Bench(paths, on_clock(intent(), order(), CancelOrder(order_ref="eager.abcd.9")))
    bench.venue.refuses = "socket closed"
    bench.handle(tick())
    assert blocked(bench) == ["socket closed"]
    bench.close()


async def test_a_flattens_closing_order_passes_control_but_not_a_dead_link(paths: DeskPaths) -> None:
    bench = Bench(paths, on_clock(intent(), order(closing=True)))
    for name in ("stop", "flatten", "pause"):
        (paths.control / name).touch()
    bench.handle(tick())
    assert bench.venue.calls == [("place", "eager.abcd.1")]
    bench.venue.blocked = "not connected"
    bench.handle(tick())
    assert blocked(bench) == ["not connected"]
    bench.close()


async def test_a_journal_that_fails_blocks_the_order_of_that_very_step(
    paths: DeskPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import state.journal

    def broken(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state.journal, "_sync_data", broken)
    bench = Bench(paths, on_clock(intent(), order(), CancelOrder(order_ref="eager.abcd.0")))
    bench.handle(tick())
    assert bench.event_names() == ["Clock", "SinkFailed", "OrderBlocked"]
    failure = bench.core.events[1]
    assert isinstance(failure, SinkFailed)
    assert failure.what == "journal"
    assert "No space left" in failure.error
    assert blocked(bench) == ["journal_failed"]
    # What lowers risk still acts.
    assert bench.venue.calls == [("cancel", "eager.abcd.0")]
    said = capsys.readouterr().err
    assert "no new risk" in said
    assert '"order_ref":"eager.abcd.1"' in said
    # Told once; later records are said, and the disk is never tried again although it would work now.
    monkeypatch.undo()
    bench.handle(tick())
    assert bench.event_names().count("SinkFailed") == 1
    assert blocked(bench) == ["journal_failed", "journal_failed"]
    assert "not journaled" in capsys.readouterr().err
    bench.tape.close()


async def test_after_a_journal_failure_a_flatten_still_closes_loudly(
    paths: DeskPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import state.journal

    monkeypatch.setattr(state.journal, "_sync_data", lambda descriptor: (_ for _ in ()).throw(OSError(5, "EIO")))
    bench = Bench(paths, on_clock(intent(), order(closing=True)))
    bench.handle(tick())
    assert bench.venue.calls == [("place", "eager.abcd.1")]
    assert "not journaled" in capsys.readouterr().err
    bench.tape.close()


async def test_control_files_are_written_and_released_and_looked_at_at_once(paths: DeskPaths) -> None:
    (paths.control / "flatten").touch()
    bench = Bench(paths, on_clock(AssertControl(name="pause", reason="flattened"), ReleaseControl(name="flatten")))
    bench.handle(tick())
    read = read_control(paths.control, WALL_US)
    assert set(read.files) == {"pause"}
    assert (read.files["pause"].by, read.files["pause"].reason) == ("daemon", "flattened")
    assert bench.looks == 2
    bench.close()


async def test_a_control_file_that_cannot_be_written_is_said(
    paths: DeskPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(paths, on_clock(AssertControl(name="pause", reason="flattened")))
    paths.requests.rmdir()
    paths.control.rmdir()
    paths.control.write_text("a file where the folder was")
    bench.handle(tick())
    assert "pause" in capsys.readouterr().err
    bench.close()


async def test_a_flatten_file_stays_where_the_pause_that_follows_it_cannot_be_written(
    paths: DeskPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(paths, on_clock(AssertControl(name="pause", reason="flattened"), ReleaseControl(name="flatten")))
    (paths.control / "flatten").touch()
    with monkeypatch.context() as full:
        full.setattr("state.control._write_new", refuse_to_write)
        bench.handle(tick())
    assert set(read_control(paths.control, WALL_US).files) == {"flatten"}
    bench.handle(tick())
    assert set(read_control(paths.control, WALL_US).files) == {"pause"}
    bench.close()


def refuse_to_write(path: Path, content: bytes) -> None:
    raise OSError(28, "No space left on device", str(path))


async def test_the_other_effects_reach_their_hands(paths: DeskPaths, capsys: pytest.CaptureFixture[str]) -> None:
    sample = Sample(kind="minute")
    bench = Bench(
        paths,
        on_clock(
            StartTimer(key="ack", delay_ms=60_000.0),
            StartTimer(key="gone", delay_ms=60_000.0),
            CancelTimer(key="gone"),
            RequestReconcile(reason="periodic", fresh_connection=True),
            sample,
            Alarm(text="look here"),
        ),
    )
    bench.handle(tick())
    assert bench.timers.keys == ("ack",)
    assert bench.venue.calls == [("reconcile", ("periodic", True))]
    assert bench.samples == [sample]
    assert "look here" in capsys.readouterr().err
    bench.timers.cancel_all()
    bench.close()


async def test_every_segment_opens_with_the_ledger_as_it_stood_before_the_step(paths: DeskPaths) -> None:
    bench = Bench(paths, on_clock(Record(type=JournalType.TRANSITION)))
    bench.journal.checkpoint = lambda: checkpoint(bench.engine.book)
    bench.writer._segment_bytes = 1
    bench.handle(tick())
    bench.handle(tick())
    bench.close()
    assert [line.type.value for line in bench.lines()] == ["ledger_checkpoint", "transition"] * 2
    assert len(list(paths.journal.glob("*.jsonl"))) == 2


async def test_a_link_below_synced_blocks(paths: DeskPaths) -> None:
    book = synced_book()
    bench = Bench(
        paths,
        on_clock(intent(), order()),
        book=type(book)(desk="eager", run_id="r", underlying="TWX", ledger=book.ledger),
    )
    bench.handle(tick())
    assert blocked(bench) == ["link_not_synced"]
    bench.close()
