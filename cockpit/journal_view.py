"""The Operations page's question: a filter from the words of an address, the same words again, and a shell's. Pure.

One vocabulary for the page, the export and the count: `span since until type side reason text intent order count limit
routine before after at`. An address that was passed on asks the same, whatever zone and language the other one shows.
"""

import shlex
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from cockpit.journal_times import NoTime, read_time, write_time
from cockpit.reader import Reader
from state.query import Filter, GroupBy
from state.records import JournalType
from state.times import iso_from_us

LIMITS: Final = (50, 200, 1000)
SIDES: Final[tuple[Literal["BUY", "SELL"], ...]] = ("BUY", "SELL")
COUNTS: Final[tuple[GroupBy, ...]] = ("day", "week", "month", "type", "reason", "side", "instrument")
ALL_TIME: Final = "all"
SPANS_S: Final = {"15 min": 900, "1 h": 3600, "6 h": 21_600, "1 d": 86_400, "7 d": 604_800, ALL_TIME: None}
MOST_BY_SHELL: Final = 100_000
"""What `ops --limit` takes at most."""
_YES: Final = frozenset({"true", "yes", "1"})
_TEXTS: Final = ("reason", "text", "order", "intent")
Query = dict[str, tuple[str, ...]]
"""An address's words: name -> values, in the order in which they are written."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the page's address asks for. `problems` are sentences about parts that could not be understood."""

    wanted: Filter = Filter()
    intent: str | None = None
    """One intent's life: its own lines and those of its orders."""
    limit: int = LIMITS[0]
    routine: bool = False
    """Whether routine lines (checkpoints, transitions) are shown where no type is chosen."""
    count_by: GroupBy | None = None
    """Count the operations in these groups instead of showing them; one intent's life is shown, not counted."""
    before: int | None = None
    after: int | None = None
    """The page of the journal: lines before this number, or the next ones behind it."""
    at_us: int | None = None
    """The moment whose decision is explained."""
    problems: tuple[str, ...] = ()

    @property
    def shows_routine(self) -> bool:
        """A chosen type or intent is shown whatever it is."""
        return self.routine or bool(self.wanted.types) or self.intent is not None

    @property
    def counted(self) -> Filter:
        """The filter whose lines are counted: an intent's by its name."""
        return msgspec.structs.replace(self.wanted, intent_id=self.intent)


def ask(values: Mapping[str, str | None], types: Sequence[str], *, newest_us: int | None, reader: Reader) -> Asked:
    """Make a question of the page's fields.

    `newest_us` is the journal's newest time: a span counts back from there, because a replayed day lies in the past.
    """
    problems: list[str] = []
    since_us, until_us, at_us = (_time(values, name, problems, reader) for name in ("since", "until", "at"))
    span_s = SPANS_S.get(values.get("span") or ALL_TIME)
    if since_us is None and span_s is not None and newest_us is not None:
        since_us = newest_us - span_s * 1_000_000
    if since_us is not None and until_us is not None and since_us >= until_us:
        problems.append(reader.say("operations.problems.order"))
    known = {kind.value for kind in JournalType}
    problems += [reader.say("operations.problems.type", name=name) for name in types if name not in known]
    reason, text, order, intent = (values.get(name) or None for name in _TEXTS)
    count = next((name for name in COUNTS if name == values.get("count")), None)
    limit = values.get("limit") or ""
    return Asked(
        wanted=Filter(
            since_us=since_us,
            until_us=until_us,
            types=frozenset(JournalType(name) for name in types if name in known) or None,
            side=next((side for side in SIDES if side == values.get("side")), None),
            reason=reason,
            order_ref=order,
            text=text,
        ),
        intent=intent,
        limit=next((each for each in LIMITS if str(each) == limit), LIMITS[0]),
        routine=(values.get("routine") or "").lower() in _YES,
        count_by=None if intent else count,
        before=_number(values.get("before")),
        after=_number(values.get("after")) if values.get("before") is None else None,
        at_us=at_us,
        problems=tuple(problems),
    )


def _time(values: Mapping[str, str | None], name: str, problems: list[str], reader: Reader) -> int | None:
    text = values.get(name)
    if not text:
        return None
    try:
        return read_time(text, reader)
    except NoTime as problem:
        problems.append(str(problem))
        return None


def _number(text: str | None) -> int | None:
    """Of a line: what is longer than any journal is no number."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 15 else None


def query_of(asked: Asked, reader: Reader) -> Query:
    """The address's words that ask the same; a span becomes the time at which it began."""
    wanted = asked.wanted
    found: dict[str, tuple[str | None, ...]] = {
        "since": (_written(wanted.since_us, reader),),
        "until": (_written(wanted.until_us, reader),),
        "type": tuple(sorted(kind.value for kind in wanted.types or ())),
        "side": (wanted.side,),
        "reason": (wanted.reason,),
        "text": (wanted.text,),
        "order": (wanted.order_ref,),
        "intent": (asked.intent,),
        "count": (asked.count_by,),
        "limit": (None if asked.limit == LIMITS[0] else str(asked.limit),),
        "routine": ("true" if asked.routine else None,),
        "before": (None if asked.before is None else str(asked.before),),
        "after": (None if asked.after is None else str(asked.after),),
        "at": (_written(asked.at_us, reader),),
    }
    kept = {name: tuple(value for value in values if value) for name, values in found.items()}
    return {name: values for name, values in kept.items() if values}


def _written(time_us: int | None, reader: Reader) -> str | None:
    return None if time_us is None else write_time(time_us, reader)


def cli_words(asked: Asked, desk: str, *, newest_shown: int | None = None) -> str:
    """The words of `bifrost` that print the same lines; `newest_shown` is the number of the first line of the page."""
    if asked.count_by is not None:
        return f"ops --desk {desk}{_filter_words(asked)} --count-by {asked.count_by}"
    words = f"ops --desk {desk}{_filter_words(asked)}{_all(asked)}"
    before = asked.before if asked.after is None or newest_shown is None else newest_shown + 1
    if before is not None and asked.intent is None:
        words += f" --before {before}"
    return f"{words} --limit {asked.limit}"


def export_words(asked: Asked, desk: str) -> str:
    """The words that print everything that an export holds, up to what the command takes."""
    return f"ops --desk {desk}{_filter_words(asked)}{_all(asked)} --limit {MOST_BY_SHELL} --json"


def _all(asked: Asked) -> str:
    """Where the command would leave routine lines out, and the page does not."""
    return " --all" if asked.routine and asked.intent is None and not asked.wanted.types else ""


def _filter_words(asked: Asked) -> str:
    wanted = asked.wanted
    words = ""
    if wanted.since_us is not None:
        words += f" --since {_short(wanted.since_us)}"
    if wanted.until_us is not None:
        words += f" --until {_short(wanted.until_us)}"
    for kind in sorted(wanted.types or ()):
        words += f" --type {kind.value}"
    if wanted.side is not None:
        words += f" --side {wanted.side}"
    named = (("reason", wanted.reason), ("text", wanted.text), ("order", wanted.order_ref), ("intent", asked.intent))
    for option, value in named:
        if value is not None:
            words += f" --{option} {shlex.quote(value)}"
    return words


def why_words(ts: str, desk: str) -> str:
    """The words of `bifrost` that explain what was decided at a line's time."""
    return f"why --desk {desk} --at {ts}"


def _short(time_us: int) -> str:
    """To the second where that is exact."""
    text = iso_from_us(time_us)
    return text if time_us % 1_000_000 else f"{text[:19]}Z"
