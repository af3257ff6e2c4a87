"""Answers about orders and executions."""

import structlog

from daemon.core.events import Side
from daemon.simulator import outgoing, publishing
from daemon.simulator.codec import Values, flag, integer, number
from daemon.simulator.contracts import api_moment_us
from daemon.simulator.faults import InactivateOrders, Overfill, PartialFills, RaceCancels, RejectModifies, RejectOrders
from daemon.simulator.gateway import Gateway
from daemon.simulator.market_requests import one_contract
from daemon.simulator.serving import INVALID_REQUEST, Handler
from daemon.simulator.sessions import Session
from daemon.venues.simulated.account import STOCK_INITIAL_MARGIN, STOCK_MAINTENANCE_MARGIN
from daemon.venues.simulated.model import FillPlan, OrderTicket, OrderUpdate, SimContract, SimExecution

UNSUPPORTED_TYPE = 387
CANCEL_UNKNOWN = 10147
REJECTED = 201

log = structlog.get_logger("simulator")


def place_order(gateway: Gateway, session: Session, values: Values) -> None:
    """3: a market or limit order, or a question what one would cost (whatIf)."""
    order_id = integer(values, "order_id")
    contract = one_contract(gateway, session, order_id, values)
    if contract is None:
        return
    try:
        ticket = _ticket(session, contract, values)
    except _RefusedError as refused:
        gateway.error(session, order_id, refused.code, str(refused))
        return
    if values["account"] not in ("", gateway.exchange.account):
        gateway.error(session, order_id, INVALID_REQUEST, f"Invalid account code '{values['account']}'.")
        return
    if flag(values, "what_if"):
        _what_if(gateway, session, contract, ticket)
        return
    if gateway.exchange.knows(ticket.client_id, order_id):
        _modify(gateway, session, ticket)
    else:
        _place_new(gateway, session, contract, ticket)


def _modify(gateway: Gateway, session: Session, ticket: OrderTicket) -> None:
    rejection = gateway.faults.hit(RejectModifies, ticket.client_id)
    if rejection is not None:
        log.warning("fault_reject_modify", client_id=ticket.client_id, order_id=ticket.order_id)
        gateway.error(session, ticket.order_id, rejection.code, rejection.text)
        return
    gateway.publish(gateway.exchange.modify(ticket))


def _place_new(gateway: Gateway, session: Session, contract: SimContract, ticket: OrderTicket) -> None:
    rejection = gateway.faults.hit(RejectOrders, ticket.client_id)
    if rejection is not None:
        log.warning("fault_reject_order", client_id=ticket.client_id, order_id=ticket.order_id)
        gateway.error(session, ticket.order_id, rejection.code, rejection.text)
        return
    inactive = gateway.faults.hit(InactivateOrders, ticket.client_id)
    if inactive is not None and not inactive.why_held:
        _say_dead(gateway, session, contract, ticket, inactive)
        return
    gateway.telling.arrived(ticket)
    gateway.publish(gateway.exchange.place(ticket, _plan(gateway, ticket, inactive)))


def _plan(gateway: Gateway, ticket: OrderTicket, inactive: InactivateOrders | None) -> FillPlan:
    """What the fault script wants to become of this order."""
    partial = gateway.faults.hit(PartialFills, ticket.client_id)
    over = gateway.faults.hit(Overfill, ticket.client_id)
    return FillPlan(
        slices=() if partial is None else partial.slices,
        rest="fill" if partial is None else partial.rest,
        per_step=partial is not None and partial.per_step,
        extra=0.0 if over is None else over.quantity,
        why_held="" if inactive is None else inactive.why_held,
        hold_steps=None if inactive is None else inactive.hold_steps,
    )


def _say_dead(
    gateway: Gateway, session: Session, contract: SimContract, ticket: OrderTicket, fault: InactivateOrders
) -> None:
    """An order that becomes Inactive and never trades: TWS shows it, and says why in an error."""
    update = OrderUpdate(ticket=ticket, perm_id=0, status="Inactive", filled=0.0, average_price=0.0)
    session.say(
        publishing.open_order_frame(update, contract, gateway.speaker),
        publishing.order_status_frame(update),
    )
    gateway.error(session, ticket.order_id, fault.code, fault.text)


