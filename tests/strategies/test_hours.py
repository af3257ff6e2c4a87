"""Row 41: half day, holiday, weekend, clock changes, expiry day. Real calendar, real hours text, injected clock."""

from datetime import UTC, datetime

import msgspec
import pytest

from daemon.core.black_scholes import years_between
from daemon.core.events import Clock, Instruments, Sessions
from daemon.venues.exchange_hours import HoursError, last_trade_us, liquid_sessions, parse_liquid_hours
from tests.support.scalper import CALL, PUT, STOCK, Desk, S, option_spec

ZONE = "America/New_York"


def us(moment: str) -> int:
    """`2024-11-29 17:59:00` UTC as microseconds."""
    return round(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()) * S


def hours(*days: str) -> str:
    """Liquid hours as IB tells them; a day alone is a full one, `20241128-` is closed."""
    full = "{0}:0930-{0}:1600"
    return ";".join(f"{day[:-1]}:CLOSED" if day.endswith("-") else full.format(day) for day in days)


def desk_at(moment: str, liquid: str, *, expiry: str = "20991218") -> Desk:
    """A desk that needs a hedge at that moment, quoted there and then, in these hours."""
    ts_us = us(moment)
    desk = Desk(ts_us=ts_us)
    sessions = liquid_sessions(liquid, ZONE)
    last_us = last_trade_us(expiry) if expiry != "20991218" else us("2099-12-18 21:00:00")
    options = [msgspec.structs.replace(option_spec(leg), last_trade_ts_us=last_us) for leg in (CALL, PUT)]
    desk.put(sessions=sessions, specs={spec.instrument: spec for spec in (STOCK, *options)})
    desk.state = desk.strategy.initial()
    desk.on(Sessions(ts_us=ts_us, sessions=sessions))
    desk.on(Instruments(ts_us=ts_us, specs=tuple(desk.book.specs.values())))
    desk.quote(70.0)
    desk.own_to(60.0)
    desk.decide()
    return desk


THANKSGIVING = hours("20241127", "20241128-", "20241129")
"""IB's text may show a half day as a whole one: the calendar cuts it."""
HALF_AS_TOLD = hours("20241127", "20241128-") + ";20241129:0930-20241129:1300"
GOOD_FRIDAY = hours("20250417", "20250418-", "20250419-", "20250420-", "20250421")
SPRING = hours("20240308", "20240309-", "20240310-", "20240311")
AUTUMN = hours("20241101", "20241102-", "20241103-", "20241104")

MOMENTS = [
    # Half day: 9:30 to 13:00 in New York, which is 14:30 to 18:00 UTC in November.
    (THANKSGIVING, "2024-11-29 14:30:59", False),
    (THANKSGIVING, "2024-11-29 14:31:00", True),
    (THANKSGIVING, "2024-11-29 17:58:59", True),
    (THANKSGIVING, "2024-11-29 17:59:00", False),
    (THANKSGIVING, "2024-11-29 18:00:00", False),
    (THANKSGIVING, "2024-11-29 20:30:00", False),  # when options quote no more and rows go on
    (HALF_AS_TOLD, "2024-11-29 17:58:59", True),
    (HALF_AS_TOLD, "2024-11-29 17:59:00", False),
    # The holiday itself, at noon.
    (THANKSGIVING, "2024-11-28 17:00:00", False),
    (hours("20241127", "20241128", "20241129"), "2024-11-28 17:00:00", False),  # told open: the calendar knows better
    # A day that the calendar has and the contract has not.
    (hours("20241126-", "20241127"), "2024-11-26 17:00:00", False),
    (hours("20241126-", "20241127"), "2024-11-27 17:00:00", True),
    # Good Friday and the weekend after it.
    (GOOD_FRIDAY, "2025-04-17 19:58:59", True),
    (GOOD_FRIDAY, "2025-04-17 19:59:00", False),
    (GOOD_FRIDAY, "2025-04-18 15:00:00", False),
    (GOOD_FRIDAY, "2025-04-19 15:00:00", False),
    (GOOD_FRIDAY, "2025-04-20 15:00:00", False),
    (GOOD_FRIDAY, "2025-04-21 13:31:00", True),
    # Clocks go forward on Sunday 10 March 2024: the open moves from 14:30 to 13:30 UTC.
    (SPRING, "2024-03-08 14:30:59", False),
    (SPRING, "2024-03-08 14:31:00", True),
    (SPRING, "2024-03-08 20:58:59", True),
    (SPRING, "2024-03-10 15:00:00", False),
    (SPRING, "2024-03-11 13:30:59", False),
    (SPRING, "2024-03-11 13:31:00", True),
    (SPRING, "2024-03-11 19:58:59", True),
    (SPRING, "2024-03-11 19:59:00", False),
    # They go back on Sunday 3 November 2024: from 13:30 to 14:30 UTC.
    (AUTUMN, "2024-11-01 13:31:00", True),
    (AUTUMN, "2024-11-01 19:59:00", False),
    (AUTUMN, "2024-11-04 13:31:00", False),
    (AUTUMN, "2024-11-04 14:30:59", False),
    (AUTUMN, "2024-11-04 14:31:00", True),
    (AUTUMN, "2024-11-04 20:58:59", True),
]


