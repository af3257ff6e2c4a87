"""Which journal lines are whose, and in what two of them differ.

The core's lines carry the number of the event that they answer (`tape_seq`). What the runtime writes by itself is a
closed list, each row with its reason: whatever is neither cannot be passed over.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from daemon.core.book import Book
from daemon.core.effects import Record
from daemon.core.ledger import SALVAGED
from state.records import JournalLine, JournalType
from state.times import iso_from_us

INTERNAL_ERROR: Final = "internal_error"


class RuntimeLine(NamedTuple):
    """A kind of line that the runtime writes without asking the core."""

    type: JournalType
    status: str
    reason: str | None
    """None: any."""
    where: Literal["start", "any", "end"]
    """Before a run's first decision, anywhere in it, or after its last."""
    why: str


RUNTIME_LINES: Final = (
    RuntimeLine(
        JournalType.LEDGER_CHECKPOINT, "checkpoint", None, "start", "the ledger that a run or a segment begins with"
    ),
    RuntimeLine(JournalType.HALT, "latched", "journal_failed", "start", "a halt that the last run could not write"),
    RuntimeLine(JournalType.RUN_STARTED, "started", None, "start", "who runs, by which profile and version"),
    RuntimeLine(JournalType.REPAIRED, "repaired", "torn_end", "any", "an append was cut short: a kill, or a full disk"),
    RuntimeLine(JournalType.CONTROL_REFUSED, "refused", "request_unreadable", "any", "nobody can tell what it asks"),
    RuntimeLine(JournalType.HALT, "latched", INTERNAL_ERROR, "end", "a task died, perhaps the core itself"),
    RuntimeLine(JournalType.RUN_STOPPED, "crashed", None, "end", "after such a death"),
    RuntimeLine(JournalType.RUN_STOPPED, "in_use", None, "end", "another desk of this machine trades the account"),
    RuntimeLine(JournalType.RUN_STOPPED, "refused_by_venue", None, "end", "the venue's edge forbids to go on"),
    RuntimeLine(JournalType.RUN_STOPPED, "nothing_to_do", None, "end", "started to flatten only: no flatten stood"),
)
SALVAGE_LINES: Final = (
    RuntimeLine(JournalType.LEDGER_CHECKPOINT, "checkpoint", None, "start", "what the damaged journal still says"),
    RuntimeLine(JournalType.REPAIRED, "salvaged", "journal_damaged", "start", "what was done"),
    RuntimeLine(JournalType.HALT, "latched", SALVAGED, "start", "nothing is hedged before the operator's word"),
)
"""A salvage is no run: it has no tape, and these lines alone."""


def by_the_runtime(line: JournalLine, rows: Sequence[RuntimeLine] = RUNTIME_LINES) -> RuntimeLine | None:
    """The row of a line without `tape_seq` that the runtime wrote by itself; None for every other line."""
    if line.tape_seq is not None:
        return None
    for row in rows:
        if (line.type, line.status) == (row.type, row.status) and row.reason in (None, line.reason):
            return row
    return None


def expected_line(record: Record, after: Book, *, tape_seq: int | None, like: JournalLine | None = None) -> JournalLine:
    """The journal line that the runtime makes of a replayed record.

    Taken from `like` is what a replay cannot repeat: the line's number, and two readings of the machine's clock.
    """
    fields = record.line_fields()
    if like is not None:
        fields["latency_ms"] = like.latency_ms
    line = JournalLine(
        seq=0 if like is None else like.seq,
        ts=iso_from_us(after.ts_us),
        wall_ts="" if like is None else like.wall_ts,
        desk=after.desk,
        run_id=after.run_id,
        tape_seq=tape_seq,
        **fields,
    )
    # Through JSON and back, as a reader of the journal gets it.
    return msgspec.json.decode(msgspec.json.encode(line), type=JournalLine)


class Differing(msgspec.Struct, frozen=True, kw_only=True):
    """One field that is not the same: where it is, like `data.ledger.own_shares`, and what stands on either side."""

    path: str
    recorded: Any
    """None also where it is missing."""
    replayed: Any


def differing(recorded: Any, replayed: Any) -> tuple[Differing, ...]:
    """The fields in which two values differ once they are JSON; empty where none does.

    Members of an object have no order. Numbers are compared as they are written: 1 is not 1.0, 0.0 is not -0.0.
    """
    ours, theirs = msgspec.json.encode(recorded), msgspec.json.encode(replayed)
    if ours == theirs:
        return ()
    return tuple(_walk(msgspec.json.decode(ours), msgspec.json.decode(theirs), ""))


def _walk(one: Any, other: Any, path: str) -> Iterator[Differing]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            inner = f"{path}.{name}" if path else str(name)
            if name in one and name in other:
                yield from _walk(one[name], other[name], inner)
            else:
                yield Differing(path=inner, recorded=one.get(name), replayed=other.get(name))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _walk(left, right, f"{path}[{index}]")
    elif repr(one) != repr(other):
        yield Differing(path=path or "all of it", recorded=one, replayed=other)
