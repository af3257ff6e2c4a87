"""The figures of the History page: P&L by day, its attribution, a calendar, the distribution, and what was done.

Pure: a summary and a reader in, a figure out. Bars are by day while a screen can show them, by ISO week beyond that.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cockpit import figures, history_tables, wording
from cockpit.figures import Figure
from cockpit.history_summary import Summary
from cockpit.reader import Reader
from state.statistics.days import By, Period
from state.statistics.measures import percentiles

MAX_BARS = 130
LEAST_WEEKS = 8
"""So many columns a calendar has at least: one lonely week must not fill the picture."""
ENOUGH = 5
"""A distribution or percentiles of fewer values would look like knowledge."""
PATTERNS = ("", "/", "x", ".", "\\", "-", "+")
"""Beside its colour each part has a pattern, for eyes that tell few colours apart."""
_COSTS = ("slippage_usd", "commission_usd")
PARTS_SHOWN = ("gamma_usd", "theta_usd", "delta_usd", "vega_usd", "other_usd", *_COSTS)

Limits = Mapping[str, float]
"""Name -> the present limit of the snapshot, where it states one."""


def daily(summary: Summary, reader: Reader, limits: Limits) -> Figure:
    """P&L by day or week: gains and losses by side of the axis, sign and pattern; the daily loss limit as a line."""
    by, found = _bars_of(summary)
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
    by, found = _bars_of(summary)
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
    value = 0.0 if period.parts is None else period.parts[name]
    return 0.0 - value if name in _COSTS else value


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


def hedges(summary: Summary, reader: Reader, limits: Limits) -> Figure:
    """Hedges by day (own orders that filled), with the limit of a day where it is near."""
    by, found = _bars_of(summary)
    title = reader.say(f"charts.hedges.title_{by}")
    counts = _per_bar(found, by, {day: float(len(each)) for day, each in summary.hedges_by_day.items()})
    if not summary.hedges:
        return figures.empty(title, reader.say("charts.hedges.empty"))
    limit = limits.get("max_daily_hedge_count")
    shapes, notes = [], []
    most = max(counts.values(), default=0.0)
    words = "" if limit is None else reader.say("charts.hedges.limit", limit=wording.shares(limit))
    if limit is not None and by == "day" and most > 0.5 * limit:
        shape, note = figures.limit_line(limit, words, axis_name="y")
        shapes, notes = [shape], [note]
    each = summary.sizes.shares_each
    sized = reader.say(
        "charts.hedges.sizes",
        n=f"{summary.sizes.n:,d}",
        p50=wording.shares(each.p50),
        p95=wording.shares(each.p95),
        shares=wording.shares(summary.sizes.shares),
    )
    return Figure(
        title=title,
        alt=f"{title}. {sized}",
        data=(
            figures.bars(
                title,
                list(counts),
                list(counts.values()),
                role="line",
                hovertemplate="%{x}: %{y:,d}<extra></extra>",
            ),
        ),
        layout=figures.layout(
            reader,
            keep=summary.span,
            xaxis=figures.day_axis(len(counts)),
            yaxis=figures.count_axis(reader.say("charts.hedges.axis"), most),
            shapes=shapes,
            annotations=notes,
        ),
        note=" · ".join(part for part in (sized, words) if part),
        table=figures.twin(history_tables.hedge_table(summary, reader)),
    )


def hours(summary: Summary, reader: Reader, _limits: Limits) -> Figure:
    """Hedges by hour of the exchange's day."""
    title = reader.say("charts.hours.title")
    found = summary.hedges_by_hour
    if not found:
        return figures.empty(title, reader.say("charts.hedges.empty"))
    busiest, most = max(((hour, len(each)) for hour, each in found), key=lambda pair: pair[1])
    return Figure(
        title=title,
        alt=reader.say("charts.hours.alt", n=len(summary.hedges), hour=f"{busiest:02d}", most=most),
        data=(
            figures.bars(
                title,
                [f"{hour:02d}" for hour, _ in found],
                [float(len(each)) for _, each in found],
                role="line",
                hovertemplate="%{x}:00: %{y:,d}<extra></extra>",
            ),
        ),
        layout=figures.layout(
            reader,
            keep=summary.span,
            xaxis=figures.places_axis(reader.say("charts.hours.axis"), len(found), least=7),
            yaxis=figures.count_axis(reader.say("charts.hedges.axis"), most),
        ),
        table=figures.twin(history_tables.hour_table(summary, reader)),
    )


def refusals(summary: Summary, reader: Reader, _limits: Limits) -> Figure:
    """Refusals by rule, most first."""
    title = reader.say("charts.refusals.title")
    found = list(summary.refused.items())[:12]
    if not found:
        return figures.empty(title, reader.say("charts.refusals.empty"))
    names = [figures.plain_text(reader.say_known("rules", rule, rule.replace("_", " "))) for rule, _ in found]
    total = sum(summary.refused.values())
    return Figure(
        title=title,
        alt=reader.say("charts.refusals.alt", n=f"{total:,d}", rule=names[0], most=found[0][1]),
        data=(
            {
                **figures.bars(title, [float(count) for _, count in found], [], role="line"),
                "y": names,
                "orientation": "h",
                "hovertemplate": "%{y}: %{x:,d}<extra></extra>",
            },
        ),
        layout=figures.layout(
            reader,
            height=90 + 30 * len(found),
            keep=summary.span,
            xaxis=figures.count_axis(reader.say("charts.refusals.axis"), found[0][1]),
            yaxis=figures.axis("", type="category", autorange="reversed", fixedrange=True),
        ),
        note=reader.say("charts.refusals.note", n=f"{total:,d}"),
        table=figures.twin(history_tables.refusal_table(summary, reader)),
    )


