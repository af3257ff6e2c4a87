"""What the profile says, as the kernel wants it; and whether the guard asks as the kernel does."""

from typing import Any

from config.schema import Profile
from daemon.core.day import PEAK_SHARE
from daemon.core.guard import RULES
from daemon.core.instruments import TOLERANCE
from daemon.strategies.gamma_scalper.deciding import guard_limits
from daemon.strategies.gamma_scalper.market import MIN_FILL
from daemon.strategies.gamma_scalper.self_check import OLD_FRACTION
from daemon.strategies.gamma_scalper.watching import Watcher
from daemon.venues.simulated.venue import ACCOUNT_EVERY_US

_KNOWN_RULES = (
    "circuit_breaker",
    "outside_rth",
    "earnings_blackout",
    "cooldown",
    "max_daily_hedge_count",
    "max_position",
    "spread_too_wide",
    "min_price_move",
)
"""The guard's first rules, in the order in which the kernel asks them."""
RULES_AS_KNOWN = tuple(rule.__name__ for rule in RULES[: len(_KNOWN_RULES)]) == _KNOWN_RULES


class Fixed:
    """What the profile says, as the kernel wants it: computed once for a run."""

    def __init__(self, profile: Profile) -> None:
        gates = profile.gates
        watcher = Watcher(profile)
        self.profile = profile
        self.limits = guard_limits(profile)
        self.ages = watcher.pricer.ages
        self.max_age_us = round(profile.greeks.volatility_max_age_s * 1e6)
        self.lag_ms = gates.state.system.data_lag_threshold_ms + TOLERANCE
        self.edge_us = round(self.limits.session_edge_s * 1_000_000)
        state, risk, hedge = gates.state, gates.guard.risk, gates.intent.hedge
        self.values: dict[str, Any] = {
            "account_every_us": ACCOUNT_EVERY_US,
            "probe_us": round(state.market.stale_ts_threshold_ms * 1000),
            "report_us": round(profile.daemon.reconcile_every_s * 1000 * 1000),
            "old_ms": OLD_FRACTION * state.market.stale_ts_threshold_ms,
            "rate": float(profile.greeks.risk_free_rate),
            "gap_pct": watcher.market.gap_pct,
            "outlier_pct": watcher.outlier_pct,
            "bucket_us": watcher.market.bucket_us,
            "window_us": watcher.market.window_us,
            "min_fill_us": MIN_FILL * watcher.market.window_us,
            "band": state.delta.epsilon_band + TOLERANCE,
            "needed": state.delta.threshold_hedge_shares - TOLERANCE,
            "force": state.delta.max_delta_limit - TOLERANCE,
            "quiet": state.market.quiet_volatility_pct - TOLERANCE,
            "high": state.market.high_volatility_pct - TOLERANCE,
            "trend": state.market.trend_efficiency - TOLERANCE,
            "choppy": state.market.choppy_efficiency + TOLERANCE,
            "wide": state.liquidity.wide_spread_pct - TOLERANCE,
            "extreme": state.liquidity.extreme_spread_pct - TOLERANCE,
            "target": float(profile.execution.target_shares),
            "max_loss_usd": risk.max_daily_loss_usd - TOLERANCE,
            "max_drawdown_pct": risk.max_drawdown_pct - TOLERANCE,
            "peak_fall_pct": PEAK_SHARE * risk.max_drawdown_pct,
            "cap": float(hedge.max_hedge_shares_per_order),
            "cooldown_s": float(self.limits.cooldown_s),
            "max_daily": self.limits.max_daily_hedge_count,
            "max_position": float(self.limits.max_position_shares),
            "max_spread": float(self.limits.max_spread_pct),
            "spread_excluded": self.limits.spread_limit_excluded,
            "min_move_pct": float(self.limits.min_price_move_pct),
        }
        self.smallest = float(hedge.min_hedge_shares)
