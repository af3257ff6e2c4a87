"""The Sweeps page: what runs, the list, or one sweep: is its best cell a plateau, or a spike of luck? Composition only.

The address is the question: `sweep=ID`, the keys of the heat map (`x`, `y`), and values that hold other keys (`fix`).
"""

import html
from collections.abc import Callable, Sequence

import streamlit as st

from cockpit import context
from cockpit.pages import frame, run_parts
from cockpit.reader import Reader
from cockpit.runs import forms, sweep_advice, sweep_tables
from cockpit.runs.store import store
from cockpit.runs.sweep_reading import SweepSeen, seen
from cockpit.tables import plain
from config.loader import profile_names
from state.runs.folder import sweep_paths
from state.runs.reading import RunLook

EXAMPLE = "sweep run --profile demo --data synthetic:1:5 --search gates.intent.hedge.cooldown_seconds=30:120:30"


def page() -> None:
    """One sweep where the address names one, else the list."""
    reader, root = frame.current_reader(), context.current().root
    runs = store.all(root, "sweep")
    chosen = st.query_params.get("sweep")
    if chosen:
        _one(next((run for run in runs if run.run_id == chosen), None), runs, reader)
        return
    form = forms.sweep(reader, profile_names(), context.current().shell("{}"))
    run_parts.jobs("sweep", runs, reader, form=form)
    start = context.current().shell(EXAMPLE.strip())
    told = run_parts.table("sweeps", plain(sweep_tables.list_table(runs, reader, start=start)))
    if told is not None:
        run_parts.ask(sweep=str(told["key"]))
    if runs:
        st.text(reader.say("sweeps.list.start", command=start))


def _one(run: RunLook | None, runs: Sequence[RunLook], reader: Reader) -> None:
    if st.button(reader.say("sweeps.back"), key="back"):
        run_parts.ask(sweep="", x="", y="", key="")
    if run is None:
        st.text(reader.say("sweeps.gone"))
        return
    run_parts.head(run, reader)
    if run.standing == "running":
        run_parts.jobs("sweep", runs, reader, form=None)
    if run.plan is None:
        return
    sweep = seen(sweep_paths(context.current().root, run.run_id), run.plan)
    if sweep.problem is not None:
        st.text(reader.say("sweeps.unreadable", problem=sweep.problem))
    st.html(f'<p style="margin: 0"><b>{html.escape(sweep_advice.sentence(sweep, reader))}</b></p>')
    _charts(run, sweep, reader)
    left, right = st.columns(2)
    with left:
        run_parts.show("advice", run, plain(sweep_advice.table(sweep, reader)))
    with right:
        run_parts.show("plan", run, plain(sweep_tables.plan_table(run, sweep.plan, reader)))
    if sweep.plan.folds:
        run_parts.chart("folds", "/api/sweeps/figure/folds", _asked(run, sweep), height=330)
        run_parts.show("folds", run, plain(sweep_tables.folds_table(sweep, reader)))
    run_parts.show("cells", run, plain(sweep_tables.cells_table(sweep, reader)))
    if sweep.advice is not None:
        _make_profile(run, runs, sweep, reader)


def _charts(run: RunLook, sweep: SweepSeen, reader: Reader) -> None:
    """The heat map of two keys with the others held or free, and every cell over one key."""
    keys = [each.key for each in sweep.plan.searched]

    def short(key: str) -> str:
        return sweep_tables.short(key, sweep.plan)

    if len(keys) > 1:
        with st.container(horizontal=True, vertical_alignment="bottom", key="heat-keys"):
            x = _choose("x", keys, keys[0], reader.say("sweeps.across"), short)
            others = [key for key in keys if key != x]
            y = _choose("y", others, others[0], reader.say("sweeps.up"), short)
            fixed = [
                (key, held)
                for key in keys
                if key not in (x, y) and (held := _hold(key, sweep, reader, short(key))) is not None
            ]
        asked = [*_asked(run, sweep), ("x", x), ("y", y), *(("fix", f"{key}={value}") for key, value in fixed)]
        run_parts.chart("heat", "/api/sweeps/figure/heat", asked, height=360)
    key = keys[0] if len(keys) == 1 else _choose("key", keys, keys[0], reader.say("sweeps.over"), short)
    run_parts.chart("scatter", "/api/sweeps/figure/scatter", [*_asked(run, sweep), ("x", key)], height=340)


def _choose(name: str, options: Sequence[str], default: str, label: str, short: Callable[[str], str]) -> str:
    return run_parts.choice(name, options, short, label=label, default=default, width=260) or default


def _hold(key: str, sweep: SweepSeen, reader: Reader, label: str) -> str | None:
    """A value that another key is held at; None where the median over all of them is shown."""
    values = sorted({sweep_tables.shown(each.params.get(key)) for each in sweep.cells})
    return st.selectbox(
        label, values, index=None, key=f"hold-{key}", placeholder=reader.say("sweeps.median_of_all"), width=220
    )


def _asked(run: RunLook, sweep: SweepSeen) -> list[tuple[str, str]]:
    """`n` makes a sweep that has grown another question."""
    return [("sweep", run.run_id), ("n", str(len(sweep.trials)))]


def _make_profile(run: RunLook, runs: Sequence[RunLook], sweep: SweepSeen, reader: Reader) -> None:
    number = "" if sweep.advice is None else str(sweep.advice.robust.number)
    form = forms.make_profile(reader, run.run_id, number, context.current().shell("{}"))
    run_parts.jobs("sweep", runs, reader, form=form)
