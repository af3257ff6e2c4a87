"""The row that every page begins with: where to go, which desk, for whom, and what must be said of it at once.

The light is not here: it stands above the page from before Streamlit runs. On a phone the row
wraps; no page is hidden behind a button, for what cannot be seen is not looked at.
"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import streamlit as st

from cockpit import components, context
from cockpit.access import page as access
from cockpit.pages import (
    backtests,
    fleet,
    frame,
    health,
    history,
    now,
    operations,
    positions,
    profiles,
    sweeps,
    switches,
)
from cockpit.reader import Reader
from state.layout import DeskPaths, desks

PAGES: tuple[tuple[str, Callable[[], None]], ...] = (
    ("now", now.page),
    ("operations", operations.page),
    ("positions", positions.page),
    ("history", history.page),
    ("backtests", backtests.page),
    ("sweeps", sweeps.page),
    ("profiles", profiles.page),
    ("health", health.page),
    ("fleet", fleet.page),
)
"""Address -> what draws it; the first is the one without an address. Its title is `frame.pages.<address>`."""

_STYLE = """
<style>
  .st-key-navigation { gap: 0.4rem 1rem; align-items: center; margin-bottom: -0.5rem; }
  .st-key-pages { flex: 1 1 auto; min-width: 0; gap: 0.3rem; flex-wrap: nowrap; overflow-x: auto; }
  .st-key-pages > * { flex: none; }
  .st-key-here { border-bottom: 3px solid currentColor; font-weight: 600; }
  .st-key-chosen { gap: 0.5rem; flex: 0 1 auto; width: auto; }
  .st-key-bottom { height: 5.4rem; }
  .bf-who { white-space: nowrap; font-size: 0.93rem; }
  .bf-banner { border: 2px solid currentColor; border-radius: 6px; padding: 0.35rem 0.8rem; font-weight: 600; }
  @media (min-width: 701px) { .st-key-bottom { height: 0; } }
  @media (max-width: 700px) {
    .st-key-navigation { gap: 0.2rem; }
    .st-key-navigation { flex-wrap: wrap; }
    .st-key-pages { flex: 0 0 100%; min-width: 100%; flex-wrap: wrap; gap: 0 0.1rem; }
    .st-key-chosen { flex-wrap: nowrap; }
  }
</style>
"""
"""Only classes that come from our own keys and markup: Streamlit's own names change from version to version."""


def pages(reader: Reader) -> list[Any]:
    """Streamlit's pages, their titles in the reader's language."""
    return [
        st.Page(draw, title=reader.say(f"frame.pages.{path}"), url_path=path, default=place == 0)
        for place, (path, draw) in enumerate(PAGES)
    ]


def open_page(offered: Sequence[Any], chosen: Any) -> None:
    """The row, the banners, and word to the light above: which desk, for whom, in which theme."""
    st.html(_STYLE)
    paths, reader = frame.current_paths(), frame.current_reader()
    with st.container(horizontal=True, key="navigation"):
        with st.container(horizontal=True, vertical_alignment="center", key="pages"):
            for page in offered:
                with st.container(key="here" if page is chosen else f"to-{page.url_path}", width="content"):
                    st.page_link(page, query_params=frame.carried(), width="content")
        with st.container(horizontal=True, vertical_alignment="center", key="chosen", width="content"):
            _choose_desk(paths, reader)
            switches.draw(reader, st.query_params.get("tz"))
            _who(reader)
    _banners(reader)
    components.light(key=frame.live_key("light"), data=frame.light_data(paths))


def close_page() -> None:
    """Room below everything, for STOP stands at the bottom of a phone."""
    st.container(key="bottom")


def _choose_desk(paths: DeskPaths, reader: Reader) -> None:
    names = desks(context.current().root)
    if len(names) < 2:
        return
    picked = st.selectbox(
        reader.say("frame.desk"),
        names,
        index=names.index(paths.desk) if paths.desk in names else None,
        label_visibility="collapsed",
        width=130,
    )
    if picked is not None and picked != paths.desk:
        st.query_params["desk"] = picked
        st.rerun()


def _who(reader: Reader) -> None:
    """Who is logged in, and the way out; nothing where nobody needs to log in."""
    facts = access.facts()
    if not facts["login"]:
        return
    role = reader.say(f"frame.roles.{facts['role']}")
    st.html(
        f'<span class="bf-who">{escape(facts["name"])} · {escape(role)} · '
        f'<a href="{escape(facts["logout"])}">{escape(reader.say("frame.log_out"))}</a></span>'
    )


def _banners(reader: Reader) -> None:
    """What holds for the whole visit and would be forgotten otherwise."""
    facts = access.facts()
    for name in ("plain_lan", "audit_failing"):
        if facts[name]:
            st.html(f'<div class="bf-banner" role="note">▲ {escape(reader.say(f"frame.banners.{name}"))}</div>')
