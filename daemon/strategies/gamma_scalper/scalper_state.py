"""What the gamma scalper remembers between two events: one frozen value, plain enough for the tape."""

import msgspec

from daemon.core.black_scholes import OptionGreeks
from daemon.core.events import Session
from daemon.strategies.gamma_scalper.classifier import Codes
from daemon.strategies.gamma_scalper.hedge_fsm import HedgeState
from daemon.strategies.gamma_scalper.legs import LegState
from daemon.strategies.gamma_scalper.market import MarketWindow
from daemon.strategies.gamma_scalper.trading_fsm import TradingState

NEVER_US = -(10**18)


class LastBad(msgspec.Struct, frozen=True, kw_only=True):
    """When each data reason last held (`ts`): it stays raised until two clean seconds have passed."""

    stale: int = NEVER_US
    data_slightly_old: int = NEVER_US
    data_lag: int = NEVER_US
    no_quote: int = NEVER_US
    greeks_bad: int = NEVER_US
    spread_extreme: int = NEVER_US
    spread_wide: int = NEVER_US


class ScalperState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything between two events. `legs` and `greeks` go in parallel, in the profile's order."""

    trading: TradingState = TradingState.BOOT
    hedge: HedgeState = HedgeState.EXEC_IDLE
    codes: Codes = Codes()
    market: MarketWindow = MarketWindow()
    legs: tuple[LegState, ...] = ()
    greeks: tuple[OptionGreeks | None, ...] = ()
    unpaired: tuple[str, ...] = ()
    """Legs with a new quote that waits for the underlying's price of the same moment."""
    spot: float | None = None
    """The underlying's newest usable price, USD."""
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
    wish_capped: bool = False
    """The last wish was smaller than what was needed."""
    remainder: bool = False
    """A capped or partly filled hedge left delta over: until in band, no cooldown and no cost gate."""
    refused: str | None = None
    """The rule, gate or embargo that refuses the hedge that is needed now."""
    last_bad: LastBad = LastBad()
