"""`ib.restart_windows` as UTC intervals: the core knows no time zones."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from config.schema import RestartWindow
from daemon.core.events import Window
from state.times import us_from_datetime

DAYS_AHEAD = 8
"""A daemon that cannot connect for a week still knows when to be patient."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def utc_windows(windows: Iterable[RestartWindow], now_us: int) -> tuple[Window, ...]:
    """Every window that ends after `now_us` and begins within `DAYS_AHEAD` days, in order of its begin."""
    today = datetime.fromtimestamp(now_us // 1_000_000, tz=UTC).date()
    found = [
        window
        for configured in windows
        # Two days back: a window may be a day long, and local days are up to a day off UTC's.
        for offset in range(-2, DAYS_AHEAD + 1)
        if (window := _on(configured, today + timedelta(days=offset))) is not None and window.end_us > now_us
    ]
    return tuple(sorted(found, key=lambda window: (window.start_us, window.end_us)))


def _on(configured: RestartWindow, day: date) -> Window | None:
    """The window that begins on this local day, if one does."""
    if configured.days and WEEKDAYS[day.weekday()] not in configured.days:
        return None
    begin, end = (time.fromisoformat(part) for part in configured.time.split("-"))
    zone = ZoneInfo(configured.zone)
    last = day if end > begin else day + timedelta(days=1)
    return Window(start_us=_us(day, begin, zone), end_us=_us(last, end, zone))


def _us(day: date, moment: time, zone: ZoneInfo) -> int:
    """Local to UTC; a time that a clock change skips or repeats is taken in the offset before the change."""
    return us_from_datetime(datetime.combine(day, moment, tzinfo=zone))
