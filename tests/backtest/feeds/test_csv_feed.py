"""A csv file as a market: what its columns mean, what is flagged, and what is refused in one line."""

import gzip
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.schema import Profile, Simulator
from config.schema import SyntheticMarket as Synthetic
from daemon.backtest.feeds.csv_lines import MOST_BYTES
from daemon.backtest.feeds.opening import open_feed, session_days
from daemon.core import black_scholes
from daemon.venues.exchange_hours import last_trade_us
from daemon.venues.feeds.errors import FeedError
from state.times import iso_from_us, us_from_iso
from tests.backtest.feeds.stepping import counts, refusal, steps
from tests.support.scalper import profile as scalper_profile

OPEN = us_from_iso("2014-06-05T09:30:00-04:00")
MINUTE = 60_000_000
DAY = 86_400_000_000
RIGHTS: tuple[black_scholes.Right, ...] = ("C", "P")
CALL, PUT = "TWX 20140719 C 70", "TWX 20140719 P 70"


def desk(**more: object) -> Profile:
    return scalper_profile(simulator=Simulator(synthetic=Synthetic(spread_usd=0.04)), **more)


def bars(*rows: str, start: int = OPEN + MINUTE, every: int = MINUTE) -> list[str]:
    """Each row behind its time."""
    return [f"{start + number * every},{row}" for number, row in enumerate(rows)]


def write(path: Path, header: str, rows: list[str]) -> str:
    path.write_text("\n".join([header, *rows]) + "\n")
    return f"csv:{path}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


def test_bid_and_ask_make_steps(file: Path, tmp_path: Path) -> None:
    rows = bars("70.00,70.02", "70.01,70.03")
    feed = open_feed(write(file, "ts_us,bid,ask", rows), desk(), base=tmp_path)
    first, second = steps(feed)
    assert (first.ts_us, first.quotes[0].bid, first.quotes[0].ask) == (OPEN + MINUTE, 70.0, 70.02)
    assert (second.ts_us, len(second.quotes)) == (OPEN + 2 * MINUTE, 1)
    assert feed.clock_every_ms is None
    assert counts(feed) == {"unquoted_leg": 2}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("timestamp", "2014-06-05T09:31:00-04:00"),
        ("Timestamp", "2014-06-05T13:31:00Z"),
        ("ts_s", "1401975060"),
        ("ts_s", "1401975060.000"),
        ("ts_ms", "1401975060000"),
        ("ts_us", "1401975060000000"),
    ],
)
def test_ways_to_say_when(file: Path, tmp_path: Path, column: str, value: str) -> None:
    feed = open_feed(write(file, f"{column},mid", [f"{value},70"]), desk(), base=tmp_path)
    assert [step.ts_us for step in steps(feed)] == [OPEN + MINUTE]


def test_mid_takes_its_spread_from_the_column_or_the_profile(file: Path, tmp_path: Path) -> None:
    rows = bars("70,0.1,69.99", "70,,")
    feed = open_feed(write(file, "ts_us,mid,spread,last", rows), desk(), base=tmp_path)
    first, second = (step.quotes[0] for step in steps(feed))
    assert (first.bid, first.ask, first.last) == (69.95, 70.05, 69.99)
    assert (second.bid, second.ask, second.last) == (69.98, 70.02, 69.99)


def test_columns_of_a_leg_by_either_name(file: Path, tmp_path: Path) -> None:
    header = f"ts_us,bid,ask,{CALL}_bid,{CALL}_ask,P70_2014-07-19_bid,P70_2014-07-19_ask"
    feed = open_feed(write(file, header, bars("70,70.02,1.5,1.6,1.4,1.45", "70,70.02,,1.7,,")), desk(), base=tmp_path)
    first, second = steps(feed)
    assert [(quote.instrument, quote.bid, quote.ask) for quote in first.quotes[1:]] == [
        (CALL, 1.5, 1.6),
        (PUT, 1.4, 1.45),
    ]
    assert (second.quotes[1].bid, second.quotes[1].ask) == (1.5, 1.7)  # an empty side keeps its last value
    assert counts(feed) == {"empty_side": 3}