def slippage(summary: Summary, reader: Reader, _limits: Limits) -> Figure:
    """Slippage of hedges in basis points, percentiles by day or week."""
    by, found = _bars_of(summary)
    per_day = {
        day: [one.slippage_bps for one in each if one.slippage_bps is not None]
        for day, each in summary.hedges_by_day.items()
    }
    paid = summary.sizes
    note = reader.say(
        "charts.slippage.note", n=f"{paid.known:,d}", of=f"{paid.n:,d}", usd=wording.usd(paid.slippage_usd)
    )
    return _percentile_lines(
        "slippage", _bars_in(found, by, per_day), summary, reader, unit="bps", decimals=2, note=note
    )


def latency(summary: Summary, reader: Reader, _limits: Limits) -> Figure:
    """From decision to the order on the wire, percentiles by day or week."""
    by, found = _bars_of(summary)
    per_day = {day: values.tolist() for day, values in summary.latencies_by_day.items()}
    values = _bars_in(found, by, per_day) if found else per_day
    return _percentile_lines("latency", values, summary, reader, unit="ms", decimals=2, note="")


_PERCENTILE_LINES = (("50", "line", "solid"), ("95", "edge", "dash"), ("99", "mark", "dot"))


def _percentile_lines(
    name: str,
    values: Mapping[str, Sequence[float]],
    summary: Summary,
    reader: Reader,
    *,
    unit: str,
    decimals: int,
    note: str,
) -> Figure:
    found = {day: percentiles(each) for day, each in values.items() if each}
    whole = percentiles([value for each in values.values() for value in each])
    if whole.n < ENOUGH:
        waits = reader.say(f"charts.{name}.empty", enough=ENOUGH, n=whole.n)
        return figures.empty(reader.say(f"charts.{name}.title"), waits)
    data = [
        _line(
            f"p{each}",
            list(found),
            [round(getattr(one, f"p{each}"), decimals) for one in found.values()],
            role=role,
            dash=dash,
            unit=unit,
        )
        for each, role, dash in _PERCENTILE_LINES
    ]
    return _lines_figure(name, data, summary, reader, unit=unit, n=whole.n, whole=whole, note=note)


def _line(name: str, x: Sequence[str], y: Sequence[float], *, role: str, dash: str, unit: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": f"role:{role}", "width": 1.6, "dash": dash},
        "marker": {"size": 4, "color": f"role:{role}"},
        "hovertemplate": f"{name} %{{y:,.2f}} {unit}<extra></extra>",
    }


def _lines_figure(
    name: str,
    data: Sequence[dict[str, Any]],
    summary: Summary,
    reader: Reader,
    *,
    unit: str,
    n: int,
    whole: Any,
    note: str,
) -> Figure:
    said = f"p50 {whole.p50:,.2f} {unit}, p95 {whole.p95:,.2f} {unit}, p99 {whole.p99:,.2f} {unit}, n {n:,d}"
    title = reader.say(f"charts.{name}.title")
    return Figure(
        title=title,
        alt=f"{title}. {said}",
        data=tuple(data),
        layout=figures.layout(
            reader,
            keep=summary.span,
            legend=True,
            hovermode="x unified",
            xaxis=figures.day_axis(len(data[0]["x"])),
            yaxis=figures.axis(unit, rangemode="tozero"),
        ),
        note=f"{said}{' · ' if note else ''}{note}",
        table=figures.twin(history_tables.execution_table(summary, reader)),
    )


def _bars_of(summary: Summary) -> tuple[By, tuple[Period, ...]]:
    """Days while a screen can show them, weeks beyond."""
    by: By = "day" if len(summary.days) <= MAX_BARS else "week"
    return by, summary.by(by)


def _per_bar(found: Sequence[Period], by: By, per_day: Mapping[str, float]) -> dict[str, float]:
    """First day of each bar -> the sum over its days."""
    return {
        each.first_day: sum(value for day, value in per_day.items() if each.first_day <= day <= each.last_day)
        if by == "week"
        else per_day.get(each.first_day, 0.0)
        for each in found
    }


def _bars_in(found: Sequence[Period], by: By, per_day: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """First day of each bar -> the values of its days."""
    if by == "day":
        return {each.first_day: per_day.get(each.first_day, []) for each in found}
    return {
        each.first_day: [
            value for day, one in per_day.items() if each.first_day <= day <= each.last_day for value in one
        ]
        for each in found
    }


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


Builder = Callable[[Summary, Reader, Limits], Figure]
FIGURES: Mapping[str, Builder] = {
    "daily": daily,
    "attribution": attribution,
    "calendar": calendar,
    "distribution": distribution,
    "hedges": hedges,
    "hours": hours,
    "refusals": refusals,
    "slippage": slippage,
    "latency": latency,
}
