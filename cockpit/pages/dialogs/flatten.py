"""Flatten: the plan, the phrase that agrees to exactly it, the password. Nothing of it can be pressed by accident."""

from html import escape

import streamlit as st

from cockpit import commands, context, flatten_preview, wording
from cockpit.clock import wall_us
from cockpit.flatten_preview import Agreed, FlattenPlan
from cockpit.given import CommandError
from cockpit.pages import frame
from cockpit.pages.dialogs import parts
from cockpit.reader import Reader
from state.layout import DeskPaths
from state.look import Look, look_at


def body(paths: DeskPaths) -> None:
    """The preview, the typed phrase, the confirmation."""
    reader = frame.current_reader()
    parts.style()
    now = wall_us()
    look = look_at(paths, now)
    try:
        plan = commands.plan_of(paths, now, reader)
    except CommandError as error:
        parts.refuse(error.said(reader), reader)
        shell = "salvage --by NAME --reason TEXT" if error.code == "journal_damaged" else "flatten"
        parts.end(paths, f"{shell} --desk {paths.desk}", reader)
        return
    _show(plan, look, reader)
    read_before = parts.remembered("plan", plan.plan)
    if read_before != plan.plan:
        parts.warn(reader.say("dialogs.flatten.changed"))
    actor = parts.actor(reader)
    if actor is not None:
        typed = _phrase(plan, reader)
        secret = parts.password(actor, reader)
        ready = flatten_preview.matching(plan, typed) is not None and not flatten_preview.is_closed(plan)
        with st.container(key="confirm"):
            pressed = parts.confirmed(reader.say("dialogs.flatten.button"), key="confirm-flatten", disabled=not ready)
        if pressed and parts.attempt(
            lambda given: commands.carry_out(
                paths,
                "flatten",
                actor=actor,
                now_us=wall_us(),
                reason="from the cockpit",
                password=secret or "",
                request_id=given,
                agreed=Agreed(plan=read_before, phrase=typed),
            ),
            secret=secret,
            reader=reader,
        ):
            st.rerun()
    numbered = " --confirm-shares N" if look.snapshot and look.snapshot.flatten_choices_shares else ""
    parts.end(paths, f"flatten --desk {paths.desk}{numbered}", reader, "stop", "pause")


def _show(plan: FlattenPlan, look: Look, reader: Reader) -> None:
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{escape(value)}</td></tr>'
        for label, value in flatten_preview.rows(plan, reader)
    )
    with st.container(key="plan"):
        st.html(f"<table>{rows}</table>")
    if not plan.is_live:
        line = context.current().shell(f"flatten --desk {plan.desk}")
        parts.warn(reader.say("dialogs.flatten.not_live", age=wording.age(plan.age_ms)))
        parts.html(f"{escape(reader.say('dialogs.flatten.shell_runs_one'))} <code>{escape(line)}</code>")
    if flatten_preview.is_closed(plan):
        parts.warn(reader.say("dialogs.flatten.closed", session=plan.session))
    elif plan.is_live and not look.control.files:
        parts.html(f"<small>{escape(reader.say('dialogs.flatten.pause_first'))}</small>")


def _phrase(plan: FlattenPlan, reader: Reader) -> str:
    if plan.phrases[0].shares is not None:
        parts.warn(reader.say("dialogs.flatten.conflict"))
    options = " · ".join(f"<code style='font-size: 1.05em'>{escape(each.text)}</code>" for each in plan.phrases)
    parts.html(f"{escape(reader.say('dialogs.flatten.type'))} {options}")
    return st.text_input(reader.say("dialogs.flatten.phrase"), key="flatten-phrase", live=True, autocomplete="off")
