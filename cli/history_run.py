"""What every command that runs over history does around the run: its feed, name, priority, end and exit code."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from config.schema import Profile
    from daemon.backtest.feeds.feed import Feed

INTERRUPTED = 130
EXITS: Mapping[str, int] = MappingProxyType(
    {"finished": int(ExitCode.DONE), "interrupted": INTERRUPTED, "failed": int(ExitCode.FAILED)}
)
"""How a run ended, as `state.runs.records.Status` says it -> the command's exit code."""
NICE = 15
_WORD = re.compile(r"[^A-Za-z0-9_.-]+")


def opened_feed(data: str, profile: "Profile", root: Path) -> "Feed":
    """The prices that `--data` names, relative paths from where the command was typed. Raises CommandError (2)."""
    from daemon.backtest.feeds.opening import open_feed
    from daemon.venues.feeds.errors import FeedError

    try:
        return open_feed(data, profile, base=Path.cwd(), root=root)
    except FeedError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error


def take_priority(priority: str) -> None:
    """`low` gives way to every other process. Raises CommandError (2) for another word."""
    import os

    if priority not in ("low", "normal"):
        raise CommandError(f"--priority {priority!r}: low or normal", ExitCode.USAGE)
    if priority == "low":
        os.nice(NICE)


def new_run_id(folder: Path, words: str) -> str:
    """`20261121-141502-recorded_day`, with a number behind it where that is taken in `folder`."""
    from daemon.backtest.run_folder import wall_us
    from state.times import iso_from_us

    stamp = iso_from_us(wall_us())[:19].replace("-", "").replace(":", "").replace("T", "-")
    name = f"{stamp}-{_WORD.sub('-', words)}"[:72]
    found, number = name, 2
    while (folder / found).exists():
        found, number = f"{name}-{number}", number + 1
    return found


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: what there is so far is kept."""
    import signal

    # What SIGINT calls already: the default handler, which raises KeyboardInterrupt.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
