"""A whole run with and without leaps: the same tables and summary; and a market that is gathered gives what it gave."""

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from config.loader import LoadedProfile
from daemon.backtest import recorder
from daemon.backtest.leap import opening
from daemon.backtest.leap.columns import ColumnarMarket
from daemon.backtest.leap.gathering import GatheredMarket
from daemon.backtest.run import Result, run_backtest
from daemon.core.events import Session
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.model import MarketStep
from state.runs.records import Summary, VenueModel
from tests.backtest.leap.calm import calm_profile, calm_scenario
from tests.backtest.leap.scenarios import random_scenario
from tests.backtest.leap.side_by_side import FeedOf, Scenario, compare
from tests.support.tick_market import TickMarket


def played(scenario: Scenario, *, fast: bool, model: VenueModel | None = None) -> Result:
    profile = LoadedProfile(profile=scenario.profile, path=Path("calm.yaml"), hash="0" * 64, sources=())
    feed = FeedOf(scenario.market(), scenario.clock_every_ms)
    chosen = VenueModel() if model is None else model
    return run_backtest(profile, GammaScalper, feed, model=chosen, out=None, fast=fast)


def words(result: Result) -> list[str]:
    """The dictionary of the decision table's words, in the order in which they came."""
    column = result.decisions.column("state_code")
    found: list[str] = column.chunk(column.num_chunks - 1).dictionary.to_pylist()
    return found


def told(summary: Summary) -> Summary:
    """What a run says, but for how it went."""
    return msgspec.structs.replace(summary, path="core", seconds=0.0, created_ts="", version="")


@pytest.mark.parametrize("model", [VenueModel(), VenueModel(latency_ms=700, slippage_bps=1, partial_fill_shares=5)])
def test_a_run_with_leaps_leaves_the_same_tables(model: VenueModel) -> None:
    scenario = calm_scenario(5600)
    slow, fast = played(scenario, fast=False, model=model), played(scenario, fast=True, model=model)
    assert (slow.summary.path, fast.summary.path) == ("core", "leap")
    assert fast.decisions.equals(slow.decisions)
    assert words(fast) == words(slow)
    assert fast.equity.equals(slow.equity)
    assert fast.fills.equals(slow.fills)
    assert fast.fills.num_rows > 3
    assert told(fast.summary) == told(slow.summary)


def test_the_decision_files_of_both_are_byte_identical(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "ROW_GROUP", 300)
    written = []
    for fast in (False, True):
        file, decisions = pa.BufferOutputStream(), played(calm_scenario(2500), fast=fast).decisions
        with pq.ParquetWriter(file, decisions.schema) as writer:
            for batch in decisions.to_batches():
                writer.write_batch(batch)
        written.append(file.getvalue())
    assert pq.ParquetFile(pa.BufferReader(written[0])).num_row_groups > 8
    assert written[0].equals(written[1])


def test_a_wild_run_with_leaps_leaves_the_same_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "WORTH", 1)
    for seed in (3, 4, 5):
        scenario = random_scenario(seed, ticks=700)
        slow, fast = played(scenario, fast=False), played(scenario, fast=True)
        assert fast.decisions.equals(slow.decisions)
        assert fast.equity.equals(slow.equity)
        assert told(fast.summary) == told(slow.summary)


def test_no_leap_where_the_core_is_told_wider_quotes() -> None:
    assert played(calm_scenario(2000), fast=True, model=VenueModel(extra_spread_usd=0.02)).summary.path == "core"


def test_a_gathered_market_leaps_and_decides_alike() -> None:
    plain = calm_scenario(3000)
    parts = plain.market()
    assert isinstance(parts, ColumnarMarket)

    def gathered() -> TickMarket:
        return Counting(plain.market())  # type: ignore[return-value]

    found = compare(Scenario(profile=calm_profile(), market=gathered))
    assert found.leapt > 0.9 * found.ticks


def without_columns(market: TickMarket) -> TickMarket:
    """The market, knowing nothing of columns any more."""
    market.upcoming = market.skip = None  # type: ignore[assignment,method-assign]
    assert not isinstance(market, ColumnarMarket)
    return market


class Counting(GatheredMarket):
    """A gathered market that says where it is, as the comparison asks."""

    def __init__(self, market: TickMarket) -> None:
        super().__init__(without_columns(market))
        self.place = 0
        self._length = len(market)

    def __len__(self) -> int:
        return self._length

    def next_step(self) -> MarketStep | None:
        step = super().next_step()
        self.place += step is not None
        return step

    def skip(self, count: int) -> None:
        super().skip(count)
        self.place += count


class Damaged(TickMarket):
    """Its file is torn behind the tenth step."""

    def next_step(self) -> MarketStep | None:
        if self.place == 10:
            raise FeedError("torn at line 11")
        return super().next_step()


def test_what_is_wrong_further_on_is_raised_where_it_lies() -> None:
    times = np.arange(20, dtype=np.int64) * 1_000_000 + 10**15
    prices = np.full(20, 50.0)
    session = Session(date="2001-09-09", open_us=0, close_us=2 * 10**15)
    torn = Damaged(calm_scenario(1).market().contracts, (session,), times, prices, prices + 0.01)
    market = GatheredMarket(without_columns(torn))
    ahead = market.upcoming()
    assert ahead is not None
    assert len(ahead.ts_us) == 10
    market.skip(9)
    assert market.next_step() is not None
    with pytest.raises(FeedError, match="torn at line 11"):
        market.next_step()