@pytest.mark.parametrize(("liquid", "moment", "open_for_orders"), MOMENTS)
def test_a_needed_hedge_leaves_only_inside_the_hours(liquid: str, moment: str, open_for_orders: bool) -> None:
    desk = desk_at(moment, liquid)
    allowed = desk.state.refused is None
    assert allowed is open_for_orders
    if not allowed:
        assert desk.state.refused == "outside_rth"


def test_a_hedge_that_is_needed_over_the_weekend_waits_for_the_clock_alone() -> None:
    desk = desk_at("2024-03-08 20:59:30", SPRING)
    moments = ["2024-03-08 21:00:00", "2024-03-09 15:00:00", "2024-03-10 07:00:00", "2024-03-11 13:30:00"]
    for moment in moments:
        desk.on(Clock(ts_us=us(moment)))
        assert desk.decide().wish is None
    shown = desk.check_reasons()
    assert "unhedged_until_open" not in shown  # the session has begun
    desk.quote(70.0, at_us=us("2024-03-11 13:31:00"))
    desk.own_to(60.0)
    assert desk.decide().wish is not None


def test_a_closed_market_with_delta_says_so_in_yellow() -> None:
    desk = desk_at("2024-11-28 17:00:00", THANKSGIVING)
    assert "unhedged_until_open" in desk.check_reasons()
    assert desk.severities() == {"yellow"}


@pytest.mark.parametrize(
    ("expiry", "last"),
    [
        ("20241129", "2024-11-29 18:00:00"),  # a half day ends the option's life at 13:00
        ("20241128", "2024-11-27 21:00:00"),  # Thanksgiving
        ("20250418", "2025-04-17 20:00:00"),  # Good Friday
        ("20250419", "2025-04-17 20:00:00"),  # dated Saturday after it, as monthlies once were
        ("20140719", "2014-07-18 20:00:00"),
        ("20240308", "2024-03-08 21:00:00"),  # winter time
        ("20240311", "2024-03-11 20:00:00"),  # summer time
    ],
)
def test_the_last_trading_moment_of_an_option(expiry: str, last: str) -> None:
    assert last_trade_us(expiry) == us(last)


def test_on_expiry_day_legs_are_hedged_to_the_edge_of_the_session_and_then_wait_for_settlement() -> None:
    desk = desk_at("2025-04-17 19:58:59", GOOD_FRIDAY, expiry="20250418")
    assert desk.state.refused is None
    desk.on(Clock(ts_us=us("2025-04-17 20:00:00")))
    desk.decide()
    assert "leg_settlement" in desk.check_reasons()
    desk.quote(71.0, at_us=us("2025-04-21 14:00:00"))
    desk.own_to(60.0)
    desk.decide()
    assert desk.state.refused == "leg_settlement"
    assert desk.state.codes.s == 0  # intrinsic value needs no volatility
    desk.put_ledger(leg_quantities={CALL: 0.0, PUT: 0.0})
    desk.decide()
    assert "leg_settlement" not in desk.check_reasons()


def test_time_to_expiry_runs_through_a_clock_change_in_real_hours() -> None:
    years = years_between(last_trade_us("20240308"), last_trade_us("20240311"))
    assert years == pytest.approx(71 / (365 * 24))  # not three times 24 hours


def test_hours_that_cannot_be_read_are_an_error_and_never_a_guess() -> None:
    for text in ("20241129:0930", "20241129:0930-20241329:1600", "tomorrow:0930-1600"):
        with pytest.raises(HoursError):
            parse_liquid_hours(text, ZONE)
    with pytest.raises(HoursError):
        parse_liquid_hours(THANKSGIVING, "Mars/Olympus")
