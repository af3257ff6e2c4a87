"""The deeds of acts: each kind of `faults.acts` with what the simulator does for it.

Every known code has TWS's own words here; an act that cannot be done raises ValueError with the reason.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from daemon.simulator.faults import (
    Act,
    Broadcast,
    CancelWorking,
    CorrectExecution,
    Dividend,
    DropAll,
    Exercise,
    Expire,
    FillWorking,
    ForgetSubscriptions,
    HalfOpenAll,
    Halt,
    LoseUpstream,
    OrderByHand,
    RestoreUpstream,
    SayRaw,
    Split,
    StopListening,
    TradeByHand,
    TransferPosition,
)
from daemon.simulator.upstream import LOST_TEXT
from daemon.venues.simulated import interventions

if TYPE_CHECKING:
    from daemon.simulator.server import SimulatorServer

WORDS: dict[int, str] = {
    1100: LOST_TEXT,
    1101: "Connectivity between IB and TWS has been restored - data lost.",
    1102: "Connectivity between IB and TWS has been restored - data maintained.",
    1300: "TWS socket port has been reset and this connection is being dropped. Please reconnect on the new port.",
    2103: "Market data farm connection is broken:simulator",
    2104: "Market data farm connection is OK:simulator",
    2105: "HMDS data farm connection is broken:simulator",
    2106: "HMDS data farm connection is OK:simulator",
    2107: "HMDS data farm connection is inactive but should be available upon demand.simulator",
    2108: "Market data farm connection is inactive but should be available upon demand.simulator",
    2109: "Order Event Warning: Attribute 'Outside Regular Trading Hours' is ignored.",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
    2157: "Sec-def data farm connection is broken:simulator",
    2158: "Sec-def data farm connection is OK:simulator",
    10197: "No market data during competing live session",
}
"""Code -> what TWS says with it."""

log = structlog.get_logger("simulator")


def carry_out(server: "SimulatorServer", act: Act) -> None:
    """Do what the act says, now. Raises ValueError when it cannot be done (an unknown instrument, odd bytes)."""
    log.warning("act", act=type(act).__name__, id=act.id)
    _DEEDS[type(act)](server, act)


def _trade_by_hand(server: "SimulatorServer", act: TradeByHand | OrderByHand) -> None:
    server.gateway.publish(
        server.exchange.trade_by_hand(
            act.instrument,
            act.side,
            act.quantity,
            client_id=act.client_id,
            order_ref=act.order_ref,
            limit_price=act.limit_price if isinstance(act, OrderByHand) else None,
        )
    )


def _transfer(server: "SimulatorServer", act: TransferPosition) -> None:
    server.gateway.publish(interventions.transfer(server.exchange, act.instrument, act.quantity))


def _exercise(server: "SimulatorServer", act: Exercise) -> None:
    server.gateway.publish(interventions.exercise(server.exchange, act.instrument, act.contracts))


def _expire(server: "SimulatorServer", act: Expire) -> None:
    server.gateway.publish(interventions.expire(server.exchange, act.instrument))


def _split(server: "SimulatorServer", act: Split) -> None:
    moved = interventions.split(server.exchange, act.instrument, numerator=act.numerator, denominator=act.denominator)
    server.gateway.publish(moved)


def _dividend(server: "SimulatorServer", act: Dividend) -> None:
    server.gateway.publish(interventions.dividend(server.exchange, act.instrument, act.usd_share))


def _drop_all(server: "SimulatorServer", act: DropAll) -> None:
    server.drop_all(act.how)


def _broadcast(server: "SimulatorServer", act: Broadcast) -> None:
    server.gateway.broadcast(act.code, act.text or WORDS.get(act.code, "fault script"))


def _lose_upstream(server: "SimulatorServer", act: LoseUpstream) -> None:
    server.gateway.lose_upstream(act.code, WORDS[act.code], act.orders)


def _restore_upstream(server: "SimulatorServer", act: RestoreUpstream) -> None:
    server.gateway.restore_upstream(act.code, WORDS[act.code])


def _halt(server: "SimulatorServer", act: Halt) -> None:
    names = act.instruments or tuple(contract.instrument for contract in server.exchange.contracts)
    events = server.exchange.halt(names, halted=act.halted)
    for session in server.gateway.sessions:
        for req_id, instrument in session.market_data.items():
            if instrument in names:
                server.gateway.quotes.halt(session, req_id)
    server.gateway.publish(events)


def _forget_subscriptions(server: "SimulatorServer", act: ForgetSubscriptions) -> None:
    for session in server.gateway.sessions:
        session.forget_market_data(act.instruments)
    server.gateway.probe_or_leave.set()


def _say_raw(server: "SimulatorServer", act: SayRaw) -> None:
    raw = bytes.fromhex(act.hex)
    for session in server.gateway.sessions:
        session.say(raw)
    server.gateway.flush()


def _half_open_all(server: "SimulatorServer", _act: HalfOpenAll) -> None:
    for link in server.gateway.links:
        link.freeze()


def _stop_listening(server: "SimulatorServer", act: StopListening) -> None:
    server.stop_listening(for_s=act.for_s, how=act.how)


def _cancel_working(server: "SimulatorServer", act: CancelWorking) -> None:
    for update in server.exchange.open_orders(act.client_id):
        ticket = update.ticket
        if act.order_ref in (None, ticket.order_ref):
            server.gateway.publish(server.exchange.cancel(ticket.client_id, ticket.order_id))


def _fill_working(server: "SimulatorServer", act: FillWorking) -> None:
    for update in server.exchange.open_orders():
        ticket = update.ticket
        if act.order_ref in (None, ticket.order_ref):
            server.gateway.publish(server.exchange.fill_now(ticket.client_id, ticket.order_id, act.quantity))


def _correct_execution(server: "SimulatorServer", act: CorrectExecution) -> None:
    found = server.exchange.executions()
    exec_id = act.exec_id or (found[-1].exec_id if found else "")
    events = server.exchange.correct(exec_id, price=act.price, quantity=act.quantity)
    if not events:
        raise ValueError(f"there is no execution {exec_id or 'yet'} to correct")
    server.gateway.publish(events)


_DEEDS: dict[type[Any], Callable[["SimulatorServer", Any], None]] = {
    TradeByHand: _trade_by_hand,
    OrderByHand: _trade_by_hand,
    TransferPosition: _transfer,
    Exercise: _exercise,
    Expire: _expire,
    Split: _split,
    Dividend: _dividend,
    DropAll: _drop_all,
    Broadcast: _broadcast,
    LoseUpstream: _lose_upstream,
    RestoreUpstream: _restore_upstream,
    Halt: _halt,
    ForgetSubscriptions: _forget_subscriptions,
    SayRaw: _say_raw,
    HalfOpenAll: _half_open_all,
    StopListening: _stop_listening,
    CancelWorking: _cancel_working,
    FillWorking: _fill_working,
    CorrectExecution: _correct_execution,
}
"""Kind of act -> its deed."""
