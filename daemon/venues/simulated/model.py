"""The words between the simulated exchange, its markets and whoever serves it (the TWS stand-in, tests, backtests)."""

from typing import Literal, Protocol, runtime_checkable

import msgspec

from daemon.core.events import Session, Side


class SimContract(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable instrument of the simulated exchange. `con_id` is stable over restarts."""

    instrument: str
    """As `core.instruments`: the symbol, or `TWX 20140719 C 70`."""
    kind: Literal["stock", "option"]
    symbol: str
    con_id: int
    multiplier: float = 1.0
    min_tick: float = 0.01
    right: Literal["C", "P"] | None = None
    strike: float | None = None
    expiry: str | None = None
    """YYYYMMDD as listed (old monthly expiries are a Saturday)."""
    last_trade_us: int | None = None
    """16:00 New York of the last trading day."""


class SimQuote(msgspec.Struct, frozen=True, kw_only=True):
    """The standing market of one contract; a missing side is None. Greeks are the market's own model, options only."""

    instrument: str
    bid: float | None
    ask: float | None
    last: float | None = None
    bid_size: float = 0.0
    ask_size: float = 0.0
    model_volatility: float | None = None
    model_delta: float | None = None
    model_gamma: float | None = None
    model_vega: float | None = None
    model_theta: float | None = None
    underlying_price: float | None = None


class MarketStep(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of a market: its time (whole seconds) and the standing quote of every contract, unchanged ones too."""

    ts_us: int
    quotes: tuple[SimQuote, ...]
    is_open: bool = True


class Market(Protocol):
    """A source of prices, stepped through once. Deterministic: the same seed or file gives the same steps."""

    contracts: tuple[SimContract, ...]
    sessions: tuple[Session, ...]

    def next_step(self) -> MarketStep | None:
        """The next moment, or None when a recorded day has ended (a synthetic market never ends)."""
        ...


@runtime_checkable
class LastingMarket(Market, Protocol):
    """A market that goes on after a restart of its process with the very steps that would have come."""

    def save(self) -> dict[str, object]:
        """Plain JSON values from which `restore` continues exactly."""
        ...

    def restore(self, saved: dict[str, object]) -> None:
        """Continue from what `save` gave."""
        ...


class OrderTicket(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a client sends it. Identity at the exchange is (client_id, order_id)."""

    client_id: int
    order_id: int
    instrument: str
    side: Side
    quantity: float
    order_type: Literal["MKT", "LMT"]
    limit_price: float | None = None
    order_ref: str = ""
    tif: str = "DAY"


class FillPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a fault script wants to become of one order, where that is not what the market would do with it."""

    slices: tuple[float, ...] = ()
    """It is filled in these quantities first."""
    rest: Literal["fill", "wait", "cancel"] = "fill"
    """What becomes of the quantity behind the slices: filled too, never filled, or cancelled."""
    per_step: bool = False
    """One slice each step of the market instead of all at once."""
    extra: float = 0.0
    """So much more than ordered is executed once it is filled."""
    why_held: str = ""
    """Held (Inactive, and alive) for this reason at first."""
    hold_steps: int | None = None
    """Held for so many steps of the market; None holds it until it is cancelled."""


NO_PLAN = FillPlan()
"""The market alone decides."""


class OrderUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's word on one order."""

    ticket: OrderTicket
    perm_id: int
    status: Literal["PreSubmitted", "Submitted", "Filled", "Cancelled", "Inactive"]
    filled: float
    average_price: float
    last_price: float = 0.0
    why_held: str = ""
    """Why an Inactive order waits instead of being dead; empty for every other."""
    error_code: int | None = None
    error_text: str | None = None


class SimExecution(msgspec.Struct, frozen=True, kw_only=True):
    """One fill. `exec_id` ends in a revision segment (`.01`)."""

    exec_id: str
    ticket: OrderTicket
    perm_id: int
    quantity: float
    price: float
    executed_us: int
    cumulative_quantity: float
    average_price: float


class SimCommission(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of one execution: 0.005 USD a share, at least 1 USD an order; options 0.65 a contract."""

    exec_id: str
    commission_usd: float
    """Of this execution: the order's minimum is charged with its first one."""
    realised_usd: float | None = None
    """What this execution realised by average cost, before commissions; None when it closed nothing."""


class SimPosition(msgspec.Struct, frozen=True, kw_only=True):
    """One position of the simulated account."""

    instrument: str
    quantity: float
    average_cost: float
    """Per unit, multiplier included (as IB reports it)."""
    market_price: float
    market_value_usd: float
    unrealised_usd: float
    realised_usd: float


ExchangeEvent = OrderUpdate | SimExecution | SimCommission | SimPosition
"""What a place, cancel or advance causes, in the order a gateway would say it: OrderUpdate PreSubmitted,
OrderUpdate Submitted, SimExecution, OrderUpdate (Filled or Submitted), SimPosition, SimCommission."""


class OpeningPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position that the simulated account starts with. `average_price` is per share; 0 takes the first mid."""

    instrument: str
    quantity: float
    average_price: float = 0.0


class DailyPnl(msgspec.Struct, frozen=True, kw_only=True):
    """P&L in USD: `daily` since the previous day's marks (for the account: after commissions), and its parts."""

    daily_usd: float
    unrealised_usd: float
    realised_usd: float
    """Realised today, by average cost, before commissions."""
