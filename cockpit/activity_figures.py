"""The figures of how a desk traded: hedges, their hours, refusals, slippage, latency.

Pure: a summary and a reader in, a figure out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cockpit import activity_tables, figures, wording
from cockpit.figures import Figure
from cockpit.history_bars import ENOUGH, Limits, bars_in, bars_of, per_bar
from cockpit.history_summary import Summary
from cockpit.reader import Reader
from state.statistics.measures import percentiles


def hedges(summary: Summary, reader: Reader, limits: Limits) -> Figure:
    """Hedges by day (own orders that filled), with the limit of a day where it is near."""
    by, found = bars_of(summary)
    title = reader.say(f"charts.hedges.title_{by}")
    counts = per_bar(found, by, {day: float(len(each)) for day, each in summary.hedges_by_day.items()})
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
        table=figures.twin(activity_tables.hedge_table(summary, reader)),
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
        table=figures.twin(activity_tables.hour_table(summary, reader)),
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
        table=figures.twin(activity_tables.refusal_table(summary, reader)),
    )


def slippage(summary: Summary, reader: Reader, _limits: Limits) -> Figure:
    """Slippage of hedges in basis points, percentiles by day or week."""
    by, found = bars_of(summary)
    per_day = {
        day: [one.slippage_bps for one in each if one.slippage_bps is not None]
        for day, each in summary.hedges_by_day.items()
    }
    paid = summary.sizes
    note = reader.say(
        "charts.slippage.note", n=f"{paid.known:,d}", of=f"{paid.n:,d}", usd=wording.usd(paid.slippage_usd)
    )
    return _percentile_lines(
        "slippage", bars_in(found, by, per_day), summary, reader, unit="bps", decimals=2, note=note
    )


def latency(summary: Summary, reader: Reader, _limits: Limits) -> Figure:
    """From decision to the order on the wire, percentiles by day or week."""
    by, found = bars_of(summary)
    per_day = {day: values.tolist() for day, values in summary.latencies_by_day.items()}
    values = bars_in(found, by, per_day) if found else per_day
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
        table=figures.twin(activity_tables.execution_table(summary, reader)),
    )
