"""`bifrost backtest`: from words to a run's folder, exit codes, and one clear line for each mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from cli.options import CHECKOUT
from state.runs.folder import BacktestPaths, backtest_paths
from tests.cli.conftest import Cli
from tests.support.lean_day import write_lean_day

RIGHTS = ("call", "put")


@pytest.fixture(autouse=True)
def minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo by the minute, as a file of its own in the working folder."""
    (tmp_path / "minutes.yaml").write_text(
        "extends: demo\ngates: {state: {market: {stale_ts_threshold_ms: 180000}}}\n"
        "simulator: {synthetic: {step_s: 60}}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)


def words(*more: str, profile: str = "minutes.yaml", data: str = "synthetic:5:1") -> tuple[str, ...]:
    return ("backtest", "--profile", profile, "--data", data, *more)


def only_run(root: Path) -> BacktestPaths:
    (folder,) = (root / "_backtests").iterdir()
    return BacktestPaths(folder)


def test_a_run_is_told_calmly_and_left_in_its_folder(cli: Cli, root: Path) -> None:
    answer = cli(*words("--title", "a quiet day", "--set", "gates.intent.hedge.cooldown_seconds=600"))
    assert (answer.code, answer.err) == (0, "")
    found = only_run(root)
    for line in ("a quiet day: finished", "gates.intent.hedge.cooldown_seconds=600", "P&L", "  gamma", "  commission",
                 "drawdown", "Sharpe", "by cooldown", f"report: {found.report}"):  # fmt: skip
        assert line in answer.out
    assert found.report.stat().st_size > 10_000
    assert pq.read_table(found.decisions).num_rows > 380


def test_json_is_the_summary_and_the_model_stands_in_it(cli: Cli, root: Path) -> None:
    answer = cli(
        *words("--name", "mine", "--no-report", "--json", "--slippage-bps", "2", "--latency-ms", "100"),
        *("--extra-spread-usd", "0.01", "--partial-fill-shares", "3", "--partial-fill-each-step"),
        *("--commission-usd-share", "0.01", "--commission-minimum-usd", "0.5"),
    )
    told = json.loads(answer.out)
    paths = backtest_paths(root, "mine")
    assert told == json.loads(paths.summary.read_text())
    assert told["venue"] == {
        "extra_spread_usd": 0.01,
        "slippage_bps": 2.0,
        "latency_ms": 100.0,
        "partial_fill_shares": 3.0,
        "partial_fill_each_step": True,
        "fill_displayed_size": False,
        "commission_usd_share": 0.01,
        "commission_minimum_usd": 0.5,
        "commission_usd_contract": 0.65,
    }
    assert told["status"] == "finished"
    assert not paths.report.exists()


def test_a_profile_for_a_real_account_is_given_positions(cli: Cli, root: Path, tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text(
        "extends: demo\nsimulator: null\nlive: true\nib: {account: U1234567, host: 10.0.0.9}\n", encoding="utf-8"
    )
    without = cli(*words(profile="real.yaml"))
    assert without.code == 2
    assert "--position 10:call:100:2026-06-19 --position 10:put:100:2026-06-19" in without.err
    more = ("--position", "5:call:100:2026-06-19", "--position", "-5:put:100:2026-06-19")
    step = ("--set", "simulator.synthetic.step_s=300", "--set", "gates.state.market.stale_ts_threshold_ms=900000")
    answer = cli(*words(*more, *step, "--json", profile="real.yaml", data="synthetic:5:1:2026-01-05"))
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["profile"]["overrides"]["simulator.positions"][1]["quantity"] == -5.0
    assert told["profile"]["overrides"]["live"] is False


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--set", "gates.intent.hedge.cooldown=3"), "cooldown"),
        (("--set", "gates.intent.hedge.cooldown_seconds=-3"), "cooldown_seconds"),
        (("--set", "nonsense"), "KEY=VALUE"),
        (("--position", "ten calls"), "10:call:70:2014-07-19"),
        (("--position", "10:call:90:2026-06-19"), "--position '10:call:90:2026-06-19': the option call 90 2026-06-19"),
        (("--position", "10:call:90:2026-06-19"), "legs of the profile are call:100:2026-06-19, put:100:2026-06-19"),
        (("--position", "5:stock", "--position", "0:call:100:2026-06-19"), "'0:call:100:2026-06-19': quantity: 0 is"),
        (("--position", "10:put:100:20260619"), "--position '10:put:100:20260619': expiry: must be a day"),
        (("--set", "simulator.positions=[{quantity: 0}]"), "simulator.positions[0].quantity: 0 is no position"),
        (("--priority", "high"), "low or normal"),
        (("--name", "../away"), "a run's name"),
        (("--name", "a", "--out", "b"), "leave one out"),
        (("--slippage-bps", "-1"), "slippage-bps"),
    ],
)
def test_wrong_words_end_with_2_and_one_line_and_leave_nothing(
    cli: Cli, root: Path, more: tuple[str, ...], line: str
) -> None:
    answer = cli(*words(*more))
    assert (answer.code, answer.out) == (2, "")
    assert line in answer.err
    assert "Traceback" not in answer.err
    assert not (root / "_backtests").exists()


