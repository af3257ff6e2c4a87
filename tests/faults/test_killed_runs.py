"""A kill -9 at any moment of a run over history: what it leaves is the whole run, or is seen to be none.

In CI the folder is kept as it stands before every call that changes it, which is what a kill there leaves (the system
has what was written). The nightly tests kill real processes, at system calls chosen by number.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from cli.app import run as run_command
from daemon.backtest import recorder
from daemon.backtest.sweep.results import ResultsFolder
from state.runs.folder import BacktestPaths, backtest_paths, sweep_paths
from state.runs.living import Process
from state.runs.reading import look_at_backtest, look_at_sweep
from state.runs.trials import read_trials
from state.statistics.run_tables import RunTableError, load_run
from tests.backtest.test_run import LIVELY, path
from tests.support.straddle import over, straddle
from tests.support.sweeping import COOLDOWN, DATA, THRESHOLD, plan_for, write_profile
from tests.support.system import CHECKOUT

TABLES = ("decisions", "equity", "fills")
EVERY_WRITE = 19
"""Of the nightly test: the tables are some two hundred writes, one as good as the next."""


def gone(_: int) -> Process | None:
    """The process of a killed run."""
    return None


def assert_whole_or_seen_unfinished(paths: BacktestPaths, rows: dict[str, int]) -> bool:
    """Whether the run is whole. Nothing under a table's own name is ever half of one."""
    for name in TABLES:
        table = getattr(paths, name)
        if table.exists():
            assert pq.read_metadata(table).num_rows == rows[name]
    look = look_at_backtest(paths, gone)
    if look.standing == "finished":
        assert look.summary is not None
        assert look.summary.decisions == rows["decisions"]
        assert len(load_run(paths).days) == len(look.summary.days)
        return True
    assert look.standing in ("interrupted", "damaged")
    assert look.trouble in ("process_gone", "empty")
    assert look.summary is None
    return False


