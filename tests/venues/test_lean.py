"""Recorded days: what a reader must drop, repair and count, and what it must say when it cannot read."""

import shutil
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.venues.exchange_hours import session_of
from daemon.venues.feeds.errors import FeedError
from daemon.venues.feeds.lean import LeanSpec, OptionKey, load_day, parse_lean_spec, recorded_contracts
from tests.support.lean_day import DAY, LeanDay, write_lean_day
from tests.support.recorded_data import LEAN_FOLDER, needs_recorded_day

MINUTE_US = 60_000_000
OPEN_MS = 34_200_000


def one_stock_day(folder: Path, rows: list[str], *, day: date = DAY, trades: list[str] | None = None) -> Path:
    stock = folder / "equity" / "usa" / "minute" / "abc"
    stock.mkdir(parents=True)
    for name, lines in (("quote", rows), ("trade", trades)):
        if lines is not None:
            with zipfile.ZipFile(stock / f"{day:%Y%m%d}_{name}.zip", "w") as archive:
                archive.writestr(f"{day:%Y%m%d}_abc_minute_{name}.csv", "\n".join(lines))
    return folder


def row(minute: int, bid: str, ask: str) -> str:
    sides = [",".join([price] * 4) + "," + ("100" if price else "") for price in (bid, ask)]
    return f"{OPEN_MS + minute * 60_000},{sides[0]},{sides[1]}"


def test_every_planted_oddity_is_counted_and_none_comes_out(lean_day: LeanDay) -> None:
    keys = recorded_contracts(lean_day.folder, lean_day.symbol, lean_day.day)
    assert len(keys) == 12
    day = load_day(lean_day.folder, lean_day.symbol, lean_day.day, keys)
    session = session_of(lean_day.day)
    assert session is not None
    assert len(day.times_us) == lean_day.minutes == 390
    assert (day.times_us[0], day.times_us[-1]) == (session.open_us + MINUTE_US, session.close_us)
    assert day.repairs.keys() == lean_day.planted.keys()
    for instrument, planted in lean_day.planted.items():
        repairs = day.repairs[instrument]
        for name in ("rows", "outside_session", "empty_sides", "sentinels", "crossed"):
            assert getattr(repairs, name) == getattr(planted, name), (instrument, name)
    for quotes in (day.underlying, *day.options.values()):
        assert len(quotes) == 390
        for quote in quotes:
            for price in (quote.bid, quote.ask):
                assert price is None or 0 < price < 100
            assert quote.bid is None or quote.ask is None or quote.bid <= quote.ask


def test_the_bar_is_a_quote_at_its_end_and_nothing_comes_from_before_the_open(tmp_path: Path) -> None:
    before = row(-1, "100000", "200000")
    rows = [before, row(2, "500000", "500200"), row(389, "510000", "510200"), row(390, "10000", "990000")]
    trades = [f"{OPEN_MS + 60_000},500100,500100,500100,500100,10"]
    day = load_day(one_stock_day(tmp_path, rows, trades=trades), "ABC", DAY)
    quotes = dict(zip(range(1, 391), day.underlying, strict=True))
    assert (quotes[1].bid, quotes[2].bid, quotes[3].bid, quotes[3].ask) == (None, None, 50.0, 50.02)
    assert (quotes[1].last, quotes[2].last, quotes[390].last) == (None, 50.01, 50.01)
    assert (quotes[389].bid, quotes[390].bid, quotes[390].ask) == (50.0, 51.0, 51.02)
    assert quotes[3].fresh
    assert not quotes[4].fresh
    assert day.repairs["ABC"].outside_session == 2


