"""The Profiles page: its tables, and its script over files that change, break and lie elsewhere."""

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from cockpit import context
from cockpit.profiles import view
from cockpit.profiles.running import RunningProfile, loaded, running_profile
from cockpit.reader import Reader
from config.keys import effective_keys
from config.loader import PROFILES_DIR, ProfileError, load_profile
from state.records import JournalType
from tests.support.desk_player import DeskPlayer

ENGLISH, CHINESE = Reader(), Reader(language="zh")


@pytest.fixture(autouse=True)
def keep_main() -> Iterator[None]:
    """AppTest puts its script in the place of `__main__`; a process spawned later would try to run that."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def open_page(root: Path, **query: str) -> AppTest:
    context.configure(context.CockpitContext(root=root, desk="demo"))

    def script() -> None:
        from cockpit.pages import profiles

        profiles.page()

    app = AppTest.from_function(script, default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def ran(player: DeskPlayer, path: Path, digest: str) -> None:
    data = {"profile": path.stem, "profile_path": str(path), "profile_hash": digest, "ib_port": 4321}
    player.record(JournalType.RUN_STARTED, status="started", data=data)


def test_the_running_profile_is_the_newest_runs(player: DeskPlayer) -> None:
    assert running_profile(player.paths, None) is None
    named = running_profile(player.paths, player.write())
    assert named is not None
    assert (named.name, named.path) == ("recorded_day", None)
    path = PROFILES_DIR / "demo.yaml"
    ran(player, path, load_profile("demo").hash)
    running = running_profile(player.paths, player.write())
    assert running == RunningProfile(name="demo", path=str(path), hash=load_profile("demo").hash, ib_port=4321)
    found = loaded(running)
    assert found is not None
    table = view.standing_table(found, running, "demo", ENGLISH)
    assert table.rows[-1].cells[2] == "runs exactly this"
    changed = view.standing_table(found, msgspec.structs.replace(running, hash="0" * 64), "demo", ENGLISH)
    assert changed.rows[-1].tone == "warn"
    assert "restart to take it" in changed.rows[-1].cells[2]
    other = view.standing_table(load_profile("paper"), running, "paper", ENGLISH)
    assert "the desk runs demo" in other.rows[-1].cells[1]


def test_keys_are_searched_by_name_value_and_meaning() -> None:
    keys = effective_keys("demo")
    assert {key.path for key in view.matching(keys, "cooldown sec", Reader(), only_set=False)} >= {
        "gates.intent.hedge.cooldown_seconds"
    }
    assert view.matching(keys, "no such words", Reader(), only_set=False) == ()
    only_set = view.matching(keys, "", Reader(), only_set=True)
    assert only_set
    assert all(key.file is not None for key in only_set)
    table = view.keys_table(keys, len(keys), CHINESE)
    assert len(table.rows) == len(keys)
    assert any(row.cells[3].startswith("config/profiles/demo.yaml:") for row in table.rows)


def test_a_refusal_is_told_with_file_line_column_key_and_remedy(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("underlying: {symbol: TWX}\nib:\n  port: 0\n  hots: x\n")
    with pytest.raises(ProfileError) as caught:
        load_profile(str(file))
    table = view.problems_table(caught.value, ENGLISH)
    assert [row.cells[1:4] for row in table.rows] == [("3", "9", "ib.port"), ("4", "3", "ib.hots")]
    assert "did you mean host?" in table.rows[1].cells[4]
    assert table.rows[0].cells[0] == str(file)
    with pytest.raises(ProfileError) as caught:
        load_profile("nobody")
    assert "no profile named" in view.problems_table(caught.value, ENGLISH).rows[0].cells[4]


def test_the_page_shows_the_file_that_the_desk_runs_even_when_it_broke(player: DeskPlayer, tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("# mine <b>\nextends: demo\nib: {client_id: 77}\n")
    ran(player, own, load_profile(str(own)).hash)
    app = open_page(player.paths.root)
    assert not app.exception
    assert app.selectbox(key="profile").value == str(own)
    assert app.code[0].value.startswith("# mine <b>")
    assert len(app.code) == 2, "the file, and what it extends"
    own.write_text("extends: demo\nib: {client_id: 0}\n")
    app.run()
    assert not app.exception
    assert app.code[0].value.startswith("extends: demo")


def test_an_address_can_name_no_other_file(player: DeskPlayer, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("password: hunter2\n")
    app = open_page(player.paths.root, profile=str(secret))
    assert not app.exception
    assert not any("hunter2" in code.value for code in app.code)
