"""Six codes say all that the strategy's decisions depend on: O D M L E S, shown as `O1 D2 M1 L0 E0 S0`.

Reaching a threshold counts: |deviation| exactly at `threshold_hedge_shares` is a needed hedge, a spread exactly at
`wide_spread_pct` is wide, exactly `epsilon_band` is still in band. Comparisons allow `TOLERANCE` for float noise.
Nothing else in the strategy compares a measurement with these thresholds, so nothing can disagree with it.

M is the first of these that holds (the measures are those of `market.py`, over the last `vol_window_min` minutes):

| code | holds when |
|---|---|
| 5 stale | no tick of the underlying for `stale_ts_threshold_ms`, or a failed feed probe (never while closed) |
| 4 gap | within the last window a jump of `gap_pct` between two mids, or from the last close to a session's first |
| 0 quiet | volatility below `quiet_volatility_pct` |
| 2 trend | efficiency ratio at or above `trend_efficiency` |
| 3 choppy | volatility at or above `high_volatility_pct`, and efficiency at or below `choppy_efficiency` |
| 1 normal | none of them, also while the window is not filled enough to tell |

Only M5 forbids a hedge. The others inform: they stand in the state code of every intent and refusal, in the snapshot
and on the page, so that statistics can tell hedges in a trend from hedges in a chop. A gap moves delta at once, and
waiting would only leave it unhedged; a jump too far to believe is no quote at first (`outlier_pct`, see watching.py).

L3 is a missing, one-sided, crossed, doubted or late quote, and a halt by the exchange, whatever is quoted then.
"""

import math
from enum import IntEnum
from functools import cache

import msgspec

from config.schema import StateGates
from daemon.core.instruments import TOLERANCE


class OptionCode(IntEnum):
    """O: which way the option position bends, by the sign of its gamma."""

    NONE = 0
    LONG_GAMMA = 1
    SHORT_GAMMA = 2


class DeltaCode(IntEnum):
    """D: how far net delta is from its target."""

    IN_BAND = 0
    MINOR = 1
    HEDGE_NEEDED = 2
    FORCE_HEDGE = 3
    INVALID = 4


class MarketCode(IntEnum):
    """M: what the underlying does."""

    QUIET = 0
    NORMAL = 1
    TREND = 2
    CHOPPY = 3
    """Without direction, with high volatility."""
    GAP = 4
    STALE = 5


class LiquidityCode(IntEnum):
    """L: the spread of the underlying."""

    NORMAL = 0
    WIDE = 1
    EXTREME = 2
    NO_QUOTE = 3
    """Or trading is halted."""


class ExecutionCode(IntEnum):
    """E: own orders and the broker."""

    IDLE = 0
    WORKING = 1
    PARTIAL = 2
    DISCONNECTED = 3
    BROKER_ERROR = 4


class SystemCode(IntEnum):
    """S: whether the numbers can be trusted and risk allows trading."""

    OK = 0
    GREEKS_BAD = 1
    DATA_LAG = 2
    RISK_HALT = 3


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What is measured at one moment. None means that it cannot be measured."""

    holds_options: bool
    gamma: float | None
    """Of the option book, shares per USD."""
    quantity_sum: float
    """Contracts over all legs: the way the book bends when gamma cannot be had."""
    deviation_shares: float | None
    """Net delta minus its target."""
    tick_age_ms: float | None
    """Since the last underlying tick, or since the open where that is later; None while the market is closed."""
    volatility_pct: float | None
    """Annualised, of the rolling window; None until the window says something."""
    spread_pct: float | None
    """None without a two-sided quote of this session."""
    lag_ms: float | None
    """Queueing delay plus the probe's round trip; None when the probe failed."""
    connected: bool
    efficiency: float | None = None
    """Net move by path of the rolling window, 0 to 1; None until the window is full, or where nothing moved."""
    feed_probe_failed: bool = False
    gap: bool = False
    trading_halted: bool = False
    """By the exchange."""
    delayed: bool = False
    """The venue's prices come late, and the profile does not allow that."""
    broker_error: bool = False
    working: bool = False
    partly_filled: bool = False
    halted: bool = False


