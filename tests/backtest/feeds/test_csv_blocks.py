"""Blocks of clean rows are read as arrays, and everybody sees what reading row by row would have shown."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.backtest.feeds import csv_lines, csv_source
from daemon.backtest.feeds.csv_blocks import BlockReader
from daemon.backtest.feeds.opening import open_feed
from daemon.backtest.leap.columns import ColumnarMarket
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.model import MarketStep
from state.runs.records import Finding
from state.times import us_from_iso
from tests.support.scalper import profile as scalper_profile

OPEN = us_from_iso("2014-06-05T09:30:00-04:00")
SECOND = 1_000_000
DAY = 86_400 * SECOND

Played = tuple[list[MarketStep], tuple[Finding, ...], str, str | None]


def play(file: Path, *, by_blocks: bool, patch: pytest.MonkeyPatch) -> Played:
    """The steps, the findings, the hash, and what ended it where that was an error."""
    patch.setattr(BlockReader, "is_able", property(lambda _: by_blocks))
    patch.setattr(csv_lines, "BLOCK_BYTES", 400)
    patch.setattr(csv_source, "SMALL_BYTES", 100)
    found: list[MarketStep] = []
    try:
        feed = open_feed(f"csv:{file}", scalper_profile(), base=file.parent)
        while (step := feed.market.next_step()) is not None:
            found.append(step)
    except FeedError as error:
        return found, (), "", str(error)
    return found, feed.findings(), feed.data_hash, None


_odd = st.sampled_from(
    ["", "{t},,70.02,", "{t},70.5,70.4,", "{t},0,70.02,70", "{t},nan,70.02,", "{t},70,70.02,70,5", "{t},x,70.02,", "9"]
)
_row = st.tuples(st.integers(0, 40), st.integers(6990, 7010), st.one_of(st.none(), st.none(), st.none(), _odd))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(_row, min_size=1, max_size=60), night_after=st.integers(0, 60), ascending=st.booleans())
def test_blocks_and_rows_are_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, str | None]],
    night_after: int,
    ascending: bool,
) -> None:
    file = tmp_path_factory.getbasetemp() / "blocks.csv"
    lines, at = ["ts_us,bid,ask,last"], OPEN
    for number, (gap, cents, odd) in enumerate(rows):
        at += (gap + ascending) * SECOND if number != night_after else DAY
        stamp = at if ascending else at - 5 * SECOND * (gap % 7)
        plain = f"{stamp},{cents / 100},{cents / 100 + 0.02:.2f},{cents / 100}"
        lines.append(plain if odd is None else odd.format(t=stamp))
    file.write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        by_rows = play(file, by_blocks=False, patch=patch)
        by_blocks = play(file, by_blocks=True, patch=patch)
    assert by_blocks == by_rows


@settings(max_examples=30, deadline=None)
@given(skips=st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_skipped_steps_are_those_that_were_announced(
    tmp_path_factory: pytest.TempPathFactory, skips: list[int]
) -> None:
    file = tmp_path_factory.getbasetemp() / "skips.csv"
    rows = [
        f"{OPEN + day * DAY + n * SECOND},{70 + n / 100:.2f},{70.02 + n / 100:.2f}" for day in (0, 1) for n in range(60)
    ]
    file.write_text("\n".join(["ts_us,bid,ask", *rows]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        wanted, _, _, _ = play(file, by_blocks=False, patch=patch)
        patch.setattr(BlockReader, "is_able", property(lambda _: True))
        feed = open_feed(f"csv:{file}", scalper_profile(), base=tmp_path_factory.getbasetemp())
        market = feed.market
        assert isinstance(market, ColumnarMarket)
        place, announced = 0, 0
        while True:
            ahead = market.upcoming()
            if ahead is not None:
                some = min(skips[place % len(skips)], len(ahead.ts_us))
                announced += len(ahead.ts_us)
                for index in range(some):
                    quote = wanted[place + index].quotes[0]
                    assert (ahead.ts_us[index], ahead.bid[index]) == (wanted[place + index].ts_us, quote.bid)
                    assert ahead.ask[index] == quote.ask
                market.skip(some)
                place += some
            step = market.next_step()
            if step is None:
                break
            assert step == wanted[place]
            place += 1
        assert place == len(wanted)
        assert announced > 0
