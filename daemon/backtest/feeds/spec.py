"""Specs taken apart: `scheme:rest[#YYYYMMDD-YYYYMMDD]`."""

import re
from datetime import date

import msgspec

from daemon.venues.feeds.errors import FeedError

FORMS = {
    "lean": "lean:DIR:SYMBOL:YYYYMMDD[-YYYYMMDD]",
    "csv": "csv:FILE",
    "tape": "tape:PATH",
    "synthetic": "synthetic:SEED[:SESSIONS[:YYYY-MM-DD]]",
}
"""Scheme -> how it is written."""

_SLICE = re.compile(r"#(\d{8})-(\d{8})$")


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Only the sessions of these days, both included."""

    first: date
    last: date

    def holds(self, day: date) -> bool:
        """Whether a day lies within."""
        return self.first <= day <= self.last

    def __str__(self) -> str:
        """As it ends a spec."""
        return f"#{self.first:%Y%m%d}-{self.last:%Y%m%d}"


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """A spec without its slice, and the slice."""

    scheme: str
    rest: str
    cut: Slice | None = None

    @property
    def text(self) -> str:
        """The spec without its slice."""
        return f"{self.scheme}:{self.rest}"


def parse_spec(spec: str) -> Spec:
    """Raises FeedError for an unknown scheme, an empty rest or an odd slice."""
    cut = _SLICE.search(spec)
    whole = spec if cut is None else spec[: cut.start()]
    scheme, colon, rest = whole.partition(":")
    if not colon or scheme not in FORMS or not rest:
        forms = ", ".join(FORMS.values())
        raise FeedError(f"{spec!r} names no data: write one of {forms}")
    if cut is None:
        return Spec(scheme=scheme, rest=rest)
    first, last = (day_of(text, spec) for text in cut.groups())
    if last < first:
        raise FeedError(f"{spec!r} ends before it begins: the part behind # is #FIRST-LAST")
    return Spec(scheme=scheme, rest=rest, cut=Slice(first=first, last=last))


def day_of(text: str, spec: str) -> date:
    """A day YYYYMMDD or YYYY-MM-DD. Raises FeedError that quotes the spec."""
    plain = re.fullmatch(r"\d{8}|\d{4}-\d{2}-\d{2}", text)
    try:
        return date.fromisoformat(text if plain is not None else "")
    except ValueError:
        raise FeedError(f"{spec!r} has the day {text!r}, which is not in the calendar") from None
