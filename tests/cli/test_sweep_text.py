"""A sweep's words: cells whose desk halted are named."""

from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from cli import sweep_text
from cli.sweep_text import show_text
from state.runs.folder import sweep_paths
from state.runs.records import SweepPlan
from state.runs.trials import read_trials
from tests.support.run_folders import write_sweep

SHELL = "./bifrost {}"


def test_cells_whose_desk_halted_are_named_below_the_table(tmp_path: Path) -> None:
    write_sweep(tmp_path, "one")
    paths = sweep_paths(tmp_path, "one")
    plan = msgspec.json.decode(paths.plan.read_bytes(), type=SweepPlan)
    trials = list(read_trials(paths.results))
    calm = show_text(plan, trials, "finished", best=9, shell=SHELL)
    trials[4] = msgspec.structs.replace(trials[4], refused={"halted": 7})
    told = show_text(plan, trials, "finished", best=9, shell=SHELL)
    assert "HALTED" not in calm
    assert "HALTED in 1 cell (4): their figures are partly of a desk that stood still" in told


def test_a_cell_with_fewer_hedges_than_sessions_is_flagged_beside_their_number(tmp_path: Path) -> None:
    write_sweep(tmp_path, "one")
    paths = sweep_paths(tmp_path, "one")
    plan = msgspec.json.decode(paths.plan.read_bytes(), type=SweepPlan)
    trials = list(read_trials(paths.results))
    calm = show_text(plan, trials, "finished", best=9, shell=SHELL)
    for number, hedges in ((4, 1), (8, 9)):
        figures = msgspec.structs.replace(trials[number].figures, hedges=hedges, days=9)  # type: ignore[type-var]
        trials[number] = msgspec.structs.replace(trials[number], figures=figures)
    told = " ".join(show_text(plan, trials, "finished", best=9, shell=SHELL).split())
    assert "HARDLY HEDGED" not in calm
    assert "HARDLY HEDGED, less than once a session, in 1 cell (4): what it brought is mostly the way" in told
    assert "spike *1 60 10" in told
    assert "plateau 9 90 15" in told


def test_no_line_is_wider_than_the_terminal_and_folds_count_from_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_text, "console", lambda: Console(width=80))
    write_sweep(tmp_path, "one", folds=True)
    paths = sweep_paths(tmp_path, "one")
    plan = msgspec.json.decode(paths.plan.read_bytes(), type=SweepPlan)
    told = show_text(plan, read_trials(paths.results), "finished", best=9, shell=SHELL).splitlines()
    assert max(len(line) for line in told) <= 80
    assert [line.split()[0] for line in told[told.index("out of sample (pnl_usd a session):") + 2 :][:1]] == ["1"]
    assert any("400.00" in line and "spike" in line for line in told)
