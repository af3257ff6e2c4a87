"""Which sections a screen has room for: the most important ones first, and a word about what is left out. Pure."""

from collections.abc import Sequence

import msgspec

from cockpit.reader import Reader
from cockpit.terminal.text import Line, Span


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One block of lines. `rank` 0 is the most important; below `least` lines it is not worth showing.

    `is_whole`: where there is room for all of it, all of it comes before anything that matters less.
    """

    name: str
    rank: int
    lines: tuple[Line, ...]
    least: int = 1
    is_whole: bool = False


def fit(sections: Sequence[Section], height: int | None, reader: Reader) -> list[Line]:
    """The sections in the order given, cut to `height` lines; None is as many as it takes.

    First each gets its least, by rank, then what is left goes round by rank again. A section that had to be cut says
    so in its last line; those without any line are named in the last line of all.
    """
    filled = [section for section in sections if section.lines]
    if height is None:
        return [line for section in filled for line in section.lines]
    given = _shares(filled, height)
    if any(lines == 0 for lines in given.values()):
        given = _shares(filled, height - 1)
    shown: list[Line] = []
    for section in filled:
        shown += _cut(section, given[section.name], reader)
    left_out = [section for section in filled if given[section.name] == 0]
    if left_out and height > 0:
        names = ", ".join(reader.say(f"top.sections.{section.name}") for section in left_out)
        shown.append((Span(reader.say("top.no_room", names=names), "dim"),))
    return shown


def _shares(sections: Sequence[Section], height: int) -> dict[str, int]:
    """How many lines each section gets."""
    given = dict.fromkeys((section.name for section in sections), 0)
    left = max(0, height)
    ranked = sorted(sections, key=lambda section: section.rank)
    for section in ranked:
        whole = len(section.lines)
        asked = whole if section.is_whole and whole <= left else min(section.least, whole)
        if asked <= left:
            given[section.name] = asked
            left -= asked
    for section in ranked:
        if given[section.name]:
            more = min(left, len(section.lines) - given[section.name])
            given[section.name] += more
            left -= more
    return given


def _cut(section: Section, lines: int, reader: Reader) -> Sequence[Line]:
    if lines >= len(section.lines):
        return section.lines
    if lines <= 1:
        return section.lines[:lines]
    more = len(section.lines) - lines + 1
    return (*section.lines[: lines - 1], (Span(reader.say("top.more_lines", n=more), "dim"),))
