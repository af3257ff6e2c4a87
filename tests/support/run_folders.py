"""Folders of runs as a backtest leaves them, quickly and always the same: for pages and readers, not for decisions."""

import datetime as dt
import math
import os
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from state.runs.folder import BacktestPaths, backtest_paths, sweep_paths
from state.runs.records import (
    SCHEMA_VERSION,
    AttributionUsd,
    DataInfo,
    DayRow,
    Figures,
    Finding,
    ProfileInfo,
    Progress,
    RatioValue,
    Searched,
    Status,
    Summary,
    SweepPlan,
    Trial,
    VenueModel,
)
from state.times import iso_from_us, us_from_datetime

OPEN = dt.datetime(2026, 1, 5, 14, 30, tzinfo=dt.UTC)
MINUTES = 390
COOLDOWN, THRESHOLD = "gates.intent.hedge.cooldown_seconds", "gates.state.delta.threshold_hedge_shares"
RULES = ("cooldown", "outside_rth", "spread_too_wide")


def figures(pnl_usd: float = 120.0, *, hedges: int = 12, days: int = 2) -> Figures:
    """Figures that add up as a run's do."""
    parts = AttributionUsd(
        total_usd=pnl_usd, delta_usd=-10.0, gamma_usd=pnl_usd + 50.0, theta_usd=-20.0, vega_usd=0.0, other_usd=-5.0,
        slippage_usd=3.0, commission_usd=12.0,
    )  # fmt: skip
    return Figures(
        pnl_usd=pnl_usd, attribution=parts, base_equity_usd=100_000.0, final_equity_usd=100_000.0 + pnl_usd,
        max_drawdown_usd=80.0, max_drawdown_pct=0.08, sharpe=RatioValue(n=days, value=None),
        sortino=RatioValue(n=days, value=None), won_days=1, days=days, hedges=hedges,
        hedges_per_session=hedges / days, shares_traded=hedges * 5.0, value_traded_usd=hedges * 500.0,
        slippage_usd=3.0, slippage_bps=0.9, wear_per_10k_usd=-pnl_usd / (hedges * 500.0) * 10_000 if hedges else None,
        mean_abs_net_delta_shares=4.2, max_abs_net_delta_shares=31.0, max_abs_own_shares=90.0,
        time_out_of_band_pct=12.5,
    )  # fmt: skip


def summary(run_id: str, *, status: Status = "finished", title: str = "", at: int = 0, **more: Any) -> Summary:
    """A summary of two sessions; `at` seconds later than the first."""
    told: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "run_id": run_id,
        "status": status,
        "title": title,
        "created_ts": iso_from_us(us_from_datetime(OPEN) + at * 1_000_000),
        "version": "0.1.0",
        "profile": ProfileInfo(
            name="demo", hash=f"{at:012x}" + "0" * 52, settings={"gates.intent.hedge.cooldown_seconds": str(30 + at)}
        ),
        "data": DataInfo(
            spec="synthetic:1:2", description="made up", hash="ab" * 32, sessions=2, steps=780, events=900,
            first_ts="2026-01-05T14:30:00.000000Z", last_ts="2026-01-06T21:00:00.000000Z",
        ),
        "venue": VenueModel(),
        "figures": figures(),
        "decisions": 780,
        "needed": 30,
        "hedged": 12,
        "refused": {"cooldown": 15, "outside_rth": 3},
        "new_refusals": {"cooldown": 4, "outside_rth": 1},
        "days": (_day("2026-01-05"), _day("2026-01-06")),
        "findings": (Finding(code="gap", text="minutes without a row", count=7, instrument="DEMO"),),
        "seconds": 1.5,
    }  # fmt: skip
    return Summary(**{**told, **more})


def _day(day: str) -> DayRow:
    return DayRow(
        day=day, pnl_usd=60.0, equity_usd=100_060.0, hedges=6, refusals=9, slippage_usd=1.5, commission_usd=6.0
    )


def write_summary(root: Path, told: Summary) -> BacktestPaths:
    """A finished run without its tables: enough for a list."""
    paths = backtest_paths(root, told.run_id)
    paths.folder.mkdir(parents=True, exist_ok=True)
    paths.summary.write_bytes(msgspec.json.encode(told))
    return paths


def write_run(root: Path, run_id: str, *, sessions: int = 2, group: int = 200, **more: Any) -> BacktestPaths:
    """A finished run with its tables: a decision a minute, of which every thirteenth wants a hedge."""
    paths = write_summary(root, summary(run_id, **more))
    pq.write_table(_decisions(sessions), paths.decisions, row_group_size=group)
    pq.write_table(_equity(sessions), paths.equity)
    paths.report.write_text("<!doctype html><title>report</title><script>document.title += '!'</script><p>report</p>")
    return paths


