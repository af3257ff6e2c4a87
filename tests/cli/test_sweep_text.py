"""A sweep's words: cells whose desk halted are named."""

from pathlib import Path

import msgspec

from cli.sweep_text import show_text
from state.runs.folder import sweep_paths
from state.runs.records import SweepPlan
from state.runs.trials import read_trials
from tests.support.run_folders import write_sweep


def test_cells_whose_desk_halted_are_named_below_the_table(tmp_path: Path) -> None:
    write_sweep(tmp_path, "one")
    paths = sweep_paths(tmp_path, "one")
    plan = msgspec.json.decode(paths.plan.read_bytes(), type=SweepPlan)
    trials = list(read_trials(paths.results))
    calm = show_text(plan, trials, "finished", best=9, shell="./bifrost {}")
    trials[4] = msgspec.structs.replace(trials[4], refused={"halted": 7})
    told = show_text(plan, trials, "finished", best=9, shell="./bifrost {}")
    assert "HALTED" not in calm
    assert "HALTED in 1 cell (4): their figures are partly of a desk that stood still" in told
