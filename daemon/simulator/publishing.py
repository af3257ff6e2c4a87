"""The exchange's words as messages: pure functions from a quote, an order, a fill or a position to frames."""

import math
from typing import Literal

import msgspec

from daemon.simulator import outgoing
from daemon.simulator.contracts import PRIMARY_EXCHANGE, api_time, wire_contract
from daemon.simulator.faults import BadTicks
from daemon.venues.simulated.model import (
    OrderTicket,
    OrderUpdate,
    SimCommission,
    SimContract,
    SimExecution,
    SimPosition,
    SimQuote,
)

BID, ASK, LAST, CLOSE = 1, 2, 4, 9
BID_SIZE, ASK_SIZE = 0, 3
LAST_TIMESTAMP = 45
HALTED = 49
BID_OPTION, ASK_OPTION, LAST_OPTION, MODEL_OPTION = 10, 11, 12, 13
NO_PRICE = -1.0
NOT_COMPUTED_PRICE = -1.0
"""IB's word for an implied volatility or a price that was not computed."""
NOT_COMPUTED_GREEK = -2.0
_WORDS = frozenset({"AccountType", "Currency", "Cushion"})
"""Account values without a currency."""
_VENUE = "SIM"
_NO_SHIFT = {
    tick: tick for tick in (BID, ASK, LAST, BID_SIZE, ASK_SIZE, BID_OPTION, ASK_OPTION, LAST_OPTION, MODEL_OPTION)
}
DELAYED_SHIFT = {
    BID: 66,
    ASK: 67,
    LAST: 68,
    BID_SIZE: 69,
    ASK_SIZE: 70,
    BID_OPTION: 80,
    ASK_OPTION: 81,
    LAST_OPTION: 82,
    MODEL_OPTION: 83,
}
"""Live tick type -> the one of delayed data."""
_COMPUTED = ("implied_volatility", "delta", "option_price", "gamma", "vega", "theta", "underlying_price")
_NOTHING = SimQuote(instrument="", bid=None, ask=None)


class Speaker(msgspec.Struct, frozen=True):
    """Who says it: the account that everything is about, and the server version whose fields are used."""

    account: str
    server_version: int


Told = float | str | None
"""A price as it is told: None is no price, a word stands where a number should."""


