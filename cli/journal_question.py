"""The words of `ops` as a question to the journal: times, ages, types, sides and groups."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from state.layout import DeskPaths
    from state.query import GroupBy
    from state.records import JournalType

_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
TIME_HELP = "a time (2026-11-21T14:30:00Z), a day (2026-11-21) or an age (90s, 15m, 2h, 1d)"


def time_us(paths: "DeskPaths", option: str, text: str | None) -> int | None:
    """A time, a day or an age as microseconds since the epoch; None where nothing is asked. Raises CommandError (2)."""
    from state.times import us_from_iso

    if text is None:
        return None
    age = _AGE.match(text)
    if age is not None:
        return _newest_ts_us(paths) - int(float(age[1]) * _SECONDS[age[2]] * 1_000_000)
    try:
        return us_from_iso(f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else text)
    except ValueError:
        raise CommandError(f"{option} {text!r}: write {TIME_HELP}", ExitCode.USAGE) from None


def _newest_ts_us(paths: "DeskPaths") -> int:
    """The desk's own now: a replayed desk's day is long past. The wall clock when it has no journal."""
    from daemon.runtime.clocks import wall_us
    from state.query import Filter, newest
    from state.times import us_from_iso

    lines = newest(paths.journal, Filter(), 1)
    return us_from_iso(lines[0].ts) if lines else wall_us()


def types_of(names: Sequence[str] | None) -> "frozenset[JournalType] | None":
    """Types by their names. Raises CommandError (2)."""
    from state.records import JournalType

    known = [each.value for each in JournalType]
    return frozenset(JournalType(_known("--type", name, known, "operation")) for name in names) if names else None


def side_of(text: str | None) -> Literal["BUY", "SELL"] | None:
    """A side in whatever case. Raises CommandError (2)."""
    match text.upper() if text is not None else None:
        case None:
            return None
        case "BUY":
            return "BUY"
        case "SELL":
            return "SELL"
        case _:
            raise CommandError(f"--side {text}: write BUY or SELL", ExitCode.USAGE)


def groups_of(names: Sequence[str] | None) -> "list[GroupBy]":
    """Groups by their names, each once. Raises CommandError (2)."""
    from typing import cast

    from state.query import GROUPS

    return [cast("GroupBy", _known("--count-by", name, GROUPS, "group")) for name in dict.fromkeys(names or ())]


def _known(option: str, name: str, known: Iterable[str], what: str) -> str:
    names = list(known)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
    raise CommandError(f"{option} {name}: no such {what}; {hint}", ExitCode.USAGE)
