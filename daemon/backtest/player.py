"""Steps a market through the core: the runtime's engine without its disk, its sockets and its clock.

The order of things is the runtime's. Each event is decided alone; what its effects answer (sent, blocked) is decided
before anything else that waits; what the venue says to an order is decided in the order said. Between two steps of the
market timers fire when they are due, by market time, and the clock ticks where the feed wants it to.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from daemon.backtest.market_time import MarketTime, MarketTimers
from daemon.backtest.peeking import PeekingMarket
from daemon.core.book import Book
from daemon.core.effects import (
    AnyEffect,
    AssertControl,
    CancelOrder,
    CancelTimer,
    Exit,
    ModifyOrder,
    PlaceOrder,
    RequestReconcile,
    StartTimer,
)
from daemon.core.events import (
    AnyEvent,
    Clock,
    Control,
    ControlFile,
    ModifyBlocked,
    ModifySent,
    OrderBlocked,
    OrderSent,
    TimerFired,
)
from daemon.core.step import Core, Stepped
from daemon.venues.protocol import OrderNotSentError
from daemon.venues.simulated.venue import SimulatedVenue


class Listener(Protocol):
    """Who writes down what happens."""

    def stepped(self, event: AnyEvent, before: Book, after: Stepped) -> None:
        """One event was decided. Called for every event: it must be quick."""
        ...


class Player:
    """One run. The one rule: `start` once, then `advance` until it says False.

    The book is public: whoever takes steps of its own (a faster path for stretches in which nothing is decided) puts
    the book that the core would have reached.
    """

    def __init__(
        self,
        core: Core,
        book: Book,
        venue: SimulatedVenue,
        market: PeekingMarket,
        *,
        time: MarketTime,
        listener: Listener,
        clock_every_ms: int | None = None,
    ) -> None:
        self.core = core
        self.book = book
        self.venue = venue
        self.market = market
        self.time = time
        self.timers = MarketTimers()
        self.exit: Exit | None = None
        """The core asked to leave; nothing is decided any more."""
        self._listener = listener
        self.clock_every_us = None if clock_every_ms is None else clock_every_ms * 1000
        """How often the clock ticks between two steps of the market; None where it does not."""
        self._waiting: deque[AnyEvent] = deque()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits: every event is decided, and the market's next step has not been looked at."""
        return self.exit is None and not self._waiting and not self.market.is_ahead

    def emit(self, event: AnyEvent) -> None:
        """Queue an event: the venue's, or the operator's."""
        self._waiting.append(event)

    def start(self) -> bool:
        """Take the market's first step, connect, and decide what is said then; False where there is no step."""
        if not self.venue.advance():
            return False
        self.emit(Control(ts_us=self.time.now_us(), files=()))
        self.venue.connect(self.emit)
        self.venue.tell_quotes()
        self.drain()
        return True

    def advance(self) -> bool:
        """One step of the market and everything that follows from it; False at the end, or once the core has left."""
        if self.exit is not None:
            return False
        ahead_us = self.market.next_us()
        if ahead_us is not None:
            self._pass_time(ahead_us)
        if self.exit is not None or not self.venue.advance():
            return False
        self.drain()
        if self.venue.settle():
            self.drain()
        return True

    def drain(self) -> None:
        """Decide everything that waits."""
        waiting = self._waiting
        while waiting and self.exit is None:
            answers = self.step(waiting.popleft())
            if not answers:
                continue  # nearly always
            pending = deque(answers)
            while pending and self.exit is None:
                pending.extendleft(reversed(self.step(pending.popleft())))

    def step(self, event: AnyEvent) -> list[AnyEvent]:
        """Decide one event and act; returns what must be decided next."""
        before = self.book
        after = self.core.step_seen(before, event)
        self.book = after.book
        self._listener.stepped(event, before, after)
        if not after.effects:
            return []
        answers = (self._act(effect) for effect in after.effects)
        return [answer for answer in answers if answer is not None]

    def _pass_time(self, until_us: int) -> None:
        """Up to the market's next step: orders arrive, timers fire, and the clock ticks where it shall, each in time.

        While the market is closed nothing is decided, so the night needs neither: what is due fires at its end.
        """
        while self.exit is None:
            arrival_us, due_us = self.venue.next_arrival_us(), self.timers.next_us()
            tick_us = None if self.clock_every_us is None else self.time.now_us() + self.clock_every_us
            next_us = until_us if due_us is None or due_us > until_us else due_us
            if tick_us is not None and tick_us < next_us:
                next_us = tick_us
            if arrival_us is not None and arrival_us <= next_us:
                self.time.market_stamp(arrival_us)
                self.venue.arrive()
            elif next_us == until_us or self._is_resting():
                return
            elif next_us == due_us:
                self.time.market_stamp(due_us)
                self.emit(TimerFired(ts_us=self.time.now_us(), key=self.timers.pop()))
            else:
                self.time.market_stamp(next_us)
                self.emit(Clock(ts_us=next_us))
            self.drain()

    def _is_resting(self) -> bool:
        """Whether the market is closed and no own order is at it."""
        return self.book.session_now() is None and not self.book.in_flight()

    def _act(self, effect: AnyEffect) -> AnyEvent | None:
        act = _ACTS.get(type(effect))
        return None if act is None else act(self, effect)

    def _place(self, order: PlaceOrder) -> AnyEvent:
        try:
            self.venue.place(order)
        except OrderNotSentError as error:
            return OrderBlocked(ts_us=self.time.now_us(), order_ref=order.order_ref, reason=str(error))
        return OrderSent(ts_us=self.time.now_us(), order_ref=order.order_ref, latency_ms=0.0)

    def _modify(self, order: ModifyOrder) -> AnyEvent:
        try:
            self.venue.modify(order)
        except OrderNotSentError as error:
            return ModifyBlocked(ts_us=self.time.now_us(), order_ref=order.order_ref, reason=str(error))
        return ModifySent(ts_us=self.time.now_us(), order_ref=order.order_ref)

    def _cancel(self, order: CancelOrder) -> None:
        """As the runtime: a cancel that cannot leave is found by its own deadline."""
        with suppress(OrderNotSentError):
            self.venue.cancel(order.order_ref)

    def _start_timer(self, timer: StartTimer) -> None:
        self.timers.start(timer.key, timer.delay_ms, self.time.now_us())

    def _cancel_timer(self, timer: CancelTimer) -> None:
        self.timers.cancel(timer.key)

    def _reconcile(self, asked: RequestReconcile) -> None:
        self.venue.reconcile(asked.reason, fresh_connection=asked.fresh_connection)

    def _control(self, asked: AssertControl) -> AnyEvent:
        """The file that the daemon would write: from here on it stands."""
        now_us = self.time.now_us()
        file = ControlFile(name=asked.name, since_us=now_us, age_ms=0.0, by="daemon", reason=asked.reason)
        return Control(ts_us=now_us, files=(file,))

    def _leave(self, asked: Exit) -> None:
        self.exit = asked


_ACTS: dict[type, Callable[[Player, Any], AnyEvent | None]] = {
    PlaceOrder: Player._place,  # noqa: SLF001 -- the class's own table
    ModifyOrder: Player._modify,  # noqa: SLF001
    CancelOrder: Player._cancel,  # noqa: SLF001
    StartTimer: Player._start_timer,  # noqa: SLF001
    CancelTimer: Player._cancel_timer,  # noqa: SLF001
    RequestReconcile: Player._reconcile,  # noqa: SLF001
    AssertControl: Player._control,  # noqa: SLF001
    Exit: Player._leave,  # noqa: SLF001
}
"""What the player does itself; records, samples and alarms are the listener's, and no file is there to release."""
