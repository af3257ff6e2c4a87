"""Reset: which halts stand, whether their causes measure clear, who decides and why."""

from html import escape

import streamlit as st

from cockpit import commands, context
from cockpit.checklist import checklist
from cockpit.clock import wall_us
from cockpit.pages import frame
from cockpit.pages.dialogs import checks, parts
from state.layout import DeskPaths
from state.look import look_at


def body(paths: DeskPaths) -> None:
    """The checklist, a name, a reason, the confirmation."""
    reader = frame.current_reader()
    parts.style()
    now = wall_us()
    look = look_at(paths, now)
    shell = f"reset --desk {paths.desk} --by NAME --reason TEXT"
    if not any(reason.cleared_by == "reset" for reason in look.light.reasons):
        parts.html(escape(reader.say("dialogs.reset.nothing")))
        parts.end(paths, shell, reader)
        return
    parts.html(escape(reader.say("dialogs.reset.what")))
    checks.show(
        checklist(
            "reset", look, desk=paths.desk, now_us=now, reader=reader, beginning=context.current().beginning(paths.desk)
        ),
        reader,
    )
    actor = parts.actor(reader)
    if actor is not None:
        name = st.text_input(reader.say("dialogs.reset.name"), key="reset-name", live=True, autocomplete="off")
        why = st.text_input(reader.say("dialogs.reason"), key="reset-reason", live=True, autocomplete="off")
        secret = parts.password(actor, reader)
        ready = bool(name.strip() and why.strip())
        with st.container(key="confirm"):
            pressed = parts.confirmed(reader.say("dialogs.reset.button"), key="confirm-reset", disabled=not ready)
        if pressed and parts.attempt(
            lambda given: commands.request(
                paths,
                "reset",
                actor=actor,
                now_us=wall_us(),
                reason=why.strip(),
                by=name.strip(),
                password=secret or "",
                request_id=given,
            ),
            secret=secret,
            reader=reader,
        ):
            st.rerun()
    parts.end(paths, shell, reader)
