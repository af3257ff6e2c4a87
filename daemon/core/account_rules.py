"""The guard's rules that protect the account: losses, and the rate, value and price of orders.

No forced hedge and no remainder skips one of them. REDUCING waives the two losses, because they are what put the desk
there (`core.posture`). A flatten's closing orders are not judged here at all: the operator wants out.
"""

from daemon.core.guard_rule import GuardContext, GuardLimits, RuleResult
from daemon.core.instruments import TOLERANCE
from daemon.core.price_collar import concession_pct, within_collar


def is_breached(measured: float | None, limit: float) -> bool:
    """Whether a loss has reached its limit; exactly at it counts. What cannot be measured is not breached."""
    return measured is not None and measured >= limit - TOLERANCE


def daily_loss(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """The day's loss; at the limit it refuses at once, and after five seconds there `core.day` halts."""
    return _loss("daily_loss", context.day_loss_usd, limits.max_daily_loss_usd, "usd", context)


def drawdown(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """The fall from the highest equity, likewise."""
    return _loss("drawdown", context.drawdown_pct, limits.max_drawdown_pct, "pct", context)


def _loss(rule: str, measured: float | None, limit: float, unit: str, context: GuardContext) -> RuleResult:
    breached = is_breached(measured, limit)
    return RuleResult(
        rule=rule,
        ok=not breached or context.reducing,
        measured=measured,
        limit=limit,
        unit=unit,
        waived=breached and context.reducing,
    )


def order_rate(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Counts what has left within 60 s, changes of orders included; with a limit of 20 the 21st is refused."""
    return RuleResult(
        rule="order_rate",
        ok=context.orders_last_minute < limits.max_orders_per_minute,
        measured=context.orders_last_minute,
        limit=limits.max_orders_per_minute,
        unit="orders_per_minute",
    )


def order_value(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Shares times the price that they would pay. An order without a price has no known value, and is refused."""
    price = context.order_price
    value = None if price is None else abs(context.order_shares) * price
    return RuleResult(
        rule="order_value",
        ok=value is not None and value <= limits.max_order_value_usd + TOLERANCE,
        measured=value,
        limit=limits.max_order_value_usd,
        unit="usd",
    )


def price_collar(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """What the order's price gives up against the decision's mid; negative when it is better than the mid."""
    price, mid = context.order_price, context.mid
    if price is None or mid is None or mid <= 0:
        conceded, ok = None, False
    else:
        conceded = concession_pct(context.side, price, mid)
        ok = within_collar(context.side, price, mid, limits.price_collar_pct)
    return RuleResult(rule="price_collar", ok=ok, measured=conceded, limit=limits.price_collar_pct, unit="pct")
