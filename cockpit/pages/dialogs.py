"""The three commands that are previewed and confirmed. Opened by the page's own run, never by a fragment."""

from collections.abc import Callable
from html import escape

import streamlit as st

from cockpit import commands, context, flatten_preview, light_view, wording
from cockpit.clock import wall_us
from cockpit.pages import frame
from state.layout import DeskPaths
from state.look import Look, look_at
from state.records import Snapshot
from state.times import iso_from_us

CONFIRM_WORD = "FLATTEN"


def open_dialog(name: str, paths: DeskPaths) -> None:
    """Open the dialog that the controls asked for; an unknown name is ignored."""
    title = f"{{}} · {_account(look_at(paths, wall_us()))}"
    opened: dict[str, tuple[str, Callable[[DeskPaths], None]]] = {
        "resume": ("Resume hedging", _resume),
        "start": ("Start the desk", _start),
        "flatten": ("Flatten own shares", _flatten),
    }
    if name in opened:
        words, body = opened[name]
        st.dialog(title.format(words), width="medium")(body)(paths)


def _account(look: Look) -> str:
    snapshot = look.snapshot
    if snapshot is None:
        return "account unknown"
    kind = wording.account_kind(snapshot.account_kind).upper()
    return f"{kind} {snapshot.account}" if snapshot.account else kind


def _end(paths: DeskPaths, action: str) -> None:
    """What every dialog ends with: its shell twin, and STOP, for the dialog covers the page's own."""
    st.caption(f"The same in a shell: `{context.current().shell(f'{action} --desk {paths.desk}')}`")
    if action != "start":
        frame.controls_in_dialog(paths, "stop")


def _carry_out(paths: DeskPaths, action: commands.Action, reason: str, shares: float | None = None) -> bool:
    """Do it; an error stays in the dialog, so that it is read."""
    address = st.context.ip_address
    try:
        commands.carry_out(paths, action, now_us=wall_us(), reason=reason, address=address, shares=shares)
    except commands.CommandError as error:
        _html(f'<p role="alert"><b>Not done:</b> {escape(str(error))}</p>')
        return False
    return True


def _html(text: str) -> None:
    """Show markup of ours. Everything that others wrote must have passed `escape`.

    Not Markdown: it finds links in plain text however that is escaped.
    """
    st.html(f'<div style="line-height: 1.5">{text}</div>')


def _checklist(desk: str, look: Look, *, apart_from: tuple[str, ...]) -> None:
    """What else blocks, each with its numbers."""
    shown = light_view.shown_light(
        look.snapshot, look.light, desk=desk, now_iso=iso_from_us(wall_us()), reader=frame.current_reader()
    )
    others = [reason for reason in shown.reasons if reason.code not in apart_from]
    if not others:
        st.markdown("**Nothing else blocks.** The next hedge leaves as soon as it is needed.")
        return
    st.markdown("**This holds as well, and stays afterwards:**")
    for reason in others:
        mark = {"red": "■", "yellow": "▲", "not_live": "◌"}[reason.severity]
        measured = f" <b>{escape(reason.measured)}</b>" if reason.measured else ""
        _html(f"{mark} {escape(reason.text)}{measured}")


def _resume(paths: DeskPaths) -> None:
    look = look_at(paths, wall_us())
    pause = look.control.files.get("pause")
    if pause is None:
        st.markdown("Nothing is paused any more.")
        return
    who = f" by {escape(pause.by)}" if pause.by else ""
    why = f": {escape(pause.reason)}" if pause.reason else ""
    _html(f"Paused for {wording.age(pause.age_ms)}{who}{why}. Resuming removes the pause and nothing else.")
    _checklist(paths.desk, look, apart_from=("paused",))
    if st.button("Resume hedging", key="confirm-resume") and _carry_out(paths, "resume", "from the cockpit"):
        st.rerun()
    _end(paths, "resume")


def _start(paths: DeskPaths) -> None:
    look = look_at(paths, wall_us())
    stop = look.control.files.get("stop")
    if stop is None:
        st.markdown("The desk is not held by a stop any more.")
        return
    who = f" by {escape(stop.by)}" if stop.by else ""
    _html(
        f"Stopped {wording.age(stop.age_ms)} ago{who}. Starting removes the stop; the supervisor then starts the "
        "daemon, which cancels its own orders, reconciles, and hedges when that is needed."
    )
    _checklist(paths.desk, look, apart_from=("stopped", "stop_asserted"))
    with st.container(horizontal=True):
        start = st.button("Start", key="confirm-start")
        start_paused = st.button("Start paused", key="confirm-start-paused")
    if start_paused and not _carry_out(paths, "pause", "started paused"):
        return
    if (start or start_paused) and _carry_out(paths, "start", "from the cockpit"):
        st.rerun()
    _end(paths, "start")


def _flatten(paths: DeskPaths) -> None:
    look = look_at(paths, wall_us())
    if look.snapshot is None:
        st.markdown("There is no snapshot, so nothing can be previewed.")
        _end(paths, "flatten")
        return
    refusal = flatten_preview.refusal(look.snapshot)
    if refusal is not None:
        st.warning(refusal)
        _end(paths, "salvage --by NAME --reason TEXT")
        return
    if look.light.state == "not_live":
        st.warning(f"These numbers are {wording.age(look.light.age_ms)} old: the desk does not run.")
    plan = flatten_preview.preview(look.snapshot, frame.current_reader())
    lines = "".join(
        f'<tr><th scope="row">{label}</th><td>{escape(value)}</td></tr>' for label, value in flatten_preview.rows(plan)
    )
    with st.container(key="flatten-plan"):
        st.html(f"<table>{lines}</table>")
    closed = plan.market_open is False and plan.side is not None
    if closed:
        st.warning(f"The market is {plan.session}: the daemon would refuse at once.")
    shares, unnumbered = _confirmed_shares(look.snapshot)
    typed = st.text_input(f"Type {CONFIRM_WORD} to confirm", key="flatten-word", live=True, autocomplete="off")
    if "flatten-shown" not in st.session_state:
        st.session_state["flatten-shown"] = plan.identity
    unready = typed != CONFIRM_WORD or closed or unnumbered
    pressed = st.button("Flatten now", key="confirm-flatten", disabled=unready)
    if st.session_state["flatten-shown"] != plan.identity:
        st.session_state["flatten-shown"] = plan.identity
        st.warning("The plan has changed while you read it. Read it again, then confirm.")
    elif pressed and not unready and _carry_out(paths, "flatten", "from the cockpit", shares):
        del st.session_state["flatten-shown"]
        st.rerun()
    _end(paths, "flatten" if not look.snapshot.flatten_choices_shares else "flatten --confirm-shares N")


def _confirmed_shares(snapshot: Snapshot) -> tuple[float | None, bool]:
    """The number that a flatten of this desk needs, and whether it is still missing."""
    question = flatten_preview.question(snapshot)
    if question is None:
        return None, False
    typed = st.text_input(question, key="flatten-number", live=True, autocomplete="off")
    shares = flatten_preview.confirmed(snapshot, typed)
    return shares, shares is None
