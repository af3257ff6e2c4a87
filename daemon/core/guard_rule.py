"""What every rule of the guard is given and what it answers: the order's facts, the profile's limits, one result."""

from collections.abc import Callable

import msgspec

from daemon.core.events import Session, Side


class GuardLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the profile allows. Days are calendar days, percentages are percent."""

    trading_hours_only: bool
    session_edge_s: float
    earnings_dates: tuple[str, ...]
    blackout_days_before: int
    blackout_days_after: int
    cooldown_s: float
    max_daily_hedge_count: int
    max_position_shares: float
    max_spread_pct: float
    spread_limit_excluded: bool = False
    """The limit itself is already too wide: it is where the classifier's extreme spread begins."""
    min_price_move_pct: float
    max_daily_loss_usd: float
    max_drawdown_pct: float
    max_orders_per_minute: int
    max_order_value_usd: float
    price_collar_pct: float


class GuardContext(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one intended order. Shares are signed: negative for a sale."""

    ts_us: int
    session: Session | None
    """The session that `ts_us` is in; None while the market is closed."""
    session_date: str | None
    """The exchange's day: of this session, or of the next one while closed."""
    order_shares: float
    order_price: float | None = None
    """What the order would pay: the far touch for a market order, its price for a limit order."""
    own_shares: float
    working_buy_shares: float = 0.0
    working_sell_shares: float = 0.0
    """Remaining shares of own working sales, as a positive number."""
    hedges_today: int
    orders_last_minute: int = 0
    """Orders and changes of orders that left within the last 60 s."""
    halts: tuple[str, ...] = ()
    last_hedge_sent_us: int | None = None
    last_hedge_price: float | None = None
    mid: float | None
    spread_pct: float | None
    day_loss_usd: float | None = None
    """Of the day, negative for a gain; None before the first complete set of marks."""
    drawdown_pct: float | None = None
    waive_cost: bool = False
    """A forced hedge or a remainder: `cooldown` and `min_price_move` are shown, not obeyed."""
    reducing: bool = False
    """The posture is REDUCING and this order is what it allows: the tripped limits are shown, not obeyed."""

    @property
    def side(self) -> Side:
        """Buy or sell, by the sign of the shares."""
        return "SELL" if self.order_shares < 0 else "BUY"


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule measured against which limit. `measured` is None where there is nothing to measure."""

    rule: str
    ok: bool
    measured: float | str | None
    limit: float | str | None
    unit: str
    waived: bool = False


Rule = Callable[[GuardContext, GuardLimits], RuleResult]