def test_data_that_is_not_there_leaves_a_folder_only_where_it_was_named(cli: Cli, root: Path) -> None:
    answer = cli(*words(data="lean:nowhere:TWX:20140605"))
    assert (answer.code, answer.out) == (2, "")
    assert "nowhere" in answer.err
    assert list((root / "_backtests").iterdir()) == []
    assert cli(*words("--name", "asked", data="lean:nowhere:TWX:20140605")).code == 2
    told = json.loads(backtest_paths(root, "asked").progress.read_text())
    assert told["status"] == "failed"
    assert "nowhere" in told["text"]


def test_a_name_is_used_once(cli: Cli) -> None:
    assert cli(*words("--name", "once", "--no-report")).code == 0
    again = cli(*words("--name", "once", "--no-report"))
    assert again.code == 2
    assert "holds a run already" in again.err


def test_a_run_whose_data_breaks_midway_ends_with_1_and_says_why(cli: Cli, root: Path, tmp_path: Path) -> None:
    first, second = (write_lean_day(tmp_path, day=day) for day in (date(2014, 9, 10), date(2014, 9, 11)))
    broken = tmp_path / "equity/usa/minute" / first.symbol.lower() / f"{second.day:%Y%m%d}_quote.zip"
    leg = first.legs[0]
    held = ", ".join(
        f"{{quantity: 10, right: {right}, strike: {leg.strike}, expiry: {leg.expiry}}}" for right in RIGHTS
    )
    legs = ", ".join(f"{{right: {right}, strike: {leg.strike}, expiry: {leg.expiry}}}" for right in RIGHTS)
    (tmp_path / "lean.yaml").write_text(
        f"extends: recorded_day\nunderlying: {{symbol: {first.symbol}}}\nlegs: [{legs}]\n"
        f"simulator: {{replay: null, positions: [{held}]}}\n",
        encoding="utf-8",
    )
    broken.write_bytes(broken.read_bytes()[:400])
    answer = cli(*words("--json", profile="lean.yaml", data=f"lean:.:{first.symbol}:20140910-20140911"))
    told = json.loads(answer.out)
    assert (answer.code, told["status"], told["figures"]) == (1, "failed", None)
    assert answer.err.count("\n") == 1
    assert broken.name in answer.err
    assert told["problem"] in answer.err
    assert pq.read_table(only_run(root).decisions).num_rows > 300


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.nightly), signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_keeps_its_tables(
    root: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = [
        sys.executable,
        "-P",
        "-m",
        "cli",
        *words("--name", "cut", "--priority", "low", profile="demo", data="synthetic:7:200"),
    ]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    paths = backtest_paths(root, "cut")
    end = time.monotonic() + 60
    while time.monotonic() < end and not _has_begun(paths):
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err.decode()
    assert "interrupted" in out.decode()
    told = json.loads(paths.summary.read_text())
    assert (told["status"], json.loads(paths.progress.read_text())["status"]) == ("interrupted", "interrupted")
    assert pq.read_table(paths.decisions).num_rows == told["decisions"] > 0


def _has_begun(paths: BacktestPaths) -> bool:
    try:
        told = json.loads(paths.progress.read_text())
    except FileNotFoundError:
        return False
    return bool(told["done"] > 0)
