"""A sweep from its first trial to its last: in this process, with and without interruptions."""

import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.loader import load_profile
from daemon.backtest.sweep.bayesian import Bayesian
from daemon.backtest.sweep.results import ResultsFolder, SweepFolderError
from daemon.backtest.sweep.run import Outcome, run_sweep
from daemon.backtest.sweep.searchers import Grid, Random
from daemon.venues.feeds.errors import FeedError
from state.runs.folder import SweepPaths, sweep_paths
from state.runs.reading import look_at_sweep
from state.runs.records import SweepPlan, Trial
from state.runs.trials import read_trials
from tests.support.sweeping import BAND, COOLDOWN, COUNT, LOSS, THRESHOLD, InlinePool, cells_of, plan_for, write_profile


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return write_profile(tmp_path)


@pytest.fixture
def paths(tmp_path: Path) -> SweepPaths:
    return sweep_paths(tmp_path / "var", "r")


SEARCHERS: dict[str, Any] = {"grid": Grid, "random": Random, "bayes": Bayesian}


def play(folder: ResultsFolder, profile: Path, pool: InlinePool | None = None) -> Outcome:
    """Run what is left and let go of the folder."""
    try:
        return run_sweep(
            folder,
            base=load_profile(str(profile)).profile,
            cell_of=cells_of(profile),
            pool=pool or InlinePool(),
            searcher_of=SEARCHERS[folder.plan.method],
        )
    finally:
        folder.close()


def cells(outcome: Outcome | tuple[Trial, ...]) -> set[tuple[Any, ...]]:
    """What must be the same whoever ran it: everything but the seconds, in any order."""
    trials = outcome.trials if isinstance(outcome, Outcome) else outcome
    return {
        (t.number, t.fold, t.sample, str(t.params), t.objective, str(t.refused), t.problem, t.data_hash) for t in trials
    }


def test_results_come_as_they_end_and_a_refused_cell_is_a_trial(profile: Path, paths: SweepPaths) -> None:
    plan = plan_for(profile, f"{THRESHOLD}=5,15", f"{BAND}=2,10")
    told: list[float] = []
    folder = ResultsFolder.new(paths, plan)
    outcome = run_sweep(
        folder,
        base=load_profile(str(profile)).profile,
        cell_of=cells_of(profile),
        pool=InlinePool(),
        searcher_of=Grid,
        progress=lambda done, _: told.append(done),
    )
    folder.close()
    assert outcome.status == "finished"
    assert read_trials(paths.results) == outcome.trials
    refused = next(trial for trial in outcome.trials if trial.params == {THRESHOLD: 5.0, BAND: 10.0})
    assert refused.objective is None
    assert refused.problem is not None
    assert refused.problem.startswith(f"{BAND}: 10 shares is above threshold_hedge_shares (5)")
    good = [trial for trial in outcome.trials if trial.objective is not None]
    assert len(good) == 3
    assert {trial.data_hash for trial in good} == {plan.data.hash}
    assert all(trial.figures is not None and trial.objective == trial.figures.pnl_usd for trial in good)
    assert good[0].figures is not None
    assert good[0].figures.hedges > 0, "the market of the tests must move enough to be hedged"
    assert told == sorted(told)
    assert told[-1] == 1.0
    look = look_at_sweep(paths)
    assert (look.standing, look.plan) == ("finished", plan)
    assert look.progress is not None
    assert look.progress.text.startswith("4 of 4 trials, best ")
    assert look.progress.text.endswith(", 1 failed")


