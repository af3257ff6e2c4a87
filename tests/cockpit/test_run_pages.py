"""The scripts of the Backtests and Sweeps pages by Streamlit's own AppTest, and how long they take."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cockpit import components, context
from state.runs.folder import backtest_paths
from tests.support.run_folders import COOLDOWN, THRESHOLD, summary, write_run, write_summary, write_sweep


@pytest.fixture(autouse=True)
def keep_main() -> Iterator[None]:
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page gives to its own elements: key -> data."""
    found: dict[str, Any] = {}
    for name in ("chart", "table", "jobs"):
        real = getattr(components, name)

        def noting(*, key: str, data: Any, real: Any = real, **more: Any) -> Any:
            found[key] = data
            return real(key=key, data=data, **more)

        monkeypatch.setattr(components, name, noting)
    monkeypatch.setattr("cockpit.pages.frame.may_act", lambda: True)
    monkeypatch.setattr("cockpit.pages.run_parts.page_token", lambda: "token")
    return found


def app(root: Path, page: str, /, **query: str) -> AppTest:
    context.configure(context.CockpitContext(root=root, desk="demo"))

    def backtests() -> None:
        from cockpit.pages import backtests

        backtests.page()

    def sweeps() -> None:
        from cockpit.pages import sweeps

        sweeps.page()

    found = AppTest.from_function({"backtests": backtests, "sweeps": sweeps}[page], default_timeout=60)
    for name, value in query.items():
        found.query_params[name] = value
    return found.run()


def tables(shown: dict[str, Any]) -> dict[str, Any]:
    return {data["table"]["title"]: data["table"] for data in shown.values() if "table" in data}


def sources(shown: dict[str, Any]) -> set[str]:
    return {data["source"] for data in shown.values() if "source" in data}


def test_nothing_yet_says_what_will_appear_and_which_command_makes_it(tmp_path: Path, shown: dict[str, Any]) -> None:
    for page, title, command in (("backtests", "Backtests", "backtest --profile"), ("sweeps", "Sweeps", "sweep run")):
        assert not app(tmp_path / "var", page).exception
        table = tables(shown)[title]
        assert not table["rows"]
        assert f"./bifrost {command}" in table["empty"]
    assert not (tmp_path / "var").exists()


def test_one_run_in_detail_in_either_language(tmp_path: Path, shown: dict[str, Any]) -> None:
    write_run(tmp_path, "first", title="$a$ <b>")
    found = app(tmp_path, "backtests", run="first", moments="refused", rule="cooldown", page="2")
    assert not found.exception
    told = tables(shown)
    assert set(told) == {
        "Figures", "By session", "Decisions", "Findings", "How the simulated venue fills", "What it was run with",
    }  # fmt: skip
    assert sources(shown) == {"equity", "attribution", "refusals"}
    assert told["Decisions"]["aside"].startswith("1 to 10 of 10")
    assert '<a href="/report/first?lang=en" target="_blank"' in "".join(each.body for each in found.get("html"))
    assert "&lt;b&gt;" in "".join(each.body for each in found.get("html"))
    shown.clear()
    assert not app(tmp_path, "backtests", run="first", lang="zh").exception
    assert "运行条件" in tables(shown)


def test_a_run_that_is_gone_or_damaged_is_a_sentence(tmp_path: Path, shown: dict[str, Any]) -> None:
    backtest_paths(tmp_path, "odd").folder.mkdir(parents=True)
    for name, said in (("nothing", "There is no run"), ("../../etc", "There is no run"), ("odd", "")):
        found = app(tmp_path, "backtests", run=name)
        assert not found.exception
        assert said in " ".join(text.value for text in found.text)
    paths = write_run(tmp_path, "torn")
    paths.decisions.write_bytes(b"torn")
    found = app(tmp_path, "backtests", run="torn")
    assert "cannot be read" in " ".join(text.value for text in found.text)
    assert "Figures" in tables(shown)


def test_the_address_names_what_is_compared(tmp_path: Path, shown: dict[str, Any]) -> None:
    for place, name in enumerate("abc"):
        write_run(tmp_path, name, at=place)
    assert not app(tmp_path, "backtests", compare="c,a,missing,../x").exception
    told = tables(shown)
    assert [column["label"] for column in told["Side by side"]["columns"]] == ["Figure", "c", "a"]
    assert sources(shown) == {"overlay", "refusals-of", "attribution-of"}
    asked = next(data["asked"] for data in shown.values() if data.get("source") == "overlay")
    assert asked == [("run", "c"), ("run", "a")]


def test_a_sweep_tells_a_spike_from_a_plateau(tmp_path: Path, shown: dict[str, Any]) -> None:
    write_sweep(tmp_path, "grid")
    found = app(tmp_path, "sweeps", sweep="grid", x=THRESHOLD)
    assert not found.exception
    told = tables(shown)
    assert len(told["Every cell"]["rows"]) == 9
    assert told["Every cell"]["rows"][0]["cells"][:2] == ("4", "400.00")
    assert "spike" in told["Every cell"]["rows"][0]["cells"][3]
    assert "Cell 4 is higher" in "".join(each.body for each in found.get("html"))
    heat = next(data["asked"] for data in shown.values() if data.get("source") == "heat")
    assert ("x", THRESHOLD) in heat
    assert ("y", COOLDOWN) in heat
    form = next(data["form"] for data in shown.values() if data.get("form"))
    assert form["fixed"] == {"run_id": "grid"}


def test_a_walk_forward_stands_beside_what_it_promised(tmp_path: Path, shown: dict[str, Any]) -> None:
    write_sweep(tmp_path, "forward", folds=True)
    assert not app(tmp_path, "sweeps", sweep="forward", lang="zh").exception
    (row,) = tables(shown)["滚动前推"]["rows"]
    assert row["cells"][5:8] == ("400.00", "400.00", "1 / 9")
    assert sources(shown) == {"heat", "scatter", "folds"}


def test_a_list_of_two_hundred_is_drawn_within_the_budget(tmp_path: Path, shown: dict[str, Any]) -> None:
    for place in range(200):
        write_summary(tmp_path, summary(f"run{place}", at=place))
    found = app(tmp_path, "backtests")
    assert len(tables(shown)["Backtests"]["rows"]) == 100
    took = []
    for _ in range(5):
        began = time.perf_counter()
        found.run()
        took.append(time.perf_counter() - began)
    # 30 ms alone; AppTest's own overhead and a loaded machine are in the bound.
    assert min(took) < 0.5
