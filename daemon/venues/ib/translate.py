"""From the broker's words to core events: pure functions, every number looked at before it may pass.

Interactive Brokers says "no value" as -1, -2, 0, an unset double (1.797e308), NaN or 199,999.99. None of them
leaves this module: a price is finite and positive, or None.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from daemon.core.events import AccountKind, Execution, OrderReport, PositionItem, Side
from daemon.core.instruments import option_id
from state.times import us_from_datetime

OrderState = Literal["submitted", "working", "cancelled", "filled", "rejected", "inactive"]

NO_PRICE = 199_999.99
"""The "no quote" price of recorded option chains and some exchanges."""
LARGEST_PRICE = 1e9
"""Above this it is an unset double, not a price."""
UNSET_INTEGER = 2**31 - 1
"""ib_async's and TWS's unset id (executions of manual orders)."""
SIMULATOR_ACCOUNT_TYPE = "BIFROST-SIMULATOR"

_STATUS: Mapping[str, OrderState] = {
    "PendingSubmit": "submitted",
    "ApiPending": "submitted",
    "PreSubmitted": "submitted",
    "Submitted": "working",
    "ApiUpdate": "working",
    "PendingCancel": "working",  # it may still fill
    "ApiCancelled": "cancelled",
    "Cancelled": "cancelled",
    "Filled": "filled",
    "Inactive": "inactive",  # a rejection, or a hold that may still fill: never simply "done"
}


def price_or_none(value: object) -> float | None:
    """A usable price, or None for every kind of sentinel."""
    number = finite_or_none(value)
    if number is None or number <= 0 or number > LARGEST_PRICE or abs(number - NO_PRICE) < 0.005:
        return None
    return number


def size_or_none(value: object) -> float | None:
    """A usable size (shares or contracts), or None."""
    number = finite_or_none(value)
    return number if number is not None and 0 < number <= LARGEST_PRICE else None


def finite_or_none(value: object) -> float | None:
    """A finite number, or None; text that is no number is None too."""
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < 1e300 else None


def volatility_or_none(value: object) -> float | None:
    """A model volatility a year, as a fraction; -1 is IB's "not computed"."""
    number = finite_or_none(value)
    return number if number is not None and 0 < number <= 10 else None


def delta_or_none(value: object) -> float | None:
    """A model delta per share, within [-1, 1]; -2 is IB's "not computed"."""
    number = finite_or_none(value)
    return number if number is not None and -1 <= number <= 1 else None


def two_sided(bid: float | None, ask: float | None) -> tuple[float | None, float | None]:
    """A crossed market is no quote on either side: nobody can tell which side is wrong."""
    if bid is not None and ask is not None and bid > ask:
        return None, None
    return bid, ask


def order_status(status: str) -> OrderState | None:
    """Our word for IB's order status; None for a word we do not know (the caller asks the broker again)."""
    return _STATUS.get(status)


def side_of(word: str) -> Side:
    """`BUY`/`BOT` or `SELL`/`SLD` (and IB's `SSHORT`). Raises ValueError on anything else."""
    if word in {"BUY", "BOT"}:
        return "BUY"
    if word in {"SELL", "SLD", "SSHORT"}:
        return "SELL"
    raise ValueError(f"unknown order side from the venue: {word!r}")


def split_exec_id(exec_id: str) -> tuple[str, int]:
    """`"0000e1a7.6b00db08.01.02"` -> `("0000e1a7.6b00db08.01", 2)`: a correction changes only the last segment."""
    head, dot, tail = exec_id.rpartition(".")
    if dot and tail.isascii() and tail.isdigit():
        return head, int(tail)
    return exec_id, 1


def clean_id(value: int) -> int:
    """An order or permanent id; unset becomes 0 (manual orders have no order id)."""
    return 0 if value in {UNSET_INTEGER, -1} else value


