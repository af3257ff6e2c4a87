"""The Backtests page: what runs, the list, a comparison of those chosen, or one run in detail. Composition only.

The address is the question: `run=ID` is one run; `compare=ID,ID` stands above the list; the rest narrows it down.
"""

import html
from collections.abc import Sequence
from urllib.parse import quote

import streamlit as st

from cockpit import context, wording
from cockpit.pages import frame, run_parts
from cockpit.reader import Reader
from cockpit.routes.runs import FILES
from cockpit.runs import backtest_list, backtest_tables, comparison, decisions, forms, wordings
from cockpit.runs.backtest_list import Wanted
from cockpit.runs.store import store
from cockpit.tables import plain
from config.loader import profile_names
from state.runs.files import UnreadableError, is_regular
from state.runs.folder import BacktestPaths, backtest_paths
from state.runs.reading import STANDINGS, RunLook
from state.runs.records import Summary

EXAMPLE = "backtest --profile demo --data synthetic:1:5"
"""The command that makes the first run: it needs no file."""


def page() -> None:
    """One run where the address names one, else the list."""
    reader, root = frame.current_reader(), context.current().root
    runs = store.all(root, "backtest")
    chosen = st.query_params.get("run")
    if chosen:
        _one(next((run for run in runs if run.run_id == chosen), None), runs, reader)
    else:
        _list(runs, reader)