# Bound once: on Python 3.11 looking a member up on its enum costs more than the comparison it is for.
_O_NONE = OptionCode.NONE
_O_LONG_GAMMA = OptionCode.LONG_GAMMA
_O_SHORT_GAMMA = OptionCode.SHORT_GAMMA
_D_IN_BAND = DeltaCode.IN_BAND
_D_MINOR = DeltaCode.MINOR
_D_HEDGE_NEEDED = DeltaCode.HEDGE_NEEDED
_D_FORCE_HEDGE = DeltaCode.FORCE_HEDGE
_D_INVALID = DeltaCode.INVALID
_M_QUIET = MarketCode.QUIET
_M_NORMAL = MarketCode.NORMAL
_M_TREND = MarketCode.TREND
_M_CHOPPY = MarketCode.CHOPPY
_M_GAP = MarketCode.GAP
_M_STALE = MarketCode.STALE
_L_NORMAL = LiquidityCode.NORMAL
_L_WIDE = LiquidityCode.WIDE
_L_EXTREME = LiquidityCode.EXTREME
_L_NO_QUOTE = LiquidityCode.NO_QUOTE
_E_IDLE = ExecutionCode.IDLE
_E_WORKING = ExecutionCode.WORKING
_E_PARTIAL = ExecutionCode.PARTIAL
_E_DISCONNECTED = ExecutionCode.DISCONNECTED
_E_BROKER_ERROR = ExecutionCode.BROKER_ERROR
_S_OK = SystemCode.OK
_S_GREEKS_BAD = SystemCode.GREEKS_BAD
_S_DATA_LAG = SystemCode.DATA_LAG
_S_RISK_HALT = SystemCode.RISK_HALT


@cache
def _text(*codes: int) -> str:
    """Composed once for each combination: every decision of a backtest writes its codes down."""
    return " ".join([f"{letter}{code:d}" for letter, code in zip("ODMLES", codes, strict=True)])


class Codes(msgspec.Struct, frozen=True, gc=False):
    """One classification."""

    o: OptionCode = _O_NONE
    d: DeltaCode = _D_INVALID
    m: MarketCode = _M_STALE
    l: LiquidityCode = _L_NO_QUOTE  # noqa: E741 -- the design's letter
    e: ExecutionCode = _E_DISCONNECTED
    s: SystemCode = _S_OK

    @property
    def text(self) -> str:
        """`O1 D2 M1 L0 E0 S0`."""
        return _text(self.o, self.d, self.m, self.l, self.e, self.s)

    @property
    def hedge_needed(self) -> bool:
        """Whether there are options and their delta asks for a hedge."""
        return self.o is not _O_NONE and (self.d is _D_HEDGE_NEEDED or self.d is _D_FORCE_HEDGE)

    @property
    def closed_gate(self) -> str | None:
        """The reason code of the first code that forbids a hedge; None when all of them allow it."""
        if self.e is not _E_IDLE:
            return _EXECUTION_GATES[self.e]
        if self.s is not _S_OK:
            return _SYSTEM_GATES[self.s]
        if self.m is _M_STALE:
            return "stale"
        if self.l is _L_NO_QUOTE:
            return "no_quote"
        if self.l is _L_EXTREME:
            return "spread_extreme"
        return None


_EXECUTION_GATES = {
    _E_WORKING: "order_in_flight",
    _E_PARTIAL: "order_in_flight",
    _E_DISCONNECTED: "disconnected",
    _E_BROKER_ERROR: "broker_error",
}
_SYSTEM_GATES = {
    _S_GREEKS_BAD: "greeks_bad",
    _S_DATA_LAG: "data_lag",
    _S_RISK_HALT: "risk_halt",
}


# The comparisons themselves are functions of plain floats: the backtest's fast path compiles them as they stand.
# The thresholds have their tolerance in them already.

_UNKNOWN = math.nan


def option_code(gamma: float, quantity_sum: float) -> OptionCode:
    """O of a book with options. No gamma to look at (greeks bad, or all expired): the contracts tell how it bends."""
    bend = quantity_sum if abs(gamma) <= TOLERANCE else gamma
    return _O_SHORT_GAMMA if bend < 0 else _O_LONG_GAMMA


