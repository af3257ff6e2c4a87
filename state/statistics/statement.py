"""All figures of a past as one plain object: what `bifrost stats --json` prints."""

from typing import Any, Literal

from state.statistics.days import By
from state.statistics.executions import Sizes
from state.statistics.measures import Percentiles
from state.statistics.past import Past
from state.statistics.rows import bin_rows, drawdown_rows, hour_rows, period_rows

Grouping = Literal["day", "week", "month", "hour"]
GROUPINGS: tuple[Grouping, ...] = ("day", "week", "month", "hour")


def statement(past: Past, by: Grouping, zone: str) -> dict[str, Any]:
    """Plain values under names with units; None where nothing can be said, with `n` beside each statistic."""
    total, wins = past.total, past.wins
    deepest = past.drawdowns[0] if past.drawdowns else None
    return {
        "first_day": past.days[0].day if past.days else None,
        "last_day": past.days[-1].day if past.days else None,
        "days": len(past.days),
        "zone": zone,
        "pnl_usd": None if total is None else total.pnl_usd,
        "pnl_days": 0 if total is None else total.n,
        "return_pct": None if total is None else total.return_pct,
        "win_rate": wins,
        "sharpe": past.sharpe,
        "sortino": past.sortino,
        "max_drawdown_pct": None if deepest is None else deepest.depth_pct,
        "max_drawdown_usd": None if deepest is None else deepest.depth_usd,
        "wear_per_10k": {
            "n": 0 if total is None else total.wear_days,
            "value": None if total is None else total.wear_per_10k,
        },
        "traded_usd": None if total is None else total.traded_usd,
        "attribution": None if total is None else total.parts,
        "attribution_days": 0 if total is None else total.split_days,
        "pnl_quantiles_usd": {f"p{name:g}": value for name, value in past.quantiles.items()},
        "pnl_histogram": bin_rows(past.histogram),
        "hedges": _sizes(past.sizes),
        "latency_ms": _percentiles(past.latency_ms),
        "refused": dict(past.refused),
        "drawdowns": drawdown_rows(past.drawdowns),
        "hours": hour_rows(past.by_hour_of_day(zone)),
        "missing_weekdays": list(past.missing),
        "unreadable_lines": past.source.unreadable,
        "by": by,
        "periods": period_table(past, by, zone),
    }


def period_table(past: Past, by: Grouping, zone: str) -> list[Any]:
    """The rows that a grouping asks for."""
    if by == "hour":
        return list(hour_rows(past.by_hour_of_day(zone)))
    grouped: By = by
    return list(period_rows(past.by(grouped), grouped))


def _sizes(found: Sizes) -> dict[str, Any]:
    return {
        "n": found.n,
        "shares": found.shares,
        "shares_each": _percentiles(found.shares_each),
        "value_usd": found.value_usd,
        "slippage_known": found.known,
        "slippage_usd": found.slippage_usd,
        "slippage_bps": _percentiles(found.slippage_bps),
    }


def _percentiles(found: Percentiles) -> dict[str, Any]:
    return {"n": found.n, "p50": found.p50, "p95": found.p95, "p99": found.p99}
