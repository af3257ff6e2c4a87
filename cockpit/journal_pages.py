"""One page of the journal: the lines to show, whether there are older and newer ones, and how to turn to them."""

import msgspec

from cockpit.journal_view import Asked
from state.query import Filter, Found, JournalIndex, matches
from state.records import JournalLine


class JournalPage(msgspec.Struct, frozen=True, kw_only=True):
    """Lines newest first. `total` is known only where all that match were read (one intent's life)."""

    lines: tuple[JournalLine, ...] = ()
    has_older: bool = False
    has_newer: bool = False
    left_out: int = 0
    problems: tuple[str, ...] = ()
    total: int | None = None
    story: tuple[JournalLine, ...] = ()
    """All of the intent's lines, oldest first, where one is asked for; `lines` are those that pass the filter."""

    @property
    def older(self) -> int | None:
        """The number before which the next older page begins."""
        return self.lines[-1].seq if self.has_older and self.lines else None

    @property
    def newer(self) -> int | None:
        """The number behind which the next newer page begins."""
        return self.lines[0].seq if self.has_newer and self.lines else None


def look_up(index: JournalIndex, asked: Asked) -> JournalPage:
    """The page that is asked for. Raises OSError."""
    if asked.intent is not None:
        return _of_life(index.life_of_intent(asked.intent), asked.wanted)
    if asked.after is not None:
        return _next_ones(index, asked, asked.after)
    wanted = msgspec.structs.replace(asked.wanted, before_seq=asked.before)
    found = index.newest(wanted, asked.limit + 1, routine=asked.shows_routine)
    shown = found.lines[: asked.limit]
    return JournalPage(
        lines=shown,
        has_older=len(found.lines) > asked.limit,
        has_newer=asked.before is not None,
        left_out=found.left_out,
        problems=found.problems,
    )


def _next_ones(index: JournalIndex, asked: Asked, after: int) -> JournalPage:
    """The nearest lines behind a number; where they do not fill a page, the journal's end was reached."""
    wanted = msgspec.structs.replace(asked.wanted, after_seq=after)
    found = index.oldest(wanted, asked.limit + 1, routine=asked.shows_routine)
    if len(found.lines) <= asked.limit:
        return look_up(index, msgspec.structs.replace(asked, after=None))
    return JournalPage(
        lines=found.lines[asked.limit - 1 :: -1],
        has_older=True,
        has_newer=True,
        left_out=found.left_out,
        problems=found.problems,
    )


def _of_life(life: Found, wanted: Filter) -> JournalPage:
    """All of an intent's lines that pass the rest of the filter: there are never many."""
    lines = tuple(line for line in reversed(life.lines) if matches(line, wanted))
    return JournalPage(lines=lines, problems=life.problems, total=len(lines), story=life.lines)
