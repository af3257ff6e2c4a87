"""A place in a growing record, and finding it again after rotation, compression or removal.

A place is a segment's number, an offset and the seq of the newest line before it, together with the last bytes of the
line before it, which hold its hash. Where these bytes stand before the offset, the place is the right one, in a plain
file as in a compressed one. That is stronger than an inode, which file systems give away again.
"""

from contextlib import suppress

import msgspec

from state.chain import LineError, read_head
from state.segments import ARCHIVE_ERRORS, Segment, last_line_break, open_segment

_MARK_BYTES = 67
"""How a line ends: its hash, a quote, a brace and the line break."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Between two lines. `offset` counts bytes of the segment as it was written, not as it is compressed."""

    number: int
    offset: int
    mark: bytes
    seq: int
    """The highest before it."""


def seq_of(raw: bytes) -> int | None:
    """The number that a line, given with its line break, says it has; None for what is no line."""
    try:
        return read_head(raw).seq
    except LineError:
        return None


def mark_of(raw: bytes) -> bytes:
    """By what a line is known again."""
    return raw[-_MARK_BYTES:]


def end_of(segments: tuple[Segment, ...]) -> Place | None:
    """After the last whole line that says its number; None where there is none. Raises OSError."""
    for segment in reversed(segments):
        found = _end_of_compressed(segment) if segment.is_compressed else _end_of_plain(segment)
        if found is not None:
            return found
    return None


def _end_of_plain(segment: Segment) -> Place | None:
    """Backwards from the end, so that only the end is read."""
    try:
        with segment.path.open("rb") as file:
            end = last_line_break(file, file.seek(0, 2)) + 1
            while end > 0:
                start = last_line_break(file, end - 1) + 1
                file.seek(start)
                raw = file.read(end - start)
                seq = seq_of(raw)
                if seq is not None:
                    return Place(number=segment.number, offset=end, mark=mark_of(raw), seq=seq)
                end = start
    except FileNotFoundError:
        return _end_of_compressed(segment)
    return None


def _end_of_compressed(segment: Segment) -> Place | None:
    found = None
    offset = 0
    with suppress(FileNotFoundError), open_segment(segment) as file, suppress(*ARCHIVE_ERRORS):
        for raw in file:
            offset += len(raw)
            seq = seq_of(raw)
            if seq is not None:
                found = Place(number=segment.number, offset=offset, mark=mark_of(raw), seq=seq)
    return found


def stands(segments: tuple[Segment, ...], place: Place) -> bool:
    """Whether the line before the place is still there. Raises OSError."""
    for segment in segments:
        if segment.number == place.number:
            with open_segment(segment) as file, suppress(*ARCHIVE_ERRORS):
                file.seek(place.offset - len(place.mark))
                return file.read(len(place.mark)) == place.mark
    return False


def find_again(segments: tuple[Segment, ...], place: Place) -> Place | None:
    """The place among segments that changed; None where they are of another record than before. Raises OSError.

    Where its line was removed or is damaged, the place before the first line that can come after it: lines up to its
    seq that follow there are to be passed over. The place itself where the segments hold no line at all yet.
    """
    opening = [(segment, seq) for segment in segments if (seq := _first_seq(segment)) is not None]
    if not opening:
        return place
    earlier = [segment for segment, seq in opening if seq <= place.seq]
    if not earlier:
        return _before(opening[0][0], place.seq)
    candidate = earlier[-1]
    offset = 0
    with open_segment(candidate) as file:
        try:
            for raw in file:
                offset += len(raw)
                if mark_of(raw) == place.mark:
                    return Place(number=candidate.number, offset=offset, mark=place.mark, seq=place.seq)
                if seq_of(raw) == place.seq:
                    return None  # another line under its number
        except ARCHIVE_ERRORS:
            return _before(candidate, place.seq)
    return None if candidate is opening[-1][0] else _before(candidate, place.seq)


def _first_seq(segment: Segment) -> int | None:
    with open_segment(segment) as file, suppress(*ARCHIVE_ERRORS):
        return seq_of(file.readline())
    return None


def _before(segment: Segment, seq: int) -> Place:
    return Place(number=segment.number, offset=0, mark=b"", seq=seq)
