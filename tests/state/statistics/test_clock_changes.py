"""Hours of the day where clocks change: a desk that never closes, over the weekends on which they do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from state.statistics.digest import Curve
from state.statistics.executions import Hedge
from state.statistics.hours import by_hour_of_day, hours_of

STEP = timedelta(minutes=5)
CHANGES = [
    pytest.param("America/New_York", datetime(2026, 3, 7, 22, tzinfo=UTC), id="an hour left out"),
    pytest.param("America/New_York", datetime(2026, 10, 31, 22, tzinfo=UTC), id="an hour twice"),
    pytest.param("Europe/London", datetime(2026, 3, 28, 22, tzinfo=UTC), id="other days than New York"),
    pytest.param("Australia/Lord_Howe", datetime(2026, 4, 4, 6, tzinfo=UTC), id="half an hour twice"),
    pytest.param("Australia/Lord_Howe", datetime(2026, 10, 3, 6, tzinfo=UTC), id="half an hour left out"),
]


def moments(begin: datetime) -> list[datetime]:
    """A day and a half, which the change lies in."""
    return [begin + number * STEP for number in range(432)]


@pytest.mark.parametrize(("zone", "begin"), CHANGES)
def test_each_change_of_equity_stands_under_the_hour_that_the_clock_showed(zone: str, begin: datetime) -> None:
    times = pd.DatetimeIndex(moments(begin))
    assert len(set(times.tz_convert(ZoneInfo(zone)).map(lambda moment: moment.utcoffset()))) == 2
    chance = np.random.Generator(np.random.PCG64(3))
    equity = 1000 + chance.standard_normal(times.size).cumsum()
    ts_us = times.as_unit("us").asi8
    sent = times[::7]
    hedges = [
        Hedge(
            order_ref=str(number), ts_us=int(each), side="BUY", quantity=2.0, value_usd=20.0, executions=1,
            slippage_usd=None, slippage_bps=None,
        )
        for number, each in enumerate(sent.as_unit("us").asi8)
    ]  # fmt: skip
    rows = by_hour_of_day(
        Curve(ts_us=ts_us, equity_usd=equity, drawdown_pct=np.zeros(times.size)),
        hedges,
        ts_us[::3],
        day_starts_us=ts_us[:1],
        closes={0: 11.0},
        zone=ZoneInfo(zone),
    )
    before = (times[1:] - pd.Timedelta(microseconds=1)).tz_convert(ZoneInfo(zone)).hour
    wanted = pd.Series(np.diff(equity)).groupby(before.to_numpy()).sum()
    assert {row.hour: row.pnl_usd for row in rows} == pytest.approx(wanted.to_dict())
    assert sum(row.pnl_usd for row in rows) == pytest.approx(equity[-1] - equity[0])
    told = pd.Series(sent.tz_convert(ZoneInfo(zone)).hour).value_counts()
    assert {row.hour: row.hedges for row in rows if row.hedges} == told.to_dict()
    assert sum(row.hedge_pnl_usd or 0.0 for row in rows) == pytest.approx(2.0 * len(hedges))
    refused = pd.Series(times[::3].tz_convert(ZoneInfo(zone)).hour).value_counts()
    assert {row.hour: row.refused for row in rows if row.refused} == refused.to_dict()


@pytest.mark.parametrize(("zone", "begin"), CHANGES)
def test_the_hour_of_a_moment_is_the_clocks_own(zone: str, begin: datetime) -> None:
    times = moments(begin)
    found = hours_of(np.array([int(each.timestamp()) * 1_000_000 for each in times]), ZoneInfo(zone))
    assert found.tolist() == [each.astimezone(ZoneInfo(zone)).hour for each in times]
