"""Resume: what else blocks, then the pause goes and nothing else."""

from html import escape

import streamlit as st

from cockpit import context, wording
from cockpit.checklist import checklist
from cockpit.clock import wall_us
from cockpit.pages import frame
from cockpit.pages.dialogs import checks, parts
from state.layout import DeskPaths
from state.look import look_at


def body(paths: DeskPaths) -> None:
    """Who paused, the checklist, the confirmation."""
    reader = frame.current_reader()
    parts.style()
    now = wall_us()
    look = look_at(paths, now)
    pause = look.control.files.get("pause")
    if pause is None:
        parts.html(escape(reader.say("dialogs.resume.nothing")))
        parts.end(paths, f"resume --desk {paths.desk}", reader)
        return
    who = pause.by or reader.say("dialogs.unnamed")
    text = reader.say("dialogs.resume.since", age=wording.age(pause.age_ms), by=who)
    why = f" ({pause.reason})" if pause.reason else ""
    parts.html(f"{escape(text + why)}<br>{escape(reader.say('dialogs.resume.what'))}")
    checks.show(
        checklist(
            "resume",
            look,
            desk=paths.desk,
            now_us=now,
            reader=reader,
            beginning=context.current().beginning(paths.desk),
        ),
        reader,
    )
    actor = parts.actor(reader)
    if actor is not None:
        secret = parts.password(actor, reader)
        with st.container(key="confirm"):
            pressed = parts.confirmed(reader.say("dialogs.resume.button"), key="confirm-resume")
        if pressed and parts.carry_out(paths, "resume", actor, secret=secret, reader=reader):
            st.rerun()
    parts.end(paths, f"resume --desk {paths.desk}", reader)
