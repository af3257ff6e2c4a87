"""Every line that a filter lets through, with its own bytes, however many there are: what an export is made of.

Read from the journal itself, a block at a time: memory does not grow with the answer.
"""

from collections.abc import Iterator, Sequence

from state.query.filters import ROUTINE, Filter, matches
from state.query.reading import Problems
from state.query.tail import life_in_segment, raw_matching_forward
from state.records import JournalLine
from state.segments import Segment


def each_line(
    segments: Sequence[Segment], wanted: Filter, *, routine: bool, intent: str | None, problems: Problems
) -> Iterator[tuple[bytes, JournalLine]]:
    """The lines of these segments in their order; of one intent's life where `intent` names one. Raises OSError."""
    order_refs: set[str] = set()
    for segment in segments:
        found = (
            raw_matching_forward(segment, wanted, problems)
            if intent is None
            else life_in_segment(segment, intent, order_refs, problems)
        )
        for raw, line in found:
            if intent is not None and not matches(line, wanted):
                continue
            if routine or line.type not in ROUTINE:
                yield raw + b"\n", line