def _list(runs: Sequence[RunLook], reader: Reader) -> None:
    form = forms.backtest(reader, profile_names(), context.current().shell("{}"))
    run_parts.jobs("backtest", runs, reader, form=form)
    compared = _compared(runs)
    if compared:
        _comparison(compared, reader)
    wanted = _filter(runs, reader) if runs else Wanted()
    found = [run for run in runs if wanted.fits(run)]
    pages = max(1, -(-len(found) // backtest_list.PAGE))
    at = run_parts.turn_pages("page", pages, reader) if pages > 1 else 0
    table = backtest_list.list_table(
        found,
        len(runs),
        reader,
        compared=[run.run_id for run in compared],
        start=context.current().shell(EXAMPLE),
        page=at,
    )
    told = run_parts.table("backtests", plain(table))
    if told is not None and told["name"] == "compare":
        chosen = backtest_list.toggled([run.run_id for run in compared], str(told["key"]))
        run_parts.ask(compare=",".join(chosen))
    elif told is not None:
        run_parts.ask(run=str(told["key"]))
    st.text(reader.say("backtests.twin", command=context.current().shell(EXAMPLE)))


def _filter(runs: Sequence[RunLook], reader: Reader) -> Wanted:
    profiles = sorted({name for run in runs if (name := backtest_list.profile_of(run))})
    standings = [each for each in STANDINGS if any(run.standing == each for run in runs)]
    with st.container(horizontal=True, vertical_alignment="bottom", key="backtest-filters"):
        text = st.text_input(
            reader.say("backtests.search"),
            key="search",
            bind="query-params",
            placeholder=reader.say("backtests.search_for"),
            width=280,
        )
        profile = run_parts.choice(
            "profile",
            profiles,
            lambda name: name,
            label=reader.say("backtests.columns.profile"),
            placeholder=reader.say("backtests.any"),
            width=200,
        )
        standing = run_parts.choice(
            "standing",
            standings,
            lambda name: reader.say(f"backtests.standing.{name}"),
            label=reader.say("backtests.columns.standing"),
        )
    return Wanted(text=(text or "").strip(), profile=profile or "", standing=standing or "")


def _compared(runs: Sequence[RunLook]) -> list[RunLook]:
    """The runs that the address names, in its order; what is not there or came to nothing is left out."""
    by_name = {run.run_id: run for run in comparison.comparable(runs)}
    names = dict.fromkeys(st.query_params.get("compare", "").split(","))
    return [by_name[name] for name in names if name in by_name][: backtest_list.MOST_COMPARED]


def _comparison(compared: Sequence[RunLook], reader: Reader) -> None:
    names = ", ".join(run.title for run in compared)
    with st.container(horizontal=True, vertical_alignment="center", key="compared"):
        # As text, never Markdown: a title is what somebody typed.
        st.text(reader.say("backtests.compare.one" if len(compared) == 1 else "backtests.compare.these", runs=names))
        if st.button(reader.say("backtests.compare.clear"), key="compare-none"):
            run_parts.ask(compare="")
    if len(compared) < 2:
        return
    run_parts.warning(comparison.apart(compared, reader))
    for run in compared:
        run_parts.caveats(run, reader, title=run.title)
    asked = [("run", run.run_id) for run in compared]
    run_parts.table("compare-figures", plain(comparison.figures_table(compared, reader)))
    run_parts.chart("overlay", "/api/runs/figure/overlay", asked, height=400)
    run_parts.chart("refusals-of", "/api/runs/figure/refusals", asked, height=280)
    run_parts.chart("attribution-of", "/api/runs/figure/attribution", asked, height=320)
    run_parts.table("compare-keys", plain(comparison.keys_table(compared, reader)))


def _one(run: RunLook | None, runs: Sequence[RunLook], reader: Reader) -> None:
    if st.button(reader.say("backtests.back"), key="back"):
        run_parts.ask(run="", **dict.fromkeys(("moments", "rule", "day", "page"), ""))
    if run is None:
        st.text(reader.say("backtests.gone"))
        return
    run_parts.head(run, reader)
    if run.standing == "running":
        run_parts.jobs("backtest", runs, reader, form=None)
    if run.summary is None:
        return
    paths = backtest_paths(context.current().root, run.run_id)
    _files(paths, reader)
    _figures(run, run.summary, reader)
    _decisions(paths, run.summary, reader)
    _details(run, run.summary, reader)
    go_on = wordings.go_on(run, context.current().shell)
    st.text(reader.say("backtests.again", command=go_on))


def _files(paths: BacktestPaths, reader: Reader) -> None:
    """Links; a browser follows them by itself, no script of a page is in between."""
    name, lang = quote(paths.run_id), reader.language
    links = []
    if is_regular(paths.report):
        words = html.escape(reader.say("backtests.report"))
        links.append(f'<a href="/report/{name}?lang={lang}" target="_blank" rel="noopener">{words}</a>')
    links += [
        f'<a href="/api/runs/file/{name}/{file}?lang={lang}" download>{file}</a>'
        for file in FILES
        if is_regular(paths.folder / file)
    ]
    said = html.escape(reader.say("backtests.files"))
    st.html(f'<p style="margin: 0">{said} {" · ".join(links)}</p>')


def _figures(run: RunLook, summary: Summary, reader: Reader) -> None:
    asked = [("run", run.run_id)]
    left, right = st.columns([2, 3])
    with left:
        run_parts.show("figures", run, plain(backtest_tables.figures_table(summary, reader)))
    with right:
        run_parts.chart("equity", "/api/runs/figure/equity", asked, height=400)
    left, right = st.columns(2)
    with left:
        run_parts.chart("attribution", "/api/runs/figure/attribution", asked, height=340)
    with right:
        run_parts.chart("refusals", "/api/runs/figure/refusals", asked, height=300)
    told = run_parts.show("days", run, plain(backtest_tables.day_table(summary, reader)))
    if told is not None:
        run_parts.preset(day=str(told["key"]), moments="all", rule="")


def _decisions(paths: BacktestPaths, summary: Summary, reader: Reader) -> None:
    """What was decided at each moment, narrowed down by the address; a hundred rows at a time."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="decision-filters"):
        which = run_parts.choice(
            "moments",
            decisions.WHICH,
            lambda name: reader.say(f"backtests.decisions.{name}"),
            label=reader.say("backtests.decisions.which"),
            default=decisions.WHICH[0],
        )
        rule = run_parts.choice(
            "rule",
            [rule for rule, _, _ in backtest_tables.refusal_rows(summary)],
            lambda name: wording.rule(name, reader),
            label=reader.say("backtests.columns.rule"),
            placeholder=reader.say("backtests.any"),
            width=240,
        )
        day = run_parts.choice(
            "day",
            [each.day for each in reversed(summary.days)],
            lambda name: name,
            label=reader.say("backtests.columns.day"),
            placeholder=reader.say("backtests.any"),
            width=160,
        )
    try:
        found = decisions.page_of(
            paths,
            reader,
            which=which or decisions.WHICH[0],
            rule=rule or "",
            session=day or "",
            page=run_parts.page_number("page"),
        )
    except UnreadableError as error:
        st.text(reader.say("backtests.decisions.unreadable", error=str(error)))
        return
    if found.pages > 1:
        run_parts.turn_pages("page", found.pages, reader)
    run_parts.table(f"decisions-{paths.run_id}", plain(found.table))


def _details(run: RunLook, summary: Summary, reader: Reader) -> None:
    run_parts.show("findings", run, plain(backtest_tables.findings_table(summary, reader)))
    left, right = st.columns(2)
    with left:
        run_parts.show("model", run, plain(backtest_tables.model_table(summary, reader)))
    with right:
        run_parts.show("origin", run, plain(backtest_tables.origin_table(run, summary, reader)))
