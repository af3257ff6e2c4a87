"""Recorded days in sequence: order, oddities, and what is refused."""

import shutil
import tracemalloc
import zipfile
from datetime import date
from pathlib import Path

import msgspec
import pytest

from config.schema import Leg, Profile
from daemon.backtest.feeds.opening import open_feed, session_days
from daemon.venues.exchange_hours import sessions_between
from daemon.venues.feeds.errors import FeedError
from tests.backtest.feeds.stepping import counts, refusal, steps
from tests.support.lean_day import SYMBOL, LeanDay, write_lean_day
from tests.support.scalper import profile as scalper_profile

WEDNESDAY, THURSDAY, FRIDAY = date(2014, 9, 10), date(2014, 9, 11), date(2014, 9, 12)
CALL = f"{SYMBOL} 20141018 C 50"


def desk(*legs: Leg) -> Profile:
    return scalper_profile(underlying__symbol=SYMBOL, legs=legs)


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> LeanDay:
    folder = tmp_path_factory.mktemp("lean")
    write_lean_day(folder, day=WEDNESDAY)
    return write_lean_day(folder, day=FRIDAY, seed=12)


def spec(folder: Path, first: date, last: date) -> str:
    return f"lean:{folder}:{SYMBOL}:{first:%Y%m%d}-{last:%Y%m%d}"


def copied(recorded: LeanDay, folder: Path) -> Path:
    shutil.copytree(recorded.folder, folder, dirs_exist_ok=True)
    return folder


def option_file(folder: Path, day: date) -> Path:
    return folder / "option" / "usa" / "minute" / SYMBOL.lower() / f"{day:%Y%m%d}_quote_american.zip"


def stock_file(folder: Path, day: date) -> Path:
    return folder / "equity" / "usa" / "minute" / SYMBOL.lower() / f"{day:%Y%m%d}_quote.zip"