def test_a_missing_side_stays_a_sentinel_and_a_crossed_quote_do_not(tmp_path: Path) -> None:
    rows = [
        row(0, "500000", "500200"),
        row(1, "", "500300"),
        row(2, "1999999900", "500300"),
        row(3, "", "500400"),
        row(4, "500500", "500400"),
        row(5, "500100", ""),
        row(6, "-10000", "500300"),
        row(7, "500600", ""),
    ]
    day = load_day(one_stock_day(tmp_path, rows), "ABC", DAY)
    found = [(quote.bid, quote.ask) for quote in day.underlying[:8]]
    assert found == [
        (50.0, 50.02),
        (50.0, 50.03),  # the missing bid stays
        (None, 50.03),  # a sentinel is no quote
        (None, 50.04),  # and there is no older bid to come back to
        (None, None),  # crossed
        (50.01, None),
        (None, 50.03),
        (50.06, None),  # the older ask has been crossed by the newer bid
    ]
    repairs = day.repairs["ABC"]
    assert (repairs.empty_sides, repairs.sentinels, repairs.crossed, repairs.outlived) == (4, 2, 1, 1)
    assert str(repairs).startswith("rows 8, empty_sides 4, sentinels 2, crossed 1, outlived 1")


SIDES = st.none() | st.sampled_from([1_999_999_900, 0, -5]) | st.integers(499_000, 501_000)


