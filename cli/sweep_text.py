"""A sweep as an operator reads it: the cells beside their neighbours, the one to trust, and what it kept unseen."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.output import coloured, console
from cli.plain_tables import NARROW_BELOW
from state.runs.caveats import halted_trials
from state.runs.neighbourhood import judge, ranked, recommend
from state.runs.walk_forward import fold_table

if TYPE_CHECKING:
    from state.runs.neighbourhood import Judged
    from state.runs.reading import RunLook
    from state.runs.records import SweepPlan, Trial
    from state.runs.walk_forward import FoldTable

_LABEL = 9
_COLOURS = {"plateau": "green", "spike": "yellow", "failed": "red"}


def verdict(plan: "SweepPlan", trials: "Sequence[Trial]") -> dict[str, Any]:
    """What `--json` says of a sweep."""
    cells = judge(plan, trials)
    return {
        "plan": plan,
        "trials": len(trials),
        "cells": cells,
        "recommendation": recommend(plan, cells),
        "walk_forward": fold_table(plan, trials) if plan.folds else None,
    }


def list_text(found: "Sequence[RunLook]", root: Path, example: str) -> str:
    """A line for each sweep; where there is none, which command makes one."""
    if not found:
        return f"no sweep under {root}; each one will have a line here. Make one: {example}"
    lines = []
    for run in found:
        about = run.detail or (run.trouble or "").replace("_", " ")
        if run.progress is not None:
            about = run.progress.text
        searched = "" if run.plan is None else f"{run.plan.method} over {len(run.plan.searched)} keys, "
        lines.append(f"{run.run_id:<32} {run.standing:<11} {searched}{about}")
    return "\n".join(lines)


def show_text(plan: "SweepPlan", trials: "Sequence[Trial]", standing: str, *, best: int, shell: str) -> str:
    """The whole report. `shell` is a command line with braces for its words."""
    cells = judge(plan, trials)
    lines = [*_head(plan, trials, standing), ""]
    if not trials:
        lines.append("no trial has ended yet; the cells will stand here as they come")
        return "\n".join(lines)
    lines += [*_cells(plan, cells, best), *_failures(trials), *_halts(trials)]
    if plan.folds:
        lines += ["", *_folds(fold_table(plan, trials))]
    found = recommend(plan, cells)
    if found is not None:
        made = shell.format(f"sweep make-profile {plan.run_id} --trial {found.robust.number} --as NAME")
        lines += [
            "",
            *textwrap.wrap(f"take cell {found.robust.number}: {found.why}", max(40, console().width)),
            f"then     {made}",
        ]
    return "\n".join(lines)


def _head(plan: "SweepPlan", trials: "Sequence[Trial]", standing: str) -> Iterator[str]:
    from daemon.backtest.sweep.evidence import searched_text

    sought = f"{'largest' if plan.maximise else 'smallest'} {plan.objective}"
    yield f"{plan.title or plan.run_id}: {standing}, {len(trials)} trials; {plan.method} for the {sought}"
    yield from _wrapped("data", f"{plan.data.description} ({plan.data.spec})")
    changed = ", ".join(f"{key}={value}" for key, value in plan.profile.overrides.items())
    yield from _wrapped("profile", f"{plan.profile.name}{f' with {changed}' if changed else ''}")
    for number, searched in enumerate(plan.searched, 1):
        yield from _wrapped(f"key {number}", searched_text(searched))


def _wrapped(label: str, text: str) -> list[str]:
    """A fact with its label, going on below itself where the terminal ends."""
    first, *more = textwrap.wrap(
        text, max(40, console().width - _LABEL), break_long_words=False, break_on_hyphens=False
    )
    return [f"{label:<{_LABEL}}{first}", *(" " * _LABEL + line for line in more)]


def _cells(plan: "SweepPlan", cells: "Sequence[Judged]", best: int) -> Iterator[str]:
    """The best ones by their neighbourhood, beside their own figure: which of the two is larger is the point."""
    good = ranked(plan, cells)
    narrow = console().width < NARROW_BELOW
    names = [
        f"key {number}" if narrow else searched.key.rpartition(".")[2]
        for number, searched in enumerate(plan.searched, 1)
    ]
    widths = [max(len(name), 8) for name in names]
    if plan.folds:
        yield f"{plan.objective} in sample" + (", mean of the folds" if plan.method != "bayes" else ", last fold")
    heads = ("robust", "alone", "neighbours") + (() if narrow else ("worst",))
    wide = 10 if narrow else 11
    yield (
        f"{'cell':>5}"
        + "".join(f"  {head:>{wide}}" for head in heads)
        + f"  {'verdict':<8}  {'hedges':>7}"
        + "".join(f"  {name:>{width}}" for name, width in zip(names, widths, strict=True))
    )
    for cell in good[:best]:
        figures = (cell.robust, cell.objective, cell.neighbour_mean, cell.neighbour_worst)[: len(heads)]
        values = [_value(cell.params.get(searched.key)) for searched in plan.searched]
        word = coloured(f"{cell.word:<8}", _COLOURS[cell.word]) if cell.word in _COLOURS else f"{cell.word:<8}"
        yield (
            f"{cell.number:>5}"
            + "".join(f"  {_figure(each):>{wide}}" for each in figures)
            + f"  {word}  {_hedges(cell):>7}"
            + "".join(f"  {value:>{width}}" for value, width in zip(values, widths, strict=True))
        )
    if len(good) > best:
        yield f"{len(good) - best} more: --best {len(good)}"
    few = sorted(cell.number for cell in good if cell.hardly_hedged)
    if few:
        yield from _warned(
            f"* HARDLY HEDGED, less than once a session, in {_named(few)}: "
            "what it brought is mostly the way the market went"
        )


def _warned(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, max(40, console().width)):
        yield coloured(line, "yellow")


def _hedges(cell: "Judged") -> str:
    return "-" if cell.hedges is None else f"{'*' if cell.hardly_hedged else ''}{cell.hedges:,}"


def _named(numbers: "Sequence[int]") -> str:
    """`2 cells (3, 7)`."""
    named = ", ".join(str(each) for each in numbers[:8]) + (" ..." if len(numbers) > 8 else "")
    return f"{len(numbers)} {'cell' if len(numbers) == 1 else 'cells'} ({named})"


def _failures(trials: "Sequence[Trial]") -> Iterator[str]:
    """Each problem once, with how many trials had it."""
    counted: dict[str, list[int]] = {}
    for trial in trials:
        if trial.problem is not None:
            counted.setdefault(trial.problem, []).append(trial.number)
    for problem, numbers in counted.items():
        yield f"{len(numbers)} failed, cell {numbers[0]} first: {problem}"


def _halts(trials: "Sequence[Trial]") -> Iterator[str]:
    """A cell whose desk halted is not judged by what was varied."""
    numbers = halted_trials(trials)
    if numbers:
        yield from _warned(f"HALTED in {_named(numbers)}: their figures are partly of a desk that stood still")


def _folds(table: "FoldTable") -> Iterator[str]:
    by = " a session" if table.is_by_session else ""
    yield f"out of sample ({table.objective}{by}):"
    yield f"{'fold':>5}  {'cell':>5}  {'in sample':>11}  {'out':>11}  {'worse by':>9}  {'rank out':>9}  sessions out"
    for row in table.rows:
        worse = "-" if row.degradation_pct is None else f"{row.degradation_pct:,.0f} %"
        rank = "-" if row.out_rank is None else f"{row.out_rank} of {row.cells}"
        cell = "-" if row.number is None else str(row.number)
        yield (
            f"{row.fold + 1:>5}  {cell:>5}  {_figure(row.in_objective):>11}  {_figure(row.out_objective):>11}  "
            f"{worse:>9}  {rank:>9}  {row.out_spec.rpartition('#')[2]}"
        )
    if table.out_sum is not None:
        what = "sum" if table.is_by_session else "mean"
        told = sum(row.out_total is not None for row in table.rows)
        of = "each fold" if told == len(table.rows) else f"{told} of {len(table.rows)} folds"
        yield f"{what} out of sample, {of} with the cell that was best in its sample: {_figure(table.out_sum)}"


def _figure(value: float | None) -> str:
    """Two decimals, as the pages have them: cents, or hundredths of a ratio."""
    return "-" if value is None else f"{value:,.2f}"


def _value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
