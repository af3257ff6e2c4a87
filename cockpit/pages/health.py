"""The Health page: what runs and how well, from the machine's side. Composition only."""

import shlex

import streamlit as st

from cockpit import components, context
from cockpit.health import logs
from cockpit.health.jobs import jobs
from cockpit.health.log_table import log_table
from cockpit.pages import frame
from cockpit.reader import Reader
from cockpit.tables import plain
from state.layout import DeskPaths

LAYOUT = (
    (("processes",),),
    (("checks",),),
    (("link", "latency", "disk", "clock"), ("states", "limits", "control", "records", "cockpit", "versions")),
    (("doctor",),),
)
"""From above: rows of one or two columns, each of tables by name."""
_DEFAULT_LEVEL = "warning"


def page() -> None:
    """The measured tables, the two long looks, and the logs."""
    paths, reader = frame.current_paths(), frame.current_reader()
    components.vitals(
        key=frame.live_key("vitals"),
        data={**frame.live_data(), "layout": LAYOUT, "texts": reader.words.area("health")},
    )
    _long_looks(paths, reader)
    _log(paths, reader)
    shell = context.current().shell
    commands = "   ".join(shell(f"{name} --desk {paths.desk}") for name in ("status", "doctor", "verify"))
    st.text(reader.say("health.twin", commands=commands))


def _long_looks(paths: DeskPaths, reader: Reader) -> None:
    """Reading years of files takes long: asked for, never done by itself."""
    may = frame.may_act() and paths.exists()
    with st.container(horizontal=True, vertical_alignment="center", key="long-looks"):
        if st.button(reader.say("health.verify_now"), key="verify-now", disabled=not may):
            jobs.start(paths, "verify")
        if st.button(reader.say("health.examine_now"), key="examine-now", disabled=not may):
            jobs.start(paths, "doctor")
        st.caption(reader.say("health.low_priority" if frame.may_act() else "health.no_permission"))


def _log(paths: DeskPaths, reader: Reader) -> None:
    names = logs.log_names(paths.logs)
    if not names:
        st.text(reader.say("health.logs.none", folder=str(paths.logs)))
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="log-filters"):
        name = st.selectbox(reader.say("health.logs.which"), names, key="log", bind="query-params", width=200)
        level = st.segmented_control(
            reader.say("health.logs.level"), list(logs.LEVELS), default=_DEFAULT_LEVEL, key="level", bind="query-params"
        )
        text = st.text_input(
            reader.say("health.logs.text"),
            key="log-text",
            bind="query-params",
            placeholder=reader.say("health.logs.any"),
            width=220,
        )
    path = paths.logs / (name if name in names else names[0])
    found = logs.newest_lines(path, least_level=level or _DEFAULT_LEVEL, text=text or "")
    if found.problem is not None:
        st.text(reader.say("health.logs.problem", problem=found.problem))
    components.table(
        key=f"{frame.live_key('log')}-{path.name}", data={"table": plain(log_table(path.name, found, reader))}
    )
    # As text, never Markdown: the name is a file's.
    command = f"tail -n {logs.MOST_LINES} {shlex.quote(str(path))}"
    st.text(reader.say("health.logs.twin", command=command))
