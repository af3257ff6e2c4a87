"""The gateway between clients and the exchange: handshake, dispatch, and who hears what.

`requests` holds the answers; here is what they have in common: one session per client id, one write per answer,
faults asked before anything is obeyed, and the exchange's events sent to those they concern.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

import structlog

from daemon.simulator import outgoing, publishing
from daemon.simulator.codec import Values
from daemon.simulator.contracts import WIRE_ZONE, new_york
from daemon.simulator.faults import FaultScript
from daemon.simulator.incoming import UnservedRequestError, read_request
from daemon.simulator.sessions import Session
from daemon.simulator.transcript import Transcript
from daemon.simulator.transport import ClientLink, WireError
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import (
    ExchangeEvent,
    MarketStep,
    OrderUpdate,
    SimCommission,
    SimContract,
    SimExecution,
    SimPosition,
)

INVALID_REQUEST = 321
CLIENT_ID_IN_USE = 326
CANCELLED = 202
ACCOUNT_EVERY_US = 3_000_000
"""Account values are repeated after so much market time."""

log = structlog.get_logger("simulator")

Handler = Callable[["Gateway", Session, Values], None]


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
    ) -> None:
        self.exchange = exchange
        self.faults = faults
        self.transcript = transcript
        self.lock_step = lock_step
        self.probe_or_leave = asyncio.Event()
        """Set whenever a session answered a stamp, subscribed or left: the pacer looks again."""
        self._handlers = handlers
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
        session = self._sessions[link]
        if not session.is_greeted:
            self._greet(session, payload)
        else:
            self._serve(session, payload)
        self._flush()

    def _greet(self, session: Session, payload: bytes) -> None:
        versions = payload.decode("ascii", errors="replace").split(" ")[0].removeprefix("v")
        lowest, dots, highest = versions.partition("..")
        if not (lowest.isdigit() and (not dots or highest.isdigit())):
            session.link.reset(f"the first frame is {payload[:40]!r} instead of a version range like v157..178")
            return
        if not int(lowest) <= outgoing.SERVER_VERSION <= int(highest if dots else lowest):
            session.link.close(f"the client speaks {versions}, this simulator {outgoing.SERVER_VERSION} only")
            return
        session.is_greeted = True
        now = new_york(self.exchange.now_us) if self.exchange.now_us else datetime.fromtimestamp(0, UTC)
        session.say(outgoing.handshake(outgoing.SERVER_VERSION, f"{now:%Y%m%d %H:%M:%S} {WIRE_ZONE}"))

    def _serve(self, session: Session, payload: bytes) -> None:
        try:
            received = read_request(payload)
        except UnservedRequestError as error:
            self._hear(session, f"request {error.msg_id}", {})
            self.error(session, error.req_id, INVALID_REQUEST, f"Error validating request: {error}")
            return
        except WireError as error:
            self._hear(session, "malformed", {"problem": str(error)})
            self.error(session, -1, INVALID_REQUEST, f"Error validating request: {error}")
            return
        self._hear(session, received.name, received.values)
        client_id = -1 if session.client_id is None else session.client_id
        if self.faults.half_opens(received.name, client_id):
            log.warning("fault_half_open", client_id=client_id)
            session.link.freeze()
            return
        if self.faults.mutes(received.name, client_id):
            return
        if session.client_id is None and received.name != "startApi":
            self.error(session, -1, INVALID_REQUEST, "Error validating request: startApi has to come first")
            return
        try:
            self._handlers[received.name](self, session, received.values)
        except WireError as error:
            self.error(session, -1, INVALID_REQUEST, f"Error validating request: {received.name}: {error}")

    def _hear(self, session: Session, request: str, values: Values) -> None:
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
        for session in self.sessions:
            session.live = self._reached(session)
            self.stamp(session, session.live)
        self._tell(events)
        for session in self.sessions:
            for req_id in session.live:
                self.say_quote(session, req_id)
        if step.ts_us - self._account_told_us >= ACCOUNT_EVERY_US:
            self.tell_account()
        self._flush()
        self._on_change(urgent=bool(events))

    def publish(self, events: Iterable[ExchangeEvent]) -> None:
        """What an order or cancel caused, to whom it concerns; in lock-step another stamp follows."""
        events = tuple(events)
        self._tell(events)
        if self.lock_step and any(isinstance(event, OrderUpdate | SimExecution) for event in events):
            for session in self.sessions:
                if session.owes_probe:
                    session.stamp_again = True
                else:
                    self.stamp_stocks(session)
        self._flush()
        self._on_change(urgent=True)

    def stamp(self, session: Session, req_ids: Iterable[int]) -> None:
        """Say the market's time (tick 45) on these subscriptions; the session owes a probe from then on."""
        for req_id in req_ids:
            session.say(publishing.stamp_frame(req_id, self.exchange.now_us))
            session.owes_probe = True

    def stamp_stocks(self, session: Session) -> None:
        """Say the same time once more after order traffic, so that the client probes again."""
        stocks = [req for req in session.live if self.contract(session.market_data[req]).kind == "stock"]
        self.stamp(session, stocks or session.live[:1])

    def probed(self, session: Session) -> None:
        """The client asked for the time: it has digested everything up to the last stamp."""
        session.owes_probe = False
        if session.stamp_again:
            session.stamp_again = False
            self.stamp_stocks(session)
        self.probe_or_leave.set()

    def say_quote(self, session: Session, req_id: int) -> None:
        """The standing quote of one subscription, changed or not."""
        instrument = session.market_data[req_id]
        quote = self.exchange.quote(instrument)
        if quote is not None:
            session.say(*publishing.quote_frames(req_id, self.contract(instrument), quote))

    def _reached(self, session: Session) -> tuple[int, ...]:
        """The subscriptions that hear of this step: none of a client that lags behind, none that a fault froze."""
        if session.link.congested or session.client_id is None:
            return ()
        return tuple(
            req_id
            for req_id, instrument in session.market_data.items()
            if not self.faults.freezes(instrument, session.client_id)
        )

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

    # Events

    def _tell(self, events: Iterable[ExchangeEvent]) -> None:
        moved = False
        client_of: dict[str, int] = {}
        for event in events:
            if isinstance(event, OrderUpdate):
                self._tell_order(event)
            elif isinstance(event, SimExecution):
                client_of[event.exec_id] = event.ticket.client_id
                self._tell_execution(event)
            elif isinstance(event, SimPosition):
                moved = True
                self._tell_position(event)
            else:
                # an execution and its commission always come in one batch
                self._tell_commission(client_of[event.exec_id], event)
        if moved:
            self.tell_account()

    def _tell_order(self, update: OrderUpdate) -> None:
        session = self.session_of(update.ticket.client_id)
        if session is None:
            return
        if update.status != "Inactive" and update.error_code in (None, CANCELLED):
            contract = self.contract(update.ticket.instrument)
            session.say(
                publishing.open_order_frame(update, contract, self.exchange.account),
                publishing.order_status_frame(update),
            )
        if update.error_code is not None:
            self.error(session, update.ticket.order_id, update.error_code, update.error_text or "")

    def _tell_execution(self, execution: SimExecution) -> None:
        session = self.session_of(execution.ticket.client_id)
        if session is not None:
            contract = self.contract(execution.ticket.instrument)
            session.say(publishing.execution_frame(-1, execution, contract, self.exchange.account))

    def _tell_position(self, position: SimPosition) -> None:
        frame = publishing.position_frame(position, self.contract(position.instrument), self.exchange.account)
        for session in self.sessions:
            if session.wants_positions:
                session.say(frame)

    def _tell_commission(self, client_id: int, commission: SimCommission) -> None:
        fault = self.faults.commission_delay(client_id)
        if fault is None:
            self._say_commission(client_id, commission)
        elif fault.delay_s is not None:
            asyncio.get_running_loop().call_later(fault.delay_s, self._late_commission, client_id, commission)

    def _late_commission(self, client_id: int, commission: SimCommission) -> None:
        self._say_commission(client_id, commission)
        self._flush()

    def _say_commission(self, client_id: int, commission: SimCommission) -> None:
        session = self.session_of(client_id)
        if session is not None:
            session.say(publishing.commission_frame(commission))

    def _flush(self) -> None:
        # a write may drop a client that left too much unread, which changes the dict
        for session in tuple(self._sessions.values()):
            session.flush()
