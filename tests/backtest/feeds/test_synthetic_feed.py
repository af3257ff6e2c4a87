"""A made-up market with an end."""

from datetime import date
from pathlib import Path

import pytest

from config.schema import Profile, Simulator
from config.schema import SyntheticMarket as Settings
from daemon.backtest.feeds.opening import open_feed, session_days
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.synthetic import SyntheticMarket
from tests.backtest.feeds.stepping import steps
from tests.support.scalper import profile as scalper_profile

START = "2014-06-05"


def desk(*, step_s: float = 60.0, start_date: str | None = START, volatility: float = 0.6) -> Profile:
    made = Settings(start_price=70.0, start_date=start_date, step_s=step_s, volatility=volatility)
    return scalper_profile(simulator=Simulator(synthetic=made))


def test_so_many_sessions_and_no_more(tmp_path: Path) -> None:
    feed = open_feed("synthetic:7:3", desk(), base=tmp_path)
    found = steps(feed)
    # Each session from its open to its close, both included, but for the first, which begins a step later.
    assert len(found) == 3 * 391
    assert [step.is_open for step in found].count(False) == 3
    assert feed.spec == "synthetic:7:3:2014-06-05"
    days = session_days("synthetic:7:3", desk(), base=tmp_path)
    assert days == (date(2014, 6, 5), date(2014, 6, 6), date(2014, 6, 9))
    assert open_feed(feed.spec, desk(), base=tmp_path).data_hash == feed.data_hash


def test_the_prices_are_those_of_the_simulator(tmp_path: Path) -> None:
    profile = desk()
    market = SyntheticMarket(
        profile.simulator.synthetic if profile.simulator is not None else Settings(),
        symbol="TWX",
        legs=profile.legs,
        seed=7,
        start_date=START,
        rate=0.0,
    )
    wanted = [market.next_step() for _ in range(391)]
    assert steps(open_feed("synthetic:7:1", profile, base=tmp_path)) == wanted


def test_a_slice_has_the_prices_of_the_whole(tmp_path: Path) -> None:
    whole = steps(open_feed("synthetic:7:3", desk(), base=tmp_path))
    cut = steps(open_feed("synthetic:7:3#20140606-20140606", desk(), base=tmp_path), whole=False)
    assert cut == whole[391 : 2 * 391]


def test_the_hash_is_of_what_makes_it(tmp_path: Path) -> None:
    hashes = {
        open_feed(spec, profile, base=tmp_path).data_hash
        for spec, profile in (
            ("synthetic:7:1", desk()),
            ("synthetic:8:1", desk()),
            ("synthetic:7:2", desk()),
            ("synthetic:7:1:2014-06-06", desk()),
            ("synthetic:7:1", desk(volatility=0.5)),
        )
    }
    assert len(hashes) == 5


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("synthetic:x", "has the seed 'x', which is no whole number: write synthetic:SEED"),
        ("synthetic:-1", "has the seed '-1'"),
        ("synthetic:7:0", "asks for 0 sessions: 1 to 5000"),
        ("synthetic:7:many", "has the number of sessions 'many'"),
        ("synthetic:7:99999", "asks for 99999 sessions"),
        ("synthetic:7:1:2014-06-05:9", "is no made-up market"),
        ("synthetic:7:1:2014-02-30", "has the day '2014-02-30', which is not in the calendar"),
        ("synthetic:7:1:2014-06-07", "begins on 2014-06-07, which is no trading day of XNYS"),
        ("synthetic:7:1:2014-07-21", "the leg TWX 20140719 C 70 stopped trading before"),
        ("synthetic:7:60:2014-06-05#20140721-20140722", "the leg TWX 20140719 C 70 stopped trading before"),
        ("synthetic:7:1#20140605-20140604", "ends before it begins"),
        ("synthetic:", "names no data: write one of lean:DIR"),
        ("yahoo:TWX", "names no data: write one of lean:DIR:SYMBOL.*, csv:FILE, tape:PATH, synthetic:SEED"),
        ("TWX", "names no data"),
    ],
)
def test_an_odd_spec_is_one_line(spec: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=words):
        open_feed(spec, desk(), base=tmp_path)


def test_without_a_first_day_it_says_where_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"write synthetic:7:5:YYYY-MM-DD, or set simulator.synthetic.start_date"):
        open_feed("synthetic:7", desk(start_date=None), base=tmp_path)


def test_an_odd_step_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="step_s must be a whole number"):
        open_feed("synthetic:7", desk(step_s=0.5), base=tmp_path)
