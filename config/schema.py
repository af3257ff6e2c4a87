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
Ratio = Annotated[float, Meta(ge=0, le=1)]
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
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
IsoDate = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$", description="a day as YYYY-MM-DD")]
AccountId = Annotated[
    str, Meta(pattern=r"^[A-Z]{1,3}\d{4,10}$", description="an account id, such as DU1234567 (paper) or U1234567")
]
SimulatedAccountId = Annotated[
    str, Meta(pattern=r"^DU\d{4,10}$", description="DU and four to ten digits: a simulated account never looks live")
]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of keys."""


class RestartWindow(_Section, frozen=True, kw_only=True):
    """A scheduled restart of TWS, or of the broker behind it, in local time."""

    time: Annotated[
        str,
        Meta(
            pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
            description="local times as HH:MM-HH:MM, such as 23:45-00:45",
        ),
    ]
    """From when to when; an end before the begin is on the next day."""
    zone: Text = "America/New_York"
    """The time zone of these times, by its IANA name."""
    days: tuple[Weekday, ...] = ()
    """The days on which it begins; none is every day."""


class Ib(_Section, frozen=True, kw_only=True):
    """Where TWS or IB Gateway listens. `client_id` 0 would bind manual orders, so it is refused."""

    host: Text = "127.0.0.1"
    """Name or address of the machine where TWS or IB Gateway listens."""
    port: Port = 7497
    """TWS: 7497 paper, 7496 live; Gateway: 4002 paper, 4001 live."""
    client_id: Annotated[int, Meta(ge=1, le=2_147_483_647)] = 1
    """No other API program may use it at the same TWS."""
    connect_timeout: Annotated[float, Meta(gt=0, le=600, extra=Seconds)] = 60.0
    """How long one attempt to connect may take."""
    account: AccountId | None = None
    """Needed where the login has several accounts, and for live trading."""
    restart_windows: tuple[RestartWindow, ...] = ()
    """Around these no hedge leaves (from a minute before), and a lost link is expected until they end."""
    upstream_deadline_s: Annotated[float, Meta(gt=0, le=86_400)] = 300.0
    """TWS without its servers (1100) for so long, in a restart window counted from its end: alarm and reconnect."""
    allow_delayed: bool = False
    """Whether delayed market data may be traded on; it is a quarter of an hour old."""


class Underlying(_Section, frozen=True, kw_only=True):
    """The stock whose delta is hedged."""

    symbol: Symbol
    """The stock's ticker at the venue."""
    exchange: Text = "SMART"
    """Where orders are routed."""
    primary_exchange: Text | None = None
    """Tells the venue which stock is meant where several share a ticker."""
    currency: Literal["USD"] = "USD"
    """What the stock trades in."""
    calendar: Text = "XNYS"
    """The exchange calendar (exchange_calendars' name) that the contract's liquid hours are cut with."""


class Leg(_Section, frozen=True, kw_only=True):
    """One declared option position; how many contracts there are is the account's word, not the profile's."""

    right: Literal["call", "put"]
    """Call or put."""
    strike: Positive
    """In USD."""
    expiry: IsoDate
    """As the venue lists it."""
    multiplier: Positive = 100.0
    """Shares per contract."""
    trading_class: Text | None = None
    """Tells options apart that agree in all else."""


VolatilitySource = Annotated[float, Meta(gt=0, le=5, extra=Yearly)] | Literal["implied", "ib"]


class GreeksSection(_Section, frozen=True, kw_only=True):
    """How option sensitivities are computed."""

    risk_free_rate: Annotated[float, Meta(ge=-0.05, le=0.5)] = 0.05
    """A year, continuous."""
    volatility: VolatilitySource = 0.35
    """A fixed number, each leg's implied volatility, or the venue's model."""
    fallback: tuple[VolatilitySource, ...] = ()
    """What takes its place, leg by leg and in this order, while it has none; with nothing left the greeks are bad."""
    volatility_max_age_s: Annotated[float, Meta(gt=0, le=23_400)] = 900.0
    """For how long (`ts`) the last good implied or model volatility of a leg is used before the next source is."""


class Structure(_Section, frozen=True, kw_only=True):
    """Which option positions found in the account may be adopted as legs; declared legs need no gate to be hedged."""

    adopt: bool = False
    """Whether an option of the underlying that the account holds becomes a leg when it lies within the gates."""
    min_dte: Count = 21
    """Calendar days to expiry, at least."""
    max_dte: Count = 35
    """Calendar days to expiry, at most."""
    atm_band_pct: Percent = 3.0
    """How far the strike may lie from the underlying's price, in percent of that price."""


