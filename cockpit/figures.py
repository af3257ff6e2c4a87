"""The equity and drawdown figure as plotly's JSON. Pure: samples in, a plain dict out.

Colours are roles (`role:line`), because only the browser knows which theme it shows. `uirevision` is constant:
plotly then keeps the operator's zoom over every redraw.
"""

from collections.abc import Sequence
from typing import Any

from cockpit import wording
from cockpit.reader import Reader
from state.records import HistorySample

MAX_POINTS = 3000
"""More than a screen is wide; a year of minutes is thinned to this, keeping every extreme."""


def thin(samples: Sequence[HistorySample], most: int = MAX_POINTS) -> list[HistorySample]:
    """At most about `most` samples: of each run of neighbours the first, the lowest and the highest equity."""
    if len(samples) <= most:
        return list(samples)
    size = -(-len(samples) * 3 // most)
    kept: list[HistorySample] = []
    for start in range(0, len(samples), size):
        run = samples[start : start + size]
        by_equity = sorted(
            (index for index, sample in enumerate(run) if sample.equity_usd is not None),
            key=lambda index: run[index].equity_usd or 0.0,
        )
        wanted = {0, *by_equity[:1], *by_equity[-1:]}
        kept.extend(run[index] for index in sorted(wanted))
    if kept[-1] is not samples[-1]:
        kept.append(samples[-1])
    return kept


def equity(samples: Sequence[HistorySample], *, drawdown_limit_pct: float | None, reader: Reader) -> dict[str, Any]:
    """Equity above, drawdown below on the same time axis, own fills as marks, the limit as a worded line.

    Without samples: `{"empty": sentence}`.
    """
    # A line that runs backwards is unreadable, and a second run of a replayed day starts over.
    samples = sorted((sample for sample in samples if sample.equity_usd is not None), key=lambda sample: sample.ts)
    minutes = thin([sample for sample in samples if sample.kind == "minute"])
    if not minutes:
        return {
            "empty": "No equity yet: a point appears here every minute of market time while the daemon runs "
            "(./bifrost up)."
        }
    x = [reader.plot_time(sample.ts) for sample in minutes]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Equity",
            "meta": "equity_usd",
            "x": x,
            "y": [sample.equity_usd for sample in minutes],
            "line": {"color": "role:line", "width": 2},
            "hovertemplate": "%{y:,.2f} USD<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Drawdown",
            "meta": "drawdown_pct",
            "x": x,
            "y": [_depth(sample) for sample in minutes],
            "yaxis": "y2",
            "fill": "tozeroy",
            "fillcolor": "role:fill",
            "line": {"color": "role:edge", "width": 1.5},
            "hovertemplate": "%{y:.2f} % drawdown<extra></extra>",
        },
    ]
    fills = thin([sample for sample in samples if sample.kind == "fill"])
    if fills:
        traces.append(_fill_marks(fills, reader))
    return {"data": traces, "layout": _layout(drawdown_limit_pct, reader), "config": _CONFIG}


def _depth(sample: HistorySample) -> float | None:
    return None if sample.drawdown_pct is None else -abs(sample.drawdown_pct)


def _fill_marks(fills: Sequence[HistorySample], reader: Reader) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "Own fill",
        "meta": "fill",
        "x": [reader.plot_time(sample.ts) for sample in fills],
        "y": [sample.equity_usd for sample in fills],
        "marker": {
            "color": "role:paper",
            "size": 7,
            "symbol": "diamond",
            "line": {"color": "role:fillmark", "width": 1.4},
        },
        "text": [_fill_words(sample) for sample in fills],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _fill_words(sample: HistorySample) -> str:
    data = sample.data if sample.data is not None else {}
    side, quantity, price = data.get("side"), data.get("quantity"), data.get("price")
    if isinstance(side, str) and isinstance(quantity, int | float) and isinstance(price, int | float):
        # plotly reads its own small markup in hover texts; a side is BUY or SELL, so escaping is belt and braces.
        return f"{_plain(side)} {wording.shares(float(quantity))} at {wording.number(float(price), decimals=4)}"
    return "own fill"


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    "scrollZoom": False,
    "modeBarButtons": [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
}


def _layout(drawdown_limit_pct: float | None, reader: Reader) -> dict[str, Any]:
    axis = {"gridcolor": "role:grid", "zerolinecolor": "role:grid", "fixedrange": False, "automargin": True}
    shapes: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    if drawdown_limit_pct is not None:
        level = -abs(drawdown_limit_pct)
        line = {"color": "role:limit", "width": 1.6, "dash": "dash"}
        shapes.append(
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y2", "y0": level, "y1": level, "line": line}
        )
        notes.append(
            {
                "text": f"drawdown limit {wording.percent(level, decimals=1)}",
                "xref": "paper",
                "x": 1,
                "xanchor": "right",
                "yref": "y2",
                "y": level,
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"color": "role:limit", "size": 12},
            }
        )
    return {
        "uirevision": "keep",
        "height": 330,
        "margin": {"l": 12, "r": 14, "t": 26, "b": 8},
        "paper_bgcolor": "role:paper",
        "plot_bgcolor": "role:paper",
        "font": {"color": "role:ink", "size": 13, "family": "role:font"},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "role:paper", "font": {"color": "role:ink"}},
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
        "xaxis": {
            **axis,
            "type": "date",
            "anchor": "y2",
            "hoverformat": f"%Y-%m-%d %H:%M:%S {reader.zone_name}",
            "title": _title(f"Market time, {reader.zone_name}"),
        },
        "yaxis": {
            **axis,
            "domain": [0.38, 1],
            "title": _title("Equity, USD"),
            "tickformat": ",.0f",
        },
        "yaxis2": {
            **axis,
            "domain": [0, 0.31],
            "title": _title("Drawdown, %"),
            "range": _drawdown_range(drawdown_limit_pct),
            "rangemode": "tozero",
        },
        "shapes": shapes,
        "annotations": notes,
    }


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"size": 12}, "standoff": 8}


def _drawdown_range(limit_pct: float | None) -> list[float] | None:
    """The limit stays in sight, so that the distance to it can be seen."""
    return None if limit_pct is None else [-abs(limit_pct) * 1.12, abs(limit_pct) * 0.04]
