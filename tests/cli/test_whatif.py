"""`bifrost whatif`: the question in, the answer in words, tables and JSON; nothing is written but what is asked for."""

import json
import os
import signal
from pathlib import Path

import pytest
from rich.console import Console

from cli import plain_tables
from tests.cli.conftest import Cli

COOLDOWN = "gates.intent.hedge.cooldown_seconds"


@pytest.fixture(autouse=True)
def minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo by the minute, as a file of its own in the working folder."""
    (tmp_path / "minutes.yaml").write_text(
        "extends: demo\ngates: {state: {market: {stale_ts_threshold_ms: 180000}}}\n"
        "simulator: {synthetic: {step_s: 60}}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)


def ask(*more: str, data: str = "synthetic:5:1") -> tuple[str, ...]:
    return ("whatif", "--profile", "minutes.yaml", "--data", data, *more)


def test_the_answer_names_the_change_the_money_and_the_first_difference(cli: Cli, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "told.json"
    answer = cli(*ask("--set", f"{COOLDOWN}=1200", "--out", str(file), data="synthetic:5:2"))
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"What if {COOLDOWN} were 1200 instead of 30?\nprofile minutes, DEMO from 2026-01-05")
    for words in ("What it comes to", "P&L", "First decided differently at 2026-01-05", "refused by cooldown",
                  "Refusals by rule", "Refusals that appear", "Hedges:", "By day:"):  # fmt: skip
        assert words in answer.out
    told = json.loads(file.read_text(encoding="utf-8"))
    assert told["set"] == {COOLDOWN: 1200}
    assert told["was"] == {COOLDOWN: "30"}
    found = told["whatif"]
    assert f"{len(found['hedges_vanished'])} vanish, {len(found['hedges_appeared'])} appear" in answer.out
    assert not root.exists()


def test_json_is_one_object_with_everything(cli: Cli) -> None:
    told = json.loads(cli(*ask("--set", f"{COOLDOWN}=1200", "--json")).out)
    assert told["whatif"]["first"]["changed"]["refused"] == "cooldown"
    assert told["whatif"]["same_data"] is True
    assert told["data"]["spec"].startswith("synthetic:5:1")
    assert told["profile_hash"] != told["changed_profile_hash"]
    assert told["venue"]["commission_usd_share"] == 0.005


def test_a_change_that_changes_nothing_says_so(cli: Cli) -> None:
    answer = cli(*ask("--set", "gates.guard.risk.max_daily_hedge_count=499"))
    assert answer.out.splitlines()[-1] == (
        "Nothing changes: every moment was decided alike, with the same hedges and the same P&L."
    )


def test_a_halt_in_one_of_the_runs_stands_above_the_figures(cli: Cli, tmp_path: Path) -> None:
    """A desk that stood still from the first hour on may look better than one that hedged: the answer says so first."""
    loss, file = "gates.guard.risk.max_daily_loss_usd", tmp_path / "told.json"
    lines = cli(*ask("--set", f"{loss}=1", "--out", str(file))).out.splitlines()
    above = lines[: lines.index("What it comes to")]
    assert [line for line in above if line.startswith("as changed: HALTED at 2026-01-05")]
    assert not [line for line in above if line.startswith("as it is: ")]
    assert [line for line in above if line.startswith("every column is a backtest")]
    told = json.loads(file.read_text(encoding="utf-8"))["findings"]
    assert ["halted" in [each["code"] for each in told[run]] for run in ("base", "changed")] == [False, True]
    varied = cli(*ask("--vary", f"{loss}=1")).out
    assert "\n1: HALTED at 2026-01-05" in varied[: varied.index("P&L USD")]


def test_a_value_for_each_row_and_the_rules_for_each_value(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "told.json"
    answer = cli(*ask("--vary", f"{COOLDOWN}=60,3600", "--out", str(file)))
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == f"{COOLDOWN}: one run for each value"
    named = [line.split()[0] for line in lines if line.strip() and line.split()[0] in ("30", "60", "3600")]
    assert named == ["30", "60", "3600"]
    told = json.loads(file.read_text(encoding="utf-8"))
    assert [row["value"] for row in told["rows"]] == ["30", 60, 3600]
    hedges = [row["figures"]["hedges"] for row in told["rows"]]
    assert hedges == sorted(hedges, reverse=True)
    assert hedges[0] > hedges[-1]
    refused = [row["refused"].get("cooldown", 0) for row in told["rows"]]
    assert "cooldown" in answer.out
    assert refused[-1] > 0
    assert max(len(line.rstrip()) for line in lines[3:] if "journal would count" not in line) <= 110


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing is changed: add --set"),
        (("--set", "gates.intent.hedge.cooldown=3"), "cooldown_seconds"),
        (("--set", f"{COOLDOWN}=-3"), COOLDOWN),
        (("--vary", f"{COOLDOWN}=1,1"), "a value stands there twice"),
        (("--vary", COOLDOWN), "write KEY=V1,V2,V3"),
        (("--set", f"{COOLDOWN}=9", "--out", "no/such/file.json"), "its folder does not exist"),
    ],
)
def test_wrong_words_get_a_line_with_the_remedy_and_no_run(cli: Cli, words: tuple[str, ...], said: str) -> None:
    answer = cli(*ask(*words))
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_bad_data_is_one_line(cli: Cli) -> None:
    answer = cli("whatif", "--profile", "minutes.yaml", "--data", "lean:nowhere:TWX:20140605", "--set", f"{COOLDOWN}=9")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "nowhere" in answer.err


def test_an_interrupt_ends_it_with_130_and_leaves_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("daemon.backtest.feeds.opening.open_feed", stopped)
    file = tmp_path / "told.json"
    answer = cli(*ask("--set", f"{COOLDOWN}=1200", "--out", str(file)))
    assert (answer.code, answer.err) == (130, "bifrost: interrupted; nothing was written\n")
    assert not file.exists()


def test_the_tables_fit_a_narrow_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_tables, "console", lambda: Console(width=80, highlight=False))
    lines = cli(*ask("--set", f"{COOLDOWN}=1200")).out.splitlines()
    tables = [line for line in lines[2:] if "journal would count" not in line]  # a sentence wraps by itself
    assert max(len(line.rstrip()) for line in tables) <= 80
