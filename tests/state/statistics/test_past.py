"""Every figure of a past, recomputed from the files with pandas by somebody who shares no code with it."""

import json
import math
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from state.layout import DeskPaths
from state.statistics.loading import load_desk
from state.statistics.past import EXCHANGE, Past
from state.statistics.statement import statement
from tests.support.year_of_history import write_year


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> DeskPaths:
    """A year of 252 sessions in files."""
    paths = DeskPaths(tmp_path_factory.mktemp("past"), "demo")
    write_year(paths, days=252, samples=15_000, operations=12_000)
    return paths


@pytest.fixture(scope="module")
def past(paths: DeskPaths) -> Past:
    return Past(load_desk(paths))


def frame(folder: Path) -> pd.DataFrame:
    lines = [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]
    table = pd.DataFrame(lines)
    table["ts"] = pd.to_datetime(table["ts"])
    return table


@pytest.fixture(scope="module")
def samples(paths: DeskPaths) -> pd.DataFrame:
    return frame(paths.history)


@pytest.fixture(scope="module")
def operations(paths: DeskPaths) -> pd.DataFrame:
    return frame(paths.journal)


@pytest.fixture(scope="module")
def daily(samples: pd.DataFrame) -> pd.DataFrame:
    """The last sample of each session."""
    return samples.sort_values("ts", kind="stable").groupby("session_date").last()


def test_returns_win_rate_ratios_and_wear_are_what_pandas_makes_of_the_files(past: Past, daily: pd.DataFrame) -> None:
    pnl = daily["daily_pnl_usd"]
    returns: pd.Series[float] = pnl / (daily["equity_usd"] - pnl)
    total = past.total
    assert total is not None
    assert total.n == len(past.days) == 252
    assert total.pnl_usd == pytest.approx(pnl.sum())
    assert total.return_pct == pytest.approx((float(np.prod(1 + returns.to_numpy())) - 1) * 100)
    assert total.wear_per_10k == pytest.approx(-pnl.sum() / daily["traded_usd"].sum() * 10_000)
    assert total.wear_days == 252
    assert past.sharpe.value == pytest.approx(returns.mean() / returns.std() * math.sqrt(252))
    downside = math.sqrt(float(returns.clip(upper=0).pow(2).mean()))
    assert past.sortino.value == pytest.approx(returns.mean() / downside * math.sqrt(252))
    assert past.wins.rate_pct == pytest.approx((pnl > 0).mean() * 100)
    assert list(past.quantiles.values()) == pytest.approx(pnl.quantile([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]))
    edges = past.histogram.edges
    assert list(past.histogram.counts) == pd.cut(pnl, list(edges), right=False).value_counts(sort=False).tolist()


def test_each_month_and_the_attribution_are_what_pandas_makes_of_the_files(past: Past, daily: pd.DataFrame) -> None:
    parts = pd.DataFrame(list(daily["pnl_parts"]))
    months = parts.groupby(daily.index.str[:7]).sum(numeric_only=True)
    found = past.by("month")
    assert [each.name for each in found] == list(months.index)
    for name in ("gamma_usd", "theta_usd", "delta_usd", "slippage_usd", "commission_usd", "other_usd"):
        assert [each.parts[name] for each in found if each.parts is not None] == pytest.approx(months[name].tolist())
    assert [each.pnl_usd for each in found] == pytest.approx(months["total_usd"].tolist())


def test_drawdowns_are_those_of_the_whole_curve(past: Past, samples: pd.DataFrame) -> None:
    curve = samples.sort_values("ts", kind="stable").drop_duplicates("ts", keep="last").set_index("ts")["equity_usd"]
    below = curve / curve.cummax() - 1
    deepest = past.drawdowns[0]
    assert -deepest.depth_pct == pytest.approx(below.min() * 100)
    assert pd.Timestamp(deepest.trough_us, unit="us", tz="UTC") == below.idxmin()
    falls = (below < 0).astype(int).diff().eq(1).sum()
    shown = (below.groupby((below == 0).cumsum()).min() * 100 <= -0.01).sum()
    assert len(past.drawdowns) == min(10, shown) <= falls


