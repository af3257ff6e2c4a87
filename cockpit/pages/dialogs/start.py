"""Start after a stop: by whom it was stopped, what was wrong then, and whether the desk comes up paused."""

from html import escape

import streamlit as st

from cockpit import context, wording
from cockpit.checklist import checklist
from cockpit.clock import wall_us
from cockpit.pages import frame
from cockpit.pages.dialogs import checks, parts
from cockpit.reader import Reader
from state.control import BY_SUPERVISOR, AssertedCommand
from state.layout import DeskPaths
from state.look import look_at


def body(paths: DeskPaths) -> None:
    """Who stopped it, the checklist, the confirmation."""
    reader = frame.current_reader()
    parts.style()
    now = wall_us()
    look = look_at(paths, now)
    stop = look.control.files.get("stop")
    if stop is None:
        parts.html(escape(reader.say("dialogs.start.nothing")))
        parts.end(paths, f"start --desk {paths.desk}", reader)
        return
    _tell(stop, paths, reader)
    checks.show(
        checklist(
            "start", look, desk=paths.desk, now_us=now, reader=reader, beginning=context.current().beginning(paths.desk)
        ),
        reader,
    )
    by_machine, paused = stop.by == BY_SUPERVISOR, "pause" in look.control.files
    if by_machine or paused:
        parts.warn(reader.say("dialogs.start.machine" if by_machine else "dialogs.start.paused_already"))
    actor = parts.actor(reader)
    if actor is not None:
        secret = parts.password(actor, reader)
        with st.container(horizontal=True, key="confirm"):
            # After a machine's stop there is one way only, and its button says which.
            plain = not by_machine and parts.confirmed(reader.say("dialogs.start.button"), key="confirm-start")
            as_paused = parts.confirmed(reader.say("dialogs.start.button_paused"), key="confirm-start-paused")
        if (plain or as_paused) and parts.carry_out(
            paths, "start", actor, secret=secret, reader=reader, paused=as_paused
        ):
            st.rerun()
    parts.end(paths, f"start --desk {paths.desk}", reader)


def _tell(stop: AssertedCommand, paths: DeskPaths, reader: Reader) -> None:
    who = stop.by or reader.say("dialogs.unnamed")
    why = f" ({stop.reason})" if stop.reason else ""
    text = reader.say("dialogs.start.since", age=wording.age(stop.age_ms), by=who) + why
    up = context.current().shell(f"up --desk {paths.desk}")
    parts.html(
        f"{escape(text)}<br>{escape(reader.say('dialogs.start.what'))} "
        f"{escape(reader.say('dialogs.start.unsupervised'))} <code>{escape(up)}</code>"
    )
