"""The fields of the Operations page. Each is bound to the address, so that a link asks what the page asked."""

from typing import Any

import streamlit as st

from cockpit import components, journal_view
from cockpit.filter_chips import chips
from cockpit.journal_times import write_time
from cockpit.journal_view import Asked
from cockpit.pages import frame
from cockpit.reader import Reader
from state.records import JournalType

_TEXTS = ("since", "until", "reason", "intent", "order", "text", "at")
_CHOICES = ("side", "count")
_CURSORS = ("before", "after")
_HIDDEN = ("since", "until", "side", "reason", "text", "order", "count")
"""Fields behind "More filters" that are not told elsewhere on the page."""


def draw(newest_us: int | None, reader: Reader) -> Asked:
    """The fields, and what they ask for. `newest_us` is the journal's newest time."""
    say = reader.say
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        st.segmented_control(
            say("operations.fields.span"),
            list(journal_view.SPANS_S),
            default=journal_view.ALL_TIME,
            key="span",
            bind="query-params",
            on_change=forget_page,
        )
        st.multiselect(
            say("operations.fields.types"),
            [kind.value for kind in JournalType],
            key="type",
            bind="query-params",
            placeholder=say("operations.fields.any_type"),
            width=320,
            on_change=forget_page,
        )
    is_narrowed = any(st.query_params.get(name) for name in _HIDDEN)
    with (
        st.expander(say("operations.fields.more"), expanded=is_narrowed, key="more-filters"),
        st.container(horizontal=True, vertical_alignment="bottom", key="filters-more"),
    ):
        _time("since", reader)
        _time("until", reader)
        _choice("side", list(journal_view.SIDES), reader, placeholder="both", width=110)
        _text("reason", reader, width=170)
        _text("text", reader, width=230)
        _text("intent", reader, width=240)
        _text("order", reader, width=180)
        _choice("count", list(journal_view.COUNTS), reader, placeholder="no", width=140)
        _time("at", reader)
        st.selectbox(
            say("operations.fields.limit"),
            [str(limit) for limit in journal_view.LIMITS],
            key="limit",
            bind="query-params",
            width=100,
            on_change=forget_page,
        )
        st.toggle(
            say("operations.fields.routine"),
            key="routine",
            bind="query-params",
            help=say("operations.fields.routine_help"),
            on_change=forget_page,
        )
    state = st.session_state
    values: dict[str, str | None] = {name: state.get(name) for name in (*_TEXTS, *_CHOICES, "span", "limit")}
    values |= {"routine": "true" if state.get("routine") else None}
    values |= {name: st.query_params.get(name) for name in _CURSORS}
    asked = journal_view.ask(values, tuple(state.get("type") or ()), newest_us=newest_us, reader=reader)
    _chips(asked, reader, span=values["span"])
    return asked


def _text(name: str, reader: Reader, *, width: int) -> None:
    st.text_input(
        reader.say(f"operations.fields.{name}"),
        key=name,
        bind="query-params",
        placeholder=reader.say("operations.fields.any"),
        width=width,
        on_change=forget_page,
    )


def _time(name: str, reader: Reader) -> None:
    st.text_input(
        reader.say(f"operations.fields.{name}", zone=reader.zone_name),
        key=name,
        bind="query-params",
        placeholder="2014-06-05 14:30",
        width=230,
        on_change=_tidy_time,
        args=(name, reader),
    )


def _choice(name: str, options: list[Any], reader: Reader, *, placeholder: str, width: int) -> None:
    st.selectbox(
        reader.say(f"operations.fields.{name}"),
        options,
        index=None,
        key=name,
        bind="query-params",
        placeholder=reader.say(f"operations.fields.{placeholder}"),
        width=width,
        on_change=forget_page,
    )


def _tidy_time(name: str, reader: Reader) -> None:
    """Write the zone behind a time that was typed, so that the address means the same in every zone."""
    forget_page()
    text = st.session_state.get(name)
    asked = journal_view.ask({name: text}, (), newest_us=None, reader=reader)
    time_us = asked.at_us if name == "at" else getattr(asked.wanted, f"{name}_us")
    if time_us is not None:
        st.session_state[name] = write_time(time_us, reader)


def forget_page() -> None:
    """Another filter begins at its newest operations."""
    for name in _CURSORS:
        st.query_params.pop(name, None)


def turn_to(name: str, number: int | None) -> None:
    """Another page of the same filter; None is the newest."""
    forget_page()
    if number is not None:
        st.query_params[name] = str(number)


def remove(name: str, value: str) -> None:
    """Take one part of the filter away, or all of them (`*`)."""
    forget_page()
    state = st.session_state
    for each in (*_TEXTS, *_CHOICES, "span", "type", "routine") if name == "*" else (name,):
        if each == "type":
            state["type"] = [] if name == "*" else [kind for kind in state.get("type") or () if kind != value]
        elif each == "routine":
            state["routine"] = False
        elif each == "span":
            state["span"] = journal_view.ALL_TIME
        elif each in _CHOICES:
            state[each] = None
        elif each in _TEXTS and not (name == "*" and each == "at"):
            state[each] = ""


def put(name: str, value: str) -> None:
    """Fill one field, as if it had been typed."""
    forget_page()
    st.session_state[name] = value


def _chips(asked: Asked, reader: Reader, *, span: str | None) -> None:
    found = chips(asked, reader, span=span)
    if not found:
        return
    key = frame.live_key("chips")

    def on_remove() -> None:
        chosen = st.session_state[key].remove
        if chosen is not None:
            remove(str(chosen["name"]), str(chosen["value"]))

    components.chips(
        key=key,
        data={
            "chips": [{"name": chip.name, "value": chip.value, "label": chip.label} for chip in found],
            "texts": reader.words.area("journal"),
        },
        on_remove_change=on_remove,
    )
