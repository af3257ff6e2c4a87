"""The exchange's words as messages: pure functions from a quote, an order, a fill or a position to frames."""

import math

from daemon.simulator import outgoing
from daemon.simulator.contracts import PRIMARY_EXCHANGE, api_time, wire_contract
from daemon.venues.simulated.model import (
    OrderUpdate,
    SimCommission,
    SimContract,
    SimExecution,
    SimPosition,
    SimQuote,
)

BID, ASK, LAST = 1, 2, 4
BID_SIZE, ASK_SIZE = 0, 3
LAST_TIMESTAMP = 45
BID_OPTION, ASK_OPTION, LAST_OPTION, MODEL_OPTION = 10, 11, 12, 13
NO_PRICE = -1.0
NOT_COMPUTED_PRICE = -1.0
"""IB's word for an implied volatility or a price that was not computed."""
NOT_COMPUTED_GREEK = -2.0
_WORDS = frozenset({"AccountType", "Currency", "Cushion"})
"""Account values without a currency."""
_VENUE = "SIM"


def stamp_frame(req_id: int, ts_us: int) -> bytes:
    """The market's time, in whole seconds, as the time of the last trade (tick 45)."""
    return outgoing.TICK_STRING.frame(req_id=req_id, tick_type=LAST_TIMESTAMP, value=str(ts_us // 1_000_000))


def quote_frames(req_id: int, contract: SimContract, quote: SimQuote) -> list[bytes]:
    """Prices and sizes of both sides and the last trade; an option's computations behind them."""
    frames = [
        *_side_frames(req_id, BID, BID_SIZE, quote.bid, quote.bid_size),
        *_side_frames(req_id, ASK, ASK_SIZE, quote.ask, quote.ask_size),
    ]
    if quote.last is not None:
        frames.append(outgoing.TICK_PRICE.frame(req_id=req_id, tick_type=LAST, price=quote.last, size=0))
    if contract.kind == "option":
        frames.extend(_computation_frames(req_id, quote))
    return frames


def _side_frames(req_id: int, price_tick: int, size_tick: int, price: float | None, size: float) -> tuple[bytes, bytes]:
    # a price with size 0 means "no price" to the client, so a quoted side always shows at least one
    shown = 0.0 if price is None else max(size, 1.0)
    price = NO_PRICE if price is None else price
    return (
        outgoing.TICK_PRICE.frame(req_id=req_id, tick_type=price_tick, price=price, size=shown, attributes=1),
        outgoing.TICK_SIZE.frame(req_id=req_id, tick_type=size_tick, size=shown),
    )


def _computation_frames(req_id: int, quote: SimQuote) -> list[bytes]:
    """Message 21. The exchange has one model: the sides carry its sensitivities with the side's own price."""
    prices = {BID_OPTION: quote.bid, ASK_OPTION: quote.ask, LAST_OPTION: quote.last}
    if quote.bid is not None and quote.ask is not None:
        prices[MODEL_OPTION] = (quote.bid + quote.ask) / 2
    else:
        prices[MODEL_OPTION] = None
    return [
        outgoing.TICK_OPTION.frame(
            req_id=req_id,
            tick_type=tick_type,
            implied_volatility=_or(quote.model_volatility, NOT_COMPUTED_PRICE),
            delta=_or(quote.model_delta, NOT_COMPUTED_GREEK),
            option_price=_or(price, NOT_COMPUTED_PRICE),
            gamma=_or(quote.model_gamma, NOT_COMPUTED_GREEK),
            vega=_or(quote.model_vega, NOT_COMPUTED_GREEK),
            theta=_or(quote.model_theta, NOT_COMPUTED_GREEK),
            underlying_price=_or(quote.underlying_price, NOT_COMPUTED_PRICE),
        )
        for tick_type, price in prices.items()
        if price is not None or tick_type == MODEL_OPTION
    ]


def _or(value: float | None, missing: float) -> float:
    return missing if value is None or not math.isfinite(value) else value


def open_order_frame(update: OrderUpdate, contract: SimContract, account: str) -> bytes:
    """The order itself, as TWS repeats it with every status."""
    return outgoing.OPEN_ORDER.frame(status=update.status, **_order_fields(update, contract, account))


def what_if_frame(update: OrderUpdate, contract: SimContract, account: str, margins: dict[str, object]) -> bytes:
    """The answer to an order that only asks what it would cost."""
    return outgoing.OPEN_ORDER.frame(
        status=update.status, what_if=1, **margins, **_order_fields(update, contract, account)
    )


def _order_fields(update: OrderUpdate, contract: SimContract, account: str) -> dict[str, object]:
    ticket = update.ticket
    return wire_contract(contract) | {
        "order_id": ticket.order_id,
        "action": ticket.side,
        "total_quantity": ticket.quantity,
        "order_type": ticket.order_type,
        "limit_price": 0.0 if ticket.limit_price is None else ticket.limit_price,
        "tif": ticket.tif,
        "account": account,
        "order_ref": ticket.order_ref,
        "client_id": ticket.client_id,
        "perm_id": update.perm_id,
    }


def order_status_frame(update: OrderUpdate) -> bytes:
    """How far the order is."""
    return outgoing.ORDER_STATUS.frame(
        order_id=update.ticket.order_id,
        status=update.status,
        filled=update.filled,
        remaining=update.ticket.quantity - update.filled,
        average_price=update.average_price,
        perm_id=update.perm_id,
        last_price=update.last_price,
        client_id=update.ticket.client_id,
    )


def completed_order_frame(update: OrderUpdate, contract: SimContract, account: str, time_us: int) -> bytes:
    """A finished order of today."""
    fields = _order_fields(update, contract, account)
    del fields["order_id"], fields["client_id"]
    return outgoing.COMPLETED_ORDER.frame(
        status=update.status,
        filled_quantity=update.filled,
        completed_time=api_time(time_us),
        completed_status=f"{update.status} Size: {update.filled:g}",
        **fields,
    )


def execution_frame(req_id: int, execution: SimExecution, contract: SimContract, account: str) -> bytes:
    """One fill; `req_id` is -1 while it is live."""
    ticket = execution.ticket
    return outgoing.EXECUTION.frame(
        req_id=req_id,
        order_id=ticket.order_id,
        exec_id=execution.exec_id,
        time=api_time(execution.executed_us),
        account=account,
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
