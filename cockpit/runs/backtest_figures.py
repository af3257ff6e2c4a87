"""The figures of backtests: of one, or of several over each other. Pure: summaries and curves in, figures out.

Several runs are told apart by colour, line style and name; one axis holds them, as P&L from zero on.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from cockpit import figures, wording
from cockpit.equity import gap_of, times, width_of
from cockpit.figures import Figure
from cockpit.history_figures import PATTERNS
from cockpit.reader import Reader
from cockpit.runs import backtest_tables
from cockpit.tables import plain
from state.runs.reading import RunLook
from state.statistics.days import PARTS, signed
from state.statistics.digest import Curve
from state.times import iso_from_us

DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash")
ROLES: Final = ("line", "part1", "part3", "part5", "part2")
_LONG_US: Final = 6 * 86_400_000_000
"""A run longer than this is drawn through its nights and weekends: no screen could show each apart."""
_SILENT_US: Final = 5 * 86_400_000_000
"""In such a run a longer silence than this is missing data."""


class Drawn(NamedTuple):
    """One run of a figure and its curve."""

    run: RunLook
    curve: Curve

    @property
    def base_usd(self) -> float:
        """The equity that its P&L counts from."""
        told = self.run.summary
        if told is not None and told.figures is not None:
            return told.figures.base_equity_usd
        return float(self.curve.equity_usd[0]) if self.curve.equity_usd.size else 0.0


def equity(drawn: Drawn, reader: Reader) -> Figure:
    """Equity above, drawdown below on one time axis."""
    curve, title = drawn.curve, reader.say("backtests.charts.equity.title")
    if curve.ts_us.size == 0:
        return figures.empty(title, reader.say("backtests.charts.equity.empty"))
    x, breaks = _points(curve, reader)
    data = (
        _line(reader.say("charts.equity.equity"), x, _values(curve.equity_usd.round(2), breaks), 0, "USD"),
        {
            **_line(
                reader.say("charts.equity.drawdown"), x, _values(-np.abs(curve.drawdown_pct).round(4), breaks), 0, "%"
            ),
            "yaxis": "y2",
            "fill": "tozeroy",
            "fillcolor": "role:fill",
            "line": {"color": "role:edge", "width": 1.5},
        },
    )
    return Figure(
        title=title,
        alt=reader.say(
            "backtests.charts.equity.alt",
            first=reader.day_and_time(iso_from_us(int(curve.ts_us[0]))),
            last=reader.day_and_time(iso_from_us(int(curve.ts_us[-1]))),
            equity=wording.usd(float(curve.equity_usd[-1])),
            low=wording.usd(float(curve.equity_usd.min())),
            high=wording.usd(float(curve.equity_usd.max())),
            drawdown=wording.drawdown(float(np.abs(curve.drawdown_pct).max())),
        ),
        data=data,
        layout=_two_axes(reader, reader.say("charts.equity.equity_axis"), legend=True),
    )


def overlay(found: Sequence[Drawn], reader: Reader) -> Figure:
    """The P&L of several runs from zero on, and their drawdowns."""
    title = reader.say("backtests.charts.overlay.title")
    shown = [each for each in found if each.curve.ts_us.size]
    if not shown:
        return figures.empty(title, reader.say("backtests.charts.equity.empty"))
    data: list[dict[str, Any]] = []
    for place, each in enumerate(shown):
        x, breaks = _points(each.curve, reader)
        name = figures.plain_text(each.run.title)
        pnl = (each.curve.equity_usd - each.base_usd).round(2)
        data.append(_line(name, x, _values(pnl, breaks), place, "USD"))
        depth = _values(-np.abs(each.curve.drawdown_pct).round(4), breaks)
        data.append({**_line(name, x, depth, place, "%"), "yaxis": "y2", "showlegend": False})
    said = ", ".join(
        f"{each.run.title} {wording.usd(float(each.curve.equity_usd[-1]) - each.base_usd, signed=True)} USD"
        for each in shown
    )
    return Figure(
        title=title,
        alt=reader.say("backtests.charts.overlay.alt", n=len(shown), runs=said),
        data=tuple(data),
        layout=_two_axes(reader, reader.say("backtests.charts.overlay.axis"), legend=True),
        note=reader.say("backtests.charts.overlay.note"),
        table=_overlay_twin(shown, reader),
    )


def _overlay_twin(shown: Sequence[Drawn], reader: Reader) -> dict[str, Any]:
    """Where each line begins, ends, and how far it went: points of runs over other days share no row."""
    columns = [{"label": reader.say("backtests.columns.run")}]
    columns += [
        {"label": reader.say(f"backtests.ends.{name}"), "unit": unit, "align": "right"}
        for name, unit in (("last", "USD"), ("low", "USD"), ("high", "USD"), ("drawdown", "%"))
    ]
    rows = []
    for each in shown:
        pnl = each.curve.equity_usd - each.base_usd
        told = [wording.usd(float(value), signed=True) for value in (pnl[-1], pnl.min(), pnl.max())]
        deepest = wording.number(-float(np.abs(each.curve.drawdown_pct).max()), decimals=2)
        rows.append({"cells": [each.run.title, *told, deepest]})
    return {"columns": columns, "rows": rows}


def _bar_twin(
    head: str, names: Sequence[str], runs: Sequence[str], values: Sequence[Sequence[str]], unit: str
) -> dict[str, Any]:
    """A row for each bar's name, a column for each run."""
    return {
        "columns": [{"label": head}, *({"label": run, "unit": unit, "align": "right"} for run in runs)],
        "rows": [{"cells": [name, *(each[at] for each in values)]} for at, name in enumerate(names)],
    }


