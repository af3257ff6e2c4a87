"""Holding what the journal says against what the replay gives, and writing down where the two differ."""

from collections.abc import Sequence
from typing import Any

import msgspec

from daemon.backtest.parity_found import Difference, RunParity
from daemon.backtest.parity_lines import differing, expected_line
from daemon.core.book import Book
from daemon.core.effects import Record
from daemon.core.events import AnyEvent
from daemon.core.recovery import checkpoint
from state.records import JournalLine
from state.times import us_from_iso


class Unwritten(msgspec.Struct, frozen=True):
    """Records of one event that have no line."""

    tape_seq: int
    event: AnyEvent
    after: Book
    records: Sequence[Record]

    @property
    def words(self) -> str:
        """For a note."""
        names = ", ".join(record.type.value for record in self.records)
        return f"of event {self.tape_seq} the journal lacks {len(self.records)} records ({names})"


class Telling:
    """Counts and keeps what is found of one run. The one rule: `book` and `tape_seq` are kept where the replay is."""

    def __init__(self, found: RunParity, book: Book, tape_seq: int) -> None:
        self.found = found
        self.book = book
        """After the newest event that was replayed."""
        self.tape_seq = tape_seq
        """Of the newest event."""

    def compare_line(self, event: AnyEvent, line: JournalLine, record: Record) -> None:
        """A line of the core's must be what the runtime makes of the record."""
        self.found.lines += 1
        expected = expected_line(record, self.book, tape_seq=self.tape_seq, like=line)
        fields = differing(line, expected)
        if fields:
            what = "the journal says something else than the replay"
            self.differ(what, event=event, line=line, replayed=expected, fields=fields)

    def compare_checkpoint(self, line: JournalLine, book: Book) -> None:
        """A ledger that the runtime wrote must be the one of the book as it stood."""
        self.found.checkpoints += 1
        fields = differing(line.data, checkpoint(book).data)
        if fields:
            self.differ("the journal holds another ledger than the replay", line=line, fields=fields)

    def compare_books(self, recorded: Book, replayed: Book, what: str) -> None:
        """A book on the tape must be the replay's own; `what` says so where it is not."""
        self.found.checkpoints += 1
        fields = differing(recorded, replayed)
        if fields:
            self.differ(what, fields=fields)

    def missing(self, unwritten: Unwritten) -> None:
        """Records without a line that nothing explains."""
        what = "the journal has no line of what the replay records"
        for record in unwritten.records:
            expected = expected_line(record, unwritten.after, tape_seq=unwritten.tape_seq)
            self.differ(what, event=unwritten.event, replayed=expected)

    def differ(
        self,
        what: str,
        *,
        event: AnyEvent | None = None,
        line: JournalLine | None = None,
        replayed: JournalLine | None = None,
        fields: Any = (),
    ) -> None:
        """One difference more: at the line's own place, or else where the replay is."""
        told = line if line is not None else replayed
        self.found.add(
            Difference(
                run_id=self.found.run_id,
                ts_us=self.book.ts_us if told is None else us_from_iso(told.ts),
                tape_seq=self.tape_seq if told is None else told.tape_seq,
                event=None if event is None else str(type(event).__struct_config__.tag),
                what=what,
                recorded=None if line is None else msgspec.to_builtins(line),
                replayed=None if replayed is None else msgspec.to_builtins(replayed),
                fields=fields,
            )
        )
