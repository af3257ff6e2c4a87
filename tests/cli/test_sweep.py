"""`bifrost sweep`: from the command line to a profile, and everything that can be wrong with what was typed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.options import CHECKOUT
from state.runs.folder import sweep_paths
from state.runs.reading import look_at_sweep
from state.runs.trials import read_trials
from tests.cli.conftest import Cli
from tests.support.sweeping import BAND, COOLDOWN, DATA, THRESHOLD, write_profile

PATIENCE_S = 120.0


@pytest.fixture
def small(tmp_path: Path) -> str:
    return str(write_profile(tmp_path))


def test_help_shows_examples(cli: Cli) -> None:
    for words in (("sweep", "--help"), ("sweep", "run", "--help")):
        answer = cli(*words)
        assert answer.code == 0
        assert "Example: ./bifrost sweep run --profile demo" in answer.out
    assert "./bifrost sweep make-profile" in " ".join(cli("sweep", "--help").out.split())


def test_before_the_first_sweep_it_is_said_which_command_makes_one(cli: Cli) -> None:
    answer = cli("sweep", "list")
    assert answer.code == 0
    assert answer.out.startswith("no sweep under ")
    assert "./bifrost sweep run --profile demo" in answer.out
    assert json.loads(cli("sweep", "list", "--json").out)["sweeps"] == []


def test_a_sweep_from_search_to_profile(cli: Cli, root: Path, small: str, tmp_path: Path) -> None:
    search = ("--search", f"{THRESHOLD}=5:25:10", "--search", f"{BAND}=2,10")
    run = ("sweep", "run", "--profile", small, "--data", "synthetic:7:2", "--split", "50", *search)
    answer = cli(*run, "--name", "first", "--workers", "1")
    assert answer.code == 0, answer.err
    assert answer.err.startswith("sweep first: 6 cells on 2 stretches: 12 trials\n")
    assert "2 failed, cell 1 first: gates.state.delta.epsilon_band: 10 shares is above" in answer.out
    assert "take cell " in answer.out
    assert "out of sample (pnl_usd a session):" in answer.out
    shown = cli("sweep", "show", "first")
    assert shown.out == answer.out, "what the run said is what show says"
    found = json.loads(cli("sweep", "show", "first", "--json").out)
    assert found["standing"] == "finished"
    assert found["trials"] == 12
    assert [cell["word"] for cell in found["cells"]].count("failed") == 1
    assert found["walk_forward"]["rows"][0]["cells"] == 5
    assert found["plan"]["data"]["sessions"] == 2
    number = found["recommendation"]["robust"]["number"]
    assert f"take cell {number}: " in answer.out
    listed = cli("sweep", "list").out
    assert "first" in listed
    assert "finished" in listed
    target = tmp_path / "made.yaml"
    words = ("sweep", "make-profile", "first", "--trial", str(number), "--as", str(target))
    made = cli(*words, "--desk", "careful")
    assert made.code == 0, made.err
    assert f"{target}: profile made for desk careful" in made.out
    assert "# unseen   fold 1: in sample" in target.read_text(encoding="utf-8")
    again = cli(*words)
    assert (again.code, "overwrite it with --force" in again.err) == (2, True)
    assert json.loads(cli(*words, "--force", "--json").out)["desk"] == "made"
    assert cli(*run, "--name", "first").err == (
        f"bifrost: {root}/_sweeps/first holds a sweep already: go on with --resume first, or choose another --name\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "--profile is missing"),
        (("--profile", "demo"), 2, "--data is missing"),
        (("--profile", "dmo", "--data", DATA), 2, "did you mean demo?"),
        (("--profile", "demo", "--data", DATA), 2, "nothing is searched"),
        (("--profile", "demo", "--data", DATA, "--search", "cooldown=1:2:1"), 2, "--search cooldown: no such key"),
        (("--profile", "demo", "--data", DATA, "--search", f"{COOLDOWN}=-5:60:5"), 2, "must be a number ≥ 0 (seconds)"),
        (("--profile", "demo", "--data", DATA, "--search", f"{COOLDOWN}=5:60"), 2, "a grid needs a step"),
        (("--profile", "demo", "--data", "synthetic:x", "--search", f"{COOLDOWN}=5,60"), 2, "synthetic"),
        (("--profile", "demo", "--data", "csv:/none.csv", "--search", f"{COOLDOWN}=5,60"), 2, "/none.csv"),
        (("--profile", "demo", "--data", DATA, "--search", f"{COOLDOWN}=5,60", "--trials", "9"), 2, "every cell (2)"),
        (("--profile", "demo", "--data", DATA, "--search", f"{COOLDOWN}=5,60", "--objective", "profit"), 2, "pnl_usd"),
        (("--profile", "demo", "--data", DATA, "--search", f"{COOLDOWN}=5,60", "--walk-forward", "3"), 2, "at least 6"),
        (("--profile", "demo", "--data", DATA, "--search", f"{COOLDOWN}=5,60", "--split", "100"), 2, "one side"),
        (
            ("--profile", "demo", "--data", DATA, "--search", f"{COOLDOWN}=5,60", "--set", f"{COOLDOWN}=7"),
            2,
            "both set and searched",
        ),
        (
            ("--profile", "demo", "--data", DATA, "--search", f"{COOLDOWN}=5,60", "--name", "../x"),
            2,
            "a letter or digit first",
        ),
        (
            ("--profile", "demo", "--data", DATA, "--search", f"{COOLDOWN}=5,60", "--priority", "high"),
            2,
            "low or normal",
        ),
        (("--resume", "none"), 2, "no sweep 'none'"),
        (("--resume", "none", "--seed", "4"), 2, "--seed stands in the plan of the sweep"),
    ],
)
def test_wrong_words_are_one_line_and_leave_no_folder(
    cli: Cli, root: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    answer = cli("sweep", "run", *words)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert not (root / "_sweeps").exists()


def test_reading_what_is_not_there(cli: Cli) -> None:
    assert cli("sweep", "show", "none").err.startswith("bifrost: no sweep 'none' under ")
    answer = cli("sweep", "make-profile", "none", "--trial", "1", "--as", "x.yaml", "--json")
    assert answer.code == 2
    assert "no sweep 'none'" in json.loads(answer.out)["problem"]


def test_ctrl_c_keeps_what_came_and_resume_goes_on(cli: Cli, root: Path, small: str) -> None:
    words = ["sweep", "run", "--profile", small, "--data", DATA, "--name", "r", "--workers", "1"]
    words += ["--search", f"{THRESHOLD}=5:45:2", "--search", f"{COOLDOWN}=30,3600", "--priority", "low"]
    paths = sweep_paths(root, "r")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli", *words],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        cwd=root.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + PATIENCE_S
        while len(read_trials(paths.results)) < 2:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < end
            time.sleep(0.02)
        assert look_at_sweep(paths).standing == "running"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
        said = process.communicate(timeout=PATIENCE_S)[1]
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "what came is kept, go on with ./bifrost sweep run --resume r" in said
    assert "Traceback" not in said
    assert look_at_sweep(paths).standing == "interrupted"
    kept = read_trials(paths.results)
    assert 2 <= len(kept) < 42
    answer = cli("sweep", "run", "--resume", "r", "--workers", "1", "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert (found["standing"], found["trials"]) == ("finished", 42)
    trials = read_trials(paths.results)
    assert trials[: len(kept)] == kept
    assert sorted(trial.number for trial in trials) == list(range(42)), "no trial twice, none left out"


def test_a_profile_that_changed_is_not_gone_on_with(cli: Cli, root: Path, small: str) -> None:
    search = ("--search", f"{BAND}=50,60")
    answer = cli("sweep", "run", "--profile", small, "--data", DATA, "--name", "r", "--workers", "1", *search)
    assert answer.code == 1
    assert "no trial came to a result: gates.state.delta.epsilon_band: 50 shares" in answer.err
    Path(small).write_text(Path(small).read_text(encoding="utf-8") + "  cash_usd: 7\n", encoding="utf-8")
    answer = cli("sweep", "run", "--resume", "r")
    assert answer.code == 2
    assert "has changed since sweep r began; start a new one" in answer.err


def test_no_scheduler_is_one_line_and_the_folder_says_so(
    cli: Cli, root: Path, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.backtest.sweep.cluster.CONNECT_WITHIN_S", 0.5)
    words = ("--name", "r", "--search", f"{COOLDOWN}=30,60", "--scheduler", "tcp://127.0.0.1:9")
    answer = cli("sweep", "run", "--profile", small, "--data", DATA, *words)
    assert answer.code == 2
    assert "tcp://127.0.0.1:9: no Dask scheduler answers" in answer.err
    assert look_at_sweep(sweep_paths(root, "r")).standing == "failed"
