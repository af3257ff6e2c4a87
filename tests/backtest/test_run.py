"""A whole run: what it leaves in its folder, and what it says when it came to nothing, or not to its end."""

import errno
import itertools
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from daemon.backtest import recorder, run_folder
from daemon.backtest.feeds.opening import open_feed
from daemon.backtest.run import Result, run_backtest
from daemon.backtest.run_folder import RunFolder, RunFolderError
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.model import SimContract, SimQuote
from examples.recompute_pnl import main as recompute
from state.runs.folder import BacktestPaths
from state.runs.records import Progress, Summary, VenueModel
from tests.support.expiring_market import ExpiringFeed
from tests.support.lean_day import write_lean_day
from tests.support.path_feed import PathFeed
from tests.support.straddle import FREE, over, session, straddle, times

NEW_YORK = ZoneInfo("America/New_York")
LIVELY = {"gates__state__delta__threshold_hedge_shares": 50.0, "gates__state__delta__epsilon_band": 20.0}


def path(steps: int = 60, seed: int = 5) -> list[tuple[int, float]]:
    moves = np.random.Generator(np.random.PCG64(seed)).standard_normal(steps + 1) * 0.3
    return list(zip(times(steps), (100 + np.cumsum(moves)).round(2).tolist(), strict=True))


def paths(folder: Path) -> BacktestPaths:
    return BacktestPaths(folder / "run")


def summary_of(found: BacktestPaths) -> Summary:
    return msgspec.json.decode(found.summary.read_bytes(), type=Summary)


def progress_of(found: BacktestPaths) -> Progress:
    return msgspec.json.decode(found.progress.read_bytes(), type=Progress)


def backtest(feed: Any, out: BacktestPaths | None = None, **settings: Any) -> Result:
    return run_backtest(straddle(contracts=10.0, **settings), GammaScalper, feed, model=FREE, out=out)


def feed_of(moments: list[tuple[int, float]]) -> PathFeed:
    loaded = straddle()
    return PathFeed(loaded.profile.underlying.symbol, loaded.profile.legs, session(), moments)


def breaking(feed: PathFeed, after: int, error: BaseException) -> PathFeed:
    """The feed whose market raises after so many steps."""
    plain: Callable[[], Any] = feed.market.next_step
    count = itertools.count()

    def next_step() -> Any:
        if next(count) >= after:
            raise error
        return plain()

    feed.market.next_step = next_step  # type: ignore[method-assign]
    return feed


