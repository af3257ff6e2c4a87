"""What the pages of backtests and sweeps share: their elements, pages of a table, and what is under way."""

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

from cockpit import components, context
from cockpit.access.page import page_token
from cockpit.pages import frame
from cockpit.reader import Reader
from cockpit.runs import wordings
from cockpit.runs.live import version_of
from cockpit.runs.store import Kind
from state.runs.reading import RunLook

Name = TypeVar("Name", bound=str)


def ask(**words: str) -> None:
    """Put words that no widget holds into the address (empty ones leave it) and draw the page anew."""
    for name, value in words.items():
        if value:
            st.query_params[name] = value
        else:
            st.query_params.pop(name, None)
    st.rerun()


def choice(
    name: str,
    options: Sequence[Name],
    say: Callable[[Name], str],
    *,
    label: str,
    default: Name | None = None,
    placeholder: str = "",
    width: int | None = None,
) -> Name | None:
    """One choice, `name` in the address by a word that no language changes; a row of buttons where no width is said.

    None where nothing is chosen and there is no default.
    """
    key = _key(name)
    if key not in st.session_state:
        wanted = st.query_params.get(name)
        st.session_state[key] = next((option for option in options if option == wanted), default)
    elif st.session_state[key] not in options:
        st.session_state[key] = default

    def remember() -> None:
        chosen = st.session_state[key]
        if chosen is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = chosen
        first_page()

    chosen: Name | None
    if width is None:
        chosen = st.segmented_control(label, options, format_func=say, key=key, on_change=remember)
    else:
        chosen = st.selectbox(
            label, options, format_func=say, key=key, on_change=remember, placeholder=placeholder, width=width,
            index=None,
        )  # fmt: skip
    return default if chosen is None else chosen


def preset(**words: str) -> None:
    """What choices further down begin with; an empty word is no choice."""
    for name, value in words.items():
        st.session_state[_key(name)] = value or None
        if value:
            st.query_params[name] = value
        else:
            st.query_params.pop(name, None)
    first_page()


def _key(name: str) -> str:
    return f"run-choice-{name}"


def table(name: str, told: Mapping[str, Any]) -> dict[str, Any] | None:
    """One table; what was pressed in it as `{name, value, key}`, once."""
    found: Any = components.table(
        key=frame.live_key(f"run-table-{name}"), data={"table": told}, on_follow_change=lambda: None
    )
    followed: dict[str, Any] | None = found.follow
    return followed


def show(name: str, run: RunLook, told: Mapping[str, Any]) -> dict[str, Any] | None:
    """`table` for one of a run's tables: another run's has another place in the page."""
    return table(f"{name}-{run.run_id}", told)


def head(run: RunLook, reader: Reader) -> None:
    """Title, standing, and what is wrong with it together with the command that goes on."""
    said = f"{html.escape(run.title)} · {html.escape(wordings.standing(run, reader).replace(chr(10), ' · '))}"
    st.html(f'<h2 style="margin: 0; font-size: 1.25rem; overflow-wrap: anywhere">{said}</h2>')
    trouble = wordings.trouble(run, reader)
    if trouble:
        st.html(f'<p role="status" style="margin: 0">▲ {html.escape(trouble)}</p>')
    caveats(run, reader)
    go_on = wordings.go_on(run, context.current().shell)
    if run.standing in ("interrupted", "failed") and go_on:
        st.text(reader.say("backtests.go_on", command=go_on))


def caveats(run: RunLook, reader: Reader, *, title: str = "") -> None:
    """What must be read before a run's figures; with its title where several runs stand beside each other."""
    for caveat in wordings.caveats_of(run, reader):
        warning(f"{title} · {caveat}" if title else caveat)


def warning(text: str) -> None:
    """A line above the figures that it is about; nothing for no text."""
    if text:
        st.html(f'<p role="status" style="margin: 0; font-weight: 600">▲ {html.escape(text)}</p>')


def chart(name: str, path: str, asked: Sequence[tuple[str, str]], *, height: int) -> None:
    """One figure that asks for itself at `path` with these words of an address."""
    words = frame.current_reader().words.area("charts.browser")
    data = {**frame.live_data(), "chart_words": words, "source": name, "path": path, "asked": asked, "height": height}
    components.chart(key=frame.live_key(f"run-chart-{name}"), data=data)


def page_number(name: str) -> int:
    """The page that the address names, from 0 on."""
    told = st.query_params.get(name, "")
    return max(0, int(told) - 1) if told.isascii() and told.isdecimal() and len(told) < 8 else 0


def first_page() -> None:
    """Another filter begins at its first page."""
    st.query_params.pop("page", None)


def turn_pages(name: str, pages: int, reader: Reader) -> int:
    """Earlier and later; the page's number, from 0 on."""
    at = min(page_number(name), pages - 1)
    with st.container(horizontal=True, vertical_alignment="center", key=f"turn-{name}"):
        for words, to in (("first", 0), ("earlier", at - 1), ("later", at + 1), ("last", pages - 1)):
            is_there = 0 <= to < pages and to != at
            if st.button(reader.say(f"backtests.pages.{words}"), key=f"turn-{name}-{words}", disabled=not is_there):
                ask(**{name: str(to + 1)})
        st.caption(reader.say("backtests.pages.at", page=at + 1, pages=pages))
    return at


def jobs(kind: Kind, runs: Sequence[RunLook], reader: Reader, *, form: Mapping[str, Any] | None) -> None:
    """What is under way, with its progress; and the form, where there is one. It tells once when the list changed."""
    data = {
        **frame.live_data(),
        "kind": kind,
        "version": version_of(runs),
        "texts": reader.words.area("backtests.form"),
        "may_act": frame.may_act(),
        "token": page_token(),
        "form": form,
    }
    name = "jobs" if form is None else f"jobs-{form['name']}"
    components.jobs(key=frame.live_key(f"{name}-{kind}"), data=data, on_changed_change=lambda: None)
