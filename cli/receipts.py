"""Waiting for the daemon's word on a command: the journal is the only receipt that counts."""

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from cli.errors import CommandError

if TYPE_CHECKING:
    from state.layout import DeskPaths
    from state.records import JournalLine

_POLL_S = 0.05
Matches = Callable[["JournalLine"], bool]
"""Whether a journal line is the receipt that is waited for."""


class Receipts:
    """Follows the journal from the moment of construction: make it before giving the command."""

    def __init__(self, paths: "DeskPaths") -> None:
        from state.follow import JournalTail

        self._tail = JournalTail(paths.journal)
        self._lines: deque[JournalLine] = deque()

    def wait(
        self,
        matches: Matches,
        timeout_s: float,
        *,
        heard: Callable[["JournalLine"], None] = lambda _line: None,
        in_vain: Callable[[], bool] = lambda: False,
    ) -> "JournalLine | None":
        """The first line that matches, or None when the time is over or it is `in_vain`. Looks at least once.

        `heard` is told every line up to that one. What follows it is kept for the next wait.
        """
        started = time.monotonic()
        while True:
            hopeless = in_vain()  # asked before the look: the last words of who ended are in the journal by then
            self._lines.extend(self._poll())
            while self._lines:
                line = self._lines.popleft()
                heard(line)
                if matches(line):
                    return line
            if hopeless or time.monotonic() - started >= timeout_s:
                return None
            if not self._tail.has_more:
                time.sleep(_POLL_S)

    def _poll(self) -> "list[JournalLine]":
        try:
            lines = self._tail.poll()
        except OSError as error:
            raise CommandError(f"the journal cannot be read while waiting: {error}") from error
        gap = self._tail.gap
        if gap is not None:
            lost = f"seq {gap.after_seq + 1} to {gap.next_seq - 1}"
            raise CommandError(f"the journal lost {lost} while waiting; run ./bifrost verify, then look at status")
        return lines


def earlier_receipt(paths: "DeskPaths", matches: Matches, since_us: int) -> "JournalLine | None":
    """The newest matching line written at or after `since_us` (wall clock), for a command that stood already."""
    from state.journal_reader import lines_backwards
    from state.times import us_from_iso

    for line in lines_backwards(paths.journal):
        if us_from_iso(line.wall_ts) < since_us:
            return None
        if matches(line):
            return line
    return None


def commanded(line: "JournalLine") -> str | None:
    """Which command a control line speaks of."""
    command = line.data.get("command") if line.data is not None else None
    return command if isinstance(command, str) else None


def last_run_is_over(paths: "DeskPaths") -> "JournalLine | None":
    """The `run_stopped` line when the desk's newest run ended by itself with its orders confirmed; else None."""
    from state.journal_reader import lines_backwards
    from state.records import JournalType

    for line in lines_backwards(paths.journal):
        if line.type is JournalType.RUN_STARTED:
            return None
        if line.type is JournalType.RUN_STOPPED:
            code = line.data.get("exit_code") if line.data is not None else None
            return line if code in (0, 3) else None
    return None
