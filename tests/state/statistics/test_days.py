"""Days and periods from samples: sums that add up, and everything odd flagged instead of passed over."""

import datetime as dt
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.layout import DeskPaths
from state.records import HistorySample, PnlParts
from state.statistics.days import (
    attribution,
    missing_weekdays,
    one_period,
    period_name,
    periods,
    signed,
    trading_days,
)
from state.statistics.digest import Digest, curve, joined_days
from state.statistics.loading import load_digests, load_facts
from state.times import iso_from_us, us_from_iso
from tests.support.year_of_history import write_year

OPEN_US = us_from_iso("2026-11-16T14:30:00Z")
MINUTE_US = 60_000_000
DAY_US = 86_400_000_000


def sample(at_us: int, **fields: Any) -> HistorySample:
    ts = iso_from_us(at_us)
    fields = {"kind": "minute", "run_id": "r1", "light": "green", **fields}
    return HistorySample(schema=1, desk="d", ts=ts, wall_ts=ts, **fields)


def digest(*samples: HistorySample | None) -> Digest:
    made = Digest()
    made.extend(samples)
    return made


def days_of(*samples: HistorySample | None) -> Any:
    return trading_days(digest(*samples).days)


def test_a_day_is_the_desks_own_until_the_next_session_opens() -> None:
    # The night after Monday's session, past midnight UTC, still belongs to Monday; Friday's holds the weekend.
    found = days_of(
        sample(OPEN_US, session_date="2026-11-16", equity_usd=100.0, daily_pnl_usd=0.0),
        sample(OPEN_US + 12 * 3600 * 1_000_000, session_date="2026-11-16", equity_usd=130.0, daily_pnl_usd=30.0),
        sample(OPEN_US + DAY_US, session_date="2026-11-17", equity_usd=125.0, daily_pnl_usd=-5.0),
    )
    assert [(day.day, day.pnl_usd, day.is_session) for day in found] == [
        ("2026-11-16", 30.0, True),
        ("2026-11-17", -5.0, True),
    ]
    assert found[0].return_pct == pytest.approx(30.0)
    assert found[1].return_pct == pytest.approx(-5 / 130 * 100)


def test_a_desk_that_names_no_session_is_read_by_its_equity_so_that_a_weekend_earns_nothing_twice() -> None:
    friday = us_from_iso("2026-11-20T15:00:00Z")
    found = days_of(
        *(sample(friday + days * DAY_US, equity_usd=140.0, daily_pnl_usd=40.0) for days in range(3)),
        sample(friday + 3 * DAY_US, equity_usd=150.0, daily_pnl_usd=10.0),
    )
    assert [day.pnl_usd for day in found] == [40.0, 0.0, 0.0, 10.0]
    assert [day.flags for day in found] == [(), ("by_equity",), ("by_equity",), ("by_equity",)]


def test_equity_alone_is_enough_and_says_that_its_beginning_is_unknown() -> None:
    (day,) = days_of(sample(OPEN_US, equity_usd=100.0), sample(OPEN_US + MINUTE_US, equity_usd=103.0))
    assert (day.pnl_usd, day.flags) == (3.0, ("by_equity", "partial"))
    (nothing,) = days_of(sample(OPEN_US, own_shares=3.0))
    assert (nothing.pnl_usd, nothing.return_pct, nothing.parts) == (None, None, None)


def test_what_is_odd_about_a_day_is_flagged() -> None:
    monday = {"session_date": "2026-11-16"}
    found = days_of(
        sample(OPEN_US, equity_usd=100.0, daily_pnl_usd=0.0, **monday),
        *(sample(OPEN_US + at * MINUTE_US, equity_usd=101.0, daily_pnl_usd=1.0, **monday) for at in range(1, 10)),
        sample(OPEN_US + 30 * MINUTE_US, equity_usd=101.0, daily_pnl_usd=1.0, run_id="r2", light="red", **monday),
        sample(OPEN_US + 2 * DAY_US, session_date="2026-11-18", equity_usd=90.0, daily_pnl_usd=4.0),
    )
    assert found[0].flags == ("gap", "restarted", "off_light")
    assert found[1].flags == ("unsampled",), "12 USD were lost on the day that nobody sampled"
    assert found[1].pnl_usd == 4.0
    assert missing_weekdays(found) == ("2026-11-17",)
    assert missing_weekdays(found, holidays=["2026-11-17"]) == ()


