"""The simulated exchange: one account, one market, an order book in which only our orders rest.

Synchronous and deterministic. `advance()` takes the market's next moment and matches what rests; `place` and `cancel`
answer at once. Nothing here reads a clock: the time is the newest step's.

    matching       see `order_book`; `partial_fill_shares` slices an order into several executions
    DAY orders     expire with the first step outside a session; GTC orders stay

A refusal is a value: one `OrderUpdate` with status Inactive and IB's error code, and the order does not exist.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from daemon.core.events import Session, Side
from daemon.venues.simulated.account import SimulatedAccount
from daemon.venues.simulated.frictions import NO_FRICTIONS, Frictions
from daemon.venues.simulated.model import (
    NO_PLAN,
    DailyPnl,
    ExchangeEvent,
    FillPlan,
    LastingMarket,
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
from daemon.venues.simulated.order_book import Moment, OrderBook
from daemon.venues.simulated.order_checks import modify_problem, order_problem
from daemon.venues.simulated.saved_book import RestingOrder, SavedBook, SavedBookError, decode_book, encode_book

CANCEL_UNKNOWN = 10147
CANCEL_TOO_LATE = 10148


OptionModel = Callable[[SimContract, int, float, float | None], float | None]
"""(option, ts_us, the stock's price, the volatility that the market says) -> USD a share, None where it cannot tell."""


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
        fill_displayed_size: bool = False,
        frictions: Frictions = NO_FRICTIONS,
        model: OptionModel | None = None,
    ) -> None:
        """`model` values what the account opens with and nobody quotes yet; without it that waits for its quote."""
        self.market = market
        self._model = model
        self.frictions = frictions
        self.account = account
        self._contracts = {contract.instrument: contract for contract in market.contracts}
        self._money = SimulatedAccount(account, cash_usd, self._contracts)
        self._step: MarketStep | None = None
        self._quotes: dict[str, SimQuote] = {}
        self._session_date: str | None = None
        self._same_day: tuple[tuple[Session, ...], float] = ((), -math.inf)
        """Of these very sessions none opens before that time (us): until then the day is the same."""
        self._closes: dict[str, float] = {}
        """Instrument -> its mid when the previous session ended."""
        self._book = OrderBook(
            self._contracts,
            self._money,
            slice_shares=math.inf if partial_fill_shares is None else max(1.0, float(math.floor(partial_fill_shares))),
            displayed_size=fill_displayed_size,
            frictions=frictions,
        )
        for position in positions:
            self._require(position.instrument)
            if self._money.quantity(position.instrument) != 0:
                raise ValueError(f"the simulated account's opening position {position.instrument} is declared twice")
            self._money.open_with(position.instrument, position.quantity, position.average_price)
        for ticket in foreign_orders:
            self._require(ticket.instrument)
            self._book.accept(ticket)
        self._unmarked = self._money.unmarked()

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

    def previous_close(self, instrument: str) -> float | None:
        """The mid at the end of the session before; None on the first day."""
        return self._closes.get(instrument)

    def positions(self) -> tuple[SimPosition, ...]:
        """The account's rows today: what it holds, and what it closed today (quantity 0)."""
        return tuple(self._money.position(name) for name in self._money.holdings())

    def position(self, instrument: str) -> SimPosition:
        """One position; quantity 0 when there is none."""
        return self._money.position(instrument)

    def account_values(self) -> dict[str, float | str]:
        """The account's figures by IB's tag, USD; `AccountType` is `BIFROST-SIMULATOR`."""
        return self._money.values()

    @property
    def is_valued(self) -> bool:
        """Whether everything that the account opened with has had a price; before, its net liquidation lacks it."""
        return not self._unmarked

    def daily_pnl(self, instrument: str | None = None) -> DailyPnl:
        """Today's P&L of the account (after commissions) or of one instrument."""
        return self._money.daily_pnl(instrument)

    def open_orders(self, client_id: int | None = None) -> tuple[OrderUpdate, ...]:
        """Orders that still work, of every client or of one, in the order they came."""
        return tuple(
            order.update() for order in self._book.working() if client_id is None or order.ticket.client_id == client_id
        )

    def finished_orders(self) -> tuple[OrderUpdate, ...]:
        """Today's orders that no longer work, of every client, in the order they came."""
        return tuple(order.update() for order in self._book.orders.values() if not order.works)

    def executions(self) -> tuple[SimExecution, ...]:
        """Today's executions of every client, oldest first."""
        return tuple(self._book.executions)

    def commissions(self) -> tuple[SimCommission, ...]:
        """Today's commission reports, in the order of `executions`."""
        return tuple(self._book.commissions)

    def next_order_id(self, client_id: int) -> int:
        """The lowest order id that this client may use next."""
        return max(0, self._book.highest_id.get(client_id, 0)) + 1

    def knows(self, client_id: int, order_id: int) -> bool:
        """Whether that client has used that id for an order that works, or that ended today."""
        return (client_id, order_id) in self._book.orders

    def works(self, client_id: int, order_id: int) -> bool:
        """Whether that order of that client can still trade."""
        order = self._book.orders.get((client_id, order_id))
        return order is not None and order.works

    @property
    def halted(self) -> frozenset[str]:
        """The instruments in a trading halt."""
        return frozenset(self._book.halted)

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
        if self._unmarked:
            self._value_unquoted(step.ts_us)
        events: list[ExchangeEvent] = [self._money.position(name) for name in settled]
        for order in self._book.working():
            if not step.is_open:
                if order.ticket.tif == "DAY":
                    events.append(self._book.finish_cancelled(order, "Order Canceled - reason:the session has closed"))
                continue
            if self._book.age_hold(order):
                events.append(order.update())
            events.extend(self._book.match(order, self._moment(order), resting=not order.is_new))
            order.is_new = False
        return step, events

    def settle(self) -> list[ExchangeEvent]:
        """Settle what has expired by the newest step now, not with the next day's first; the positions it changed.

        For who plays days in a row: the last of them has no next day.
        """
        settled = self._settle_expired(self.now_us)
        if settled:
            self._keep_closes()
        return [self._money.position(name) for name in settled]

    def place(self, ticket: OrderTicket, plan: FillPlan = NO_PLAN, *, trades_now: bool = True) -> list[ExchangeEvent]:
        """Take an order; the answer is everything that happens at once, in the order a gateway would say it.

        `trades_now` False: it came between two steps of the market, and trades from the next one on.
        """
        refusal = self._refusal(ticket)
        if refusal is not None:
            return [refusal]
        order = self._book.accept(ticket, plan)
        events: list[ExchangeEvent] = [order.update("PreSubmitted"), order.update()]
        if trades_now:
            events.extend(self._book.match(order, self._moment(order), resting=False))
        else:
            order.is_new = True
        return events

    def modify(self, ticket: OrderTicket, *, trades_now: bool = True) -> list[ExchangeEvent]:
        """Give an order of that client and id another price or quantity; `trades_now` as for `place`.

        Refused, and the order left as it was: 104 for one that is filled, 103 for one that ended otherwise or never
        was, 105 where anything else would change, 201 for a quantity that is filled already.
        """
        order = self._book.orders.get((ticket.client_id, ticket.order_id))
        problem = modify_problem(order, ticket) or order_problem(
            ticket,
            self._contracts.get(ticket.instrument),
            is_duplicate=False,
            is_open=self._step is not None and self._step.is_open,
            now_us=self.now_us,
        )
        if problem is not None or order is None:
            return [_refused(ticket, *(problem or (0, "")))]
        order.ticket = ticket
        if not trades_now:
            order.is_new = True
            return [order.update()]
        return [order.update(), *self._book.match(order, self._moment(order), resting=False)]

    def cancel(self, client_id: int, order_id: int) -> list[ExchangeEvent]:
        """Cancel an order of that client.

        Error codes: 202 confirms, 10147 not found (the ticket of that answer is blank), 10148 already finished.
        """
        order = self._book.orders.get((client_id, order_id))
        if order is None:
            blank = OrderTicket(
                client_id=client_id, order_id=order_id, instrument="", side="BUY", quantity=0.0, order_type="MKT"
            )
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            return [_refused(blank, CANCEL_UNKNOWN, text)]
        if not order.works:
            text = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            return [order.update(error_code=CANCEL_TOO_LATE, error_text=text)]
        return [self._book.finish_cancelled(order, "Order Canceled - reason:")]

    def trade_by_hand(
        self,
        instrument: str,
        side: Side,
        quantity: float,
        *,
        client_id: int = 0,
        order_ref: str = "",
        limit_price: float | None = None,
    ) -> list[ExchangeEvent]:
        """An order of another client (0 is the operator's own TWS): at market, or a limit good till cancelled."""
        return self.place(
            OrderTicket(
                client_id=client_id,
                order_id=self._id_by_hand() if client_id == 0 else self.next_order_id(client_id),
                instrument=instrument,
                side=side,
                quantity=quantity,
                order_type="MKT" if limit_price is None else "LMT",
                limit_price=limit_price,
                order_ref=order_ref,
                tif="DAY" if limit_price is None else "GTC",
            )
        )

    # What a fault script does

    @property
    def money(self) -> SimulatedAccount:
        """The account itself: for what changes it without an order (`interventions`)."""
        return self._money

    def halt(self, instruments: Iterable[str], *, halted: bool) -> list[ExchangeEvent]:
        """Stop or resume trading in some instruments; what rests is matched when it goes on. Raises ValueError."""
        names = tuple(instruments)
        for name in names:
            self._require(name)
        if halted:
            self._book.halted.update(names)
            return []
        self._book.halted.difference_update(names)
        events: list[ExchangeEvent] = []
        if self._step is not None and self._step.is_open:
            for order in self._book.working():
                if order.ticket.instrument in names:
                    events.extend(self._book.match(order, self._moment(order), resting=True))
        return events

    def fill_now(self, client_id: int, order_id: int, quantity: float | None = None) -> list[ExchangeEvent]:
        """Execute an order at its limit or the touch whatever the quotes say, even one that is cancelled already.

        `quantity` None is all that remains. Nothing happens to an order that is filled, unknown or without a price.
        """
        order = self._book.orders.get((client_id, order_id))
        if order is None or order.remaining <= 0:
            return []
        moment = self._moment(order)
        price = order.ticket.limit_price
        if price is None and moment.quote is not None:
            price = moment.quote.ask if order.ticket.side == "BUY" else moment.quote.bid
        if price is None:
            return []
        wanted = order.remaining if quantity is None else min(quantity, order.remaining)
        return self._book.fill(order, wanted, price, moment)

    def correct(
        self, exec_id: str, *, price: float | None = None, quantity: float | None = None
    ) -> list[ExchangeEvent]:
        """Replace an execution of today by its next revision; what is None stays. Empty when there is no such one."""
        wrong = next((found for found in self._book.executions if found.exec_id == exec_id), None)
        if wrong is None:
            return []
        return self._book.correct(
            exec_id,
            price=wrong.price if price is None else price,
            quantity=wrong.quantity if quantity is None else quantity,
        )

    # How

    def _require(self, instrument: str) -> None:
        if instrument not in self._contracts:
            known = ", ".join(self._contracts)
            raise ValueError(f"the simulated exchange has no instrument {instrument!r}; it has: {known}")

    def _refusal(self, ticket: OrderTicket) -> OrderUpdate | None:
        known = (ticket.client_id, ticket.order_id) in self._book.orders
        problem = order_problem(
            ticket,
            self._contracts.get(ticket.instrument),
            is_duplicate=known or 0 < ticket.order_id <= self._book.highest_id.get(ticket.client_id, 0),
            is_open=self._step is not None and self._step.is_open,
            now_us=self.now_us,
        )
        return None if problem is None else _refused(ticket, *problem)

    def _moment(self, order: RestingOrder) -> Moment:
        return Moment(now_us=self.now_us, quote=self._quotes.get(order.ticket.instrument))

    def _id_by_hand(self) -> int:
        """TWS numbers orders made by hand downwards from -1."""
        return min(0, *(order_id for client_id, order_id in self._book.orders if client_id == 0), 0) - 1

    def _roll_day(self, step: MarketStep) -> list[str]:
        """Begin a new day with the first step of a new session; executions and finished orders are of their day.

        Returns the instruments whose position the night has changed.
        """
        sessions, until_us = self._same_day
        if self.market.sessions is sessions and step.ts_us < until_us:
            return []
        sessions = self.market.sessions
        started = [session.date for session in sessions if session.open_us <= step.ts_us]
        coming = [session.open_us for session in sessions if session.open_us > step.ts_us]
        self._same_day = (sessions, min(coming, default=math.inf))
        date = started[-1] if started else None
        if date == self._session_date:
            return []
        settled: list[str] = []
        if self._session_date is not None:
            settled = self._settle_expired(step.ts_us)
            self._money.roll_day()
            self._book.roll_day()
            self._keep_closes()
        self._session_date = date
        return settled

    def _keep_closes(self) -> None:
        self._closes = {
            name: (quote.bid + quote.ask) / 2
            for name, quote in self._quotes.items()
            if quote.bid is not None and quote.ask is not None
        }

    def _value_unquoted(self, ts_us: int) -> None:
        if self._model is not None:
            for name in self._money.unmarked():
                value = self._modelled(self._model, self._contracts[name], ts_us)
                if value is not None:
                    self._money.mark(SimQuote(instrument=name, bid=value, ask=value))
        self._unmarked = self._money.unmarked()

    def _modelled(self, model: OptionModel, contract: SimContract, ts_us: int) -> float | None:
        stock, quote = self._quotes.get(contract.symbol), self._quotes.get(contract.instrument)
        if contract.kind == "stock" or stock is None or stock.bid is None or stock.ask is None:
            return None
        quoted = None if quote is None else quote.model_volatility
        return model(contract, ts_us, (stock.bid + stock.ask) / 2, quoted)

    def _settle_expired(self, now_us: int) -> list[str]:
        """Options past their last trading time leave the account overnight, exercised when in the money."""
        changed: list[str] = []
        for name in self._money.holdings():
            contract = self._contracts[name]
            underlying = self._quotes.get(contract.symbol)
            if contract.last_trade_us is None or now_us < contract.last_trade_us or contract.strike is None:
                continue
            if self._money.quantity(name) == 0:
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
        """Plain JSON values: market, account, orders, executions and ids, from which `restore` continues exactly.

        Raises TypeError where the market is no `LastingMarket`; so does `restore`.
        """
        return encode_book(
            SavedBook(
                account=self.account,
                instruments=tuple(self._contracts),
                market=self._lasting_market().save(),
                money=self._money.save(),
                step=self._step,
                quotes=tuple(self._quotes.values()),
                session_date=self._session_date,
                orders=tuple(self._book.orders.values()),
                highest_ids=tuple(self._book.highest_id.items()),
                executions=tuple(self._book.executions),
                commissions=tuple(self._book.commissions),
                perm_ids=self._book.perm_ids,
                exec_ids=self._book.exec_ids,
                halted=tuple(sorted(self._book.halted)),
                closes=self._closes,
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
        self._lasting_market().restore(book.market)
        self._money.restore(book.money)
        self._step = book.step
        self._quotes = {quote.instrument: quote for quote in book.quotes}
        self._session_date = book.session_date
        self._same_day = ((), -math.inf)
        self._closes = dict(book.closes)
        self._book.restore(book)
        self._unmarked = self._money.unmarked()

    def _lasting_market(self) -> LastingMarket:
        if not isinstance(self.market, LastingMarket):
            kind = type(self.market).__name__
            raise TypeError(f"{kind} cannot be saved or restored: an exchange over it lasts as long as its process")
        return self.market


def _refused(ticket: OrderTicket, code: int, text: str) -> OrderUpdate:
    return OrderUpdate(
        ticket=ticket, perm_id=0, status="Inactive", filled=0.0, average_price=0.0, error_code=code, error_text=text
    )
