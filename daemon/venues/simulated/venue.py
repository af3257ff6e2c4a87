"""The simulated exchange behind the venue protocol, in one process and without a socket: for core tests and backtests.

Nothing happens by itself: the caller moves the market with `advance()`, and every answer is emitted at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from daemon.core.effects import ModifyOrder, PlaceOrder
from daemon.core.events import (
    AccountReported,
    BrokerReport,
    Commission,
    Execution,
    Instruments,
    Link,
    ModifyRefused,
    OptionQuote,
    OrderReport,
    PositionChanged,
    ProbeAnswered,
    Quote,
    Session,
    Sessions,
)
from daemon.core.instruments import InstrumentSpec
from daemon.core.link_fsm import LinkState
from daemon.venues.protocol import Emit, OrderNotSentError, VenueClock
from daemon.venues.simulated import translate
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import (
    ExchangeEvent,
    MarketStep,
    OrderTicket,
    OrderUpdate,
    SimCommission,
    SimExecution,
    SimPosition,
    SimQuote,
)

ACCOUNT_EVERY_US = 60_000_000
"""The account's values are reported after every fill and, between fills, once a minute of market time."""
SETTLED_AFTER_US = 1_000_000
"""What expires leaves the account so long after its last session's close: a moment of its own."""


class SimulatedVenue:
    """The one rule: `connect` (or `run`) first; before that nothing is emitted and no order is taken.

    Executions, positions and orders of every client are emitted; orders go out under `client_id`. With a latency each
    order, change and cancel reaches the exchange so much later, in the order sent: whoever keeps the time asks
    `next_arrival_us` and calls `arrive`. An order that arrives between two steps of the market trades from the next on.
    """

    def __init__(
        self, exchange: SimulatedExchange, clock: VenueClock, *, client_id: int = 1, latency_us: int = 0
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._client_id = client_id
        self._latency_us = latency_us
        self._in_transit: deque[tuple[int, Callable[[], None]]] = deque()
        """(when it arrives, what it does there), in the order sent."""
        self._emit: Emit | None = None
        self._connection = 0
        self._account_told_us: int | None = None
        self._sessions_told: tuple[Session, ...] = ()

    async def run(self, emit: Emit) -> None:
        """Connect, then serve until cancelled; the market moves only through `advance`."""
        self.connect(emit)
        await asyncio.Event().wait()

    def connect(self, emit: Emit) -> None:
        """Emit everything that a venue says before SYNCED, then SYNCED."""
        self._emit = emit
        self._connection += 1
        self._link(LinkState.UP_UNSYNCED, "connected")
        ts_us = self._clock.now_us()
        specs: tuple[InstrumentSpec, ...] = tuple(map(translate.spec, self._exchange.contracts))
        emit(Instruments(ts_us=ts_us, specs=specs))
        self._tell_sessions(emit)
        emit(self._report("connect"))
        self._tell_account()
        self._link(LinkState.SYNCED, "connected")

    def advance(self) -> bool:
        """Take the market's next step and emit what it brings, options before the stock; False when it has ended."""
        moved = self._exchange.advance()
        if moved is None:
            return False
        step, events = moved
        self._clock.market_stamp(step.ts_us)
        if self._emit is not None:
            sessions = self._exchange.market.sessions
            if sessions is not self._sessions_told and sessions != self._sessions_told:
                self._tell_sessions(self._emit)
            self._tell_quotes(step, self._emit)
            if events:
                self._tell(events)
            if self._account_told_us is None or step.ts_us - self._account_told_us >= ACCOUNT_EVERY_US:
                self._tell_account()
        return True

    def settle(self) -> bool:
        """After a session's last step: tell, a second later, what expired with it and the close that decided.

        So the next session begins with the contracts that are left, as live after the night. False where none is gone.
        """
        step = self._exchange.step
        if step is None or step.is_open:
            return False  # nearly always
        settled = self._exchange.settle()
        if settled:
            self._clock.market_stamp(step.ts_us + SETTLED_AFTER_US)
            self.tell_quotes()
            self._tell(settled)
            self._tell_account()
        return bool(settled)

    @property
    def account_told_us(self) -> int | None:
        """When the account's values were told last."""
        return self._account_told_us

    def account_at(self, stock: str, bid: float, ask: float, ts_us: int) -> dict[str, float]:
        """The account's values with the stock at this quote, as told at that moment: for who tells the core itself."""
        self._exchange.money.mark(SimQuote(instrument=stock, bid=bid, ask=ask))
        self._account_told_us = ts_us
        return {tag: value for tag, value in self._exchange.account_values().items() if isinstance(value, float)}

    def positions_told(self) -> dict[str, float]:
        """Instrument -> what the account holds, as a report lists it."""
        return {held.instrument: held.quantity for held in self._exchange.positions() if held.quantity != 0}

    def follow(self) -> None:
        """Take the market's next step and tell nobody: for who has told the core already.

        Only where nothing rests at the exchange and no day begins: then a step causes nothing but marks.
        """
        moved = self._exchange.advance()
        if moved is not None:
            self._clock.market_stamp(moved[0].ts_us)

    def account_values(self) -> dict[str, float | str]:
        """The account's figures now, told or not."""
        return self._exchange.account_values()

    def tell_quotes(self) -> None:
        """Emit the standing quotes once more, as for a new subscription."""
        if self._emit is not None and self._exchange.step is not None:
            self._tell_quotes(self._exchange.step, self._emit)

    def not_ready(self) -> str | None:
        """None once connected."""
        return "not connected" if self._emit is None else None

    def place(self, order: PlaceOrder) -> None:
        """Send an order; without a latency its reports and fills are emitted before this returns."""
        if self._emit is None:
            raise OrderNotSentError("not connected to the simulated exchange")
        self._send(lambda: self._tell(self._exchange.place(self._ticket(order), trades_now=self._latency_us == 0)))

    def modify(self, order: ModifyOrder) -> None:
        """Change an own working limit order; its report, or the refusal, is emitted when it arrives."""
        if self._emit is None:
            raise OrderNotSentError("not connected to the simulated exchange")
        if self._latency_us == 0 and self._working(order.order_ref) is None:
            raise OrderNotSentError(f"no working order {order.order_ref} at the simulated exchange")
        self._send(lambda: self._modify(order))

    def cancel(self, order_ref: str) -> None:
        """Cancel an own working order."""
        if self._latency_us == 0 and self._working(order_ref) is None:
            raise OrderNotSentError(f"no working order {order_ref} at the simulated exchange")
        self._send(lambda: self._cancel(order_ref))

    def next_arrival_us(self) -> int | None:
        """When what was sent first reaches the exchange; None while nothing is on its way."""
        return self._in_transit[0][0] if self._in_transit else None

    def arrive(self) -> None:
        """Let what was sent first reach the exchange, and emit its answer. Raises IndexError where nothing is."""
        _, act = self._in_transit.popleft()
        act()

    def _send(self, act: Callable[[], None]) -> None:
        if self._latency_us == 0:
            act()
        else:
            self._in_transit.append((self._clock.now_us() + self._latency_us, act))

    def _ticket(self, order: PlaceOrder) -> OrderTicket:
        return OrderTicket(
            client_id=self._client_id,
            order_id=self._exchange.next_order_id(self._client_id),
            instrument=order.instrument,
            side=order.side,
            quantity=order.quantity,
            order_type=order.order_type,
            limit_price=order.limit_price,
            order_ref=order.order_ref,
        )

    def _modify(self, order: ModifyOrder) -> None:
        update = self._working(order.order_ref)
        if update is None:
            self._refuse_modify(order.order_ref, "the order works no more")
            return
        changed = msgspec.structs.replace(update.ticket, quantity=order.quantity, limit_price=order.limit_price)
        answer = self._exchange.modify(changed, trades_now=self._latency_us == 0)
        refusal = answer[0]
        if isinstance(refusal, OrderUpdate) and refusal.error_code is not None:
            self._refuse_modify(order.order_ref, f"{refusal.error_code} {refusal.error_text}")
            return
        self._tell(answer)

    def _refuse_modify(self, order_ref: str, reason: str) -> None:
        if self._emit is not None:
            self._emit(ModifyRefused(ts_us=self._clock.now_us(), order_ref=order_ref, reason=reason))

    def _cancel(self, order_ref: str) -> None:
        """One that has ended meanwhile has been told already."""
        update = self._working(order_ref)
        if update is not None:
            self._tell(self._exchange.cancel(self._client_id, update.ticket.order_id))

    def _working(self, order_ref: str) -> OrderUpdate | None:
        for update in self._exchange.open_orders(self._client_id):
            if update.ticket.order_ref == order_ref:
                return update
        return None

    def reconcile(self, reason: str, *, fresh_connection: bool) -> None:
        """Emit a BrokerReport now, after reconnecting where a fresh connection is asked for."""
        if self._emit is None:
            return
        if fresh_connection:
            self._link(LinkState.DOWN, "a fresh connection was asked for")
            self.connect(self._emit)
        self._emit(self._report(reason))

    def probe(self) -> None:
        """Answer at once."""
        if self._emit is not None:
            self._emit(ProbeAnswered(ts_us=self._clock.now_us(), round_trip_ms=0.0))

    async def close(self) -> None:
        """Forget the listener."""
        self._emit = None

    def disconnect(self, reason: str) -> None:
        """Lose the link, as a test wants it; `connect` brings it back. Orders at the exchange stay."""
        if self._emit is not None:
            self._link(LinkState.DOWN, reason)
            self._emit = None

    def _link(self, state: LinkState, reason: str) -> None:
        if self._emit is not None:
            self._emit(
                Link(
                    ts_us=self._clock.now_us(),
                    state=state,
                    reason=reason,
                    account=self._exchange.account,
                    account_kind="simulated",
                )
            )

    def _report(self, reason: str) -> BrokerReport:
        exchange, ts_us = self._exchange, self._clock.now_us()
        return BrokerReport(
            ts_us=ts_us,
            reason=reason,
            connection=self._connection,
            positions=tuple(
                translate.position(held, exchange.contract(held.instrument))
                for held in exchange.positions()
                if held.quantity != 0
            ),
            open_orders=tuple(translate.order_report(update, ts_us) for update in exchange.open_orders()),
            completed_orders=tuple(translate.order_report(update, ts_us) for update in exchange.finished_orders()),
            executions=tuple(translate.execution(execution, ts_us) for execution in exchange.executions()),
            commissions=tuple(translate.commission(cost, ts_us) for cost in exchange.commissions()),
        )

    def _tell_sessions(self, emit: Emit) -> None:
        self._sessions_told = self._exchange.market.sessions
        emit(Sessions(ts_us=self._clock.now_us(), sessions=self._sessions_told))

    def _tell_quotes(self, step: MarketStep, emit: Emit) -> None:
        stocks: list[Quote] = []
        halted = self._exchange.halted
        for quote in step.quotes:
            contract = self._exchange.contract(quote.instrument)
            close = self._exchange.previous_close(quote.instrument)
            found: Quote | OptionQuote = translate.quote(
                quote, contract, step.ts_us, halted=quote.instrument in halted, previous_close=close
            )
            if isinstance(found, Quote):
                stocks.append(found)
            else:
                emit(found)
        for stock in stocks:
            emit(stock)

    def _tell(self, events: list[ExchangeEvent]) -> None:
        if self._emit is None:
            return
        ts_us = self._clock.now_us()
        for event in events:
            self._emit(self._translated(event, ts_us))
        if any(isinstance(event, SimExecution) for event in events):
            self._tell_account()

    def _translated(self, event: ExchangeEvent, ts_us: int) -> OrderReport | Execution | Commission | PositionChanged:
        match event:
            case OrderUpdate():
                return translate.order_report(event, ts_us)
            case SimExecution():
                return translate.execution(event, ts_us)
            case SimCommission():
                return translate.commission(event, ts_us)
            case SimPosition():
                held = translate.position(event, self._exchange.contract(event.instrument))
                return PositionChanged(ts_us=ts_us, position=held)

    def _tell_account(self) -> None:
        if self._emit is None:
            return
        self._account_told_us = self._exchange.now_us
        values = {tag: value for tag, value in self._exchange.account_values().items() if isinstance(value, float)}
        if not self._exchange.is_valued:
            # The desk's equity counts from the first net liquidation that it hears: it must be of the whole account.
            self._account_told_us = None
            del values["NetLiquidation"]
        self._emit(AccountReported(ts_us=self._clock.now_us(), values_usd=values))
