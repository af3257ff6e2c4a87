"""What a sweep knows of one cell, as lines: nobody should take a lucky cell unknowingly. Pure."""

import json
from collections.abc import Iterator, Sequence

import msgspec

from config.keys import shown
from state.runs.neighbourhood import Judged, Recommendation, hedged_text, recommend
from state.runs.objectives import Better
from state.runs.records import Searched, SweepPlan, Trial
from state.runs.walk_forward import FoldRow, fold_table


def evidence(plan: SweepPlan, trials: Sequence[Trial], judged: dict[int, Judged], number: int) -> Iterator[str]:
    """What is known of the cell, a line each."""
    cell, found = judged[number], recommend(plan, tuple(judged.values()))
    better = Better(maximise=plan.maximise)
    scores = [better.score(each.objective) for each in judged.values() if each.objective is not None]
    rank = 1 + sum(score > better.score(cell.objective or 0.0) for score in scores)
    hashes = sorted({trial.data_hash for trial in trials if trial.data_hash is not None and trial.number == number})
    yield f"Made from cell {number} of sweep {plan.run_id} ({plan.created_ts}) by `bifrost sweep make-profile`."
    yield f"base     profile {plan.profile.name}, hash {plan.profile.hash} with the sweep's own changes"
    yield f"data     {plan.data.spec}"
    for digest in hashes:
        yield f"         hash {digest}"
    yield f"venue    {_model(plan)}"
    yield f"tried    {len(judged)} cells, {len(judged) - len(scores)} of them failed; {plan.method}, seed {plan.seed}"
    for searched in plan.searched:
        yield f"         {searched_text(searched)}"
    kind = "largest" if plan.maximise else "smallest"
    where = (
        "mean of the folds in sample" if plan.folds and plan.method != "bayes" else "in sample" if plan.folds else ""
    )
    sought = f"{plan.objective}, the {kind}{f' ({where})' if where else ''}"
    yield f"sought   {sought}: {cell.objective:,.6g}, rank {rank} of {len(scores)}"
    yield f"hedged   {hedged_text(cell) or 'how often is not known'}"
    yield f"around   {around_text(cell)}"
    if found is not None:
        yield f"advice   {_advice(found, number)}"
    rows = fold_table(plan, trials).rows
    if not rows:
        yield "unseen   no data was kept from the search: how the cell does on new data is not known"
    for row in rows:
        yield f"unseen   {_unseen(row, trials, number)}"


def searched_text(searched: Searched) -> str:
    """`gates.intent.hedge.cooldown_seconds from 30 to 120 by 30`."""
    if searched.values:
        return f"{searched.key} among {', '.join(shown(value) for value in searched.values)}"
    by = "" if searched.step is None else f" {'times' if searched.log else 'by'} {searched.step:g}"
    return f"{searched.key} from {searched.low:g} to {searched.high:g}{by}{' (logarithmic)' if searched.log else ''}"


def around_text(cell: Judged) -> str:
    """`a plateau: its 8 neighbours average 310, the worst 250; ...`."""
    if cell.word == "alone":
        return f"{len(cell.neighbours)} neighbours: too few to tell plateau from spike"
    words = {"plateau": "a plateau", "spike": "a spike", "below": "poorer than the middle cell"}
    kept = "" if cell.kept_pct is None else f", which is {cell.kept_pct:.0f} % of its advantage over the middle cell"
    return (
        f"{words.get(cell.word, cell.word)}: its {len(cell.neighbours)} neighbours average {cell.neighbour_mean:,.6g}"
        f"{kept}; the worst {cell.neighbour_worst:,.6g}, robust score {cell.robust:,.6g}"
    )


def _advice(found: Recommendation, number: int) -> str:
    if found.robust.number == number:
        return f"the sweep recommends this cell: {found.why}"
    return f"the sweep recommends cell {found.robust.number} instead: {found.why}"


def _unseen(row: FoldRow, trials: Sequence[Trial], number: int) -> str:
    """One fold, of this cell."""
    inside, outside = (
        next((t.objective for t in trials if t.number == number and t.fold == row.fold and t.sample == sample), None)
        for sample in ("in", "out")
    )
    text = f"fold {row.fold + 1}: in sample {_figure(inside)}, out of sample {_figure(outside)}"
    if row.number == number and row.out_rank is not None:
        text += f", the best in sample, rank {row.out_rank} of {row.cells} out of it"
    return text


def _figure(value: float | None) -> str:
    return "not tried" if value is None else f"{value:,.6g}"


def _model(plan: SweepPlan) -> str:
    return ", ".join(f"{key} {json.dumps(value)}" for key, value in msgspec.to_builtins(plan.venue).items())
