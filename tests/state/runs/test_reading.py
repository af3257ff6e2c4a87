"""What lies under `_backtests/` and `_sweeps/` becomes rows, whatever it is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from state.runs import files
from state.runs.folder import BACKTESTS, SWEEPS, BacktestPaths, backtest_paths, sweep_paths
from state.runs.living import Process, is_alive
from state.runs.reading import list_backtests, list_sweeps
from tests.support.run_folders import summary, write_progress, write_run, write_summary

OURS = ("python", "-P", "-m", "cli", "backtest", "--profile=demo")
STARTED_US = 4_070_908_800_000_000  # 2099-01-01, as the builder's progress says


def alive(_pid: int) -> Process:
    return Process(STARTED_US - 5_000_000, OURS)


def gone(_pid: int) -> None:
    return None


def folder_of(root: Path, name: str = "odd") -> BacktestPaths:
    paths = backtest_paths(root, name)
    paths.folder.mkdir(parents=True)
    return paths


def test_the_newest_comes_first_and_a_root_without_runs_has_none(tmp_path: Path) -> None:
    assert list_backtests(tmp_path / "missing") == ()
    for place, name in enumerate(("c", "a", "b")):
        write_summary(tmp_path, summary(name, at=place))
    (tmp_path / BACKTESTS / "not a run!").mkdir()
    (tmp_path / BACKTESTS / "file").write_text("no folder")
    assert [run.run_id for run in list_backtests(tmp_path)] == ["b", "a", "c"]


def test_a_run_stands_as_its_files_and_its_process_say(tmp_path: Path) -> None:
    write_run(tmp_path, "done")
    write_summary(tmp_path, summary("broken", status="failed", problem="no price at all", figures=None))
    write_progress(backtest_paths(tmp_path, "busy"))
    write_progress(backtest_paths(tmp_path, "ended"), status="interrupted")
    living = {run.run_id: run for run in list_backtests(tmp_path, alive)}
    assert {name: run.standing for name, run in living.items()} == {
        "done": "finished", "broken": "failed", "busy": "running", "ended": "interrupted",
    }  # fmt: skip
    assert living["broken"].detail == "no price at all"
    busy = {run.run_id: run for run in list_backtests(tmp_path, gone)}["busy"]
    assert (busy.standing, busy.trouble) == ("interrupted", "process_gone")


@pytest.mark.parametrize(
    ("process", "lives"),
    [
        (Process(STARTED_US - 1_000_000, OURS), True),
        (Process(STARTED_US + 60_000_000, OURS), False),  # the pid was given to a later one
        (Process(STARTED_US - 1_000_000, ("vim", "backtest")), False),
        (Process(STARTED_US - 1_000_000, ("python", "-m", "cli", "sweep")), False),
        (Process(STARTED_US - 1_000_000, ("/usr/bin/python", "/home/a/bifrost", "backtest")), True),
        (None, False),
    ],
)
def test_a_pid_is_believed_only_with_its_start_and_its_command(
    tmp_path: Path, process: Process | None, lives: bool
) -> None:
    progress = write_progress(backtest_paths(tmp_path, "busy"), pid=77)
    assert is_alive(progress, lambda _pid: process) is lives
    assert not is_alive(write_progress(backtest_paths(tmp_path, "one"), pid=1), lambda _pid: process)
    assert not is_alive(write_progress(backtest_paths(tmp_path, "odd"), started_ts="soon"), lambda _pid: process)


def make_half(paths: BacktestPaths) -> None:
    write_run(paths.folder.parents[1], paths.run_id)
    paths.summary.write_bytes(paths.summary.read_bytes()[:200])


def make_foreign_json(paths: BacktestPaths) -> None:
    paths.summary.write_bytes(b'{"schema": "one"}')


def make_nested(paths: BacktestPaths) -> None:
    paths.summary.write_bytes(b"[" * 200_000)


def make_binary(paths: BacktestPaths) -> None:
    paths.summary.write_bytes(bytes(range(256)))


def make_pipe(paths: BacktestPaths) -> None:
    os.mkfifo(paths.summary)


def make_link(paths: BacktestPaths) -> None:
    paths.summary.symlink_to("/etc/passwd")


def make_folder(paths: BacktestPaths) -> None:
    paths.summary.mkdir()


def make_huge(paths: BacktestPaths) -> None:
    with paths.summary.open("wb") as file:
        file.truncate(files.SUMMARY_BYTES + 1)


def make_nothing(paths: BacktestPaths) -> None:
    del paths


@pytest.mark.parametrize(
    ("make", "trouble"),
    [
        (make_half, "undecodable"), (make_foreign_json, "undecodable"), (make_nested, "undecodable"),
        (make_binary, "undecodable"), (make_pipe, "foreign"), (make_link, "unreadable"), (make_folder, "foreign"),
        (make_huge, "too_large"), (make_nothing, "empty"),
    ],
)  # fmt: skip
def test_whatever_lies_there_is_a_row_that_says_what(
    tmp_path: Path, make: Callable[[BacktestPaths], None], trouble: str
) -> None:
    make(folder_of(tmp_path))
    (run,) = list_backtests(tmp_path)
    assert (run.standing, run.trouble, run.run_id) == ("damaged", trouble, "odd")


def test_a_newer_summary_is_shown_with_a_word(tmp_path: Path) -> None:
    paths = write_summary(tmp_path, summary("new", schema=99))
    paths.summary.write_bytes(paths.summary.read_bytes().replace(b'"schema":99', b'"schema":99,"later":{"a":1}'))
    (run,) = list_backtests(tmp_path)
    assert (run.standing, run.trouble) == ("finished", "newer")


def test_a_sweep_without_a_plan_is_damaged_and_one_that_begins_is_running(tmp_path: Path) -> None:
    paths = sweep_paths(tmp_path, "odd")
    paths.folder.mkdir(parents=True)
    assert [run.trouble for run in list_sweeps(tmp_path)] == ["missing"]
    write_progress(BacktestPaths(tmp_path / SWEEPS / "odd"), kind="sweep")
    (run,) = list_sweeps(tmp_path, lambda _pid: Process(STARTED_US, ("python", "-m", "cli", "sweep", "run")))
    assert (run.standing, run.title) == ("running", "odd")