class Earnings(_Section, frozen=True, kw_only=True):
    """No hedging around earnings dates."""

    blackout_days_before: Count = 3
    """Calendar days before an earnings date on which no hedge leaves."""
    blackout_days_after: Count = 1
    """Calendar days after it."""
    dates: tuple[IsoDate, ...] = ()
    """The earnings dates that are known."""


class StrategyGates(_Section, frozen=True, kw_only=True):
    """When the strategy may act at all."""

    structure: Structure = Structure()
    earnings: Earnings = Earnings()
    trading_hours_only: bool = True
    """Whether hedges leave only inside the session, without its edges."""


class DeltaGate(_Section, frozen=True, kw_only=True):
    """The bands of |net delta|, in shares."""

    epsilon_band: Annotated[float, Meta(ge=0, extra=Shares)] = 10.0
    """Up to here nothing is to be done."""
    threshold_hedge_shares: Positive = 25.0
    """From here on a hedge is needed."""
    max_delta_limit: Annotated[float, Meta(gt=0, extra=Shares)] = 500.0
    """From here on a hedge is forced: no cooldown, no cost gate."""


class MarketGate(_Section, frozen=True, kw_only=True):
    """What counts as a live, orderly market."""

    vol_window_min: Positive = 5.0
    """Over how long the market's volatility is measured."""
    stale_ts_threshold_ms: Positive = 5000.0
    """Without a tick of the underlying for this long, data is stale and nothing leaves."""
    gap_pct: Annotated[float, Meta(gt=0, le=100)] = 2.0
    """A jump of at least this much, between two quotes or from the last session's close, is a gap."""
    outlier_pct: Annotated[float, Meta(gt=0, le=100)] = 20.0
    """A mid this far from the last one is no quote until it has stood for five seconds."""
    quiet_volatility_pct: Percent = 10.0
    """Annualised volatility of the window below which the market is quiet."""
    high_volatility_pct: Annotated[float, Meta(gt=0, le=1000)] = 50.0
    """Annualised volatility of the window from which on a market without direction is choppy."""
    trend_efficiency: Ratio = 0.5
    """Efficiency ratio (net move by path, 0 to 1) of the window from which on the market trends."""
    choppy_efficiency: Ratio = 0.25
    """Efficiency ratio up to which a volatile market is choppy."""


class LiquidityGate(_Section, frozen=True, kw_only=True):
    """Spread of the underlying relative to its mid, in percent."""

    wide_spread_pct: Annotated[float, Meta(gt=0, le=100)] = 0.1
    """From here on the light is yellow; hedges still leave."""
    extreme_spread_pct: Annotated[float, Meta(gt=0, le=100)] = 0.5
    """From here on no hedge leaves."""


class SystemGate(_Section, frozen=True, kw_only=True):
    """What counts as a healthy pipeline."""

    data_lag_threshold_ms: Positive = 1000.0
    """Queue from socket to decision plus the last round trip; above it nothing leaves."""


class StateGates(_Section, frozen=True, kw_only=True):
    """The thresholds of the state classifier."""

    delta: DeltaGate = DeltaGate()
    market: MarketGate = MarketGate()
    liquidity: LiquidityGate = LiquidityGate()
    system: SystemGate = SystemGate()


class HedgeGate(_Section, frozen=True, kw_only=True):
    """What one hedge may look like."""

    min_hedge_shares: Positive = 10.0
    """A smaller hedge is not sent."""
    cooldown_seconds: NotNegative = 60.0
    """How long after a sent hedge the next one waits."""
    max_hedge_shares_per_order: Positive = 500.0
    """A larger hedge is cut to it; the rest follows at once."""
    min_price_move_pct: Percent = 0.2
    """How far the price must have moved from the last hedge's fill: the cost gate."""


class IntentGates(_Section, frozen=True, kw_only=True):
    """Gates between the wish to hedge and an order."""

    hedge: HedgeGate = HedgeGate()


