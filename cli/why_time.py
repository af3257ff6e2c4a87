"""The words of `why --at`: a clock time, a full time, an age or `now`, as microseconds of the desk's own time."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cli.errors import CommandError, ExitCode

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(\.\d{1,6})?)?Z?\Z")
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
HELP = "14:03 or 14:03:12 (of the desk's newest day), 2026-11-21T14:03:12Z, an age (90s, 15m, 2h) or now"


def zone_of(name: str) -> ZoneInfo:
    """A zone by its IANA name. Raises CommandError (2)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        line = f"--zone {name!r}: no such time zone; write one like America/New_York, Europe/Berlin or UTC"
        raise CommandError(line, ExitCode.USAGE) from None


def moment_us(text: str, *, first_us: int, newest_us: int, zone: ZoneInfo) -> int:
    """The moment that is meant. Raises CommandError (2).

    A clock time is of the newest day on which it has passed for the desk: at 02:00, `14:03` is yesterday's. A time
    without a zone of its own is of `zone`. An age counts back from the desk's newest `ts`: in a replay that is not now.
    """
    text = text.strip()
    if text == "now":
        return newest_us
    age = _AGE.match(text)
    if age is not None:
        return newest_us - round(float(age[1]) * _SECONDS[age[2]] * 1_000_000)
    try:
        clock = _CLOCK.match(text)
        if clock is not None:
            own = ZoneInfo("UTC") if text.endswith("Z") else zone
            return _on_newest_day(clock, first_us=first_us, newest_us=newest_us, zone=own)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--at {text!r}: write {HELP}", ExitCode.USAGE) from None
    if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text):
        raise CommandError(f"--at {text!r} is a whole day; write a moment of it, like {text}T14:03", ExitCode.USAGE)
    return _us(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone))


def _on_newest_day(clock: re.Match[str], *, first_us: int, newest_us: int, zone: ZoneInfo) -> int:
    micros = round(float(clock[4] or 0) * 1_000_000)
    newest = datetime.fromtimestamp(0, tz=zone) + timedelta(microseconds=newest_us)
    newest = newest.astimezone(zone)
    at = newest.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3] or 0), microsecond=micros)
    if _us(at) > newest_us:
        # By the calendar, not by 24 hours: a day on which clocks change has 23 or 25.
        earlier = at.date() - timedelta(days=1)
        day_before = at.replace(year=earlier.year, month=earlier.month, day=earlier.day)
        # Where the record does not reach back so far, today was meant, and has not come yet.
        at = day_before if _us(day_before) >= first_us else at
    return _us(at)


def _us(moment: datetime) -> int:
    from state.times import us_from_datetime

    return us_from_datetime(moment)
