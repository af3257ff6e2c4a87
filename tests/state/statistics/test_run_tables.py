"""A backtest's tables as a past: nights, stretches, missing columns, and files that are none."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from state.runs.folder import BacktestPaths
from state.statistics.executions import hedges, marked_usd
from state.statistics.hours import hours_of
from state.statistics.measures import wear
from state.statistics.past import Past
from state.statistics.run_tables import (
    RunTableError,
    load_run,
    refusal_stretches,
    session_codes,
    sessions,
    source_of_tables,
)
from state.times import us_from_iso

MONDAY_US = us_from_iso("2026-11-16T14:30:00Z")
MINUTE_US = 60_000_000
NIGHT_US = 12 * 60 * MINUTE_US
MONDAY, TUESDAY = "2026-11-16", "2026-11-17"
TUESDAY_US = MONDAY_US + 24 * 60 * MINUTE_US


def decisions(*rows: tuple[int, str | None, str | None]) -> pa.Table:
    """(time, session, refusing rule)."""
    words = pa.dictionary(pa.int32(), pa.string())
    return pa.table(
        {
            "ts_us": pa.array([row[0] for row in rows], pa.int64()),
            "session": pa.array([row[1] for row in rows], pa.string()).cast(words),
            "refused": pa.array([row[2] for row in rows], pa.string()).cast(words),
            "needed": [row[2] is not None for row in rows],
            "hedged": [False for _ in rows],
        }
    )


def equity(**columns: list[Any]) -> pa.Table:
    base: dict[str, list[Any]] = {
        "ts_us": [MONDAY_US, MONDAY_US + MINUTE_US, TUESDAY_US, TUESDAY_US + MINUTE_US],
        "session": [MONDAY, MONDAY, TUESDAY, TUESDAY],
        "equity_usd": [1000.0, 1010.0, 1004.0, 1024.0],
        "day_pnl_usd": [0.0, 10.0, -6.0, 14.0],
        "traded_usd": [0.0, 500.0, 0.0, 700.0],
        "spot": [50.0, 51.0, 51.0, 52.0],
    }
    return pa.table({**base, **columns})


def fills(*rows: tuple[int, str, float, float]) -> pa.Table:
    """(time, side, shares, price)."""
    return pa.table(
        {
            "ts_us": pa.array([row[0] for row in rows], pa.int64()),
            "order_ref": [f"o{number}" for number, _ in enumerate(rows)],
            "side": [row[1] for row in rows],
            "quantity_shares": pa.array([row[2] for row in rows], pa.float64()),
            "price": pa.array([row[3] for row in rows], pa.float64()),
        }
    )


def test_a_night_belongs_to_the_session_before_it_and_what_comes_before_all_to_its_own_day() -> None:
    table = decisions(
        (MONDAY_US - NIGHT_US, None, None),
        (MONDAY_US, MONDAY, None),
        (MONDAY_US + NIGHT_US, None, None),
        (TUESDAY_US, TUESDAY, None),
    )
    assert sessions(table) == [MONDAY, MONDAY, MONDAY, TUESDAY]
    assert sessions(table.slice(0, 1)) == ["2026-11-16"]
    assert sessions(table.drop_columns(["session"])) == [MONDAY, MONDAY, TUESDAY, TUESDAY]
    codes, _ = session_codes(table.slice(0, 0))
    assert codes.size == 0


def test_a_stretch_ends_with_another_refusal_with_none_and_with_a_new_session() -> None:
    rows = [
        (MONDAY_US, MONDAY, "a"),
        (MONDAY_US + 1, MONDAY, "a"),
        (MONDAY_US + 2, MONDAY, "b"),
        (MONDAY_US + 3, MONDAY, None),
        (MONDAY_US + 4, MONDAY, "b"),
        (MONDAY_US + NIGHT_US, None, "b"),
        (TUESDAY_US, TUESDAY, "b"),
    ]
    table = decisions(*rows)
    assert refusal_stretches(table) == [(0, 2, "a"), (2, 3, "b"), (4, 6, "b"), (6, 7, "b")]
    assert refusal_stretches(table.slice(0, 0)) == []
    plain = table.set_column(table.column_names.index("refused"), "refused", pa.array([row[2] for row in rows]))
    assert refusal_stretches(plain) == refusal_stretches(table)


def test_days_their_wear_and_their_refusals_by_hand() -> None:
    told = decisions((MONDAY_US, MONDAY, "a"), (MONDAY_US + 1, MONDAY, "a"), (TUESDAY_US, TUESDAY, "a"))
    past = Past(
        source_of_tables(equity(), fills((MONDAY_US, "BUY", 10.0, 50.0), (TUESDAY_US, "SELL", 5.0, 51.5)), told)
    )
    assert [(day.day, day.pnl_usd, day.closing_price) for day in past.days] == [
        (MONDAY, 10.0, 51.0),
        (TUESDAY, 14.0, 52.0),
    ]
    assert past.total is not None
    assert past.total.wear_per_10k == pytest.approx(-24 / 1200 * 10_000)
    assert past.total.wear_days == 2
    assert past.refused == {"a": 2}
    rows = past.by_hour_of_day("America/New_York")
    assert [(row.hour, row.pnl_usd, row.days, row.won) for row in rows] == [(9, 30.0, 2, 2), (None, -6.0, 1, 0)]
    assert rows[0].hedge_pnl_usd == pytest.approx(10 * (51 - 50) - 5 * (52 - 51.5))
    assert (rows[0].hedges, rows[0].marked, rows[0].refused) == (2, 2, 2)


def test_wear_is_none_where_nothing_was_traded_and_negative_where_it_earned() -> None:
    assert wear([]).value is None
    assert wear([(5.0, 0.0)]).value is None
    assert wear([(5.0, 0.0)]).n == 1
    assert wear([(-3.0, 10_000.0), (1.0, 10_000.0)]).value == pytest.approx(1.0)
    assert wear([(4.0, 10_000.0)]).value == pytest.approx(-4.0)


def test_a_hedge_without_side_or_close_is_not_marked() -> None:
    table = fills((MONDAY_US, "BUY", 10.0, 50.0), (MONDAY_US + 1, "SELL", 4.0, 50.0))
    source = source_of_tables(equity(), table, decisions())
    bought, sold = source.hedges
    assert (marked_usd(bought, 51.0), marked_usd(sold, 51.0)) == (10.0, -4.0)
    assert marked_usd(bought, None) is None
    assert hedges([]) == ()


def test_hours_follow_the_zone_over_the_change_of_the_clocks() -> None:
    before, after = us_from_iso("2026-10-30T13:45:00Z"), us_from_iso("2026-11-02T14:45:00Z")
    times = np.array([before, after], dtype=np.int64)
    assert hours_of(times, ZoneInfo("America/New_York")).tolist() == [9, 9]
    assert hours_of(times, ZoneInfo("UTC")).tolist() == [13, 14]
    assert hours_of(times, ZoneInfo("Asia/Kathmandu")).tolist() == [19, 20]
    assert hours_of(times[:0], ZoneInfo("UTC")).size == 0


def test_what_is_no_table_of_a_backtest_is_named(tmp_path: Path) -> None:
    paths = BacktestPaths(tmp_path)
    pq.write_table(equity(), paths.equity)
    pq.write_table(fills(), paths.fills)
    with pytest.raises(RunTableError, match=r"decisions\.parquet: missing"):
        load_run(paths)
    pq.write_table(decisions(), paths.decisions)
    assert len(load_run(paths).days) == 2
    pq.write_table(pa.table({"x": [1]}), paths.decisions)
    with pytest.raises(RunTableError, match="not those of a backtest"):
        load_run(paths)
    paths.decisions.write_bytes(b"PAR1")
    with pytest.raises(RunTableError, match="cannot be read"):
        load_run(paths)


def test_values_that_are_not_known_are_no_points_and_no_days_figures() -> None:
    nan = float("nan")
    table = equity(equity_usd=[nan, 1010.0, nan, nan], day_pnl_usd=[nan, 10.0, nan, nan], spot=[nan] * 4)
    past = Past(source_of_tables(table, fills(), decisions()))
    assert past.curve.ts_us.size == 1
    assert [(day.pnl_usd, day.closing_price) for day in past.days] == [(10.0, None), (None, None)]
    assert past.by_hour_of_day() == ()
