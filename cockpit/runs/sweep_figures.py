"""The figures of a sweep: a heat map of two keys, one key alone, and the walk-forward. Pure.

The heat map's colours run from orange (worse than the middle cell) over grey to blue (better): apart for every common
kind of colour blindness. The value stands in every cell, and the two cells that matter have a frame and a letter.
"""

import statistics
from typing import Any, Final

from cockpit import figures
from cockpit.figures import Figure
from cockpit.reader import Reader
from cockpit.runs import sweep_tables
from cockpit.runs.sweep_reading import SweepSeen
from state.runs.heat_map import HeatMap, heat_map
from state.runs.walk_forward import fold_table

_MOST_TEXTS: Final = 400
"""Cells that have room for their number."""


def heat(sweep: SweepSeen, x_key: str, y_key: str, reader: Reader, *, fixed: dict[str, Any] | None = None) -> Figure:
    """The objective over two keys. `fixed`: values of the other keys; of those that are free the median is shown."""
    title = reader.say("sweeps.charts.heat.title", objective=sweep.plan.objective)
    trials = [each for each in sweep.trials if _has(each.params, fixed or {})]
    found = heat_map(sweep.plan, trials, x_key, y_key)
    values = [value for row in found.objective for value in row if value is not None]
    if not values:
        return figures.empty(title, reader.say("sweeps.no_result"))
    x = [sweep_tables.shown(value) for value in found.x_values]
    y = [sweep_tables.shown(value) for value in found.y_values]
    middle, sign = statistics.median(values), 1 if sweep.plan.maximise else -1
    farthest = max(abs(value - middle) for value in values) or 1.0
    marks = _marks(sweep, found)
    texts = [
        [_text(value, marks.get((row, column), "")) for column, value in enumerate(line)]
        for row, line in enumerate(found.objective)
    ]
    ends = ("role:heatloss", "role:heatgain") if sign > 0 else ("role:heatgain", "role:heatloss")
    trace = {
        "type": "heatmap",
        "x": x,
        "y": y,
        "z": found.objective,
        "text": texts,
        "texttemplate": "%{text}" if len(x) * len(y) <= _MOST_TEXTS else "",
        "textfont": {"size": 12, "color": "role:ink"},
        "hovertemplate": "%{y} · %{x}: %{z:,.6g}<extra></extra>",
        "hoverongaps": False,
        "zmin": middle - farthest,
        "zmax": middle + farthest,
        "colorscale": [[0, ends[0]], [0.5, "role:heatzero"], [1, ends[1]]],
        "colorbar": {"title": {"text": sweep.plan.objective, "font": {"size": 12}}, "thickness": 10, "len": 0.9},
        "xgap": 2,
        "ygap": 2,
    }
    return Figure(
        title=title,
        alt=reader.say(
            "sweeps.charts.heat.alt",
            x=sweep_tables.short(x_key, sweep.plan),
            y=sweep_tables.short(y_key, sweep.plan),
            low=sweep_tables.objective(min(values)),
            middle=sweep_tables.objective(middle),
            high=sweep_tables.objective(max(values)),
        ),
        data=(trace,),
        layout=figures.layout(
            reader,
            height=130 + 44 * len(y),
            xaxis=figures.axis(sweep_tables.short(x_key, sweep.plan), type="category", showgrid=False, tickangle=0),
            yaxis=figures.axis(sweep_tables.short(y_key, sweep.plan), type="category", showgrid=False, fixedrange=True),
            shapes=[_frame(place, mark) for place, mark in marks.items()],
        ),
        note=reader.say("sweeps.charts.heat.note", middle=sweep_tables.objective(middle)),
        table=_heat_twin(found, sweep, reader),
    )


def _has(params: dict[str, Any], fixed: dict[str, Any]) -> bool:
    return all(sweep_tables.shown(params.get(key)) == value for key, value in fixed.items())


def _text(value: float | None, mark: str) -> str:
    return "" if value is None else f"{mark} {sweep_tables.objective(value)}".strip()


def _marks(sweep: SweepSeen, found: HeatMap) -> dict[tuple[int, int], str]:
    """(row, column) -> letter: B the best cell, R the one with the best neighbourhood."""
    advice = sweep.advice
    if advice is None:
        return {}
    marks: dict[tuple[int, int], str] = {}
    for row, line in enumerate(found.numbers):
        for column, numbers in enumerate(line):
            letters = [letter for letter, cell in (("B", advice.best), ("R", advice.robust)) if cell.number in numbers]
            if letters:
                marks[(row, column)] = "·".join(letters)
    return marks


def _frame(place: tuple[int, int], mark: str) -> dict[str, Any]:
    row, column = place
    dash = "solid" if "R" in mark else "dot"
    return {
        "type": "rect", "x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5,
        "line": {"color": "role:mark", "width": 2.4, "dash": dash},
    }  # fmt: skip