def _points(curve: Curve, reader: Reader) -> tuple[list[str | None], list[int]]:
    """Times with an empty place behind each silence, and where these places are."""
    is_long = int(curve.ts_us[-1] - curve.ts_us[0]) > _LONG_US
    gap_us = _SILENT_US if is_long else gap_of(curve, width_of(curve))
    after = (np.flatnonzero(np.diff(curve.ts_us) > gap_us) + 1).tolist()
    x: list[str | None] = list(times(curve.ts_us, reader))
    for at, moment in zip(after[::-1], times(curve.ts_us[after] - 1000, reader)[::-1], strict=True):
        x.insert(at, moment)
    return x, after


def _values(found: Any, breaks: Sequence[int]) -> list[float | None]:
    values: list[float | None] = [float(each) for each in found]
    for at in reversed(breaks):
        values.insert(at, None)
    return values


def _line(name: str, x: Sequence[Any], y: Sequence[float | None], place: int, unit: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "connectgaps": False,
        "name": name,
        "meta": "drawdown_pct" if unit == "%" else "run_usd",
        "x": list(x),
        "y": list(y),
        "line": {"color": f"role:{ROLES[place % len(ROLES)]}", "width": 1.8, "dash": DASHES[place % len(DASHES)]},
        "hovertemplate": f"%{{y:,.2f}} {unit}",
    }


def _two_axes(reader: Reader, above: str, *, legend: bool) -> dict[str, Any]:
    return figures.layout(
        reader,
        height=360,
        legend=legend,
        hovermode="x unified",
        xaxis=figures.time_axis(reader, hover="%Y-%m-%d %H:%M", anchor="y2"),
        yaxis=figures.axis(above, domain=[0.36, 1], tickformat=",.0f"),
        yaxis2=figures.axis(reader.say("charts.equity.drawdown_axis"), domain=[0, 0.28], rangemode="tozero"),
    )