class Risk(_Section, frozen=True, kw_only=True):
    """Hard limits. None means that this limit is not wanted."""

    max_daily_hedge_count: Count = 50
    """Hedges sent in a day; the next one is refused."""
    max_position_shares: Positive = 2000.0
    """What |own shares| may not exceed, working orders included; lowering it is never refused."""
    max_daily_loss_usd: Positive = 5000.0
    """A day's loss of this much, for five seconds, halts."""
    max_drawdown_pct: Annotated[float, Meta(gt=0, le=100)] = 6.0
    """A fall from the highest equity by this much, for five seconds, halts."""
    max_orders_per_minute: Count = 20
    """Orders and changes of orders sent within any 60 seconds; the next hedge or reprice is refused."""
    max_order_value_usd: Positive = 500_000.0
    """What one hedge may be worth: shares x price. More is refused, not cut: see `max_hedge_shares_per_order`."""
    price_collar_pct: Percent = 0.5
    """What a hedge's price (a market order's: the touch) may give up against the mid of its decision."""
    max_net_delta_shares: Positive | None = None
    """Shown among the limits; the light is yellow from 85 % on."""
    max_spread_pct: Annotated[float, Meta(gt=0, le=100)] | None = None
    """The guard's own spread limit; null takes `extreme_spread_pct`."""


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

    order_type: Literal["market", "limit"] = "market"
    """How hedges are sent; a flatten's closing orders are always market orders."""
    limit_offset_ticks: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    """Where a limit hedge is priced: 0 at the far touch, positive so many ticks through it, negative before it."""
    reprice_after_s: Positive = 5.0
    """An unfilled limit hedge is looked at this often; where the touch has moved, its price follows."""
    max_reprices: Annotated[int, Meta(ge=0, le=1000)] = 3
    """How often one order's price may follow; then it is cancelled and the rest is decided anew."""
    ack_deadline_s: Positive = 10.0
    """A sent order that the venue has not acknowledged by then has an unknown outcome."""
    hedge_deadline_ms: Positive = 30_000.0
    """An own order unfilled for longer is red."""
    session_edge_s: NotNegative = 60.0
    """No orders in the first and last seconds of a session."""
    cancel_before_close_s: NotNegative = 5.0
    """Own orders are cancelled so long before the session's close."""
    target_shares: float = 0.0
    """The net delta that hedging brings the book back to."""


class ControlSection(_Section, frozen=True, kw_only=True):
    """How commands are carried out."""

    flatten_target: Literal["zero", "matched"] = "zero"
    """What a flatten brings own shares to: 0, or the options' delta."""
    flatten_start_s: Positive = 60.0
    """A flatten that could not start within this is refused and must be touched again."""
    flatten_order_s: Positive = 10.0
    """A flatten's closing order that only rests this long is cancelled and sized again."""
    stop_timeout_s: Positive = 10.0
    """Within this a stop's cancels must be confirmed, else exit 6."""
    on_halt: Literal["freeze", "reduce"] = "freeze"
    """What a tripped risk limit leaves: only the operator's flatten, or also forced hedges that lower |net delta|."""
    max_reduce_orders: Count = 10
    """With `reduce`: how many such hedges may leave per halt; then it freezes."""


class Daemon(_Section, frozen=True, kw_only=True):
    """The daemon's own rhythm."""

    period_ms: Annotated[int, Meta(ge=100, le=60_000)] = 1000
    """Longest time between two snapshots; the light is not live after three."""
    probe_every_s: Positive = 3.0
    """How often the link is probed; this and twice the time-out, in which a dead line is found, are at most 10 s."""
    probe_timeout_s: Positive = 3.0
    """After this a probe has failed; the second failure in a row ends the connection."""
    waiting_ib_deadline_s: Positive = 60.0
    """How long waiting for IB is yellow before it is red."""
    reconcile_every_s: Positive = 300.0
    """How often broker, journal and book are compared."""


class Storage(_Section, frozen=True, kw_only=True):
    """How the desk's folder is kept: room on the disk, and how long old files stay."""

    min_free_mib: NotNegative = 256.0
    """Below this much free space on the desk's disk no new hedge leaves (1 MiB is 1,048,576 bytes)."""
    slow_sync_ms: Positive = 250.0
    """A journal append that takes this long is a slow disk: yellow for a minute."""
    compress_after_days: Annotated[int, Meta(ge=0, le=36_500)] = 7
    """Closed journal segments and finished tape and history files this old are compressed by `bifrost maintain`."""
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    """Journal segments and history older than this are removed by `bifrost maintain`; null keeps them for ever."""
    tape_keep_days: Annotated[int, Meta(ge=1, le=36_500)] | None = 90
    """Tape files older than this are removed by `bifrost maintain`; null keeps them until `tape_max_mib`."""
    tape_max_mib: Annotated[float, Meta(ge=1)] = 4096.0
    """The tape never grows beyond this: the daemon removes its oldest files when it starts a new one."""