@pytest.mark.parametrize(
    ("method", "folds"),
    [
        ("grid", None),
        ("bayes", 2),
        *(pytest.param(*each, marks=pytest.mark.nightly) for each in [("random", None), ("bayes", None)]),
        *(pytest.param(*each, marks=pytest.mark.nightly) for each in [("grid", 2), ("random", 2)]),
    ],
)
def test_interrupted_and_gone_on_with_is_the_uninterrupted_sweep(
    profile: Path, tmp_path: Path, method: str, folds: int | None
) -> None:
    search = f"{THRESHOLD}=5:25:5" if method == "grid" else f"{THRESHOLD}=5:25"
    asked: dict[str, Any] = {"method": method, "seed": 2, "folds": folds, "ratio": 1, "data": "synthetic:7:3"}
    plan = plan_for(profile, search, **asked, **({} if method == "grid" else {"trials": 4}))
    whole = play(ResultsFolder.new(sweep_paths(tmp_path / "whole", "r"), plan), profile)
    paths = sweep_paths(tmp_path / "parts", "r")
    first = play(ResultsFolder.new(paths, plan), profile, InlinePool(interrupt_after=2))
    assert first.status == "interrupted"
    assert look_at_sweep(paths).standing == "interrupted"
    assert len(first.trials) == 2
    with paths.results.open("ab") as file:
        file.write(b'{"number": 2, "fold": nu')  # a dying process tore its last line
    assert read_trials(paths.results) == first.trials
    second = play(ResultsFolder.again(paths), profile, InlinePool(interrupt_after=1))
    assert second.status == "interrupted"
    last = InlinePool()
    third = play(ResultsFolder.again(paths), profile, last)
    assert third.status == "finished"
    assert len(last.jobs) == len(whole.trials) - 3, "no trial twice"
    assert cells(third) == cells(whole)
    assert cells(read_trials(paths.results)) == cells(whole)
    nothing = InlinePool()
    assert play(ResultsFolder.again(paths), profile, nothing).status == "finished"
    assert nothing.jobs == []


def test_several_at_once_give_the_same_cells(profile: Path, tmp_path: Path) -> None:
    plan = plan_for(profile, f"{THRESHOLD}=5,15", folds=2, ratio=1, data="synthetic:7:3")
    one = play(ResultsFolder.new(sweep_paths(tmp_path / "one", "r"), plan), profile)
    many = play(ResultsFolder.new(sweep_paths(tmp_path / "many", "r"), plan), profile, InlinePool(slots=3))
    assert cells(one) == cells(many)
    assert {(trial.fold, trial.sample) for trial in one.trials} == {(0, "in"), (0, "out"), (1, "in"), (1, "out")}
    assert len(one.trials) == 4 * 2


def test_a_bayesian_walk_forward_learns_in_each_fold_alone(profile: Path, paths: SweepPaths) -> None:
    plan = plan_for(
        profile, f"{THRESHOLD}=5:25", method="bayes", trials=2, folds=2, ratio=1, data="synthetic:7:3", seed=1
    )
    outcome = play(ResultsFolder.new(paths, plan), profile)
    numbers = {fold: sorted(t.number for t in outcome.trials if t.fold == fold and t.sample == "in") for fold in (0, 1)}
    assert numbers == {0: [0, 1], 1: [2, 3]}
    assert {t.number for t in outcome.trials if t.sample == "out"} == set(range(4))


def test_data_that_changed_is_said_and_not_compared(profile: Path, paths: SweepPaths) -> None:
    plan = plan_for(profile, f"{THRESHOLD}=5,15,25")
    play(ResultsFolder.new(paths, plan), profile, InlinePool(interrupt_after=1))
    [trial] = read_trials(paths.results)
    paths.results.write_bytes(msgspec.json.encode(msgspec.structs.replace(trial, data_hash="f" * 64)) + b"\n")
    outcome = play(ResultsFolder.again(paths), profile)
    later = outcome.trials[1:]
    assert len(later) == 2
    assert all(t.objective is None and "not what earlier trials read" in (t.problem or "") for t in later)


def test_a_sweep_without_any_result_has_failed_and_says_why(profile: Path, paths: SweepPaths) -> None:
    plan = plan_for(profile, f"{BAND}=50,60")
    outcome = play(ResultsFolder.new(paths, plan), profile)
    assert outcome.status == "failed"
    assert outcome.text.startswith(f"no trial came to a result: {BAND}: 50 shares is above")
    assert look_at_sweep(paths).standing == "failed"
    few = plan_for(profile, f"{COOLDOWN}=30,60", objective="sharpe")
    outcome = play(ResultsFolder.new(sweep_paths(paths.folder.parent.parent, "few"), few), profile)
    assert outcome.status == "failed"
    assert "sharpe cannot be said of 1 days" in outcome.text


