"""Why the simulated exchange refuses an order: IB's error code and words, or None when it is fine."""

import math

from daemon.venues.simulated.model import OrderTicket, SimContract
from daemon.venues.simulated.saved_book import RestingOrder

DUPLICATE_ID = 103
MODIFIES_FILLED = 104
MODIFIES_OTHER = 105
OFF_TICK = 110
UNKNOWN_CONTRACT = 200
REJECTED = 201
INVALID = 321
NOT_WHOLE = 10318

_TICK_TOLERANCE = 1e-6
"""Relative: a limit of 70.11 divided by 0.01 is not a whole number in floats."""

Problem = tuple[int, str] | None


def order_problem(
    ticket: OrderTicket, contract: SimContract | None, *, is_duplicate: bool, is_open: bool, now_us: int
) -> Problem:
    """The first reason to refuse, in the order a broker would look."""
    if is_duplicate:
        return DUPLICATE_ID, "Duplicate order id"
    if contract is None:
        return UNKNOWN_CONTRACT, "No security definition has been found for the request"
    for problem in (
        _size_problem(ticket),
        _price_problem(ticket, contract),
        _trading_problem(contract, is_open=is_open, now_us=now_us),
    ):
        if problem is not None:
            return problem
    return None


def modify_problem(order: RestingOrder | None, ticket: OrderTicket) -> Problem:
    """Why an order cannot become what the ticket says; None when the ticket itself is all that is left to check."""
    if order is None:
        return DUPLICATE_ID, "Duplicate order id"
    if order.status == "Filled":
        return MODIFIES_FILLED, "Cannot modify a filled order."
    if not order.works:
        return DUPLICATE_ID, "Duplicate order id"
    was = order.ticket
    same = (was.instrument, was.side, was.order_type, was.order_ref, was.tif)
    if same != (ticket.instrument, ticket.side, ticket.order_type, ticket.order_ref, ticket.tif):
        return MODIFIES_OTHER, "Order being modified does not match original order."
    if ticket.quantity <= order.filled:
        return REJECTED, f"Order rejected - reason:{order.filled:g} are filled already"
    return None


def _size_problem(ticket: OrderTicket) -> Problem:
    if not math.isfinite(ticket.quantity) or ticket.quantity <= 0:
        return INVALID, f"Error validating request: order size {ticket.quantity:g}"
    if ticket.quantity != math.floor(ticket.quantity):
        return NOT_WHOLE, f"This order doesn't support fractional quantity trading: {ticket.quantity:g}"
    return None


def _price_problem(ticket: OrderTicket, contract: SimContract) -> Problem:
    if ticket.order_type == "MKT":
        return None
    limit = ticket.limit_price
    if limit is None or not math.isfinite(limit) or limit <= 0:
        return INVALID, f"Error validating request: limit price {limit}"
    ticks = limit / contract.min_tick
    if abs(ticks - round(ticks)) > _TICK_TOLERANCE * max(1.0, ticks):
        return OFF_TICK, "The price does not conform to the minimum price variation for this contract."
    return None


def _trading_problem(contract: SimContract, *, is_open: bool, now_us: int) -> Problem:
    if contract.last_trade_us is not None and now_us >= contract.last_trade_us:
        return REJECTED, "Order rejected - reason:the contract has stopped trading"
    if not is_open:
        return REJECTED, "Order rejected - reason:the market is closed"
    return None
