"""Replay parity of a day: its runs in the journal's order, each begun with the book that the journal leads to.

So the runs of a day form a chain: what one run wrote explains the book with which the next one starts, whatever lies
between them (a stop, a kill -9, a crash).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final

import msgspec

from daemon.backtest.parity import RunComparison
from daemon.backtest.parity_found import Difference, RunParity, Uncovered
from daemon.backtest.parity_input import Day, TapeStretch
from daemon.backtest.parity_lines import SALVAGE_LINES, by_the_runtime
from daemon.core.recovery import Recovered, fold, settled
from daemon.core.step import Core
from daemon.core.turn import latched
from state.records import JournalLine, JournalType

TELL_EVERY: Final = 1000
"""Events of a run between two calls of `progress`."""
_UNFOLDABLE: Final = (msgspec.MsgspecError, ValueError, LookupError, TypeError)
"""What folding lines raises whose chain holds: another version wrote them."""


class RunTape(msgspec.Struct, frozen=True, kw_only=True):
    """What is replayed of one run: the core around its profile, and the files of its tape, read as they are needed."""

    core: Core
    first: TapeStretch
    rest: Iterable[TapeStretch] = ()
    is_running: bool = False
    """It goes on while its files are read."""
    notes: tuple[str, ...] = ()


class DayParity(msgspec.Struct, kw_only=True):
    """What came of a day."""

    runs: list[RunParity] = []
    uncovered: list[Uncovered] = []
    """Of runs that have no tape at all."""
    unwritten: list[str] = []
    """Runs that have a tape, and of which the journal has no line."""
    notes: list[str] = []

    @property
    def events(self) -> int:
        """Events that were replayed."""
        return sum(run.events for run in self.runs)

    @property
    def lines(self) -> int:
        """Journal lines that were compared, and those that the runtime wrote by itself."""
        return sum(run.lines + run.runtime_lines for run in self.runs)

    @property
    def different(self) -> int:
        """How many things the replay does not reproduce."""
        return sum(run.different for run in self.runs)

    @property
    def is_identical(self) -> bool:
        """Everything of the day was replayed, and nothing differs."""
        return self.events > 0 and not (self.different or self.all_uncovered or self.unwritten)

    @property
    def first_difference(self) -> Difference | None:
        """The earliest one by the journal's order."""
        return next((run.differences[0] for run in self.runs if run.differences), None)

    @property
    def all_uncovered(self) -> list[Uncovered]:
        """Lines of decisions that no tape can repeat."""
        return [*(each for run in self.runs for each in run.uncovered), *self.uncovered]


class _Past:
    """The journal folded so far, as the start of the next run would fold it."""

    def __init__(self) -> None:
        self.recovered: Recovered | None = Recovered()
        """None where the lines at hand do not reach back to a ledger, or cannot be folded."""
        self.problem = "the journal that leads to it is gone by retention"

    def take(self, line: JournalLine) -> None:
        """One more line."""
        if line.type is JournalType.LEDGER_CHECKPOINT:
            self.recovered = Recovered()
        if self.recovered is None:
            return
        try:
            self.recovered = fold(self.recovered, line)
        except _UNFOLDABLE as error:
            self.recovered, self.problem = None, f"the journal's line {line.seq} cannot be folded: {error}"

    def through(self, lines: Iterable[JournalLine]) -> Iterator[JournalLine]:
        """The same lines; each is folded as it passes."""
        for line in lines:
            self.take(line)
            yield line


def compare_day(
    lines: Iterable[JournalLine],
    tapes: Mapping[str, RunTape],
    day: Day,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> DayParity:
    """Compare every run of `tapes`, by run_id, with the journal's lines in order. Raises what the iterables raise.

    The lines begin with the journal's first, or with a segment's `ledger_checkpoint` before the first of these runs.
    """
    found, past = DayParity(), _Past()
    missing = dict(tapes)
    for run_id, group in groupby(lines, key=lambda line: line.run_id):
        tape = missing.pop(run_id, None)
        if tape is None:
            _without_tape(found, run_id, past.through(group), day)
            continue
        found.runs.append(run := RunParity(run_id=run_id, profile=tape.core.profile.name, notes=list(tape.notes)))
        before = past.recovered
        comparison = RunComparison(tape.core, tape.first, past.through(group), day, run)
        _explain_start(comparison, tape, before, past.problem)
        for stretch in _all(tape):
            for events in comparison.play(stretch):
                if events % TELL_EVERY == 0:
                    progress(found.events)
            if comparison.is_over:
                break
        comparison.closing(is_running=tape.is_running)
        if run.last_us is not None and run.last_us < day.since_us and not run.different:
            found.runs.pop()  # it lived before the day and after it, or only before
    found.unwritten.extend(missing)
    return found


def _explain_start(comparison: RunComparison, tape: RunTape, before: Recovered | None, problem: str) -> None:
    """Open the run as its start did, from the journal before it, and compare the book with the tape's.

    Not known from the journal are the clock's reading and, where there was no ledger yet, the new ledger's id: those
    are taken from the tape.
    """
    began, book = comparison.opening(), tape.first.book
    if tape.first.tape_seq > 0:
        return
    is_new = before is not None and before.ledger is None
    if before is None or (is_new and (not began or began[0].seq != 1)):
        comparison.found.notes.append(f"whether the run began with the right book cannot be told: {problem}")
        return
    opened = tape.core.open(
        desk=book.desk,
        run_id=book.run_id,
        recovered=settled(before),
        new_ledger_id=book.ledger.ledger_id,
        ts_us=book.ts_us,
    )
    for line in began:
        if line.type is JournalType.HALT:
            opened = latched(opened, str(line.reason), str((line.data or {}).get("detail")))
    comparison.opened_as(opened)


def _all(tape: RunTape) -> Iterator[TapeStretch]:
    yield tape.first
    yield from tape.rest


def _without_tape(found: DayParity, run_id: str, lines: Iterable[JournalLine], day: Day) -> None:
    """A run of another day, of a tape that is gone, or a salvage, which is no run."""
    of_core, salvaged = [], False
    for line in lines:
        if not day.holds(line):
            continue
        salvaged = salvaged or line.status == "salvaged"
        if by_the_runtime(line) is None and by_the_runtime(line, SALVAGE_LINES) is None:
            of_core.append(line)
    if salvaged:
        found.notes.append(f"{run_id} wrote the journal anew: what it could not read is not compared")
    if of_core:
        found.uncovered.append(Uncovered.of(of_core, "the run has no tape"))
