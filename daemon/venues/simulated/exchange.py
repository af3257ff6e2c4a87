"""The simulated exchange: one account, one market, an order book in which only our orders rest.

Synchronous and deterministic. `advance()` takes the market's next moment and matches what rests; `place` and `cancel`
answer at once. Nothing here reads a clock: the time is the newest step's.

    market order   fills at the touch (a buy at the ask); without that side it rests and fills at the next quote
    limit order    fills at the touch when it crosses on arrival; else it rests, and fills at its limit when crossed
    size           the displayed size is not looked at; `partial_fill_shares` slices an order into several executions
    DAY orders     expire with the first step outside a session; GTC orders stay

A refusal is a value: one `OrderUpdate` with status Inactive and IB's error code, and the order does not exist.
"""

import math
from collections.abc import Iterable, Sequence

from daemon.core.events import Side
from daemon.venues.simulated.account import SimulatedAccount, order_commission_usd
from daemon.venues.simulated.model import (
    DailyPnl,
    ExchangeEvent,
    Market,
    MarketStep,
    OpeningPosition,
    OrderTicket,
    OrderUpdate,
    SimCommission,
    SimContract,
    SimExecution,
    SimPosition,
    SimQuote,
)
from daemon.venues.simulated.order_checks import order_problem
from daemon.venues.simulated.saved_book import RestingOrder, SavedBook, SavedBookError, decode_book, encode_book

CANCELLED = 202
CANCEL_UNKNOWN = 10147
CANCEL_TOO_LATE = 10148

_FIRST_PERM_ID = 900_001
_EXEC_PREFIX = "0000e1a7"
_FIRST_EXEC = 0x6B00DB08


