"""The journal lines that the runtime wrote by itself: they answer no event, and each must be of a known kind."""

from collections import deque

from daemon.backtest.parity_lines import INTERNAL_ERROR, by_the_runtime, differing
from daemon.backtest.parity_telling import Telling
from daemon.core.book import Book
from daemon.core.recovery import checkpoint
from state.records import JournalLine, JournalType


class RuntimeLines:
    """Those of one run, in the journal's order."""

    def __init__(self, telling: Telling) -> None:
        self.has_ended = False
        """One has told the run's end: no decision may stand behind it."""
        self.death: str | None = None
        """What was written about a task that died."""
        self._telling = telling
        self._undated: deque[JournalLine] = deque()
        """Ledgers that opened a segment with a line of the runtime: each of some book before the next decision."""

    def takes(self, line: JournalLine) -> bool:
        """Whether the runtime wrote this line within the run, or at its end; it is dealt with then."""
        row = by_the_runtime(line)
        if row is not None and row.type is JournalType.LEDGER_CHECKPOINT:
            self._undated.append(line)
            self.date(self._telling.book)
        elif row is None or row.where == "start":
            return False
        self._telling.found.runtime_lines += 1
        self.has_ended = self.has_ended or row.where == "end"
        if line.reason == INTERNAL_ERROR and line.data is not None:
            self.death = str(line.data.get("detail"))
        return True

    def date(self, book: Book, *, is_last_chance: bool = False) -> None:
        """Find the books that undated ledgers are of: this one, or else one that comes before the next decision."""
        while self._undated:
            line = self._undated[0]
            if not is_last_chance and differing(line.data, checkpoint(book).data):
                return
            self._undated.popleft()
            self._telling.compare_checkpoint(line, book)

    def undated(self) -> list[JournalLine]:
        """The ledgers of no book so far; they are forgotten here."""
        left = list(self._undated)
        self._undated.clear()
        return left
