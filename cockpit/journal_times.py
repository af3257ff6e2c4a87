"""Times that an operator types: read in the zone that the page shows, and always written back with their zone. Pure.

`2014-06-05 10:30` is meant in the shown zone. With a suffix it means the same whatever zone is shown: `Z`, an offset
like `-04:00`, or the exchange's own letters (`EDT`); so that an address can be passed on.
"""

import datetime as dt
import re
from zoneinfo import ZoneInfo

from cockpit.reader import EXCHANGE, UTC, Reader
from state.times import us_from_datetime

_TIME = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<part>\d{1,6}))?)?)?"
    r"\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2}|[A-Z]{3})?"
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class NoTime(ValueError):  # noqa: N818 - an operator's typing, answered by a sentence
    """The text is no time; the message says what to write."""


def read_time(text: str, reader: Reader) -> int:
    """Microseconds since the epoch. Raises NoTime with the remedy in the reader's language."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise NoTime(_remedy(text, reader))
    try:
        local = dt.datetime.fromisoformat(found["day"]).replace(
            hour=int(found["hour"] or 0),
            minute=int(found["minute"] or 0),
            second=int(found["second"] or 0),
            microsecond=int((found["part"] or "").ljust(6, "0")),
        )
        return us_from_datetime(_in_zone(local, found["zone"], reader))
    except (ValueError, OverflowError):
        raise NoTime(_remedy(text, reader)) from None


def write_time(time_us: int, reader: Reader) -> str:
    """As the page shows it, with its zone: `2014-06-05 10:30 EDT`; `read_time` gives the same moment back."""
    at = (_EPOCH + dt.timedelta(microseconds=time_us)).astimezone(_zone(reader.zone))
    text = f"{at:%Y-%m-%d %H:%M}"
    if at.second or at.microsecond:
        text += f":{at:%S}"
    if at.microsecond:
        text += f".{at.microsecond:06d}".rstrip("0")
    if reader.zone == UTC:
        return f"{text}Z"
    if reader.zone == EXCHANGE:
        return f"{text} {at:%Z}"
    offset = f"{at:%z}"
    return f"{text} {offset[:3]}:{offset[3:5]}"


def _in_zone(local: dt.datetime, suffix: str | None, reader: Reader) -> dt.datetime:
    """Raises ValueError for a suffix that names no zone which is known here."""
    if suffix is None:
        return local.replace(tzinfo=_zone(reader.zone))
    if suffix in ("Z", "UTC"):
        return local.replace(tzinfo=dt.UTC)
    if suffix[0] in "+-":
        return dt.datetime.fromisoformat(f"{local:%Y-%m-%dT%H:%M:%S.%f}{suffix}")
    for fold in (0, 1):
        at = local.replace(tzinfo=_zone(EXCHANGE), fold=fold)
        if at.tzname() == suffix:
            return at
    raise ValueError(suffix)


def _zone(name: str) -> dt.tzinfo:
    return dt.UTC if name == UTC else ZoneInfo(name)


def _remedy(text: str, reader: Reader) -> str:
    return reader.say("operations.problems.time", text=text.strip(), zone=reader.zone_name)
