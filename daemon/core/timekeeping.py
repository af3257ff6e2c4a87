"""The machine under the daemon: a loop that stood still, and a wall clock that somebody set.

While a process stands still (stopped, swapped out, its machine asleep) prices pile up in the socket. Read afterwards
they look as fresh as ever. The wire is first-in-first-out, so they count again once a probe has come back that was
sent afterwards: whatever lay before its answer has been read by then.

`ts` is the wall clock at the start advanced by a clock that only grows, so a step of the wall clock changes no
decision. But one of the two is wrong, and the desk's hours follow the older one: that is shown until a restart.
"""

import msgspec

from daemon.core.book import Book
from daemon.core.events import Clock, ProbeAnswered
from daemon.core.turn import Turn
from state.records import JournalType

STOOD_STILL_MS = 3000.0
"""From here on a loop did not lag, it stood still."""
WALL_OFFSET_MS = 2000.0
"""How far the wall clock may be from `ts` before it is said, and how far it moves before it is said again."""


def on_clock(turn: Turn, event: Clock) -> None:
    """Time went on; and what the machine did to it."""
    turn.put(loop_lag_ms=event.loop_lag_ms)
    if event.stood_still_ms >= STOOD_STILL_MS:
        turn.put(machine=msgspec.structs.replace(turn.book.machine, unproven_since_us=event.ts_us))
        turn.record(JournalType.CLOCK_JUMP, status="stood_still", data={"stood_still_ms": round(event.stood_still_ms)})
    before_ms = turn.book.machine.wall_offset_ms
    if abs(event.wall_offset_ms - before_ms) > WALL_OFFSET_MS:
        turn.put(machine=msgspec.structs.replace(turn.book.machine, wall_offset_ms=event.wall_offset_ms))
        turn.record(
            JournalType.CLOCK_JUMP,
            status="wall_clock_set",
            data={"wall_offset_ms": round(event.wall_offset_ms), "before_ms": round(before_ms)},
        )


def on_probe(turn: Turn, event: ProbeAnswered) -> None:
    """A probe that was sent after the pause says that everything older has been read."""
    since_us = turn.book.machine.unproven_since_us
    if since_us is None or event.round_trip_ms is None:
        return
    if event.asked_us is None or event.asked_us >= since_us:
        turn.put(machine=msgspec.structs.replace(turn.book.machine, unproven_since_us=None))


def on_down(turn: Turn) -> None:
    """What waited in a socket that is gone is gone with it."""
    if turn.book.machine.unproven_since_us is not None:
        turn.put(machine=msgspec.structs.replace(turn.book.machine, unproven_since_us=None))


def wall_clock_is_off(book: Book) -> bool:
    """Whether wall clock and `ts` have parted."""
    return abs(book.machine.wall_offset_ms) > WALL_OFFSET_MS
