"""The decision core's one verb: `step(book, event) -> (book, effects)`.

Order within a step: time moves, the day may roll, the event is absorbed by its one handler, the strategy absorbs
it, then what is under way moves on (flatten, stop), and last the strategy may wish for one order. A stranger who
asks "where is X decided?" starts at `_HANDLERS` and `Core.step`.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from config.schema import Profile
from daemon.core import (
    adoption,
    control,
    day,
    disk,
    feed,
    fills,
    flatten,
    halts,
    link,
    modification,
    orders,
    outcomes,
    ownership,
    reconcile,
    reprice,
    restart_windows,
    timekeeping,
)
from daemon.core.book import Book, DayView, FlattenView, OptionQuoteState, QuoteState, embargoes
from daemon.core.daemon_fsm import DAEMON, DaemonState, DaemonTrigger
from daemon.core.effects import AnyEffect, RequestReconcile, StartTimer
from daemon.core.events import (
    AccountReported,
    AnyEvent,
    BookRequest,
    BrokerReport,
    Clock,
    Commission,
    Control,
    DiskReport,
    Execution,
    Farm,
    Instruments,
    Link,
    MarketDataRefused,
    ModifyBlocked,
    ModifyRefused,
    ModifySent,
    OptionQuote,
    OrderBlocked,
    OrderReport,
    OrderSent,
    Pacing,
    PositionChanged,
    ProbeAnswered,
    Quote,
    RestartWindows,
    Sessions,
    SinkFailed,
    StopSignal,
    TimerFired,
)
from daemon.core.flatten_fsm import FlattenState
from daemon.core.fsm import IllegalTransitionError
from daemon.core.holdings import HoldingsMemo
from daemon.core.instruments import TOLERANCE
from daemon.core.ledger import Ledger
from daemon.core.limit_price import hedge_limit_price
from daemon.core.posture import lowers, posture
from daemon.core.recovery import REMAINDER, Recovered
from daemon.core.strategy import Decision, Strategy, Wish
from daemon.core.turn import Turn
from state.records import JournalType

# Bound once: on Python 3.11 looking a member up on its enum costs more than the comparison it is for.
_STOPPED = DaemonState.STOPPED
_READY = DaemonTrigger.READY
_NO_FLATTEN = FlattenState.NONE
_replace = msgspec.structs.replace


class Stepped(msgspec.Struct, frozen=True):
    """One step, with what the strategy decided in it; `decision` is None where it was not asked."""

    book: Book
    effects: tuple[AnyEffect, ...]
    decision: Decision | None


class Core:
    """The pure core around one profile and one strategy. It holds no state: the book is the state."""

    def __init__(self, profile: Profile, strategy: Strategy) -> None:
        self.profile = profile
        self.strategy = strategy
        self._holdings = HoldingsMemo()

    def open(self, *, desk: str, run_id: str, recovered: Recovered, new_ledger_id: str, ts_us: int) -> Book:
        """The book that a run starts with: what the journal remembers, or a new ledger.

        Orders that had not ended were sent over a connection that is gone: connection 0 makes the first report
        judge them.
        """
        earlier = {**recovered.ended, **recovered.orders}
        ledger = recovered.ledger if recovered.ledger is not None else self._new_ledger(new_ledger_id)
        book = Book(
            desk=desk,
            run_id=run_id,
            underlying=self.profile.underlying.symbol,
            ts_us=ts_us,
            daemon_state=DAEMON.next(DaemonState.IDLE, DaemonTrigger.STARTED),
            ledger=ledger,
            orders={ref: outcomes.restore_sight(order) for ref, order in earlier.items()},
            flatten=FlattenView(
                resuming=recovered.flatten_started,
                agreed=recovered.flatten_agreed,
                done_us=recovered.flatten_done_us,
            ),
            strategy=self.strategy.initial(),
            day=DayView(attribution=ledger.attribution),
        )
        if not ledger.adopted_legs:
            return book
        return msgspec.structs.replace(book, strategy=self.strategy.legs_changed(book.strategy, book))

    def _new_ledger(self, ledger_id: str) -> Ledger:
        return Ledger(ledger_id=ledger_id, underlying=self.profile.underlying.symbol)

    def step(self, book: Book, event: AnyEvent) -> tuple[Book, tuple[AnyEffect, ...]]:
        """What the event changes and what is to be done about it. Pure; the same input gives the same output."""
        stepped = self.step_seen(book, event)
        return stepped.book, stepped.effects

    def step_seen(self, book: Book, event: AnyEvent) -> Stepped:
        """As `step`, and what the strategy decided: for those who write decisions down."""
        if book.daemon_state == _STOPPED:
            return Stepped(book, (), None)
        turn = self._turn(book, event.ts_us)
        try:
            _absorb(turn, event)
        except IllegalTransitionError as error:
            # Nothing of the half-absorbed event is kept: the halt stands on the book as it was.
            turn = self._turn(book, event.ts_us)
            turn.halt("illegal_transition", str(error))
            return Stepped(turn.book, tuple(turn.effects), None)
        absorbed, asked = turn.book, len(turn.effects)
        try:
            _carry_on(turn, event)
        except IllegalTransitionError as error:
            # What happened has happened (an execution is told once): only what would follow from it is given up.
            turn.book = absorbed
            del turn.effects[asked:]
            turn.halt("illegal_transition", str(error))
            return Stepped(turn.book, tuple(turn.effects), None)
        decision = None
        if type(event) not in _UNDECIDING and turn.book.daemon_state != _STOPPED:
            try:
                decision = _decide(turn)
            except IllegalTransitionError as error:
                # What happened has happened: only the strategy's part of this step is given up.
                turn.halt("illegal_transition", str(error))
        return Stepped(turn.book, tuple(turn.effects), decision)

    def as_decided_on(self, book: Book, event: AnyEvent) -> Book:
        """The book that the decision on this event sees: it is absorbed, and nothing is decided yet."""
        turn = self._turn(book, event.ts_us)
        try:
            _absorb(turn, event)
            _carry_on(turn, event)
        except IllegalTransitionError:
            return self.step(book, event)[0]
        return turn.book

    @staticmethod
    def decides_on(event: AnyEvent) -> bool:
        """Whether the strategy is asked after an event of this kind."""
        return type(event) not in _UNDECIDING

    def _turn(self, book: Book, ts_us: int) -> Turn:
        """A turn of the book at this time; an event that was late does not turn time back."""
        now = _replace(book, ts_us=ts_us) if ts_us > book.ts_us else book
        return Turn(self.profile, self.strategy, now, self._holdings)


def _absorb(turn: Turn, event: AnyEvent) -> None:
    day.roll(turn)
    _HANDLERS[type(event)](turn, event)


def _carry_on(turn: Turn, event: AnyEvent) -> None:
    before = turn.book.strategy
    state = turn.strategy.observe(before, turn.book, event)
    if type(event) in _PRICING:
        day.mark(turn, state)
    elif state is not before:
        turn.put(strategy=state)
    day.keep_time(turn)
    # What is not there has nothing to move: asked here, for each of these calls would find it out in every step.
    if turn.book.restart_windows:
        restart_windows.keep(turn)
    if turn.book.ledger.halts:
        halts.cancel_what_no_longer_may_leave(turn)
    if turn.book.flatten.state != _NO_FLATTEN:
        flatten.advance(turn)
    book = turn.book
    if book.stop_started or book.control.stop is not None or book.stop_signal is not None:
        control.advance_stop(turn)
    _move_daemon(turn)


def _decide(turn: Turn) -> Decision:
    before = turn.book.strategy
    decision = turn.strategy.decide(before, turn.book)
    if decision.state is not before:
        turn.put(strategy=decision.state)
    turn.effects.extend(decision.records)
    if decision.adopt:
        adoption.adopt(turn, decision.adopt)
    if decision.refused_rule is not None:
        counts = turn.book.ledger.refused_today
        turn.change_ledger(refused_today={**counts, decision.refused_rule: counts.get(decision.refused_rule, 0) + 1})
    if decision.in_band and turn.book.ledger.remainder:
        turn.change_ledger(remainder=False)
        turn.record(JournalType.TRANSITION, status="settled", reason="in_band", data={"machine": REMAINDER})
    if decision.wish is not None:
        _grant(turn, decision.wish)
    return decision


def _grant(turn: Turn, wish: Wish) -> None:
    """The core's own last word on a wish, whatever the strategy has checked before."""
    reasons = list(embargoes(turn.book))
    reducing = wish.reducing and _reduces(turn, wish)
    if reducing:
        reasons.remove("halted")
    if turn.book.in_flight():
        reasons.append("order_in_flight")
    # A halt suspends the daemon; whatever else could have is among the embargoes.
    running = (DaemonState.RUNNING, DaemonState.RUNNING_SUSPENDED) if reducing else (DaemonState.RUNNING,)
    if turn.book.daemon_state not in running:
        reasons.append(f"daemon_{turn.book.daemon_state.value}")
    if turn.profile.execution.order_type == "limit" and hedge_limit_price(turn.profile, turn.book, wish.side) is None:
        reasons.append("no_quote")
    after = turn.book.ledger.own_shares + (wish.quantity if wish.side == "BUY" else -wish.quantity)
    limit = turn.profile.gates.guard.risk.max_position_shares
    if abs(after) > max(limit, abs(turn.book.ledger.own_shares)) + TOLERANCE:
        reasons.append("max_position")
    if reasons:
        turn.record(
            JournalType.REFUSED,
            instrument=wish.instrument,
            side=wish.side,
            quantity=wish.quantity,
            unit="share",
            status="refused_by_core",
            reason=reasons[0],
            state_code=wish.state_code,
            data={"reasons": reasons},
        )
        return
    orders.mint(
        turn,
        side=wish.side,
        quantity=wish.quantity,
        reason=wish.reason,
        decision_mid=wish.decision_mid,
        closing=False,
        state_code=wish.state_code,
        data=wish.data,
    )


