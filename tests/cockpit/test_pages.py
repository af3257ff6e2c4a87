"""The pages' scripts by Streamlit's own AppTest: full runs, without a browser."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cockpit import context
from state.layout import DeskPaths
from tests.support.desk_player import DeskPlayer


@pytest.fixture(autouse=True)
def keep_main() -> Iterator[None]:
    """AppTest puts its script in the place of `__main__`; a process spawned later would try to run that."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


ENTRY = Path(context.__file__).parent / "entry" / "main.py"


def operations(root: Path, desk: str = "demo", **query: str) -> AppTest:
    context.configure(context.CockpitContext(root=root, desk=desk))

    def script() -> None:
        from cockpit.pages import operations

        operations.page()

    app = AppTest.from_function(script, default_timeout=20)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def captions(app: AppTest) -> str:
    return " ".join(caption.value for caption in app.caption)


def test_the_entry_script_runs_without_an_error(player: DeskPlayer) -> None:
    context.configure(context.CockpitContext(root=player.paths.root, desk="demo"))
    app = AppTest.from_file(str(ENTRY), default_timeout=20).run()
    assert not app.exception
    assert "status --desk demo" in captions(app)


def test_an_unknown_desk_is_one_clear_sentence(player: DeskPlayer) -> None:
    app = operations(player.paths.root)
    app.query_params["desk"] = "nobody"
    app.run()
    assert [error.value for error in app.error] == ["no desk named 'nobody' here; there is: demo"]


def test_a_desk_that_never_ran_has_pages_too(tmp_path: Path) -> None:
    app = operations(tmp_path / "var")
    assert not app.exception
    assert not DeskPaths(tmp_path / "var", "demo").exists(), "looking must not make a desk"


def test_an_unconfigured_process_says_how_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_current", [])
    with pytest.raises(RuntimeError, match=r"\./bifrost cockpit"):
        context.current()
