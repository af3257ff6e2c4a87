"""Handshake and dispatch: every frame of a client comes through here, and every fault of the line is asked here.

The order of the questions: may the client speak so fast; does the request arrive; is it obeyed now, later, or when
IB is back; and what of the answer reaches the client.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from daemon.simulator import outgoing
from daemon.simulator.codec import Values, flag, integer
from daemon.simulator.contracts import WIRE_ZONE, new_york
from daemon.simulator.faults import (
    BreakFrame,
    CutAnswer,
    DelayAnswers,
    DropAfter,
    DropAfterOrder,
    HalfOpen,
    LimitMessages,
    Mute,
    SilentHandshake,
    StrangeHello,
    SwallowOrders,
)
from daemon.simulator.incoming import Received, UnservedRequestError, read_request
from daemon.simulator.sessions import Session
from daemon.simulator.transport import LENGTH, WireError, framed

if TYPE_CHECKING:
    from daemon.simulator.gateway import Gateway

INVALID_REQUEST = 321
TOO_FAST = 100
_HUGE_FRAME = LENGTH.pack(0xFFFF_FFFF)

log = structlog.get_logger("simulator")

Handler = Callable[["Gateway", Session, Values], None]


class Serving:
    """What becomes of a client's frames. The one rule: whoever calls in from a timer flushes the gateway afterwards."""

    def __init__(self, gateway: "Gateway", handlers: Mapping[str, Handler]) -> None:
        self._gateway = gateway
        self._faults = gateway.faults
        self._handlers = handlers

    def frame(self, session: Session, payload: bytes) -> None:
        """One frame is in."""
        if session.is_greeted:
            self._serve(session, payload)
        else:
            self._greet(session, payload)

    def _greet(self, session: Session, payload: bytes) -> None:
        versions = payload.decode("ascii", errors="replace").split(" ")[0].removeprefix("v")
        lowest, dots, highest = versions.partition("..")
        if not (lowest.isdigit() and (not dots or highest.isdigit())):
            session.link.reset(f"the first frame is {payload[:40]!r} instead of a version range like v157..178")
            return
        if self._faults.hit(SilentHandshake, -1) is not None:
            log.warning("fault_silent_handshake")
            session.link.freeze()
            return
        strange = self._faults.hit(StrangeHello, -1)
        version = self._gateway.speaker.server_version
        if strange is not None:
            log.warning("fault_strange_hello", version=strange.version, raw=strange.raw)
            version = strange.version
            if strange.raw is not None:
                session.say(framed(strange.raw.encode()))
                return
        elif not int(lowest) <= version <= int(highest if dots else lowest):
            session.link.close(f"the client speaks {versions}, this simulator {version} only")
            return
        session.is_greeted = True
        now_us = self._gateway.exchange.now_us
        now = new_york(now_us) if now_us else datetime.fromtimestamp(0, UTC)
        session.say(outgoing.handshake(version, f"{now:%Y%m%d %H:%M:%S} {WIRE_ZONE}"))

    def _serve(self, session: Session, payload: bytes) -> None:
        try:
            received = read_request(payload, self._gateway.speaker.server_version)
        except UnservedRequestError as error:
            self._gateway.hear(session, f"request {error.msg_id}", {})
            self._invalid(session, error.req_id, str(error))
            return
        except WireError as error:
            self._gateway.hear(session, "malformed", {"problem": str(error)})
            self._invalid(session, -1, str(error))
            return
        self._gateway.hear(session, received.name, received.values)
        name = self._name_of(session, received)
        if self._is_too_fast(session) or not self._arrives(session, name):
            return
        delay = self._faults.hit(DelayAnswers, session.fault_id, name)
        if delay is not None:
            asyncio.get_running_loop().call_later(delay.delay_s, self._obey_late, session, received, name)
            return
        self._obey(session, received, name)

    def _name_of(self, session: Session, received: Received) -> str:
        """What faults call this request: the API's name, but a changed order and a mere question are told apart."""
        if received.name != "placeOrder":
            return received.name
        try:
            if flag(received.values, "what_if"):
                return "whatIf"
            known = self._gateway.exchange.works(session.fault_id, integer(received.values, "order_id"))
        except WireError:
            known = False  # the handler will say what is wrong with it
        return "modifyOrder" if known else "placeOrder"

    def _is_too_fast(self, session: Session) -> bool:
        limit = self._faults.hit(LimitMessages, session.fault_id)
        if limit is None or session.pace.allows(limit.per_second, asyncio.get_running_loop().time()):
            return False
        session.strikes += 1
        log.warning("fault_limit_messages", client_id=session.client_id, strike=session.strikes)
        self._gateway.error(session, -1, TOO_FAST, "Max rate of messages per second has been exceeded.")
        if session.strikes >= limit.strikes:
            session.flush()
            session.link.close("too many messages")
        return True

    def _arrives(self, session: Session, name: str) -> bool:
        if self._faults.hit(HalfOpen, session.fault_id, name) is not None:
            log.warning("fault_half_open", client_id=session.client_id)
            session.link.freeze()
            return False
        if self._faults.hit(Mute, session.fault_id, name) is not None:
            log.warning("fault_mute", client_id=session.client_id, request=name)
            return False
        if name == "placeOrder" and self._faults.hit(SwallowOrders, session.fault_id) is not None:
            log.warning("fault_swallow_orders", client_id=session.client_id)
            return False
        return True

    def _obey_late(self, session: Session, received: Received, name: str) -> None:
        if session.link.is_open:
            self._obey(session, received, name)
            self._gateway.flush()

    def _obey(self, session: Session, received: Received, name: str) -> None:
        if session.client_id is None and name != "startApi":
            self._invalid(session, -1, "startApi has to come first")
            return
        if self._gateway.upstream.keeps(session, received, name):
            return
        said_before = session.unsaid
        self.carry_out(session, received)
        self._spoil_answer(session, name, said_before)

    def carry_out(self, session: Session, received: Received) -> None:
        """Let the request's own handler answer."""
        try:
            self._handlers[received.name](self._gateway, session, received.values)
        except WireError as error:
            self._invalid(session, _id_of(received.values), f"{received.name}: {error}")

    def _spoil_answer(self, session: Session, name: str, said_before: int) -> None:
        drop: DropAfter | DropAfterOrder | None = self._faults.hit(DropAfter, session.fault_id, name)
        if drop is None and name == "placeOrder":
            drop = self._faults.hit(DropAfterOrder, session.fault_id)
        if drop is not None:
            log.warning("fault_drop_after", client_id=session.client_id, request=name)
            session.keep(said_before)
            session.link.end(drop.how, "fault script")
            return
        cut = self._faults.hit(CutAnswer, session.fault_id, name)
        if cut is not None:
            log.warning("fault_cut_answer", client_id=session.client_id, request=name)
            session.keep(said_before + cut.messages)
            if cut.how != "silence":
                session.flush()
                session.link.end(cut.how, "fault script")
            return
        broken = self._faults.hit(BreakFrame, session.fault_id, name)
        if broken is not None:
            log.warning("fault_break_frame", client_id=session.client_id, request=name, how=broken.how)
            if broken.how == "huge":
                session.put(said_before, _HUGE_FRAME)
            else:
                session.halve(said_before)
                session.flush()
                session.link.freeze()

    def _invalid(self, session: Session, req_id: int, problem: str) -> None:
        self._gateway.error(session, req_id, INVALID_REQUEST, f"Error validating request: {problem}")


def _id_of(values: Values) -> int:
    """Under which id a client hears what is wrong with its request; -1 where that has none."""
    word = str(values.get("req_id", values.get("order_id", "")))
    return int(word) if word.isascii() and word.isdigit() else -1
