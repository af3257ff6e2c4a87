"""What each block of the terminal's page says, made from the Now page's value and the snapshot behind it. Pure."""

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Final

import msgspec

from cockpit import wording
from cockpit.light_view import ShownReason
from cockpit.now_view import NowView
from cockpit.reader import Reader
from cockpit.receipts import Receipt
from cockpit.tables import Table
from cockpit.terminal.fit import Section
from cockpit.terminal.grid import grid
from cockpit.terminal.text import Line, Span, Style, between, clip, line, pad, width_of, wrap
from cockpit.tiles_view import Tile
from state.light import LightState
from state.look import Look
from state.records import Snapshot
from state.times import iso_from_us

SHAPES: Final[dict[str, str]] = {
    "green": "\N{BLACK CIRCLE}",
    "yellow": "\N{BLACK UP-POINTING TRIANGLE}",
    "red": "\N{BLACK SQUARE}",
    "not_live": "\N{DOTTED CIRCLE}",
}
_SIDE_BY_SIDE: Final = 140
"""Columns from which on two tables stand beside each other."""
_ALL_FEEDS: Final = 110
"""Columns from which on options' quotes have room beside the underlying's."""
_REASON_LINES: Final = 3

_FIRST: Final[dict[str, tuple[str, ...]]] = {
    "legs": ("leg", "quantity", "price", "delta", "pnl", "gamma", "theta", "volatility", "moneyness", "value"),
    "orders": ("instrument", "side", "quantity", "filled", "status", "limit", "age", "owner", "order"),
    "positions": ("instrument", "own", "foreign", "price", "pnl", "value"),
    "operations": ("time", "type", "side", "quantity", "price", "reason", "instrument", "status"),
}
"""Of each table, the columns that are kept where there is no room for all."""


def heading(view: NowView, look: Look, width: int, reader: Reader) -> list[Line]:
    """The light, what the desk does, how old that is, and the state behind it. Always the first lines."""
    light = view.light
    state: LightState = light.state
    colour = reader.say(f"top.states.{state}")
    word = colour if light.word.upper() == colour else f"{colour}  {light.word}"
    money: Style = "live_money" if view.mode.kind in ("live", "unknown") else "bold"
    account = f"{view.mode.word} {view.mode.account}".strip()
    right = line(Span(f" {view.desk} ", "plain"), Span(f" {account} ", money))
    lines = [between(line(Span(f" {SHAPES[state]} {word} ", state)), right, width)]
    if light.headline:
        lines += [line(text) for text in wrap(light.headline, width, most=2)]
    lines.append(between(_age(view, width, reader), line(Span(reader.time_of_day(_iso(view)), "dim")), width))
    lines += [clip(each, width) for each in (_market(view, reader), _state(look.snapshot, reader)) if each]
    return lines


def _iso(view: NowView) -> str:
    return iso_from_us(int(view.made_ms * 1000))


def _age(view: NowView, width: int, reader: Reader) -> Line:
    if view.age_ms is None:
        return line(Span(reader.say("top.no_data"), "alarm"))
    values = {"age": wording.age(view.age_ms), "limit": wording.age(view.light.age_limit_ms)}
    if view.light.state == "not_live":
        return line(Span(reader.say("top.old_data", **values), "alarm"))
    parts: list[Span | str] = [reader.say("top.data_age", **values)]
    for feed in view.light.feeds[: None if width >= _ALL_FEEDS else 1]:
        age_ms = None if feed.age_ms is None else feed.age_ms + view.age_ms
        late = age_ms is not None and feed.limit_ms is not None and age_ms > feed.limit_ms
        parts.append(Span(f" · {feed.symbol} {wording.age(age_ms)}", "warn" if late else "plain"))
    return line(*parts)


def _market(view: NowView, reader: Reader) -> Line:
    parts = [part for part in (view.session, view.market_time) if part]
    return line(f"{reader.say('top.session')} {' · '.join(parts)}") if parts else ()


def _state(snapshot: Snapshot | None, reader: Reader) -> Line:
    """Link, posture, latency and loop: what stands behind the light, each with its unit."""
    if snapshot is None:
        return ()
    client = "" if snapshot.client_id is None else f", {reader.say('top.client', n=snapshot.client_id)}"
    link = wording.DASH if snapshot.link_state is None else wording.state("link", snapshot.link_state, reader)
    posture = wording.DASH
    if snapshot.posture is not None:
        posture = wording.state("posture", snapshot.posture.name, reader)
        posture += f" ({reader.phrase(snapshot.posture.reason)})" if snapshot.posture.reason else ""
    latency = snapshot.latency_ms
    decided = wording.DASH if latency is None else f"{wording.age(latency.p50)} / {wording.age(latency.p99)}"
    return line(
        f"{reader.say('top.link')} {link}{client} · {reader.say('top.posture')} {posture} · "
        f"{reader.say('top.loop')} {wording.age(snapshot.loop_age_ms)} · {reader.say('top.latency')} {decided}"
    )


def reasons(found: Sequence[ShownReason], width: int, reader: Reader, *, most: int | None) -> Section:
    """Why the light is not green, worst first, each with its numbers and what to do.

    Where all of it takes more than `most` lines, the worst reason is told in full and each other one in a line.
    """
    if not found:
        return Section(name="reasons", rank=0, lines=(line(Span(reader.say("top.no_reason"), "dim")),))
    told = [_reason(reason, width, _REASON_LINES) for reason in found]
    if most is not None and sum(map(len, told)) > most:
        told = [told[0], *(_reason(reason, width, 1) for reason in found[1:])]
    lines = tuple(chain.from_iterable(told))
    return Section(name="reasons", rank=0, lines=lines, least=min(len(lines), len(told[0]) + 3))