def test_a_desk_that_samples_seldom_has_no_gaps_for_that() -> None:
    same = {"session_date": "2026-11-16", "equity_usd": 1.0, "daily_pnl_usd": 0.0}
    (day,) = days_of(*(sample(OPEN_US + at * 15 * MINUTE_US, **same) for at in range(20)))
    assert day.flags == ()


def test_the_night_between_two_sessions_of_one_day_file_is_no_gap() -> None:
    same = {"session_date": "2026-11-16", "equity_usd": 1.0, "daily_pnl_usd": 0.0}
    (day,) = days_of(sample(OPEN_US, **same), sample(OPEN_US + 5 * 3600 * 1_000_000, **same))
    assert day.flags == ()


def test_lines_that_are_no_sample_are_counted_and_cost_nothing_else() -> None:
    made = digest(None, sample(OPEN_US, equity_usd=1.0), None)
    assert (made.unreadable, len(made.ts_us)) == (2, 1)
    odd = HistorySample(schema=1, kind="minute", desk="d", run_id="r", ts="noon", wall_ts="?", equity_usd=2.0)
    assert digest(odd).unreadable == 1
    (day,) = days_of(sample(OPEN_US, equity_usd=float("nan"), session_date="yesterday"))
    assert (day.day, day.equity_usd, day.pnl_usd) == ("2026-11-16", None, None)


def test_a_day_that_was_run_twice_counts_as_it_was_written_last() -> None:
    first = [sample(OPEN_US + at * MINUTE_US, equity_usd=100.0 + at) for at in range(4)]
    again = [sample(OPEN_US + at * MINUTE_US, equity_usd=200.0 + at, run_id="r2") for at in range(2)]
    found = curve([digest(*first, *again)])
    assert found.equity_usd.tolist() == [200.0, 201.0, 102.0, 103.0]
    assert found.ts_us.tolist() == sorted(found.ts_us.tolist())


cents = st.integers(min_value=-100_000, max_value=100_000).map(lambda value: value / 100)
earned = st.lists(st.none() | cents, min_size=1, max_size=50)


@given(earned, st.sampled_from(["day", "week", "month"]))
def test_periods_add_up_to_the_days_and_lose_none(pnl: list[float | None], by: Any) -> None:
    first = dt.date(2026, 1, 30)
    samples = [
        sample(
            OPEN_US + number * DAY_US,
            session_date=(first + dt.timedelta(days=number)).isoformat(),
            daily_pnl_usd=value,
            traded_usd=1000.0,
            hedges_today=number,
        )
        for number, value in enumerate(pnl)
    ]
    days = days_of(*samples)
    found = periods(days, by)
    assert sum(each.days for each in found) == len(pnl)
    known = [value for value in pnl if value is not None]
    assert sum(each.n for each in found) == len(known)
    assert sum(each.won for each in found) == sum(value > 0 for value in known)
    assert sum(each.pnl_usd or 0.0 for each in found) == pytest.approx(sum(known), abs=1e-6)
    assert sum(each.hedges or 0 for each in found) == sum(range(len(pnl)))
    for each in found:
        assert {period_name(day.day, by) for day in days if each.first_day <= day.day <= each.last_day} == {each.name}
        if each.n:
            assert each.wear_per_10k == pytest.approx(-(each.pnl_usd or 0.0) / (1000 * each.n) * 10_000)


