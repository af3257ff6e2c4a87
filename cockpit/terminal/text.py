"""Lines of styled text, measured in the columns that a terminal gives them. Pure.

A Chinese character takes two columns. What came from files or the broker loses every control character first: it is
data, and must not be able to move the cursor.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from rich.cells import cell_len, set_cell_size

Style = Literal["plain", "dim", "bold", "green", "yellow", "red", "not_live", "warn", "alarm", "live_money"]

ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
_NARROW: Final = 8
"""Columns; in fewer the beginning of a line says nothing."""
_ASCII: Final = {
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{MIDDLE DOT}": "|",
    ELLIPSIS: "~",
    "\N{BLACK CIRCLE}": "*",
    "\N{BLACK UP-POINTING TRIANGLE}": "!",
    "\N{BLACK SQUARE}": "#",
    "\N{DOTTED CIRCLE}": "?",
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{RIGHTWARDS ARROW}": ">",
    "\N{CHECK MARK}": "ok",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{MULTIPLICATION SIGN}": "x",
}


class Span(msgspec.Struct, frozen=True):
    """A piece of a line in one style."""

    text: str
    style: Style = "plain"


Line = tuple[Span, ...]


def clean(text: str) -> str:
    """The text without control characters, line breaks and direction marks: each becomes a blank."""
    return "".join(" " if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp", "Cs") else each for each in text)


def line(*parts: Span | str) -> Line:
    """A line of spans; a bare text is plain. Every part is cleaned."""
    spans = (part if isinstance(part, Span) else Span(part) for part in parts)
    return tuple(Span(clean(span.text), span.style) for span in spans if span.text)


def width_of(content: str | Line) -> int:
    """How many columns it takes."""
    return cell_len(content) if isinstance(content, str) else sum(cell_len(span.text) for span in content)


def clip(content: Line, width: int) -> Line:
    """The line cut to `width` columns; what was cut leaves an ellipsis."""
    if width_of(content) <= width:
        return content
    kept: list[Span] = []
    left = width - 1
    for span in content:
        size = cell_len(span.text)
        if size > left:
            kept.append(Span(set_cell_size(span.text, left) + ELLIPSIS, span.style) if left > 0 else Span(ELLIPSIS))
            break
        kept.append(span)
        left -= size
    return tuple(kept) if width > 0 else ()


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text at exactly `width` columns, cut with an ellipsis where it is longer."""
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, max(0, width - 1)) + ELLIPSIS if width > 0 else ""
    return " " * (width - size) + text if right else text + " " * (width - size)


def between(left: Line, right: Line, width: int) -> Line:
    """`left` and `right` at the two ends of one line; the left one is cut where both do not fit."""
    room = width - width_of(right) - 1
    if room < _NARROW:
        return clip(left, width)  # it says more
    shown = clip(left, room)
    return (*shown, Span(" " * (width - width_of(shown) - width_of(right))), *right)


def wrap(text: str, width: int, *, most: int, indent: int = 0) -> list[str]:
    """The text in at most `most` lines of `width` columns, broken at blanks; all but the first are indented."""
    rest = clean(text).strip()
    found: list[str] = []
    while rest and len(found) < most:
        room = max(1, width - (indent if found else 0))
        lead = " " * (indent if found else 0)
        if cell_len(rest) <= room:
            found.append(lead + rest)
            return found
        if len(found) == most - 1:
            found.append(lead + pad(rest, room))
            return found
        cut = _break_at(rest, room)
        found.append(lead + rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return found


def _break_at(text: str, width: int) -> int:
    """After how many characters to break: the last blank that fits, else as many as fit."""
    taken = 0
    fits = 0
    for index, each in enumerate(text):
        taken += cell_len(each)
        if taken > width:
            break
        fits = index + 1
    blank = text.rfind(" ", 0, fits + 1)
    return blank if blank > fits // 2 else max(1, fits)


def in_ascii(lines: Iterable[Line]) -> tuple[Line, ...]:
    """For a terminal without UTF-8: shapes become signs, everything else that it lacks a question mark."""
    return tuple(tuple(Span(_to_ascii(span.text), span.style) for span in each) for each in lines)


def _to_ascii(text: str) -> str:
    if text.isascii():
        return text
    for known, plain in _ASCII.items():
        text = text.replace(known, plain)
    return unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode("ascii")