def _reduces(turn: Turn, wish: Wish) -> bool:
    """Whether a halt stands that leaves orders which lower |net delta|, and this is one."""
    book = turn.book
    if posture(book.ledger, turn.profile.control).name != "REDUCING":
        return False
    option_delta = turn.strategy.option_delta_shares(book.strategy, book)
    signed = wish.quantity if wish.side == "BUY" else -wish.quantity
    return option_delta is not None and lowers(option_delta + book.ledger.own_shares, signed)


def _move_daemon(turn: Turn) -> None:
    book = turn.book
    if book.daemon_state == _STOPPED:
        return
    if book.stop_started:
        trigger = DaemonTrigger.STOP
    elif book.link.state == "DOWN":
        # Before the first word of the venue the daemon is still connecting, not waiting.
        if book.link.since_us is None:
            return
        trigger = DaemonTrigger.LINK_LOST
    elif book.link.state != "SYNCED" or not book.reconciled:
        trigger = DaemonTrigger.LINK_UP
    else:
        trigger = DaemonTrigger.SUSPENDED if embargoes(book) else _READY
    after = DAEMON.next(book.daemon_state, trigger)
    if after != book.daemon_state:
        turn.put(daemon_state=after)


def _on_quote(turn: Turn, event: Quote) -> None:
    quote = QuoteState(
        bid=event.bid,
        ask=event.ask,
        last=event.last,
        halted=event.halted,
        delayed=event.delayed,
        previous_close=event.previous_close,
        ts_us=event.ts_us,
        queue_delay_ms=event.queue_delay_ms,
    )
    instrument = event.instrument
    turn.put_quote(instrument, quote)
    if event.refused:
        feed.count_refused(turn, event)
    if not turn.book.feed_seen and instrument == turn.book.underlying:
        turn.put(feed_seen=True, feed_probe_failed=False)


