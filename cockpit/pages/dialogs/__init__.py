"""The commands that are previewed and confirmed. Opened by a page's own run, never by a fragment.

`open_dialog` is the one way in, and what keeps one open; each is a module of its own, `parts` is what they share.
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


def ask(name: str, paths: DeskPaths) -> None:
    """Have a dialog opened by the page's next call of `open_dialog`; an unknown name is ignored."""
    if name in _BODIES:
        parts.begin(name, paths.desk)


def open_dialog(asked: str | None, paths: DeskPaths) -> None:
    """Open the dialog that was asked for, and keep one that is open; every page with dialogs ends with this call.

    It stays until it is dismissed or its command is given: a run of the page that comes between must not take it away
    from under somebody's hands. The title says which desk and whose money.
    """
    if asked is not None:
        ask(asked, paths)
    name = parts.open_now(paths.desk)
    if name is None:
        return
    title = parts.title(name, paths, look_at(paths, wall_us()), frame.current_reader())
    # Streamlit tells dialogs apart by their function's name.
    st.dialog(title, width="medium", on_dismiss=parts.close)(_named(f"{name}_dialog", _BODIES[name]))(paths)


def _named(name: str, body: Callable[[DeskPaths], None]) -> Callable[[DeskPaths], None]:
    def shown(paths: DeskPaths) -> None:
        body(paths)

    shown.__name__ = shown.__qualname__ = name
    return shown
