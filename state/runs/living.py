"""Whether the process of a run still lives. A pid alone says nothing: the machine gives it to others."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import psutil

from state.runs.records import Progress
from state.times import us_from_iso

_SLACK_US: Final = 2_000_000
"""The kernel tells a process's start to a hundredth of a second, and clocks are set."""


class Process(msgspec.Struct, frozen=True):
    """What is asked of a pid: when it began (microseconds since the epoch) and its command line."""

    started_us: int
    words: tuple[str, ...]


Look = Callable[[int], Process | None]


def process_of(pid: int) -> Process | None:
    """The process of a pid; None where there is none, or where it is dead and only not yet buried."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return Process(int(process.create_time() * 1e6), tuple(process.cmdline()))
    except (psutil.Error, OSError, ValueError, OverflowError):
        return None


def is_alive(progress: Progress, look: Look = process_of) -> bool:
    """Whether the process that wrote this still runs: it began before the run did, and it is a command of ours.

    A process that got the pid later began after the run's start.
    """
    if progress.pid <= 1:
        return False
    try:
        began_us = us_from_iso(progress.started_ts)
    except ValueError:
        return False
    found = look(progress.pid)
    return found is not None and found.started_us <= began_us + _SLACK_US and _is_ours(found.words, progress.kind)


def _is_ours(words: Sequence[str], kind: str) -> bool:
    """`python -P -m cli backtest …`, or the launcher `bifrost`; a sweep's own words stand somewhere behind."""
    ours = any(word == "cli" or word.rpartition("/")[2] in ("bifrost", "cli") for word in words)
    return ours and kind in words
