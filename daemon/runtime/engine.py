"""The engine: one queue of events, one task that decides.

For each event: stamp its queue delay, write it to the tape, `core.step`, run the effects. What the effects
answer (sent, blocked, sink failed) is decided on before anything else that waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from daemon.core.book import Book
from daemon.core.effects import AnyEffect, PlaceOrder, Record
from daemon.core.events import AnyEvent, Control, OptionQuote, Quote, SinkFailed, StopSignal
from daemon.core.events import Clock as ClockEvent
from daemon.core.timekeeping import STOOD_STILL_MS
from daemon.runtime.clocks import Clock, WallClock, monotonic_ns
from daemon.runtime.effects import EffectRunner
from state.tape import TapeError

_log = structlog.stdlib.get_logger("bifrost.runtime.engine")

_EVENTS_PER_TURN: Final = 16
"""Events decided before the loop may read the socket again: a burst must not starve control or timers."""
_TURN_NS: Final = 100_000_000
"""Nor may a few events on a slow disk, each of which waits for its own sync."""


class DecisionError(Exception):
    """The core raised: nothing of that step was done."""

    def __init__(self, event: AnyEvent, cause: Exception) -> None:
        super().__init__(f"deciding on {type(event).__name__} failed: {type(cause).__name__}: {cause}")


class Decides(Protocol):
    """The core's one verb."""

    def step(self, book: Book, event: AnyEvent) -> tuple[Book, tuple[AnyEffect, ...]]:
        """Pure."""
        ...


class Tapes(Protocol):
    """Where consumed events are written before their effects run."""

    def write(self, event: AnyEvent, before: Book) -> int:
        """Returns the event's tape_seq. Raises TapeError."""
        ...


class Latest(NamedTuple):
    """What the snapshot is made of; replaced as one value, so another thread may read it."""

    book: Book
    journal_head: tuple[int, str]
    alive_ns: int
    """Monotonic time of the loop's last sign of life."""


