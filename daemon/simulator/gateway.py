"""The gateway between clients and the exchange: one session per client id, one write per answer.

Frames go through `serving` to the handlers of `requests`; the exchange's events come back through `publish` and
`publish_step` and are told by `order_telling` and `quote_telling`. Here is what they share.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

import structlog

from daemon.simulator import outgoing, publishing
from daemon.simulator.bar_history import BarHistory
from daemon.simulator.codec import SERVER_VERSION, Values
from daemon.simulator.contracts import new_york
from daemon.simulator.faults import FaultScript, RollBackIds, SplitFrames
from daemon.simulator.order_telling import OrderTelling
from daemon.simulator.quote_telling import QuoteTelling
from daemon.simulator.serving import Handler, Serving
from daemon.simulator.sessions import Session
from daemon.simulator.transcript import Transcript
from daemon.simulator.transport import ClientLink
from daemon.simulator.upstream import Upstream
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import ExchangeEvent, MarketStep, OrderUpdate, SimContract, SimExecution

INVALID_REQUEST = 321
CLIENT_ID_IN_USE = 326
ACCOUNT_EVERY_US = 3_000_000
"""Account values are repeated after so much market time."""

log = structlog.get_logger("simulator")


class OnChange(Protocol):
    """Who saves the book."""

    def __call__(self, *, urgent: bool) -> None:
        """The book changed; `urgent` when an order did it, not only the market's clock."""
        ...