def test_volatility_prices_the_legs(file: Path, tmp_path: Path) -> None:
    header = "ts_us,bid,ask,volatility,C70_2014-07-19_volatility"
    feed = open_feed(write(file, header, bars("69.99,70.01,0.30,0.20", "70.99,71.01,,")), desk(), base=tmp_path)
    found = steps(feed)
    for step, spot in zip(found, (70.0, 71.0), strict=True):
        years = black_scholes.years_between(step.ts_us, last_trade_us("20140719"))
        for quote, right, volatility in zip(step.quotes[1:], RIGHTS, (0.20, 0.30), strict=True):
            value = black_scholes.price(right, spot, 70.0, years, 0.0, volatility)
            assert quote.bid is not None
            assert quote.ask is not None
            assert quote.bid <= value <= quote.ask
            assert quote.model_volatility == volatility


@pytest.mark.parametrize(("before_min", "closes"), [(0, True), (1, True), (5, True), (6, False), (200, False)])
def test_the_last_session_closes_where_its_rows_reach_the_close(
    file: Path, tmp_path: Path, before_min: int, closes: bool
) -> None:
    close = OPEN + 390 * MINUTE
    last = close - before_min * MINUTE
    rows = [*bars("70,70.02", "71,71.02", start=OPEN), *bars("72,72.02", start=last)]
    found = steps(open_feed(write(file, "ts_us,bid,ask", rows), desk(), base=tmp_path))
    assert [step.ts_us for step in found] == [OPEN, OPEN + MINUTE, *dict.fromkeys((last, close if closes else last))]
    assert found[-1].is_open is not closes
    assert found[-1].quotes[0].bid == 72


def test_ticks_get_a_clock(file: Path, tmp_path: Path) -> None:
    rows = bars(*["70,70.02"] * 20, every=700_000)
    feed = open_feed(write(file, "ts_us,bid,ask", rows), desk(), base=tmp_path)
    assert feed.clock_every_ms == 500
    assert len(steps(feed)) == 20


def test_sessions_follow_each_other_and_a_missing_one_is_flagged(file: Path, tmp_path: Path) -> None:
    friday, tuesday = OPEN + DAY, OPEN + 5 * DAY
    rows = [*bars("70,70.02"), *bars("71,71.02", start=friday), *bars("99,99.02", start=tuesday)]
    feed = open_feed(write(file, "ts_us,bid,ask", rows), desk(), base=tmp_path)
    found = steps(feed)
    # Each session that another follows ends at its close.
    assert [(step.ts_us - OPEN, step.is_open) for step in found] == [
        (MINUTE, True),
        (390 * MINUTE, False),
        (DAY, True),
        (DAY + 390 * MINUTE, False),
        (5 * DAY, True),
    ]
    flagged = {finding.code: finding.text for finding in feed.findings()}
    assert "2014-06-09" in flagged["missing_day"]
    assert "71.01 to 99.01" in flagged["price_level"]
    assert [f"{day}" for day in session_days(feed.spec, desk(), base=tmp_path)] == [
        "2014-06-05",
        "2014-06-06",
        "2014-06-10",
    ]
    sliced = open_feed(f"{feed.spec}#20140606-20140609", desk(), base=tmp_path)
    assert [step.ts_us - OPEN for step in steps(sliced, whole=False)] == [DAY, DAY + 390 * MINUTE]