def attribution(runs: Sequence[RunLook], reader: Reader) -> Figure:
    """Where the P&L came from, a bar for each part; of several runs side by side."""
    title = reader.say("backtests.charts.attribution.title")
    told = [
        (run.title, run.summary, run.summary.figures.attribution)
        for run in runs
        if run.summary is not None and run.summary.figures is not None
    ]
    if not told:
        return figures.empty(title, reader.say("backtests.nothing"))
    names = [reader.say(f"history.parts.{name}") for name in PARTS]
    names.append(reader.say("backtests.total"))
    data: list[dict[str, Any]] = []
    said: list[str] = []
    shown: list[list[float]] = []
    for place, (run_title, _, parts) in enumerate(told):
        values = [signed(name, getattr(parts, name)) for name in PARTS] + [parts.total_usd]
        shown.append(values)
        data.append(_bars(run_title, names, values, place, "%{x}: %{y:+,.2f} USD"))
        told_parts = ", ".join(
            f"{name} {wording.usd(value, signed=True)}" for name, value in zip(names, values, strict=True)
        )
        said.append(f"{run_title}: {told_parts}" if len(told) > 1 else told_parts)
    return Figure(
        title=title,
        alt=reader.say("backtests.charts.attribution.alt", parts="; ".join(said)),
        data=tuple(data),
        layout=figures.layout(
            reader,
            height=300,
            legend=len(told) > 1,
            barmode="group",
            xaxis=figures.axis("", type="category"),
            yaxis=figures.axis(reader.say("charts.usd"), tickformat="+,.0f", zeroline=True),
        ),
        note=reader.say("backtests.charts.attribution.note"),
        table=figures.twin(backtest_tables.attribution_table(told[0][1], reader))
        if len(told) == 1
        else _bar_twin(
            reader.say("backtests.columns.part"),
            names,
            [run_title for run_title, _, _ in told],
            [[wording.usd(value, signed=True) for value in values] for values in shown],
            "USD",
        ),
    )


def refusals(runs: Sequence[RunLook], reader: Reader) -> Figure:
    """Which rule refused how many decision moments, most first; of several runs side by side."""
    title = reader.say("backtests.charts.refusals.title")
    told = [run.summary for run in runs if run.summary is not None]
    counts: dict[str, int] = {}
    for summary in told:
        for rule, count in summary.refused.items():
            counts[rule] = counts.get(rule, 0) + count
    rules = sorted(counts, key=lambda rule: (-counts[rule], rule))[:12]
    if not rules:
        return figures.empty(title, reader.say("backtests.no_refusals"))
    names = [figures.plain_text(wording.rule(rule, reader)) for rule in rules]
    data = []
    for place, run in enumerate(run for run in runs if run.summary is not None):
        values: Mapping[str, int] = {} if run.summary is None else run.summary.refused
        bars = _bars(run.title, [float(values.get(rule, 0)) for rule in rules], [], place, "%{y}: %{x:,d}")
        data.append({**bars, "y": names, "orientation": "h"})
    total = sum(counts.values())
    return Figure(
        title=title,
        alt=reader.say("backtests.charts.refusals.alt", n=f"{total:,d}", rule=names[0], most=f"{counts[rules[0]]:,d}"),
        data=tuple(data),
        layout=figures.layout(
            reader,
            height=100 + (26 + 12 * (len(told) - 1)) * len(rules),
            legend=len(told) > 1,
            barmode="group",
            xaxis=figures.count_axis(reader.say("backtests.charts.refusals.axis"), counts[rules[0]]),
            yaxis=figures.axis("", type="category", autorange="reversed", fixedrange=True),
        ),
        note=reader.say("backtests.charts.refusals.note"),
        table=plain(backtest_tables.refusal_table(told[0], reader))
        if len(told) == 1
        else _bar_twin(
            reader.say("backtests.columns.rule"),
            names,
            [run.title for run in runs if run.summary is not None],
            [[f"{summary.refused.get(rule, 0):,d}" for rule in rules] for summary in told],
            "n",
        ),
    )


def _bars(name: str, x: Sequence[Any], y: Sequence[float], place: int, hover: str) -> dict[str, Any]:
    pattern = {"shape": PATTERNS[place % len(PATTERNS)], "fillmode": "overlay", "fgcolor": "role:ink", "fgopacity": 0.5}
    return figures.bars(
        figures.plain_text(name),
        x,
        y,
        role=ROLES[place % len(ROLES)],
        marker={"pattern": {**pattern, "size": 6, "solidity": 0.2}},
        hovertemplate=f"{hover}<extra></extra>",
    )
