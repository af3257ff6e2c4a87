"""The Operations page's question and its words: filters from the address, the command line that asks the same."""

import re
import shlex
from collections.abc import Mapping
from typing import Literal

import msgspec

from state.query import Filter, Found, GroupBy, JournalIndex
from state.records import JournalType
from state.times import iso_from_us, us_from_iso

LIMITS = (50, 200, 1000)
SIDES: tuple[Literal["BUY", "SELL"], ...] = ("BUY", "SELL")
COUNTS: tuple[GroupBy, ...] = ("day", "week", "month", "type", "reason", "side")
ALL_TIME = "all"
SPANS_S = {"15 min": 900, "1 h": 3600, "6 h": 21_600, "1 d": 86_400, "7 d": 604_800, ALL_TIME: None}
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?Z?")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the page's address asks for. `problems` are sentences about parts that could not be understood."""

    wanted: Filter
    limit: int = LIMITS[0]
    routine: bool = False
    """Whether routine lines (checkpoints, transitions) are shown where no type is chosen."""
    count_by: GroupBy | None = None
    """Count the operations in these groups instead of showing them; one intent's life is shown, not counted."""
    problems: tuple[str, ...] = ()


def parse_time(text: str) -> int:
    """`2014-06-05`, `2014-06-05 14:30` or with seconds, in UTC, as microseconds. Raises ValueError with the remedy."""
    cleaned = text.strip()
    if _TIME.fullmatch(cleaned) is None:
        raise ValueError(f"{text!r} is no time; write 2014-06-05 or 2014-06-05 14:30, in UTC")
    try:
        return us_from_iso(
            cleaned.removesuffix("Z").replace(" ", "T") + "+00:00"
            if len(cleaned) > 11
            else f"{cleaned.removesuffix('Z')}T00:00+00:00"
        )
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: {error}") from error


def ask(values: Mapping[str, str | None], types: tuple[str, ...], *, newest_us: int | None) -> Asked:
    """Make a filter of the page's fields: since, until, span, side, reason, intent, text, count, limit, routine.

    `newest_us` is the journal's newest time: a span counts back from there, because a replayed day lies in the past.
    """
    problems: list[str] = []
    bounds: dict[str, int | None] = {"since": None, "until": None}
    for name in bounds:
        text = values.get(name)
        if text:
            try:
                bounds[name] = parse_time(text)
            except ValueError as error:
                problems.append(f"{name}: {error}")
    span_s = SPANS_S.get(values.get("span") or ALL_TIME)
    if bounds["since"] is None and span_s is not None and newest_us is not None:
        bounds["since"] = newest_us - span_s * 1_000_000
    known = {kind.value for kind in JournalType}
    problems += [f"type: there is no {name!r}" for name in types if name not in known]
    chosen = frozenset(JournalType(name) for name in types if name in known)
    limit = values.get("limit") or str(LIMITS[0])
    return Asked(
        wanted=Filter(
            since_us=bounds["since"],
            until_us=bounds["until"],
            types=chosen or None,
            side=next((side for side in SIDES if side == values.get("side")), None),
            reason=values.get("reason") or None,
            intent_id=values.get("intent") or None,
            text=values.get("text") or None,
        ),
        limit=int(limit) if limit.isdecimal() and int(limit) in LIMITS else LIMITS[0],
        routine=values.get("routine") == "yes",
        count_by=None if values.get("intent") else next((name for name in COUNTS if name == values.get("count")), None),
        problems=tuple(problems),
    )


def look_up(index: JournalIndex, asked: Asked) -> Found:
    """The operations, newest first. Raises OSError."""
    wanted = asked.wanted
    routine = asked.routine or bool(wanted.types) or wanted.intent_id is not None
    return index.newest(wanted, asked.limit, routine=routine)


def cli_words(asked: Asked, desk: str) -> str:
    """The words of `bifrost` that print the same lines."""
    wanted = asked.wanted
    words = f"ops --desk {desk}"
    if wanted.since_us is not None:
        words += f" --since {_short(wanted.since_us)}"
    if wanted.until_us is not None:
        words += f" --until {_short(wanted.until_us)}"
    for kind in sorted(wanted.types or ()):
        words += f" --type {kind.value}"
    if wanted.side is not None:
        words += f" --side {wanted.side}"
    for option, value in (("reason", wanted.reason), ("text", wanted.text), ("intent", wanted.intent_id)):
        if value is not None:
            words += f" --{option} {shlex.quote(value)}"
    if asked.count_by is not None:
        return f"{words} --count-by {asked.count_by}"
    if wanted.intent_id is None and not wanted.types and asked.routine:
        words += " --all"
    return f"{words} --limit {asked.limit}"


def why_words(ts: str, desk: str) -> str:
    """The words of `bifrost` that explain what was decided at a line's time."""
    return f"why --desk {desk} --at {ts}"


def _short(time_us: int) -> str:
    return iso_from_us(time_us)[:19] + "Z"