def test_the_same_decisions_leave_the_same_bytes(tmp_path: Path) -> None:
    folders = [BacktestPaths(tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        over(straddle(contracts=10.0, **LIVELY), path(), model=VenueModel(latency_ms=700), out=folder)
    for name in ("decisions", "equity", "fills"):
        one, two = (getattr(folder, name).read_bytes() for folder in folders)
        assert one == two, name
    one, two = (msgspec.structs.asdict(summary_of(folder)) for folder in folders)
    for name in ("run_id", "created_ts", "seconds"):
        del one[name], two[name]
    assert one == two


def test_a_folder_holds_whole_files_and_its_progress_says_finished(tmp_path: Path) -> None:
    ran = over(straddle(contracts=10.0, **LIVELY), path(), out=paths(tmp_path))
    names = sorted(each.name for each in paths(tmp_path).folder.iterdir())
    assert names == ["decisions.parquet", "equity.parquet", "fills.parquet", "progress.json", "summary.json"]
    assert summary_of(paths(tmp_path)) == ran.summary
    assert ran.summary.status == "finished"
    assert (progress_of(paths(tmp_path)).status, progress_of(paths(tmp_path)).done) == ("finished", 1.0)
    table = pq.read_table(paths(tmp_path).decisions)
    assert table.equals(ran.decisions)
    assert table.num_rows == ran.summary.decisions > 61
    assert sum(table["hedged"].to_pylist()) == ran.summary.hedged == ran.figures.hedges > 5
    assert table["ts_us"].to_pylist() == sorted(set(table["ts_us"].to_pylist()))


def test_another_run_is_never_written_over(tmp_path: Path) -> None:
    over(straddle(), path(3), out=paths(tmp_path))
    before = paths(tmp_path).summary.read_bytes()
    with pytest.raises(RunFolderError, match="holds a run already"):
        over(straddle(), path(3), out=paths(tmp_path))
    assert paths(tmp_path).summary.read_bytes() == before


def test_of_two_runs_that_begin_at_once_under_one_name_one_alone_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one looks while the first has looked and not yet written."""
    plain = RunFolder.tell
    refused: list[str] = []

    def other_comes_first(folder: RunFolder, *told: Any, **more: Any) -> None:
        if not refused:
            refused.append("not refused")
            with monkeypatch.context() as of_another:
                of_another.setattr("os.getpid", lambda: 4_000_000)
                with pytest.raises(RunFolderError, match="holds a run already"):
                    RunFolder(paths(tmp_path)).begin("the other")
                refused[:] = ["refused"]
        plain(folder, *told, **more)

    monkeypatch.setattr(RunFolder, "tell", other_comes_first)
    over(straddle(), path(3), out=paths(tmp_path))
    assert refused == ["refused"]
    assert summary_of(paths(tmp_path)).status == "finished"


def test_row_groups_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = VenueModel(latency_ms=2_000, partial_fill_shares=7, partial_fill_each_step=True)
    whole = over(straddle(contracts=10.0, **LIVELY), path(), model=model, out=BacktestPaths(tmp_path / "whole"))
    monkeypatch.setattr(recorder, "ROW_GROUP", 3)
    parts = over(straddle(contracts=10.0, **LIVELY), path(), model=model, out=BacktestPaths(tmp_path / "parts"))
    assert pq.ParquetFile(tmp_path / "parts" / "decisions.parquet").num_row_groups > 4
    assert parts.decisions.to_pylist() == whole.decisions.to_pylist()
    assert parts.figures == whole.figures
    assert parts.summary.refused == whole.summary.refused


def test_an_interrupted_run_keeps_what_there_was_and_says_so(tmp_path: Path) -> None:
    result = backtest(breaking(feed_of(path()), 20, KeyboardInterrupt()), paths(tmp_path), **LIVELY)
    assert result.summary.status == progress_of(paths(tmp_path)).status == "interrupted"
    assert summary_of(paths(tmp_path)).status == "interrupted"
    assert result.summary.figures is not None
    stamps = result.decisions["ts_us"].to_pylist()
    assert path()[18][0] <= stamps[-1] < path()[20][0]
    assert recompute(paths(tmp_path).folder) == 0


def test_data_that_breaks_midway_fails_the_run_with_its_one_line(tmp_path: Path) -> None:
    result = backtest(
        breaking(feed_of(path()), 20, FeedError("day2.zip: no zip file; fetch it again")), paths(tmp_path)
    )
    assert (result.summary.status, result.summary.figures) == ("failed", None)
    assert summary_of(paths(tmp_path)).problem == "day2.zip: no zip file; fetch it again"
    assert progress_of(paths(tmp_path)).status == "failed"


def test_a_bug_leaves_no_half_table_and_is_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        backtest(breaking(feed_of(path()), 20, RuntimeError("a bug")), paths(tmp_path))
    assert [each.name for each in paths(tmp_path).folder.iterdir()] == ["progress.json"]
    assert progress_of(paths(tmp_path)).status == "failed"


def test_nothing_to_play_is_no_success() -> None:
    result = backtest(feed_of([]))
    assert (result.summary.status, result.summary.figures, result.decisions.num_rows) == ("failed", None, 0)
    assert "no moment to play" in str(result.summary.problem)


def test_a_night_alone_is_no_success() -> None:
    night = [(session().close_us + minute * 60_000_000, 100.0) for minute in range(1, 5)]
    result = backtest(feed_of(night))
    assert (result.summary.status, result.summary.figures) == ("failed", None)
    assert result.summary.problem is not None


def test_legs_without_any_price_are_no_success() -> None:
    feed = feed_of(path(5))
    feed.market._option = lambda contract, ts_us, spot: SimQuote(  # type: ignore[method-assign]
        instrument=contract.instrument, bid=None, ask=None
    )
    loaded = straddle()
    profile = msgspec.structs.replace(
        loaded.profile, greeks=msgspec.structs.replace(loaded.profile.greeks, volatility="implied")
    )
    unpriced = msgspec.structs.replace(loaded, profile=profile)
    result = run_backtest(unpriced, GammaScalper, feed, model=FREE, out=None)
    assert (result.summary.status, result.summary.figures) == ("failed", None)
    assert "TWX 20141017 C 100" in str(result.summary.problem)
    assert "no_net_delta" in [each.code for each in result.summary.findings]


def test_a_result_that_ends_at_a_models_value_says_so() -> None:
    """A leg that nobody quotes is valued by its model: every figure is then the model's word, and is not a market's."""
    quoted = backtest(feed_of(path()))
    assert "modelled_close" not in [each.code for each in quoted.summary.findings]
    feed = feed_of(path())
    plain = feed.market._option

    def put_unquoted(contract: SimContract, ts_us: int, spot: float) -> SimQuote:
        is_put = contract.right == "P"
        return SimQuote(instrument=contract.instrument, bid=None, ask=None) if is_put else plain(contract, ts_us, spot)

    feed.market._option = put_unquoted  # type: ignore[method-assign]
    told = [each for each in backtest(feed).summary.findings if each.code == "modelled_close"]
    assert [(each.count, each.detail) for each in told] == [(1, "TWX 20141017 P 100")]


def test_positions_that_the_profile_does_not_name_fail_the_run() -> None:
    loaded = straddle()
    bare = msgspec.structs.replace(loaded, profile=msgspec.structs.replace(loaded.profile, simulator=None))
    result = run_backtest(bare, GammaScalper, feed_of(path(3)), model=FREE, out=None)
    assert result.summary.status == "failed"
    assert "simulator.positions" in str(result.summary.problem)


def test_what_refuses_every_hedge_is_flagged_with_its_numbers() -> None:
    ran = over(straddle(contracts=10.0, gates__guard__risk__max_daily_hedge_count=0, **LIVELY), path())
    (found,) = ran.summary.findings
    assert found.code == "never_hedged"
    assert found.count == ran.summary.needed == ran.summary.refused["max_daily_hedge_count"] > 5
    assert "max_daily_hedge_count" in found.text
    assert 0 < ran.summary.new_refusals["max_daily_hedge_count"] <= found.count
    refused = [row for row in ran.decisions.to_pylist() if row["refused"] is not None]
    assert {(row["refused"], row["limit"]) for row in refused} == {("max_daily_hedge_count", 0.0)}
    assert not any(row["hedged"] for row in ran.decisions.to_pylist())


def test_a_halt_stands_to_the_end_and_is_flagged_with_its_moment() -> None:
    falling = [(ts_us, 100 - number * 0.5) for number, (ts_us, _) in enumerate(path())]
    ran = over(
        straddle(contracts=-100.0, gates__guard__risk__max_daily_loss_usd=500.0, **LIVELY), falling, model=VenueModel()
    )
    halted = next(each for each in ran.summary.findings if each.code == "halted")
    assert "daily_loss" in halted.text
    assert halted.first_ts is not None
    rows = ran.decisions.to_pylist()
    late = [row for row in rows if row["ts"].isoformat()[:19] > halted.first_ts[:19]]
    assert len(late) > 5
    assert not any(row["hedged"] for row in late)
    assert ran.summary.refused["halted"] > 5
    (day,) = ran.summary.days
    assert day.refusals == sum(row["refused"] is not None and row["session"] == day.day for row in rows) > 5


def test_a_late_order_fills_at_the_first_moment_after_it_arrives_and_the_table_says_at_what_price() -> None:
    moments = path(20, seed=2)
    now = over(straddle(contracts=10.0, **LIVELY), moments)
    late = over(straddle(contracts=10.0, **LIVELY), moments, model=msgspec.structs.replace(FREE, latency_ms=250.0))
    spots = dict(moments)
    times_us = sorted(spots)
    for ran, steps in ((now, 0), (late, 1)):
        hedged = [row for row in ran.decisions.to_pylist() if row["hedged"] and row["filled_shares"]]
        assert len(hedged) >= 3
        for row in hedged:
            assert row["price"] == pytest.approx(spots[times_us[times_us.index(row["ts_us"]) + steps]]), row
            assert row["filled_shares"] == row["quantity_shares"]
    assert late.figures.attribution.slippage_usd != 0


def test_a_hedge_in_slices_has_the_average_of_its_fills() -> None:
    model = msgspec.structs.replace(FREE, partial_fill_shares=20.0, partial_fill_each_step=True)
    ran = over(straddle(contracts=10.0, **LIVELY), path(), model=model)
    fills = ran.fills.to_pylist()
    sliced = [row for row in ran.decisions.to_pylist() if row["hedged"] and (row["filled_shares"] or 0) > 20]
    assert sliced
    for row in sliced:
        own = [fill for fill in fills if fill["order_ref"] == row["order_ref"]]
        assert len(own) > 1
        assert all(fill["quantity_shares"] <= 20 for fill in own)
        value = sum(fill["price"] * fill["quantity_shares"] for fill in own)
        assert row["price"] == pytest.approx(value / row["filled_shares"])


def test_days_with_an_expiry_inside_add_up_and_are_recomputed_to_the_cent(tmp_path: Path) -> None:
    from tests.backtest.test_settlement import FRIDAY, MONDAY, NOVEMBER, SATURDAY, THURSDAY, TUESDAY, desk

    profile = desk([("C", 70.0, SATURDAY, 10.0), ("P", 70.0, SATURDAY, -5.0), ("C", 71.0, NOVEMBER, 5)])
    loaded = msgspec.structs.replace(straddle(), profile=profile)
    days: dict[date, tuple[float, float]] = {
        THURSDAY: (70.0, 71.0),
        FRIDAY: (71.0, 73.25),
        MONDAY: (75.0, 77.0),
        TUESDAY: (72.0, 69.0),
    }
    feed = ExpiringFeed("TWX", profile.legs, days)
    result = run_backtest(loaded, GammaScalper, feed, model=VenueModel(), out=paths(tmp_path))
    figures = result.summary.figures
    assert figures is not None
    assert [row.day for row in result.summary.days] == [day.isoformat() for day in days]
    assert sum(row.pnl_usd for row in result.summary.days) == pytest.approx(figures.pnl_usd, abs=1e-6)
    assert [each.code for each in result.summary.findings] == ["expired_inside", "expired_inside"]
    of = figures.attribution
    earned = of.delta_usd + of.gamma_usd + of.theta_usd + of.vega_usd + of.other_usd
    assert earned - of.slippage_usd - of.commission_usd == pytest.approx(of.total_usd, abs=1e-6)
    assert recompute(paths(tmp_path).folder) == 0


def test_a_day_is_marked_by_the_quote_of_its_close(tmp_path: Path) -> None:
    from tests.backtest.test_settlement import FRIDAY, NOVEMBER, THURSDAY, desk

    profile = desk([("C", 71.0, NOVEMBER, 5)])
    loaded = msgspec.structs.replace(straddle(), profile=profile)
    days = {THURSDAY: (70.0, 71.0), FRIDAY: (71.5, 69.0)}
    out = paths(tmp_path)
    result = run_backtest(loaded, GammaScalper, ExpiringFeed("TWX", profile.legs, days), model=VenueModel(), out=out)
    curve = {row["session"]: row for row in result.equity.to_pylist()}  # the last row of each
    for told, (day, (_, close)) in zip(result.summary.days, days.items(), strict=True):
        last = curve[day.isoformat()]
        assert last["spot"] == pytest.approx(close)
        assert last["equity_usd"] == pytest.approx(told.equity_usd)
        assert last["day_pnl_usd"] == pytest.approx(told.pnl_usd)
        assert last["ts"].astimezone(NEW_YORK).hour == 16
    assert result.summary.figures is not None
    assert result.equity.to_pylist()[-1]["equity_usd"] == pytest.approx(result.summary.figures.final_equity_usd)
    assert recompute(out.folder) == 0


@pytest.mark.parametrize(
    ("columns", "cells", "source"),
    [("", ("", ""), 0.2), (",volatility", (",", ",0.2"), 0.2), (",volatility", (",", ",0.2"), "implied")],
    ids=["never quoted", "quoted later", "priced later"],
)
def test_the_base_is_of_the_whole_account_though_its_legs_are_not_quoted(
    tmp_path: Path, columns: str, cells: tuple[str, str], source: float | str
) -> None:
    loaded = straddle(contracts=10.0, volatility=source)  # type: ignore[arg-type]
    rows = [f"{ts_us},100,100.02{cells[number >= 5]}" for number, (ts_us, _) in enumerate(path(20))]
    (tmp_path / "quotes.csv").write_text("\n".join((f"ts_us,bid,ask{columns}", *rows)) + "\n")
    feed = open_feed("csv:quotes.csv", loaded.profile, base=tmp_path)
    figures = run_backtest(loaded, GammaScalper, feed, model=FREE, out=None).summary.figures
    assert figures is not None
    years = 30.3 / 365
    straddle_usd = 2 * 100 * 0.2 * (years / (2 * np.pi)) ** 0.5  # at the money, to a cent or two
    assert figures.base_equity_usd == pytest.approx(1e7 + 10 * 100 * straddle_usd, abs=60)
    assert figures.final_equity_usd == pytest.approx(figures.base_equity_usd + figures.pnl_usd)


def test_a_generated_day_is_recomputed_to_the_cent(tmp_path: Path) -> None:
    made = write_lean_day(tmp_path)
    held = straddle(contracts=10.0)
    positions = tuple(
        msgspec.structs.replace(each, strike=leg.strike, expiry=leg.expiry)
        for each, leg in zip(held.profile.simulator.positions, made.legs, strict=True)  # type: ignore[union-attr]
    )
    profile = msgspec.convert(
        {
            **msgspec.to_builtins(held.profile),
            "underlying": {"symbol": made.symbol},
            "legs": [msgspec.to_builtins(leg) for leg in made.legs],
            "simulator": {"cash_usd": 1e6, "positions": msgspec.to_builtins(positions)},
        },
        type(held.profile),
    )
    loaded = msgspec.structs.replace(held, profile=profile)
    feed = open_feed(made.spec, profile, base=tmp_path)
    result = run_backtest(loaded, GammaScalper, feed, model=VenueModel(), out=paths(tmp_path))
    assert result.summary.status == "finished"
    assert result.summary.hedged > 20
    assert recompute(paths(tmp_path).folder) == 0


def test_a_run_may_keep_no_decisions_and_says_the_same() -> None:
    loaded, moments = straddle(contracts=10.0, **LIVELY), path()
    kept, dropped = (
        run_backtest(loaded, GammaScalper, feed_of(moments), model=FREE, out=None, keep_decisions=keep)
        for keep in (True, False)
    )
    assert dropped.decisions.num_rows == 0
    assert kept.decisions.num_rows == dropped.summary.decisions > 60
    assert dropped.summary.figures == kept.summary.figures
    assert dropped.equity.equals(kept.equity)


def test_a_disk_that_takes_nothing_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_folder, "replace_file", full)
    with pytest.raises(RunFolderError, match="No space left"):
        RunFolder(paths(tmp_path)).begin("opening")
    assert not paths(tmp_path).folder.exists()


def test_a_disk_that_takes_no_more_at_the_end_leaves_no_table_and_says_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = pq.write_table

    def nearly_full(table: Any, where: Path, **more: Any) -> None:
        if "fills" in where.name:
            where.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(table, where, **more)

    monkeypatch.setattr(pq, "write_table", nearly_full)
    with pytest.raises(RunFolderError, match="No space left"):
        over(straddle(), path(3), out=paths(tmp_path))
    assert [each.name for each in paths(tmp_path).folder.iterdir()] == ["progress.json"]
    assert progress_of(paths(tmp_path)).status == "failed"
    assert "No space left" in progress_of(paths(tmp_path)).text


def test_shares_that_are_closed_after_the_last_leg_have_a_row_too(tmp_path: Path) -> None:
    from tests.backtest.test_settlement import FRIDAY, MONDAY, SATURDAY, THURSDAY, desk

    profile = desk([("C", 70.0, SATURDAY, 10.0)])
    loaded = msgspec.structs.replace(straddle(), profile=profile)
    feed = ExpiringFeed("TWX", profile.legs, {THURSDAY: (70.0, 71.0), FRIDAY: (71.0, 69.0), MONDAY: (69.5, 71.0)})
    result = run_backtest(loaded, GammaScalper, feed, model=VenueModel(), out=paths(tmp_path))
    assert "no_legs_left" in [each.code for each in result.summary.findings]
    rows = result.decisions.to_pylist()
    assert rows[-1]["own_shares"] == 0.0
    traded = sum((1 if row["side"] == "BUY" else -1) * row["filled_shares"] for row in rows if row["hedged"])
    assert traded == 0.0
    assert sum(row["filled_shares"] for row in rows if row["hedged"]) > 100
    assert recompute(paths(tmp_path).folder) == 0


def test_legs_that_no_file_quotes_are_recomputed_over_days_and_no_minute_counts_yesterday_twice(
    tmp_path: Path,
) -> None:
    """Their opening marks are the model's: a guess, which the next day's opening must not take the place of."""
    lines = ["ts_us,bid,ask"]
    price = 100.0
    for day in (0, 1, 2):
        for minute in range(1, 60, 4):
            price += 0.11 * (-1) ** minute * (minute % 7) + 0.2
            at_us = session().open_us + (day * 86_400 + minute * 60) * 1_000_000
            lines.append(f"{at_us},{price - 0.01:.2f},{price + 0.01:.2f}")
    (tmp_path / "quotes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    loaded = straddle(contracts=10.0, **LIVELY)
    feed = open_feed("csv:quotes.csv", loaded.profile, base=tmp_path)
    result = run_backtest(loaded, GammaScalper, feed, model=VenueModel(), out=paths(tmp_path))
    figures = result.summary.figures
    assert figures is not None
    assert figures.days == 3
    assert len({row["option_cost_usd"] for row in result.decisions.to_pylist()}) == 1
    assert recompute(paths(tmp_path).folder) == 0
    for row in result.equity.to_pylist():
        assert row["pnl_usd"] == pytest.approx(row["equity_usd"] - figures.base_equity_usd, abs=1e-6)
