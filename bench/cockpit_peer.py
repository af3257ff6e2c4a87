"""The peer's script: the same light as most Streamlit pages would show it, in one fragment that runs every second.

It shows nothing else, which is in its favour: our page also carries controls, key figures, a chart and tables.
"""

import os
import time
from html import escape
from pathlib import Path

import streamlit as st

from state.layout import DeskPaths
from state.look import look_at

COLOURS = {"green": "#2e7d32", "yellow": "#ffc24d", "red": "#b71c1c", "not_live": "#5d656d"}


@st.fragment(run_every=1)
def light() -> None:
    """The word, the reasons, the age."""
    paths = DeskPaths(Path(os.environ["BENCH_ROOT"]), os.environ["BENCH_DESK"])
    seen = look_at(paths, time.time_ns() // 1000).light  # noqa: TID251 - ages of files are the wall clock's
    reasons = "".join(f"<li>{escape(reason.sentence)}</li>" for reason in seen.reasons)
    age = "-" if seen.age_ms is None else f"checked {seen.age_ms / 1000:.1f} s ago"
    st.html(
        f'<div class="light" data-state="{seen.state}" style="background:{COLOURS[seen.state]};color:#fff">'
        f"<strong>{escape(seen.word)}</strong><ul>{reasons}</ul><span>{age}</span></div>"
    )


light()