def test_a_desk_that_halts_is_not_compared_but_told_where_nothing_is_chosen(profile: Path, paths: SweepPaths) -> None:
    """What it earns behind the halt is the market's: with luck more than any cell that hedged."""
    plan = plan_for(profile, f"{LOSS}=1,25000", folds=1, ratio=1, data="synthetic:7:2")
    outcome = play(ResultsFolder.new(paths, plan), profile)
    found = {(trial.params[LOSS], trial.sample): trial for trial in outcome.trials}
    halted = found[1.0, "in"]
    assert halted.objective is None
    assert halted.figures is not None
    assert (halted.problem or "").startswith(
        "not compared: the desk halted and hedged no more from then on: daily_loss"
    )
    assert found[25000.0, "in"].objective is not None
    never = play(
        ResultsFolder.new(sweep_paths(paths.folder.parent.parent, "never"), plan_for(profile, f"{COUNT}=0,500")),
        profile,
    )
    by_count = {trial.params[COUNT]: trial for trial in never.trials}
    assert by_count[0].objective is None
    assert (by_count[0].problem or "").startswith("not compared: a hedge was wanted at")
    assert by_count[500].objective is not None
    assert found[1.0, "out"].objective is not None
    assert outcome.status == "finished"


def test_a_fold_behind_the_expiry_of_a_leg_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """Its desk would begin with contracts that are long gone."""
    from tests.support.sweeping import PROFILE

    text = PROFILE.replace("2026-01-05", "2026-06-17")
    profile = write_profile(tmp_path, text)
    plan_for(profile, f"{THRESHOLD}=5,15", folds=1, ratio=1, data="synthetic:7:2")
    with pytest.raises(FeedError, match="DEMO 20260619 C 100 stopped trading before a fold begins on 2026062"):
        plan_for(profile, f"{THRESHOLD}=5,15", folds=2, ratio=1, data="synthetic:7:6")


def test_a_line_that_the_disk_took_in_part_is_taken_back(
    profile: Path, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ResultsFolder.new(paths, plan_for(profile, f"{COOLDOWN}=30,60"))
    trial = Trial(number=0, fold=None, sample="all", params={COOLDOWN: 30.0}, objective=1.0, figures=None)
    folder.append(trial)
    plain, taken = os.write, iter([20])

    def nearly_full(descriptor: int, line: bytes) -> int:
        room = next(taken, None)
        if room is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return plain(descriptor, line[:room])

    monkeypatch.setattr(os, "write", nearly_full)
    with pytest.raises(SweepFolderError, match="No space left"):
        folder.append(msgspec.structs.replace(trial, number=1))
    monkeypatch.undo()
    folder.append(msgspec.structs.replace(trial, number=2))
    folder.close()
    assert [each.number for each in read_trials(paths.results)] == [0, 2]


def test_folders_that_cannot_be_written_or_gone_on_with(profile: Path, paths: SweepPaths, tmp_path: Path) -> None:
    plan = plan_for(profile, f"{COOLDOWN}=30,60")
    folder = ResultsFolder.new(paths, plan)
    with pytest.raises(SweepFolderError, match="holds a sweep already: go on with --resume r"):
        ResultsFolder.new(paths, plan)
    with pytest.raises(SweepFolderError, match="another process runs the sweep"):
        ResultsFolder.again(paths)
    folder.close()
    paths.results.write_bytes(b"{}\n")
    with pytest.raises(SweepFolderError, match=r"results\.jsonl:1: "):
        ResultsFolder.again(paths)
    with pytest.raises(SweepFolderError, match="no sweep 'none' under"):
        ResultsFolder.again(sweep_paths(tmp_path, "none"))
    paths.plan.write_bytes(b"{")
    with pytest.raises(SweepFolderError, match=r"sweep\.json"):
        ResultsFolder.again(paths)
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepFolderError, match="cannot write"):
        ResultsFolder.new(sweep_paths(tmp_path / "file", "r"), plan)


def test_the_end_is_told_with_the_share_that_is_done(profile: Path, paths: SweepPaths) -> None:
    plan: SweepPlan = plan_for(profile, f"{THRESHOLD}=5:25:5")
    play(ResultsFolder.new(paths, plan), profile, InlinePool(interrupt_after=2))
    progress = look_at_sweep(paths).progress
    assert progress is not None
    assert (progress.status, progress.done, progress.eta_s) == ("interrupted", 0.4, None)
