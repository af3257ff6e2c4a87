"""What a comparison of tape and journal found: differences, what no tape covers, and what the reader should know."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from daemon.backtest.parity_lines import Differing
from state.records import JournalLine

KEPT: Final = 20
"""Differences of a run that are kept to be shown; all are counted."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the replay does not reproduce."""

    run_id: str
    ts_us: int
    """The desk's own time."""
    tape_seq: int | None
    event: str | None
    """The kind of the event that was decided then."""
    what: str
    """One sentence."""
    recorded: dict[str, Any] | None = None
    """The journal's line; None where there is none."""
    replayed: dict[str, Any] | None = None
    """The line that the replay would have written; None where it would have written none."""
    fields: tuple[Differing, ...] = ()


class Uncovered(msgspec.Struct, frozen=True, kw_only=True):
    """Journal lines of decisions that no tape can repeat."""

    run_id: str
    lines: int
    first_seq: int
    first_ts: str
    why: str

    @classmethod
    def of(cls, lines: Sequence[JournalLine], why: str) -> "Uncovered":
        """Of at least one line."""
        first = lines[0]
        return cls(run_id=first.run_id, lines=len(lines), first_seq=first.seq, first_ts=first.ts, why=why)


class RunParity(msgspec.Struct, kw_only=True):
    """What came of one run. It grows while the run is compared."""

    run_id: str
    profile: str
    events: int = 0
    lines: int = 0
    """The core's journal lines that were compared."""
    runtime_lines: int = 0
    """Lines that the runtime wrote by itself, each of a known kind."""
    checkpoints: int = 0
    """Whole books and ledgers that were compared: where the run, a tape file or a journal segment begins."""
    first_us: int | None = None
    last_us: int | None = None
    different: int = 0
    differences: list[Difference] = []
    """The first `KEPT` of them."""
    uncovered: list[Uncovered] = []
    notes: list[str] = []
    """What the reader should know although it is no difference."""

    def add(self, difference: Difference) -> None:
        """Count one more."""
        self.different += 1
        if len(self.differences) < KEPT:
            self.differences.append(difference)
