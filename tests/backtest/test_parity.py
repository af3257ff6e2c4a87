"""Replay can fail: whatever is changed, missing, added or moved in journal or tape is found, and shown at its place."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from daemon.backtest.parity_day import DayParity, RunTape, compare_day
from daemon.backtest.parity_input import Day, TapeStretch
from daemon.core.book import Book
from daemon.core.events import AnyEvent, OrderSent, Quote, TimerFired
from daemon.core.step import Core
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.feeds.tape import read_book, read_core_events
from state.journal_reader import read_journal
from state.records import JournalLine, JournalType
from state.tape_at import tape_parts
from state.times import us_from_iso
from tests.backtest.synthetic_day import SyntheticDay, small_files
from tests.support.parity import FOR_EVER, told

Stretch = tuple[int, Book, list[tuple[int, AnyEvent]]]


class Copied:
    """A recorded day in memory, to be spoiled: its journal lines, and the files of each run's tape."""

    def __init__(self, day: SyntheticDay) -> None:
        self.core: Any = Core(day.profile, GammaScalper(day.profile))
        self.lines = list(read_journal(day.paths.journal))
        self.tapes: dict[str, list[Stretch]] = {}
        for part in tape_parts(day.paths.tape).parts:
            events = list(read_core_events(part.path))
            book = read_book(part.checkpoint, self.core.strategy)
            self.tapes.setdefault(part.checkpoint.run_id, []).append((part.checkpoint.tape_seq, book, events))

    def of(self, *types: JournalType) -> list[JournalLine]:
        return [line for line in self.lines if line.type in types and line.tape_seq is not None]

    def core_lines(self) -> list[JournalLine]:
        """Lines that answer an event which is not its run's last one."""
        last = {run_id: stretches[-1][2][-1][0] for run_id, stretches in self.tapes.items()}
        return [line for line in self.lines if line.tape_seq is not None and line.tape_seq < last[line.run_id]]

    def replace(self, line: JournalLine, **changes: Any) -> JournalLine:
        changed = msgspec.structs.replace(line, **changes)
        self.lines[self.lines.index(line)] = changed
        return changed

    def add(self, line: JournalLine, *, after: JournalLine) -> None:
        self.lines.insert(self.lines.index(after) + 1, line)

    def replayed(self, day: Day = FOR_EVER) -> DayParity:
        tapes = {}
        for run_id, stretches in self.tapes.items():
            made = [TapeStretch(tape_seq=seq, book=book, events=events) for seq, book, events in stretches]
            tapes[run_id] = RunTape(core=self.core, first=made[0], rest=made[1:])
        return compare_day(self.lines, tapes, day)

    def change_event(self, matches: Callable[[AnyEvent], bool], change: Callable[[AnyEvent], AnyEvent | None]) -> int:
        """Change (or leave out) the first event that matches in the newest run; its tape_seq."""
        for stretch in self.tapes[self.lines[-1].run_id]:
            for place, (seq, event) in enumerate(stretch[2]):
                if matches(event):
                    changed = change(event)
                    stretch[2][place : place + 1] = [] if changed is None else [(seq, changed)]
                    return seq
        raise AssertionError("no such event")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyntheticDay]:
    """A day with stops and kills in it, journal and tape in several files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIFROST_RUN_DIR", str(tmp_path_factory.mktemp("run")))
        with small_files(patch):
            yield SyntheticDay(tmp_path_factory.mktemp("day"), 2).play(steps=70)


@pytest.fixture
def copied(day: SyntheticDay) -> Copied:
    return Copied(day)


def test_the_day_as_it_was_is_identical(copied: Copied) -> None:
    found = copied.replayed()
    assert found.is_identical, told(found)
    assert found.lines == len(copied.lines)
    assert found.events == sum(len(stretch[2]) for stretches in copied.tapes.values() for stretch in stretches)
    assert len(found.runs) > 1
    starts, rotations = len(found.runs), sum(len(stretches) - 1 for stretches in copied.tapes.values())
    assert rotations > 0
    assert sum(run.checkpoints for run in found.runs) >= 2 * starts + rotations


# --- the journal is another -----------------------------------------------------------------------
def test_a_changed_number_is_shown_with_both_values(copied: Copied) -> None:
    line = copied.of(JournalType.INTENT)[-1]
    assert line.quantity is not None
    changed = copied.replace(line, quantity=line.quantity + 1)
    found = copied.replayed()
    assert found.different == 1
    first = found.first_difference
    assert first is not None
    assert (first.run_id, first.tape_seq) == (line.run_id, line.tape_seq)
    (field,) = first.fields
    assert (field.path, field.recorded, field.replayed) == ("quantity", changed.quantity, line.quantity)


CHANGED: dict[str, Any] = {"ts": "2026-01-05T20:59:00.000000Z", "side": "?", "desk": "other"}


def _other(name: str, value: Any) -> Any:
    if isinstance(value, float):
        return value + 0.25
    return {**value, "odd": 1} if isinstance(value, dict) else CHANGED.get(name, f"{value}?")


def test_a_changed_field_of_any_kind_of_line_is_found(copied: Copied) -> None:
    """One field after the other, of one line of each kind at once; but for those that a replay cannot know."""
    untouched = list(copied.lines)
    kinds = {line.type: line for line in copied.core_lines() if line.run_id == copied.lines[-1].run_id}
    for name in ("ts", "desk", "order_ref", "side", "quantity", "price", "status", "reason", "state_code", "data"):
        changed = {line.seq for line in kinds.values() if getattr(line, name) is not None}
        for line in kinds.values():
            if line.seq in changed:
                copied.replace(line, **{name: _other(name, getattr(line, name))})
        found = copied.replayed().runs[-1]
        path = "data.odd" if name == "data" else name
        named = {each.recorded["seq"] for each in found.differences if each.recorded and each.fields[0].path == path}
        assert changed, name
        assert named == changed, name
        copied.lines = list(untouched)


def test_what_only_the_machine_knows_is_left_aside(copied: Copied) -> None:
    for line in list(copied.lines):
        copied.replace(line, wall_ts="2020-01-01T00:00:00.000000Z", latency_ms=123.0, seq=line.seq)
    assert copied.replayed().is_identical


@pytest.mark.parametrize("kind", [JournalType.INTENT, JournalType.FILL, JournalType.CONTROL_SEEN, JournalType.REFUSED])
def test_a_missing_line_is_found_at_its_event(copied: Copied, kind: JournalType) -> None:
    line = next(each for each in copied.core_lines() if each.type is kind)
    copied.lines.remove(line)
    first = copied.replayed().first_difference
    assert first is not None
    assert (first.run_id, first.tape_seq) == (line.run_id, line.tape_seq)


def test_an_added_line_is_found(copied: Copied) -> None:
    line = copied.of(JournalType.REFUSED)[0]
    copied.add(line, after=line)
    found = copied.replayed()
    assert found.different == 1
    assert found.first_difference is not None
    assert "does not give" in found.first_difference.what


def test_an_added_line_without_an_event_is_found(copied: Copied) -> None:
    line = copied.of(JournalType.INTENT)[0]
    copied.add(msgspec.structs.replace(line, tape_seq=None), after=line)
    first = copied.replayed().first_difference
    assert first is not None
    assert "none that the runtime writes" in first.what


def test_a_decision_behind_the_end_of_its_run_is_found(copied: Copied) -> None:
    lines = copied.core_lines()
    line = next(one for one, other in pairwise(lines[5:]) if one.tape_seq != other.tape_seq)
    end = msgspec.structs.replace(line, type=JournalType.RUN_STOPPED, status="crashed", tape_seq=None)
    copied.add(end, after=line)
    assert "behind the end" in told(copied.replayed())


def test_two_lines_that_changed_places_are_found(copied: Copied) -> None:
    pairs = [
        index
        for index, (one, other) in enumerate(pairwise(copied.lines))
        if None not in (one.tape_seq, other.tape_seq) and one.run_id == other.run_id and one.type != other.type
    ]
    for index in pairs[:: max(1, len(pairs) // 3)]:
        lines = copied.lines
        lines[index], lines[index + 1] = lines[index + 1], lines[index]
        assert copied.replayed().different, (lines[index].type, lines[index + 1].type)
        lines[index], lines[index + 1] = lines[index + 1], lines[index]


def test_a_ledger_that_the_runtime_wrote_is_held_against_the_book(copied: Copied) -> None:
    """Of a run's start, and of a segment that a step opened."""
    checkpoints = [line for line in copied.lines if line.type is JournalType.LEDGER_CHECKPOINT]
    assert {line.tape_seq is None for line in checkpoints} == {True, False}
    for line in checkpoints:
        assert line.data is not None
        copied.replace(line, data={**line.data, "ledger": {**line.data["ledger"], "own_shares": 12345.0}})
    found = [each for run in copied.replayed().runs for each in run.differences]
    named = {each.recorded["seq"] for each in found if each.recorded and each.fields[0].path.endswith("own_shares")}
    assert named == {line.seq for line in checkpoints}