@pytest.mark.parametrize(
    ("rows", "code", "words"),
    [
        ([f"{OPEN},70,70.02", f"{OPEN + MINUTE},70,70.02", f"{OPEN + 1},70,70.02"], "late_row", "line 4"),
        ([f"{OPEN},70,70.02", f"{OPEN},71,71.02"], "duplicate_ts", "line 3"),
        ([f"{OPEN},70,70.02", f"{OPEN + MINUTE},0,70.02"], "not_positive", "line 3"),
        ([f"{OPEN},70,70.02", f"{OPEN + MINUTE},-1,nan"], "not_positive", "line 3"),
        ([f"{OPEN},70,70.02", f"{OPEN + MINUTE},70,199999.99"], "not_positive", "line 3"),
        ([f"{OPEN},70,70.02", f"{OPEN + MINUTE},71,70"], "crossed", "line 3"),
        ([f"{OPEN},70,70.02", f"{OPEN + MINUTE},71,"], "outlived", "line 3"),
        ([f"{OPEN},70,70.02", f"{OPEN + MINUTE},,"], "empty_side", "line 3"),
        ([f"{OPEN},70,70.02", f"{OPEN + 30 * MINUTE},70,70.02", f"{OPEN + 31 * MINUTE},70,70.02"], "silence", "line 3"),
        ([f"{OPEN},70,70.02", f"{OPEN + MINUTE},70,70.02", f"{OPEN + DAY},70,70.02"], "silence", "389 minutes"),
        ([f"{OPEN - 1},70,70.02", f"{OPEN},70,70.02"], "outside_session", "line 2"),
        ([f"{OPEN},70,70.02", f"{OPEN + 391 * MINUTE},70,70.02"], "outside_session", "line 3"),
        ([f"{OPEN},70,70.02", f"{OPEN + 2 * DAY},70,70.02"], "outside_session", "line 3"),
    ],
)
def test_what_is_odd_is_flagged_with_its_line(
    file: Path, tmp_path: Path, rows: list[str], code: str, words: str
) -> None:
    feed = open_feed(write(file, "ts_us,bid,ask", rows), desk(), base=tmp_path)
    steps(feed)
    (found,) = [finding for finding in feed.findings() if finding.code == code]
    assert words in found.text


def test_the_last_row_of_a_moment_holds(file: Path, tmp_path: Path) -> None:
    feed = open_feed(write(file, "ts_us,bid,ask", bars("70,70.02", "71,71.02", every=0)), desk(), base=tmp_path)
    (step,) = steps(feed)
    assert step.quotes[0].bid == 71.0


