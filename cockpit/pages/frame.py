"""What a page asks of its frame: the desk, the reader, who may act, and the data of its live elements."""

from collections.abc import Callable
from html import escape
from typing import Any

import streamlit as st

from cockpit import components, context
from cockpit.access.actor import AccessError
from cockpit.access.page import page_actor, page_token
from cockpit.context import UnknownDeskError, desk_paths
from cockpit.frame_data import stop_shell
from cockpit.language import chosen as chosen_language
from cockpit.reader import Reader, zone_of
from state.layout import DeskPaths, desks


def configure_page() -> None:
    """Before anything is drawn. The icon is an emoji: a named icon would be fetched from a font server."""
    st.set_page_config(page_title="Bifrost", page_icon="⚪", layout="wide", initial_sidebar_state="collapsed")


def let_in() -> None:
    """End the run with a link to the login when the session is over; the gate closes such a page a moment later."""
    reader = current_reader()
    try:
        page_actor()
    except AccessError as error:
        st.html(
            f'<p role="alert"><b>{escape(error.said(reader))}</b> '
            f'<a href="/login">{escape(reader.say("access.login.title"))}</a></p>'
        )
        st.stop()


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


def light_data(paths: DeskPaths) -> dict[str, Any]:
    """What the light above the page is told: whom it is for, and what its STOP needs."""
    live = live_data()
    stop = {name: value for name, value in control_data(paths).items() if name not in live}
    return {**live, "stop": {**stop, "several": len(desks(context.current().root)) > 1}}


def may_act() -> bool:
    """Whether to show commands as his to give; the server asks again at every one."""
    try:
        return page_actor().may_act
    except AccessError:
        return False


def control_data(paths: DeskPaths) -> dict[str, Any]:
    """What every element with commands is given: its words, who commands, and the same in a shell."""
    return {
        **live_data(),
        "texts": current_reader().words.area("controls"),
        "may_act": may_act(),
        "token": page_token(),
        "shell": stop_shell(context.current(), paths.desk),
    }


def controls(paths: DeskPaths, *, on_ask: Callable[[str], None]) -> None:
    """The row of controls but STOP, which stands in the frame. `on_ask` is told which dialog was asked for.

    It is called before the page's script runs: a run that is cut short by another one must not lose a press.
    """
    names = ["pause", "resume", "start", "reset", "withdraw", "flatten"]
    data = {**control_data(paths), "names": names, "receipts": True, "quiet": True}
    key = live_key("controls-page")

    def asked() -> None:
        name = st.session_state[key].ask
        if name is not None:
            on_ask(str(name))

    components.controls(key=key, data=data, on_ask_change=asked)


def receipts(paths: DeskPaths) -> None:
    """What became of the last commands, for a page that opens dialogs and has no controls."""
    data = {**control_data(paths), "names": [], "receipts": True, "quiet": True}
    components.controls(key=live_key("receipts"), data=data)


def controls_in_dialog(paths: DeskPaths, *names: str) -> None:
    """The instant commands for a dialog, which covers the page's own."""
    data = {**control_data(paths), "names": list(names), "in_dialog": True}
    components.controls(key=live_key("controls-dialog"), data=data)
