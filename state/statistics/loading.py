"""The one module here that reads files: a desk's whole history at once, for commands.

Pages follow the files instead (`cockpit/history_store.py`), through the same digests.
"""

from collections.abc import Callable
from pathlib import Path

from state.follow import JournalTail
from state.history import history_days, read_lines
from state.layout import DeskPaths
from state.statistics.digest import Digest, decoded
from state.statistics.operations import OperationFacts
from state.statistics.past import Source, source_of

Progress = Callable[[int, int], None]


def load_digests(history: Path, *, progress: Progress | None = None) -> list[Digest]:
    """One digest per UTC day file, oldest first. `progress(done, of)` in days. Raises OSError."""
    found = []
    days = history_days(history)
    for number, day in enumerate(days, start=1):
        digest = Digest()
        digest.extend(decoded(read_lines(history, day)))
        found.append(digest)
        if progress is not None:
            progress(number, len(days))
    return found


def load_facts(journal: Path) -> OperationFacts:
    """What the statistics need of a journal. Damaged parts are passed over, as `JournalTail` does. Raises OSError."""
    facts = OperationFacts()
    tail = JournalTail(journal, from_end=False)
    while True:
        lines = tail.poll()
        facts.extend(lines)
        if not lines and not tail.has_more:
            return facts


def load_desk(paths: DeskPaths, *, progress: Progress | None = None) -> Source:
    """Everything that a desk's files tell of its past. Raises OSError."""
    return source_of(load_digests(paths.history, progress=progress), load_facts(paths.journal))
