"""What a profile may say: every key with its unit, bounds and default. Pure: no file is read here.

Names ending in `_pct` are percent, never fractions. The loader turns YAML into `Profile`; bounds live in the
annotations, so that validation, `profile show` and the docs read the same source.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Shares = {"unit": "shares"}
"""Units stand in the key's name; where an old name has none, the annotation tells it to the loader's messages."""
Seconds = {"unit": "seconds"}
Yearly = {"unit": "a year, 0.35 = 35 %"}
Text = Annotated[str, Meta(min_length=1, max_length=64)]
Symbol = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9. ]{0,11}$", description="a ticker in capitals, such as TWX")]
DeskName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$",
        description="a name of at most 31 of a-z, 0-9, _ and -, starting with a letter or digit",
    ),
]
IsoDate = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$", description="a day as YYYY-MM-DD")]
AccountId = Annotated[
    str, Meta(pattern=r"^[A-Z]{1,3}\d{4,10}$", description="an account id, such as DU1234567 (paper) or U1234567")
]
SimulatedAccountId = Annotated[
    str, Meta(pattern=r"^DU\d{4,10}$", description="DU and four to ten digits: a simulated account never looks live")
]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of keys."""


class Ib(_Section, frozen=True, kw_only=True):
    """Where TWS or IB Gateway listens. `client_id` 0 would bind manual orders, so it is refused."""

    host: Text = "127.0.0.1"
    port: Port = 7497
    client_id: Annotated[int, Meta(ge=1, le=2_147_483_647)] = 1
    connect_timeout: Annotated[float, Meta(gt=0, le=600, extra=Seconds)] = 60.0
    account: AccountId | None = None
    """Needed where the login has several accounts, and for live trading."""


class Underlying(_Section, frozen=True, kw_only=True):
    """The stock whose delta is hedged."""

    symbol: Symbol
    exchange: Text = "SMART"
    primary_exchange: Text | None = None
    currency: Literal["USD"] = "USD"
    calendar: Text = "XNYS"
    """The exchange calendar (exchange_calendars' name) that the contract's liquid hours are cut with."""


class Leg(_Section, frozen=True, kw_only=True):
    """One declared option position; how many contracts there are is the account's word, not the profile's."""

    right: Literal["call", "put"]
    strike: Positive
    expiry: IsoDate
    multiplier: Positive = 100.0
    trading_class: Text | None = None


class GreeksSection(_Section, frozen=True, kw_only=True):
    """How option sensitivities are computed."""

    risk_free_rate: Annotated[float, Meta(ge=-0.05, le=0.5)] = 0.05
    """A year, continuous."""
    volatility: Annotated[float, Meta(gt=0, le=5, extra=Yearly)] | Literal["implied", "ib"] = 0.35
    """A fixed number, each leg's implied volatility, or the venue's model."""


class Structure(_Section, frozen=True, kw_only=True):
    """Which legs of the chain may be adopted; declared legs need no gate."""

    min_dte: Count = 21
    max_dte: Count = 35
    atm_band_pct: Percent = 3.0


class Earnings(_Section, frozen=True, kw_only=True):
    """No hedging around earnings dates."""

    blackout_days_before: Count = 3
    blackout_days_after: Count = 1
    dates: tuple[IsoDate, ...] = ()


class StrategyGates(_Section, frozen=True, kw_only=True):
    """When the strategy may act at all."""

    structure: Structure = Structure()
    earnings: Earnings = Earnings()
    trading_hours_only: bool = True


class DeltaGate(_Section, frozen=True, kw_only=True):
    """The bands of |net delta|, in shares."""

    epsilon_band: Annotated[float, Meta(ge=0, extra=Shares)] = 10.0
    threshold_hedge_shares: Positive = 25.0
    max_delta_limit: Annotated[float, Meta(gt=0, extra=Shares)] = 500.0


class MarketGate(_Section, frozen=True, kw_only=True):
    """What counts as a live, orderly market."""

    vol_window_min: Positive = 5.0
    stale_ts_threshold_ms: Positive = 5000.0
    gap_pct: Annotated[float, Meta(gt=0, le=100)] = 2.0
    """A jump between two quotes of at least this much is a gap."""
    quiet_volatility_pct: Percent = 10.0
    """Annualised volatility of the window below which the market is quiet."""


class LiquidityGate(_Section, frozen=True, kw_only=True):
    """Spread of the underlying relative to its mid, in percent."""

    wide_spread_pct: Annotated[float, Meta(gt=0, le=100)] = 0.1
    extreme_spread_pct: Annotated[float, Meta(gt=0, le=100)] = 0.5


class SystemGate(_Section, frozen=True, kw_only=True):
    """What counts as a healthy pipeline."""

    data_lag_threshold_ms: Positive = 1000.0


class StateGates(_Section, frozen=True, kw_only=True):
    """The thresholds of the state classifier."""

    delta: DeltaGate = DeltaGate()
    market: MarketGate = MarketGate()
    liquidity: LiquidityGate = LiquidityGate()
    system: SystemGate = SystemGate()


class HedgeGate(_Section, frozen=True, kw_only=True):
    """What one hedge may look like."""

    min_hedge_shares: Positive = 10.0
    cooldown_seconds: NotNegative = 60.0
    max_hedge_shares_per_order: Positive = 500.0
    min_price_move_pct: Percent = 0.2


