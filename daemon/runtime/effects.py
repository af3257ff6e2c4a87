"""Runs the core's effects: first every record, durable; then everything else, in order.

The intent of an order is on disk before the order leaves, so whatever happens after it, a restart knows of it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog

from daemon.core.book import Book
from daemon.core.effects import (
    Alarm,
    AnyEffect,
    AssertControl,
    CancelOrder,
    CancelTimer,
    Exit,
    ModifyOrder,
    PlaceOrder,
    Record,
    ReleaseControl,
    RequestReconcile,
    Sample,
    StartTimer,
)
from daemon.core.events import AnyEvent, ModifyBlocked, ModifySent, OrderBlocked, OrderSent, SinkFailed
from daemon.runtime.clocks import Clock, monotonic_ns, wall_us
from daemon.runtime.journal_sink import JournalSink
from daemon.runtime.last_look import LastLook
from daemon.runtime.logging_setup import say
from daemon.runtime.timers import Timers
from daemon.venues.protocol import OrderNotSentError, Venue
from state.control import ControlError, assert_command, release_command
from state.times import iso_from_us

_log = structlog.stdlib.get_logger("bifrost.runtime.effects")

BY_DAEMON: Final = "daemon"


class SampleSink(Protocol):
    """Takes history samples off the decision path."""

    def sample(self, sample: Sample, book: Book) -> None:
        """Append one sample soon."""
        ...


class EffectRunner:
    """The interpreter of effects.

    The one rule: nothing acts before the records of its step are durable; once the journal has failed, only
    what lowers risk still acts (cancels, a flatten's closing orders).
    """

    def __init__(
        self,
        *,
        journal: JournalSink,
        venue: Venue,
        timers: Timers,
        last_look: LastLook,
        samples: SampleSink,
        clock: Clock,
        control_folder: Path,
        look_at_control: Callable[[], None],
        sent: Callable[[float], None],
    ) -> None:
        self._journal = journal
        self._venue = venue
        self._timers = timers
        self._last_look = last_look
        self._samples = samples
        self._clock = clock
        self._control_folder = control_folder
        self._look_at_control = look_at_control
        self._sent = sent
        self._pause_stands = True
        """Whether the newest file that was to be asserted is there."""
        self.exit: Exit | None = None

    def run(
        self, effects: Sequence[AnyEffect], *, book: Book, ts_us: int, tape_seq: int | None, decided_ns: int
    ) -> list[AnyEvent]:
        """Run one step's effects; returns what must be fed back before any other event.

        `decided_ns` is the monotonic time at which the step began; latency is measured from it.
        """
        feedback: list[AnyEvent] = []
        records = [effect for effect in effects if isinstance(effect, Record)]
        if records:
            error = self._journal.write(records, ts_us=ts_us, tape_seq=tape_seq)
            if error is not None:
                feedback.append(SinkFailed(ts_us=self._clock.now_us(), what="journal", error=error))
        for effect in effects:
            if isinstance(effect, Record):
                continue
            answer = self._act(effect, book, decided_ns)
            if answer is not None:
                feedback.append(answer)
        return feedback

    def _act(self, effect: AnyEffect, book: Book, decided_ns: int) -> AnyEvent | None:
        match effect:
            case PlaceOrder():
                return self._place(effect, book, decided_ns)
            case ModifyOrder():
                return self._modify(effect, book)
            case CancelOrder():
                self._cancel(effect)
            case StartTimer() | CancelTimer():
                self._time(effect)
            case RequestReconcile():
                self._venue.reconcile(effect.reason, fresh_connection=effect.fresh_connection)
            case AssertControl() | ReleaseControl():
                self._control(effect)
            case Sample():
                self._samples.sample(effect, book)
            case Alarm():
                say(f"bifrost: {effect.text}")
                _log.critical("alarm", text=effect.text)
            case Exit():
                self.exit = effect
        return None

    def _place(self, order: PlaceOrder, book: Book, decided_ns: int) -> AnyEvent:
        refusal = self._last_look.refusal(order, book)
        if refusal is None:
            try:
                self._venue.place(order)
            except OrderNotSentError as error:
                refusal = str(error)
        if refusal is not None:
            _log.warning("order_blocked", order_ref=order.order_ref, reason=refusal)
            # Where a control file is the reason, the core has not heard of it yet.
            self._look_at_control()
            return OrderBlocked(ts_us=self._clock.now_us(), order_ref=order.order_ref, reason=refusal)
        latency_ms = (monotonic_ns() - decided_ns) / 1e6
        self._sent(latency_ms)
        return OrderSent(ts_us=self._clock.now_us(), order_ref=order.order_ref, latency_ms=latency_ms)

    def _modify(self, order: ModifyOrder, book: Book) -> AnyEvent:
        """A modification is a message to place an order: whatever keeps a new order here keeps it here too."""
        refusal = self._last_look.refusal(order, book)
        if refusal is None:
            try:
                self._venue.modify(order)
            except OrderNotSentError as error:
                refusal = str(error)
        if refusal is None:
            return ModifySent(ts_us=self._clock.now_us(), order_ref=order.order_ref)
        _log.warning("modify_blocked", order_ref=order.order_ref, reason=refusal)
        self._look_at_control()
        return ModifyBlocked(ts_us=self._clock.now_us(), order_ref=order.order_ref, reason=refusal)

    def _time(self, effect: StartTimer | CancelTimer) -> None:
        if isinstance(effect, StartTimer):
            self._timers.start(effect.key, effect.delay_ms)
        else:
            self._timers.cancel(effect.key)

    def _cancel(self, effect: CancelOrder) -> None:
        try:
            self._venue.cancel(effect.order_ref)
        except OrderNotSentError as error:
            # The core waits for the cancel's confirmation under its own deadline and then reconciles.
            _log.warning("cancel_not_sent", order_ref=effect.order_ref, error=str(error))

    def _control(self, effect: AssertControl | ReleaseControl) -> None:
        try:
            if isinstance(effect, AssertControl):
                at, self._pause_stands = iso_from_us(wall_us()), False
                assert_command(self._control_folder, effect.name, by=BY_DAEMON, reason=effect.reason, at=at)
                self._pause_stands = True
            elif self._pause_stands:
                release_command(self._control_folder, effect.name)
            else:
                # Nothing else keeps the desk from hedging again what has just been flattened.
                say(f"bifrost: {self._control_folder / effect.name} stays, for no pause could be asserted")
        except ControlError as error:
            # A control folder that cannot be written counts as a pause at the next look, which is the safe side.
            say(f"bifrost: cannot change {self._control_folder / effect.name}: {error}")
            _log.critical("control_not_written", name=effect.name, error=str(error))
        self._look_at_control()