def delta_code(deviation: float, band: float, needed: float, force: float) -> DeltaCode:
    """D of a finite deviation."""
    size = abs(deviation)
    if size >= force:
        return _D_FORCE_HEDGE
    if size >= needed:
        return _D_HEDGE_NEEDED
    return _D_IN_BAND if size <= band else _D_MINOR


def movement_code(  # noqa: PLR0917 -- two measures and their four thresholds
    volatility: float, efficiency: float, quiet: float, trend: float, high: float, choppy: float
) -> MarketCode:
    """M of a market that is neither stale nor in a gap; a measure that is not known is NaN."""
    if volatility < quiet:
        return _M_QUIET
    if math.isnan(volatility) or math.isnan(efficiency):
        return _M_NORMAL
    if efficiency >= trend:
        return _M_TREND
    return _M_CHOPPY if volatility >= high and efficiency <= choppy else _M_NORMAL


def spread_code(spread_pct: float, wide: float, extreme: float) -> LiquidityCode:
    """L of a two-sided quote."""
    if spread_pct >= extreme:
        return _L_EXTREME
    return _L_WIDE if spread_pct >= wide else _L_NORMAL


def _execution(facts: Facts) -> ExecutionCode:
    if not facts.connected:
        return _E_DISCONNECTED
    if facts.broker_error:
        return _E_BROKER_ERROR
    if facts.partly_filled:
        return _E_PARTIAL
    return _E_WORKING if facts.working else _E_IDLE


class StateClassifier:
    """Facts in, codes out; thresholds from the profile's `gates.state`."""

    def __init__(self, gates: StateGates) -> None:
        self._band = gates.delta.epsilon_band + TOLERANCE
        self._needed = gates.delta.threshold_hedge_shares - TOLERANCE
        self._force = gates.delta.max_delta_limit - TOLERANCE
        self._stale_ms = gates.market.stale_ts_threshold_ms - TOLERANCE
        self._quiet_pct = gates.market.quiet_volatility_pct - TOLERANCE
        self._high_pct = gates.market.high_volatility_pct - TOLERANCE
        self._trend = gates.market.trend_efficiency - TOLERANCE
        self._choppy = gates.market.choppy_efficiency + TOLERANCE
        self._wide_pct = gates.liquidity.wide_spread_pct - TOLERANCE
        self._extreme_pct = gates.liquidity.extreme_spread_pct - TOLERANCE
        self._lag_ms = gates.system.data_lag_threshold_ms + TOLERANCE

    def classify(self, facts: Facts) -> Codes:
        """All six codes."""
        deviation, spread_pct, gamma = facts.deviation_shares, facts.spread_pct, facts.gamma
        option: OptionCode = _O_NONE
        if facts.holds_options:
            option = option_code(0.0 if gamma is None else gamma, facts.quantity_sum)
        delta: DeltaCode = _D_INVALID
        if deviation is not None and math.isfinite(deviation):
            delta = delta_code(deviation, self._band, self._needed, self._force)
        if spread_pct is None or spread_pct < 0 or facts.trading_halted or facts.delayed:
            liquidity: LiquidityCode = _L_NO_QUOTE
        else:
            liquidity = spread_code(spread_pct, self._wide_pct, self._extreme_pct)
        return Codes(option, delta, self._market(facts), liquidity, _execution(facts), self._system(facts))

    def _market(self, facts: Facts) -> MarketCode:
        age_ms = facts.tick_age_ms
        if age_ms is not None and (facts.feed_probe_failed or age_ms >= self._stale_ms):
            return _M_STALE
        if facts.gap:
            return _M_GAP
        volatility, efficiency = facts.volatility_pct, facts.efficiency
        return movement_code(
            _UNKNOWN if volatility is None else volatility,
            _UNKNOWN if efficiency is None else efficiency,
            self._quiet_pct,
            self._trend,
            self._high_pct,
            self._choppy,
        )

    def _system(self, facts: Facts) -> SystemCode:
        if facts.halted:
            return _S_RISK_HALT
        if facts.holds_options and facts.deviation_shares is None:
            return _S_GREEKS_BAD
        if facts.lag_ms is None or facts.lag_ms > self._lag_ms:
            return _S_DATA_LAG
        return _S_OK