def stamp_frame(req_id: int, ts_us: int) -> bytes:
    """The market's time, in whole seconds, as the time of the last trade (tick 45)."""
    return outgoing.TICK_STRING.frame(req_id=req_id, tick_type=LAST_TIMESTAMP, value=str(ts_us // 1_000_000))


def halt_frame(req_id: int, *, halted: bool) -> bytes:
    """Whether trading is halted (tick 49)."""
    return outgoing.TICK_GENERIC.frame(req_id=req_id, tick_type=HALTED, value=1.0 if halted else 0.0)


def close_frame(req_id: int, price: float) -> bytes:
    """What the session before closed at (tick 9)."""
    return outgoing.TICK_PRICE.frame(req_id=req_id, tick_type=CLOSE, price=price, size=0)


def price_frames(req_id: int, quote: SimQuote, *, bad: BadTicks | None = None, delayed: bool = False) -> list[bytes]:
    """Prices and sizes of both sides and the last trade, or what a fault says instead of them."""
    bid, ask, last = _told_prices(quote, bad)
    shift = DELAYED_SHIFT if delayed else _NO_SHIFT
    frames = [
        *_side_frames(req_id, shift[BID], shift[BID_SIZE], bid, quote.bid_size),
        *_side_frames(req_id, shift[ASK], shift[ASK_SIZE], ask, quote.ask_size),
    ]
    if last is not None:
        frames.append(outgoing.TICK_PRICE.frame(req_id=req_id, tick_type=shift[LAST], price=last, size=0))
    return frames


def _told_prices(quote: SimQuote, bad: BadTicks | None) -> tuple[Told, Told, Told]:
    bid, ask, last = quote.bid, quote.ask, quote.last
    if bad is None:
        return bid, ask, last
    if bad.swap:
        bid, ask = ask, bid
    return (
        bid if bad.bid is None else bad.bid,
        ask if bad.ask is None else bad.ask,
        last if bad.last is None else bad.last,
    )


def _side_frames(req_id: int, price_tick: int, size_tick: int, price: Told, size: float) -> tuple[bytes, bytes]:
    # a price with size 0 means "no price" to the client, so a quoted side always shows at least one
    shown = 0.0 if price in (None, NO_PRICE) else max(size, 1.0)
    price = NO_PRICE if price is None else price
    return (
        outgoing.TICK_PRICE.frame(req_id=req_id, tick_type=price_tick, price=price, size=shown, attributes=1),
        outgoing.TICK_SIZE.frame(req_id=req_id, tick_type=size_tick, size=shown),
    )


def computation_frames(
    req_id: int, quote: SimQuote, *, how: Literal["sentinels", "missing", "nan"] | None = None, delayed: bool = False
) -> list[bytes]:
    """Message 21. The exchange has one model: the sides carry its sensitivities with the side's own price.

    `how` says what a fault makes of it: nothing computed, no model tick at all, or no numbers.
    """
    shift = DELAYED_SHIFT if delayed else _NO_SHIFT
    prices = {BID_OPTION: quote.bid, ASK_OPTION: quote.ask, LAST_OPTION: quote.last}
    if how != "missing":
        prices[MODEL_OPTION] = None if quote.bid is None or quote.ask is None else (quote.bid + quote.ask) / 2
    values = quote if how in (None, "missing") else None
    return [
        outgoing.TICK_OPTION.frame(
            req_id=req_id,
            tick_type=shift[tick_type],
            **(dict.fromkeys(_COMPUTED, "NaN") if how == "nan" else _computed(values, price)),
        )
        for tick_type, price in prices.items()
        if price is not None or tick_type == MODEL_OPTION
    ]


def _computed(quote: SimQuote | None, price: float | None) -> dict[str, object]:
    """The fields of a computation; IB's words for "not computed" where there is no model."""
    if quote is None:
        quote, price = _NOTHING, None
    values = (
        (quote.model_volatility, NOT_COMPUTED_PRICE),
        (quote.model_delta, NOT_COMPUTED_GREEK),
        (price, NOT_COMPUTED_PRICE),
        (quote.model_gamma, NOT_COMPUTED_GREEK),
        (quote.model_vega, NOT_COMPUTED_GREEK),
        (quote.model_theta, NOT_COMPUTED_GREEK),
        (quote.underlying_price, NOT_COMPUTED_PRICE),
    )
    return {name: _or(value, missing) for name, (value, missing) in zip(_COMPUTED, values, strict=True)}


def _or(value: float | None, missing: float) -> float:
    return missing if value is None or not math.isfinite(value) else value


def shown_order_id(ticket: OrderTicket) -> int:
    """The order's id as TWS tells it: orders made by hand have none (0), they are known by their perm id."""
    return max(0, ticket.order_id)


def open_order_frame(update: OrderUpdate, contract: SimContract, speaker: Speaker) -> bytes:
    """The order itself, as TWS repeats it with every status."""
    return outgoing.OPEN_ORDER.frame(
        speaker.server_version, status=update.status, **_order_fields(update, contract, speaker)
    )


def what_if_frame(update: OrderUpdate, contract: SimContract, speaker: Speaker, margins: dict[str, object]) -> bytes:
    """The answer to an order that only asks what it would cost."""
    return outgoing.OPEN_ORDER.frame(
        speaker.server_version, status=update.status, what_if=1, **margins, **_order_fields(update, contract, speaker)
    )


def _order_fields(update: OrderUpdate, contract: SimContract, speaker: Speaker) -> dict[str, object]:
    ticket = update.ticket
    return wire_contract(contract) | {
        "order_id": shown_order_id(ticket),
        "action": ticket.side,
        "total_quantity": ticket.quantity,
        "order_type": ticket.order_type,
        "limit_price": 0.0 if ticket.limit_price is None else ticket.limit_price,
        "tif": ticket.tif,
        "account": speaker.account,
        "order_ref": ticket.order_ref,
        "client_id": ticket.client_id,
        "perm_id": update.perm_id,
    }


def order_status_frame(update: OrderUpdate) -> bytes:
    """How far the order is."""
    return outgoing.ORDER_STATUS.frame(
        order_id=shown_order_id(update.ticket),
        status=update.status,
        filled=update.filled,
        remaining=update.ticket.quantity - update.filled,
        average_price=update.average_price,
        perm_id=update.perm_id,
        last_price=update.last_price,
        client_id=update.ticket.client_id,
        why_held=update.why_held,
    )


def completed_order_frame(update: OrderUpdate, contract: SimContract, speaker: Speaker, time_us: int) -> bytes:
    """A finished order of today."""
    fields = _order_fields(update, contract, speaker)
    del fields["order_id"], fields["client_id"]
    return outgoing.COMPLETED_ORDER.frame(
        speaker.server_version,
        status=update.status,
        filled_quantity=update.filled,
        completed_time=api_time(time_us),
        completed_status=f"{update.status} Size: {update.filled:g}",
        **fields,
    )


def execution_frame(req_id: int, execution: SimExecution, contract: SimContract, speaker: Speaker) -> bytes:
    """One fill; `req_id` is -1 while it is live."""
    ticket = execution.ticket
    return outgoing.EXECUTION.frame(
        speaker.server_version,
        req_id=req_id,
        order_id=shown_order_id(ticket),
        exec_id=execution.exec_id,
        time=api_time(execution.executed_us),
        account=speaker.account,
        venue=_VENUE,
        side="BOT" if ticket.side == "BUY" else "SLD",
        shares=execution.quantity,
        price=execution.price,
        perm_id=execution.perm_id,
        client_id=ticket.client_id,
        cumulative_quantity=execution.cumulative_quantity,
        average_price=execution.average_price,
        order_ref=ticket.order_ref,
        **wire_contract(contract),
    )


def commission_frame(commission: SimCommission) -> bytes:
    """What a fill cost; the realised P&L is unset where nothing was closed."""
    realised = math.nan if commission.realised_usd is None else commission.realised_usd
    return outgoing.COMMISSION.frame(
        exec_id=commission.exec_id, commission=commission.commission_usd, currency="USD", realised=realised
    )


def position_frame(position: SimPosition, contract: SimContract, account: str) -> bytes:
    """One position; TWS leaves the exchange empty here."""
    return outgoing.POSITION.frame(
        account=account,
        position=position.quantity,
        average_cost=position.average_cost,
        **wire_contract(contract, exchange=""),
    )


def portfolio_frame(position: SimPosition, contract: SimContract, account: str) -> bytes:
    """One position with its value."""
    fields = wire_contract(contract)
    del fields["exchange"]
    return outgoing.PORTFOLIO.frame(
        primary_exchange=PRIMARY_EXCHANGE if contract.kind == "stock" else "",
        position=position.quantity,
        market_price=position.market_price,
        market_value=position.market_value_usd,
        average_cost=position.average_cost,
        unrealised=position.unrealised_usd,
        realised=position.realised_usd,
        account=account,
        **fields,
    )


def account_items(values: dict[str, float | str]) -> list[tuple[str, str, str]]:
    """(key, text, currency) of each account value; money with two decimals, as TWS writes it."""
    return [
        (
            key,
            value if isinstance(value, str) else f"{value:.4f}" if key in _WORDS else f"{value:.2f}",
            "" if key in _WORDS else "USD",
        )
        for key, value in values.items()
    ]
