"""The end of a process's log: its newest lines, taken apart. What stands in them is data, never markup."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from state.undecodable import UNDECODABLE

MOST_LINES: Final = 200
_MOST_BYTES: Final = 4 * 1024 * 1024
"""How far back from the end is looked for them."""
_BLOCK: Final = 64 * 1024
_LONGEST: Final = 4000
"""Characters of one line that are kept; a traceback is shorter."""
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_OURS: Final = frozenset({"wall_ts", "level", "event", "logger", "run_id", "process", "exception"})


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line. A line that is no JSON of ours is all `event`, without time and level."""

    wall_ts: str = ""
    level: str = ""
    event: str
    detail: str = ""


class LogEnd(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `is_cut` says that older matches may lie further back than was looked."""

    lines: tuple[LogLine, ...]
    is_cut: bool = False
    problem: str | None = None


def log_names(folder: Path) -> tuple[str, ...]:
    """The logs that are there: each process's structured one, and what it said on its terminal."""
    try:
        names = [path.name for path in folder.iterdir() if path.suffix in (".jsonl", ".log") and path.is_file()]
    except OSError:
        return ()
    return tuple(sorted(names, key=lambda name: (not name.endswith(".jsonl"), name)))


def newest_lines(path: Path, *, least_level: str, text: str = "", most: int = MOST_LINES) -> LogEnd:
    """The newest lines of at least that level that hold `text`, whatever its case. Never raises for what is in it."""
    found: list[LogLine] = []
    wanted, rank = text.casefold(), LEVELS.index(least_level)
    try:
        for raw in _backwards(path):
            line = _line(raw)
            if line.event and _rank(line) >= rank and (not wanted or wanted in _all_of(line)):
                found.append(line)
                if len(found) == most:
                    return LogEnd(lines=tuple(found), is_cut=True)
        return LogEnd(lines=tuple(found), is_cut=path.stat().st_size > _MOST_BYTES)
    except FileNotFoundError:
        return LogEnd(lines=())
    except OSError as error:
        return LogEnd(lines=tuple(found), problem=str(error.strerror or error))


def _backwards(path: Path) -> Iterator[bytes]:
    """Whole lines from the end, for as many bytes as are looked at."""
    with path.open("rb") as file:
        place = file.seek(0, os.SEEK_END)
        stop = max(0, place - _MOST_BYTES)
        rest = b""
        while place > stop:
            size = min(_BLOCK, place - stop)
            place -= size
            file.seek(place)
            lines = (file.read(size) + rest).split(b"\n")
            rest = lines[0]
            yield from (line for line in reversed(lines[1:]) if line.strip())
        if rest.strip() and stop == 0:
            yield rest


def _line(raw: bytes) -> LogLine:
    told = raw.decode("utf-8", "replace").strip()
    try:
        found: Any = msgspec.json.decode(raw)
    except UNDECODABLE:
        return LogLine(event=told[:_LONGEST])
    if not isinstance(found, dict):
        return LogLine(event=told[:_LONGEST])
    more = [f"{name}={_short(value)}" for name, value in found.items() if name not in _OURS]
    if found.get("exception"):
        more.append(str(found["exception"]))
    return LogLine(
        wall_ts=str(found.get("wall_ts", "")),
        level=str(found.get("level", "")).lower(),
        event=str(found.get("event", ""))[:_LONGEST],
        detail=" ".join(more)[:_LONGEST],
    )


def _short(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode("utf-8", "replace")


def _rank(line: LogLine) -> int:
    """What names no level (a traceback on the terminal, another program's line) may be anything, so it is shown."""
    return LEVELS.index(line.level) if line.level in LEVELS else len(LEVELS)


def _all_of(line: LogLine) -> str:
    return f"{line.event} {line.detail} {line.level}".casefold()
