"""For whom a text is made: the language it is in and the time zone its times are shown in.

Pure. Every function that makes text for a page takes a `Reader`. Files and commands stay in UTC; only what is shown
changes, and every time says which zone it is in.
"""

import datetime as dt
import re
from functools import cache
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from cockpit.language import Language, Words, phrases_of, words_of
from state.times import us_from_iso

UTC: Final = "UTC"
EXCHANGE: Final = "America/New_York"
"""The exchange's zone: every calendar that a profile may name is a United States one."""
DASH: Final = "\N{EN DASH}"
ZoneChoice = Literal["utc", "exchange", "local"]
ZONE_CHOICES: Final[tuple[ZoneChoice, ...]] = ("utc", "exchange", "local")


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads. `zone` is a name of the time zone database."""

    language: Language = "en"
    zone: str = UTC

    @property
    def words(self) -> Words:
        """The catalogue."""
        return words_of(self.language)

    def say(self, key: str, /, **values: object) -> str:
        """The text of a key with its places filled. Raises KeyError for a key that no catalogue has."""
        return self.words(key, **values)

    def say_known(self, area: str, name: str, fallback: str) -> str:
        """The text of `area.name` where `name` comes from a file; `fallback` where no catalogue knows it."""
        found = self.words.find(f"{area}.{name}")
        return fallback if found is None else found

    def phrase(self, text: str) -> str:
        """A sentence that a desk wrote in English, in this language where the catalogue knows it; else as it is."""
        return phrases_of(self.language)(text)

    def time_of_day(self, iso: str | None, *, milliseconds: bool = False) -> str:
        """`2014-06-05T14:31:07.123456Z` -> `14:31:07Z`, `10:31:07 EDT`, `22:31:07 +08:00`; a dash for no time."""
        at = self._at(iso)
        if at is None:
            return DASH
        text = f"{at:%H:%M:%S}" + (f".{at.microsecond // 1000:03d}" if milliseconds else "")
        return text + self._suffix(at)

    def day_and_time(self, iso: str | None, *, milliseconds: bool = False) -> str:
        """`2014-06-05 14:31:07Z`."""
        at = self._at(iso)
        return DASH if at is None else f"{at:%Y-%m-%d} {self.time_of_day(iso, milliseconds=milliseconds)}"

    def until(self, iso: str | None, *, now_iso: str | None) -> str:
        """A coming moment to the minute: the time alone when it is today, the day before it otherwise."""
        at, now = self._at(iso), self._at(now_iso)
        if at is None:
            return DASH
        text = f"{at:%H:%M}{self._suffix(at)}"
        return text if now is not None and now.date() == at.date() else f"{at:%Y-%m-%d} {text}"

    def plot_time(self, iso: str) -> str:
        """Plotly reads a time without zone as it stands: this reader's, to the millisecond."""
        at = self._at(iso)
        return iso if at is None else f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}"

    def short_times(self, text: str, *, now_iso: str | None) -> str:
        """Times of the files inside a sentence, made readable: the day only where it is not today."""
        today = self._at(now_iso)

        def short(found: re.Match[str]) -> str:
            at = self._at(found[0])
            same_day = at is not None and today is not None and at.date() == today.date()
            return self.time_of_day(found[0]) if same_day else self.day_and_time(found[0])

        return _LONG_TIME.sub(short, text)

    @property
    def zone_name(self) -> str:
        """How an axis or a column's head names the zone."""
        if self.zone == UTC:
            return UTC
        city = self.zone.rpartition("/")[2].replace("_", " ")
        return self.say_known("wording.zones", city, city)

    def _at(self, iso: str | None) -> dt.datetime | None:
        if not iso:
            return None
        try:
            return (_EPOCH + dt.timedelta(microseconds=us_from_iso(iso))).astimezone(_zone(self.zone))
        except (ValueError, OverflowError):  # a file may hold any time, a calendar's last day in another zone too
            return None

    def _suffix(self, at: dt.datetime) -> str:
        """`Z`, the exchange's own letters, or an offset: letters like CST are several zones' at once."""
        if self.zone == UTC:
            return "Z"
        if self.zone == EXCHANGE:
            return f" {at:%Z}"
        hours_minutes = f"{at:%z}"
        return f" {hours_minutes[:3]}:{hours_minutes[3:]}"


_LONG_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{6})?Z")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@cache
def _zone(name: str) -> dt.tzinfo:
    return dt.UTC if name == UTC else ZoneInfo(name)


def zone_of(choice: str | None, browsers: str | None) -> str:
    """The zone that an address chooses (`utc`, `exchange`, `local`, or a zone's own name); UTC where it is unknown.

    `browsers` is the zone that the browser says it is in.
    """
    wanted = {"exchange": EXCHANGE, "local": browsers}.get(choice or "", choice)
    if not wanted or wanted == "utc":
        return UTC
    try:
        ZoneInfo(wanted)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
    return wanted
