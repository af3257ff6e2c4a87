"""The job of `bench/sweep`: one sweep, run by one pool or another, and timed."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.loader import LoadedProfile, load_profile
from config.overrides import load_overridden
from daemon.backtest.sweep.cluster import ClusterPool
from daemon.backtest.sweep.local import LocalPool
from daemon.backtest.sweep.planning import Asked, make_plan
from daemon.backtest.sweep.results import ResultsFolder
from daemon.backtest.sweep.run import run_sweep
from daemon.backtest.sweep.searchers import Grid
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.runs.folder import sweep_paths
from state.runs.records import SweepPlan, Trial, VenueModel

_PROFILE = """
extends: demo
gates: {state: {market: {stale_ts_threshold_ms: 60000}}}
simulator: {synthetic: {start_date: 2026-01-05, step_s: STEP}}
"""
_THRESHOLDS = "gates.state.delta.threshold_hedge_shares"
_COOLDOWNS = "gates.intent.hedge.cooldown_seconds"

Pool = LocalPool | ClusterPool
Cells = dict[int, tuple[Any, Any]]
"""Number of a cell -> its figures and refusals."""


class Bench:
    """One job, run by different pools."""

    def __init__(self, folder: Path, *, cells: int, sessions: int, step_s: int) -> None:
        self._folder = folder
        self._path = folder / "job.yaml"
        self._path.write_text(_PROFILE.replace("STEP", str(step_s)), encoding="utf-8")
        self._base = load_profile(str(self._path))
        self._count = 0
        self.plan = self._plan(cells, sessions)

    def run(self, pool_of: Callable[[], Pool], *, cells: int | None = None) -> tuple[float, Cells]:
        """Seconds from before the pool is made until the last trial is written, and what came of each cell."""
        self._count += 1
        plan = self.plan if cells is None else self._plan(cells, self.plan.data.sessions)
        results = ResultsFolder.new(sweep_paths(self._folder, f"r{self._count}"), plan)
        started_s = time.perf_counter()
        with pool_of() as pool:
            outcome = run_sweep(results, base=self._base.profile, cell_of=self._cell_of, pool=pool, searcher_of=Grid)
            taken_s = time.perf_counter() - started_s
        results.close()
        return taken_s, {trial.number: _told(trial) for trial in outcome.trials}

    def _cell_of(self, params: Any) -> LoadedProfile:
        return load_overridden(str(self._path), params)

    def _plan(self, cells: int, sessions: int) -> SweepPlan:
        asked = Asked(
            run_id="bench",
            search=[f"{_THRESHOLDS}=5:{4 + (cells + 1) // 2}:1", f"{_COOLDOWNS}=30,300"][: 2 if cells > 1 else 1],
            method="grid",
            objective="pnl_usd",
            data=f"synthetic:7:{sessions}",
        )
        return make_plan(asked, self._base, {}, VenueModel(), base=self._folder, root=self._folder)


def _told(trial: Trial) -> tuple[Any, Any]:
    if trial.problem is not None:
        raise SystemExit(f"bench: cell {trial.number} failed: {trial.problem}")
    return trial.figures, trial.refused


def ways_of(scheduler: str) -> dict[str, Callable[[], Pool]]:
    """Name -> what makes the pool."""
    return {
        "1 worker": lambda: LocalPool(1, GammaScalper),
        "2 workers": lambda: LocalPool(2, GammaScalper),
        "Dask, 2 workers": lambda: ClusterPool(scheduler, GammaScalper),
    }


def measure(bench: Bench, ways: dict[str, Callable[[], Pool]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round. Ends the program where two of them disagree."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    first: Cells | None = None
    for number in range(rounds):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            taken_s, cells = bench.run(ways[name])
            first = cells if first is None else first
            if cells != first:
                raise SystemExit(f"bench: {name} gives other figures")
            found[name].append(taken_s)
            print(f"  round {number + 1}: {name} {taken_s:.1f} s", file=sys.stderr)
    return found
