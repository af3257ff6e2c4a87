"""The tables of sweeps: the list, the advice, every cell, the walk-forward. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cockpit import wording
from cockpit.reader import Reader
from cockpit.runs import spoken, wordings
from cockpit.runs.columns import RunColumns
from cockpit.runs.sweep_reading import SweepSeen
from cockpit.tables import Column, Row, Table
from state.runs.neighbourhood import Judged
from state.runs.reading import RunLook
from state.runs.records import Figures, Searched, SweepPlan
from state.runs.walk_forward import FoldRow, fold_table

MOST_CELLS = 500
"""Rows of the table of cells: those with the best objective."""


def list_table(found: Sequence[RunLook], reader: Reader, *, start: str) -> Table:
    """Every sweep, newest first; `start` is the command that makes one."""
    to = _columns(reader)
    return Table(
        title=reader.say("sweeps.list.title"),
        aside=f"n = {len(found)}" if found else "",
        columns=(
            to.left("sweep", link=True),
            to.left("standing"),
            to.left("progress", wrap=True),
            msgspec.structs.replace(to.left("method"), two_lines=True),
            to.left("searched", wrap=True),
            msgspec.structs.replace(to.left("profile", wrap=True), two_lines=True),
            to.left("data", wrap=True),
            to.left("when", unit=reader.zone_name),
        ),
        rows=tuple(_list_row(run, reader) for run in found),
        empty=reader.say("sweeps.list.empty", command=start),
    )


def _list_row(run: RunLook, reader: Reader) -> Row:
    plan = run.plan
    told = wordings.trouble(run, reader) or ("" if run.progress is None else spoken.progress(run.progress, reader))
    cells: tuple[str, ...] = (run.title, wordings.standing(run, reader), told)
    if plan is None:
        cells += (wording.DASH,) * 4
    else:
        cells += (
            f"{reader.say(f'sweeps.methods.{plan.method}')}\n{objective_words(plan, reader)}",
            ", ".join(short(each.key, plan) for each in plan.searched),
            wordings.profile(plan.profile),
            plan.data.spec,
        )
    return Row(
        key=run.run_id, cells=(*cells, reader.day_and_time(run.created_ts or None)),
        tone=wordings.TONES.get(run.standing),
    )  # fmt: skip


def objective_words(plan: SweepPlan, reader: Reader) -> str:
    """`most pnl_usd`: what is looked for, and which way."""
    return reader.say(f"sweeps.{'most' if plan.maximise else 'least'}", objective=plan.objective)


def short(key: str, plan: SweepPlan) -> str:
    """The last part of a key, where no other searched key ends so."""
    last = key.rpartition(".")[2]
    return last if sum(each.key.rpartition(".")[2] == last for each in plan.searched) == 1 else key


def plan_table(run: RunLook, plan: SweepPlan, reader: Reader) -> Table:
    """What was searched, over what: enough to do it again."""
    to = _columns(reader)
    overrides = ", ".join(f"{key}={value}" for key, value in plan.profile.overrides.items())
    facts = {
        "run": run.run_id,
        "method": reader.say(f"sweeps.methods.{plan.method}"),
        "objective": objective_words(plan, reader),
        **{f"key {each.key}": searched_words(each, reader) for each in plan.searched},
        "trials": wording.shares(float(plan.trials)),
        "seed": str(plan.seed),
        "profile": plan.profile.name + (f" · {overrides}" if overrides else ""),
        "data": f"{reader.phrase(plan.data.description)} · {plan.data.spec}",
        "folds": wording.shares(float(len(plan.folds))) if plan.folds else reader.say("sweeps.no_split"),
        "workers": plan.scheduler or wording.shares(float(plan.workers)),
        "created": reader.day_and_time(plan.created_ts),
    }
    rows = tuple(
        Row(key=name, cells=(name.removeprefix("key ") if name.startswith("key ") else _fact(name, reader), value))
        for name, value in facts.items()
    )
    return Table(
        title=reader.say("sweeps.tables.plan"), columns=(to.left("fact"), to.left("value", wrap=True)), rows=rows,
        empty="",
    )  # fmt: skip


def _fact(name: str, reader: Reader) -> str:
    return reader.say(f"sweeps.plan.{name}")


def searched_words(searched: Searched, reader: Reader) -> str:
    """`0.5 … 2, step 0.25`, or the values themselves."""
    if searched.values:
        return ", ".join(shown(value) for value in searched.values)
    text = f"{shown(searched.low)} … {shown(searched.high)}"
    if searched.step is not None:
        text += ", " + reader.say("sweeps.step", step=shown(searched.step))
    return text + (f", {reader.say('sweeps.log')}" if searched.log else "")


def shown(value: Any) -> str:
    """A value of a key as short as it is exact."""
    if isinstance(value, bool) or value is None:
        return msgspec.json.encode(value).decode()
    return f"{value:g}".replace("-", wording.MINUS) if isinstance(value, int | float) else str(value)


def word(judged: Judged, reader: Reader) -> str:
    """plateau, spike, ... in the reader's language."""
    return reader.say(f"sweeps.words.{judged.word}")


