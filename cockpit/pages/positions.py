"""The Positions page: what the desk hedges and holds, whose shares the account's are, and what they earned today."""

import streamlit as st

from cockpit import components, context
from cockpit.pages import dialogs, frame
from cockpit.reader import Reader

_BOOK = ("acknowledge", "adopt", "release")


def page() -> None:
    """Live tables; and for an operator what he may decide about own and foreign shares."""
    paths, reader = frame.current_paths(), frame.current_reader()
    _table("legs_full")
    _table("day_pnl", name="pnl")
    left, right = st.columns(2)
    with left:
        _table("underlying")
        _table("positions", name="all-positions")
        _table("orders", name="all-orders")
        _table("delta")
    with right:
        _table("book")
        asked = _decisions(reader)
        frame.receipts(paths)
        _table("account")
    st.code(context.current().shell(f"status --desk {paths.desk} --json"), language=None, wrap_lines=True)
    dialogs.open_dialog(asked, paths)


def _table(source: str, *, name: str = "") -> None:
    components.table(key=frame.live_key(name or source), data={**frame.live_data(), "source": source})


def _decisions(reader: Reader) -> str | None:
    """The buttons of an operator; the name of the dialog that was asked for.

    None is ever greyed: what can be decided changes while the page stands, and the dialog says what holds then.
    """
    if not frame.may_act():
        return None
    asked = None
    with st.container(horizontal=True, vertical_alignment="center", key="book-decisions"):
        for name in _BOOK:
            label, meaning = reader.say(f"positions.{name}.button"), reader.say(f"positions.{name}.help")
            asked = name if st.button(label, key=f"book-{name}", help=meaning) else asked
    return asked
