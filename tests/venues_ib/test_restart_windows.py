"""Restart windows of a profile as UTC intervals, through midnight, weekdays and clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from config.schema import RestartWindow
from daemon.venues.ib.restart_windows import DAYS_AHEAD, WEEKDAYS, utc_windows


def us(year: int, month: int, day: int, hour: int) -> int:
    return round(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1e6)


def spans(windows: tuple[RestartWindow, ...], now_us: int) -> list[tuple[str, str]]:
    found = utc_windows(windows, now_us)
    return [
        tuple(f"{datetime.fromtimestamp(us / 1e6, UTC):%a %d %H:%M}" for us in (each.start_us, each.end_us))  # type: ignore[misc]
        for each in found
    ]


NIGHTLY = RestartWindow(time="23:45-00:45")
WEEKEND = RestartWindow(time="23:00-03:00", days=("fri",))


def test_a_window_through_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    assert spans((WEEKEND,), us(2026, 1, 7, 12))[0] == ("Sat 10 04:00", "Sat 10 08:00")
    assert spans((WEEKEND,), us(2026, 1, 10, 6))[0] == ("Sat 10 04:00", "Sat 10 08:00"), "it is under way"
    assert spans((WEEKEND,), us(2026, 1, 10, 8))[0] == ("Sat 17 04:00", "Sat 17 08:00"), "an end is no part of it"


def test_the_hour_of_the_window_follows_the_clock_change() -> None:
    # New York goes from UTC-5 to UTC-4 on Sunday 8 March 2026.
    assert spans((NIGHTLY,), us(2026, 3, 7, 12))[:2] == [
        ("Sun 08 04:45", "Sun 08 05:45"),
        ("Mon 09 03:45", "Mon 09 04:45"),
    ]


def test_another_zone_and_no_windows() -> None:
    zurich = RestartWindow(time="05:00-05:30", zone="Europe/Zurich", days=("mon",))
    assert spans((zurich,), us(2026, 1, 10, 8)) == [("Mon 12 04:00", "Mon 12 04:30")]
    assert utc_windows((), us(2026, 1, 10, 8)) == ()


times = st.times().map(lambda moment: f"{moment:%H:%M}")
windows = st.builds(
    RestartWindow,
    time=st.tuples(times, times).filter(lambda pair: pair[0] != pair[1]).map("-".join),
    zone=st.sampled_from(["America/New_York", "Europe/Zurich", "Asia/Tokyo", "Pacific/Kiritimati", "UTC"]),
    days=st.lists(st.sampled_from(WEEKDAYS), max_size=7, unique=True).map(tuple),
)


@given(st.lists(windows, max_size=4), st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)))  # noqa: DTZ001
def test_windows_come_in_order_do_not_lie_in_the_past_and_reach_a_week(
    configured: list[RestartWindow], naive: datetime
) -> None:
    now = naive.replace(tzinfo=UTC)
    now_us = round(now.timestamp() * 1e6)
    found = utc_windows(configured, now_us)
    assert list(found) == sorted(found, key=lambda each: (each.start_us, each.end_us))
    assert all(now_us < each.end_us and each.start_us < each.end_us for each in found)
    for window in configured:
        begin = datetime.strptime(window.time[:5], "%H:%M").time()  # noqa: DTZ007
        for ahead in range(1, DAYS_AHEAD - 1):
            local = (now + timedelta(days=ahead)).astimezone(ZoneInfo(window.zone))
            if window.days and WEEKDAYS[local.weekday()] not in window.days:
                continue
            expected = round(datetime.combine(local.date(), begin, tzinfo=ZoneInfo(window.zone)).timestamp() * 1e6)
            assert expected in [each.start_us for each in found]
