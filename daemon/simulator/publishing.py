"""The exchange's words as messages: pure functions from an order, a fill or a position to frames."""

import math

import msgspec

from daemon.simulator import outgoing
from daemon.simulator.contracts import PRIMARY_EXCHANGE, api_time, wire_contract
from daemon.venues.simulated.model import (
    OrderTicket,
    OrderUpdate,
    SimCommission,
    SimContract,
    SimExecution,
    SimPosition,
)

_WORDS = frozenset({"AccountType", "Currency", "Cushion"})
"""Account values without a currency."""
_VENUE = "SIM"


class Speaker(msgspec.Struct, frozen=True):
    """Who says it: the account that everything is about, and the server version whose fields are used."""

    account: str
    server_version: int


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
