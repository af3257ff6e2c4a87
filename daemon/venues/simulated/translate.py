"""The simulated exchange's words as core events."""

from typing import Literal

from daemon.core.events import Commission, Execution, OptionQuote, OrderReport, PositionItem, Quote
from daemon.core.instruments import InstrumentSpec
from daemon.venues.simulated.model import (
    OrderUpdate,
    SimCommission,
    SimContract,
    SimExecution,
    SimPosition,
    SimQuote,
)

ReportStatus = Literal["submitted", "working", "cancelled", "filled", "rejected", "inactive"]

_STATUSES: dict[str, ReportStatus] = {
    "PreSubmitted": "submitted",
    "Submitted": "working",
    "Filled": "filled",
    "Cancelled": "cancelled",
    "Inactive": "rejected",
}


def spec(contract: SimContract) -> InstrumentSpec:
    """A contract with its constraints: whole units, at least one, on the tick."""
    return InstrumentSpec(
        instrument=contract.instrument,
        kind=contract.kind,
        symbol=contract.symbol,
        currency="USD",
        venue_id=contract.con_id,
        multiplier=contract.multiplier,
        unit="share" if contract.kind == "stock" else "contract",
        price_tick=contract.min_tick,
        size_step=1.0,
        min_size=1.0,
        right=contract.right,
        strike=contract.strike,
        expiry=contract.expiry,
        last_trade_ts_us=contract.last_trade_us,
    )


def quote(
    standing: SimQuote,
    contract: SimContract | None,
    ts_us: int,
    *,
    halted: bool = False,
    previous_close: float | None = None,
) -> Quote | OptionQuote:
    """A standing quote as an event of its kind."""
    if contract is not None and contract.kind == "option":
        return OptionQuote(
            ts_us=ts_us,
            instrument=standing.instrument,
            bid=standing.bid,
            ask=standing.ask,
            last=standing.last,
            model_volatility=standing.model_volatility,
            model_delta=standing.model_delta,
        )
    return Quote(
        ts_us=ts_us,
        instrument=standing.instrument,
        bid=standing.bid,
        ask=standing.ask,
        last=standing.last,
        bid_size=standing.bid_size,
        ask_size=standing.ask_size,
        halted=halted,
        previous_close=previous_close,
    )


def order_report(update: OrderUpdate, ts_us: int) -> OrderReport:
    """An order's state; a refused cancel (10147, 10148) reports the order as it is, with the reason."""
    ticket = update.ticket
    reason = None if update.error_code is None else f"{update.error_code} {update.error_text}"
    return OrderReport(
        ts_us=ts_us,
        order_ref=_own_ref(ticket.order_ref),
        venue_order_id=ticket.order_id,
        perm_id=update.perm_id,
        instrument=ticket.instrument,
        side=ticket.side,
        quantity=ticket.quantity,
        filled=update.filled,
        status="inactive" if update.why_held else _STATUSES[update.status],
        order_type=ticket.order_type,
        client_id=ticket.client_id,
        reason=reason,
        limit_price=ticket.limit_price,
    )


def execution(fill: SimExecution, ts_us: int) -> Execution:
    """A fill; the id's last segment is its revision."""
    key, _, revision = fill.exec_id.rpartition(".")
    return Execution(
        ts_us=ts_us,
        exec_key=key,
        revision=int(revision),
        order_ref=_own_ref(fill.ticket.order_ref),
        venue_order_id=fill.ticket.order_id,
        perm_id=fill.perm_id,
        instrument=fill.ticket.instrument,
        side=fill.ticket.side,
        quantity=fill.quantity,
        price=fill.price,
        executed_us=fill.executed_us,
        client_id=fill.ticket.client_id,
    )


def commission(cost: SimCommission, ts_us: int) -> Commission:
    """What an execution cost, USD."""
    return Commission(
        ts_us=ts_us,
        exec_key=cost.exec_id.rpartition(".")[0],
        commission_usd=cost.commission_usd,
        currency="USD",
    )


def position(held: SimPosition, contract: SimContract | None) -> PositionItem:
    """A position; average cost per unit with the multiplier in it, as the broker says it."""
    return PositionItem(
        instrument=held.instrument,
        quantity=held.quantity,
        average_cost_usd=held.average_cost,
        kind="other" if contract is None else contract.kind,
    )


def _own_ref(order_ref: str) -> str | None:
    """Our reference, or None: a manual order carries none."""
    return order_ref or None
