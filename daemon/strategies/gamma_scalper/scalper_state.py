"""What the gamma scalper remembers between two events: one frozen value, plain enough for the tape."""

import msgspec

from daemon.core.black_scholes import OptionGreeks
from daemon.core.events import Session
from daemon.core.instruments import InstrumentSpec
from daemon.strategies.gamma_scalper.classifier import Codes
from daemon.strategies.gamma_scalper.hedge_fsm import HedgeState
from daemon.strategies.gamma_scalper.legs import LegState
from daemon.strategies.gamma_scalper.market import MarketWindow
from daemon.strategies.gamma_scalper.trading_fsm import TradingState

NEVER_US = -(10**18)


class LastBad(msgspec.Struct, frozen=True, kw_only=True):
    """When each data reason last held (`ts`): it stays raised until two clean seconds have passed.

    One that held at the last look has held until this one: what was bad stays bad until something better is seen.
    """

    standing: tuple[str, ...] = ()
    """The reasons that held at the last look."""
    trading_halted: int = NEVER_US
    data_delayed: int = NEVER_US
    stale: int = NEVER_US
    data_slightly_old: int = NEVER_US
    data_lag: int = NEVER_US
    no_quote: int = NEVER_US
    greeks_bad: int = NEVER_US
    spread_extreme: int = NEVER_US
    spread_wide: int = NEVER_US


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """A mid too far from the last one to be believed yet, and since when such mids stand."""

    mid: float
    since_us: int


class FoundOption(msgspec.Struct, frozen=True, kw_only=True):
    """An option of the underlying that the account holds and that is no leg."""

    instrument: str
    since_us: int
    base: float | None = None
    """Contracts by the broker's newest report of this day, less what others traded since the day began; None before."""
    day: str = ""
    """The ledger's day that `base` belongs to."""


class ScalperState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything between two events.

    `legs` and `greeks` go in parallel: declared ones in the profile's order, then adopted ones as they came.
    """

    trading: TradingState = TradingState.BOOT
    hedge: HedgeState = HedgeState.EXEC_IDLE
    codes: Codes = Codes()
    market: MarketWindow = MarketWindow()
    legs: tuple[LegState, ...] = ()
    greeks: tuple[OptionGreeks | None, ...] = ()
    unpaired: tuple[str, ...] = ()
    """Legs with a new quote that waits for the underlying's price of the same moment."""
    adopted: dict[str, InstrumentSpec] = {}
    """The ledger's adopted legs as `legs` was last built with."""
    found: tuple[FoundOption, ...] = ()
    spot: float | None = None
    """The underlying's newest usable price, USD."""
    doubt: Doubt | None = None
    """The newest mid is an outlier, so there is no quote."""
    valued_us: int = 0
    """When the greeks were computed."""

    session: Session | None = None
    session_until_us: int = 0
    """From here on `session` must be looked up again."""
    session_date: str | None = None
    """The exchange's day: of this session, or of the next while closed."""
    day: str | None = None
    """The last session that opened; volatilities do not outlive it."""

    hedge_ref: str | None = None
    """The own order that the hedge machine follows, or followed last."""
    refused: str | None = None
    """The rule, gate or embargo that refuses the hedge that is needed now."""
    last_bad: LastBad = LastBad()
