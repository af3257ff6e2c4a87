"""Adopt, release, acknowledge: the number is typed, never proposed, because it is the operator's own word."""

from html import escape

import streamlit as st

from cockpit import commands, wording
from cockpit.clock import wall_us
from cockpit.pages import frame
from cockpit.pages.dialogs import parts
from cockpit.reader import Reader
from state.layout import DeskPaths
from state.look import look_at
from state.records import Snapshot


def body(action: commands.BookAction, paths: DeskPaths) -> None:
    """What the book says now, the number, a reason, the confirmation."""
    reader = frame.current_reader()
    parts.style()
    look = look_at(paths, wall_us())
    shell = f"book {action} --desk {paths.desk} --shares N --reason TEXT"
    parts.html(escape(reader.say(f"dialogs.{action}.what")))
    if look.snapshot is not None:
        _now(look.snapshot, reader)
    if look.light.state == "not_live":
        parts.warn(reader.say("dialogs.not_live", age=wording.age(look.light.age_ms)))
    actor = parts.actor(reader)
    if actor is not None:
        typed = st.text_input(reader.say(f"dialogs.{action}.number"), key="book-number", live=True, autocomplete="off")
        ratio_typed = ""
        if action == "acknowledge":
            ratio_typed = st.text_input(
                reader.say("dialogs.acknowledge.ratio"), key="book-ratio", live=True, autocomplete="off"
            )
        why = st.text_input(reader.say("dialogs.reason"), key="book-reason", live=True, autocomplete="off")
        secret = parts.password(actor, reader)
        shares, ratio = parts.number(typed), parts.number(ratio_typed)
        ready = shares is not None and bool(why.strip()) and (ratio is not None or not ratio_typed.strip())
        with st.container(key="confirm"):
            pressed = parts.confirmed(reader.say(f"dialogs.{action}.button"), key="confirm-book", disabled=not ready)
        if pressed and parts.attempt(
            lambda given: commands.request(
                paths,
                action,
                actor=actor,
                now_us=wall_us(),
                reason=why.strip(),
                shares=shares,
                ratio=ratio,
                password=secret or "",
                request_id=given,
            ),
            secret=secret,
            reader=reader,
        ):
            st.rerun()
    parts.end(paths, shell, reader)


def _now(snapshot: Snapshot, reader: Reader) -> None:
    own, foreign = snapshot.own_shares, snapshot.foreign_shares
    account = None if own is None or foreign is None else own + foreign
    rows = "".join(
        f'<tr><th scope="row">{escape(reader.say(f"dialogs.book.{name}"))}</th>'
        f"<td>{escape(reader.say('dialogs.book.shares', shares=wording.shares(value, signed=True)))}</td></tr>"
        for name, value in (("own", own), ("foreign", foreign), ("account", account))
    )
    with st.container(key="plan"):
        st.html(f"<table>{rows}</table>")
