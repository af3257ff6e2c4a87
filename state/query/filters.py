"""What may be asked of a journal line, and whether one answers it."""

from typing import Literal

import msgspec

from state.records import JournalLine, JournalType
from state.times import us_from_iso
from state.undecodable import UNDECODABLE

ROUTINE = frozenset({JournalType.LEDGER_CHECKPOINT, JournalType.TRANSITION})
"""What a desk writes all day long by itself: left out of a first look, shown when it is asked for."""


_FIRST_US = us_from_iso("0001-01-01T00:00:00Z")
_LAST_US = us_from_iso("9999-12-31T23:59:59.999999Z")


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What to show; None asks nothing. Times are of `ts`, in microseconds since the epoch, half-open [since, until)."""

    since_us: int | None = None
    until_us: int | None = None
    types: frozenset[JournalType] | None = None
    side: Literal["BUY", "SELL"] | None = None
    reason: str | None = None
    """The whole reason, as the registry spells its code."""
    intent_id: str | None = None
    order_ref: str | None = None
    run_id: str | None = None
    instrument: str | None = None
    text: str | None = None
    """Anywhere in reason, status or state code, whatever the case."""
    after_seq: int | None = None
    before_seq: int | None = None
    """Only lines whose number lies between these two, both left out: how a reader turns pages."""


EQUAL_FIELDS = ("side", "reason", "intent_id", "order_ref", "run_id", "instrument")
"""The fields of a filter that ask for one value of the line's field of the same name."""


def matches(line: JournalLine, wanted: Filter) -> bool:
    """Whether a line answers the filter."""
    if wanted.types is not None and line.type not in wanted.types:
        return False
    if not _between(line, wanted):
        return False
    for name in EQUAL_FIELDS:
        asked = getattr(wanted, name)
        if asked is not None and asked != getattr(line, name):
            return False
    if wanted.text is not None and not any(wanted.text.casefold() in word for word in words_of(line)):
        return False
    return _within(line, wanted)


def words_of(line: JournalLine) -> list[str]:
    """What `text` is looked for in, whatever the case."""
    return [word.casefold() for word in (line.reason, line.status, line.state_code) if word is not None]


def time_of(line: "JournalLine | _Placed") -> int | None:
    """The line's `ts` in microseconds; None where it is no time."""
    try:
        ts_us = us_from_iso(line.ts)
    except ValueError:
        return None
    return ts_us if _FIRST_US <= ts_us <= _LAST_US else None  # an offset may lead out of the calendar


def _between(line: "JournalLine | _Placed", wanted: Filter) -> bool:
    return (wanted.after_seq is None or line.seq > wanted.after_seq) and (
        wanted.before_seq is None or line.seq < wanted.before_seq
    )


def _within(line: "JournalLine | _Placed", wanted: Filter) -> bool:
    if wanted.since_us is None and wanted.until_us is None:
        return True
    ts_us = time_of(line)
    if ts_us is None:
        return False
    return (wanted.since_us is None or ts_us >= wanted.since_us) and (
        wanted.until_us is None or ts_us < wanted.until_us
    )


class Sieve:
    """Tells by the bytes that lines cannot answer a filter, at a fraction of the cost of reading them.

    Only what is sure is left out: JSON without any backslash holds its texts as they are, so a text that is asked
    for must stand there; and a line whose `ts` or number alone is outside of what is asked need not be read as a whole.
    """

    def __init__(self, wanted: Filter) -> None:
        asked = [getattr(wanted, name) for name in EQUAL_FIELDS]
        self._texts = [value.encode("utf-8", "surrogatepass") for value in asked if value]
        self._kinds = None if wanted.types is None else [kind.value.encode() for kind in wanted.types]
        bounds = (wanted.since_us, wanted.until_us, wanted.after_seq, wanted.before_seq)
        self._placed = wanted if any(bound is not None for bound in bounds) else None
        self._lets_all_pass = not self._texts and self._kinds is None and self._placed is None
        sure = self._texts or self._kinds or []
        self._landmark = sure[0] if self._texts or len(sure) == 1 else None
        """What stands in every line that matches."""

    def sift(self, block: bytes) -> list[bytes]:
        """The lines of a block of whole lines that may match, without their line breaks."""
        if not self._may_hold(block):
            return []
        if self._landmark is not None and b"\\" not in block:
            lines = _lines_with(block, self._landmark)
        else:
            lines = block.split(b"\n")
            lines.pop()
        return lines if self._lets_all_pass else [raw for raw in lines if self._may_match(raw)]

    def _may_hold(self, raw: bytes) -> bool:
        """False only where no line in these bytes, one or many, can match."""
        if b"\\" in raw:
            return True
        for text in self._texts:
            if text not in raw:
                return False
        if self._kinds is None:
            return True
        for kind in self._kinds:  # noqa: SIM110 - a generator costs more than the search
            if kind in raw:
                return True
        return False

    def _may_match(self, raw: bytes) -> bool:
        """False only where this line surely does not match."""
        if not self._may_hold(raw):
            return False
        if self._placed is None:
            return True
        try:
            line = _placed.decode(raw)
            return _between(line, self._placed) and _within(line, self._placed)
        except UNDECODABLE:
            return False


def _lines_with(block: bytes, text: bytes) -> list[bytes]:
    """The lines in which a text stands, found by looking for it and not line by line."""
    lines = []
    found = block.find(text)
    while found >= 0:
        end = block.find(b"\n", found)
        lines.append(block[block.rfind(b"\n", 0, found) + 1 : end])
        found = block.find(text, end + 1)
    return lines


class _Placed(msgspec.Struct, frozen=True):
    """As much of a line as tells where it stands and when it was."""

    seq: int
    ts: str


_placed = msgspec.json.Decoder(_Placed)