def test_a_run_is_explained_by_the_journal_before_it(copied: Copied) -> None:
    """A fill that is not in the journal any more, though the next run knows it: the chain of runs is broken."""
    runs = list(copied.tapes)
    fills = [line for line in copied.of(JournalType.FILL) if line.run_id == runs[0]]
    book = copied.tapes[runs[1]][0][1]
    other = msgspec.structs.replace(book, ledger=msgspec.structs.replace(book.ledger, realised_usd=1.25))
    copied.tapes[runs[1]][0] = (0, other, copied.tapes[runs[1]][0][2])
    found = copied.replayed()
    assert fills
    assert "realised_usd" in told(found)


# --- the tape is another ---------------------------------------------------------------------------
def test_a_changed_event_is_found(copied: Copied) -> None:
    def dearer(event: AnyEvent) -> AnyEvent:
        assert isinstance(event, Quote)
        return msgspec.structs.replace(event, bid=event.bid * 1.02, ask=event.ask * 1.02)  # type: ignore[operator]

    copied.change_event(lambda event: isinstance(event, Quote) and event.bid is not None, dearer)
    assert copied.replayed().different


def test_an_order_that_nobody_answers_is_found(copied: Copied) -> None:
    seq = copied.change_event(lambda event: isinstance(event, OrderSent), lambda _: None)
    found = copied.replayed()
    assert found.first_difference is not None
    assert "must be the next one" in found.first_difference.what
    assert found.first_difference.tape_seq == seq + 1