def test_columns_that_nobody_asked_for_and_a_missing_line_end_are_flagged(file: Path, tmp_path: Path) -> None:
    file.write_text(f"ts_us,bid,ask,volume,C80_2014-07-19_bid,C80_2014-07-19_ask\n{OPEN},70,70.02,100,1,2")
    feed = open_feed(f"csv:{file}", desk(), base=tmp_path)
    steps(feed)
    assert counts(feed) == {"unused_column": 3, "unquoted_leg": 2, "cut_off": 1}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty: it needs a header like timestamp,bid,ask"),
        ("\n\n", "is empty"),
        ("ts_us,bid,ask\n", "has a header and no row"),
        ("bid,ask\n70,71\n", "line 1: no column says when"),
        ("ts_us,timestamp,mid\n", "timestamp and ts_us all say when"),
        ("ts_us,bid\n", "a column bid but no column ask"),
        ("ts_us,price\n", r"no columns bid and ask, nor mid; the columns are: ts_us, price"),
        ("ts_us,bids,asks\n", "'bids' for 'bid', 'asks' for 'ask'"),
        ("ts_us,bid,ask,bid\n", "the column 'bid' stands there twice"),
        ("ts_us,bid,ask,lst\n", "the column 'lst' is not known; did you mean 'last'"),
        ("ts_us;bid;ask\n", "separated by semicolons; use commas"),
        ("ts_us\tbid\task\n", "separated by tabs; use commas"),
        ("ts_us,bid,ask,C70_2014-07-19_bid\n", "has no column TWX 20140719 C 70_ask"),
        (f"ts_us,bid,ask\n{OPEN},70\n", "line 2: 2 fields, the header has 3"),
        (f"ts_us,bid,ask\n{OPEN},70,x\n", "line 2: ask 'x' is no number"),
        ("ts_us,bid,ask\nsoon,70,71\n", "line 2: ts_us 'soon' is no whole number"),
        ("ts_us,bid,ask\n1401975060,70,71\n", "is of 1970; is the unit right"),
        ("ts_s,bid,ask\n1401975060000,70,71\n", "is far away; is the unit right"),
        ("timestamp,bid,ask\n1401975060,70,71\n", "is a number; name the column ts_s, ts_ms or ts_us"),
        ("timestamp,bid,ask\n2014-06-05 09:31,70,71\n", "is no ISO time with zone"),
        (f"ts_us,mid,volatility\n{OPEN},70,35\n", "volatility 35 is no volatility a year; write 0.35"),
        (f"ts_us,bid,ask\n{OPEN + 2 * DAY},70,71\n", "has no row within a regular session of XNYS"),
        (f'ts_us,bid,ask\n{OPEN},"70,71\n', "line 2: unexpected end of data"),
        (f"ts_us,bid,ask\n{OPEN + 9},7,8\n{OPEN + 5},7,8\n{OPEN},7,8\n", "runs backwards in time"),
    ],
)
def test_what_cannot_be_used_is_one_line(file: Path, tmp_path: Path, content: str, words: str) -> None:
    file.write_text(content)
    with pytest.raises(FeedError, match=words) as raised:
        steps(open_feed(f"csv:{file}", desk(), base=tmp_path))
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"ts_us,bid,ask\n\xff\xfe,1,2\n", "line 2 is not UTF-8"),
        (b"ts_us,bid,ask\n1,\x00,2\n", "line 2 holds a NUL byte"),
        (b"ts_us,bid,ask\n" + b"1" * (MOST_BYTES + 2), "line 2 has more than"),
        (b"\x1f\x8b\x08nonsense", "cannot be read behind line 0"),
    ],
)
def test_what_is_no_text_is_one_line(file: Path, tmp_path: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)
    with pytest.raises(FeedError, match=words):
        open_feed(f"csv:{file}", desk(), base=tmp_path)


def test_a_leg_that_nothing_prices_names_the_columns(file: Path, tmp_path: Path) -> None:
    implied = desk(greeks__volatility="implied")
    with pytest.raises(FeedError, match="add the columns C70_2014-07-19_bid and C70_2014-07-19_ask, or volatility"):
        open_feed(write(file, "ts_us,bid,ask", bars("70,70.02")), implied, base=tmp_path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"no file .*gone\.csv"):
        open_feed("csv:gone.csv", desk(), base=tmp_path)
    with pytest.raises(FeedError, match="is a folder"):
        open_feed(f"csv:{tmp_path}", desk(), base=tmp_path)


def test_a_leg_that_is_over_is_refused(file: Path, tmp_path: Path) -> None:
    rows = bars("70,70.02", start=us_from_iso("2014-07-21T09:31:00-04:00"))
    with pytest.raises(FeedError, match="TWX 20140719 C 70 stopped trading before"):
        open_feed(write(file, "ts_us,bid,ask", rows), desk(), base=tmp_path)


def test_a_leg_that_is_over_before_the_slice_is_refused_too(file: Path, tmp_path: Path) -> None:
    """It trades where the file begins, but not where the run does: nothing would be hedged."""
    rows = bars("70,70.02") + bars("70,70.02", start=us_from_iso("2014-07-21T09:31:00-04:00"))
    spec = write(file, "ts_us,bid,ask", rows)
    with pytest.raises(FeedError, match=r"TWX 20140719 C 70 stopped trading before .* begins on 20140721"):
        open_feed(f"{spec}#20140719-20140722", desk(), base=tmp_path)
    assert len(steps(open_feed(f"{spec}#20140605-20140605", desk(), base=tmp_path))) > 0


def test_gzip_is_the_same_data(file: Path, tmp_path: Path) -> None:
    plain = open_feed(write(file, "ts_us,bid,ask", bars(*["70,70.02"] * 50)), desk(), base=tmp_path)
    packed = tmp_path / "data.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    other = open_feed(f"csv:{packed}", desk(), base=tmp_path)
    assert steps(plain) == steps(other)
    assert plain.data_hash == other.data_hash


