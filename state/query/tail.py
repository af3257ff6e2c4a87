"""Questions answered from the journal's own lines: the newest by reading backwards, everything by reading through.

Unchecked and tolerant (a line that this version cannot read is left out), for showing; `verify` judges the chain.
"""

from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

from state.journal_reader import decode_line
from state.query.filters import Filter, Sieve, matches
from state.query.reading import Problems, blocks_backward, blocks_forward
from state.records import JournalLine
from state.segments import Segment, list_segments


def newest(folder: Path, wanted: Filter, limit: int) -> list[JournalLine]:
    """The newest `limit` matching lines, newest first; reads backwards and no more than it needs. Raises OSError."""
    return list(islice(_backward(folder, wanted), limit))


def _backward(folder: Path, wanted: Filter) -> Iterator[JournalLine]:
    problems = Problems()
    for segment in reversed(list_segments(folder)):
        yield from matching_backward(segment, wanted, problems)


def matching_backward(segment: Segment, wanted: Filter, problems: Problems) -> Iterator[JournalLine]:
    """The matching lines of one segment, newest first. Raises OSError."""
    sieve = Sieve(wanted)
    for block in blocks_backward(segment, problems):
        for raw in sieve.sift(block)[::-1]:
            line = decode_line(raw)
            if line is not None and matches(line, wanted):
                yield line


def matching_forward(segment: Segment, wanted: Filter, problems: Problems) -> Iterator[JournalLine]:
    """The matching lines of one segment, oldest first. Raises OSError."""
    return (line for _, line in raw_matching_forward(segment, wanted, problems))


def raw_matching_forward(segment: Segment, wanted: Filter, problems: Problems) -> Iterator[tuple[bytes, JournalLine]]:
    """As `matching_forward`, each line with its bytes, without the line break."""
    sieve = Sieve(wanted)
    for block in blocks_forward(segment, problems):
        for raw in sieve.sift(block):
            line = decode_line(raw)
            if line is not None and matches(line, wanted):
                yield raw, line


def life_in_segment(
    segment: Segment, intent_id: str, order_refs: set[str], problems: Problems
) -> Iterator[tuple[bytes, JournalLine]]:
    """What one segment holds of an intent's life; adds the orders that it names to `order_refs`. Raises OSError.

    Each line comes with its bytes, without the line break.

    A commission or a late fill may name only the order, so order_refs are collected on the way.
    """
    for block in blocks_forward(segment, problems):
        if not _may_belong(block, intent_id, order_refs):
            continue
        for raw in block.split(b"\n"):
            line = decode_line(raw) if _may_belong(raw, intent_id, order_refs) else None
            if line is not None and belongs(line, intent_id, order_refs):
                yield raw, line


def belongs(line: JournalLine, intent_id: str, order_refs: set[str]) -> bool:
    """Whether a line is of the intent or of one of its orders so far; if so, its own order is one from here on."""
    if line.intent_id != intent_id and line.order_ref not in order_refs:
        return False
    if line.order_ref is not None:
        order_refs.add(line.order_ref)
    return True


def _may_belong(raw: bytes, intent_id: str, order_refs: Collection[str]) -> bool:
    """Decode only lines whose bytes name the intent or one of its orders, or that are spelt with escapes."""
    return b"\\" in raw or any(name.encode("utf-8", "surrogatepass") in raw for name in (intent_id, *order_refs))