def test_a_timer_that_nobody_started_is_found(copied: Copied) -> None:
    copied.change_event(
        lambda event: isinstance(event, Quote), lambda event: TimerFired(ts_us=event.ts_us, key="second_look")
    )
    assert "timer second_look fires" in told(copied.replayed())


def test_a_file_that_begins_with_another_book_is_found(copied: Copied) -> None:
    run_id, stretches = next((name, each) for name, each in copied.tapes.items() if len(each) > 1)
    seq, book, events = stretches[1]
    stretches[1] = (seq, msgspec.structs.replace(book, loop_lag_ms=1.5), events)
    first = copied.replayed().first_difference
    assert first is not None
    assert (first.run_id, first.tape_seq, [field.path for field in first.fields]) == (run_id, seq, ["loop_lag_ms"])


def test_another_profile_is_found(copied: Copied, day: SyntheticDay) -> None:
    delta = msgspec.structs.replace(day.profile.gates.state.delta, threshold_hedge_shares=11.0)
    gates = msgspec.structs.replace(
        day.profile.gates, state=msgspec.structs.replace(day.profile.gates.state, delta=delta)
    )
    other = msgspec.structs.replace(day.profile, gates=gates)
    copied.core = Core(other, GammaScalper(other))
    found = copied.replayed()
    assert found.different
    assert found.first_difference is not None


class RaisingCore:
    """A core with a bug that the recorded one did not have."""

    def __init__(self, core: Core, at: int) -> None:
        self._core, self._at, self._steps = core, at, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    def step(self, book: Book, event: AnyEvent) -> Any:
        self._steps += 1
        if self._steps == self._at:
            raise ZeroDivisionError("a bug")
        return self._core.step(book, event)


def test_a_core_that_raises_is_a_difference(copied: Copied) -> None:
    copied.core = RaisingCore(copied.core, 30)
    found = copied.replayed()
    assert "the core raises now" in told(found)
    assert "ZeroDivisionError: a bug" in told(found)


def test_a_core_that_raised_then_too_is_none(copied: Copied) -> None:
    run_id, stretches = list(copied.tapes.items())[-1]
    seq, book, events = stretches[0]
    cut = [line for line in copied.lines if line.run_id != run_id or (line.tape_seq or 0) < events[29][0]]
    kind = type(events[29][1]).__name__
    detail = f"deciding on {kind} failed: ZeroDivisionError: a bug"
    last = cut[-1]
    halt = msgspec.structs.replace(
        last, type=JournalType.HALT, status="latched", reason="internal_error", data={"detail": detail}, tape_seq=None
    )
    stop = msgspec.structs.replace(halt, type=JournalType.RUN_STOPPED, status="crashed", data=None)
    copied.lines = [line for line in cut if line.run_id != run_id or line.type is not JournalType.RUN_STOPPED]
    copied.lines += [halt, stop]
    earlier = sum(len(each[2]) for name, files in copied.tapes.items() if name != run_id for each in files)
    copied.tapes[run_id] = [(seq, book, events[:30])]
    copied.core = RaisingCore(copied.core, earlier + 30)
    found = copied.replayed()
    assert found.is_identical, told(found)
    assert any("raises again" in note for note in found.runs[-1].notes)