class _RefusedError(Exception):
    """An order that the gateway itself does not take."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def _ticket(session: Session, contract: SimContract, values: Values) -> OrderTicket:
    """The order in the exchange's words. Raises _RefusedError and WireError."""
    quantity = number(values, "total_quantity")
    if quantity is None or session.client_id is None:
        raise _RefusedError(INVALID_REQUEST, "Error validating request: the order has no quantity")
    if values["tif"] not in ("", "DAY", "GTC"):
        raise _RefusedError(INVALID_REQUEST, f"Error validating request: the simulator has no {values['tif']} orders")
    if not flag(values, "transmit"):
        raise _RefusedError(INVALID_REQUEST, "Error validating request: the simulator holds no untransmitted orders")
    if values["order_type"] not in ("MKT", "LMT"):
        raise _RefusedError(
            UNSUPPORTED_TYPE, f"Unsupported order type for this exchange and security type: {values['order_type']}"
        )
    is_limit = values["order_type"] == "LMT"
    return OrderTicket(
        client_id=session.client_id,
        order_id=integer(values, "order_id"),
        instrument=contract.instrument,
        side=_side(values["action"]),
        quantity=quantity,
        order_type="LMT" if is_limit else "MKT",
        limit_price=number(values, "limit_price") if is_limit else None,
        order_ref=values["order_ref"],
        tif=values["tif"] or "DAY",
    )


def _side(action: str) -> Side:
    if action == "BUY":
        return "BUY"
    if action == "SELL":
        return "SELL"
    raise _RefusedError(INVALID_REQUEST, f"Error validating request: the action is {action!r}, not BUY or SELL")


def _what_if(gateway: Gateway, session: Session, contract: SimContract, ticket: OrderTicket) -> None:
    quote = gateway.exchange.quote(contract.instrument)
    touch = None if quote is None else quote.ask if ticket.side == "BUY" else quote.bid
    if touch is None:
        gateway.error(session, ticket.order_id, REJECTED, "Order rejected - reason:there is no quote to estimate with")
        return
    value_usd = touch * contract.multiplier * ticket.quantity
    commission_usd = gateway.exchange.frictions.commissions.of_order(contract, ticket.quantity)
    account = gateway.exchange.account_values()
    changes = {
        "init": ("InitMarginReq", value_usd * (STOCK_INITIAL_MARGIN if contract.kind == "stock" else 1.0)),
        "maint": ("MaintMarginReq", value_usd * (STOCK_MAINTENANCE_MARGIN if contract.kind == "stock" else 1.0)),
        "equity": ("EquityWithLoanValue", -commission_usd),
    }
    margins: dict[str, object] = {
        "commission": commission_usd,
        "min_commission": commission_usd,
        "max_commission": commission_usd,
        "commission_currency": "USD",
    }
    for name, (key, change_usd) in changes.items():
        before_usd = float(account[key])
        margins |= {
            f"{name}_before": before_usd,
            f"{name}_change": change_usd,
            f"{name}_after": before_usd + change_usd,
        }
    update = OrderUpdate(ticket=ticket, perm_id=0, status="PreSubmitted", filled=0.0, average_price=0.0)
    session.say(publishing.what_if_frame(update, contract, gateway.speaker, margins))


def cancel_order(gateway: Gateway, session: Session, values: Values) -> None:
    """4: an order of this client; another client's is not found, as with TWS."""
    client_id, order_id = session.fault_id, integer(values, "order_id")
    race = gateway.faults.hit(RaceCancels, client_id) if gateway.exchange.works(client_id, order_id) else None
    if race is None:
        gateway.publish(gateway.exchange.cancel(client_id, order_id))
        return
    log.warning("fault_race_cancels", client_id=client_id, order_id=order_id, outcome=race.outcome)
    if race.outcome == "filled_after_202":
        gateway.publish(gateway.exchange.cancel(client_id, order_id))
        gateway.publish(gateway.exchange.fill_now(client_id, order_id))
        return
    gateway.publish(gateway.exchange.fill_now(client_id, order_id))
    if race.outcome == "filled_10148":
        gateway.publish(gateway.exchange.cancel(client_id, order_id))
    else:
        text = f"OrderId {order_id} that needs to be cancelled is not found."
        gateway.error(session, order_id, CANCEL_UNKNOWN, text)