@given(earned)
def test_digests_in_pieces_say_the_same_as_at_once(pnl: list[float | None]) -> None:
    samples = [
        sample(
            OPEN_US + number * MINUTE_US,
            session_date="2026-11-16",
            daily_pnl_usd=value,
            equity_usd=value,
            hedges_today=number,
        )
        for number, value in enumerate(pnl)
    ]
    whole = digest(*samples).days["2026-11-16"]
    middle = len(samples) // 2
    pieces = [digest(*samples[:middle]), digest(*samples[middle:])]
    joined = joined_days(pieces)["2026-11-16"]
    assert joined == whole


def test_iso_weeks_keep_the_turn_of_the_year_together() -> None:
    assert period_name("2026-12-31", "week") == period_name("2027-01-03", "week") == "2026-W53"
    assert period_name("2027-01-04", "week") == "2027-W01"


def test_attribution_adds_up_to_the_cent() -> None:
    parts = [
        PnlParts(
            realised_usd=0.0, unrealised_usd=0.0, legs_usd=0.0, commission_usd=1.01, total_usd=2.34,
            delta_usd=1.11, gamma_usd=3.33, theta_usd=-2.22, vega_usd=0.1, other_usd=1.05, slippage_usd=0.02,
        )
        for _ in range(7)
    ]  # fmt: skip
    found = attribution(parts)
    assert found is not None
    total = sum(found[name] for name in ("delta_usd", "gamma_usd", "theta_usd", "vega_usd", "other_usd"))
    assert total - found["slippage_usd"] - found["commission_usd"] == pytest.approx(7 * 2.34, abs=0.005)
    assert attribution([]) is None


def test_attribution_adds_up_to_the_cent_where_each_part_is_rounded() -> None:
    """Parts whose rounded values come to 44.85 of a P&L of 44.835: the cent goes to what the greeks do not explain."""
    day = PnlParts(
        realised_usd=0.0, unrealised_usd=0.0, legs_usd=0.0, commission_usd=5.0, total_usd=44.835,
        delta_usd=2.3853, gamma_usd=16.0955, theta_usd=-20.9107, vega_usd=0.0, other_usd=55.2899, slippage_usd=3.025,
    )  # fmt: skip
    found = attribution([day])
    assert found is not None
    assert sum(signed(name, value) for name, value in found.items()) == pytest.approx(44.84, abs=1e-9)
    assert {name: found[name] for name in ("delta_usd", "gamma_usd", "theta_usd", "commission_usd")} == {
        "delta_usd": 2.39, "gamma_usd": 16.1, "theta_usd": -20.91, "commission_usd": 5.0,
    }  # fmt: skip


def test_a_year_of_files_recounts_from_its_own_lines(tmp_path: Path) -> None:
    paths = DeskPaths(tmp_path, "demo")
    written = write_year(paths, days=65, samples=65 * 8, operations=65 * 40, compressed=True)
    digests = load_digests(paths.history)
    days = trading_days(joined_days(digests))
    assert [day.day for day in days] == [session.date.isoformat() for session in written]
    assert missing_weekdays(days) == ()
    whole = curve(digests)
    total = one_period("all", days)
    # The account's own growth is the sum of its days: an independent way to the same cent.
    assert total.pnl_usd == pytest.approx(float(whole.equity_usd[-1]) - 100_000.0, abs=0.01)
    assert total.return_pct == pytest.approx(float(whole.equity_usd[-1]) / 1000 - 100, abs=1e-6)
    assert total.parts is not None
    assert total.pnl_usd == pytest.approx(
        sum(
            value if "slippage" not in name and "commission" not in name else -value
            for name, value in total.parts.items()
        ),
        abs=0.01,
    )
    assert [a.last_us < b.first_us for a, b in itertools.pairwise(days)] == [True] * 64
    facts = load_facts(paths.journal)
    assert len(facts.refused_us) + len(facts.sent_us) > 65 * 20
