"""Interactive Brokers as a venue: one loop that connects, synchronises, serves and reconnects for ever.

The link moves along the table of `daemon.core.link_fsm`, and every move is told with its trigger.

Everything that takes time (connecting, reconciling, resubscribing) happens in this one loop, so two of them never
overlap. The other methods only leave a note for the loop, or write one message to the socket.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from ib_async.wrapper import RequestError

from config.schema import Profile
from daemon.core.effects import ModifyOrder, PlaceOrder
from daemon.core.events import (
    AnyEvent,
    Instruments,
    Link,
    LinkCause,
    Pacing,
    ProbeAnswered,
    RestartWindows,
    Sessions,
    Window,
)
from daemon.core.link_fsm import LINK, LinkState, LinkTrigger
from daemon.venues.ib.broker_book import OwnOrders
from daemon.venues.ib.connection import Backoff, LinkLostError, NoAnswerError
from daemon.venues.ib.contracts import Qualified, current_sessions, qualify, qualify_found
from daemon.venues.ib.order_entry import OrderEntry
from daemon.venues.ib.restart_windows import utc_windows
from daemon.venues.ib.session import IbSession
from daemon.venues.ib.upstream import Upstream, window_left_s
from daemon.venues.protocol import Emit, FatalVenueError, OrderNotSentError, VenueClock

LISTING_ATTEMPTS = 2
MOST_FOUND_OPTIONS = 50
STEADY_S = 10.0
"""A connection that stayed synchronised for so long was a good one: the next attempt need not wait long."""

_log = structlog.stdlib.get_logger("bifrost.venue.ib")


class HandlerFailedError(Exception):
    """A handler of the venue's frames raised: what was learned may be incomplete, so the daemon must stop."""


