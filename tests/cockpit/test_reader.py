"""Times as a reader sees them: in the zone that was asked for, and never without saying which."""

import pytest

from cockpit.reader import DASH, EXCHANGE, Reader, zone_of

SUMMER = "2014-06-05T14:31:07.123456Z"
WINTER = "2014-12-05T14:31:07.123456Z"


@pytest.mark.parametrize(
    ("zone", "iso", "text"),
    [
        ("UTC", SUMMER, "14:31:07Z"),
        (EXCHANGE, SUMMER, "10:31:07 EDT"),
        (EXCHANGE, WINTER, "09:31:07 EST"),
        # The letters of both are CST.
        ("Asia/Shanghai", SUMMER, "22:31:07 +08:00"),
        ("America/Chicago", WINTER, "08:31:07 -06:00"),
        ("Asia/Kolkata", SUMMER, "20:01:07 +05:30"),
    ],
)
def test_every_time_says_its_zone_and_no_two_zones_read_alike(zone: str, iso: str, text: str) -> None:
    assert Reader(zone=zone).time_of_day(iso) == text


def test_a_day_is_the_zones_own() -> None:
    reader = Reader(zone="Asia/Shanghai")
    assert reader.day_and_time("2014-06-05T20:00:00.000000Z") == "2014-06-06 04:00:00 +08:00"
    assert reader.until("2014-06-05T20:00:00.000000Z", now_iso=SUMMER) == "2014-06-06 04:00 +08:00"
    assert Reader().until("2014-06-05T20:00:00.000000Z", now_iso=SUMMER) == "20:00Z"
    assert reader.plot_time("2014-06-05T20:00:00.123456Z") == "2014-06-06T04:00:00.123"


def test_times_within_a_sentence_are_the_readers_too() -> None:
    said = f"by anna since {SUMMER}: lunch until 2014-06-06T00:30:00.000000Z"
    now = "2014-06-05T15:00:00.000000Z"
    assert Reader(zone=EXCHANGE).short_times(said, now_iso=now) == (
        "by anna since 10:31:07 EDT: lunch until 20:30:00 EDT"
    )
    assert Reader(zone=EXCHANGE).short_times("opens 2014-06-05T20:00:00Z", now_iso=now) == "opens 16:00:00 EDT"
    assert Reader().short_times(said, now_iso=now) == "by anna since 14:31:07Z: lunch until 2014-06-06 00:30:00Z"


@pytest.mark.parametrize("odd", [None, "", "soon", "2014-06-05", "9999-99-99T99:99:99.999999Z"])
def test_what_is_no_time_is_a_dash(odd: str | None) -> None:
    for zone in ("UTC", EXCHANGE):
        assert Reader(zone=zone).time_of_day(odd) == DASH
        assert Reader(zone=zone).day_and_time(odd) == DASH
        assert Reader(zone=zone).until(odd, now_iso=SUMMER) == DASH


def test_a_calendars_first_and_last_moment_break_nothing() -> None:
    assert Reader(zone="Asia/Shanghai").day_and_time("9999-12-31T23:59:59.999999Z") == DASH
    assert Reader(zone=EXCHANGE).day_and_time("0001-01-01T00:00:00.000000Z") == DASH
    assert Reader().day_and_time("9999-12-31T23:59:59.999999Z") == "9999-12-31 23:59:59Z"


@pytest.mark.parametrize(
    ("choice", "browsers", "zone"),
    [
        (None, "Asia/Shanghai", "UTC"),
        ("utc", "Asia/Shanghai", "UTC"),
        ("exchange", None, EXCHANGE),
        ("local", "Asia/Shanghai", "Asia/Shanghai"),
        ("local", None, "UTC"),
        ("local", "../../etc/passwd", "UTC"),
        ("Mars/Olympus", None, "UTC"),
        ("/etc/localtime", None, "UTC"),
        ("Europe/Berlin", None, "Europe/Berlin"),
        ("a" * 5000, None, "UTC"),
    ],
)
def test_only_a_zone_of_the_database_is_taken(choice: str | None, browsers: str | None, zone: str) -> None:
    assert zone_of(choice, browsers) == zone
