"""When an exchange is open: sessions, liquid hours cut by the calendar, and the last trading moment of an option.

Sessions are half-open UTC intervals [open, close); early closes and holidays come from exchange_calendars.
The library's default calendar reaches back only 20 years and ahead only one, so blocks of five years are built
as they are asked for and kept.
"""

import warnings
from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import exchange_calendars

from daemon.core.events import Session
from state.times import us_from_datetime

NEW_YORK = "XNYS"
_BLOCK_YEARS = 5
_LONGEST_CLOSURE = timedelta(days=30)
_ZONE_ALIASES = {"EST": "America/New_York", "EDT": "America/New_York", "CST": "America/Chicago"}
"""IB's older short names: it means the place, not the fixed offset that the tz database knows under that name."""

Interval = tuple[int, int]
"""(start, end) in microseconds since the epoch, half-open."""


class HoursError(ValueError):
    """Hours cannot be told; the text says why in one line."""


@lru_cache(maxsize=16)
def _block(calendar: str, first_year: int) -> tuple[Session, ...]:
    last_year = first_year + _BLOCK_YEARS - 1
    try:
        with warnings.catch_warnings():
            # exchange_calendars 4.13 reads Series.values while it builds itself, which pandas 3.1 deprecates.
            warnings.simplefilter("ignore")
            built = exchange_calendars.get_calendar(calendar, start=f"{first_year}-01-01", end=f"{last_year}-12-31")
    except exchange_calendars.errors.InvalidCalendarName:
        raise HoursError(f"there is no exchange calendar {calendar!r}; New York stocks have XNYS") from None
    except ValueError as error:
        raise HoursError(f"the calendar {calendar} does not know {first_year} to {last_year}: {error}") from None
    sessions = []
    for day_ns, open_ns, close_ns in zip(built.sessions_nanos, built.opens_nanos, built.closes_nanos, strict=True):
        day = datetime.fromtimestamp(int(day_ns) // 1_000_000_000, tz=UTC).date()
        sessions.append(Session(date=day.isoformat(), open_us=int(open_ns) // 1000, close_us=int(close_ns) // 1000))
    return tuple(sessions)


def sessions_between(first: date, last: date, calendar: str = NEW_YORK) -> tuple[Session, ...]:
    """The sessions of the days `first` to `last`, both included. Raises HoursError on an unknown calendar or year."""
    found: list[Session] = []
    for year in range(first.year // _BLOCK_YEARS * _BLOCK_YEARS, last.year + 1, _BLOCK_YEARS):
        block = _block(calendar, year)
        low = bisect_right(block, first.isoformat(), key=lambda session: session.date)
        if low and block[low - 1].date == first.isoformat():
            low -= 1
        high = bisect_right(block, last.isoformat(), key=lambda session: session.date)
        found.extend(block[low:high])
    return tuple(found)


def session_of(day: date, calendar: str = NEW_YORK) -> Session | None:
    """The session of one day, None on a weekend or holiday."""
    found = sessions_between(day, day, calendar)
    return found[0] if found else None


def sessions_from(ts_us: int, count: int, calendar: str = NEW_YORK) -> tuple[Session, ...]:
    """The next `count` sessions that have not closed at `ts_us`, the running one included."""
    day = _utc_day(ts_us) - timedelta(days=1)
    horizon = day + timedelta(days=count * 2) + _LONGEST_CLOSURE
    return tuple(s for s in sessions_between(day, horizon, calendar) if s.close_us > ts_us)[:count]


def newest_session(ts_us: int, calendar: str = NEW_YORK) -> Session:
    """The newest session that has opened by `ts_us`. Raises HoursError where the calendar has none."""
    day = _utc_day(ts_us)
    opened = [s for s in sessions_between(day - _LONGEST_CLOSURE, day, calendar) if s.open_us <= ts_us]
    if not opened:
        raise HoursError(f"the calendar {calendar} has no session before {day.isoformat()}")
    return opened[-1]


def _utc_day(ts_us: int) -> date:
    return datetime.fromtimestamp(ts_us // 1_000_000, tz=UTC).date()


def parse_liquid_hours(text: str, zone: str) -> tuple[Interval, ...]:
    """IB's hours, `20140605:0930-20140605:1600;20140606:CLOSED`, as UTC intervals in order.

    Also takes the older form without the second date and several intervals a day, separated by commas.
    Raises HoursError on anything else, naming the part.
    """
    place = _zone(zone)
    intervals: list[Interval] = []
    for day_text in filter(None, text.split(";")):
        day, _, hours = day_text.partition(":")
        if hours.strip().upper() == "CLOSED":
            continue
        for span in hours.split(","):
            start_text, dash, end_text = span.partition("-")
            if not dash:
                raise HoursError(f"liquid hours {day_text!r} have no end")
            start = _moment(day, start_text, place)
            intervals.append((start, _moment(day, end_text, place)))
    return tuple(sorted(intervals))


def liquid_sessions(text: str, zone: str, calendar: str = NEW_YORK) -> tuple[Session, ...]:
    """The contract's liquid hours within the exchange's sessions: what the core hedges in."""
    sessions: list[Session] = []
    for start_us, end_us in parse_liquid_hours(text, zone):
        for session in sessions_between(_utc_day(start_us), _utc_day(end_us), calendar):
            open_us, close_us = max(start_us, session.open_us), min(end_us, session.close_us)
            if open_us < close_us:
                sessions.append(Session(date=session.date, open_us=open_us, close_us=close_us))
    return tuple(sessions)


def _zone(name: str) -> ZoneInfo:
    plain = name.split(" ", maxsplit=1)[0]
    try:
        return ZoneInfo(_ZONE_ALIASES.get(plain, plain))
    except (ZoneInfoNotFoundError, ValueError):
        raise HoursError(f"the time zone {name!r} is not known") from None


def _moment(day: str, text: str, place: ZoneInfo) -> int:
    own_day, colon, clock = text.strip().partition(":")
    stamp = own_day + clock if colon else day + own_day
    try:
        return us_from_datetime(datetime.strptime(stamp.strip(), "%Y%m%d%H%M").replace(tzinfo=place))
    except ValueError:
        raise HoursError(f"liquid hours with an odd time {text!r}") from None


def last_trading_session(expiry: str, calendar: str = NEW_YORK) -> Session:
    """The last session in which an option of that expiry (YYYYMMDD) trades.

    Old monthly expiries are dated Saturday, and a Good Friday has no session: both mean the session before.
    Raises HoursError on a malformed date.
    """
    try:
        day = datetime.strptime(expiry, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise HoursError(f"the expiry {expiry!r} is not a date YYYYMMDD") from None
    found = sessions_between(day - _LONGEST_CLOSURE, day, calendar)
    if not found:
        raise HoursError(f"the calendar {calendar} has no session before the expiry {expiry}")
    return found[-1]


def last_trade_us(expiry: str, calendar: str = NEW_YORK) -> int:
    """When an option of that expiry stops trading: 16:00 New York of its last session, earlier on a half day."""
    return last_trading_session(expiry, calendar).close_us
