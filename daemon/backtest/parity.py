"""Replay parity of one run: its tape goes through the same core again, and every effect is held against its journal.

Pure: the books and events of the tape and the lines of the journal come in, differences come out. Exactly one order is
right: the lines that answer event n stand before those of event n + 1, each record has its line, each line its record.
"""

from collections.abc import Iterable, Iterator, Sequence

from daemon.backtest.parity_answers import Answers, tells_of_the_journal
from daemon.backtest.parity_found import RunParity, Uncovered
from daemon.backtest.parity_input import Day, Lines, TapeStretch
from daemon.backtest.parity_lines import INTERNAL_ERROR, by_the_runtime
from daemon.backtest.parity_runtime import RuntimeLines
from daemon.backtest.parity_telling import Telling, Unwritten
from daemon.core.book import Book
from daemon.core.effects import Record
from daemon.core.events import AnyEvent
from daemon.core.step import Core
from state.records import JournalLine, JournalType
from state.times import us_from_iso

_NO_RECORD = "the journal has a line that the replay does not give"


class RunComparison:
    """Compares one run. The one rule: `opening` once, then `play` for each file in order, then `closing`."""

    def __init__(
        self, core: Core, first: TapeStretch, lines: Iterable[JournalLine], day: Day, found: RunParity
    ) -> None:
        self.found = found
        self._day_is_over = False
        """The newest event was of a later day, and was left out."""
        self._has_raised = False
        """The core raised: nothing can follow."""
        self._core = core
        self._lines = Lines(lines)
        self._day = day
        self._telling = Telling(found, first.book, first.tape_seq)
        self._of_runtime = RuntimeLines(self._telling)
        self._answers = Answers(from_start=first.tape_seq == 0)
        self._unwritten: Unwritten | None = None
        self._lacks_start = False
        """The run's first lines are not there: right only where its journal failed from the first."""
        self._doubtful: list[JournalLine] = []
        """Lines of decisions without an event: right only where the tape has ended and no other line follows."""

    @property
    def is_over(self) -> bool:
        """No further event of the tape is of use."""
        return self._day_is_over or self._has_raised

    # --- the start -------------------------------------------------------------------------------
    def opening(self) -> list[JournalLine]:
        """Take the lines before the tape's first event; gives those that the run began with (none in its midst)."""
        if self._telling.tape_seq > 0:
            self._skip_until(self._telling.tape_seq, "the run's tape begins later")
            return []
        began: list[JournalLine] = []
        while (line := self._lines.next) is not None and by_the_runtime(line) is not None:
            began.append(line)
            self._lines.take()
            self.found.runtime_lines += 1
            if line.type is JournalType.RUN_STARTED:
                break
        kinds = [line.type for line in began]
        if kinds[:1] != [JournalType.LEDGER_CHECKPOINT] or kinds[-1:] != [JournalType.RUN_STARTED]:
            self._lacks_start = True
        else:
            self._telling.compare_checkpoint(began[0], self._telling.book)
        return began

    def opened_as(self, expected: Book) -> None:
        """The book that the journal before the run leads to must be the one that the tape begins with."""
        self._telling.compare_books(
            self._telling.book, expected, "the tape begins with another book than the journal leads to"
        )

    # --- event by event --------------------------------------------------------------------------
    def play(self, stretch: TapeStretch) -> Iterator[int]:
        """Step through one file's events, comparing; gives the number of events so far after each of them."""
        if stretch.tape_seq != self._telling.tape_seq:
            self._over_a_gap(stretch)
        elif self.found.events:
            self._telling.compare_books(
                stretch.book, self._telling.book, "the tape's next file begins with another book"
            )
        for tape_seq, event in stretch.events:
            if event.ts_us >= self._day.until_us:
                self._judge_before(event)
                self._day_is_over = True
                return
            self._step(tape_seq, event)
            if self._has_raised:
                return
            yield self.found.events

    def _step(self, tape_seq: int, event: AnyEvent) -> None:
        self._telling.tape_seq = tape_seq
        before, found = self._telling.book, self.found
        self._judge_before(event)
        try:
            after, effects = self._core.step(before, event)
        except Exception as error:  # noqa: BLE001 - whatever it is: the recorded run ended with it, or differs
            self._raised(event, error)
            return
        self._telling.book = after
        found.events += 1
        if found.first_us is None and after.ts_us > 0:  # a market's clock knows no time before its first stamp
            found.first_us = after.ts_us
        found.last_us = after.ts_us
        line = self._lines.next
        if effects:
            self._answers.asked(effects)
            records = [effect for effect in effects if isinstance(effect, Record)]
            if records or (line is not None and line.tape_seq is not None and line.tape_seq <= tape_seq):
                self._compare(event, before, records)
        elif line is not None and line.tape_seq is not None and line.tape_seq <= tape_seq:
            self._compare(event, before, ())

    def _judge_before(self, event: AnyEvent) -> None:
        """What the coming of this event proves about those before it."""
        self._of_runtime.date(self._telling.book)
        if self._lacks_start and not tells_of_the_journal(event):
            self._telling.differ("the run does not begin with a ledger_checkpoint and a run_started")
        self._lacks_start = False
        unwritten, self._unwritten = self._unwritten, None
        if unwritten is not None and tells_of_the_journal(event):
            self.found.notes.append(f"{unwritten.words}: the journal had failed")
        elif unwritten is not None:
            self._telling.missing(unwritten)
        complaint = self._answers.heard(event)
        if complaint is not None:
            self._telling.differ(complaint, event=event)
        while (line := self._lines.next) is not None and line.tape_seq is None:
            self._lines.take()
            if not self._of_runtime.takes(line):
                self._doubtful.append(line)

    def _compare(self, event: AnyEvent, before: Book, records: Sequence[Record]) -> None:
        """Hold the step's records against the lines that carry its number.

        What the runtime adds to a step is the ledger that opens a segment, and a repair after a full disk.
        """
        waiting = list(records)
        while (
            (line := self._lines.next) is not None
            and line.tape_seq is not None
            and line.tape_seq <= self._telling.tape_seq
        ):
            self._lines.take()
            opens = line.type is JournalType.LEDGER_CHECKPOINT
            self._of_runtime.date(before, is_last_chance=True)
            for doubtful in self._doubtful:
                self._telling.differ(f"{_NO_RECORD}, and none that the runtime writes there", line=doubtful)
            self._doubtful.clear()
            if self._of_runtime.has_ended:
                self._telling.differ("a decision stands behind the end of its run", event=event, line=line)
            if line.tape_seq < self._telling.tape_seq:
                self._telling.differ("a journal line stands behind those of a later event", event=event, line=line)
            elif opens and (not waiting or waiting[0].type is not JournalType.LEDGER_CHECKPOINT):
                self.found.runtime_lines += 1
                self._telling.compare_checkpoint(line, before)
            elif line.type is JournalType.REPAIRED and line.status == "repaired":
                self.found.runtime_lines += 1
            elif not waiting:
                self._telling.differ(_NO_RECORD, event=event, line=line)
            else:
                self._telling.compare_line(event, line, waiting.pop(0))
        if waiting:
            self._unwritten = Unwritten(self._telling.tape_seq, event, self._telling.book, waiting)

    def _raised(self, event: AnyEvent, error: Exception) -> None:
        """The core raised. A recorded run that ended in the same way says so in its halt."""
        self._has_raised = True
        detail = f"deciding on {type(event).__name__} failed: {type(error).__name__}: {error}"
        line = self._lines.next
        if line is not None and line.reason == INTERNAL_ERROR and self._of_runtime.takes(line):
            self._lines.take()
        if self._of_runtime.death == detail:
            self.found.events += 1
            self.found.notes.append(f"the core raised, and it raises again: {detail}")
        else:
            self._telling.differ(f"the core raises now: {detail}", event=event)

    # --- what the tape does not hold --------------------------------------------------------------
    def _over_a_gap(self, stretch: TapeStretch) -> None:
        """Go on from the file's own book: what came before it is on no tape any more."""
        lost = stretch.tape_seq - self._telling.tape_seq
        self.found.notes.append(f"{lost} events after tape_seq {self._telling.tape_seq} are on no tape any more")
        if self._unwritten is not None:
            self._telling.missing(self._unwritten)
        self._telling.book, self._telling.tape_seq = stretch.book, stretch.tape_seq
        self._answers, self._unwritten = Answers(from_start=False), None
        self._skip_until(stretch.tape_seq, "a part of the run's tape is gone")

    def _skip_until(self, tape_seq: int, why: str) -> None:
        missed = [*self._of_runtime.undated(), *self._doubtful]
        self._doubtful.clear()
        while (line := self._lines.next) is not None and (line.tape_seq is None or line.tape_seq <= tape_seq):
            missed.append(line)
            self._lines.take()
        self._uncover([line for line in missed if by_the_runtime(line) is None], why)

    def _uncover(self, lines: Sequence[JournalLine], why: str) -> None:
        of_day = [line for line in lines if self._day.holds(line)]
        if of_day:
            self.found.uncovered.append(Uncovered.of(of_day, why))

    # --- the end ---------------------------------------------------------------------------------
    def closing(self, *, is_running: bool = False) -> RunParity:
        """What is left of the journal when the tape is through; `is_running`: the run goes on while we read."""
        beyond = self._doubtful
        while (line := self._lines.next) is not None:
            self._lines.take()
            if is_running or us_from_iso(line.ts) >= self._day.until_us:
                continue
            if self._of_runtime.takes(line):
                continue
            if line.tape_seq is not None and line.tape_seq <= self._telling.tape_seq:
                self._telling.differ(_NO_RECORD, line=line)
            else:
                beyond.append(line)
        if not is_running:
            self._of_runtime.date(self._telling.book)
            # A ledger of no book that the tape led to was written behind its end, too.
            self._judge_end(sorted([*self._of_runtime.undated(), *beyond], key=lambda line: line.seq))
        return self.found

    def _judge_end(self, beyond: Sequence[JournalLine]) -> None:
        """A run that was killed may lack the lines of its very last event; no other may."""
        if self.found.different and self._has_raised:
            return  # the tape was not read to its end
        unwritten = self._unwritten
        if unwritten is not None and tells_of_the_journal(unwritten.event):
            self.found.notes.append(f"{unwritten.words}: the journal had failed")
        elif unwritten is not None and (self._of_runtime.has_ended or beyond):
            self._telling.missing(unwritten)
        elif unwritten is not None:
            self.found.notes.append(f"{unwritten.words}: the daemon was killed before they were written")
        if beyond:
            self._uncover(beyond, "the tape ended before: its disk failed, or a power cut (it is not synced)")
        elif not (self._of_runtime.has_ended or self._answers.has_left or self._day_is_over or self.found.different):
            self.found.notes.append("the run has no end of its own: it was killed, or its machine went down")
