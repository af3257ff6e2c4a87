"""The same sweep on a Dask cluster of this machine: two worker processes, loopback only, equal cell by cell."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from cli.app import run as run_command
from config.loader import load_profile
from config.schema import Profile
from daemon.backtest.sweep.cluster import ClusterPool
from daemon.backtest.sweep.jobs import StrategyOf
from daemon.backtest.sweep.pool import PoolError
from daemon.backtest.sweep.results import ResultsFolder
from daemon.backtest.sweep.run import Outcome, run_sweep
from daemon.backtest.sweep.searchers import Grid
from daemon.core.strategy import Strategy
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.runs.folder import sweep_paths
from state.runs.records import SweepPlan
from tests.support.sweeping import COOLDOWN, DATA, THRESHOLD, InlinePool, cells_of, plan_for, write_profile

DEADLY = 13.0


def strategy_of(profile: Profile) -> Strategy:
    """The scalper, except where the cooldown says that this worker dies."""
    if profile.gates.intent.hedge.cooldown_seconds == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    return GammaScalper(profile)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a scheduler with two workers of one thread each, in processes of their own."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


def play(
    folder: Path, profile: Path, plan: SweepPlan, pool: InlinePool | ClusterPool, searcher: type[Grid] = Grid
) -> Outcome:
    results = ResultsFolder.new(sweep_paths(folder, plan.run_id), plan)
    try:
        return run_sweep(
            results, base=load_profile(str(profile)).profile, cell_of=cells_of(profile), pool=pool, searcher_of=searcher
        )
    finally:
        results.close()


def compare(tmp_path: Path, scheduler: str, plan: SweepPlan, profile: Path, strategy: StrategyOf) -> None:
    here = play(tmp_path / "here", profile, plan, InlinePool())
    with ClusterPool(scheduler, strategy) as pool:
        assert pool.slots == 2
        pool.check([plan.data.spec], load_profile(str(profile)).profile, None)
        there = play(tmp_path / "there", profile, plan, pool)
    assert there.status == "finished"
    found = {(trial.number, trial.fold, trial.sample): trial for trial in there.trials}
    assert len(found) == len(there.trials) == len(here.trials)
    for trial in here.trials:
        other = found[trial.number, trial.fold, trial.sample]
        assert (other.params, other.figures, other.refused) == (trial.params, trial.figures, trial.refused)
        assert (other.problem, other.data_hash) == (trial.problem, trial.data_hash)


def test_the_cluster_gives_what_this_process_gives(tmp_path: Path, cluster: str) -> None:
    profile = write_profile(tmp_path)
    compare(tmp_path, cluster, plan_for(profile, f"{THRESHOLD}=5,25"), profile, GammaScalper)


@pytest.mark.nightly
def test_a_larger_sweep_with_folds_too(tmp_path: Path, cluster: str) -> None:
    profile = write_profile(tmp_path)
    search = (f"{THRESHOLD}=5:25:5", f"{COOLDOWN}=30,3600")
    plan = plan_for(profile, *search, folds=2, ratio=2, data="synthetic:7:4")
    compare(tmp_path, cluster, plan, profile, GammaScalper)


def test_data_that_a_worker_cannot_open_is_said_before_the_first_trial(tmp_path: Path, cluster: str) -> None:
    profile = load_profile(str(write_profile(tmp_path))).profile
    with ClusterPool(cluster, GammaScalper) as pool:
        with pytest.raises(PoolError) as refused:
            pool.check([DATA, f"csv:{tmp_path}/none.csv"], profile, None)
        assert "worker tcp://127.0.0.1:" in str(refused.value)
        assert "none.csv" in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.nightly
def test_a_worker_that_dies_is_one_failed_trial(tmp_path: Path, cluster: str) -> None:
    profile = write_profile(tmp_path)
    plan = plan_for(profile, f"{COOLDOWN}=30,{DEADLY:g},600")
    with ClusterPool(cluster, strategy_of) as pool:
        outcome = play(tmp_path, profile, plan, pool)
    problems = {trial.params[COOLDOWN]: trial.problem for trial in outcome.trials}
    assert problems[30.0] is None
    assert problems[600.0] is None
    assert "the cluster gave it up" in (problems[DEADLY] or "")


def test_no_scheduler_there_is_one_line() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(PoolError, match="no Dask scheduler answers"):
            ClusterPool(address, GammaScalper, connect_within_s=0.5)


@pytest.mark.parametrize("address", ["foo", "tcp://127.0.0.1", "127.0.0.1:8786", "tcp://127.0.0.1:99999", "tcp://:1"])
def test_what_is_no_address_is_one_line_before_anybody_is_asked(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr("daemon.backtest.sweep.cluster.Client", asked)
    with pytest.raises(PoolError, match="write tcp://HOST:PORT"):
        ClusterPool(address, GammaScalper)


@pytest.mark.nightly
def test_the_command_gives_the_same_on_a_cluster(
    tmp_path: Path, cluster: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BIFROST_ROOT", str(tmp_path / "var"))
    profile = write_profile(tmp_path)
    words = ["sweep", "run", "--profile", str(profile), "--data", DATA, "--json", "--method", "random", "--trials", "4"]
    words += ["--search", f"{THRESHOLD}=5:25", "--search", f"{COOLDOWN}=30:3600:log"]
    told = []
    for where in (["--workers", "2", "--name", "here"], ["--scheduler", cluster, "--name", "there"]):
        capfd.readouterr()
        assert run_command([*words, *where]) == 0
        told.append(json.loads(capfd.readouterr().out))
    here, there = told
    assert here["cells"] == there["cells"]
    assert here["recommendation"] == there["recommendation"]
    assert here["standing"] == there["standing"] == "finished"