class Engine:
    """The one consumer of events.

    The one rule: `emit` is called from the loop's thread; every event is decided in the order emitted, except
    that control, a stop signal and a failed sink go before what waits.
    """

    def __init__(
        self,
        *,
        core: Decides,
        book: Book,
        clock: Clock,
        tape: Tapes | None,
        journal_head: Callable[[], tuple[int, str]],
        decided: Callable[[AnyEvent, bool], None],
        admit: Callable[[AnyEvent], None],
    ) -> None:
        self._core = core
        self._clock = clock
        self._tape = tape
        self._decided = decided
        self._admit = admit
        self._urgent: deque[tuple[AnyEvent, int]] = deque()
        self._waiting: deque[tuple[AnyEvent, int]] = deque()
        self._wake = asyncio.Event()
        self._journal_head = journal_head
        self.latest = Latest(book, journal_head(), monotonic_ns())
        self.effects: EffectRunner
        self.drained: Callable[[], None] = lambda: None
        """Called each time the queue has become empty (the step probe of a market clock)."""
        self.woken: Callable[[], None] = lambda: None
        """Called when the loop goes on after it stood still: a probe has to show what is new."""
        self._has_ended = False
        self._turned_ns = self._machine_ns()

    @property
    def book(self) -> Book:
        """The newest book."""
        return self.latest.book

    def emit(self, event: AnyEvent) -> None:
        """Queue an event."""
        queue = self._urgent if isinstance(event, Control | StopSignal | SinkFailed) else self._waiting
        queue.append((event, monotonic_ns()))
        self._wake.set()

    def end(self) -> None:
        """Decide nothing any more: a task died, and what still waits must not be answered by half a daemon."""
        self._has_ended = True

    def wake(self) -> None:
        """Make the engine notice that its queue is empty (a market stamp without prices)."""
        self._wake.set()

    def alive(self) -> None:
        """The loop turns."""
        pause = self._pause()
        if pause is not None:
            self._urgent.appendleft((pause, monotonic_ns()))
            self._wake.set()
        self.latest = self.latest._replace(alive_ns=monotonic_ns())

    async def run(self) -> None:
        """Decide until an effect asks for the end; `effects.exit` then says how."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._urgent or self._waiting:
                began_ns = monotonic_ns()
                for _ in range(_EVENTS_PER_TURN):
                    if not (self._urgent or self._waiting) or monotonic_ns() - began_ns > _TURN_NS:
                        break
                    event, queued_ns = (self._urgent or self._waiting).popleft()
                    self.handle(event, queued_ns)
                    if self.effects.exit is not None:
                        return
                # One turn of the loop, also when empty: what the socket holds already comes before `drained`.
                await asyncio.sleep(0)
            self.drained()

    def handle(self, event: AnyEvent, queued_ns: int) -> None:
        """Decide one event and everything its effects answer, depth first."""
        if self._has_ended:
            return
        self._admit(event)
        pending = deque([_with_delay(event, queued_ns)])
        pause = self._pause()
        if pause is not None:
            pending.appendleft(pause)
        while pending:
            feedback = self._step(pending.popleft())
            pending.extendleft(reversed(feedback))
            if self.effects.exit is not None:
                return

    def _machine_ns(self) -> int:
        """Time that also passes while the machine sleeps; a market's clock knows no machine."""
        return self._clock.elapsed_ns() if isinstance(self._clock, WallClock) else 0

    def _pause(self) -> ClockEvent | None:
        """What to decide first if nothing was decided for so long that prices in the socket may be of before."""
        turned_ns, self._turned_ns = self._turned_ns, self._machine_ns()
        pause_ms = (self._turned_ns - turned_ns) / 1e6
        if pause_ms < STOOD_STILL_MS:
            return None
        _log.critical("stood_still", seconds=round(pause_ms / 1000, 3))
        self.woken()
        return ClockEvent(ts_us=self._clock.now_us(), loop_lag_ms=pause_ms, stood_still_ms=pause_ms)

    def _step(self, event: AnyEvent) -> list[AnyEvent]:
        decided_ns = monotonic_ns()
        tape_seq, failure = self._tape_event(event)
        try:
            book, effects = self._core.step(self.latest.book, event)
        except Exception as error:
            # Whatever it is, it is a bug in a decision: the caller halts the desk and ends, nothing goes on.
            raise DecisionError(event, error) from error
        # Until its records are durable the step has not happened: a segment's checkpoint is the book before it.
        feedback = self.effects.run(effects, book=book, ts_us=book.ts_us, tape_seq=tape_seq, decided_ns=decided_ns)
        self.latest = Latest(book, self._journal_head(), monotonic_ns())
        self._decided(event, any(isinstance(effect, Record | PlaceOrder) for effect in effects))
        return feedback if failure is None else [failure, *feedback]

    def _tape_event(self, event: AnyEvent) -> tuple[int | None, SinkFailed | None]:
        if self._tape is None:
            return None, None
        try:
            tape_seq = self._tape.write(event, self.latest.book)
        except TapeError as error:
            # A tape with a hole cannot be replayed: it ends here, and the core is told once.
            self._tape = None
            _log.critical("tape_failed", error=str(error))
            return None, SinkFailed(ts_us=self._clock.now_us(), what="tape", error=str(error))
        if isinstance(event, SinkFailed) and event.what == "journal":
            # The last room on the disk is the journal's: the tape ends with the reason.
            self._tape = None
            _log.critical("tape_ended", reason="journal_failed")
        return tape_seq, None


class StepProbe:
    """In a market clock's world: probes the venue once the queue has drained after one or more market stamps.

    The wire is first-in-first-out, so the probe tells the simulator that everything up to the stamp was decided.
    """

    def __init__(self, *, stamps: Callable[[], int], probe: Callable[[], None]) -> None:
        self._stamps = stamps
        self._probe = probe
        self._answered = stamps()

    def drained(self) -> None:
        """The queue is empty."""
        stamps = self._stamps()
        if stamps != self._answered:
            self._answered = stamps
            self._probe()


def _with_delay(event: AnyEvent, queued_ns: int) -> AnyEvent:
    if not isinstance(event, Quote | OptionQuote):
        return event
    delay_ms = event.queue_delay_ms + (monotonic_ns() - queued_ns) / 1e6
    return msgspec.structs.replace(event, queue_delay_ms=delay_ms)