@pytest.mark.parametrize("zone", [EXCHANGE, "UTC", "Asia/Kolkata"])
def test_hours_of_the_day_sum_to_the_whole_in_any_zone(
    past: Past, samples: pd.DataFrame, operations: pd.DataFrame, zone: str
) -> None:
    rows = past.by_hour_of_day(zone)
    curve = samples.sort_values("ts", kind="stable").drop_duplicates("ts", keep="last")
    change = curve["equity_usd"].diff().iloc[1:]
    is_night = (curve["session_date"] != curve["session_date"].shift()).iloc[1:]
    hours = (curve["ts"] - pd.Timedelta(microseconds=1)).dt.tz_convert(ZoneInfo(zone)).dt.hour.iloc[1:]
    expected = change[~is_night].groupby(hours[~is_night]).sum()
    assert {row.hour: row.pnl_usd for row in rows if row.hour is not None} == pytest.approx(expected.to_dict())
    assert rows[-1].hour is None
    assert rows[-1].pnl_usd == pytest.approx(change[is_night].sum())
    assert sum(row.pnl_usd for row in rows) == pytest.approx(curve["equity_usd"].iloc[-1] - curve["equity_usd"].iloc[0])
    refused = operations[operations["type"] == "refused"]["ts"].dt.tz_convert(ZoneInfo(zone)).dt.hour.value_counts()
    assert {row.hour: row.refused for row in rows if row.refused} == refused.to_dict()


def test_hedges_their_slippage_and_what_they_earned_by_the_close(
    past: Past, samples: pd.DataFrame, daily: pd.DataFrame
) -> None:
    fills = samples[samples["kind"] == "fill"]
    told = pd.DataFrame(list(fills["data"]))
    assert past.sizes.n == len(told)
    assert past.sizes.shares == pytest.approx(told["quantity"].sum())
    assert past.sizes.shares_each.p95 == pytest.approx(told["quantity"].quantile(0.95))
    assert past.sizes.slippage_usd == pytest.approx(told["slippage_usd"].sum())
    bps = told["slippage_usd"] / (told["decision_mid"] * told["quantity"]) * 10_000
    assert past.sizes.slippage_bps.p50 == pytest.approx(bps.median())
    close = fills["session_date"].map(daily["underlying_price"]).to_numpy()
    signed = np.where(told["side"] == "BUY", told["quantity"], -told["quantity"])
    earned = (signed * (close - told["price"])).sum()
    assert sum(row.hedge_pnl_usd or 0.0 for row in past.by_hour_of_day()) == pytest.approx(earned)


def test_refusals_and_latency_are_counted_from_the_journal(past: Past, operations: pd.DataFrame) -> None:
    refused = operations[operations["type"] == "refused"]["reason"].value_counts()
    assert dict(past.refused) == refused.to_dict()
    sent = operations[operations["type"] == "order_sent"]["latency_ms"].astype("float32")
    assert past.latency_ms.n == len(sent)
    assert past.latency_ms.p99 == pytest.approx(sent.quantile(0.99), rel=1e-5)


def test_a_stretch_of_days_is_these_days_and_nothing_else(paths: DeskPaths, past: Past, daily: pd.DataFrame) -> None:
    first, last = daily.index[40], daily.index[59]
    some = Past(load_desk(paths), first_day=first, last_day=last)
    assert [day.day for day in some.days] == list(daily.index[40:60])
    assert some.total is not None
    assert some.total.pnl_usd == pytest.approx(daily["daily_pnl_usd"].iloc[40:60].sum())
    assert some.sizes.n == int(daily["hedges_today"].iloc[40:60].sum())
    assert sum(some.refused.values()) == sum(row.refused for row in some.by_hour_of_day())
    thirds = [Past(past.source, last_day=first), Past(past.source, first_day=daily.index[41])]
    assert sum(each.sizes.n for each in thirds) == past.sizes.n


def test_of_nothing_every_figure_is_missing_and_none_is_wrong(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "empty")
    paths.create()
    told = statement(Past(load_desk(paths)), "month", EXCHANGE)
    assert told["days"] == 0
    assert told["pnl_usd"] is None
    assert told["wear_per_10k"] == {"n": 0, "value": None}
    assert told["hours"] == told["periods"] == told["drawdowns"] == []
