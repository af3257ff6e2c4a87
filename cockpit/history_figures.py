"""The figures of what a desk earned: P&L by day, its attribution, a calendar, the distribution; every figure by name.

Pure: a summary and a reader in, a figure out. Bars are by day while a screen can show them, by ISO week beyond that.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from cockpit import activity_figures, figures, history_tables, wording
from cockpit.figures import Figure
from cockpit.history_bars import ENOUGH, Builder, Limits, bars_of
from cockpit.history_summary import Summary
from cockpit.reader import Reader
from state.statistics.days import COSTS, Period, signed

LEAST_WEEKS = 8
"""So many columns a calendar has at least: one lonely week must not fill the picture."""
PATTERNS = ("", "/", "x", ".", "\\", "-", "+")
"""Beside its colour each part has a pattern, for eyes that tell few colours apart."""
PARTS_SHOWN = ("gamma_usd", "theta_usd", "delta_usd", "vega_usd", "other_usd", *COSTS)


def daily(summary: Summary, reader: Reader, limits: Limits) -> Figure:
    """P&L by day or week: gains and losses by side of the axis, sign and pattern; the daily loss limit as a line."""
    by, found = bars_of(summary)
    title = reader.say(f"charts.daily.title_{by}")
    shown = [each for each in found if each.pnl_usd is not None]
    if not shown:
        return figures.empty(title, reader.say("charts.daily.empty"))
    x = [each.first_day for each in shown]
    y = [each.pnl_usd for each in shown]
    data = _gains_and_losses(x, y, y, reader, hovertemplate="%{x}: %{y:+,.2f} USD<extra></extra>")
    shapes, notes = [], []
    limit = limits.get("daily_loss_usd")
    lowest = min(value for value in y if value is not None)
    if by == "day" and limit is not None and lowest < -0.4 * limit:
        # Far from the limit the line would press the bars flat; the words below the figure tell it then.
        words = reader.say("charts.daily.limit", limit=wording.usd(-limit))
        shape, note = figures.limit_line(-limit, words, axis_name="y")
        shapes, notes = [shape], [note]
    said = [] if limit is None else [reader.say("charts.daily.limit", limit=wording.usd(-limit))]
    wins, last = summary.wins, shown[-1]
    return Figure(
        title=title,
        alt=reader.say(
            "charts.daily.alt", n=len(shown), name=last.name, pnl=wording.usd(last.pnl_usd, signed=True), won=wins.won
        ),
        data=tuple(data),
        layout=figures.layout(
            reader,
            keep=summary.span,
            legend=True,
            barmode="overlay",
            bargap=0.25,
            xaxis=figures.day_axis(len(x)),
            yaxis=figures.axis(reader.say("charts.usd"), tickformat="+,.0f", zeroline=True),
            shapes=shapes,
            annotations=notes,
        ),
        note=" · ".join([*said, *_missing(summary, reader)]),
        table=figures.twin(history_tables.period_table(found, reader, by=by)),
    )


def _missing(summary: Summary, reader: Reader) -> list[str]:
    if not summary.missing:
        return []
    named = ", ".join(summary.missing[:6]) + (" …" if len(summary.missing) > 6 else "")
    return [reader.say("charts.daily.missing", n=len(summary.missing), days=named)]


def attribution(summary: Summary, reader: Reader, _limits: Limits) -> Figure:
    """Where the P&L came from, stacked by day or week; costs downwards, the sum as a line."""
    by, found = bars_of(summary)
    title = reader.say(f"charts.attribution.title_{by}")
    shown = [each for each in found if each.parts is not None]
    if not shown:
        waits = reader.say("charts.attribution.empty") if summary.earning else reader.say("charts.daily.empty")
        return figures.empty(title, waits)
    x = [each.first_day for each in shown]
    data = [
        figures.bars(
            reader.say(f"history.parts.{name}"),
            x,
            [_signed(each, name) for each in shown],
            role=f"part{number}",
            marker={"pattern": _hatch(pattern)},
            hovertemplate="%{y:+,.2f} USD",
        )
        for number, (name, pattern) in enumerate(zip(PARTS_SHOWN, PATTERNS, strict=True))
    ]
    data.append(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": reader.say("history.columns.pnl"),
            "x": x,
            "y": [round(sum(_signed(each, name) for name in PARTS_SHOWN), 2) for each in shown],
            "line": {"color": "role:ink", "width": 1.4},
            "marker": {"size": 4, "color": "role:ink"},
            "hovertemplate": "%{y:+,.2f} USD",
        }
    )
    days = sum(each.split_days for each in shown)
    return Figure(
        title=title,
        alt=reader.say("charts.attribution.alt", n=days, parts=_parts_words(summary, reader)),
        data=tuple(data),
        layout=figures.layout(
            reader,
            height=330,
            keep=summary.span,
            legend=True,
            barmode="relative",
            bargap=0.2,
            hovermode="x unified",
            xaxis=figures.day_axis(len(x)),
            yaxis=figures.axis(reader.say("charts.usd"), tickformat="+,.0f", zeroline=True),
        ),
        table=figures.twin(history_tables.attribution_table(shown, reader, by=by)),
    )


def _signed(period: Period, name: str) -> float:
    return 0.0 if period.parts is None else signed(name, period.parts[name])


def _parts_words(summary: Summary, reader: Reader) -> str:
    total = summary.total
    if total is None or total.parts is None:
        return ""
    return ", ".join(
        f"{reader.say(f'history.parts.{name}')} {wording.usd(_signed(total, name), signed=True)}"
        for name in PARTS_SHOWN
    )


def calendar(summary: Summary, reader: Reader, _limits: Limits) -> Figure:
    """A cell per day, columns of ISO weeks: blue a gain, orange a loss, each with its sign; a dot is no sample."""
    title = reader.say("charts.calendar.title")
    earned = {day.day: day.pnl_usd for day in summary.days if day.pnl_usd is not None}
    if not earned:
        return figures.empty(title, reader.say("charts.calendar.empty"))
    first, last = (dt.date.fromisoformat(each) for each in (min(earned), max(earned)))
    weekend = any(dt.date.fromisoformat(day).weekday() >= 5 for day in earned)
    rows = 7 if weekend else 5
    monday = first - dt.timedelta(days=first.weekday())
    count = (last - monday).days // 7 + 1
    early = max(0, LEAST_WEEKS - count)
    weeks = [monday + dt.timedelta(weeks=number) for number in range(-early, count)]
    z: list[list[float | None]] = []
    marks: list[list[str]] = []
    hover: list[list[str]] = []
    missing = set(summary.missing)
    for row in range(rows):
        dates = [(week + dt.timedelta(days=row)).isoformat() for week in weeks]
        z.append([earned.get(date) for date in dates])
        marks.append([_mark(earned.get(date), is_missing=date in missing) for date in dates])
        hover.append([_cell_words(date, earned.get(date), reader, is_missing=date in missing) for date in dates])
    deepest = max(abs(value) for value in earned.values()) or 1.0
    heat = {
        "type": "heatmap",
        "x": [week.isoformat() for week in weeks],
        "y": [reader.say(f"charts.weekdays.d{row}") for row in range(rows)],
        "z": z,
        "text": marks,
        "texttemplate": "%{text}",
        "textfont": {"size": 12, "color": "role:ink"},
        "hovertext": hover,
        "hovertemplate": "%{hovertext}<extra></extra>",
        "hoverongaps": True,
        "zmin": -deepest,
        "zmax": deepest,
        "colorscale": [[0, "role:heatloss"], [0.5, "role:heatzero"], [1, "role:heatgain"]],
        "colorbar": {
            "title": {"text": "USD", "font": {"size": 12}},
            "thickness": 10,
            "len": 0.9,
            "tickformat": "+,.0f",
        },
        "xgap": 2,
        "ygap": 2,
    }
    return Figure(
        title=title,
        alt=reader.say(
            "charts.calendar.alt",
            n=len(earned),
            first=first.isoformat(),
            last=last.isoformat(),
            won=sum(value > 0 for value in earned.values()),
            lost=sum(value < 0 for value in earned.values()),
        ),
        data=(heat,),
        layout=figures.layout(
            reader,
            height=90 + 26 * rows,
            keep=summary.span,
            xaxis=figures.axis("", type="category", showgrid=False, nticks=7, tickangle=0),
            yaxis=figures.axis("", autorange="reversed", showgrid=False, fixedrange=True),
        ),
        note=reader.say("charts.calendar.note"),
        table=figures.twin(history_tables.calendar_table(summary, reader)),
    )


def _mark(value: float | None, *, is_missing: bool) -> str:
    if value is None:
        return "·" if is_missing else ""
    return "+" if value > 0 else wording.MINUS if value < 0 else "0"


def _cell_words(date: str, value: float | None, reader: Reader, *, is_missing: bool) -> str:
    if value is not None:
        return f"{date}: {wording.usd(value, signed=True)} USD"
    return f"{date}: {reader.say('charts.calendar.no_sample')}" if is_missing else date


def distribution(summary: Summary, reader: Reader, _limits: Limits) -> Figure:
    """Days by their P&L, in bins of one width that meet at zero."""
    title = reader.say("charts.distribution.title")
    found = summary.histogram
    if found.n < ENOUGH:
        return figures.empty(title, reader.say("charts.distribution.empty", enough=ENOUGH, n=found.n))
    middles = [(low + high) / 2 for low, high in zip(found.edges, found.edges[1:], strict=False)]
    spans = [
        f"{wording.number(low)} … {wording.number(high)} USD"
        for low, high in zip(found.edges, found.edges[1:], strict=False)
    ]
    words = reader.say("charts.distribution.days")
    bars = _gains_and_losses(
        middles,
        [float(count) for count in found.counts],
        middles,
        reader,
        width=[found.width * 0.94] * len(middles),
        text=spans,
        textposition="none",
        hovertemplate=f"%{{text}}: %{{y}} {words}<extra></extra>",
    )
    return Figure(
        title=title,
        alt=reader.say(
            "charts.distribution.alt", n=found.n, width=wording.number(found.width), quantiles=_quantiles(summary)
        ),
        data=tuple(bars),
        layout=figures.layout(
            reader,
            keep=summary.span,
            legend=True,
            barmode="overlay",
            xaxis=figures.axis(reader.say("charts.distribution.axis"), tickformat="+,.0f", zeroline=True),
            yaxis=figures.count_axis(words, max(found.counts)),
        ),
        note=reader.say(
            "charts.distribution.note", n=found.n, width=wording.number(found.width, decimals=_decimals(found.width))
        ),
        table=figures.twin(history_tables.distribution_table(found, reader)),
    )


def _decimals(width: float) -> int:
    return 0 if width >= 1 else 2


def _quantiles(summary: Summary) -> str:
    return ", ".join(f"p{name:g} {wording.usd(value, signed=True)}" for name, value in summary.quantiles.items())


def _gains_and_losses(
    x: Sequence[Any], y: Sequence[float | None], sign: Sequence[float | None], reader: Reader, **more: Any
) -> list[dict[str, Any]]:
    """Two rows of bars by the sign of `sign`: told apart by pattern and name, not by colour alone."""
    lost = [value is not None and value < 0 for value in sign]
    gains = [None if each else value for each, value in zip(lost, y, strict=True)]
    losses = [value if each else None for each, value in zip(lost, y, strict=True)]
    return [
        figures.bars(reader.say("charts.gain"), x, gains, role="gain", **more),
        figures.bars(reader.say("charts.loss"), x, losses, role="loss", marker={"pattern": _hatch("/")}, **more),
    ]


def _hatch(shape: str) -> dict[str, Any]:
    """A pattern over the bar's colour, which stays visible."""
    return {"shape": shape, "fillmode": "overlay", "fgcolor": "role:ink", "fgopacity": 0.55, "size": 6, "solidity": 0.2}


FIGURES: Mapping[str, Builder] = {
    "daily": daily,
    "attribution": attribution,
    "calendar": calendar,
    "distribution": distribution,
    "hedges": activity_figures.hedges,
    "hours": activity_figures.hours,
    "refusals": activity_figures.refusals,
    "slippage": activity_figures.slippage,
    "latency": activity_figures.latency,
}
