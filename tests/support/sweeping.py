"""A small sweep: a profile on a market of ten-minute steps, plans over it, and a pool that runs in this process."""

from collections import deque
from pathlib import Path
from typing import Any

from config.loader import LoadedProfile, load_profile
from config.overrides import load_overridden
from daemon.backtest.sweep.jobs import Job, StrategyOf, run_job
from daemon.backtest.sweep.planning import Asked, make_plan
from daemon.backtest.sweep.run import CellOf
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from state.runs.records import (
    AttributionUsd,
    DataInfo,
    Figures,
    ProfileInfo,
    RatioValue,
    SweepPlan,
    Trial,
    VenueModel,
)

COOLDOWN = "gates.intent.hedge.cooldown_seconds"
THRESHOLD = "gates.state.delta.threshold_hedge_shares"
BAND = "gates.state.delta.epsilon_band"
ORDER_TYPE = "execution.order_type"
LOSS = "gates.guard.risk.max_daily_loss_usd"
COUNT = "gates.guard.risk.max_daily_hedge_count"
PROFILE = """
extends: demo
gates:
  state: {market: {stale_ts_threshold_ms: 3600000}}
  intent: {hedge: {min_price_move_pct: 0}}
simulator:
  synthetic: {start_date: 2026-01-05, step_s: 600}
"""
DATA = "synthetic:7:1"


def write_profile(folder: Path, text: str = PROFILE) -> Path:
    """A profile file `small.yaml`."""
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def plan_for(profile: Path, *search: str, **asked: Any) -> SweepPlan:
    """The plan that the command would make."""
    whole = {"run_id": "r", "method": "grid", "objective": "pnl_usd", "data": DATA} | asked
    return make_plan(
        Asked(search=search, **whole),
        load_profile(str(profile)),
        {},
        VenueModel(),
        base=profile.parent,
        root=profile.parent,
    )


def cells_of(profile: Path) -> CellOf:
    """The profile with a cell's keys in it."""

    def cell_of(params: Any) -> LoadedProfile:
        return load_overridden(str(profile), params)

    return cell_of


class InlinePool:
    """Trials one after the other in this process. `interrupt_after` trials Ctrl-C is pressed."""

    def __init__(
        self, *, slots: int = 1, strategy_of: StrategyOf = GammaScalper, interrupt_after: int | None = None
    ) -> None:
        self.slots = slots
        self.jobs: list[Job] = []
        self._strategy_of = strategy_of
        self._left = interrupt_after
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        self._waiting.append(job)
        self.jobs.append(job)
        assert len(self._waiting) <= self.slots, "more trials under way than the pool has room for"

    def wait(self, timeout_s: float) -> list[Trial]:
        if self._left is not None:
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
        return [run_job(self._waiting.popleft(), self._strategy_of)]

    def close(self) -> None:
        self._waiting.clear()


def made_plan(*searched: Any, **changes: Any) -> SweepPlan:
    """A plan of records alone, for what reads plans."""
    whole: dict[str, Any] = {
        "schema": 1,
        "run_id": "r",
        "title": "",
        "created_ts": "2026-01-05T00:00:00.000000Z",
        "method": "grid",
        "objective": "pnl_usd",
        "maximise": True,
        "trials": 9,
        "seed": 1,
        "searched": searched,
        "profile": ProfileInfo(name="small", hash=""),
        "data": DataInfo(spec="synthetic:7", description="", hash=""),
        "venue": VenueModel(),
    }
    return SweepPlan(**(whole | changes))


def made_trial(number: int, objective: float | None, params: dict[str, Any], **changes: Any) -> Trial:
    """A trial of records alone."""
    whole: dict[str, Any] = {
        "number": number,
        "fold": None,
        "sample": "all",
        "params": params,
        "objective": objective,
        "figures": None if objective is None else made_figures(objective),
    }
    return Trial(**(whole | changes))


def made_figures(pnl_usd: float, *, days: int = 1, sharpe: float | None = None, hedges: int | None = None) -> Figures:
    """Figures of which only P&L, days, Sharpe and hedges (five a session) say anything."""
    parts = dict.fromkeys(AttributionUsd.__struct_fields__, 0.0)
    numbers: dict[str, Any] = dict.fromkeys(Figures.__struct_fields__, 0)
    return Figures(
        **(
            numbers
            | {
                "pnl_usd": pnl_usd,
                "days": days,
                "hedges": 5 * days if hedges is None else hedges,
                "attribution": AttributionUsd(**(parts | {"total_usd": pnl_usd, "gamma_usd": 2 * pnl_usd})),
                "sharpe": RatioValue(n=days, value=sharpe),
                "sortino": RatioValue(n=days, value=None),
            }
        )
    )
