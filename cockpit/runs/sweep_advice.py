"""Which cell to take: the best beside the one with the best neighbourhood, in figures and in one sentence. Pure."""

from cockpit import wording
from cockpit.reader import Reader
from cockpit.runs import spoken, sweep_tables
from cockpit.runs.columns import RunColumns
from cockpit.runs.sweep_reading import SweepSeen
from cockpit.tables import Row, Table
from state.runs.caveats import halted_trials
from state.runs.neighbourhood import Judged
from state.runs.records import SweepPlan

_TOLD = (
    "objective", "robust", "neighbour_mean", "neighbour_worst", "neighbours", "kept", "word", "hedges", "sessions",
)  # fmt: skip
"""Of each of the two cells, in this order."""


def table(sweep: SweepSeen, reader: Reader) -> Table:
    """The best cell beside the one with the best neighbourhood: is the peak a plateau, or a spike of luck?"""
    to = RunColumns(lambda name: reader.say(f"sweeps.columns.{name}"))
    rows: list[Row] = []
    advice = sweep.advice
    if advice is not None:
        pairs = {"cell": "", **{each.key: "" for each in sweep.plan.searched}}
        for name in pairs:
            cells = [_param(name, judged) for judged in (advice.best, advice.robust)]
            rows.append(Row(key=name, cells=(_head(name, sweep.plan, reader), *cells)))
        for name in _TOLD:
            values = [_value(name, judged, reader) for judged in (advice.best, advice.robust)]
            rows.append(Row(key=f" {name}", cells=(reader.say(f"sweeps.advice.{name}"), *values)))
    return Table(
        title=reader.say("sweeps.tables.advice"),
        columns=(to.left("fact"), to.right("best"), to.right("robust")),
        rows=tuple(rows),
        empty=reader.say("sweeps.no_result"),
    )


def _head(name: str, plan: SweepPlan, reader: Reader) -> str:
    return reader.say("sweeps.advice.cell") if name == "cell" else sweep_tables.short(name, plan)


def _param(name: str, judged: Judged) -> str:
    return str(judged.number) if name == "cell" else sweep_tables.shown(judged.params.get(name))


def _value(name: str, judged: Judged, reader: Reader) -> str:
    """One figure of a judged cell."""
    if name == "word":
        return sweep_tables.word(judged, reader)
    if name in ("hedges", "sessions"):
        return wording.shares(getattr(judged, name))
    if name == "neighbours":
        return wording.shares(float(len(judged.neighbours)))
    if name == "kept":
        return wording.percent(judged.kept_pct, decimals=0)
    return spoken.objective(getattr(judged, name))


def sentence(sweep: SweepSeen, reader: Reader) -> str:
    """Which cell to take, and why not simply the best; and how much of it is not what was varied."""
    said = [_advised(sweep, reader)]
    taken = None if sweep.advice is None else sweep.advice.robust
    if taken is not None and taken.hardly_hedged:
        told = {"robust": taken.number, "hedges": taken.hedges, "sessions": taken.sessions}
        said.append(reader.say("sweeps.sentence.hardly_hedged", **told))
    halted = halted_trials(sweep.trials)
    if halted:
        said.append(reader.say("sweeps.sentence.halted", n=len(halted)))
    return " ".join(said)


def _advised(sweep: SweepSeen, reader: Reader) -> str:
    advice = sweep.advice
    if advice is None:
        return reader.say("sweeps.no_result")
    best, robust = advice.best, advice.robust
    in_words = spoken.objective
    values = {
        "best": best.number,
        "best_value": in_words(best.objective),
        "n": len(best.neighbours),
        "mean": in_words(best.neighbour_mean),
        "kept": wording.percent(best.kept_pct, decimals=0),
        "robust": robust.number,
        "robust_value": in_words(robust.objective),
        "median": in_words(robust.robust),
        "worst": in_words(robust.neighbour_worst),
    }
    if robust.word == "alone":
        return reader.say("sweeps.sentence.alone", **values)
    if best.number == robust.number:
        return reader.say("sweeps.sentence.same", **values)
    return reader.say("sweeps.sentence.spike" if best.word == "spike" else "sweeps.sentence.other", **values)
