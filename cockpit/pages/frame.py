"""What every page begins with: the page's settings, where to go, and the light."""

import shlex
from collections.abc import Sequence
from typing import Any

import streamlit as st

from cockpit import components, context
from cockpit.access.actor import AccessError
from cockpit.access.page import page_actor, page_token
from cockpit.context import UnknownDeskError, desk_paths
from cockpit.language import chosen as chosen_language
from cockpit.pages import switches
from cockpit.reader import Reader, zone_of
from state.layout import DeskPaths, desks

_STYLE = """
<style>
  .st-key-here { border-bottom: 3px solid currentColor; font-weight: 600; }
  .st-key-navigation { margin-bottom: -0.6rem; }
  @media (max-width: 700px) {
    .st-key-navigation { gap: 0.5rem; }
    .st-key-filters { gap: 0.6rem; }
    .st-key-filters > div { flex: 1 1 44%; min-width: 8.5rem; }
  }
</style>
"""
"""Only classes that come from our own keys: Streamlit's own names change from version to version."""


def configure_page() -> None:
    """Before anything is drawn. The icon is an emoji: a named icon would be fetched from a font server."""
    st.set_page_config(page_title="Bifrost", page_icon="⚪", layout="wide", initial_sidebar_state="collapsed")


def current_paths() -> DeskPaths:
    """The desk that the address names. Ends the run with a clear sentence when there is none of that name."""
    try:
        return desk_paths(context.current(), st.query_params.get("desk"))
    except UnknownDeskError as error:
        st.error(str(error))
        st.stop()
        raise


def current_reader() -> Reader:
    """The language and the time zone that the address asks for."""
    query = st.query_params
    return Reader(language=chosen_language(query.get("lang")), zone=zone_of(query.get("tz"), st.context.timezone))


def carried() -> dict[str, str]:
    """What every link inside the cockpit keeps of the address: the desk, the language and the time zone."""
    kept = {name: st.query_params[name] for name in ("lang", "tz") if name in st.query_params}
    return {"desk": current_paths().desk, **kept}


def live_data() -> dict[str, Any]:
    """What every live element is given: which stream to listen to, and the words that it shows by itself."""
    reader = current_reader()
    return {
        "desk": current_paths().desk,
        "lang": reader.language,
        "tz": reader.zone,
        "words": reader.words.area("browser"),
    }


def live_key(name: str) -> str:
    """The key of a live element: another desk, language or zone is another element."""
    data = live_data()
    return f"{name}-{data['desk']}-{data['lang']}-{data['tz'].replace('/', '-')}"


def open_page(pages: Sequence[Any], chosen: Any) -> None:
    """The navigation row and the light. Links keep the desk, which Streamlit's own navigation would drop."""
    st.html(_STYLE)
    paths = current_paths()
    with st.container(horizontal=True, vertical_alignment="center", key="navigation"):
        st.markdown("**Bifrost**", width="content")
        for page in pages:
            with st.container(key="here" if page is chosen else f"to-{page.url_path}", width="content"):
                st.page_link(page, query_params=carried(), width="content")
        st.space("stretch")
        names = desks(context.current().root)
        if len(names) > 1:
            picked = st.selectbox(
                "Desk",
                names,
                index=names.index(paths.desk) if paths.desk in names else None,
                label_visibility="collapsed",
                width=180,
            )
            if picked is not None and picked != paths.desk:
                st.query_params["desk"] = picked
                st.rerun()
        switches.draw(current_reader(), st.query_params.get("tz"))
    stop = {name: value for name, value in control_data(paths).items() if name not in live_data()}
    components.light(key=live_key("light"), data={**live_data(), "stop": stop})


def may_act() -> bool:
    """Whether to show commands as his to give; the server asks again at every one."""
    try:
        return page_actor().may_act
    except AccessError:
        return False


def control_data(paths: DeskPaths) -> dict[str, Any]:
    """What every element with commands is given: its words, who commands, and the same in a shell."""
    shell = context.current().shell
    return {
        **live_data(),
        "texts": current_reader().words.area("controls"),
        "may_act": may_act(),
        "token": page_token(),
        "shell": {
            **{name: shell(f"{name} --desk {paths.desk}") for name in ("stop", "pause")},
            "touch_stop": f"touch {shlex.quote(str(paths.control / 'stop'))}",
        },
    }


def controls(paths: DeskPaths) -> Any:
    """The row of controls. Its `ask` names the dialog that was asked for."""
    return components.controls(key=live_key("controls-page"), data=control_data(paths), on_ask_change=lambda: None)


def controls_in_dialog(paths: DeskPaths, *names: str) -> None:
    """The instant commands for a dialog, which covers the page's own."""
    data = {**control_data(paths), "only": list(names), "in_dialog": True}
    components.controls(key=live_key("controls-dialog"), data=data)
