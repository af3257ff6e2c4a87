import asyncio
from collections.abc import Sequence

import pytest

from daemon.core.book import Book
from daemon.core.effects import AnyEffect, Exit, Record
from daemon.core.events import AnyEvent, Clock, Control, OrderSent, Quote, SinkFailed, StopSignal
from daemon.runtime.clocks import WallClock, monotonic_ns
from daemon.runtime.engine import DecisionError, StepProbe
from state.layout import DeskPaths
from state.records import JournalType
from state.tape import read_events, tape_files
from tests.runtime.workbench import WALL_US, Bench, intent, order


def nothing(book: Book, event: AnyEvent) -> Sequence[AnyEffect]:
    return ()


def tick(us: int = 0) -> Clock:
    return Clock(ts_us=WALL_US + us)


def quote() -> Quote:
    return Quote(ts_us=WALL_US, instrument="TWX", bid=1.0, ask=1.1)


async def test_the_answer_to_an_order_is_decided_before_anything_that_waits(paths: DeskPaths) -> None:
    def script(book: Book, event: AnyEvent) -> Sequence[AnyEffect]:
        if isinstance(event, Quote):
            return (intent(), order())
        return (Exit(code=0, reason="done"),) if isinstance(event, Clock) else ()

    bench = Bench(paths, script)
    # What the venue says while it places (it may answer at once) waits behind OrderSent.
    bench.venue.on_place = lambda: bench.engine.emit(tick())
    bench.engine.emit(quote())
    await asyncio.wait_for(bench.engine.run(), 5)
    assert bench.event_names() == ["Quote", "OrderSent", "Clock"]
    sent = bench.core.events[1]
    assert isinstance(sent, OrderSent)
    assert 0 < sent.latency_ms < 5_000
    assert bench.latencies_ms == [sent.latency_ms]
    bench.close()


async def test_control_and_stop_go_before_quotes_that_wait(paths: DeskPaths) -> None:
    def script(book: Book, event: AnyEvent) -> Sequence[AnyEffect]:
        return (Exit(code=0, reason="done"),) if isinstance(event, Clock) else ()

    bench = Bench(paths, script)
    for event in (quote(), tick(), Control(ts_us=WALL_US, files=()), StopSignal(ts_us=WALL_US, signal_name="SIGTERM")):
        bench.engine.emit(event)
    await asyncio.wait_for(bench.engine.run(), 5)
    assert bench.event_names() == ["Control", "StopSignal", "Quote", "Clock"]
    bench.close()


async def test_a_burst_lets_the_loop_turn(paths: DeskPaths) -> None:
    def script(book: Book, event: AnyEvent) -> Sequence[AnyEffect]:
        return (Exit(code=0, reason="stop"),) if isinstance(event, StopSignal) else ()

    bench = Bench(paths, script)
    for _ in range(500):
        bench.engine.emit(quote())
    running = asyncio.create_task(bench.engine.run())
    await asyncio.sleep(0)
    bench.engine.emit(StopSignal(ts_us=WALL_US, signal_name="SIGTERM"))
    await asyncio.wait_for(running, 5)
    assert len(bench.core.events) <= 33
    bench.close()


async def test_events_are_on_the_tape_with_their_number_before_their_records(paths: DeskPaths) -> None:
    bench = Bench(paths, lambda book, event: (Record(type=JournalType.TRANSITION, reason="x"),))
    bench.handle(tick(1))
    bench.handle(tick(2))
    bench.close()
    assert [line.tape_seq for line in bench.lines()] == [1, 2]
    (file,) = tape_files(paths.tape, "r")
    assert [event.tape_seq for event in read_events(file)] == [1, 2]
    assert [acted for _, acted in bench.decided] == [True, True]


async def test_a_quote_carries_how_long_it_waited(paths: DeskPaths) -> None:
    bench = Bench(paths, nothing)
    bench.engine.handle(quote(), monotonic_ns() - 7_000_000)
    taken = bench.core.events[0]
    assert isinstance(taken, Quote)
    assert 7 <= taken.queue_delay_ms < 1_000
    bench.close()


async def test_an_exception_in_a_decision_is_named_and_nothing_is_done(paths: DeskPaths) -> None:
    def raises(book: Book, event: AnyEvent) -> Sequence[AnyEffect]:
        raise KeyError("gone")

    bench = Bench(paths, raises)
    before = bench.engine.book
    bench.engine.emit(quote())
    with pytest.raises(DecisionError, match="deciding on Quote failed: KeyError"):
        await asyncio.wait_for(bench.engine.run(), 5)
    assert bench.engine.book is before
    assert bench.venue.calls == []
    bench.close()


