"""The map of two searched keys: a table of cells, or dots where a search drew its cells. Pure.

Colours run from orange (worse than the middle cell) over grey to blue (better): apart for every common kind of colour
blindness. The value stands in every cell of a table, and the two cells that matter have a frame and a letter.
"""

import statistics
from collections.abc import Sequence
from typing import Any, Final

from cockpit import figures
from cockpit.figures import Figure
from cockpit.reader import Reader
from cockpit.runs import spoken, sweep_tables
from cockpit.runs.sweep_figures import chosen
from cockpit.runs.sweep_reading import SweepSeen
from state.runs.heat_map import HeatMap, heat_map
from state.runs.records import Trial

_MOST_TEXTS: Final = 400
"""Cells that have room for their number."""
_SPARSE: Final = 3
"""A search that draws its cells meets few values twice: a table of so many places per trial would be empty."""


class _Scale:
    """The colours of a map: as far to either side of the middle value as the farthest one lies."""

    def __init__(self, values: Sequence[float], sweep: SweepSeen) -> None:
        self.middle = statistics.median(values)
        farthest = max(abs(value - self.middle) for value in values) or 1.0
        self.low, self.high = self.middle - farthest, self.middle + farthest
        ends = ("role:heatloss", "role:heatgain")
        low, high = ends if sweep.plan.maximise else ends[::-1]
        self.colours = [[0, low], [0.5, "role:heatzero"], [1, high]]
        self.bar = {"title": {"text": sweep.plan.objective, "font": {"size": 12}}, "thickness": 10, "len": 0.9}


def _alt(names: Sequence[str], values: Sequence[float], reader: Reader) -> str:
    return reader.say(
        "sweeps.charts.heat.alt",
        x=names[0],
        y=names[1],
        low=spoken.objective(min(values)),
        middle=spoken.objective(statistics.median(values)),
        high=spoken.objective(max(values)),
    )


def heat(sweep: SweepSeen, x_key: str, y_key: str, reader: Reader, *, fixed: dict[str, Any] | None = None) -> Figure:
    """The objective over two keys. `fixed`: values of the other keys; of those that are free the median is shown."""
    title = reader.say("sweeps.charts.heat.title", objective=sweep.plan.objective)
    trials = [each for each in sweep.trials if _has(each.params, fixed or {})]
    found = heat_map(sweep.plan, trials, x_key, y_key)
    values = [value for row in found.objective for value in row if value is not None]
    if not values:
        return figures.empty(title, reader.say("sweeps.no_result"))
    if len(found.x_values) * len(found.y_values) > _SPARSE * len(trials):
        return _points(sweep, x_key, y_key, trials, reader)
    x = [sweep_tables.shown(value) for value in found.x_values]
    y = [sweep_tables.shown(value) for value in found.y_values]
    scale = _Scale(values, sweep)
    names = [sweep_tables.short(key, sweep.plan) for key in (x_key, y_key)]
    marks = _marks(sweep, found)
    texts = [
        [_text(value, marks.get((row, column), "")) for column, value in enumerate(line)]
        for row, line in enumerate(found.objective)
    ]
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
        "zmin": scale.low,
        "zmax": scale.high,
        "colorscale": scale.colours,
        "colorbar": scale.bar,
        "xgap": 2,
        "ygap": 2,
    }
    return Figure(
        title=title,
        alt=_alt(names, values, reader),
        data=(trace,),
        layout=figures.layout(
            reader,
            height=130 + 44 * len(y),
            xaxis=figures.axis(names[0], type="category", showgrid=False, tickangle=0),
            yaxis=figures.axis(names[1], type="category", showgrid=False, fixedrange=True),
            shapes=[_frame(place, mark) for place, mark in marks.items()],
        ),
        note=reader.say("sweeps.charts.heat.note", middle=spoken.objective(scale.middle)),
        table=_heat_twin(found, sweep, reader),
    )


def _points(sweep: SweepSeen, x_key: str, y_key: str, trials: list[Trial], reader: Reader) -> Figure:
    """Drawn cells as dots where they lie, coloured as a heat map's cells."""
    title = reader.say("sweeps.charts.heat.title", objective=sweep.plan.objective)
    inside = {each.number for each in trials}
    good = [each for each in sweep.judged if each.objective is not None and each.number in inside]
    values = [each.objective for each in good if each.objective is not None]
    if not values:
        return figures.empty(title, reader.say("sweeps.no_result"))
    scale = _Scale(values, sweep)
    names = [sweep_tables.short(key, sweep.plan) for key in (x_key, y_key)]
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": reader.say("sweeps.charts.scatter.cells"),
            "x": [each.params.get(x_key) for each in good],
            "y": [each.params.get(y_key) for each in good],
            "text": [f"{each.number}: {spoken.objective(each.objective)}" for each in good],
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {
                "size": 14,
                "color": values,
                "cmin": scale.low,
                "cmax": scale.high,
                "colorscale": scale.colours,
                "colorbar": scale.bar,
                "line": {"color": "role:axis", "width": 1},
            },
        },
        *chosen(sweep, reader, lambda judged: (judged.params.get(x_key), judged.params.get(y_key))),
    ]
    return Figure(
        title=title,
        alt=_alt(names, values, reader),
        data=tuple(data),
        layout=figures.layout(
            reader,
            height=380,
            legend=True,
            xaxis=figures.axis(names[0]),
            yaxis=figures.axis(names[1]),
        ),
        note=reader.say("sweeps.charts.heat.points_note", middle=spoken.objective(scale.middle)),
        table=figures.twin(sweep_tables.cells_table(sweep, reader)),
    )


def _has(params: dict[str, Any], fixed: dict[str, Any]) -> bool:
    return all(sweep_tables.shown(params.get(key)) == value for key, value in fixed.items())


def _text(value: float | None, mark: str) -> str:
    return "" if value is None else f"{mark} {spoken.objective(value)}".strip()


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
            {"cells": [sweep_tables.shown(value), *(spoken.objective(each) for each in row)]}
            for value, row in zip(found.y_values, found.objective, strict=True)
        ],
        "empty": reader.say("sweeps.no_result"),
    }
