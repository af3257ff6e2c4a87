"""What the pages of backtests show: lists, figures, comparisons, decisions; pure but for the store's files."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from cockpit.reader import Reader
from cockpit.runs import backtest_figures, backtest_list, backtest_tables, comparison, curves, decisions, live, wordings
from cockpit.runs.backtest_figures import Drawn
from cockpit.runs.backtest_list import Wanted
from cockpit.runs.children import Job
from cockpit.runs.store import Kind, RunStore
from cockpit.tables import Table
from daemon.backtest.feeds.findings import SENTENCES
from daemon.backtest.oddities import CODES
from state.runs.caveats import OVERSHADOWING
from state.runs.files import UnreadableError
from state.runs.folder import backtest_paths
from state.runs.reading import RunLook, list_backtests
from state.runs.records import Finding, ProfileInfo, VenueModel
from state.times import iso_from_us
from tests.support.run_folders import figures, summary, write_progress, write_run, write_summary

EN, ZH = Reader(), Reader(language="zh", zone="Asia/Shanghai")


def cells_of(table: Table, key: str) -> dict[str, str]:
    (row,) = [row for row in table.rows if row.key == key]
    return {column.name: cell for column, cell in zip(table.columns, row.cells, strict=True)}


@pytest.fixture
def runs(tmp_path: Path) -> tuple[RunLook, ...]:
    write_run(tmp_path, "first", title="As it is")
    write_run(tmp_path, "second", at=60, title="$x$ <b>", figures=figures(180.5, hedges=8), refused={"cooldown": 20})
    write_summary(tmp_path, summary("none", at=90, status="failed", figures=None, problem="no price"))
    backtest_paths(tmp_path, "odd").folder.mkdir()
    return list_backtests(tmp_path)


def test_the_list_has_a_row_for_each_with_its_own_words(runs: tuple[RunLook, ...]) -> None:
    table = backtest_list.list_table(runs, len(runs), EN, compared=["second"], start="x")
    assert [row.key for row in table.rows] == ["none", "second", "first", "odd"]
    first = cells_of(table, "first")
    assert (first["pnl"], first["drawdown"], first["hedges"], first["refused"]) == (
        "+120.00",
        "\N{MINUS SIGN}0.08",
        "12",
        "18",
    )
    assert first["sharpe"] == "needs 20 days\nn 2"
    assert first["data"] == "synthetic:1:2\n2026-01-05 … 2026-01-06 · sessions 2"
    assert cells_of(table, "second")["run"] == "$x$ <b>"
    assert [cells_of(table, name)["compare"] for name in ("first", "second", "none")] == ["add", "take out", ""]
    assert [row.tone for row in table.rows] == ["warn", None, None, "warn"]
    assert cells_of(table, "odd")["data"].startswith("The folder holds neither")
    assert backtest_list.list_table((), 0, ZH, compared=(), start="./bifrost backtest").empty.endswith("backtest")


def test_the_filter_looks_where_a_reader_would(runs: tuple[RunLook, ...]) -> None:
    def found(**words: str) -> list[str]:
        return [run.run_id for run in runs if Wanted(**words).fits(run)]

    assert found(text="AS IT") == ["first"]
    assert found(text="synthetic:1") == ["none", "second", "first"]
    assert found(standing="failed") == ["none"]
    assert found(profile="demo", text="first") == ["first"]
    assert found(profile="paper") == []
    assert backtest_list.toggled(["a", "b"], "a") == ("b",)
    assert backtest_list.toggled(list("abcde"), "f") == tuple("bcdef")


@pytest.mark.parametrize("reader", [EN, ZH], ids=["en", "zh"])
def test_every_table_and_figure_of_a_run_can_be_made(tmp_path: Path, runs: tuple[RunLook, ...], reader: Reader) -> None:
    told = [run for run in runs if run.summary is not None]
    drawn = [Drawn(run, curves.curve_of(backtest_paths(tmp_path, run.run_id))) for run in comparison.comparable(runs)]
    for run in told:
        assert run.summary is not None
        for make in (
            backtest_tables.figures_table, backtest_tables.day_table, backtest_tables.findings_table,
            backtest_tables.model_table, backtest_tables.refusal_table, backtest_tables.attribution_table,
        ):  # fmt: skip
            table = make(run.summary, reader)
            assert table.rows or table.empty
        assert backtest_tables.origin_table(run, run.summary, reader).rows
    found = [
        backtest_figures.equity(drawn[0], reader), backtest_figures.overlay(drawn, reader),
        backtest_figures.attribution(runs, reader), backtest_figures.refusals(runs, reader),
        backtest_figures.attribution(runs[2:3], reader), backtest_figures.refusals(runs[2:3], reader),
    ]  # fmt: skip
    for figure in found:
        assert figure.data
        assert figure.alt
        assert b"NaN" not in msgspec.json.encode(figure)
    assert "&lt;b&gt;" in found[1].data[0]["name"] + found[1].data[2]["name"]


def test_the_attribution_adds_up_as_it_is_drawn(runs: tuple[RunLook, ...]) -> None:
    (first,) = [run for run in runs if run.run_id == "first"]
    (bars,) = backtest_figures.attribution([first], EN).data
    assert sum(bars["y"][:-1]) == pytest.approx(bars["y"][-1])
    assert bars["y"][-2] == -12.0  # a cost points down


def test_an_overlay_counts_each_run_from_its_own_beginning(tmp_path: Path, runs: tuple[RunLook, ...]) -> None:
    drawn = [Drawn(run, curves.curve_of(backtest_paths(tmp_path, run.run_id))) for run in comparison.comparable(runs)]
    figure = backtest_figures.overlay(drawn, EN)
    pnl = [trace for trace in figure.data if trace.get("yaxis") != "y2"]
    assert [trace["y"][0] for trace in pnl] == [0.0, 0.0]
    assert len({trace["line"]["dash"] for trace in pnl}) == 2
    gaps = [at for at, value in enumerate(pnl[0]["y"]) if value is None]
    assert len(gaps) == 1  # the night between the two sessions is no line


def test_a_comparison_says_what_differs(runs: tuple[RunLook, ...]) -> None:
    pair = [run for name in ("first", "second") for run in runs if run.run_id == name]
    table = comparison.figures_table(pair, EN)
    assert cells_of(table, "pnl")["run1"] == "+180.50 USD\nΔ +60.50"
    assert cells_of(table, "hedges")["run1"].endswith("Δ \N{MINUS SIGN}4")
    assert cells_of(table, "data")["run1"] == "the same"
    assert cells_of(table, "profile_hash")["run1"] != "the same"
    keys = comparison.keys_table(pair, EN)
    assert [row.cells for row in keys.rows] == [("gates.intent.hedge.cooldown_seconds", "30", "90")]
    assert not keys.aside


def test_runs_of_other_days_or_other_data_are_not_compared_without_a_word(
    tmp_path: Path, runs: tuple[RunLook, ...]
) -> None:
    pair = [run for name in ("first", "second") for run in runs if run.run_id == name]
    assert comparison.apart(pair, EN) == ""
    data = summary("x").data
    shorter = msgspec.structs.replace(data, sessions=1, last_ts="2026-01-05T21:00:00.000000Z", hash="cd" * 32)
    write_summary(tmp_path, summary("half", at=120, status="interrupted", data=shorter))
    write_summary(tmp_path, summary("other", at=150, data=msgspec.structs.replace(data, hash="cd" * 32, spec="csv:a")))
    found = {run.run_id: run for run in list_backtests(tmp_path)}
    words = comparison.apart([found["first"], found["half"]], EN)
    assert words.startswith("Not of the same days")
    assert words.endswith("As it is 2026-01-05 … 2026-01-06 · sessions 2; half 2026-01-05 · sessions 1")
    told = cells_of(comparison.figures_table([found["first"], found["half"]], EN), "sessions")
    assert (told["run0"], told["run1"]) == ("2", "1")
    assert comparison.apart([found["first"], found["other"]], EN) == (
        "The same days, but other data, so differences may be the market's: As it is synthetic:1:2; other csv:a"
    )
    assert comparison.apart([found["first"], found["none"]], EN) == "", "a run without figures is not compared"


def test_a_run_that_tells_no_settings_is_compared_by_what_it_changed(tmp_path: Path) -> None:
    old = ProfileInfo(name="demo", hash="a" * 64, overrides={"x.y": 3})
    write_summary(tmp_path, summary("old", profile=old))
    write_summary(tmp_path, summary("new", at=1, venue=VenueModel(latency_ms=250.0)))
    keys = comparison.keys_table(list_backtests(tmp_path), EN)
    assert keys.aside.startswith("only the keys")
    assert {row.cells[0] for row in keys.rows} >= {"x.y", "From decision to exchange"}


def test_decisions_come_by_the_hundred_and_by_what_became_of_them(tmp_path: Path) -> None:
    paths = write_run(tmp_path, "run", sessions=4, group=150)
    everything = decisions.page_of(paths, EN, which="all", page=2)
    assert (everything.total, everything.rows, everything.pages) == (1560, 1560, 16)
    assert everything.table.aside == "201 to 300 of 1,560 · 1,560 in all"
    assert everything.table.rows[0].cells[0] == "2026-01-05 17:50:00Z"
    assert decisions.page_of(paths, EN, which="needed").total == 120
    hedged = decisions.page_of(paths, EN, which="hedged", session="2026-01-06", page=99)
    assert (hedged.total, hedged.table.rows[0].cells[5]) == (15, "BUY 5")
    refused = decisions.page_of(paths, ZH, which="refused", rule="cooldown")
    assert refused.total == 20
    assert {row.cells[8] for row in refused.table.rows} == {"冷却"}
    none = decisions.page_of(paths, EN, which="hedged", rule="cooldown")
    assert (none.total, none.table.rows, none.table.aside) == (0, (), "")
    paths.decisions.write_bytes(b"PAR1 and no more")
    with pytest.raises(UnreadableError):
        decisions.page_of(paths, EN, which="needed")


def test_the_store_reads_a_run_again_only_when_its_files_change(tmp_path: Path) -> None:
    store = RunStore()
    paths = write_run(tmp_path, "run")
    (before,) = store.all(tmp_path, "backtest")
    assert store.one(tmp_path, "backtest", "run") is before
    assert store.one(tmp_path, "backtest", "../run") is None
    made = [store.made(("n",), (paths.equity,), lambda: np.zeros(1)) for _ in range(2)]
    assert made[0] is made[1]
    write_summary(tmp_path, summary("run", title="another"))
    write_run(tmp_path, "run", title="another")
    assert store.all(tmp_path, "backtest")[0].title == "another"
    assert store.made(("n",), (paths.equity,), lambda: np.ones(1)) is not made[0]


def test_what_a_page_hears_changes_its_version_when_a_run_ends(tmp_path: Path) -> None:
    write_run(tmp_path, "done")
    paths = backtest_paths(tmp_path, "busy")
    write_progress(paths, status="interrupted")
    heard = live.live(tmp_path, "backtest", (), EN, 0)
    assert heard["runs"] == []
    write_summary(tmp_path, summary("busy"))
    assert live.live(tmp_path, "backtest", (), EN, 0)["version"] != heard["version"]


def test_an_interrupted_run_names_the_command_that_does_it_again(tmp_path: Path) -> None:
    profile = ProfileInfo(name="demo", hash="a" * 64, overrides={"gates.intent.hedge.cooldown_seconds": 60})
    venue = VenueModel(latency_ms=250.0, partial_fill_shares=5, partial_fill_each_step=True)
    write_summary(tmp_path, summary("cut", status="interrupted", profile=profile, venue=venue))
    (run,) = list_backtests(tmp_path)
    said = wordings.go_on(run, lambda words: f"./bifrost {words}")
    assert said == (
        "./bifrost backtest --profile demo --data synthetic:1:2 --set gates.intent.hedge.cooldown_seconds=60 "
        "--latency-ms 250 --partial-fill-shares 5 --partial-fill-each-step"
    )


def test_a_page_hears_of_its_own_jobs_while_they_are_news(tmp_path: Path) -> None:
    began_us = 1_000_000_000
    told: dict[str, Any] = {"by": "anna", "began": iso_from_us(began_us), "pid": 5, "said": ("no such file",)}
    jobs = [
        Job(number=1, words=("backtest", "--profile=demo"), code=1, **told),
        Job(number=2, words=("backtest", "--profile=demo"), code=130, **told),
        Job(number=3, words=("sweep", "make-profile"), code=2, **told),
        Job(number=4, words=("backtest", "--profile=demo"), **told),
    ]

    def heard(kind: Kind, later_s: int) -> list[int]:
        now_us = began_us + later_s * 1_000_000
        return [job["number"] for job in live.live(tmp_path, kind, jobs, EN, now_us)["jobs"]]

    assert heard("backtest", 60) == [4, 1]
    assert heard("sweep", 60) == [3]
    assert heard("backtest", 3600) == [4]
    write_progress(backtest_paths(tmp_path, "begun"), status="interrupted", pid=5)
    assert heard("backtest", 3600) == []  # it has a run by now, and the run is shown


@pytest.mark.parametrize("reader", [EN, ZH], ids=["en", "zh"])
def test_a_run_that_halted_does_not_look_calm(reader: Reader) -> None:
    halted = Finding(code="halted", text="daily_loss", first_ts="2026-01-06T15:01:02.000000Z")
    told = summary("one", findings=(Finding(code="gap", text="a gap"), halted))
    run = RunLook(run_id="one", kind="backtest", standing="finished", summary=told)
    table = backtest_list.list_table([run], 1, reader, compared=(), start="")
    assert table.rows[0].tone == "warn"
    word = reader.say("backtests.codes.halted")
    assert table.rows[0].cells[1].endswith(f"\n{word}")
    (sentence,) = wordings.caveats_of(run, reader)
    assert sentence.startswith(word)
    assert sentence.endswith(": daily_loss")
    calm = msgspec.structs.replace(run, summary=summary("two"))
    assert (wordings.tone(calm), wordings.caveats_of(calm, reader)) == (None, [])


@pytest.mark.parametrize("reader", [EN, ZH], ids=["en", "zh"])
def test_every_kind_of_finding_has_its_words(reader: Reader) -> None:
    assert {
        code for code in (*SENTENCES, *CODES, *OVERSHADOWING) if reader.words.find(f"backtests.codes.{code}") is None
    } == set()