@settings(max_examples=40, deadline=None)
@given(sides=st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=60))
def test_whatever_the_rows_say_no_absurd_or_crossed_quote_comes_out(
    sides: list[tuple[int | None, int | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [row(minute, *("" if side is None else str(side) for side in pair)) for minute, pair in enumerate(sides)]
    day = load_day(one_stock_day(tmp_path_factory.mktemp("rows"), rows), "ABC", DAY)
    written = [{pair[side] / 10_000 for pair in sides if pair[side] is not None} for side in (0, 1)]  # type: ignore[operator]
    for quote in day.underlying:
        for price, known in zip((quote.bid, quote.ask), written, strict=True):
            assert price is None or (49.9 <= price <= 50.1 and price in known)
        assert quote.bid is None or quote.ask is None or quote.bid <= quote.ask
    repairs = day.repairs["ABC"]
    assert repairs.empty_sides == sum(side is None for pair in sides for side in pair)
    assert repairs.minutes_without_bid == sum(quote.bid is None for quote in day.underlying)
    assert len(set(day.underlying[len(sides) :])) <= 1


def test_rows_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    rows = [row(1, "500100", "500200"), row(0, "500000", "500200")]
    day = load_day(one_stock_day(tmp_path, rows), "ABC", DAY)
    assert [quote.bid for quote in day.underlying[:3]] == [50.0, 50.01, 50.01]
    assert day.repairs["ABC"].out_of_order == 1


@pytest.mark.parametrize(
    ("day", "minutes", "first_utc_hour"), [(date(2014, 11, 28), 210, 14), (date(2014, 7, 3), 210, 13)]
)
def test_half_days_end_with_the_calendar_in_summer_and_winter(
    tmp_path: Path, day: date, minutes: int, first_utc_hour: int
) -> None:
    rows = [row(minute, "500000", "500200") for minute in range(-30, 400)]
    read = load_day(one_stock_day(tmp_path, rows, day=day), "ABC", day)
    assert len(read.times_us) == len(read.underlying) == minutes
    assert read.times_us[0] // 3_600_000_000 % 24 == first_utc_hour
    assert all(quote.fresh for quote in read.underlying)
    assert read.repairs["ABC"].outside_session == 430 - minutes


def test_specs_are_taken_apart() -> None:
    one = parse_lean_spec("lean:../data/lean:abc:20140605", base=Path("/somewhere"))
    assert one == LeanSpec(
        folder=Path("/somewhere/../data/lean"), symbol="ABC", first=date(2014, 6, 5), last=date(2014, 6, 5)
    )
    assert parse_lean_spec("lean:/a:b:X:20140605-20140630").last == date(2014, 6, 30)
    assert parse_lean_spec("lean:/a:b:X:20140605").folder == Path("/a:b")
    assert parse_lean_spec("lean:/abs:X:20140605", base=Path("/somewhere")).folder == Path("/abs")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("csv:x", "'csv:x' is not a recorded market: write lean:DIR:SYMBOL:YYYYMMDD"),
        ("lean:x:20140605", "is not a recorded market"),
        ("lean:x::20140605", "is not a recorded market"),
        ("lean:x:ABC:2014-06-05", "odd day '2014'"),
        ("lean:x:ABC:20140631", "'20140631', which is not in the calendar"),
        ("lean:x:ABC:20140605-20140604", "ends before it begins"),
    ],
)
def test_bad_specs_say_how_to_write_one(spec: str, message: str) -> None:
    with pytest.raises(FeedError, match=message):
        parse_lean_spec(spec)


def _cut(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        path = next(folder.rglob(name))
        path.write_bytes(path.read_bytes()[:50])

    return cut


def _rewritten(content: str) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        path = folder / "equity" / "usa" / "minute" / "zqx" / f"{DAY:%Y%m%d}_quote.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.csv", content)

    return rewrite


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, r"^no folder .*day: it must hold equity/ and option/"),
        (lambda folder: shutil.rmtree(folder / "equity"), r"^no folder .*zqx: ZQX was not recorded"),
        (lambda folder: next(folder.rglob("*10_quote.zip")).unlink(), r"^no file .*20140910_quote.zip: .* none$"),
        (lambda folder: next(folder.rglob("*american.zip")).unlink(), r"^no file .*_american.zip: no options"),
        (_cut("*10_quote.zip"), r"20140910_quote.zip cannot be read as a zip archive"),
        (_cut("*american.zip"), r"american.zip cannot be read as a zip archive"),
        (_rewritten("34200000,1,2"), r"20140910_quote.zip line 1: 3 fields, expected 11"),
        (_rewritten("34200000,a,a,a,a,1,2,2,2,2,1"), r"line 1: could not convert string to float: 'a'"),
        (_rewritten(""), r"20140910_quote.zip has no row of the regular session of 2014-09-10"),
        (_rewritten(row(-5, "500000", "500200")), r"has no row of the regular session"),
    ],
)
def test_whatever_is_missing_or_damaged_is_named(
    lean_day: LeanDay, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = tmp_path / "day"
    shutil.copytree(lean_day.folder, folder)
    damage(folder)
    with pytest.raises(FeedError, match=message) as caught:
        load_day(folder, lean_day.symbol, lean_day.day, (OptionKey(expiry="20141018", strike=50.0, right="C"),))
    assert "\n" not in str(caught.value)


def test_another_day_or_leg_is_answered_with_the_nearest(lean_day: LeanDay) -> None:
    with pytest.raises(FeedError, match=r"20140911_quote.zip: days recorded nearby: 20140910"):
        load_day(lean_day.folder, lean_day.symbol, date(2014, 9, 11))
    with pytest.raises(FeedError, match="20140913 is not a trading day of XNYS"):
        load_day(lean_day.folder, lean_day.symbol, date(2014, 9, 13))
    leg = OptionKey(expiry="20141019", strike=51.0, right="P")
    with pytest.raises(FeedError, match=r"no option ZQX 20141019 P 51 in .*: nearest are ZQX 20141018 P 50, "):
        load_day(lean_day.folder, lean_day.symbol, lean_day.day, (leg,))


def test_the_generated_day_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    first, second = write_lean_day(tmp_path / "a", seed=3), write_lean_day(tmp_path / "b", seed=3)
    for path in sorted(first.folder.rglob("*.zip")):
        assert path.read_bytes() == (second.folder / path.relative_to(first.folder)).read_bytes()


@needs_recorded_day
@pytest.mark.recorded
def test_the_recorded_day_reads_as_it_is_known() -> None:
    spec = parse_lean_spec(f"lean:{LEAN_FOLDER}:TWX:20140605")
    contracts = recorded_contracts(spec.folder, spec.symbol, spec.first)
    assert len(contracts) == 184
    near = tuple(
        key for key in contracts if 67.5 <= key.strike <= 72.5 and key.expiry in {"20140621", "20140719", "20141018"}
    )
    day = load_day(spec.folder, spec.symbol, spec.first, near)
    assert len(day.times_us) == 390
    assert all(quote.bid is not None and quote.ask is not None for quote in day.underlying)
    stock = day.repairs["TWX"]
    assert (stock.rows, stock.crossed, stock.sentinels, stock.empty_sides) == (390, 0, 0, 0)
    assert stock.outside_session > 0
    for key in near:
        repairs = day.repairs[key.instrument("TWX")]
        assert 0.05 < repairs.empty_sides / repairs.rows < 0.45
        for quote in day.options[key]:
            assert quote.bid is None or quote.ask is None or quote.bid <= quote.ask
