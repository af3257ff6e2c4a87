"""The Profiles page: what each profile says and where, and which one this desk runs. It changes nothing."""

import shlex
from pathlib import Path

import streamlit as st

from cockpit import components
from cockpit.clock import wall_us
from cockpit.pages import frame
from cockpit.profiles import view
from cockpit.profiles.running import RunningProfile, running_profile
from cockpit.reader import Reader
from cockpit.tables import Table, plain
from config.keys import effective_keys
from config.loader import PROFILES_DIR, LoadedProfile, ProfileError, load_profile, profile_names
from state.look import look_at


def page() -> None:
    """One profile: what it is to the desk, what is wrong with it, every key, and its files."""
    paths, reader = frame.current_paths(), frame.current_reader()
    running = running_profile(paths, look_at(paths, wall_us()).snapshot)
    chosen = _choose(running, reader)
    if chosen is None:
        st.text(reader.say("profiles.none", folder=str(PROFILES_DIR)))
        return
    loaded, error = _load(chosen)
    _table("standing", chosen, view.standing_table(loaded, running, chosen, reader))
    if error is not None:
        _table("problems", chosen, view.problems_table(error, reader))
    if loaded is not None:
        _keys(chosen, reader)
    _files(chosen, loaded, error, reader)
    name = shlex.quote(chosen)
    # As text, never Markdown: a path may come out of the journal.
    twin = f"./bifrost profile show {name}   ./bifrost profile validate {name}"
    st.caption(reader.say("profiles.read_only"))
    st.text(reader.say("profiles.twin", commands=twin))


def _choose(running: RunningProfile | None, reader: Reader) -> str | None:
    """A name under config/profiles, or the file that the desk runs: no address can name any other file."""
    names = profile_names()
    runs = None
    if running is not None:
        runs = running.name
        if running.path is not None and Path(running.path).resolve().parent != PROFILES_DIR.resolve():
            names, runs = [running.path, *names], running.path
    if not names:
        return None
    picked = st.selectbox(
        reader.say("profiles.which"),
        names,
        index=names.index(runs) if runs in names else 0,
        key="profile",
        bind="query-params",
        width=360,
    )
    return picked if picked in names else names[0]


def _load(chosen: str) -> tuple[LoadedProfile | None, ProfileError | None]:
    try:
        return load_profile(chosen), None
    except ProfileError as error:
        return None, error


def _keys(chosen: str, reader: Reader) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="profile-filters"):
        wanted = st.text_input(
            reader.say("profiles.search"),
            key="search",
            bind="query-params",
            placeholder=reader.say("profiles.search_for"),
            width=300,
        )
        only_set = st.toggle(reader.say("profiles.only_set"), key="set", bind="query-params")
    try:
        keys = effective_keys(chosen)
    except ProfileError:
        return  # it broke in this very moment: the next look says how
    found = view.matching(keys, wanted or "", reader, only_set=only_set)
    _table("keys", chosen, view.keys_table(found, len(keys), reader))


def _files(chosen: str, loaded: LoadedProfile | None, error: ProfileError | None, reader: Reader) -> None:
    """The files as they lie on the disk, comments and all: the profile's own first, then what it extends."""
    if loaded is not None:
        files = list(loaded.sources)
    else:
        own = Path(chosen) if "/" in chosen else PROFILES_DIR / f"{chosen}.yaml"
        told = [] if error is None else [problem.file for problem in error.problems]
        files = list(dict.fromkeys([own, *told]))
    for file in files:
        try:
            text = file.read_bytes().decode("utf-8", "replace")
        except OSError as failure:
            st.text(reader.say("profiles.unreadable", file=view.place(file), problem=str(failure.strerror)))
            continue
        st.text(reader.say("profiles.on_disk", file=view.place(file)))
        st.code(text, language="yaml", line_numbers=True, wrap_lines=True)


def _table(name: str, chosen: str, table: Table) -> None:
    key = f"{frame.live_key(f'profile-{name}')}-{Path(chosen).stem}"
    components.table(key=key, data={"table": plain(table)})
