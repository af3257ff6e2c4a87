"""The equity and drawdown figure of a desk: the whole of it, or only what is new since a reader's last.

Points are thinned to the width of a screen by time, so that the same span always gives the same points: each bucket
keeps its lowest, highest and last equity. A pause between points is a gap in the line, never a line across it.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cockpit import figures, wording
from cockpit.figures import Figure
from cockpit.history_store import HistoryView
from cockpit.reader import UTC, Reader
from state.statistics.days import GAP_US
from state.statistics.digest import Curve, Fill, newest_fills
from state.times import iso_from_us

Range = Literal["1d", "1w", "1m", "3m", "1y", "all"]
RANGES: dict[Range, int | None] = {"1d": 1, "1w": 7, "1m": 31, "3m": 92, "1y": 366, "all": None}
"""Calendar days back from the newest day, that day included."""
MAX_POINTS = 3000
"""More than a screen is wide."""
MAX_FILLS = 120
"""A range with more shows none: they would lie on each other."""
_QUARTER_US = 900_000_000
_WIDTHS_US = tuple(
    60_000_000 * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440, 2880, 10_080, 40_320)
)


def range_of(wanted: str | None, default: Range = "all") -> Range:
    """The range that an address names."""
    return wanted if wanted in RANGES else default


def first_day(view: HistoryView, span: Range) -> str:
    """The ISO date from which on days belong to a range; empty for all."""
    days_back = RANGES[span]
    if days_back is None or not view.days:
        return ""
    newest = dt.date.fromisoformat(next(reversed(view.days)))
    return (newest - dt.timedelta(days=days_back - 1)).isoformat()


def since_us(view: HistoryView, span: Range) -> int:
    """When the first day of a range begins; 0 for all."""
    start = first_day(view, span)
    return min((part.first_us for day, part in view.days.items() if day >= start), default=0) if start else 0


def equity_figure(
    view: HistoryView,
    reader: Reader,
    *,
    span: Range = "all",
    drawdown_limit_pct: float | None = None,
    start: str = "",
) -> Figure:
    """Equity above, drawdown below on the same time axis, own fills as marks, the limit as a worded line.

    `start` is the command that makes a desk without any history have one.
    """
    title = reader.say("charts.equity.title")
    curve = view.curve.since(since_us(view, span))
    if curve.ts_us.size == 0:
        return figures.empty(title, reader.say("charts.equity.empty", command=start))
    width_us = width_of(curve)
    thinned = thin(curve, width_us)
    newest_us = int(curve.ts_us[-1])
    return Figure(
        title=title,
        alt=_alt(curve, reader, drawdown_limit_pct),
        data=(
            *_lines(thinned, reader, gap_of(curve, width_us)),
            *_fills(view.fills, int(curve.ts_us[0]), reader),
        ),
        layout=_layout(span, drawdown_limit_pct, reader),
        base=f"{span}:{width_us}:{int(curve.ts_us[0])}",
        newest_us=newest_us,
        gap_ms=gap_of(curve, width_us) / 1000,
    )


def equity_patch(
    view: HistoryView, reader: Reader, *, span: Range, base: str, known_us: int, drawdown_limit_pct: float | None
) -> dict[str, Any] | None:
    """What a figure of this `base` whose newest point was `known_us` lacks; None where it must be drawn anew.

    `{"patch": {"from": x, "data": [{"x", "y", …} per trace]}, …}`: points from `from` on are replaced by these.
    """
    curve = view.curve.since(since_us(view, span))
    if curve.ts_us.size == 0:
        return None
    width_us = width_of(curve)
    if base != f"{span}:{width_us}:{int(curve.ts_us[0])}" or known_us > int(curve.ts_us[-1]):
        return None
    from_us = max(known_us // width_us * width_us, int(curve.ts_us[0]))
    fresh = thin(curve.since(from_us), width_us)
    traces = [
        *_lines(fresh, reader, gap_of(curve, width_us)),
        *_fills(view.fills, int(curve.ts_us[0]), reader, from_us=from_us),
    ]
    keys = ("meta", "x", "y", "text")
    return {
        "patch": {
            "from": times([from_us], reader)[0],
            "data": [{key: trace[key] for key in keys if key in trace} for trace in traces],
        },
        "alt": _alt(curve, reader, drawdown_limit_pct),
        "base": base,
        "newest_us": int(curve.ts_us[-1]),
    }


def width_of(curve: Curve) -> int:
    """The width of a bucket, in microseconds, that keeps a curve within `MAX_POINTS`."""
    if curve.ts_us.size <= MAX_POINTS:
        return _WIDTHS_US[0]
    for width_us in _WIDTHS_US[1:]:
        buckets = int(np.count_nonzero(np.diff(curve.ts_us // width_us))) + 1
        if 3 * buckets <= MAX_POINTS:
            return width_us
    return _WIDTHS_US[-1]


def thin(curve: Curve, width_us: int) -> Curve:
    """Of each bucket the lowest, the highest and the last point, in time order; of a minute's all."""
    if curve.ts_us.size == 0 or width_us <= _WIDTHS_US[0]:
        return curve
    buckets = curve.ts_us // width_us
    order = np.lexsort((curve.equity_usd, buckets))
    starts = np.flatnonzero(np.append(True, np.diff(buckets[order]) != 0))
    ends = np.append(starts[1:], buckets.size) - 1
    last = np.append(np.flatnonzero(np.diff(buckets)), buckets.size - 1)
    keep = np.unique(np.concatenate((order[starts], order[ends], last)))
    return Curve(curve.ts_us[keep], curve.equity_usd[keep], curve.drawdown_pct[keep])