class Gateway:
    """All clients of one simulated exchange.

    The one rule: every change of the exchange passes `publish` or `publish_step`, or clients will not hear of it.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        handlers: Mapping[str, Handler],
        *,
        faults: FaultScript,
        transcript: Transcript,
        on_change: OnChange,
        lock_step: bool = False,
        server_version: int = SERVER_VERSION,
    ) -> None:
        self.exchange = exchange
        self.faults = faults
        self.transcript = transcript
        self.lock_step = lock_step
        self.speaker = publishing.Speaker(exchange.account, server_version)
        self.upstream = Upstream()
        self.telling = OrderTelling(self)
        self.quotes = QuoteTelling(self)
        self.history = BarHistory()
        """The minutes that the market has shown."""
        self.probe_or_leave = asyncio.Event()
        """Set whenever a session answered a stamp, subscribed or left: the pacer looks again."""
        self._serving = Serving(self, handlers)
        self._answering = False
        self._on_change = on_change
        self._sessions: dict[ClientLink, Session] = {}
        self._account_told_us = 0

    # Links

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Sessions whose client has said who it is."""
        return tuple(session for session in self._sessions.values() if session.client_id is not None)

    @property
    def links(self) -> tuple[ClientLink, ...]:
        """Every open link, greeted or not."""
        return tuple(self._sessions)

    def session_of(self, client_id: int) -> Session | None:
        """The connected session of a client id."""
        return next((session for session in self.sessions if session.client_id == client_id), None)

    def link_opened(self, link: ClientLink) -> None:
        """A socket is open; nothing is known of the client yet."""
        self._sessions[link] = Session(link)

    def link_closed(self, link: ClientLink, reason: str) -> None:
        """The socket is gone; its subscriptions end with it."""
        session = self._sessions.pop(link, None)
        if session is not None:
            log.info("client_left", client_id=session.client_id, reason=reason)
        self.probe_or_leave.set()

    def frame_arrived(self, link: ClientLink, payload: bytes) -> None:
        """A request is in: answer it, in one write."""
        self._answering = True
        try:
            self._serving.frame(self._sessions[link], payload)
        finally:
            self._answering = False
        self.flush()

    def hear(self, session: Session, request: str, values: Values) -> None:
        """Note a request in the transcript."""
        self.transcript.hear(
            market_us=self.exchange.now_us, client_id=session.client_id, request=request, values=values
        )

    # Saying

    def error(self, session: Session, req_id: int, code: int, text: str) -> None:
        """An error or a notice to one client; `req_id` -1 belongs to no request."""
        session.say(outgoing.ERROR.frame(req_id=req_id, code=code, text=text))

    def contract(self, instrument: str) -> SimContract:
        """The contract of an instrument that the exchange itself named."""
        contract = self.exchange.contract(instrument)
        if contract is None:
            raise KeyError(instrument)
        return contract

    def publish_step(self, step: MarketStep, events: Iterable[ExchangeEvent]) -> None:
        """A new moment: its stamp, what it filled, then every standing quote; one write per client."""
        events = tuple(events)
        self.history.add(step)
        if self.upstream.is_lost:
            self.upstream.hold(events)
        else:
            for session in self.sessions:
                session.live = self.quotes.reached(session)
                self.quotes.stamp(session, session.live)
            self.telling.tell(events)
            for session in self.sessions:
                for req_id in session.live:
                    self.quotes.standing(session, req_id)
            if step.ts_us - self._account_told_us >= ACCOUNT_EVERY_US:
                self.tell_account()
            self.flush()
        self._on_change(urgent=bool(events))

    def publish(self, events: Iterable[ExchangeEvent]) -> None:
        """What an order, a cancel or an act caused, to whom it concerns; in lock-step another stamp follows."""
        events = tuple(events)
        if self.upstream.is_lost:
            self.upstream.hold(events)
        else:
            self.telling.tell(events)
            if self.lock_step and any(isinstance(event, OrderUpdate | SimExecution) for event in events):
                self._stamp_again()
            self.flush()
        self._on_change(urgent=True)

    def _stamp_again(self) -> None:
        for session in self.sessions:
            if session.owes_probe:
                session.stamp_again = True
            else:
                self.quotes.stamp_stocks(session)

    def lose_upstream(self, code: int, text: str, orders: Literal["held", "lost"]) -> None:
        """IB is out of reach from now on."""
        self.upstream.lose(code, orders)
        self.broadcast(code, text)

    def restore_upstream(self, code: int, text: str) -> None:
        """IB is back: say so, tell what happened meanwhile, then do what waited."""
        events, requests = self.upstream.restore()
        if code == 1101:
            for session in self.sessions:
                session.forget_market_data(None)
        self.broadcast(code, text)
        self.publish(events)
        for session, received in requests:
            self._serving.carry_out(session, received)
        self.flush()

    def broadcast(self, code: int, text: str) -> None:
        """Tell every client something that belongs to no request."""
        for session in self.sessions:
            self.error(session, -1, code, text)
        self.flush()

    def next_order_id(self, session: Session) -> int:
        """The order id that this client is told to go on with."""
        rolled_back = self.faults.hit(RollBackIds, session.fault_id)
        return self.exchange.next_order_id(session.fault_id) if rolled_back is None else rolled_back.order_id

    def probed(self, session: Session) -> None:
        """The client asked for the time: it has digested everything up to the last stamp."""
        session.owes_probe = False
        if session.stamp_again:
            session.stamp_again = False
            self.quotes.stamp_stocks(session)
        self.probe_or_leave.set()

    def tell_account(self) -> None:
        """Account values, portfolio and P&L to everybody who subscribed to them."""
        self._account_told_us = self.exchange.now_us
        for session in self.sessions:
            if session.wants_account:
                self.say_account(session)
            for req_id, tags in session.summaries.items():
                self.say_summary(session, req_id, tags)
            for req_id in session.pnl:
                self.say_pnl(session, req_id)
            for req_id, instrument in session.pnl_single.items():
                self.say_pnl_single(session, req_id, instrument)

    def say_account(self, session: Session) -> None:
        """Every account value, every position with its value, and the time."""
        account = self.exchange.account
        for key, value, currency in publishing.account_items(self.exchange.account_values()):
            session.say(outgoing.ACCOUNT_VALUE.frame(key=key, value=value, currency=currency, account=account))
        for position in self.exchange.positions():
            session.say(publishing.portfolio_frame(position, self.contract(position.instrument), account))
        session.say(outgoing.ACCOUNT_TIME.frame(clock=f"{new_york(self.exchange.now_us):%H:%M}"))

    def say_summary(self, session: Session, req_id: int, tags: frozenset[str]) -> None:
        """The asked-for account values, then their end."""
        for key, value, currency in publishing.account_items(self.exchange.account_values()):
            if key in tags:
                session.say(
                    outgoing.ACCOUNT_SUMMARY.frame(
                        req_id=req_id, account=self.exchange.account, tag=key, value=value, currency=currency
                    )
                )
        session.say(outgoing.ACCOUNT_SUMMARY_END.frame(req_id=req_id))

    def say_pnl(self, session: Session, req_id: int) -> None:
        """The account's P&L of the day."""
        pnl = self.exchange.daily_pnl()
        session.say(
            outgoing.PNL.frame(
                req_id=req_id, daily=pnl.daily_usd, unrealised=pnl.unrealised_usd, realised=pnl.realised_usd
            )
        )

    def say_pnl_single(self, session: Session, req_id: int, instrument: str) -> None:
        """One position's P&L of the day."""
        pnl = self.exchange.daily_pnl(instrument)
        position = self.exchange.position(instrument)
        session.say(
            outgoing.PNL_SINGLE.frame(
                req_id=req_id,
                position=position.quantity,
                daily=pnl.daily_usd,
                unrealised=pnl.unrealised_usd,
                realised=pnl.realised_usd,
                value=position.market_value_usd,
            )
        )

    def flush(self) -> None:
        """Write what was said, one write per client; while a request is being answered, its end does it."""
        if self._answering:
            return
        # a write may drop a client that left too much unread, which changes the dict
        for session in tuple(self._sessions.values()):
            if session.unsaid:
                split = self.faults.hit(SplitFrames, session.fault_id)
                session.flush(None if split is None else split.chunk_bytes)