# --- a part of it ------------------------------------------------------------------------------------
def middle_us(copied: Copied) -> int:
    """A moment in the second run, at which something was journaled, with lines before it and after it."""
    lines = [line for line in copied.core_lines() if line.run_id == list(copied.tapes)[1]]
    return us_from_iso(lines[len(lines) // 2].ts)


def test_a_day_ends_in_the_midst_of_a_run(copied: Copied) -> None:
    until_us = middle_us(copied)
    found = copied.replayed(Day(since_us=0, until_us=until_us))
    assert found.is_identical, told(found)
    assert found.lines == len([line for line in copied.lines if us_from_iso(line.ts) < until_us])
    last = next(line for line in reversed(copied.lines) if line.tape_seq and us_from_iso(line.ts) < until_us)
    copied.lines.remove(last)
    assert copied.replayed(Day(since_us=0, until_us=until_us)).different == 1


def test_a_run_that_ended_before_the_day_is_none_of_it(copied: Copied) -> None:
    since_us = middle_us(copied)
    found = copied.replayed(Day(since_us=since_us, until_us=since_us + 86_400_000_000))
    assert found.is_identical, told(found)
    assert [run.run_id for run in found.runs] == list(copied.tapes)[1:]


# --- what cannot be compared -----------------------------------------------------------------------
def test_lines_beyond_the_tape_are_told_and_not_identical(copied: Copied) -> None:
    run_id = copied.lines[-1].run_id
    stretches = copied.tapes[run_id]
    copied.tapes[run_id] = [(*stretches[0][:2], stretches[0][2][:40])]
    found = copied.replayed()
    assert (found.different, found.is_identical) == (0, False), told(found)
    (beyond,) = found.all_uncovered
    assert beyond.lines == len([line for line in copied.lines if line.run_id == run_id and (line.tape_seq or 0) > 40])
    assert "the tape ended" in beyond.why


def test_a_tape_whose_first_file_is_gone_is_compared_from_the_next_one_on(copied: Copied) -> None:
    run_id, stretches = next((name, each) for name, each in copied.tapes.items() if len(each) > 1)
    copied.tapes[run_id] = stretches[1:]
    found = copied.replayed()
    assert (found.different, found.is_identical) == (0, False), told(found)
    missed = [line for line in copied.lines if line.run_id == run_id and 0 < (line.tape_seq or 0) <= stretches[1][0]]
    assert [each.lines for each in found.all_uncovered] == [len(missed)]


def test_a_run_without_a_tape_and_a_tape_without_a_journal_are_told(copied: Copied) -> None:
    first, second = list(copied.tapes)[:2]
    del copied.tapes[first]
    copied.lines = [line for line in copied.lines if line.run_id != second]
    found = copied.replayed()
    assert found.unwritten == [second]
    assert [each.run_id for each in found.uncovered] == [first]
    assert not found.is_identical


def test_the_lines_of_the_very_last_event_may_be_missing_after_a_kill_and_no_others(copied: Copied) -> None:
    """What the daemon had on its tape and not yet in its journal."""
    run_id = copied.lines[-1].run_id
    own = [line for line in copied.lines if line.run_id == run_id and line.tape_seq is not None]
    last_seq = own[-1].tape_seq
    tape = [(seq, event) for stretch in copied.tapes[run_id] for seq, event in stretch[2] if seq <= (last_seq or 0)]
    copied.tapes[run_id] = [(*copied.tapes[run_id][0][:2], tape)]
    copied.lines = [line for line in copied.lines if line.run_id != run_id or line.tape_seq != last_seq]
    found = copied.replayed()
    assert found.is_identical, told(found)
    assert any("killed before they were written" in note for note in found.runs[-1].notes)
    before = [line.tape_seq for line in own if line.tape_seq != last_seq][-1]
    copied.lines = [line for line in copied.lines if line.run_id != run_id or line.tape_seq != before]
    assert copied.replayed().different
