"""Sessions, liquid hours and last trading moments against days whose hours are public knowledge."""

from datetime import date

import pytest

from daemon.venues.exchange_hours import (
    HoursError,
    last_trade_us,
    last_trading_session,
    liquid_sessions,
    newest_session,
    parse_liquid_hours,
    session_of,
    sessions_between,
    sessions_from,
)
from state.times import iso_from_us, us_from_iso


def hours(day: date) -> tuple[str, str] | None:
    session = session_of(day)
    return None if session is None else (iso_from_us(session.open_us)[11:16], iso_from_us(session.close_us)[11:16])


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2014, 6, 5), ("13:30", "20:00")),  # summer time
        (date(2014, 1, 6), ("14:30", "21:00")),  # winter time
        (date(2014, 7, 3), ("13:30", "17:00")),  # the day before Independence Day closes at 13:00
        (date(2014, 7, 4), None),
        (date(2014, 6, 7), None),  # a Saturday
        (date(2001, 9, 12), None),  # closed, and more than twenty years ago
        (date(2001, 9, 17), ("13:30", "20:00")),
        (date(2028, 6, 30), ("13:30", "20:00")),  # further ahead than the library's default
    ],
)
def test_sessions_know_daylight_saving_half_days_and_holidays(day: date, expected: tuple[str, str] | None) -> None:
    assert hours(day) == expected


def test_sessions_between_is_inclusive_and_crosses_blocks_of_years() -> None:
    found = sessions_between(date(2014, 12, 30), date(2015, 1, 2))
    assert [session.date for session in found] == ["2014-12-30", "2014-12-31", "2015-01-02"]
    assert sessions_between(date(2014, 6, 7), date(2014, 6, 8)) == ()


def test_sessions_from_starts_with_the_running_one() -> None:
    during = us_from_iso("2014-07-03T16:59:59Z")
    assert [s.date for s in sessions_from(during, 3)] == ["2014-07-03", "2014-07-07", "2014-07-08"]
    at_close = us_from_iso("2014-07-03T17:00:00Z")
    assert [s.date for s in sessions_from(at_close, 1)] == ["2014-07-07"]
    assert len(sessions_from(during, 300)) == 300


def test_the_newest_session_has_opened() -> None:
    assert newest_session(us_from_iso("2014-06-05T13:29:59Z")).date == "2014-06-04"
    assert newest_session(us_from_iso("2014-06-05T13:30:00Z")).date == "2014-06-05"
    assert newest_session(us_from_iso("2014-06-08T12:00:00Z")).date == "2014-06-06"


def test_liquid_hours_are_cut_by_the_calendar() -> None:
    text = "20140702:0930-20140702:1600;20140703:0930-20140703:1600;20140704:CLOSED;20140705:0930-20140705:1600"
    found = liquid_sessions(text, "US/Eastern")
    assert [(s.date, iso_from_us(s.open_us)[11:16], iso_from_us(s.close_us)[11:16]) for s in found] == [
        ("2014-07-02", "13:30", "20:00"),
        ("2014-07-03", "13:30", "17:00"),
    ]


@pytest.mark.parametrize("zone", ["EST", "EST (Eastern Standard Time)", "America/New_York", "EST5EDT"])
def test_liquid_hours_in_the_older_form_and_every_name_of_the_zone(zone: str) -> None:
    spans = parse_liquid_hours("20140605:0930-1200,1300-1600;20140606:CLOSED;", zone)
    assert [(iso_from_us(a)[11:16], iso_from_us(b)[11:16]) for a, b in spans] == [
        ("13:30", "16:00"),
        ("17:00", "20:00"),
    ]


@pytest.mark.parametrize(
    ("text", "zone", "message"),
    [
        ("20140605:0930", "US/Eastern", "no end"),
        ("20140605:0930-2561", "US/Eastern", "odd time '2561'"),
        ("20140605:0930-1600", "Mars/Olympus", "'Mars/Olympus' is not known"),
    ],
)
def test_odd_liquid_hours_are_named(text: str, zone: str, message: str) -> None:
    with pytest.raises(HoursError, match=message):
        parse_liquid_hours(text, zone)


@pytest.mark.parametrize(
    ("expiry", "last_moment"),
    [
        ("20140719", "2014-07-18T20:00:00.000000Z"),  # dated Saturday
        ("20150320", "2015-03-20T20:00:00.000000Z"),
        ("20140418", "2014-04-17T20:00:00.000000Z"),  # Good Friday
        ("20141128", "2014-11-28T18:00:00.000000Z"),  # the half day after Thanksgiving
    ],
)
def test_the_last_trading_moment_of_an_option(expiry: str, last_moment: str) -> None:
    assert iso_from_us(last_trade_us(expiry)) == last_moment


def test_errors_name_the_calendar_and_the_date() -> None:
    with pytest.raises(HoursError, match="no exchange calendar 'XXXX'"):
        session_of(date(2014, 6, 5), "XXXX")
    with pytest.raises(HoursError, match="'2014-07-19' is not a date"):
        last_trading_session("2014-07-19")
