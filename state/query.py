"""Questions to a journal: the newest operations that match, and everything that belongs to one intent.

Unchecked and tolerant (a line that this version cannot read is left out), for showing; `verify` judges the chain.
"""

from collections.abc import Collection
from itertools import islice
from pathlib import Path

import msgspec

from state.journal_reader import decode_line, lines_backwards
from state.records import JournalLine, JournalType
from state.segments import list_segments
from state.times import us_from_iso

ROUTINE = frozenset({JournalType.LEDGER_CHECKPOINT, JournalType.TRANSITION})
"""What a desk writes all day long by itself: left out of a first look, shown when it is asked for."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What to show; None asks nothing. Times are of `ts`, in microseconds since the epoch, half-open [since, until)."""

    since_us: int | None = None
    until_us: int | None = None
    types: frozenset[JournalType] | None = None
    intent_id: str | None = None
    order_ref: str | None = None
    run_id: str | None = None
    instrument: str | None = None
    text: str | None = None
    """Anywhere in reason, status or state code, whatever the case."""


def matches(line: JournalLine, wanted: Filter) -> bool:
    """Whether a line answers the filter."""
    if wanted.types is not None and line.type not in wanted.types:
        return False
    for asked, found in (
        (wanted.intent_id, line.intent_id),
        (wanted.order_ref, line.order_ref),
        (wanted.run_id, line.run_id),
        (wanted.instrument, line.instrument),
    ):
        if asked is not None and asked != found:
            return False
    if wanted.text is not None and not _says(line, wanted.text.casefold()):
        return False
    return _within(line, wanted)


def _says(line: JournalLine, text: str) -> bool:
    return any(text in word.casefold() for word in (line.reason, line.status, line.state_code) if word is not None)


def _within(line: JournalLine, wanted: Filter) -> bool:
    if wanted.since_us is None and wanted.until_us is None:
        return True
    try:
        ts_us = us_from_iso(line.ts)
    except ValueError:
        return False
    return (wanted.since_us is None or ts_us >= wanted.since_us) and (
        wanted.until_us is None or ts_us < wanted.until_us
    )


def newest(folder: Path, wanted: Filter, limit: int) -> list[JournalLine]:
    """The newest `limit` matching lines, newest first; reads backwards and no more than it needs. Raises OSError."""
    return list(islice((line for line in lines_backwards(folder) if matches(line, wanted)), limit))


def newest_without_routine(folder: Path, wanted: Filter, limit: int) -> tuple[list[JournalLine], int]:
    """Like `newest`, without the `ROUTINE` lines; and how many of those lie between what is given. Raises OSError."""
    found: list[JournalLine] = []
    left_out = 0
    for line in lines_backwards(folder):
        if not matches(line, wanted):
            continue
        if line.type in ROUTINE:
            left_out += 1
            continue
        found.append(line)
        if len(found) == limit:
            break
    return found, left_out


def life_of_intent(folder: Path, intent_id: str) -> list[JournalLine]:
    """Everything about one intent in journal order: its own lines and those of its orders. Raises OSError.

    A commission or a late fill may name only the order, so order_refs are collected on the way.
    """
    order_refs: set[str] = set()
    life = []
    for segment in list_segments(folder):
        with segment.path.open("rb") as file:
            for raw in file:
                line = _relevant(raw, intent_id, order_refs)
                if line is None:
                    continue
                life.append(line)
                if line.order_ref is not None:
                    order_refs.add(line.order_ref)
    return life


def _relevant(raw: bytes, intent_id: str, order_refs: Collection[str]) -> JournalLine | None:
    """Decode only lines whose bytes name the intent or one of its orders, then look properly."""
    if intent_id.encode() not in raw and not any(order_ref.encode() in raw for order_ref in order_refs):
        return None
    line = decode_line(raw)
    if line is None or not (line.intent_id == intent_id or line.order_ref in order_refs):
        return None
    return line
