"""Take a flatten back: STOP does not end one, for a flatten outranks it and the desk stops flat."""

import shlex
from html import escape

import streamlit as st

from cockpit import flatten_preview, wording
from cockpit.clock import wall_us
from cockpit.pages import frame
from cockpit.pages.dialogs import parts
from state.layout import DeskPaths
from state.look import look_at


def body(paths: DeskPaths) -> None:
    """What is left, and the confirmation."""
    reader = frame.current_reader()
    parts.style()
    look = look_at(paths, wall_us())
    line = f"rm {shlex.quote(str(paths.control / 'flatten'))}"
    if "flatten" not in look.control.files:
        parts.html(escape(reader.say("dialogs.withdraw.nothing")))
        parts.end_with_line(paths, line, reader)
        return
    parts.html(escape(reader.say("dialogs.withdraw.what")))
    if look.snapshot is not None:
        own = wording.shares(look.snapshot.own_shares, signed=True)
        target = wording.shares(flatten_preview.target_shares(look.snapshot))
        parts.html(f"<b>{escape(reader.say('dialogs.withdraw.own', own=own, target=target))}</b>")
    actor = parts.actor(reader)
    if actor is not None:
        secret = parts.password(actor, reader)
        with st.container(key="confirm"):
            pressed = parts.confirmed(reader.say("dialogs.withdraw.button"), key="confirm-withdraw")
        if pressed and parts.carry_out(paths, "withdraw", actor, secret=secret, reader=reader):
            st.rerun()
    parts.end_with_line(paths, line, reader)