def _reason(reason: ShownReason, width: int, most: int) -> list[Line]:
    style: Style = "warn" if reason.severity == "yellow" else "alarm"
    measured = f" [{reason.measured}]" if reason.measured else ""
    told = reason.text if reason.remedy in reason.text else f"{reason.text} {reason.remedy}"
    text = f"{SHAPES[reason.severity]} {reason.code}{measured}: {told}"
    return [line(Span(each, style)) for each in wrap(text, width, most=most, indent=2)]


def commands(view: NowView, asserted: Collection[str], width: int, reader: Reader) -> Section:
    """What stands until somebody lifts it, by whom and why; that nothing stands is said in one line.

    `asserted` are the commands whose files are there: of a stopped desk the heading tells the stop, so it stands not
    among `view`'s.
    """
    lines = [
        clip(line(Span(f"{each.word} {each.text}", "alarm" if each.code == "halted" else "warn")), width)
        for each in view.light.standing
    ]
    if view.controls.note:
        lines.append(clip(line(view.controls.note), width))
    if not lines and not asserted:
        lines.append(line(Span(reader.say("top.no_command"), "dim")))
    return Section(name="commands", rank=1, lines=tuple(lines), least=len(lines))


def receipts(found: Sequence[Receipt], width: int) -> Section:
    """What became of the last commands: written, seen, started, done; in red where nobody saw it."""
    lines: list[Line] = []
    for receipt in found:
        style: Style = "alarm" if receipt.state == "failed" else "plain"
        steps = " → ".join(
            f"{step.word} {step.time}".strip() if step.time else f"({step.word})" for step in receipt.steps
        )
        note = f" · {receipt.note}" if receipt.note else ""
        text = f"{receipt.command} {receipt.by} · {steps}{note}"
        lines += [line(Span(each, style)) for each in wrap(text, width, most=2, indent=2)]
        if receipt.shell:
            lines.append(clip(line(Span(f"  {receipt.shell}", "bold")), width))
    # A command on its way comes before every figure; one that is done is history.
    is_open = any(receipt.state != "done" for receipt in found)
    return Section(name="receipts", rank=2 if is_open else 7, lines=tuple(lines), least=min(2, len(lines)))


def figures(tiles: Sequence[Tile], width: int, reader: Reader) -> Section:
    """The key figures, one to a line: label, value with unit, and what it is measured against."""
    label = max((width_of(tile.label) for tile in tiles), default=0)
    value = max((width_of(_value(tile)) for tile in tiles), default=0)
    lines = []
    for tile in tiles:
        style: Style = {"calm": "bold", "warn": "warn", "alarm": "alarm"}[tile.tone]  # type: ignore[assignment]
        word = "" if tile.tone == "calm" else f"{reader.say(f'top.tones.{tile.tone}')} · "
        lines.append(
            clip(
                line(
                    f"{pad(tile.label, label)}  ",
                    Span(pad(_value(tile), value, right=True), style),
                    Span(f"  {word}{tile.note}", "plain" if tile.tone == "calm" else style),
                ),
                width,
            )
        )
    return Section(name="figures", rank=3, lines=tuple(lines), is_whole=True)


def _value(tile: Tile) -> str:
    return f"{tile.value} {tile.unit}".rstrip()


def table(name: str, shown: Table | None, width: int, *, rank: int) -> Section:
    """One table under its title; an empty one is one line that says what will appear."""
    if shown is None:
        return Section(name=name, rank=rank, lines=())
    title = line(Span(shown.title, "bold"), Span(f"  {shown.aside}" if shown.aside else "", "dim"))
    if not shown.rows:
        empty = line(Span(shown.title, "bold"), Span(f"  {shown.empty}", "dim"))
        return Section(name=name, rank=rank, lines=(clip(empty, width),))
    body = grid(shown, width, first=_FIRST.get(name, ()), stretch="reason")
    return Section(name=name, rank=rank, lines=(clip(title, width), *body), least=min(4, len(body) + 1))


def pair(left: Section, right: Section, width: int, *, name: str) -> Section:
    """Two sections beside each other, where the screen is wide enough for both."""
    half = (width - 3) // 2
    lines: list[Line] = []
    for at in range(max(len(left.lines), len(right.lines))):
        one = clip(left.lines[at], half) if at < len(left.lines) else ()
        other = clip(right.lines[at], width - half - 3) if at < len(right.lines) else ()
        lines.append((*one, Span(" " * (half - width_of(one) + 3)), *other) if other else one)
    return Section(name=name, rank=min(left.rank, right.rank), lines=tuple(lines), least=min(4, len(lines)))


def spaced(sections: Sequence[Section]) -> list[Section]:
    """A blank line before each table, where there is room enough for everything."""
    return [
        msgspec.structs.replace(each, lines=((), *each.lines), least=each.least + 1) if each.lines else each
        for each in sections
    ]


def faded(section: Section) -> Section:
    """The same in a faint type: what it says was true once."""
    lines = tuple(tuple(Span(span.text, "dim") for span in each) for each in section.lines)
    return msgspec.structs.replace(section, lines=lines)


def is_wide(width: int) -> bool:
    """Whether two tables fit beside each other."""
    return width >= _SIDE_BY_SIDE


def count_lines(sections: Sequence[Section]) -> int:
    """How many lines they would take in full."""
    return len(list(chain.from_iterable(section.lines for section in sections)))