def rewrite(path: Path, keep: dict[str, str | None]) -> None:
    """Members whose name holds a key get its text, or go where that is None."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            found = next((key for key in keep if key in name), None)
            if found is None:
                archive.writestr(name, text)
            elif (other := keep[found]) is not None:
                archive.writestr(name, other)


def test_days_follow_each_other_and_the_missing_one_is_flagged(two_days: LeanDay, tmp_path: Path) -> None:
    feed = open_feed(spec(two_days.folder, WEDNESDAY, FRIDAY), desk(*two_days.legs), base=tmp_path)
    assert feed.done() == 0.0
    found = steps(feed)
    assert len(found) == 2 * 390
    assert [step.is_open for step in found].count(False) == 2
    assert counts(feed)["missing_day"] == 1
    assert "2014-09-11" in feed.findings()[0].text
    # Nothing is carried over: the second day's call has no ask before its own first one.
    opening = next(quote for quote in found[390].quotes if quote.instrument == CALL)
    assert (opening.bid is not None, opening.ask) == (True, None)
    planted = counts(feed)
    assert planted["outside_session"] == 2 * (5 + 1 + 1)
    assert planted["crossed"] >= 2
    assert session_days(feed.spec, desk(*two_days.legs), base=tmp_path) == (WEDNESDAY, FRIDAY)


def test_once_more_from_the_start_is_the_same(two_days: LeanDay, tmp_path: Path) -> None:
    feed = open_feed(spec(two_days.folder, WEDNESDAY, FRIDAY), desk(*two_days.legs), base=tmp_path)
    first, found, digest = steps(feed), feed.findings(), feed.data_hash
    feed.rewind()
    assert feed.data_hash != digest
    assert (steps(feed), feed.findings(), feed.data_hash) == (first, found, digest)


def test_a_slice_keeps_some_days(two_days: LeanDay, tmp_path: Path) -> None:
    whole = spec(two_days.folder, WEDNESDAY, FRIDAY)
    feed = open_feed(f"{whole}#20140911-20140930", desk(*two_days.legs), base=tmp_path)
    assert len(steps(feed)) == 390
    assert session_days(f"{whole}#20140911-20140930", desk(), base=tmp_path) == (FRIDAY,)
    with pytest.raises(FeedError, match="no recorded day within #20150101-20150202"):
        open_feed(f"{whole}#20150101-20150202", desk(), base=tmp_path)


def test_the_hash_tells_other_data_apart(two_days: LeanDay, tmp_path: Path) -> None:
    folder = copied(two_days, tmp_path / "copy")
    profile = desk(*two_days.legs)
    feed = open_feed(spec(folder, FRIDAY, FRIDAY), profile, base=tmp_path)
    steps(feed)
    with zipfile.ZipFile(stock_file(folder, FRIDAY)) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    rewrite(stock_file(folder, FRIDAY), {"_quote": text + "57600000,,,,,,1,1,1,1,1\n"})
    other = open_feed(spec(folder, FRIDAY, FRIDAY), profile, base=tmp_path)
    steps(other)
    assert other.data_hash != feed.data_hash


def test_a_half_day_ends_at_one_o_clock(tmp_path: Path) -> None:
    recorded = write_lean_day(tmp_path, day=date(2014, 7, 3))
    feed = open_feed(recorded.spec, desk(*recorded.legs), base=tmp_path)
    found = steps(feed)
    assert len(found) == 210
    assert found[-1].ts_us == sessions_between(recorded.day, recorded.day)[0].close_us


def test_a_leg_without_a_file_or_a_row_on_a_later_day_is_flagged(two_days: LeanDay, tmp_path: Path) -> None:
    folder = copied(two_days, tmp_path / "copy")
    rewrite(option_file(folder, FRIDAY), {"call_500000_20141018": None, "put_500000_20141018": ""})
    feed = open_feed(spec(folder, WEDNESDAY, FRIDAY), desk(*two_days.legs), base=tmp_path)
    found = steps(feed)
    by_code = {finding.code: finding for finding in feed.findings()}
    assert by_code["not_recorded"].instrument == CALL
    assert by_code["no_quotes"].instrument == f"{SYMBOL} 20141018 P 50"
    assert all(quote.bid is quote.ask is None for step in found[390:] for quote in step.quotes[1:])


def test_no_option_file_on_a_later_day_is_flagged(two_days: LeanDay, tmp_path: Path) -> None:
    folder = copied(two_days, tmp_path / "copy")
    option_file(folder, FRIDAY).unlink()
    feed = open_feed(spec(folder, WEDNESDAY, FRIDAY), desk(*two_days.legs), base=tmp_path)
    steps(feed)
    assert counts(feed)["not_recorded"] == 2


def test_another_price_level_overnight_is_flagged(tmp_path: Path) -> None:
    first = write_lean_day(tmp_path, day=WEDNESDAY)
    write_lean_day(tmp_path, day=THURSDAY, price=25.0)
    feed = open_feed(spec(tmp_path, WEDNESDAY, THURSDAY), desk(*first.legs), base=tmp_path)
    steps(feed)
    (level,) = [finding for finding in feed.findings() if finding.code == "price_level"]
    assert "51.17 to 25.00, a factor of 0.4886" in level.text
    assert level.first_ts is not None
    assert level.first_ts.startswith("2014-09-11")


def test_minutes_with_a_gap_are_flagged(two_days: LeanDay, tmp_path: Path) -> None:
    folder = copied(two_days, tmp_path / "copy")
    with zipfile.ZipFile(stock_file(folder, FRIDAY)) as archive:
        rows = archive.read(archive.namelist()[0]).decode().splitlines()
    kept = [*rows[:100], *rows[117:150], *rows[155:], rows[20]]
    rewrite(stock_file(folder, FRIDAY), {"_quote": "\n".join(kept)})
    feed = open_feed(spec(folder, FRIDAY, FRIDAY), desk(), base=tmp_path)
    assert len(steps(feed)) == 390
    found = counts(feed)
    assert (found["gap"], found["unsorted"], found["duplicate_ts"]) == (17, 1, 1)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2014, 9, 9), FRIDAY, "must begin and end on recorded days, nearby are: 20140910, 20140912"),
        (WEDNESDAY, date(2014, 9, 15), "must begin and end on recorded days"),
        (date(2014, 9, 13), date(2014, 9, 14), "no trading day of XNYS: days recorded nearby: 20140910, 20140912"),
    ],
)
def test_a_range_that_was_not_recorded_names_what_was(
    two_days: LeanDay, tmp_path: Path, first: date, last: date, words: str
) -> None:
    with pytest.raises(FeedError, match=words):
        open_feed(spec(two_days.folder, first, last), desk(*two_days.legs), base=tmp_path)


def test_a_misspelt_leg_names_the_nearest(two_days: LeanDay, tmp_path: Path) -> None:
    leg = msgspec.structs.replace(two_days.legs[0], strike=51.0)
    with pytest.raises(FeedError, match=r"no option ZQX 20141018 C 51 .* nearest are ZQX 20141018 C 50"):
        open_feed(spec(two_days.folder, FRIDAY, FRIDAY), desk(leg), base=tmp_path)


def test_a_leg_that_is_over_is_refused(two_days: LeanDay, tmp_path: Path) -> None:
    leg = msgspec.structs.replace(two_days.legs[0], expiry="2014-09-06")
    with pytest.raises(FeedError, match=r"the leg ZQX 20140906 C 50 stopped trading before .* begins on 20140912"):
        open_feed(spec(two_days.folder, FRIDAY, FRIDAY), desk(leg), base=tmp_path)


def test_another_symbol_is_refused(two_days: LeanDay, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="is of ZQX, the profile's underlying is TWX"):
        open_feed(spec(two_days.folder, FRIDAY, FRIDAY), scalper_profile(), base=tmp_path)


def test_an_expired_leg_is_quoted_no_more(tmp_path: Path) -> None:
    friday, monday = date(2014, 10, 17), date(2014, 10, 20)
    recorded = write_lean_day(tmp_path, day=friday)
    write_lean_day(tmp_path, day=monday)
    november = msgspec.structs.replace(recorded.legs[0], expiry="2014-11-22")
    feed = open_feed(spec(tmp_path, friday, monday), desk(recorded.legs[0], november), base=tmp_path)
    found = steps(feed)
    gone = [(step.ts_us, quote) for step in found[390:] for quote in step.quotes if quote.instrument == CALL]
    ((ts_us, quote),) = gone
    assert ts_us == found[390].ts_us
    assert quote.bid is quote.ask is None
    assert "not_recorded" not in counts(feed)


@pytest.mark.parametrize("which", ["stock", "option"])
def test_a_truncated_archive_is_one_line(two_days: LeanDay, tmp_path: Path, which: str) -> None:
    folder = copied(two_days, tmp_path / "copy")
    path = stock_file(folder, FRIDAY) if which == "stock" else option_file(folder, FRIDAY)
    whole = path.read_bytes()
    for size in range(0, len(whole), max(1, len(whole) // 25)):
        path.write_bytes(whole[:size])
        with pytest.raises(FeedError, match=path.name) as raised:
            open_feed(spec(folder, FRIDAY, FRIDAY), desk(*two_days.legs), base=tmp_path)
        assert "\n" not in str(raised.value)


def test_any_damaged_byte_is_one_line_or_none(two_days: LeanDay, tmp_path: Path) -> None:
    folder = copied(two_days, tmp_path / "copy")
    path = stock_file(folder, FRIDAY)
    whole = path.read_bytes()
    for at in [*range(0, 80, 3), *range(80, len(whole), 701), *range(len(whole) - 120, len(whole), 3)]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        refusal(lambda: steps(open_feed(spec(folder, FRIDAY, FRIDAY), desk(), base=tmp_path)))


@pytest.mark.nightly
def test_a_year_stays_in_bounded_memory(two_days: LeanDay, tmp_path: Path) -> None:
    days = [date.fromisoformat(each.date) for each in sessions_between(date(2014, 1, 2), date(2014, 9, 12))]
    folder = copied(two_days, tmp_path / "copy")
    for day in days:
        if not stock_file(folder, day).exists():
            shutil.copy(stock_file(folder, WEDNESDAY), stock_file(folder, day))
            shutil.copy(option_file(folder, WEDNESDAY), option_file(folder, day))
    feed = open_feed(spec(folder, days[0], days[-1]), desk(*two_days.legs), base=tmp_path)
    tracemalloc.start()
    try:
        early = 0
        while feed.market.next_step() is not None:
            if early == 0 and feed.done() > 0.3:
                early = tracemalloc.get_traced_memory()[0]
        late, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert late < early + 4_000_000
    assert peak < 60_000_000
