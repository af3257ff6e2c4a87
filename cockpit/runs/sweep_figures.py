"""The figures of a sweep beside its map: every cell over one key, and the walk-forward. Pure."""

from collections.abc import Callable
from typing import Any

from cockpit import figures
from cockpit.figures import Figure
from cockpit.reader import Reader
from cockpit.runs import spoken, sweep_advice, sweep_tables
from cockpit.runs.sweep_reading import SweepSeen
from state.runs.neighbourhood import Judged
from state.runs.walk_forward import fold_table


def chosen(sweep: SweepSeen, reader: Reader, place: Callable[[Judged], tuple[Any, Any]]) -> list[dict[str, Any]]:
    """The best cell as a cross, the one with the best neighbourhood as a ring."""
    if sweep.advice is None:
        return []
    found = []
    for name, judged, symbol in (("best", sweep.advice.best, "x-thin"), ("robust", sweep.advice.robust, "circle-open")):
        x, y = place(judged)
        found.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": reader.say(f"sweeps.columns.{name}"),
                "x": [x],
                "y": [y],
                "marker": {
                    "color": "role:mark",
                    "size": 18,
                    "symbol": symbol,
                    "line": {"width": 2.2, "color": "role:mark"},
                },
                "hovertemplate": f"{judged.number}: {spoken.objective(judged.objective)}<extra></extra>",
            }
        )
    return found


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
    data += chosen(sweep, reader, lambda judged: (x_of(judged.params), judged.objective))
    return Figure(
        title=title,
        alt=f"{title}. {sweep_advice.sentence(sweep, reader)}",
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
                    spoken.objective(each.objective),
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
        f"{name}: {spoken.objective(a)} → {spoken.objective(b)}"
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
