"""What was decided at one moment: a recorded run's events go through the same core again, up to there.

Pure: the book of the tape's checkpoint, the core around the profile of that run, and the events in order.
"""

from collections.abc import Iterable

import msgspec

from daemon.core.book import Book
from daemon.core.effects import Record
from daemon.core.events import AnyEvent
from daemon.core.step import Core
from daemon.core.strategy import Explanation
from state.records import JournalType

DECISIONS = frozenset({JournalType.INTENT, JournalType.REFUSED})
"""The journal's lines that say how a wish for an order was answered."""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One event on which the strategy decided."""

    tape_seq: int
    event: AnyEvent
    before: Book
    """The book that has not seen the event."""
    after: Book
    records: tuple[Record, ...]
    """Intents and refusals of this step, as they went into the journal."""

    @property
    def ts_us(self) -> int:
        """The core's time of the decision."""
        return self.after.ts_us


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The replay up to a moment."""

    last: Decided | None
    """The newest decision at or before the moment; one that answered a wish exactly then is preferred."""
    answered: tuple[Decided, ...]
    """All decisions exactly at the moment that answered a wish, in order: a market step has many events of one time."""
    book: Book
    """As it stood at the moment, everything of that time absorbed."""
    events: int
    first_us: int | None
    """`ts` of the first event; None where there was none."""
    is_over: bool
    """No later event follows: the moment lies at, or behind, the end of these events."""


def trace(core: Core, book: Book, tape: Iterable[tuple[int, AnyEvent]], until_us: int) -> Trace:
    """Replay (tape_seq, event) pairs up to and with `until_us`. Raises what `tape` raises."""
    last: Decided | None = None
    answered: list[Decided] = []
    count, first_us, is_over = 0, None, True
    for tape_seq, event in tape:
        if event.ts_us > until_us:
            is_over = False
            break
        before = book
        book, effects = core.step(before, event)
        count += 1
        first_us = event.ts_us if first_us is None else first_us
        records = tuple([each for each in effects if isinstance(each, Record) and each.type in DECISIONS])
        if not records and not core.decides_on(event):
            continue
        decided = Decided(tape_seq=tape_seq, event=event, before=before, after=book, records=records)
        if core.decides_on(event):
            last = decided
        if records and book.ts_us == until_us:
            answered.append(decided)
    asked = [each for each in answered if core.decides_on(each.event)]
    return Trace(
        last=asked[-1] if asked else last,
        answered=tuple(answered),
        book=book,
        events=count,
        first_us=first_us,
        is_over=is_over,
    )


def explained(core: Core, decided: Decided) -> Explanation:
    """What the strategy decided on an event, with everything it saw then."""
    seen = core.as_decided_on(decided.before, decided.event)
    return core.strategy.explain(seen.strategy, seen)