def test_a_truncated_archive_is_one_line_at_many_bytes(file: Path, tmp_path: Path) -> None:
    rows = bars(*[f"{70 + number % 7 / 100},{70.1 + number % 5 / 100}" for number in range(60)])
    write(file, "ts_us,bid,ask", rows)
    whole = gzip.compress(file.read_bytes(), mtime=0)
    packed = tmp_path / "data.csv.gz"
    for size in range(0, len(whole), 3):
        packed.write_bytes(whole[:size])
        with pytest.raises(FeedError) as raised:
            steps(open_feed(f"csv:{packed}", desk(), base=tmp_path))
        assert "\n" not in str(raised.value)


def test_a_truncated_file_is_refused_or_flagged_at_every_byte(file: Path, tmp_path: Path) -> None:
    write(file, "ts_us,bid,ask", bars("70.00,70.02", "70.01,70.03", "70.02,70.04"))
    whole = file.read_bytes()
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        if refusal(lambda: steps(open_feed(f"csv:{file}", desk(), base=tmp_path))) is None:
            feed = open_feed(f"csv:{file}", desk(), base=tmp_path)
            steps(feed)
            assert whole[:size].endswith(b"\n") or "cut_off" in counts(feed)


_ZONE = ZoneInfo("America/New_York")
_moment = st.integers(0, 6 * 24 * 60).map(lambda minutes: OPEN - 120 * MINUTE + minutes * MINUTE)
_price = st.one_of(st.none(), st.floats(-5, 200).map(lambda price: round(price, 2)), st.just(float("nan")))


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(_moment, _price, _price), min_size=1, max_size=30), ordered=st.booleans())
def test_every_row_is_a_step_or_a_finding(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float | None, float | None]], ordered: bool
) -> None:
    file = tmp_path_factory.getbasetemp() / "property.csv"
    rows = sorted(rows, key=lambda row: row[0]) if ordered else rows
    text = [f"{iso_from_us(ts)},{'' if b is None else b},{'' if a is None else a}" for ts, b, a in rows]
    try:
        feed = open_feed(write(file, "timestamp,bid,ask", text), desk(), base=file.parent)
    except FeedError:
        times = [ts for ts, _, _ in rows]
        inside = [ts for ts in times if _is_inside(ts)]
        assert not inside or times != sorted(times)
        return
    found = steps(feed)
    flagged = counts(feed)
    left_out = sum(flagged.get(code, 0) for code in ("late_row", "duplicate_ts", "outside_session"))
    closes = {step.ts_us for step in found if not step.is_open} - {ts for ts, _, _ in rows}
    assert len(found) - len(closes) + left_out == len(rows)
    if ordered:
        assert "late_row" not in flagged


def _is_inside(ts_us: int) -> bool:
    moment = datetime.fromtimestamp(ts_us // 1_000_000, tz=_ZONE)
    return moment.weekday() < 5 and 570 <= moment.hour * 60 + moment.minute <= 960


@settings(max_examples=60, deadline=None)
@given(content=st.one_of(st.binary(max_size=300), st.text("ts_umbidak,\n0123456789.-TZ:\"'x", max_size=300)))
@example(content=b"timestamp,mid\n9999-12-31T23:59:59Z,1\n")
@example(content=b"ts_s,mid\n1e400,1\n")
@example(content=b"ts_s,mid\nnan,1\n")
@example(content=b"ts_us,mid\n" + b"9" * 5000 + b",1\n")
@example(content=b"ts_s,mid\n4000000000,1\n4000000060,1\n")
def test_no_content_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, content: bytes | str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes(content if isinstance(content, bytes) else f"ts_us,mid\n{content}".encode())
    refusal(lambda: steps(open_feed(f"csv:{file}", desk(), base=file.parent)))