def _on_option_quote(turn: Turn, event: OptionQuote) -> None:
    quote = OptionQuoteState(
        bid=event.bid,
        ask=event.ask,
        last=event.last,
        ts_us=event.ts_us,
        queue_delay_ms=event.queue_delay_ms,
        delayed=event.delayed,
        model_volatility=event.model_volatility,
        model_delta=event.model_delta,
    )
    turn.put_quote(event.instrument, quote)
    if event.refused:
        feed.count_refused(turn, event)


def _on_instruments(turn: Turn, event: Instruments) -> None:
    turn.put(specs={**turn.book.specs, **{spec.instrument: spec for spec in event.specs}})


def _on_execution(turn: Turn, event: Execution) -> None:
    fills.on_execution(turn, event)
    if turn.book.unexplained:
        reconcile.refresh_unexplained(turn)  # the position came first: this is what explains it


def _on_position(turn: Turn, event: PositionChanged) -> None:
    reconcile.on_position(turn, event)
    adoption.on_position(turn, event)


def _on_report(turn: Turn, event: BrokerReport) -> None:
    had_reconciled = turn.book.synced_once
    reconcile.on_broker_report(turn, event)
    adoption.on_report(turn)
    reconcile.forget_ended_orders(turn)
    if not had_reconciled:
        # Own orders found working at the start belong to no decision of this run.
        orders.cancel_in_flight(turn, "found at start", closing_too=True)
        for order in turn.book.in_flight():
            orders.watch_overdue(turn, order)
        turn.do(StartTimer(key="reconcile", delay_ms=turn.profile.daemon.reconcile_every_s * 1000))
        day.write_checkpoint(turn)
    flatten.on_report(turn, event)


