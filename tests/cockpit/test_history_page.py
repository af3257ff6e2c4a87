"""The History page's script by Streamlit's own AppTest, over a few weeks and over nothing."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cockpit import components, context
from state.layout import DeskPaths
from tests.support.year_of_history import write_year


@pytest.fixture(autouse=True)
def keep_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page gives to its own elements: key -> data. AppTest does not show custom elements."""
    found: dict[str, Any] = {}
    for name in ("chart", "table"):
        real = getattr(components, name)

        def noting(*, key: str, data: Any, real: Any = real, **more: Any) -> Any:
            found[key] = data
            return real(key=key, data=data, **more)

        monkeypatch.setattr(components, name, noting)
    return found


def history(root: Path, **query: str) -> AppTest:
    context.configure(context.CockpitContext(root=root, desk="demo"))

    def script() -> None:
        from cockpit.pages import history

        history.page()

    app = AppTest.from_function(script, default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def titles(shown: dict[str, Any]) -> set[str]:
    return {data["table"]["title"] for data in shown.values() if "table" in data}


def test_the_page_shows_every_table_and_asks_for_every_figure(tmp_path: Path, shown: dict[str, Any]) -> None:
    write_year(DeskPaths(tmp_path, "demo"), days=25, samples=25 * 4, operations=25 * 40)
    app = history(tmp_path, range="1m", by="week")
    assert not app.exception
    assert {
        "Key figures",
        "By week",
        "P&L by hour of the exchange",
        "Drawdowns",
        "Worst and best days",
        "Execution by day",
    } == titles(shown)
    sources = {data["source"] for data in shown.values() if "source" in data}
    assert sources == {
        "equity", "daily", "calendar", "attribution", "distribution", "hedges", "hours", "slippage", "latency",
        "refusals",
    }  # fmt: skip
    assert {data["range"] for data in shown.values() if "range" in data} == {"1m"}
    (weeks,) = [data["table"] for data in shown.values() if data.get("table", {}).get("title") == "By week"]
    assert weeks["rows"][0]["cells"][0] == "2025-W49"
    captions = " ".join(caption.value for caption in app.caption)
    assert "ops --desk demo --count-by week" in captions
    assert "stats --desk demo --by week" in captions
    assert app.button_group(key="history-range").value == "1m"


def test_a_desk_that_never_ran_says_what_will_appear_and_makes_no_folder(tmp_path: Path, shown: dict[str, Any]) -> None:
    app = history(tmp_path / "var", lang="zh", range="nonsense")
    assert not app.exception
    assert all(data["table"]["empty"] for data in shown.values() if "table" in data)
    assert "关键指标" in titles(shown)
    assert not (tmp_path / "var").exists()