def times(ts_us: Sequence[int] | NDArray[np.int64], reader: Reader) -> list[str]:
    """Moments as plotly takes them, in the reader's zone, to the millisecond. Offsets are found per quarter hour."""
    found = np.asarray(ts_us, dtype=np.int64)
    if found.size == 0:
        return []
    if reader.zone != UTC:
        quarters, place = np.unique(found // _QUARTER_US, return_inverse=True)
        zone = ZoneInfo(reader.zone)
        offsets = [_offset_us(int(quarter), zone) for quarter in quarters]
        found = found + np.array(offsets, dtype=np.int64)[place]
    return [str(text) for text in np.datetime_as_string((found // 1000).astype("datetime64[ms]"))]


def _offset_us(quarter: int, zone: ZoneInfo) -> int:
    moment = dt.datetime.fromtimestamp(quarter * _QUARTER_US / 1e6, dt.UTC).astimezone(zone)
    return int((moment.utcoffset() or dt.timedelta()).total_seconds()) * 1_000_000


def gap_of(curve: Curve, width_us: int) -> int:
    """The longest silence that is none, in microseconds: another desk may sample more seldom than ours."""
    step_us = int(np.median(np.diff(curve.ts_us))) if curve.ts_us.size > 1 else 0
    return max(GAP_US, 2 * width_us, 3 * step_us)


def _lines(curve: Curve, reader: Reader, gap_us: int) -> list[dict[str, Any]]:
    """The two lines, with an empty point wherever nothing was sampled for a while."""
    after = np.flatnonzero(np.diff(curve.ts_us) > gap_us) + 1
    x: list[Any] = times(curve.ts_us, reader)
    y: list[float | None] = [float(each) for each in curve.equity_usd.round(2)]
    depth: list[float | None] = [-round(float(each), 4) for each in curve.drawdown_pct]
    breaks = times(curve.ts_us[after - 1] + 1000, reader)
    for at, moment in zip(after[::-1].tolist(), breaks[::-1], strict=True):
        x.insert(at, moment)
        y.insert(at, None)
        depth.insert(at, None)
    common = {"type": "scatter", "mode": "lines", "connectgaps": False}
    return [
        {
            **common,
            "name": reader.say("charts.equity.equity"),
            "meta": "equity_usd",
            "x": x,
            "y": y,
            "line": {"color": "role:line", "width": 2},
            "hovertemplate": "%{y:,.2f} USD<extra></extra>",
        },
        {
            **common,
            "name": reader.say("charts.equity.drawdown"),
            "meta": "drawdown_pct",
            "x": x,
            "y": depth,
            "yaxis": "y2",
            "fill": "tozeroy",
            "fillcolor": "role:fill",
            "line": {"color": "role:edge", "width": 1.5},
            "hovertemplate": "%{y:.2f} %<extra></extra>",
        },
    ]


def _fills(fills: Sequence[Fill], range_us: int, reader: Reader, *, from_us: int = 0) -> list[dict[str, Any]]:
    """Own fills of the range from `from_us` on; none where the range has more than a screen can tell apart."""
    found = [fill for fill in newest_fills(fills) if fill.ts_us >= range_us and fill.equity_usd is not None]
    found = [fill for fill in found if fill.ts_us >= from_us] if len(found) <= MAX_FILLS else []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": reader.say("charts.equity.fill"),
            "meta": "fill",
            "x": times([fill.ts_us for fill in found], reader),
            "y": [fill.equity_usd for fill in found],
            "marker": {
                "color": "role:paper",
                "size": 7,
                "symbol": "diamond",
                "line": {"color": "role:mark", "width": 1.4},
            },
            "text": [_fill_words(fill, reader) for fill in found],
            "hovertemplate": "%{text}<extra></extra>",
            "showlegend": bool(found) or from_us > 0,
        }
    ]


def _fill_words(fill: Fill, reader: Reader) -> str:
    return figures.plain_text(
        reader.say(
            "charts.equity.fill_words",
            side=fill.side or wording.DASH,
            quantity=wording.shares(fill.quantity),
            price=wording.number(fill.price, decimals=4),
        )
    )


def _alt(curve: Curve, reader: Reader, limit_pct: float | None) -> str:
    text = reader.say(
        "charts.equity.alt",
        time=reader.day_and_time(iso_from_us(int(curve.ts_us[-1]))),
        equity=wording.usd(float(curve.equity_usd[-1])),
        drawdown=wording.drawdown(float(curve.drawdown_pct[-1])),
        low=wording.usd(float(curve.equity_usd.min())),
        high=wording.usd(float(curve.equity_usd.max())),
    )
    if limit_pct is None:
        return text
    return f"{text} {reader.say('charts.equity.alt_limit', limit=wording.drawdown(limit_pct))}"


def _layout(span: Range, limit_pct: float | None, reader: Reader) -> dict[str, Any]:
    shapes, notes = [], []
    if limit_pct is not None:
        words = reader.say("charts.equity.limit", level=wording.percent(-abs(limit_pct), decimals=1))
        shape, note = figures.limit_line(-abs(limit_pct), words, axis_name="y2")
        shapes, notes = [shape], [note]
    return figures.layout(
        reader,
        height=330,
        keep=span,
        legend=True,
        hovermode="x unified",
        xaxis=figures.time_axis(reader, hover="%Y-%m-%d %H:%M:%S", anchor="y2"),
        yaxis=figures.axis(reader.say("charts.equity.equity_axis"), domain=[0.38, 1], tickformat=",.0f"),
        yaxis2=figures.axis(
            reader.say("charts.equity.drawdown_axis"),
            domain=[0, 0.31],
            range=_drawdown_range(limit_pct),
            rangemode="tozero",
        ),
        shapes=shapes,
        annotations=notes,
    )


def _drawdown_range(limit_pct: float | None) -> list[float] | None:
    """The limit stays in sight, so that the distance to it can be seen."""
    return None if limit_pct is None else [-abs(limit_pct) * 1.12, abs(limit_pct) * 0.04]
