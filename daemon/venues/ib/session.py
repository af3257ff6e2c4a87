"""What one connection hears: the taps turn frames into events, in the order of arrival.

Life: `open` (logged on, account known) -> `begin` (contracts known: the broker's book and the lines start) ->
`listing` as often as asked -> `close`. Frames that come before `begin` are repeated by the first listing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog
from ib_async.wrapper import RequestError

from config.schema import Profile
from daemon.core.events import AccountKind, AnyEvent, BrokerReport, ProbeAnswered, Session
from daemon.core.instruments import InstrumentSpec
from daemon.venues.ib import errors
from daemon.venues.ib.account import AccountValues, check_consent, choose_account
from daemon.venues.ib.broker_book import BrokerBook, OwnOrders, order_key
from daemon.venues.ib.connection import Connection, LinkLostError, NoAnswerError
from daemon.venues.ib.contracts import Qualified
from daemon.venues.ib.market_data import MarketData
from daemon.venues.ib.probes import Probes
from daemon.venues.ib.translate import order_status
from daemon.venues.protocol import Emit, VenueClock

REQUEST_TIMEOUT_S = 15.0
COMPLETED_TIMEOUT_S = 5.0
WITHOUT_COMPLETED = frozenset({"periodic", "flatten", "flatten_orders"})
"""Reasons of reports that come often and ask about no particular order: the day's completed orders are left out."""
LIVE_FRAME = -1
T = TypeVar("T")

_log = structlog.stdlib.get_logger("bifrost.venue.ib")


class LinkWatch(Protocol):
    """Who decides about the link: the venue."""

    def upstream_lost(self, reason: str) -> None:
        """TWS lost the broker's servers."""
        ...

    def upstream_back(self, reason: str, *, data_kept: bool) -> None:
        """TWS has them again; without `data_kept` every subscription is gone."""
        ...

    def reconcile(self, reason: str, *, fresh_connection: bool) -> None:
        """Something uncertain was said: ask the broker."""
        ...

    def queueing(self, queued: bool) -> None:
        """Requests began, or ceased, to wait in the client's queue."""
        ...

    def complained(self) -> None:
        """TWS complained about the rate of our messages (100)."""
        ...