class SimulatedExchange:
    """Orders, executions and the account over one market. The one rule: `advance()` before the first order.

    Until the first step there is no market, so every order is refused as outside trading hours.
    """

    def __init__(
        self,
        market: Market,
        *,
        account: str = "DU0000001",
        cash_usd: float = 100_000.0,
        positions: Iterable[OpeningPosition] = (),
        foreign_orders: Iterable[OrderTicket] = (),
        partial_fill_shares: float | None = None,
    ) -> None:
        self.market = market
        self.account = account
        self._contracts = {contract.instrument: contract for contract in market.contracts}
        self._money = SimulatedAccount(account, cash_usd, self._contracts)
        self._slice = math.inf if partial_fill_shares is None else max(1.0, math.floor(partial_fill_shares))
        self._step: MarketStep | None = None
        self._quotes: dict[str, SimQuote] = {}
        self._session_date: str | None = None
        self._orders: dict[tuple[int, int], RestingOrder] = {}
        """(client_id, order_id) -> order: every order that still works, and today's finished ones."""
        self._highest_id: dict[int, int] = {}
        """client_id -> the highest order id it ever used."""
        self._executions: list[SimExecution] = []
        self._commissions: list[SimCommission] = []
        self._perm_ids = 0
        self._exec_ids = 0
        for position in positions:
            self._require(position.instrument)
            if self._money.quantity(position.instrument) != 0:
                raise ValueError(f"the simulated account's opening position {position.instrument} is declared twice")
            self._money.open_with(position.instrument, position.quantity, position.average_price)
        for ticket in foreign_orders:
            self._require(ticket.instrument)
            self._accept(ticket)

    # What is

    @property
    def step(self) -> MarketStep | None:
        """The newest step, None before the first."""
        return self._step

    @property
    def now_us(self) -> int:
        """The market's time in microseconds since the epoch; 0 before the first step."""
        return 0 if self._step is None else self._step.ts_us

    @property
    def contracts(self) -> tuple[SimContract, ...]:
        """Everything that trades here."""
        return self.market.contracts

    def contract(self, instrument: str) -> SimContract | None:
        """The contract of that name, or None."""
        return self._contracts.get(instrument)

    def quote(self, instrument: str) -> SimQuote | None:
        """The standing quote, or None before the first step."""
        return self._quotes.get(instrument)

    def positions(self) -> tuple[SimPosition, ...]:
        """The account's rows today: what it holds, and what it closed today (quantity 0)."""
        return tuple(self._money.position(name) for name in self._money.holdings())

    def position(self, instrument: str) -> SimPosition:
        """One position; quantity 0 when there is none."""
        return self._money.position(instrument)

    def account_values(self) -> dict[str, float | str]:
        """The account's figures by IB's tag, USD; `AccountType` is `BIFROST-SIMULATOR`."""
        return self._money.values()

    def daily_pnl(self, instrument: str | None = None) -> DailyPnl:
        """Today's P&L of the account (after commissions) or of one instrument."""
        return self._money.daily_pnl(instrument)

    def open_orders(self, client_id: int | None = None) -> tuple[OrderUpdate, ...]:
        """Orders that still work, of every client or of one, in the order they came."""
        return tuple(
            order.update()
            for order in self._orders.values()
            if order.works and (client_id is None or order.ticket.client_id == client_id)
        )

    def finished_orders(self) -> tuple[OrderUpdate, ...]:
        """Today's orders that no longer work, of every client, in the order they came."""
        return tuple(order.update() for order in self._orders.values() if not order.works)

    def executions(self) -> tuple[SimExecution, ...]:
        """Today's executions of every client, oldest first."""
        return tuple(self._executions)

    def commissions(self) -> tuple[SimCommission, ...]:
        """Today's commission reports, in the order of `executions`."""
        return tuple(self._commissions)

    def next_order_id(self, client_id: int) -> int:
        """The lowest order id that this client may use next."""
        return max(0, self._highest_id.get(client_id, 0)) + 1

    # What happens

    def advance(self) -> tuple[MarketStep, list[ExchangeEvent]] | None:
        """Take the market's next step, value the account and match what rests; None when the market has ended.

        Options that expired overnight come first, as positions that changed without an execution.
        """
        step = self.market.next_step()
        if step is None:
            return None
        settled = self._roll_day(step)
        self._step = step
        for quote in step.quotes:
            self._quotes[quote.instrument] = quote
            self._money.mark(quote)
        events: list[ExchangeEvent] = [self._money.position(name) for name in settled]
        for order in [order for order in self._orders.values() if order.works]:
            if step.is_open:
                events.extend(self._match(order, resting=True))
            elif order.ticket.tif == "DAY":
                events.append(self._finish_cancelled(order, "Order Canceled - reason:the session has closed"))
        return step, events

    def place(self, ticket: OrderTicket) -> list[ExchangeEvent]:
        """Take an order; the answer is everything that happens at once, in the order a gateway would say it."""
        refusal = self._refusal(ticket)
        if refusal is not None:
            return [refusal]
        order = self._accept(ticket)
        events: list[ExchangeEvent] = [order.update("PreSubmitted"), order.update()]
        events.extend(self._match(order, resting=False))
        return events

    def cancel(self, client_id: int, order_id: int) -> list[ExchangeEvent]:
        """Cancel an order of that client.

        Error codes: 202 confirms, 10147 not found (the ticket of that answer is blank), 10148 already finished.
        """
        order = self._orders.get((client_id, order_id))
        if order is None:
            blank = OrderTicket(
                client_id=client_id, order_id=order_id, instrument="", side="BUY", quantity=0.0, order_type="MKT"
            )
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            return [_refused(blank, CANCEL_UNKNOWN, text)]
        if not order.works:
            text = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            return [order.update(error_code=CANCEL_TOO_LATE, error_text=text)]
        return [self._finish_cancelled(order, "Order Canceled - reason:")]

    def trade_by_hand(
        self, instrument: str, side: Side, quantity: float, *, client_id: int = 0, order_ref: str = ""
    ) -> list[ExchangeEvent]:
        """A market order of another client (the operator's own TWS is client 0)."""
        return self.place(
            OrderTicket(
                client_id=client_id,
                order_id=self.next_order_id(client_id),
                instrument=instrument,
                side=side,
                quantity=quantity,
                order_type="MKT",
                order_ref=order_ref,
            )
        )

    # How

    def _require(self, instrument: str) -> None:
        if instrument not in self._contracts:
            known = ", ".join(self._contracts)
            raise ValueError(f"the simulated exchange has no instrument {instrument!r}; it has: {known}")

    def _refusal(self, ticket: OrderTicket) -> OrderUpdate | None:
        known = (ticket.client_id, ticket.order_id) in self._orders
        problem = order_problem(
            ticket,
            self._contracts.get(ticket.instrument),
            is_duplicate=known or 0 < ticket.order_id <= self._highest_id.get(ticket.client_id, 0),
            is_open=self._step is not None and self._step.is_open,
            now_us=self.now_us,
        )
        return None if problem is None else _refused(ticket, *problem)

    def _accept(self, ticket: OrderTicket) -> RestingOrder:
        self._perm_ids += 1
        order = RestingOrder(ticket=ticket, perm_id=_FIRST_PERM_ID + self._perm_ids - 1)
        self._orders[ticket.client_id, ticket.order_id] = order
        self._highest_id[ticket.client_id] = max(self._highest_id.get(ticket.client_id, 0), ticket.order_id)
        return order

    def _match(self, order: RestingOrder, *, resting: bool) -> list[ExchangeEvent]:
        quote = self._quotes.get(order.ticket.instrument)
        if quote is None:
            return []
        buying = order.ticket.side == "BUY"
        touch = quote.ask if buying else quote.bid
        if touch is None:
            return []
        price, limit = touch, order.ticket.limit_price
        if order.ticket.order_type == "LMT" and limit is not None:
            if touch > limit if buying else touch < limit:
                return []
            price = limit if resting else touch
        events: list[ExchangeEvent] = []
        while order.works:
            events.extend(self._fill(order, min(self._slice, order.ticket.quantity - order.filled), price))
        return events

    def _fill(self, order: RestingOrder, quantity: float, price: float) -> list[ExchangeEvent]:
        ticket = order.ticket
        contract = self._contracts[ticket.instrument]
        before_usd = order_commission_usd(contract, order.filled)
        order.filled += quantity
        order.fill_value += quantity * price
        order.last_price = price
        order.status = "Filled" if order.filled >= ticket.quantity else "Submitted"
        commission_usd = round(order_commission_usd(contract, order.filled) - before_usd, 6)
        signed = quantity if ticket.side == "BUY" else -quantity
        realised_usd = self._money.apply_fill(ticket.instrument, signed, price, commission_usd)
        quote = self._quotes[ticket.instrument]
        self._money.mark(quote)
        self._exec_ids += 1
        execution = SimExecution(
            exec_id=f"{_EXEC_PREFIX}.{_FIRST_EXEC + self._exec_ids - 1:08x}.01.01",
            ticket=ticket,
            perm_id=order.perm_id,
            quantity=quantity,
            price=price,
            executed_us=self.now_us,
            cumulative_quantity=order.filled,
            average_price=order.average_price,
        )
        commission = SimCommission(exec_id=execution.exec_id, commission_usd=commission_usd, realised_usd=realised_usd)
        self._executions.append(execution)
        self._commissions.append(commission)
        return [execution, order.update(), self._money.position(ticket.instrument), commission]

    def _finish_cancelled(self, order: RestingOrder, text: str) -> OrderUpdate:
        order.status = "Cancelled"
        return order.update(error_code=CANCELLED, error_text=text)

    def _roll_day(self, step: MarketStep) -> list[str]:
        """Begin a new day with the first step of a new session; executions and finished orders are of their day.

        Returns the instruments whose position the night has changed.
        """
        started = [session.date for session in self.market.sessions if session.open_us <= step.ts_us]
        date = started[-1] if started else None
        if date == self._session_date:
            return []
        settled: list[str] = []
        if self._session_date is not None:
            settled = self._settle_expired(step.ts_us)
            self._money.roll_day()
            self._executions.clear()
            self._commissions.clear()
            self._orders = {key: order for key, order in self._orders.items() if order.works}
        self._session_date = date
        return settled

    def _settle_expired(self, now_us: int) -> list[str]:
        """Options past their last trading time leave the account overnight, exercised when in the money."""
        changed: list[str] = []
        for name in self._money.holdings():
            contract = self._contracts[name]
            underlying = self._quotes.get(contract.symbol)
            if contract.last_trade_us is None or now_us < contract.last_trade_us or contract.strike is None:
                continue
            if underlying is None or underlying.bid is None or underlying.ask is None:
                continue
            sign = 1.0 if contract.right == "C" else -1.0
            intrinsic = max(0.0, sign * ((underlying.bid + underlying.ask) / 2 - contract.strike))
            self._money.settle(name, contract.symbol, intrinsic)
            changed.extend([name] if intrinsic <= 0 else [name, contract.symbol])
        return list(dict.fromkeys(changed))

    # What stays over a restart

    def save(self) -> dict[str, object]:
        """Plain JSON values: market, account, orders, executions and ids, from which `restore` continues exactly."""
        return encode_book(
            SavedBook(
                account=self.account,
                instruments=tuple(self._contracts),
                market=self.market.save(),
                money=self._money.save(),
                step=self._step,
                quotes=tuple(self._quotes.values()),
                session_date=self._session_date,
                orders=tuple(self._orders.values()),
                highest_ids=tuple(self._highest_id.items()),
                executions=tuple(self._executions),
                commissions=tuple(self._commissions),
                perm_ids=self._perm_ids,
                exec_ids=self._exec_ids,
            )
        )

    def restore(self, saved: dict[str, object]) -> None:
        """Continue the book that `save` gave. Raises SavedBookError when it is damaged or of another market."""
        book = decode_book(saved)
        if book.account != self.account:
            raise SavedBookError(f"the saved book is of account {book.account}, this simulator is {self.account}")
        if set(book.instruments) != set(self._contracts):
            odd: Sequence[str] = sorted(set(book.instruments) ^ set(self._contracts))
            raise SavedBookError(f"the saved book trades other instruments: {', '.join(odd)}; start with --fresh")
        self.market.restore(book.market)
        self._money.restore(book.money)
        self._step = book.step
        self._quotes = {quote.instrument: quote for quote in book.quotes}
        self._session_date = book.session_date
        self._orders = {(order.ticket.client_id, order.ticket.order_id): order for order in book.orders}
        self._highest_id = dict(book.highest_ids)
        self._executions = list(book.executions)
        self._commissions = list(book.commissions)
        self._perm_ids = book.perm_ids
        self._exec_ids = book.exec_ids


def _refused(ticket: OrderTicket, code: int, text: str) -> OrderUpdate:
    return OrderUpdate(
        ticket=ticket, perm_id=0, status="Inactive", filled=0.0, average_price=0.0, error_code=code, error_text=text
    )