class Contracts:
    """conId -> our instrument id, declared contracts first; any other contract gets a readable name of its own."""

    def __init__(self, declared: Mapping[int, str]) -> None:
        self._declared = dict(declared)

    def instrument(self, contract: Any) -> str:
        """Our id of an `ib_async.Contract`; a stranger that shares a declared name is told apart by its conId."""
        known = self._declared.get(contract.conId)
        if known is not None:
            return known
        name = _name(contract)
        return f"{name} #{contract.conId}" if name in self._declared.values() else name


def _name(contract: Any) -> str:
    if contract.secType == "STK":
        return str(contract.symbol)
    if contract.secType == "OPT" and contract.right:
        expiry = str(contract.lastTradeDateOrContractMonth)
        return option_id(contract.symbol, expiry, contract.right[0], float(contract.strike))
    return str(contract.localSymbol or f"{contract.secType} {contract.symbol} {contract.conId}")


def kind_of(sec_type: str) -> Literal["stock", "option", "other"]:
    """The kind of a position."""
    return "stock" if sec_type == "STK" else "option" if sec_type == "OPT" else "other"


def position_item(contract: Any, quantity: float, average_cost: float, contracts: Contracts) -> PositionItem:
    """A position frame as plain data. Raises ValueError when the quantity is no number: that must never pass as 0."""
    held = finite_or_none(quantity)
    if held is None:
        raise ValueError(f"a position without quantity: {contract.symbol} {quantity!r}")
    cost = finite_or_none(average_cost)
    return PositionItem(
        instrument=contracts.instrument(contract),
        quantity=held,
        average_cost_usd=0.0 if cost is None else cost,
        kind=kind_of(contract.secType),
    )


def execution(raw: Any, contract: Any, *, order_ref: str | None, contracts: Contracts, ts_us: int) -> Execution:
    """An `ib_async` execution as an event. Raises ValueError when price or quantity is unusable.

    Others' executions may have any price: an option expires at 0, a combination trades below it. A correction may
    leave no shares: the trade was busted.
    """
    exec_key, revision = split_exec_id(raw.execId)
    price = finite_or_none(raw.price) if order_ref is None else price_or_none(raw.price)
    busted = revision > 1 and finite_or_none(raw.shares) == 0
    quantity = 0.0 if busted else size_or_none(raw.shares)
    if price is None or quantity is None:
        raise ValueError(f"execution {raw.execId} has shares {raw.shares!r} at price {raw.price!r}")
    return Execution(
        ts_us=ts_us,
        exec_key=exec_key,
        revision=revision,
        order_ref=order_ref,
        venue_order_id=clean_id(raw.orderId),
        perm_id=clean_id(raw.permId),
        instrument=contracts.instrument(contract),
        side=side_of(raw.side),
        quantity=quantity,
        price=price,
        executed_us=us_from_datetime(raw.time),
        client_id=raw.clientId,
    )


class KnownOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What we know of one order at the venue, ours (with `order_ref`) or foreign."""

    order_ref: str | None
    venue_order_id: int
    client_id: int
    perm_id: int
    instrument: str
    side: Side
    quantity: float
    order_type: str
    filled: float = 0.0
    status: OrderState = "submitted"
    reason: str | None = None
    limit_price: float | None = None

    def report(self, ts_us: int) -> OrderReport:
        """This order as an event."""
        return OrderReport(
            ts_us=ts_us,
            order_ref=self.order_ref,
            venue_order_id=self.venue_order_id,
            perm_id=self.perm_id,
            instrument=self.instrument,
            side=self.side,
            quantity=self.quantity,
            filled=self.filled,
            status=self.status,
            order_type=self.order_type,
            client_id=self.client_id,
            reason=self.reason,
            limit_price=self.limit_price,
        )


def account_kind(account: str, account_type: str | None) -> AccountKind:
    """Simulated by its declared type, else paper by its `DU` prefix, else live."""
    if account_type == SIMULATOR_ACCOUNT_TYPE:
        return "simulated"
    return "paper" if account.startswith("DU") else "live"