def cells_table(sweep: SweepSeen, reader: Reader, *, most: int = MOST_CELLS) -> Table:
    """Every cell with its parameters, objective, neighbourhood and figures; the best first."""
    to = _columns(reader)
    plan, figures = sweep.plan, {cell.number: cell.figures for cell in sweep.cells}
    problems = {cell.number: cell.problem for cell in sweep.cells}
    sign = -1 if plan.maximise else 1
    ordered = sorted(
        sweep.judged, key=lambda each: (each.objective is None, sign * (each.objective or 0.0), each.number)
    )
    keys = tuple(_key_column(each, plan) for each in plan.searched)
    whole = (to.right("pnl", "USD", sort=True), to.right("drawdown", "%", sort=True))
    rows = []
    for judged in ordered[:most]:
        told = figures[judged.number]
        rows.append(
            Row(
                key=str(judged.number),
                cells=(
                    str(judged.number),
                    spoken.objective(judged.objective),
                    spoken.objective(judged.robust),
                    _verdict(judged, problems[judged.number], reader),
                    wording.shares(judged.hedges),
                    *(shown(judged.params.get(each.key)) for each in plan.searched),
                    *(() if plan.folds else _figures(told)),
                ),
                tone="warn" if judged.word == "failed" or judged.hardly_hedged else None,
            )
        )
    aside = reader.say("sweeps.cells_shown", shown=len(rows), n=len(ordered)) if len(ordered) > most else ""
    return Table(
        title=reader.say("sweeps.tables.cells"),
        aside=aside or (f"n = {len(rows)}" if rows else ""),
        columns=(
            to.right("cell", sort=True),
            to.right("objective", plan.objective, sort=True),
            to.right("around", plan.objective, sort=True),
            to.left("word", wrap=True, sort=True),
            to.right("hedges", "n", sort=True),
            *keys,
            *(() if plan.folds else whole),
        ),
        rows=tuple(rows),
        empty=reader.say("sweeps.no_result"),
    )


def _verdict(judged: Judged, problem: str | None, reader: Reader) -> str:
    """`spike`, `failed: its process died`, `plateau, hardly hedged`."""
    few = f", {reader.say('sweeps.hardly_hedged')}" if judged.hardly_hedged else ""
    return word(judged, reader) + (f": {reader.phrase(problem)}" if problem else few)


def _figures(told: Figures | None) -> tuple[str, str]:
    """Of a cell on the whole data; a sweep with a split has no such run."""
    if told is None:
        return (wording.DASH,) * 2
    return wording.usd(told.pnl_usd, signed=True), wording.number(-abs(told.max_drawdown_pct), decimals=2)


def _key_column(searched: Searched, plan: SweepPlan) -> Column:
    return Column(name=searched.key, label=short(searched.key, plan), align="right", sort=True)


def folds_table(sweep: SweepSeen, reader: Reader) -> Table:
    """Walk-forward: what the best cell of each in-sample window promised, and what it kept out of sample."""
    to = _columns(reader)
    found = fold_table(sweep.plan, sweep.trials)
    unit = sweep.plan.objective + (f" {reader.say('sweeps.by_session')}" if found.is_by_session else "")
    aside = ""
    if found.out_sum is not None:
        told = sum(row.out_total is not None for row in found.rows)
        what = "sweeps.out_sum" if found.is_by_session else "sweeps.out_mean"
        aside = reader.say(what, value=spoken.objective(found.out_sum), told=told, n=len(found.rows))
    return Table(
        title=reader.say("sweeps.tables.folds"),
        aside=aside,
        columns=(
            to.right("fold"),
            to.left("in_spec", wrap=True),
            to.left("out_spec", wrap=True),
            to.right("cell"),
            to.left("params", wrap=True),
            to.right("in_sample", unit),
            to.right("out_sample", unit),
            to.right("rank"),
            to.right("degradation", "%"),
        ),
        rows=tuple(_fold_row(row, sweep.plan) for row in found.rows),
        empty=reader.say("sweeps.no_folds"),
    )


def _fold_row(row: FoldRow, plan: SweepPlan) -> Row:
    params: Mapping[str, Any] = row.params
    return Row(
        key=str(row.fold),
        cells=(
            str(row.fold + 1),
            row.in_spec,
            row.out_spec,
            wording.DASH if row.number is None else str(row.number),
            ", ".join(f"{short(key, plan)}={shown(value)}" for key, value in params.items()) or wording.DASH,
            spoken.objective(row.in_objective),
            spoken.objective(row.out_objective),
            wording.DASH if row.out_rank is None else f"{row.out_rank} / {row.cells}",
            wording.number(row.degradation_pct, signed=True),
        ),
    )


def _columns(reader: Reader) -> RunColumns:
    return RunColumns(lambda name: reader.say(f"sweeps.columns.{name}"))