async def test_a_refused_admission_reaches_no_decision(paths: DeskPaths) -> None:
    bench = Bench(paths, nothing)

    def refuse(event: AnyEvent) -> None:
        raise RuntimeError("taken")

    bench.engine._admit = refuse
    bench.engine.emit(quote())
    with pytest.raises(RuntimeError, match="taken"):
        await asyncio.wait_for(bench.engine.run(), 5)
    assert bench.core.events == []
    bench.close()


async def test_a_tape_that_fails_is_told_once_and_ended(paths: DeskPaths) -> None:
    bench = Bench(paths, nothing)
    bench.tape.close()
    bench.handle(tick(1))
    bench.handle(tick(2))
    failures = [event for event in bench.core.events if isinstance(event, SinkFailed)]
    assert [failure.what for failure in failures] == ["tape"]
    bench.journal.close()


async def test_effects_end_with_an_exit(paths: DeskPaths) -> None:
    bench = Bench(paths, lambda book, event: (Exit(code=6, reason="unconfirmed"),))
    bench.engine.emit(tick())
    bench.engine.emit(tick())
    await asyncio.wait_for(bench.engine.run(), 5)
    assert bench.engine.effects.exit == Exit(code=6, reason="unconfirmed")
    assert len(bench.core.events) == 1
    bench.close()


async def test_behind_the_end_nothing_is_decided(paths: DeskPaths) -> None:
    """A task died, and the lines that say so are in the journal: no order may follow them."""
    bench = Bench(paths, lambda book, event: (intent(), order()))
    bench.engine.emit(quote())
    bench.engine.end()
    bench.engine.emit(tick())
    running = asyncio.create_task(bench.engine.run())
    for _ in range(10):
        await asyncio.sleep(0)
    assert bench.core.events == []
    assert bench.venue.calls == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    bench.close()


async def test_the_step_probe_follows_each_drained_stamp_once_also_without_prices(paths: DeskPaths) -> None:
    bench = Bench(paths, nothing)
    probe = StepProbe(stamps=lambda: bench.clock.stamps, probe=bench.venue.probe)
    bench.engine.drained = probe.drained
    bench.clock.on_stamp = bench.engine.wake
    running = asyncio.create_task(bench.engine.run())

    async def settle() -> int:
        for _ in range(10):
            await asyncio.sleep(0)
        return bench.venue.calls.count(("probe", None))

    bench.engine.emit(tick())
    assert await settle() == 0
    bench.clock.market_stamp(WALL_US + 60_000_000)
    for _ in range(40):
        bench.engine.emit(quote())
    assert await settle() == 1
    assert len(bench.core.events) == 41
    bench.clock.market_stamp(WALL_US + 60_000_000)
    assert await settle() == 2
    bench.engine.emit(tick())
    assert await settle() == 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    bench.close()


async def test_a_pause_of_the_loop_is_decided_before_the_prices_that_waited_through_it(paths: DeskPaths) -> None:
    bench = Bench(paths, nothing)
    elapsed_ns, woken = [0], []
    bench.engine._clock = WallClock(wall=lambda: WALL_US, advance_ns=lambda: elapsed_ns[0])
    bench.engine.woken = lambda: woken.append(len(bench.core.events))
    bench.handle(quote())
    elapsed_ns[0] += 2_999_000_000
    bench.handle(quote())
    assert bench.event_names() == ["Quote", "Quote"], "a lag is no pause"
    elapsed_ns[0] += 60_000_000_000
    bench.handle(quote())
    assert bench.event_names() == ["Quote", "Quote", "Clock", "Quote"]
    assert woken == [2], "a probe is asked for at once"
    pause = bench.core.events[2]
    assert isinstance(pause, Clock)
    assert pause.stood_still_ms == 60_000
    assert pause.ts_us == WALL_US + 62_999_000
    elapsed_ns[0] += 60_000_000_000
    bench.engine.alive()  # the ticker may be the first to notice
    bench.engine.emit(quote())
    bench.engine.effects.exit = Exit(code=0, reason="one event is enough")
    await asyncio.wait_for(bench.engine.run(), 5)
    assert bench.event_names()[4:] == ["Clock"]