class IbVenue:
    """`daemon.venues.protocol.Venue` over the real ib_async.

    The one rule: only `run` awaits. `own_prefix` gives `<desk>.<ledger_id>.`, the start of every own orderRef.
    """

    def __init__(
        self,
        profile: Profile,
        clock: VenueClock,
        own_prefix: Callable[[], str],
        *,
        host: str | None = None,
        port: int | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._profile, self._clock, self._own_prefix = profile, clock, own_prefix
        self._host = profile.ib.host if host is None else host
        self._port = profile.ib.port if port is None else port
        # Jitter only spreads attempts in time; nothing decided or recorded depends on it.
        self._backoff = Backoff(random.Random()) if backoff is None else backoff  # noqa: S311
        self._emit: Emit = _ignore
        self._own = OwnOrders()
        self._session: IbSession | None = None
        self._qualified: Qualified | None = None
        self._hours_day = self._windows_day = ""
        self._windows: tuple[Window, ...] = ()
        self._connections = 0
        self._link = Link(ts_us=0, state=LINK.initial, reason="")
        self._synced_s: float | None = None
        self._complaints = 0
        self._upstream = self._no_news()
        # Notes for the loop
        self._wake = asyncio.Event()
        self._asked: dict[str, None] = {}
        self._reconnect_for: str | None = None
        self._closing = False

    # -- the protocol ---------------------------------------------------------------------------------------------

    async def run(self, emit: Emit) -> None:
        """See `Venue.run`. Also raises HandlerFailedError."""
        self._emit = emit
        self._move(LinkTrigger.LOST, f"connecting to {self._host}:{self._port}")
        while True:
            self._tell_windows()
            session = IbSession(profile=self._profile, clock=self._clock, emit=self._tell, watch=self)
            self._session = session
            try:
                await self._serve(session)
            except (LinkLostError, OSError) as error:  # whatever a socket raises, wherever: it is a lost link
                if session.failure is None:
                    self._move(LinkTrigger.LOST, str(error), session.connection.cause)
            finally:
                self._session = None
                await session.close()
            if session.failure is not None:
                raise HandlerFailedError(f"a venue handler failed: {session.failure!r}") from session.failure
            if self._closing:
                await asyncio.Event().wait()  # until cancelled: a return would look like an accident
            await self._pause()

    async def _pause(self) -> None:
        """Wait before the next attempt; not at all where a fresh connection was asked for."""
        synced_s, self._synced_s = self._synced_s, None
        if synced_s is not None and asyncio.get_running_loop().time() - synced_s >= STEADY_S:
            self._backoff.reset()
        if self._reconnect_for is None:
            await asyncio.sleep(self._backoff.next_s())
        self._reconnect_for = None

    def not_ready(self) -> str | None:
        """See `Venue.not_ready`."""
        if self._session is None or self._link.state != LinkState.SYNCED:
            return f"the link is {self._link.state}"
        return self._session.connection.not_ready()

    def place(self, order: PlaceOrder) -> None:
        """See `Venue.place`. An orderRef is sent once in the life of this process, whatever became of it."""
        self._entry().place(order)

    def modify(self, order: ModifyOrder) -> None:
        """See `Venue.modify`. Only what this connection has seen working under our own client id can be changed."""
        self._entry().modify(order)

    def _entry(self) -> OrderEntry:
        """The way out for an order now. Raises OrderNotSentError."""
        refusal, session = self.not_ready(), self._session
        if refusal is not None:
            raise OrderNotSentError(refusal)
        if session is None or session.book is None or self._qualified is None:
            raise OrderNotSentError("not connected")
        return OrderEntry(
            session.connection,
            session.book,
            self._qualified,
            self._own,
            account=session.account,
            client_id=self._profile.ib.client_id,
        )

    def cancel(self, order_ref: str) -> None:
        """See `Venue.cancel`. Only orders of our own client id can be cancelled: for others TWS stays silent."""
        order = self._own.find(order_ref)
        if order is None:
            raise OrderNotSentError(f"{order_ref} is not an order of this desk")
        if order.client_id != self._profile.ib.client_id:
            raise OrderNotSentError(f"{order_ref} belongs to client id {order.client_id}: cancel it there")
        if self._session is None:
            raise OrderNotSentError("not connected")
        try:
            self._session.connection.send_cancel(order.venue_order_id)
        except ConnectionError as error:
            raise OrderNotSentError(str(error)) from error

    def reconcile(self, reason: str, *, fresh_connection: bool) -> None:
        """See `Venue.reconcile`. While the link is down the report comes with the next connect, after its own."""
        self._asked[reason] = None
        if fresh_connection:
            self._reconnect_for = reason
        self._wake.set()

    def probe(self) -> None:
        """See `Venue.probe`."""
        if self._session is None:
            self._tell(ProbeAnswered(ts_us=self._clock.now_us(), round_trip_ms=None))
        else:
            self._session.probe()

    async def close(self) -> None:
        """See `Venue.close`."""
        self._emit, self._closing = _ignore, True
        if self._session is not None:
            await self._session.close()

    # -- what the session reports ---------------------------------------------------------------------------------

    def upstream_lost(self, reason: str) -> None:
        """1100, 2110: the socket lives, orders would silently wait. Repeated for as long as it lasts."""
        self._upstream.lost(asyncio.get_running_loop().time(), reason)
        if self._link.state != LinkState.DOWN:
            self._move(LinkTrigger.UPSTREAM_LOST, reason)
        self._wake.set()

    def upstream_back(self, reason: str, *, data_kept: bool) -> None:
        """1101, 1102: reconcile before anything is sent again."""
        self._upstream.back(data_kept=data_kept)
        if self._link.state != LinkState.DOWN:
            self._move(LinkTrigger.UPSTREAM_BACK, reason)
        self._wake.set()

    def queueing(self, queued: bool) -> None:
        """Requests wait, or wait no more: no order leaves meanwhile."""
        self._tell(Pacing(ts_us=self._clock.now_us(), queued=queued, violations=self._complaints))

    def complained(self) -> None:
        """100: TWS found us too fast. It disconnects who goes on like that."""
        self._complaints += 1
        queued = self._session is not None and self._session.connection.is_queueing
        self._tell(Pacing(ts_us=self._clock.now_us(), queued=queued, violations=self._complaints))

    # -- the loop -------------------------------------------------------------------------------------------------

    async def _serve(self, session: IbSession) -> None:
        """One connection from its opening to its end. Raises LinkLostError, FatalVenueError."""
        self._forget_notes()
        await session.open(self._host, self._port)
        self._connections += 1
        self._move(LinkTrigger.LOGGED_ON, "logged on")
        if self._upstream.is_lost:
            self._move(LinkTrigger.UPSTREAM_LOST, self._upstream.note)  # said while the logon was under way
        await self._wait_for_upstream(session)
        qualified = await self._qualify(session)
        session.begin(qualified, prefix=self._own_prefix(), own=self._own)
        self._tell(Instruments(ts_us=self._clock.now_us(), specs=qualified.specs))
        self._tell_sessions(qualified)
        self._upstream.unsettled = True
        await self._settle(session, "connect", subscribed=False)
        session.tell_account()
        self._synced("synchronised")
        # Last, so that the first price finds the core ready to act on it.
        self._subscribe(session)
        while True:
            await self._next_note(session)
            if self._upstream.unsettled:
                await self._settle(session, "upstream restored", subscribed=True)
                self._synced("upstream restored")
            if self._reconnect_for is not None:
                raise LinkLostError(f"reconnecting to look again: {self._reconnect_for}")
            if self._asked:
                await self._list(session)

    def _forget_notes(self) -> None:
        """What was noted for the last connection; what was asked of the broker stays asked."""
        self._reconnect_for, self._upstream = None, self._no_news()

    def _no_news(self) -> Upstream:
        """What a new connection knows of TWS's servers: nothing bad."""
        return Upstream(
            self._profile.ib.upstream_deadline_s, lambda: window_left_s(self._windows, self._clock.now_us())
        )

    async def _settle(self, session: IbSession, reason: str, *, subscribed: bool) -> None:
        """List until one listing was not overtaken by a loss upstream. Raises LinkLostError.

        Where TWS said that it forgot our subscriptions (1101), they are made again, once.
        """
        upstream = self._upstream
        while upstream.unsettled:
            await self._wait_for_upstream(session)
            upstream.unsettled = False
            if upstream.data_lost and subscribed:
                self._subscribe(session)
            await self._list(session, reason)

    async def _wait_for_upstream(self, session: IbSession) -> None:
        """Wait while TWS has lost its servers; past the deadline, end the connection. Raises LinkLostError."""
        loop = asyncio.get_running_loop()
        while self._upstream.is_lost:
            wait_s = self._upstream.wait_s(loop.time())
            if wait_s is None:
                overdue = self._upstream.overdue(loop.time())
                session.connection.end(overdue, "upstream_overdue")
                raise LinkLostError(overdue)
            await self._next_note(session, timeout_s=wait_s)

    def _subscribe(self, session: IbSession) -> None:
        """(Re)subscribe the declared set. Raises LinkLostError."""
        self._upstream.data_lost = False
        if self._qualified is not None:
            session.subscribe(self._qualified, may_renew=lambda: self._link.state == LinkState.SYNCED)

    def _synced(self, reason: str) -> None:
        self._synced_s = asyncio.get_running_loop().time()
        self._move(LinkTrigger.RECONCILED, reason)

    async def _next_note(self, session: IbSession, timeout_s: float | None = None) -> None:
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            waiting: set[asyncio.Future[Any]] = {woken, session.connection.ended}
            await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
        if session.connection.ended.done():
            raise LinkLostError(session.connection.ended.result())
        self._wake.clear()

    async def _qualify(self, session: IbSession) -> Qualified:
        try:
            self._qualified = await qualify(session.connection, self._profile)
        except FatalVenueError as error:
            # TWS answers "no security definition" too while its servers or its own data farm are away.
            away = self._upstream.is_lost or session.definitions_away
            if self._qualified is None and not away:
                raise
            raise LinkLostError(f"a known contract is not found now: {error}") from error
        self._hours_day = self._day()
        return self._qualified

    async def _list(self, session: IbSession, *first: str) -> None:
        """Tell a complete BrokerReport for each reason asked; try twice where that is safe, then end the connection."""
        if session.half_read is not None:
            raise LinkLostError(f"reconciliation failed: {session.half_read}")
        await self._refresh_hours(session)
        # What is asked for from here on, this listing may have passed by already: it gets one of its own.
        asked, self._asked = self._asked, {}
        reasons = tuple(dict.fromkeys((*first, *asked)))
        told = False
        try:
            if await self._listed(session, reasons):
                await self._find_options(session)
                # Made only now: what came while options were looked up is in it.
                for report in session.reports(reasons, self._connections):
                    self._tell(report)
                told = True
        finally:
            if not told:
                self._asked = asked | self._asked

    async def _listed(self, session: IbSession, reasons: tuple[str, ...]) -> bool:
        """Whether the broker listed everything; it cannot while TWS has lost its servers. Raises LinkLostError."""
        for attempt in range(1, LISTING_ATTEMPTS + 1):
            try:
                await session.listing(reasons)
            except (NoAnswerError, RequestError) as error:
                _log.warning("listing_failed", attempt=attempt, error=str(error))
                if self._upstream.is_lost:
                    return False  # `_settle` lists again when they are back
                if attempt == LISTING_ATTEMPTS or session.half_read is not None:
                    raise LinkLostError(f"reconciliation failed: {error}") from error
            else:
                return True
        return False

    async def _find_options(self, session: IbSession) -> None:
        """Options of the underlying in the account that no leg declares: what they are is told, and their quotes.

        Whether one is hedged is the core's to decide; one that cannot be looked up stays a position, no more.
        """
        book, qualified = session.book, self._qualified
        if book is None or qualified is None:
            return
        known = {spec.venue_id for spec in qualified.specs} | session.strange_options
        held = book.options_of(self._profile.underlying.symbol)
        specs, orderable = [], {}
        for con_id, instrument in list(held.items())[:MOST_FOUND_OPTIONS]:
            if con_id in known:
                continue
            found = await qualify_found(session.connection, self._profile, con_id, instrument)
            if isinstance(found, str):
                session.strange_options.add(con_id)
                _log.warning("option_not_qualified", instrument=instrument, error=found)
            else:
                specs.append(found[0])
                orderable[instrument] = found[1]
        if specs:
            self._qualified = qualified.with_found(specs, orderable)
            self._tell(Instruments(ts_us=self._clock.now_us(), specs=self._qualified.specs))
            session.subscribe_more(specs, orderable)

    async def _refresh_hours(self, session: IbSession) -> None:
        """The venue tells about a week of hours: ask again when the day has changed."""
        self._tell_windows()
        if self._qualified is None or self._hours_day == self._day():
            return
        sessions = await current_sessions(session.connection, self._profile)
        self._hours_day = self._day()
        if sessions is not None and sessions != self._qualified.sessions:
            self._qualified = self._qualified.with_sessions(sessions)
            session.sessions_changed(sessions)
            self._tell_sessions(self._qualified)

    def _day(self) -> str:
        return datetime.fromtimestamp(self._clock.now_us() // 1_000_000, tz=UTC).date().isoformat()

    # -- telling --------------------------------------------------------------------------------------------------

    def _tell(self, event: AnyEvent) -> None:
        self._emit(event)

    def _tell_sessions(self, qualified: Qualified) -> None:
        self._tell(Sessions(ts_us=self._clock.now_us(), sessions=qualified.sessions))

    def _tell_windows(self) -> None:
        """The restart windows of the coming days, once a day, connected or not."""
        if self._windows_day == self._day() or not self._profile.ib.restart_windows:
            return
        self._windows_day = self._day()
        now_us = self._clock.now_us()
        self._windows = utc_windows(self._profile.ib.restart_windows, now_us)
        self._tell(RestartWindows(ts_us=now_us, windows=self._windows))

    def _move(self, trigger: LinkTrigger, reason: str, cause: LinkCause | None = None) -> None:
        """Move the link along its table and tell it. The same state with the same reason is told once."""
        state, session = LINK.next(self._link.state, trigger), self._session
        told = self._link.reason != "" and (state, reason) == (self._link.state, self._link.reason)
        if told and cause is None:
            return
        known = session is not None and session.account != "" and state != LinkState.DOWN
        link = Link(
            ts_us=self._clock.now_us(),
            state=state,
            reason=reason,
            trigger=trigger,
            cause=cause,
            account=session.account if session is not None and known else None,
            account_kind=session.kind if session is not None and known else None,
        )
        self._link = link
        _log.info("link", state=state, reason=reason)
        if session is not None:
            session.flush()
        self._tell(link)


def _ignore(_event: AnyEvent) -> None:
    """After close no event follows."""
