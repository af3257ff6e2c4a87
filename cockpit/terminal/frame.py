"""One frame of `bifrost top`: the Now page as lines for a screen of a given size. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from cockpit.now_view import NowView
from cockpit.reader import Reader
from cockpit.terminal import sections as made
from cockpit.terminal.fit import Section, fit
from cockpit.terminal.operations import operations
from cockpit.terminal.text import Line, Span, clip, line, wrap
from state.look import Look
from state.records import JournalLine

NARROWEST = 20
"""A narrower screen is drawn as if it had so many columns, and cut by the terminal."""


_OPERATIONS_LINES = 8


class Size(NamedTuple):
    """A screen. `height` None has no end: a pipe."""

    width: int
    height: int | None


def frame(
    view: NowView,
    look: Look,
    lines: Sequence[JournalLine],
    size: Size,
    reader: Reader,
    *,
    command: str,
    notice: str = "",
    has_keys: bool = True,
) -> tuple[Line, ...]:
    """The whole screen, the most important first.

    `lines` are the newest operations, newest first; `command` begins every further command about this desk; `notice` is
    what became of the last key. Gives at most `size.height` lines of at most `size.width` columns.
    """
    width = max(NARROWEST, size.width)
    top = made.heading(view, look, width, reader)
    bottom = _footer(command, notice, width, reader, has_keys=has_keys)
    body = _body(view, look, lines, size, reader)
    if size.height is None:
        return (*top, *fit(_spread(body), None, reader), *bottom)
    room = size.height - len(top) - len(bottom)
    spread = _spread(body)
    # The operations take what room there is; the blank lines must not cost any other section its own.
    others = made.count_lines([section for section in spread if section.name != "operations"])
    wanted = spread if others + _OPERATIONS_LINES <= room else body
    shown = [*top, *fit(wanted, room, reader)]
    if room < 0:
        return tuple(clip(each, width) for each in top[: size.height])
    blank: Line = ()
    shown += [blank] * (size.height - len(shown) - len(bottom))
    return tuple(clip(each, width) for each in [*shown, *bottom])


def _body(view: NowView, look: Look, lines: Sequence[JournalLine], size: Size, reader: Reader) -> list[Section]:
    width = max(NARROWEST, size.width)
    most = None if size.height is None else size.height // 4
    tables = view.tables
    legs = made.table("legs", tables.get("legs"), width, rank=4)
    half = (width - 3) // 2 if made.is_wide(width) else width
    orders = made.table("orders", tables.get("orders"), half, rank=5)
    held = made.table("positions", tables.get("positions"), half, rank=8)
    told = made.table("operations", operations(lines, reader), width, rank=6)
    beside = [made.pair(held, orders, width, name="positions")] if made.is_wide(width) else [orders, held]
    present = [made.figures(view.tiles, width, reader), legs, *beside]
    return [
        made.reasons(view.light.reasons, width, reader, most=most),
        made.commands(view, look.control.files, width, reader),
        made.receipts(view.controls.receipts, width),
        *(map(made.faded, present) if view.light.state == "not_live" else present),
        told,
    ]


def _spread(body: Sequence[Section]) -> list[Section]:
    """With a blank line before the figures and each table: easier to read, where there is room."""
    calm = ("reasons", "commands")
    return [section if section.name in calm else made.spaced([section])[0] for section in body]


def _footer(command: str, notice: str, width: int, reader: Reader, *, has_keys: bool) -> list[Line]:
    """What became of the last key, and the keys; the commands that one key must not give are named."""
    lines = [line(Span(text, "bold")) for text in wrap(notice, width, most=2)]
    more = reader.say("top.commands", command=command)
    if not has_keys:
        return lines + [line(Span(text, "dim")) for text in wrap(more, width, most=3, indent=2)]
    keys = line(Span("q", "bold"), f" {reader.say('top.quit')}   ", Span("S", "bold"), f" {reader.say('top.stop')}   ",
                Span("P", "bold"), f" {reader.say('top.pause')}")  # fmt: skip
    lines.append(clip(keys, width))
    lines.append(clip(line(Span(more, "dim")), width))
    return lines