class SimulatedPosition(_Section, frozen=True, kw_only=True):
    """A position that the simulated account starts with: a declared leg, or shares of the underlying."""

    quantity: float
    """Contracts or shares; short is negative."""
    right: Literal["call", "put"] | None = None
    """Call or put; null is the underlying itself."""
    strike: Positive | None = None
    """In USD."""
    expiry: IsoDate | None = None
    """As in the leg that is declared."""
    average_price: NotNegative = 0.0
    """Per share; 0 takes the first mid."""


class SimulatedOrder(_Section, frozen=True, kw_only=True):
    """A foreign limit order in the underlying that rests in the simulated account from the start."""

    side: Literal["BUY", "SELL"]
    """Buy or sell."""
    quantity: Positive
    """Shares."""
    limit_price: Positive
    """In USD."""
    client_id: int = 0
    """Whose order it is; 0 is placed by hand."""


class SyntheticMarket(_Section, frozen=True, kw_only=True):
    """A seeded market: mean-reverting stochastic volatility, occasional jumps, New York sessions."""

    start_price: Positive = 100.0
    """In USD."""
    start_date: IsoDate | None = None
    """The first session; null takes the newest session day at the first start."""
    volatility: Annotated[float, Meta(gt=0, le=5)] = 0.6
    """A year, 0.6 = 60 %: the level that the made-up volatility returns to."""
    volatility_of_volatility: NotNegative = 1.0
    """How much the logarithm of the volatility moves, per root of a day."""
    mean_reversion_per_day: NotNegative = 2.0
    """How fast it returns to its level."""
    jumps_per_day: NotNegative = 1.0
    """Mean number of sudden moves."""
    jump_pct: Percent = 0.6
    """Their usual size."""
    spread_usd: Positive = 0.02
    """Of the underlying."""
    step_s: Positive = 1.0
    """Market seconds between two prices."""


class Simulator(_Section, frozen=True, kw_only=True):
    """The TWS stand-in that `bifrost up` starts. A profile with this section can never reach a real account."""

    account: SimulatedAccountId = "DU0000001"
    """The simulated account's id."""
    seed: Count = 7
    """The same seed makes the same market."""
    speed: Positive = 1.0
    """Market seconds a second."""
    replay: Annotated[str, Meta(min_length=1, description="lean:DIR:SYMBOL:YYYYMMDD")] | None = None
    """`lean:DIR:SYMBOL:YYYYMMDD`; null is the synthetic market. A relative DIR is relative to the checkout."""
    cash_usd: float = 100_000.0
    """What the account starts with."""
    synthetic: SyntheticMarket = SyntheticMarket()
    positions: tuple[SimulatedPosition, ...] = ()
    """What the account holds at its first start."""
    foreign_orders: tuple[SimulatedOrder, ...] = ()
    """Others' orders that rest in the account."""
    partial_fill_shares: Positive | None = None
    """An order above this size is filled in slices of it."""
    fill_displayed_size: bool = False
    """A limit order gets at most the size that the touch shows, once each step; market orders take what they need."""


class Profile(_Section, frozen=True, kw_only=True):
    """One desk's whole configuration."""

    name: str
    """Set by the loader from the file's name."""
    desk: DeskName | None = None
    """The desk's folder under `var/`; null is the profile's name."""
    strategy: Literal["gamma_scalper"] = "gamma_scalper"
    """What decides."""
    live: bool = False
    """Only `live: true` together with `ib.account` lets the daemon trade a live account."""
    underlying: Underlying
    legs: tuple[Leg, ...] = ()
    """The options that are hedged."""
    ib: Ib = Ib()
    greeks: GreeksSection = GreeksSection()
    gates: Gates = Gates()
    execution: Execution = Execution()
    control: ControlSection = ControlSection()
    daemon: Daemon = Daemon()
    storage: Storage = Storage()
    simulator: Simulator | None = None

    @property
    def desk_name(self) -> str:
        """The folder under `var/`."""
        return self.desk if self.desk is not None else self.name
