"""Dialogs by AppTest: full runs of a page, which is what may come between."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cockpit import context
from tests.support.desk_player import DeskPlayer


@pytest.fixture(autouse=True)
def keep_main() -> Iterator[None]:
    """AppTest puts its script in the place of `__main__`; a process spawned later would try to run that."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def page(root: Path, desk: str = "demo") -> AppTest:
    """A page that asks for the flatten's dialog in its first run alone, as a press does."""
    context.configure(context.CockpitContext(root=root, desk=desk))

    def script() -> None:
        import streamlit as st

        from cockpit.pages import dialogs, frame

        asked = None if "ran" in st.session_state else "flatten"
        st.session_state["ran"] = True
        dialogs.open_dialog(asked, frame.current_paths())

    return AppTest.from_function(script, default_timeout=20).run()


def is_open(app: AppTest) -> bool:
    return any(each.key == "flatten-phrase" for each in app.text_input)


def test_a_run_that_comes_between_leaves_the_dialog_open(player: DeskPlayer) -> None:
    app = page(player.paths.root)
    assert is_open(app)
    assert is_open(app.run())
    assert not app.exception


def test_another_desk_closes_it(player: DeskPlayer) -> None:
    app = page(player.paths.root)
    other = DeskPlayer(player.paths.root, "second")
    other.write()
    app.query_params["desk"] = "second"
    assert not is_open(app.run()), "what is typed must never meet another desk than the one that was asked about"
    other.close()


def test_a_flatten_given_closes_it_and_a_refused_one_stays(player: DeskPlayer) -> None:
    app = page(player.paths.root)
    player.own_shares = 250.0
    player.write()
    app.text_input(key="flatten-phrase").input("FLATTEN DEMO SELL 240").run()
    assert is_open(app)
    assert not (player.paths.control / "flatten").exists()
    app.text_input(key="flatten-phrase").input("FLATTEN DEMO SELL 250").run()
    app.button(key="confirm-flatten").click().run()
    assert (player.paths.control / "flatten").exists()
    assert not is_open(app)
    assert not app.exception
