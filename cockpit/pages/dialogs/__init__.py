"""The commands that are previewed and confirmed. Opened by a page's own run, never by a fragment.

`open_dialog` is the one way in; each dialog is a module of its own, `parts` is what they share.
"""

from collections.abc import Callable, Mapping
from functools import partial

import streamlit as st

from cockpit.clock import wall_us
from cockpit.pages import frame
from cockpit.pages.dialogs import book, flatten, parts, reset, resume, start, withdraw
from state.layout import DeskPaths
from state.look import look_at

_BODIES: Mapping[str, Callable[[DeskPaths], None]] = {
    "resume": resume.body,
    "start": start.body,
    "flatten": flatten.body,
    "reset": reset.body,
    "withdraw": withdraw.body,
    "adopt": partial(book.body, "adopt"),
    "release": partial(book.body, "release"),
    "acknowledge": partial(book.body, "acknowledge"),
}


def open_dialog(name: str, paths: DeskPaths) -> None:
    """Open the dialog that was asked for; an unknown name is ignored.

    Its title says which desk and whose money: it may cover the page that says so.
    """
    body = _BODIES.get(name)
    if body is None:
        return
    parts.begin()
    title = parts.title(name, paths, look_at(paths, wall_us()), frame.current_reader())
    # Streamlit tells dialogs apart by their function's name.
    st.dialog(title, width="medium")(_named(f"{name}_dialog", body))(paths)


def _named(name: str, body: Callable[[DeskPaths], None]) -> Callable[[DeskPaths], None]:
    def shown(paths: DeskPaths) -> None:
        body(paths)

    shown.__name__ = shown.__qualname__ = name
    return shown