def write_progress(
    paths: BacktestPaths, *, status: Status = "running", pid: int | None = None, **more: Any
) -> Progress:
    """The progress of this very process, unless another pid is said."""
    paths.folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {
        "schema": SCHEMA_VERSION, "run_id": paths.run_id, "kind": "backtest", "status": status,
        "pid": os.getpid() if pid is None else pid, "done": 0.4, "text": "2026-01-05 15:10, 4 hedges",
        "started_ts": "2099-01-01T00:00:00.000000Z", "updated_ts": "2099-01-01T00:00:01.000000Z", "seconds": 1.0,
    }  # fmt: skip
    progress = Progress(**{**told, **more})
    paths.progress.write_bytes(msgspec.json.encode(progress))
    return progress


def write_sweep(root: Path, run_id: str, *, folds: bool = False) -> None:
    """A finished sweep of three by three cells: the middle one is a spike, its corner a plateau."""
    told = summary(run_id)
    plan = SweepPlan(
        schema=SCHEMA_VERSION, run_id=run_id, title="", created_ts=told.created_ts, method="grid",
        objective="pnl_usd", maximise=True, trials=9, seed=0,
        searched=(Searched(key=COOLDOWN, values=(30, 60, 90)), Searched(key=THRESHOLD, values=(5, 10, 15))),
        profile=told.profile, data=told.data, venue=told.venue,
        folds=(("synthetic:1:2#20260105-20260105", "synthetic:1:2#20260106-20260106"),) if folds else (),
    )  # fmt: skip
    paths = sweep_paths(root, run_id)
    paths.folder.mkdir(parents=True)
    paths.plan.write_bytes(msgspec.json.encode(plan))
    samples = ("in", "out") if folds else ("all",)
    lines = [
        msgspec.json.encode(
            Trial(
                number=number, fold=0 if folds else None, sample=sample,  # type: ignore[arg-type]
                params={COOLDOWN: (30, 60, 90)[number // 3], THRESHOLD: (5, 10, 15)[number % 3]},
                objective=pnl, figures=figures(pnl, days=1),
            )
        )
        for sample in samples
        for number, pnl in enumerate((10.0, 20.0, 30.0, 20.0, 400.0, 30.0, 10.0, 90.0, 95.0))
    ]  # fmt: skip
    paths.results.write_bytes(b"\n".join(lines) + b"\n" + lines[0][:40])  # the last line is torn
    write_progress(BacktestPaths(paths.folder), status="finished", kind="sweep", done=1.0, text="9 of 9")


def _moments(sessions: int) -> list[dt.datetime]:
    return [OPEN + dt.timedelta(days=day, minutes=minute) for day in range(sessions) for minute in range(MINUTES)]


def _decisions(sessions: int) -> pa.Table:
    moments = _moments(sessions)
    needed = [place % 13 == 0 for place in range(len(moments))]
    hedged = [place % 26 == 0 for place in range(len(moments))]
    refused = [
        RULES[place // 13 % 3] if wants and not sent else None
        for place, (wants, sent) in enumerate(zip(needed, hedged, strict=True))
    ]
    return pa.table(
        {
            "ts": pa.array(moments, pa.timestamp("us", tz="UTC")),
            "ts_us": [us_from_datetime(moment) for moment in moments],
            "session": pa.array([f"{moment:%Y-%m-%d}" for moment in moments]).dictionary_encode(),
            "spot": [100 + math.sin(place / 50) for place in range(len(moments))],
            "net_delta_shares": [float(place % 17 - 8) for place in range(len(moments))],
            "own_shares": [float(-place % 90) for place in range(len(moments))],
            "state_code": pa.array(["O1 D0 M1 L0 E0 S0"] * len(moments)).dictionary_encode(),
            "needed": needed,
            "hedged": hedged,
            "side": pa.array(["BUY" if sent else None for sent in hedged]).dictionary_encode(),
            "quantity_shares": [5.0 if sent else None for sent in hedged],
            "price": [100.25 if sent else None for sent in hedged],
            "commission_usd": [1.0 if sent else None for sent in hedged],
            "refused": pa.array(refused, pa.string()).dictionary_encode(),
            "measured": [12.0 if rule else None for rule in refused],
            "limit": [30.0 if rule else None for rule in refused],
        }
    )


def _equity(sessions: int) -> pa.Table:
    moments = _moments(sessions)
    equity = [100_000 + 40 * math.sin(place / 90) + place * 0.1 for place in range(len(moments))]
    peaks = [max(equity[: place + 1]) for place in range(0, len(equity), MINUTES)]
    drawdown = [max(0.0, (peaks[place // MINUTES] - value) / 1000) for place, value in enumerate(equity)]
    return pa.table(
        {
            "ts_us": [us_from_datetime(moment) for moment in moments],
            "equity_usd": equity,
            "drawdown_pct": drawdown,
        }
    )
