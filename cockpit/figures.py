"""What every figure is made of, as plotly's JSON: axes, limits with their words, a twin for who reads no picture. Pure.

Colours are roles (`role:line`), because only the browser knows which theme it shows; nothing is told by colour alone.
`uirevision` names the range: plotly keeps the operator's zoom over every redraw, until another range is chosen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cockpit.reader import Reader
from cockpit.tables import Table, plain

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    "scrollZoom": False,
    "modeBarButtons": [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
}


class Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One figure. `alt` says in a sentence what it shows, newest figures first; `table` is its twin in text.

    `empty` stands instead of a picture: what will appear here, and when. `note` is shown below it.
    """

    title: str
    alt: str
    data: tuple[dict[str, Any], ...] = ()
    layout: Mapping[str, Any] = {}
    config: Mapping[str, Any] = msgspec.field(default_factory=lambda: CONFIG)
    empty: str = ""
    note: str = ""
    table: dict[str, Any] | None = None
    base: str = ""
    """What a patch must fit: the range and the width of its points."""
    newest_us: int | None = None
    gap_ms: float | None = None
    """A longer silence than this is a gap in the line."""


def empty(title: str, sentence: str) -> Figure:
    """A figure of which there is nothing yet."""
    return Figure(title=title, alt=f"{title}. {sentence}", empty=sentence)


def twin(table: Table) -> dict[str, Any]:
    """A table as a figure's text twin."""
    return plain(table)


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its title; a title of a value axis ends with its unit."""
    return {
        "gridcolor": "role:grid",
        "zerolinecolor": "role:axis",
        "linecolor": "role:axis",
        "automargin": True,
        "title": {"text": title, "font": {"size": 12}, "standoff": 8},
        **more,
    }


def layout(
    reader: Reader, *, height: int = 260, keep: str = "keep", legend: bool = False, **more: Any
) -> dict[str, Any]:
    """The frame that all figures share. `keep` is what the zoom belongs to."""
    return {
        "uirevision": keep,
        "height": height,
        "margin": {"l": 12, "r": 14, "t": 30 if legend else 12, "b": 8},
        "paper_bgcolor": "role:paper",
        "plot_bgcolor": "role:paper",
        "font": {"color": "role:ink", "size": 13, "family": "role:font"},
        "hoverlabel": {"bgcolor": "role:paper", "bordercolor": "role:axis", "font": {"color": "role:ink"}},
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
        "separators": ".,",
        "meta": {"zone": reader.zone_name},
        **more,
    }


def limit_line(level: float, words: str, *, axis_name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A limit as a dashed line over the whole width, and its words: (shape, annotation)."""
    line = {"color": "role:limit", "width": 1.6, "dash": "dash"}
    shape = {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "yref": axis_name,
        "y0": level,
        "y1": level,
        "line": line,
    }
    note = {
        "text": words,
        "xref": "paper",
        "x": 1,
        "xanchor": "right",
        "yref": axis_name,
        "y": level,
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"color": "role:limit", "size": 12},
    }
    return shape, note


TIME_TICKS: tuple[dict[str, Any], ...] = (
    {"dtickrange": [None, 86_399_999], "value": "%H:%M\n%Y-%m-%d"},
    {"dtickrange": [86_400_000, None], "value": "%Y-%m-%d"},
)
"""ISO in every language; the day stands once below its hours."""
FEW = 31


LEAST_PLACES = 10


def time_axis(reader: Reader, *, hover: str, **more: Any) -> dict[str, Any]:
    """An axis of moments on the reader's clock; `hover` is how a point says its time, as in strftime."""
    return axis(
        reader.say("charts.time_axis", zone=reader.zone_name),
        type="date",
        tickformatstops=TIME_TICKS,
        tickangle=0,
        nticks=7,
        hoverformat=f"{hover} {reader.zone_name}",
        **more,
    )


def day_axis(count: int) -> dict[str, Any]:
    """The axis of `count` days or weeks: one place each while there are few, to scale beyond that."""
    if count <= FEW:
        return places_axis("", count)
    return axis("", type="date", tickformat="%Y-%m-%d", hoverformat="%Y-%m-%d", nticks=7, tickangle=0)


def places_axis(title: str, count: int, *, least: int = LEAST_PLACES) -> dict[str, Any]:
    """An axis of `count` names, with room for `least` of them: one lonely bar must not fill the picture."""
    room = {"range": [-0.5, least - 0.5]} if count < least else {}
    return axis(title, type="category", nticks=7, tickangle=0, **room)


def count_axis(title: str, most: float) -> dict[str, Any]:
    """An axis of whole numbers from zero on."""
    return axis(title, tickformat=",d", rangemode="tozero", **({"dtick": 1} if most <= FEW_COUNTS else {}))


FEW_COUNTS = 6


def bars(name: str, x: Sequence[Any], y: Sequence[float | None], *, role: str, **more: Any) -> dict[str, Any]:
    """One row of bars, in the colour of a role."""
    marker = {"color": f"role:{role}", "line": {"color": "role:axis", "width": 0.6}, **more.pop("marker", {})}
    return {"type": "bar", "name": name, "x": list(x), "y": list(y), "marker": marker, **more}


def plain_text(text: str) -> str:
    """Text of a file for a place where plotly reads its own small markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
