"""Pictures without a library: lines, bars and marks as SVG that is stretched to any width, its words beside it as text.

Only the drawing is stretched; strokes keep their width (`vector-effect`), and labels are HTML placed in percent, so
that a phone shows the same letters as a wide screen. Heights are in pixels, places along the axis in thousandths of
its length.
"""

import html
import json
import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

WIDTH = 1000.0
COLUMNS = 500
"""A line is thinned to so many columns, four points each at most: more than a screen shows."""

MOST_LETTERS = 34
"""Under an axis; a phone that would have to show more leaves every second label out."""


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """From values to pixels from the top."""

    low: float
    high: float
    height: float

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return (self.high - value) / (self.high - self.low) * self.height


def scale_of(lowest: float, highest: float, height: float, *, around: Sequence[float] = ()) -> Scale:
    """A scale that holds the values and `around`, with a little air."""
    low, high = min([lowest, *around]), max([highest, *around])
    air = (high - low) * 0.06 or max(abs(high) * 0.01, 1.0)
    return Scale(low=low - air, high=high + air, height=height)


def ticks(scale: Scale, most: int = 5) -> list[float]:
    """Readable values within the scale: 1, 2 or 5 times a power of ten apart."""
    raw = (scale.high - scale.low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= raw * (1 - 1e-9))
    first = math.ceil(scale.low / step)
    return [number * step for number in range(first, math.floor(scale.high / step) + 1)]


def tick_text(value: float, step: float) -> str:
    """As many decimals as the step needs."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    text = f"{abs(value):,.{decimals}f}"
    return text if value >= 0 or float(text.replace(",", "")) == 0 else f"\N{MINUS SIGN}{text}"


def path(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> str:
    """Points joined by straight lines."""
    points = " ".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs.tolist(), ys.tolist(), strict=True))
    return f"M{points}" if points else ""


def line(xs: NDArray[np.float64], values: NDArray[np.float64], scale: Scale, role: str) -> str:
    """One line; `role` names its colour and dash."""
    ys = (scale.high - values) / (scale.high - scale.low) * scale.height
    return f'<path class="line {role}" d="{path(xs, ys)}"/>'


def area(xs: NDArray[np.float64], values: NDArray[np.float64], scale: Scale, role: str, base: float = 0.0) -> str:
    """What lies between a line and `base`, and the line."""
    if xs.size == 0:
        return ""
    ys = (scale.high - values) / (scale.high - scale.low) * scale.height
    floor = scale.y(base)
    shape = f"{path(xs, ys)} L{xs[-1]:.1f} {floor:.1f} L{xs[0]:.1f} {floor:.1f}Z"
    return f'<path class="area {role}" d="{shape}"/><path class="line {role}" d="{path(xs, ys)}"/>'


def level(value: float, scale: Scale, role: str) -> str:
    """A horizontal line."""
    y = scale.y(value)
    return f'<path class="line {role}" d="M0 {y:.1f}H{WIDTH:g}"/>'


def band(low: float, high: float, scale: Scale, role: str) -> str:
    """A horizontal strip."""
    top, bottom = max(0.0, scale.y(high)), min(scale.height, scale.y(low))
    return f'<rect class="{role}" x="0" y="{top:.1f}" width="{WIDTH:g}" height="{max(0.0, bottom - top):.1f}"/>'


def marks(places: Sequence[tuple[float, float, bool]], scale: Scale) -> str:
    """(x, value, is a purchase): a tick up or down from the value, each kind one path."""
    shapes = {True: [], False: []}  # type: dict[bool, list[str]]
    for x, value, is_buy in places:
        shapes[is_buy].append(f"M{x:.1f} {scale.y(value):.1f}v{-18 if is_buy else 18}")
    return "".join(
        f'<path class="mark {"buy" if is_buy else "sell"}" d="{"".join(each)}"/>'
        for is_buy, each in shapes.items()
        if each
    )


def columns(values: Sequence[float], scale: Scale) -> str:
    """One upright bar for each value, over the whole width, gains and losses by colour and side of zero."""
    room = WIDTH / max(1, len(values))
    zero = scale.y(0.0)
    shapes = {"gain": [], "loss": []}  # type: dict[str, list[str]]
    for number, value in enumerate(values):
        left, right = (number + 0.12) * room, (number + 0.88) * room
        shape = f"M{left:.1f} {zero:.1f}H{right:.1f}V{scale.y(value):.1f}H{left:.1f}Z"
        shapes["loss" if value < 0 else "gain"].append(shape)
    return "".join(f'<path class="bar {role}" d="{"".join(each)}"/>' for role, each in shapes.items() if each)


def panel(scale: Scale, drawing: str, *, unit: str, x_ticks: Sequence[tuple[float, str]] = (), name: str = "") -> str:
    """One drawing with its value axis; `x_ticks` (place, words) are drawn as lines, and told below where words are."""
    found = ticks(scale, most=max(2, round(scale.height / 48)))
    step = found[1] - found[0] if len(found) > 1 else 1.0
    grid = "".join(f"M0 {scale.y(value):.1f}H{WIDTH:g}" for value in found)
    grid += "".join(f"M{place:.1f} 0V{scale.height:g}" for place, _ in x_ticks)
    labels = "".join(
        f'<span style="top:{scale.y(value) / scale.height * 100:.2f}%">{tick_text(value, step)}</span>'
        for value in found
    )
    below = "".join(
        f'<span class="{_edge(place)}" style="left:{place / WIDTH * 100:.2f}%">{html.escape(words)}</span>'
        for place, words in x_ticks
        if words
    )
    crowded = " crowded" if sum(len(words) for _, words in x_ticks) > MOST_LETTERS else ""
    told = f'<div class="x{crowded}">{below}</div>' if below else ""
    return (
        f'<div class="panel"><div class="unit">{html.escape(unit)}</div>'
        f'<div class="y" style="height:{scale.height:g}px">{labels}</div>'
        f'<div class="draw" style="height:{scale.height:g}px">'
        f'<svg viewBox="0 0 {WIDTH:g} {scale.height:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{html.escape(name or unit)}"><path class="grid" d="{grid}"/>{drawing}</svg>'
        f"</div>{told}</div>"
    )


def _edge(place: float) -> str:
    """Words at an end of the axis must not stand over it."""
    return "first" if place < WIDTH * 0.05 else "last" if place > WIDTH * 0.93 else ""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """What the reader's finger finds: one line's values at `x` (thousandths of the axis)."""

    name: str
    unit: str
    decimals: int
    x: NDArray[np.float64]
    values: NDArray[np.float64]


def readable(times_us: NDArray[np.int64], places: NDArray[np.float64], series: Sequence[Series]) -> str:
    """The same numbers for the script: times in seconds at places, and each line's values at its own places.

    JSON inside a script: `<` is written as an escape, so that no text can end it.
    """
    told = {
        "x": [round(float(place), 1) for place in places],
        "t": [int(each // 1_000_000) for each in times_us],
        "s": [
            {
                "name": each.name,
                "unit": each.unit,
                "decimals": each.decimals,
                "x": [round(float(place), 1) for place in each.x],
                "y": [round(float(value), each.decimals) for value in each.values],
            }
            for each in series
        ],
    }
    text = json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" class="data">{text}</script>'