def open_orders(gateway: Gateway, session: Session, _values: Values) -> None:
    """5: this client's working orders, then their end."""
    _say_open_orders(gateway, session, gateway.exchange.open_orders(session.client_id))


def all_open_orders(gateway: Gateway, session: Session, _values: Values) -> None:
    """16: every client's working orders, then their end."""
    _say_open_orders(gateway, session, gateway.exchange.open_orders())


def _say_open_orders(gateway: Gateway, session: Session, updates: tuple[OrderUpdate, ...]) -> None:
    for update in updates:
        contract = gateway.contract(update.ticket.instrument)
        session.say(
            publishing.open_order_frame(update, contract, gateway.speaker),
            publishing.order_status_frame(update),
        )
    session.say(outgoing.OPEN_ORDER_END.frame())


def auto_open_orders(gateway: Gateway, session: Session, _values: Values) -> None:
    """15: binding the orders made by hand is for client 0 alone, as with TWS."""
    if session.client_id != 0:
        gateway.error(session, -1, INVALID_REQUEST, "Error validating request: only client 0 can bind manual orders")


def completed_orders(gateway: Gateway, session: Session, _values: Values) -> None:
    """99: today's finished orders of every client, then their end."""
    traded_us = {execution.perm_id: execution.executed_us for execution in gateway.exchange.executions()}
    for update in gateway.exchange.finished_orders():
        contract = gateway.contract(update.ticket.instrument)
        ended_us = traded_us.get(update.perm_id, gateway.exchange.now_us)
        session.say(publishing.completed_order_frame(update, contract, gateway.speaker, ended_us))
    session.say(outgoing.COMPLETED_ORDERS_END.frame())


def global_cancel(gateway: Gateway, session: Session, _values: Values) -> None:
    """58: refused. It would cancel other people's orders, and nothing of this project may send it."""
    log.error("global_cancel_refused", client_id=session.client_id)
    gateway.error(session, -1, INVALID_REQUEST, "Error validating request: the simulator refuses reqGlobalCancel")


def executions(gateway: Gateway, session: Session, values: Values) -> None:
    """7: today's executions of every client that the filter lets through, each with its commission."""
    req_id = integer(values, "req_id")
    commissions = {commission.exec_id: commission for commission in gateway.exchange.commissions()}
    since_us = api_moment_us(values["since"]) if values["since"] else 0
    for execution in gateway.exchange.executions():
        contract = gateway.contract(execution.ticket.instrument)
        if execution.executed_us < since_us or not _wanted(execution, contract, values):
            continue
        session.say(publishing.execution_frame(req_id, execution, contract, gateway.speaker))
        commission = commissions.get(execution.exec_id)
        if commission is not None:
            session.say(publishing.commission_frame(commission))
    session.say(outgoing.EXECUTION_END.frame(req_id=req_id))


def _wanted(execution: SimExecution, contract: SimContract, values: Values) -> bool:
    """Whether the filter lets it through; client 0 and empty words let everything through."""
    ticket = execution.ticket
    sec_type = "STK" if contract.kind == "stock" else "OPT"
    return (
        integer(values, "client_id") in (0, ticket.client_id)
        and values["symbol"] in ("", contract.symbol)
        and values["sec_type"] in ("", sec_type)
        and values["side"] in ("", ticket.side, "BOT" if ticket.side == "BUY" else "SLD")
    )


ORDER_HANDLERS: dict[str, Handler] = {
    "placeOrder": place_order,
    "cancelOrder": cancel_order,
    "reqOpenOrders": open_orders,
    "reqAllOpenOrders": all_open_orders,
    "reqAutoOpenOrders": auto_open_orders,
    "reqCompletedOrders": completed_orders,
    "reqGlobalCancel": global_cancel,
    "reqExecutions": executions,
}
