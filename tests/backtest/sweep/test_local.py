"""Trials in processes: the same figures as in this one, a death is one trial's, and nothing is left behind."""

import os
import signal
from pathlib import Path

import pytest

from config.loader import load_profile
from config.schema import Profile
from daemon.backtest.sweep.jobs import Job, StrategyOf, run_job
from daemon.backtest.sweep.local import LocalPool
from daemon.core.strategy import Strategy
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.runs.records import Trial, VenueModel
from tests.support.sweeping import COOLDOWN, DATA, cells_of, write_profile

DEADLY, QUITTING, ODD = 13.0, 17.0, 19.0
PATIENCE_S = 120.0


def strategy_of(profile: Profile) -> Strategy:
    """The scalper, except where the cooldown says that this process dies, leaves, or has a fault."""
    cooldown = profile.gates.intent.hedge.cooldown_seconds
    if cooldown == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    if cooldown == QUITTING:
        os._exit(3)
    if cooldown == ODD:
        raise ZeroDivisionError("a fault\nof the program")
    return GammaScalper(profile)


def job(profile: Path, number: int, cooldown: float) -> Job:
    params = {COOLDOWN: cooldown}
    return Job(
        number=number,
        fold=None,
        sample="all",
        params=params,
        spec=DATA,
        base=load_profile(str(profile)).profile,
        cell=cells_of(profile)(params),
        model=VenueModel(),
        objective="pnl_usd",
        root=None,
    )


def run_all(jobs: list[Job], workers: int, strategy: StrategyOf) -> dict[int, Trial]:
    """Every job through a pool, as the sweep does it."""
    found: dict[int, Trial] = {}
    waiting = list(reversed(jobs))
    with LocalPool(workers, strategy) as pool:
        running = 0
        while waiting or running:
            while waiting and running < pool.slots:
                pool.submit(waiting.pop())
                running += 1
            ended = pool.wait(PATIENCE_S)
            assert ended, "no trial ended in time"
            running -= len(ended)
            found |= {trial.number: trial for trial in ended}
    return found


def test_a_death_or_a_fault_is_one_trial_s_and_the_others_are_as_in_this_process(tmp_path: Path) -> None:
    profile = write_profile(tmp_path)
    jobs = [job(profile, n, c) for n, c in enumerate([30.0, DEADLY, 7200.0, QUITTING, ODD])]
    found = run_all(jobs, 2, strategy_of)
    assert found[1].problem == "its process died (SIGKILL: killed, short of memory?)"
    assert found[3].problem == "its process died (exit code 3)"
    assert found[4].problem == "ZeroDivisionError: a fault of the program"
    for number in (0, 2):
        here = run_job(jobs[number], GammaScalper)
        there = found[number]
        assert (there.figures, there.refused, there.data_hash) == (here.figures, here.refused, here.data_hash)
        assert there.objective is not None
    assert len({found[number].objective for number in (0, 2)}) > 1, "the cells must differ to say anything"


def test_closing_gives_up_what_runs(tmp_path: Path) -> None:
    profile = write_profile(tmp_path)
    pool = LocalPool(1, GammaScalper)
    pool.submit(job(profile, 0, 30.0))
    process = pool._busy[0].process
    pool.close()
    assert process.exitcode == -signal.SIGKILL
    assert pool.wait(0) == []


def test_data_that_cannot_be_opened_is_a_trial_with_one_line(tmp_path: Path) -> None:
    profile = write_profile(tmp_path)
    missing = job(profile, 0, 30.0)
    trial = run_job(
        Job(**{name: getattr(missing, name) for name in Job.__struct_fields__} | {"spec": f"csv:{tmp_path}/none.csv"}),
        GammaScalper,
    )
    assert trial.problem is not None
    assert "none.csv" in trial.problem
    assert "\n" not in trial.problem


@pytest.mark.parametrize("days", [1])
def test_a_second_trial_on_the_same_feed_is_the_first_again(tmp_path: Path, days: int) -> None:
    profile = write_profile(tmp_path)
    first, second = (run_job(job(profile, 0, 30.0), GammaScalper) for _ in range(2))
    assert first.figures == second.figures
    assert first.data_hash == second.data_hash
    assert first.figures is not None
    assert first.figures.days == days
