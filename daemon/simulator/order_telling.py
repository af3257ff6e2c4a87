"""Who hears what of the exchange's events, and in which shape: the place where order faults bend the telling.

Untouched, a batch is told event by event: an order's client hears its orders, executions and commissions, everybody
who asked hears positions. A fault that an order met when it arrived changes how all of its life is told.
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from daemon.simulator import publishing
from daemon.simulator.faults import (
    ArrangeOrderEvents,
    CorrectExecutions,
    DelayCommissions,
    ForeignCommissions,
    InformOrders,
    NoOrderStatus,
    RepeatOrderEvents,
)
from daemon.venues.simulated.model import (
    ExchangeEvent,
    OrderTicket,
    OrderUpdate,
    SimCommission,
    SimExecution,
    SimPosition,
)

if TYPE_CHECKING:
    from daemon.simulator.gateway import Gateway

CANCELLED = 202
_FIRST_REVISION = ".01"

OrderKey = tuple[int, int]
"""(client_id, order_id)."""

_RANKS: dict[str, dict[type, int]] = {
    "executions_first": {SimExecution: 0, OrderUpdate: 1, SimPosition: 2, SimCommission: 3},
    "executions_last": {OrderUpdate: 0, SimPosition: 1, SimExecution: 2, SimCommission: 3},
    "commissions_first": {SimCommission: 0, SimExecution: 1, OrderUpdate: 2, SimPosition: 3},
}
"""Arrangement -> what comes before what; equals stay in their order."""


class _OrderFaults(msgspec.Struct, frozen=True, kw_only=True):
    """What one order met when it arrived."""

    silent: bool
    arrange: ArrangeOrderEvents | None
    repeat: RepeatOrderEvents | None
    inform: InformOrders | None
    correct: CorrectExecutions | None


_HONEST = _OrderFaults(silent=False, arrange=None, repeat=None, inform=None, correct=None)


class OrderTelling:
    """The one rule: `arrived` once for every new order, before the exchange's events of it are told."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._bent: dict[OrderKey, _OrderFaults] = {}
        """Only the orders of which something is told in another way."""
        self._informed: set[OrderKey] = set()

    def arrived(self, ticket: OrderTicket) -> None:
        """An order is in: which faults is it to meet?"""
        hit, client_id = self._gateway.faults.hit, ticket.client_id
        met = _OrderFaults(
            silent=hit(NoOrderStatus, client_id) is not None,
            arrange=hit(ArrangeOrderEvents, client_id),
            repeat=hit(RepeatOrderEvents, client_id),
            inform=hit(InformOrders, client_id),
            correct=hit(CorrectExecutions, client_id),
        )
        if met != _HONEST:
            self._bent[ticket.client_id, ticket.order_id] = met

    def tell(self, events: Iterable[ExchangeEvent]) -> None:
        """Say these events to those they concern."""
        events = tuple(events)
        client_of = {event.exec_id: event.ticket.client_id for event in events if isinstance(event, SimExecution)}
        for event in self._arranged(events) if self._bent else events:
            if isinstance(event, OrderUpdate):
                self._tell_order(event)
            elif isinstance(event, SimExecution):
                self._tell_execution(event)
            elif isinstance(event, SimPosition):
                self._tell_position(event)
            else:
                # an execution and its commission always come in one batch
                self._tell_commission(client_of[event.exec_id], event)
        if any(isinstance(event, SimPosition) for event in events):
            self._gateway.tell_account()

    def _arranged(self, events: tuple[ExchangeEvent, ...]) -> Sequence[ExchangeEvent]:
        """The batch with the events of each bent order moved among the places that they have in it."""
        places: dict[OrderKey, list[int]] = {}
        current: OrderKey | None = None
        for place, event in enumerate(events):
            if isinstance(event, OrderUpdate | SimExecution):
                current = (event.ticket.client_id, event.ticket.order_id)
            if current is not None:  # a position and a commission follow their execution
                places.setdefault(current, []).append(place)
        arranged = list(events)
        for key, own in places.items():
            fault = self._bent.get(key, _HONEST).arrange
            if fault is not None:
                for place, event in zip(own, _in_order(fault, [events[at] for at in own]), strict=True):
                    arranged[place] = event
        return arranged

    def _tell_order(self, update: OrderUpdate) -> None:
        ticket = update.ticket
        session = self._gateway.session_of(ticket.client_id)
        key = (ticket.client_id, ticket.order_id)
        met = self._bent.get(key, _HONEST)
        if session is None or met.silent:
            return
        is_alive_or_ended = update.status != "Inactive" or bool(update.why_held)
        if is_alive_or_ended and update.error_code in (None, CANCELLED):
            contract = self._gateway.contract(ticket.instrument)
            frames = (
                publishing.open_order_frame(update, contract, self._gateway.speaker),
                publishing.order_status_frame(update),
            )
            session.say(*frames * (1 if met.repeat is None else met.repeat.times))
        if update.error_code is not None:
            self._gateway.error(session, ticket.order_id, update.error_code, update.error_text or "")
        elif met.inform is not None and update.status != "PreSubmitted" and key not in self._informed:
            self._informed.add(key)
            self._gateway.error(session, ticket.order_id, met.inform.code, met.inform.text)

    def _tell_execution(self, execution: SimExecution) -> None:
        ticket = execution.ticket
        met = self._bent.get((ticket.client_id, ticket.order_id), _HONEST)
        if met.correct is not None and execution.exec_id.endswith(_FIRST_REVISION):
            asyncio.get_running_loop().call_later(met.correct.delay_s, self._correct, execution, met.correct)
        session = self._gateway.session_of(ticket.client_id)
        if session is None:
            return
        contract = self._gateway.contract(ticket.instrument)
        frame = publishing.execution_frame(-1, execution, contract, self._gateway.speaker)
        times = met.repeat.times if met.repeat is not None and met.repeat.executions else 1
        session.say(*(frame,) * times)

    def _correct(self, execution: SimExecution, fault: CorrectExecutions) -> None:
        events = self._gateway.exchange.correct(
            execution.exec_id,
            price=round(execution.price + fault.price_change_usd, 6),
            quantity=execution.quantity + fault.quantity_change,
        )
        self._gateway.publish(events)

    def _tell_position(self, position: SimPosition) -> None:
        contract = self._gateway.contract(position.instrument)
        frame = publishing.position_frame(position, contract, self._gateway.exchange.account)
        for session in self._gateway.sessions:
            if session.wants_positions:
                session.say(frame)

    def _tell_commission(self, client_id: int, commission: SimCommission) -> None:
        for session in self._gateway.sessions:
            if session.client_id != client_id and self._gateway.faults.hit(ForeignCommissions, session.fault_id):
                session.say(publishing.commission_frame(commission))
        fault = self._gateway.faults.hit(DelayCommissions, client_id)
        if fault is None:
            self._say_commission(client_id, commission)
        elif fault.delay_s is not None:
            asyncio.get_running_loop().call_later(fault.delay_s, self._late_commission, client_id, commission)

    def _late_commission(self, client_id: int, commission: SimCommission) -> None:
        self._say_commission(client_id, commission)
        self._gateway.flush()

    def _say_commission(self, client_id: int, commission: SimCommission) -> None:
        session = self._gateway.session_of(client_id)
        if session is not None:
            session.say(publishing.commission_frame(commission))


def _in_order(fault: ArrangeOrderEvents, events: list[ExchangeEvent]) -> list[ExchangeEvent]:
    """These events of one order as the fault wants them."""
    if fault.arrangement == "reversed":
        return events[::-1]
    if fault.arrangement == "shuffled":
        random.Random(fault.seed).shuffle(events)  # noqa: S311 - a permutation that a test can repeat
        return events
    ranks = _RANKS[fault.arrangement]
    return sorted(events, key=lambda event: ranks[type(event)])
