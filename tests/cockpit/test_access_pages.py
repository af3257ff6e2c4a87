"""The lock behind the gate: a page's script shows nothing to somebody whose session is over."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cockpit import context
from cockpit.access import door
from cockpit.access.actor import NotLoggedIn
from cockpit.access.page import overview, page_actor, page_token, warns_plain_lan
from tests.support.cockpit_process import set_users
from tests.support.desk_player import DeskPlayer

ENTRY = Path(context.__file__).parent / "entry" / "main.py"


@pytest.fixture(autouse=True)
def keep_main() -> Iterator[None]:
    """AppTest puts its script in the place of `__main__`; a process spawned later would try to run that."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def test_without_a_session_a_page_is_a_link_to_the_login(player: DeskPlayer) -> None:
    context.configure(context.CockpitContext(root=player.paths.root, desk="demo"))
    set_users(player.paths.root, {"anna": "operator"})
    app = AppTest.from_file(str(ENTRY), default_timeout=20).run()
    assert not app.exception
    shown = [element.body for element in app.get("html")]
    assert len(shown) == 1
    assert 'href="/login"' in shown[0]
    assert list(app.markdown) == []
    assert list(app.caption) == []


def test_with_users_nobody_acts_from_nowhere_and_without_them_the_machines_user_does(tmp_path: Path) -> None:
    context.configure(context.CockpitContext(root=tmp_path, desk="demo"))
    actor = page_actor()
    assert (actor.role, actor.must_confirm, actor.session_id) == ("operator", False, None)
    assert page_token() == ""
    assert not warns_plain_lan()
    assert overview().users == ()
    set_users(tmp_path, {"anna": "operator", "bob": "viewer"})
    with pytest.raises(NotLoggedIn):
        page_actor()
    assert overview().users == (("anna", "operator"), ("bob", "viewer"))
    door.current().close()
