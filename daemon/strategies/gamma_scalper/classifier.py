"""Six codes say all that the strategy's decisions depend on: O D M L E S, shown as `O1 D2 M1 L0 E0 S0`.

Reaching a threshold counts: |deviation| exactly at `threshold_hedge_shares` is a needed hedge, a spread exactly at
`wide_spread_pct` is wide, exactly `epsilon_band` is still in band. Comparisons allow `TOLERANCE` for float noise.
Nothing else in the strategy compares a measurement with these thresholds, so nothing can disagree with it.
"""

import math
from enum import IntEnum

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
    """Not yet returned: needs a trend measure."""
    CHOPPY = 3
    """Choppy with high volatility. Not yet returned: needs a trend measure."""
    GAP = 4
    STALE = 5


class LiquidityCode(IntEnum):
    """L: the spread of the underlying."""

    NORMAL = 0
    WIDE = 1
    EXTREME = 2
    NO_QUOTE = 3


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


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured at one moment. None means that it cannot be measured."""

    holds_options: bool
    gamma: float | None
    """Of the option book, shares per USD."""
    quantity_sum: float = 0.0
    """Contracts over all legs: the way the book bends when gamma cannot be had."""
    deviation_shares: float | None
    """Net delta minus its target."""
    tick_age_ms: float | None
    """Since the last underlying tick, or since the open where that is later; None while the market is closed."""
    feed_probe_failed: bool = False
    gap: bool = False
    volatility_pct: float | None
    """Annualised, of the rolling window; None until the window says something."""
    spread_pct: float | None
    """None without a two-sided quote of this session."""
    connected: bool
    broker_error: bool = False
    working: bool = False
    partly_filled: bool = False
    lag_ms: float | None
    """Queueing delay plus the probe's round trip; None when the probe failed."""
    halted: bool = False


class Codes(msgspec.Struct, frozen=True):
    """One classification."""

    o: OptionCode = OptionCode.NONE
    d: DeltaCode = DeltaCode.INVALID
    m: MarketCode = MarketCode.STALE
    l: LiquidityCode = LiquidityCode.NO_QUOTE  # noqa: E741 -- the design's letter
    e: ExecutionCode = ExecutionCode.DISCONNECTED
    s: SystemCode = SystemCode.OK

    @property
    def text(self) -> str:
        """`O1 D2 M1 L0 E0 S0`."""
        return f"O{self.o:d} D{self.d:d} M{self.m:d} L{self.l:d} E{self.e:d} S{self.s:d}"

    @property
    def hedge_needed(self) -> bool:
        """Whether there are options and their delta asks for a hedge."""
        return self.o is not OptionCode.NONE and (self.d is DeltaCode.HEDGE_NEEDED or self.d is DeltaCode.FORCE_HEDGE)

    @property
    def closed_gate(self) -> str | None:
        """The reason code of the first code that forbids a hedge; None when all of them allow it."""
        if self.e is not ExecutionCode.IDLE:
            return _EXECUTION_GATES[self.e]
        if self.s is not SystemCode.OK:
            return _SYSTEM_GATES[self.s]
        if self.m is MarketCode.STALE:
            return "stale"
        if self.l is LiquidityCode.NO_QUOTE:
            return "no_quote"
        if self.l is LiquidityCode.EXTREME:
            return "spread_extreme"
        return None


_EXECUTION_GATES = {
    ExecutionCode.WORKING: "order_in_flight",
    ExecutionCode.PARTIAL: "order_in_flight",
    ExecutionCode.DISCONNECTED: "disconnected",
    ExecutionCode.BROKER_ERROR: "broker_error",
}
_SYSTEM_GATES = {
    SystemCode.GREEKS_BAD: "greeks_bad",
    SystemCode.DATA_LAG: "data_lag",
    SystemCode.RISK_HALT: "risk_halt",
}


class StateClassifier:
    """Facts in, codes out; thresholds from the profile's `gates.state`."""

    def __init__(self, gates: StateGates) -> None:
        self._band = gates.delta.epsilon_band + TOLERANCE
        self._needed = gates.delta.threshold_hedge_shares - TOLERANCE
        self._force = gates.delta.max_delta_limit - TOLERANCE
        self._stale_ms = gates.market.stale_ts_threshold_ms - TOLERANCE
        self._quiet_pct = gates.market.quiet_volatility_pct - TOLERANCE
        self._wide_pct = gates.liquidity.wide_spread_pct - TOLERANCE
        self._extreme_pct = gates.liquidity.extreme_spread_pct - TOLERANCE
        self._lag_ms = gates.system.data_lag_threshold_ms + TOLERANCE

    def classify(self, facts: Facts) -> Codes:
        """All six codes."""
        return Codes(
            self._option(facts),
            self._delta(facts.deviation_shares),
            self._market(facts),
            self._liquidity(facts.spread_pct),
            self._execution(facts),
            self._system(facts),
        )

    def _option(self, facts: Facts) -> OptionCode:
        if not facts.holds_options:
            return OptionCode.NONE
        bend = facts.gamma
        if bend is None or abs(bend) <= TOLERANCE:
            # No gamma to look at (greeks bad, or all expired): contracts are there, so the code is not NONE.
            bend = facts.quantity_sum
        return OptionCode.SHORT_GAMMA if bend < 0 else OptionCode.LONG_GAMMA

    def _delta(self, deviation: float | None) -> DeltaCode:
        if deviation is None or not math.isfinite(deviation):
            return DeltaCode.INVALID
        size = abs(deviation)
        if size >= self._force:
            return DeltaCode.FORCE_HEDGE
        if size >= self._needed:
            return DeltaCode.HEDGE_NEEDED
        return DeltaCode.IN_BAND if size <= self._band else DeltaCode.MINOR

    def _market(self, facts: Facts) -> MarketCode:
        age_ms = facts.tick_age_ms
        if age_ms is not None and (facts.feed_probe_failed or age_ms >= self._stale_ms):
            return MarketCode.STALE
        if facts.gap:
            return MarketCode.GAP
        volatility = facts.volatility_pct
        return MarketCode.QUIET if volatility is not None and volatility < self._quiet_pct else MarketCode.NORMAL

    def _liquidity(self, spread_pct: float | None) -> LiquidityCode:
        if spread_pct is None or spread_pct < 0:
            return LiquidityCode.NO_QUOTE
        if spread_pct >= self._extreme_pct:
            return LiquidityCode.EXTREME
        return LiquidityCode.WIDE if spread_pct >= self._wide_pct else LiquidityCode.NORMAL

    def _execution(self, facts: Facts) -> ExecutionCode:
        if not facts.connected:
            return ExecutionCode.DISCONNECTED
        if facts.broker_error:
            return ExecutionCode.BROKER_ERROR
        if facts.partly_filled:
            return ExecutionCode.PARTIAL
        return ExecutionCode.WORKING if facts.working else ExecutionCode.IDLE

    def _system(self, facts: Facts) -> SystemCode:
        if facts.halted:
            return SystemCode.RISK_HALT
        if facts.holds_options and facts.deviation_shares is None:
            return SystemCode.GREEKS_BAD
        if facts.lag_ms is None or facts.lag_ms > self._lag_ms:
            return SystemCode.DATA_LAG
        return SystemCode.OK