def _heat_twin(found: HeatMap, sweep: SweepSeen, reader: Reader) -> dict[str, Any]:
    head = f"{sweep_tables.short(found.y_key or '', sweep.plan)} · {sweep_tables.short(found.x_key, sweep.plan)}"
    return {
        "columns": [
            {"label": head},
            *({"label": sweep_tables.shown(value), "align": "right"} for value in found.x_values),
        ],
        "rows": [
            {"cells": [sweep_tables.shown(value), *(sweep_tables.objective(each) for each in row)]}
            for value, row in zip(found.y_values, found.objective, strict=True)
        ],
        "empty": reader.say("sweeps.no_result"),
    }


def scatter(sweep: SweepSeen, key: str, reader: Reader) -> Figure:
    """The objective of every cell over one key: dots, with the cell of the best neighbourhood as a ring."""
    name = sweep_tables.short(key, sweep.plan)
    title = reader.say("sweeps.charts.scatter.title", objective=sweep.plan.objective, key=name)
    good = [each for each in sweep.judged if each.objective is not None]
    if not good:
        return figures.empty(title, reader.say("sweeps.no_result"))
    is_number = all(isinstance(each.params.get(key), int | float) for each in good)

    def x_of(params: dict[str, Any]) -> Any:
        return params.get(key) if is_number else sweep_tables.shown(params.get(key))

    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": reader.say("sweeps.charts.scatter.cells"),
            "x": [x_of(each.params) for each in good],
            "y": [each.objective for each in good],
            "text": [str(each.number) for each in good],
            "marker": {"color": "role:line", "size": 7, "opacity": 0.75},
            "hovertemplate": "%{text}: %{x} → %{y:,.6g}<extra></extra>",
        }
    ]
    if sweep.advice is not None:
        for letter, judged, symbol in (
            ("best", sweep.advice.best, "x-thin"),
            ("robust", sweep.advice.robust, "circle-open"),
        ):
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": reader.say(f"sweeps.columns.{letter}"),
                    "x": [x_of(judged.params)],
                    "y": [judged.objective],
                    "marker": {
                        "color": "role:mark",
                        "size": 16,
                        "symbol": symbol,
                        "line": {"width": 2.2, "color": "role:mark"},
                    },
                    "hovertemplate": "%{x} → %{y:,.6g}<extra></extra>",
                }
            )
    return Figure(
        title=title,
        alt=f"{title}. {sweep_tables.advice_sentence(sweep, reader)}",
        data=tuple(data),
        layout=figures.layout(
            reader,
            height=300,
            legend=True,
            xaxis=figures.axis(name, **({} if is_number else {"type": "category"})),
            yaxis=figures.axis(sweep.plan.objective, tickformat=",.6~g"),
        ),
        table=_scatter_twin(sweep, key, reader),
    )


def _scatter_twin(sweep: SweepSeen, key: str, reader: Reader) -> dict[str, Any]:
    return {
        "columns": [
            {"label": reader.say("sweeps.columns.cell"), "align": "right"},
            {"label": sweep_tables.short(key, sweep.plan), "align": "right"},
            {"label": sweep.plan.objective, "align": "right"},
        ],
        "rows": [
            {
                "cells": [
                    str(each.number),
                    sweep_tables.shown(each.params.get(key)),
                    sweep_tables.objective(each.objective),
                ]
            }
            for each in sweep.judged
        ],
    }


def folds(sweep: SweepSeen, reader: Reader) -> Figure:
    """In sample beside out of sample, fold by fold."""
    title = reader.say("sweeps.charts.folds.title", objective=sweep.plan.objective)
    found = fold_table(sweep.plan, sweep.trials)
    if not found.rows:
        return figures.empty(title, reader.say("sweeps.no_folds"))
    names = [str(row.fold + 1) for row in found.rows]
    inside = [row.in_objective for row in found.rows]
    outside = [row.out_objective for row in found.rows]
    hatch = {"shape": "/", "fillmode": "overlay", "fgcolor": "role:ink", "fgopacity": 0.55, "size": 6, "solidity": 0.2}
    data = (
        figures.bars(reader.say("sweeps.columns.in_sample"), names, inside, role="part2"),
        figures.bars(reader.say("sweeps.columns.out_sample"), names, outside, role="line", marker={"pattern": hatch}),
    )
    said = "; ".join(
        f"{name}: {sweep_tables.objective(a)} → {sweep_tables.objective(b)}"
        for name, a, b in zip(names, inside, outside, strict=True)
    )
    return Figure(
        title=title,
        alt=f"{title}: {said}",
        data=data,
        layout=figures.layout(
            reader,
            height=280,
            legend=True,
            barmode="group",
            xaxis=figures.places_axis(reader.say("sweeps.columns.fold"), len(names), least=5),
            yaxis=figures.axis(sweep.plan.objective, tickformat=",.6~g", zeroline=True),
        ),
        table=figures.twin(sweep_tables.folds_table(sweep, reader)),
    )