def test_a_backtest_killed_before_any_of_its_writes_is_never_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, kept = BacktestPaths(tmp_path / "run"), tmp_path / "kept"
    kept.mkdir()

    def keep(call: Callable[..., Any]) -> Callable[..., Any]:
        def kept_before(*arguments: Any, **named: Any) -> Any:
            if out.folder.is_dir():
                shutil.copytree(out.folder, kept / f"{len(list(kept.iterdir())):04d}")
            return call(*arguments, **named)

        return kept_before

    for name in ("open", "write", "replace"):
        monkeypatch.setattr(os, name, keep(getattr(os, name)))
    monkeypatch.setattr(pq, "write_table", keep(pq.write_table))
    monkeypatch.setattr(pq.ParquetWriter, "write_batch", keep(pq.ParquetWriter.write_batch))
    monkeypatch.setattr(pq.ParquetWriter, "close", keep(pq.ParquetWriter.close))
    monkeypatch.setattr(recorder, "ROW_GROUP", 25)
    over(straddle(contracts=10.0, **LIVELY), path(), out=out)
    monkeypatch.undo()
    rows = {name: pq.read_metadata(getattr(out, name)).num_rows for name in TABLES}
    assert min(rows.values()) > 10
    states = [BacktestPaths(each) for each in sorted(kept.iterdir())]
    whole = [assert_whole_or_seen_unfinished(each, rows) for each in (*states, out)]
    assert len(states) > 20
    assert whole == sorted(whole), "once whole it stays so"
    assert (whole[0], whole[-1]) == (False, True)
    with pytest.raises(RunTableError, match="run the backtest again"):
        load_run(states[whole.index(True) // 2])


def test_a_sweep_killed_as_it_begins_can_be_begun_again_or_gone_on_with(tmp_path: Path) -> None:
    plan = plan_for(write_profile(tmp_path), f"{THRESHOLD}=5:25:5")
    paths = sweep_paths(tmp_path, "r")
    paths.folder.mkdir(parents=True)
    assert look_at_sweep(paths, gone).standing == "damaged"
    paths.results.touch()  # killed before its plan was there
    ResultsFolder.new(paths, plan).close()
    look = look_at_sweep(paths, gone)  # killed before it said anything
    assert (look.standing, look.trouble, look.plan) == ("interrupted", "process_gone", plan)
    ResultsFolder.again(paths).close()


# Real processes, killed by the kernel


def logged(strace: str, log: Path) -> list[str]:
    return [strace, "-f", "-y", "-qq", "-o", str(log), "-e", "trace=write,rename"]


def killed_at(strace: str, call: str, number: int) -> list[str]:
    inject = f"inject={call}:signal=KILL:when={number}"
    return [strace, "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject]


def command(*words: str, root: Path) -> list[str]:
    return [sys.executable, "-P", "-m", "cli", *words, "--root", str(root)]


def said(*words: str, root: Path) -> int:
    """The exit code of a command in this process."""
    return run_command([*words, "--root", str(root)])


def played(words: list[str], folder: Path) -> int:
    done = subprocess.run(
        words,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"},  # compiling writes, too
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    return done.returncode


def places(log: Path, folder: str) -> list[tuple[str, int]]:
    """(call, its number among the calls of that name in its thread) of every write and rename within a folder."""
    counted: dict[tuple[str, str], int] = {}
    found = []
    for line in log.read_text(errors="replace").splitlines():
        pid, _, rest = line.partition(" ")
        name = rest.strip().partition("(")[0]
        if name in ("write", "rename"):
            counted[pid, name] = counted.get((pid, name), 0) + 1
            if folder in rest:
                found.append((name, counted[pid, name]))
    return found


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_real_backtests_killed_at_their_writes(strace: str, tmp_path: Path) -> None:
    profile, root = write_profile(tmp_path), tmp_path / "var"
    words = ("backtest", "--profile", str(profile), "--data", DATA, "--event-by-event")
    assert played(logged(strace, tmp_path / "log") + command(*words, "--name", "r", root=root), tmp_path) == 0
    whole = backtest_paths(root, "r")
    rows = {name: pq.read_metadata(getattr(whole, name)).num_rows for name in TABLES}
    calls = places(tmp_path / "log", "/_backtests/r/")
    renames = [each for each in calls if each[0] == "rename"]
    writes = [each for each in calls if each[0] == "write"][::EVERY_WRITE]
    assert len(renames) >= 7
    assert len(writes) >= 10
    killed = finished = 0
    for name, number in (*renames, *writes):
        shutil.rmtree(root)
        code = played(killed_at(strace, name, number) + command(*words, "--name", "r", root=root), tmp_path)
        killed += code in (-signal.SIGKILL, 128 + signal.SIGKILL)
        is_whole = assert_whole_or_seen_unfinished(whole, rows)
        finished += is_whole
        assert (said("stats", "--run", "r", root=root) == 0) is is_whole
        assert said(*words, "--name", "r", root=root) == 2, "its name is taken"
    assert killed == len(renames) + len(writes)
    assert 1 <= finished <= 4  # the last progress and the report come after the summary


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_real_sweeps_killed_at_their_writes_are_gone_on_with(strace: str, tmp_path: Path) -> None:
    profile, root = write_profile(tmp_path), tmp_path / "var"
    words = ("sweep", "run", "--profile", str(profile), "--data", DATA, "--workers", "1", "--name", "r")
    search = ("--search", f"{THRESHOLD}=5,15", "--search", f"{COOLDOWN}=30,600")
    assert played(logged(strace, tmp_path / "log") + command(*words, *search, root=root), tmp_path) == 0
    paths = sweep_paths(root, "r")
    told = {trial.number: trial.figures for trial in read_trials(paths.results)}
    assert len(told) == 4
    calls = places(tmp_path / "log", "/_sweeps/r/")
    assert len(calls) >= 8
    killed = 0
    for name, number in calls:
        shutil.rmtree(root)
        killed += played(killed_at(strace, name, number) + command(*words, *search, root=root), tmp_path) != 0
        standing = look_at_sweep(paths).standing
        begun = paths.plan.exists()
        assert standing in (("interrupted", "finished") if begun else ("damaged",)), (name, number)
        again = ("sweep", "run", "--resume", "r", "--workers", "1") if begun else (*words, *search)
        assert said(*again, root=root) == 0
        assert look_at_sweep(paths).standing == "finished"
        trials = read_trials(paths.results)
        assert {trial.number: trial.figures for trial in trials} == told
        assert len(trials) == 4, "none twice, none left out"
    assert killed >= len(calls) // 2  # how often progress is told is a matter of time: the last calls may not come