class IbSession:
    """The taps of one connection. `failure` holds what a tap raised; the venue's loop then stops the daemon."""

    def __init__(self, *, profile: Profile, clock: VenueClock, emit: Emit, watch: LinkWatch) -> None:
        self._profile, self._clock, self._emit, self._watch = profile, clock, emit, watch
        self.connection = Connection(self)
        self.failure: Exception | None = None
        self.account = ""
        self.kind: AccountKind = "live"
        self._values: AccountValues | None = None
        self.book: BrokerBook | None = None
        self.strange_options: set[int] = set()
        """conIds of held options that the venue could not describe on this connection."""
        self._data: MarketData | None = None
        self.half_read: str | None = None
        """Which list without a number did not come in time."""
        self._completed_muted = False
        self.definitions_away = False
        """TWS said that its farm of contract definitions is gone."""
        self._farm_words: list[tuple[int, str]] = []
        self._probes: Probes | None = None
        self._open = True

    # -- life -----------------------------------------------------------------------------------------------------

    async def open(self, host: str, port: int) -> None:
        """Log on and learn the account. Raises LinkLostError, FatalVenueError."""
        wanted = self._profile.ib
        accounts = await self.connection.open(host, port, wanted.client_id, wanted.connect_timeout)
        self.account = choose_account(accounts, self._profile)
        self._values = AccountValues(self.account)
        updates = partial(self.connection.ib.reqAccountUpdatesAsync, self.account)
        try:
            await self.connection.ask(updates, "account values", min(REQUEST_TIMEOUT_S, wanted.connect_timeout))
        except NoAnswerError as error:
            raise LinkLostError(str(error)) from error
        self.kind = self._values.kind()
        check_consent(self.account, self.kind, self._profile)

    def begin(self, qualified: Qualified, *, prefix: str, own: OwnOrders) -> None:
        """The contracts are known: frames become events from here on."""
        self.book = BrokerBook(
            account=self.account,
            client_id=self._profile.ib.client_id,
            prefix=prefix,
            contracts=qualified.names(),
            own=own,
        )
        self._data = MarketData(
            self.connection,
            self._clock,
            self._tell,
            self._later,
            stepped=self.kind == "simulated",
            stale_s=self._profile.gates.state.market.stale_ts_threshold_ms / 1000,
            allow_delayed=self._profile.ib.allow_delayed,
        )
        self.connection.throttled = self._watch.queueing
        self._tell_farms()
        timeout_s = self._profile.daemon.probe_timeout_s
        self._probes = Probes(self.connection, timeout_s, self._probe_answered, self._later, self._clock.now_us)

    def subscribe(self, qualified: Qualified, *, may_renew: Callable[[], bool]) -> None:
        """(Re)subscribe the declared set, cancelling lines of an earlier subscription. Raises LinkLostError."""
        data = _known(self._data)
        data.may_renew = may_renew
        data.sessions = qualified.sessions
        data.subscribe(qualified.specs, qualified.orderable)

    def subscribe_more(self, specs: Iterable[InstrumentSpec], orderable: Mapping[str, Any]) -> None:
        """Lines for instruments found later; before `subscribe` there is nothing to do yet. Raises LinkLostError."""
        data = _known(self._data)
        if data.lines.by_id:
            data.add(specs, orderable)

    def sessions_changed(self, sessions: tuple[Session, ...]) -> None:
        """Newer hours: within them a silent line is looked after."""
        if self._data is not None:
            self._data.sessions = sessions

    async def listing(self, reasons: Iterable[str]) -> None:
        """Ask for open orders, executions and positions; `reports` then tells them.

        Positions come last: a fill in between is then in the executions before it is in the positions.
        Raises NoAnswerError or RequestError when one of them fails, LinkLostError when the socket ends.
        """
        book = _known(self.book)
        book.begin_listing()
        ib = self.connection.ib
        try:
            await self._ask_list(ib.reqAllOpenOrdersAsync, "open orders")
            await self.connection.ask(ib.reqExecutionsAsync, "executions", REQUEST_TIMEOUT_S)
            if not WITHOUT_COMPLETED.issuperset(reasons):
                await self._list_completed(book)
            await self._ask_list(ib.reqPositionsAsync, "positions")
        except BaseException:
            book.abandon_listing()
            raise

    def reports(self, reasons: Iterable[str], connection_number: int) -> list[BrokerReport]:
        """What was listed and what has come since, as one complete report per reason; to be told at once."""
        now_us = self._now_us()
        return [_known(self.book).report(reason, connection_number, now_us) for reason in reasons]

    async def _ask_list(self, request: Callable[[], Awaitable[Any]], what: str) -> None:
        """Ask for a list that has no number.

        Where it does not come in time this connection is of no more use for listings: its late end would end the
        next one half read.
        """
        try:
            await self.connection.ask(request, what, REQUEST_TIMEOUT_S)
        except NoAnswerError as error:
            self.half_read = str(error)
            raise

    async def _list_completed(self, book: BrokerBook) -> None:
        """The day's completed orders help to judge a lost one, but no report waits for them twice."""
        if self._completed_muted:
            return
        book.begin_completed()
        request = partial(self.connection.ib.reqCompletedOrdersAsync, False)  # noqa: FBT003 - also those of other clients
        try:
            await self.connection.ask(request, "completed orders", COMPLETED_TIMEOUT_S)
        except (NoAnswerError, RequestError) as error:
            self._completed_muted = True
            book.forget_completed()
            _log.warning("completed_orders_missing", error=str(error))

    def tell_account(self) -> None:
        """Emit all account values now."""
        self._tell([_known(self._values).report(self._now_us())])

    def probe(self) -> None:
        """Send one liveness probe."""
        if self._probes is None:
            self._probe_answered(None, None)
        else:
            self._probes.ask()

    def flush(self) -> None:
        """Tell waiting quotes, so that what follows comes after them."""
        if self._data is not None:
            self._data.lines.flush()

    async def close(self) -> None:
        """Close the socket and drop every reference to the library's objects."""
        if self._probes is not None:
            self._probes.close()
        self._open = False
        if self._data is not None:
            self._data.close()
        await self.connection.close()

    def _probe_answered(self, round_trip_ms: float | None, sent_us: int | None) -> None:
        self._tell([ProbeAnswered(ts_us=self._now_us(), round_trip_ms=round_trip_ms, asked_us=sent_us)])

    def _now_us(self) -> int:
        """The time of an event that is told now: waiting quotes, and the stamp before them, go first."""
        self.flush()
        return self._clock.now_us()

    def _tell(self, events: Iterable[AnyEvent]) -> None:
        if not self._open:
            return
        for event in events:
            self._emit(event)

    def _later(self, delay_s: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        """A timer whose exception does not vanish in the loop's log."""
        return asyncio.get_running_loop().call_later(delay_s, self._safely, action)

    def _safely(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - whatever it is: the loop would only log it
            self.broken(error)

    # -- taps -----------------------------------------------------------------------------------------------------

    def broken(self, error: Exception) -> None:
        """A tap raised: remember the first, end the connection; the venue's loop raises it."""
        if self.failure is None:
            self.failure = error
        _log.critical("handler_failed", error=repr(error), exc_info=error)
        self.connection.end(f"a handler failed: {error!r}")

    def on_read_end(self) -> None:
        """Close the batch of quotes; account values follow it when they are due."""
        if self._data is None or self._values is None or not self._open:
            return
        if not self._data.lines.read_end():
            return
        report = self._values.due(self._clock.now_us())
        if report is not None:
            self._tell([report])

    def on_price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        """See `Lines.price`."""
        if self._data is not None:
            self._data.lines.price(request_id, tick_type, price, size)

    def on_size(self, request_id: int, tick_type: int, size: float) -> None:
        """See `Lines.size`."""
        if self._data is not None:
            self._data.lines.size(request_id, tick_type, size)

    def on_greeks(self, request_id: int, tick_type: int, volatility: float, delta: float) -> None:
        """See `Lines.greeks`."""
        if self._data is not None:
            self._data.lines.greeks(request_id, tick_type, volatility, delta)

    def on_halted(self, request_id: int, tick_type: int, value: float) -> None:
        """See `Lines.halted`."""
        if self._data is not None:
            self._data.lines.halted(request_id, tick_type, value)

    def on_stamp(self, request_id: int, stamp_us: int) -> None:
        """See `Lines.stamp`."""
        if self._data is not None:
            self._data.lines.stamp(request_id, stamp_us)

    def on_data_type(self, request_id: int, data_type: int) -> None:
        """See `MarketData.data_type`."""
        if self._data is not None:
            self._data.data_type(request_id, data_type)

    def on_open_order(self, contract: Any, order: Any, status: str) -> None:
        """An order at the venue, ours or foreign."""
        if self.book is not None:
            self._tell(self.book.open_order(contract, order, status, self._now_us()))

    def on_order_status(
        self, order_id: int, client_id: int, perm_id: int, status: str, filled: float, *, why_held: str
    ) -> None:
        """A status; a word we do not know is never guessed at."""
        if self.book is None:
            return
        if order_status(status) is None:
            self._watch.reconcile(f"order status {status!r}", fresh_connection=False)
        key = order_key(client_id, order_id, perm_id)
        self._tell(self.book.order_status(key, perm_id, status, filled, self._now_us(), why_held=why_held))

    def on_completed_order(self, contract: Any, order: Any, status: str, outcome: str) -> None:
        """An order that has ended; told with the report that asked for it."""
        if self.book is not None:
            self.book.completed_order(contract, order, status, outcome, self._now_us())

    def on_execution(self, request_id: int, contract: Any, execution: Any) -> None:
        """An execution."""
        if self.book is not None:
            live = request_id == LIVE_FRAME
            self._tell(self.book.executed(contract, execution, live=live, ts_us=self._now_us()))

    def on_commission(self, exec_id: str, commission: float, currency: str) -> None:
        """A commission, however late."""
        if self.book is not None:
            self._tell(self.book.commission(exec_id, commission, currency, self._now_us()))

    def on_position(self, account: str, contract: Any, quantity: float, average_cost: float) -> None:
        """A position; other accounts of the login are not ours."""
        if self.book is not None and account == self.account:
            self._tell(self.book.position(contract, quantity, average_cost, self._now_us()))

    def on_account_value(self, account: str, tag: str, value: str, currency: str) -> None:
        """An account value; told with the next read's end."""
        if self._values is not None:
            self._values.on_value(account, tag, value, currency)

    def on_current_time(self) -> None:
        """A probe came back."""
        if self._probes is not None:
            self._probes.on_current_time()

    def on_unreadable(self, kind: int, error: str) -> None:
        """What it said is lost here: only a new connection, with everything read anew, can be believed."""
        self.connection.end(f"message {kind} of the venue cannot be read: {error}")

    def on_message(self, request_id: int, code: int, text: str) -> None:
        """Message 4: link first, then data, then own orders; the rest is logged."""
        note = f"{code}: {text}"
        if code == errors.PACING:
            self._about_pacing(request_id)
        elif self._about_link(code, note) or self._about_data(request_id, code, text):
            pass
        elif self.book is not None and self.book.knows_order(request_id):
            self._about_order(self.book, request_id, code, note)
        elif errors.is_warning(code):
            _log.info("venue_notice", code=code, text=text)
        else:
            _log.warning("venue_message", code=code, text=text, request_id=request_id)

    def _about_link(self, code: int, note: str) -> bool:
        if code == errors.CLIENT_ID_TAKEN:
            # ib_async would sit out the whole connect time-out here (measured).
            client_id = self._profile.ib.client_id
            taken = f"client id {client_id} is in use at the venue (ib.client_id); waiting for it"
            self.connection.end(taken, "client_id_taken")
        elif code == errors.SOCKET_PORT_RESET:
            self.connection.end(note)
        elif code in errors.UPSTREAM_LOST:
            self._watch.upstream_lost(note)
        elif code in {errors.UPSTREAM_BACK_DATA_KEPT, errors.UPSTREAM_BACK_DATA_LOST}:
            self._watch.upstream_back(note, data_kept=code == errors.UPSTREAM_BACK_DATA_KEPT)
        else:
            return False
        return True

    def _about_pacing(self, request_id: int) -> None:
        self.connection.slow_down()
        self._watch.complained()
        if self.book is not None and self.book.knows_order(request_id):
            # It was not obeyed, or was it? The broker knows.
            self._watch.reconcile(f"message {errors.PACING} about an order", fresh_connection=False)

    def _about_data(self, request_id: int, code: int, text: str) -> bool:
        if code in errors.FARM_STATES:
            self.definitions_away = errors.DEFINITIONS_AWAY.get(code, self.definitions_away)
            self._farm_words.append((code, text))
            self._tell_farms()
            return True
        return self._data is not None and self._data.about_line(request_id, code, f"{code}: {text}")

    def _tell_farms(self) -> None:
        """TWS speaks of its farms right after the logon, before the lines exist: that waits for them."""
        if self._data is None:
            return
        words, self._farm_words = self._farm_words, []
        for code, text in words:
            self._data.about_farm(code, text)

    def _about_order(self, book: BrokerBook, order_id: int, code: int, note: str) -> None:
        meaning = errors.order_meaning(code)
        _log.warning("order_message", order_id=order_id, meaning=meaning.value, note=note)
        self._tell(book.order_message(order_id, meaning, note, self._now_us(), code=code))
        if meaning is errors.OrderMeaning.UNCERTAIN:
            self._watch.reconcile(f"message {code} about an order", fresh_connection=False)


def _known(part: T | None) -> T:
    """The part that `open` or `begin` made. Raises RuntimeError when it is asked for before that."""
    if part is None:
        raise RuntimeError("the session has not begun")
    return part