def _on_periodic(turn: Turn) -> None:
    if turn.book.link.state == "SYNCED":
        turn.do(RequestReconcile(reason="periodic"))
    turn.do(StartTimer(key="reconcile", delay_ms=turn.profile.daemon.reconcile_every_s * 1000))


def _on_sink_failed(turn: Turn, event: SinkFailed) -> None:
    if event.what == "journal":
        # Latched, so that no restart trades on before somebody has looked: what is on the disk may not be all.
        turn.put(journal_failed=event.error)
        turn.halt("journal_failed", event.error)
        # A working hedge that fills now is risk that could not be recorded.
        orders.cancel_in_flight(turn, "journal failed", closing_too=False)
    elif event.what in ("tape", "history"):
        turn.put(failed_sinks={**turn.book.failed_sinks, event.what: event.error})


_TIMERS: dict[str, Callable[[Turn], None]] = {
    "explain": reconcile.on_explanation_overdue,
    "second_look": outcomes.on_second_look,
    "reconcile": _on_periodic,
    "waiting_ib": link.on_waiting_overdue,
    "feed": feed.on_probe,
    "flatten_start": flatten.on_start_overdue,
    "flatten_retry": flatten.on_retry,
    "flatten_stall": flatten.on_stall,
    "stop_timeout": control.on_stop_overdue,
}
_ORDER_TIMERS: dict[str, Callable[[Turn, str], None]] = {
    "ack": orders.on_ack_deadline,
    "overdue": orders.on_overdue,
    "inactive": orders.on_reason_overdue,
    "cancel": orders.on_cancel_deadline,
    "reprice": reprice.on_look,
    "modify": modification.on_modify_deadline,
}


def _on_timer(turn: Turn, event: TimerFired) -> None:
    name, _, order_ref = event.key.partition(":")
    if order_ref:
        _ORDER_TIMERS[name](turn, order_ref)
    else:
        _TIMERS[name](turn)


_HANDLERS: dict[type, Callable[[Turn, Any], None]] = {
    Quote: _on_quote,
    OptionQuote: _on_option_quote,
    Clock: timekeeping.on_clock,
    TimerFired: _on_timer,
    ProbeAnswered: link.on_probe,
    OrderSent: orders.on_order_sent,
    OrderBlocked: orders.on_order_blocked,
    ModifySent: modification.on_modify_sent,
    ModifyBlocked: modification.on_modify_blocked,
    ModifyRefused: modification.on_modify_refused,
    OrderReport: orders.on_live_report,
    Execution: _on_execution,
    Commission: fills.on_commission,
    PositionChanged: _on_position,
    BrokerReport: _on_report,
    AccountReported: lambda turn, event: day.on_account(turn, event.values_usd),
    Link: link.on_link,
    RestartWindows: restart_windows.on_windows,
    Farm: feed.on_farm,
    MarketDataRefused: feed.on_refused,
    Pacing: feed.on_pacing,
    Instruments: _on_instruments,
    Sessions: lambda turn, event: turn.put(sessions=event.sessions),
    Control: control.on_control,
    BookRequest: ownership.on_request,
    SinkFailed: _on_sink_failed,
    DiskReport: disk.on_report,
    StopSignal: control.on_stop_signal,
}
"""Every event has exactly one handler; a test compares this with the closed list of events."""

_PRICING = frozenset({Quote, Execution, Commission, BrokerReport, Clock})
"""Events after which the book is priced anew."""

_UNDECIDING = frozenset({OptionQuote, OrderBlocked, DiskReport, Farm, MarketDataRefused, Pacing})
"""Events on which nothing is decided. An option's quote: within one market step the underlying's quote follows it,
and a decision between the two would pair new volatilities with an old price. An order kept here at the last look: what
kept it (a stop, a full request queue) reaches the book by an event of its own, and a new order before that event would
be kept here likewise, for ever, without the loop ever turning. A measurement of the disk, and what the
venue says about its farms, our pace and refused data: it belongs to this machine's own time, and must not say at
which moment of a replayed day something is decided."""
