"""What the dialogs share: title, fields, the attempt itself, and the end with its shell twin and STOP."""

import re
import secrets
from collections.abc import Callable
from html import escape

import streamlit as st

from cockpit import commands, context, light_view
from cockpit.access.actor import AccessError, Actor
from cockpit.access.page import page_actor
from cockpit.clock import wall_us
from cockpit.given import CommandError, Outcome
from cockpit.pages import frame
from cockpit.reader import Reader
from state.layout import DeskPaths
from state.look import Look

_STATE = "dialog"
_PLAIN = re.compile(r"[^\w .-]")
_TURNS, _ODD = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"), "\N{REPLACEMENT CHARACTER}"
_STYLE = """
<style>
  .st-key-plan table { width: 100%; border-collapse: collapse; }
  .st-key-plan th, .st-key-plan td {
    padding: 0.35rem 0.6rem 0.35rem 0; border-bottom: 1px solid rgb(128 128 128 / 35%); text-align: left;
    vertical-align: top; line-height: 1.4;
  }
  .st-key-plan th { font-weight: 400; white-space: nowrap; }
  .st-key-plan td { font-weight: 600; overflow-wrap: anywhere; }
  .st-key-confirm button { min-height: 3.2rem; border-width: 2px; }
  .st-key-confirm button p { font-weight: 700; font-size: 1rem; }
  .st-key-confirm button:not(:disabled) { border-color: currentColor; }
  @media (max-width: 700px) { .st-key-plan th { white-space: normal; } }
</style>
"""
"""Only classes that come from our own keys: Streamlit's own names change from version to version."""


def begin(name: str, desk: str) -> None:
    """A dialog was asked for: its request gets an id, so that a double click or a slow answer is one command."""
    st.session_state[_STATE] = {"name": name, "desk": desk, "page": _page(), "id": _new_id()}


def open_now(desk: str) -> str | None:
    """Which dialog is open on this page, of this desk; one of another page or desk is over."""
    state = st.session_state.get(_STATE)
    if state is None:
        return None
    if (state["desk"], state["page"]) != (desk, _page()):
        close()
        return None
    name: str = state["name"]
    return name


def close() -> None:
    """The dialog was dismissed, or its command was given."""
    st.session_state.pop(_STATE, None)


def _state() -> dict[str, str]:
    """The open dialog's; one of its own for the last run of one that was dismissed meanwhile."""
    found: dict[str, str] = st.session_state.get(_STATE, {"id": _new_id()})
    return found


def _page() -> str:
    return (st.context.url or "").partition("?")[0]


def _new_id() -> str:
    return f"page-{secrets.token_hex(8)}"


def remembered(name: str, value: str) -> str:
    """What this dialog showed under `name` at its last run, and `value` from now on; `value` at the first run."""
    state = _state()
    before: str = state.get(name, value)
    state[name] = value
    return before


def title(name: str, paths: DeskPaths, look: Look, reader: Reader) -> str:
    """`Flatten own shares · demo · SIMULATED DU0000001`. A title is Markdown, so others' text loses all marks."""
    mode = light_view.mode(look.snapshot, reader)
    money = f"{mode.word} {_PLAIN.sub('', mode.account)}".strip()
    return f"{reader.say(f'dialogs.title.{name}')} · {paths.desk} · {money}"


def html(text: str) -> None:
    """Show markup of ours. Everything that others wrote must have passed `escape`.

    Not Markdown: it finds links in plain text however that is escaped. Marks that turn the direction of what follows
    (`dom.js` has the same) become visible: a reason could make the text beside it read backwards.
    """
    st.html(f'<div style="line-height: 1.5; overflow-wrap: anywhere">{_TURNS.sub(_ODD, text)}</div>')


def style() -> None:
    """The dialogs' own rules."""
    st.html(_STYLE)


def warn(text: str) -> None:
    """Something to know before going on."""
    html(f'<p role="note"><b>▲ {escape(text)}</b></p>')


def actor(reader: Reader) -> Actor | None:
    """Who looks; None, said on the page, where nobody may act. The server asks again at the command itself."""
    try:
        found = page_actor()
    except AccessError as error:
        html(f'<p role="alert">{escape(error.said(reader))}</p>')
        return None
    if not found.may_act:
        html(f'<p role="alert">{escape(reader.say("dialogs.viewer", name=found.name))}</p>')
        return None
    return found


def password(who: Actor, reader: Reader) -> str | None:
    """The password once more; empty where nobody has one; None while it was not typed."""
    if not who.must_confirm:
        return ""
    typed = st.text_input(
        reader.say("dialogs.password", name=who.name), type="password", key="confirm-password", autocomplete="off"
    )
    return typed or None


def confirmed(label: str, *, key: str, disabled: bool = False) -> bool:
    """The button that gives the command, and whether it was pressed in this run."""
    return st.button(label, key=key, disabled=disabled) and not disabled


def attempt(act: Callable[[str], Outcome], *, secret: str | None, reader: Reader) -> Outcome | None:
    """Give the command; `act` takes the request's id. A refusal stays in the dialog, so that it is read."""
    if secret is None:
        refuse(reader.say("dialogs.password_missing"), reader)
        return None
    state = _state()
    try:
        outcome = act(state["id"])
    except (CommandError, AccessError) as error:
        # What was refused is a new request when it is asked for again.
        state["id"] = _new_id()
        refuse(error.said(reader), reader)
        return None
    close()
    if outcome.warning is not None:
        st.toast(reader.say("dialogs.unaudited", error=outcome.warning), duration="long")
    return outcome


def carry_out(
    paths: DeskPaths, action: commands.Action, who: Actor, *, secret: str | None, reader: Reader, paused: bool = False
) -> bool:
    """Give a command that needs no more than the password; whether it was given."""
    done = attempt(
        lambda given: commands.carry_out(
            paths,
            action,
            actor=who,
            now_us=wall_us(),
            reason="from the cockpit",
            password=secret or "",
            request_id=given,
            paused=paused,
        ),
        secret=secret,
        reader=reader,
    )
    return done is not None


def refuse(text: str, reader: Reader) -> None:
    """Say in the dialog that nothing was done, and why."""
    html(f'<p role="alert"><b>■ {escape(reader.say("dialogs.not_done"))}</b> {escape(text)}</p>')


def end(paths: DeskPaths, words: str, reader: Reader, *instant: str) -> None:
    """What every dialog ends with: its shell twin, and STOP, for the dialog covers the page's own."""
    end_with_line(paths, context.current().shell(words), reader, *instant)


def end_with_line(paths: DeskPaths, line: str, reader: Reader, *instant: str) -> None:
    """The same where the twin is no command of ours."""
    html(f"<small>{escape(reader.say('dialogs.shell'))} <code>{escape(line)}</code></small>")
    frame.controls_in_dialog(paths, *(instant or ("stop",)))


def number(typed: str) -> float | None:
    """A number as people write it: `+1,200`, a true minus; None where it is none."""
    try:
        return float(typed.replace(",", "").replace("\N{MINUS SIGN}", "-").strip())
    except ValueError:
        return None