class IntentGates(_Section, frozen=True, kw_only=True):
    """Gates between the wish to hedge and an order."""

    hedge: HedgeGate = HedgeGate()


class Risk(_Section, frozen=True, kw_only=True):
    """Hard limits. None means that this limit is not wanted."""

    max_daily_hedge_count: Count = 50
    max_position_shares: Positive = 2000.0
    max_daily_loss_usd: Positive = 5000.0
    max_drawdown_pct: Annotated[float, Meta(gt=0, le=100)] = 6.0
    max_net_delta_shares: Positive | None = None
    max_spread_pct: Annotated[float, Meta(gt=0, le=100)] | None = None


class GuardGates(_Section, frozen=True, kw_only=True):
    """The execution guard's limits."""

    risk: Risk = Risk()


class Gates(_Section, frozen=True, kw_only=True):
    """Everything that stands between a quote and an order."""

    strategy: StrategyGates = StrategyGates()
    state: StateGates = StateGates()
    intent: IntentGates = IntentGates()
    guard: GuardGates = GuardGates()


class Execution(_Section, frozen=True, kw_only=True):
    """How orders are worked."""

    order_type: Literal["market"] = "market"
    ack_deadline_s: Positive = 10.0
    hedge_deadline_ms: Positive = 30_000.0
    """An own order unfilled for longer is red."""
    session_edge_s: NotNegative = 60.0
    """No orders in the first and last seconds of a session."""
    cancel_before_close_s: NotNegative = 5.0
    target_shares: float = 0.0
    """The net delta that hedging brings the book back to."""


class ControlSection(_Section, frozen=True, kw_only=True):
    """How commands are carried out."""

    flatten_target: Literal["zero", "matched"] = "zero"
    flatten_start_s: Positive = 60.0
    stop_timeout_s: Positive = 10.0
    on_halt: Literal["freeze"] = "freeze"
    """A halt freezes hedging; only the operator's flatten still trades."""


class Daemon(_Section, frozen=True, kw_only=True):
    """The daemon's own rhythm."""

    period_ms: Annotated[int, Meta(ge=100, le=60_000)] = 1000
    probe_every_s: Positive = 5.0
    probe_timeout_s: Positive = 5.0
    waiting_ib_deadline_s: Positive = 60.0
    """How long waiting for IB is yellow before it is red."""
    reconcile_every_s: Positive = 300.0


class SimulatedPosition(_Section, frozen=True, kw_only=True):
    """A position that the simulated account starts with: a declared leg, or shares of the underlying."""

    quantity: float
    right: Literal["call", "put"] | None = None
    strike: Positive | None = None
    expiry: IsoDate | None = None
    average_price: NotNegative = 0.0
    """Per share; 0 takes the first mid."""


class SimulatedOrder(_Section, frozen=True, kw_only=True):
    """A foreign limit order in the underlying that rests in the simulated account from the start."""

    side: Literal["BUY", "SELL"]
    quantity: Positive
    limit_price: Positive
    client_id: int = 0


class SyntheticMarket(_Section, frozen=True, kw_only=True):
    """A seeded market: mean-reverting stochastic volatility, occasional jumps, New York sessions."""

    start_price: Positive = 100.0
    start_date: IsoDate | None = None
    """The first session; null takes the newest session day at the first start."""
    volatility: Annotated[float, Meta(gt=0, le=5)] = 0.6
    volatility_of_volatility: NotNegative = 1.0
    mean_reversion_per_day: NotNegative = 2.0
    jumps_per_day: NotNegative = 1.0
    jump_pct: Percent = 0.6
    spread_usd: Positive = 0.02
    step_s: Positive = 1.0


class Simulator(_Section, frozen=True, kw_only=True):
    """The TWS stand-in that `bifrost up` starts. A profile with this section can never reach a real account."""

    account: SimulatedAccountId = "DU0000001"
    seed: Count = 7
    speed: Positive = 1.0
    replay: Annotated[str, Meta(min_length=1, description="lean:DIR:SYMBOL:YYYYMMDD")] | None = None
    """`lean:DIR:SYMBOL:YYYYMMDD`; null is the synthetic market. A relative DIR is relative to the checkout."""
    cash_usd: float = 100_000.0
    synthetic: SyntheticMarket = SyntheticMarket()
    positions: tuple[SimulatedPosition, ...] = ()
    foreign_orders: tuple[SimulatedOrder, ...] = ()
    partial_fill_shares: Positive | None = None
    """An order above this size is filled in slices of it."""


class Profile(_Section, frozen=True, kw_only=True):
    """One desk's whole configuration."""

    name: str
    """Set by the loader from the file's name."""
    desk: DeskName | None = None
    """The desk's folder under `var/`; null is the profile's name."""
    strategy: Literal["gamma_scalper"] = "gamma_scalper"
    live: bool = False
    """Only `live: true` together with `ib.account` lets the daemon trade a live account."""
    underlying: Underlying
    legs: tuple[Leg, ...] = ()
    ib: Ib = Ib()
    greeks: GreeksSection = GreeksSection()
    gates: Gates = Gates()
    execution: Execution = Execution()
    control: ControlSection = ControlSection()
    daemon: Daemon = Daemon()
    simulator: Simulator | None = None

    @property
    def desk_name(self) -> str:
        """The folder under `var/`."""
        return self.desk if self.desk is not None else self.name
