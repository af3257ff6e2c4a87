"""The guard's first eight rules: when, how often, how much and at what cost a hedge may leave."""

from datetime import date

from daemon.core.events import Session
from daemon.core.guard_rule import GuardContext, GuardLimits, RuleResult
from daemon.core.instruments import TOLERANCE

US_PER_S = 1_000_000


def circuit_breaker(context: GuardContext, limits: GuardLimits) -> RuleResult:  # noqa: ARG001 -- one shape for all
    """No halt may stand, unless this is an order that its posture still allows."""
    return RuleResult(
        rule="circuit_breaker",
        ok=not context.halts or context.reducing,
        measured=", ".join(context.halts) if context.halts else 0.0,
        limit=0.0,
        unit="halts",
        waived=bool(context.halts) and context.reducing,
    )


def inside_edges(session: Session, ts_us: int, edge_s: float) -> bool:
    """Whether orders may leave at this time of a session: not in its first and last `edge_s` seconds."""
    edge_us = round(edge_s * US_PER_S)
    return session.open_us + edge_us <= ts_us < session.close_us - edge_us


def outside_rth(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Measures the seconds to the nearer edge of the session: none while the market is closed."""
    session = context.session
    measured = None
    inside = False
    if session is not None:
        inside = inside_edges(session, context.ts_us, limits.session_edge_s)
        measured = min(context.ts_us - session.open_us, session.close_us - context.ts_us) / US_PER_S
    return RuleResult(
        rule="outside_rth",
        ok=inside or not limits.trading_hours_only,
        measured=measured,
        limit=limits.session_edge_s if limits.trading_hours_only else None,
        unit="s",
    )


def earnings_blackout(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Measures the days to the nearest earnings date, negative before it. An unknown day refuses."""
    days: int | None = None
    if context.session_date is not None and limits.earnings_dates:
        today = date.fromisoformat(context.session_date).toordinal()
        distances = [today - date.fromisoformat(text).toordinal() for text in limits.earnings_dates]
        days = min(distances, key=lambda distance: (_outside_blackout(distance, limits), abs(distance)))
    ok = True if not limits.earnings_dates else days is not None and _outside_blackout(days, limits)
    return RuleResult(
        rule="earnings_blackout",
        ok=ok,
        measured=days,
        limit=f"{-limits.blackout_days_before}..{limits.blackout_days_after}" if limits.earnings_dates else None,
        unit="days",
    )


def _outside_blackout(days_after_earnings: int, limits: GuardLimits) -> bool:
    return not -limits.blackout_days_before <= days_after_earnings <= limits.blackout_days_after


# The arithmetic of the rules that can keep a needed hedge waiting for many ticks is functions of plain floats: the
# backtest's fast path compiles them as they stand.


def has_cooled(elapsed_s: float, cooldown_s: float) -> bool:
    """Whether the time since the last hedge was sent is enough."""
    return elapsed_s >= cooldown_s - TOLERANCE


def worst_position(own_shares: float, working_shares: float, order_shares: float) -> float:
    """|own shares| once the own working orders of the order's side, and the order, have filled."""
    return abs(own_shares + working_shares + order_shares)


def fits_position(worst: float, own_shares: float, limit: float) -> bool:
    """Whether that is within the limit, or smaller than what is owned."""
    return worst <= limit + TOLERANCE or worst < abs(own_shares) - TOLERANCE


def fits_spread(spread_pct: float, limit: float, excluded: bool) -> bool:
    """Whether a spread is within its limit; `excluded`: the limit itself is too wide."""
    if excluded:
        return spread_pct < limit - TOLERANCE
    return spread_pct <= limit + TOLERANCE


def price_move_pct(mid: float, anchor: float) -> float:
    """How far a price is from the last hedge's, in percent of that."""
    return abs(mid - anchor) / anchor * 100


def has_moved(move_pct: float, limit: float) -> bool:
    """Whether that is far enough to be worth a hedge's cost."""
    return move_pct >= limit - TOLERANCE


def cooldown(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Runs from the moment the last hedge was sent; the first hedge of a ledger waits for nothing."""
    elapsed_s = None
    if context.last_hedge_sent_us is not None:
        elapsed_s = (context.ts_us - context.last_hedge_sent_us) / US_PER_S
    passed = elapsed_s is None or has_cooled(elapsed_s, limits.cooldown_s)
    return RuleResult(
        rule="cooldown",
        ok=passed or context.waive_cost,
        measured=elapsed_s,
        limit=limits.cooldown_s,
        unit="s",
        waived=context.waive_cost and not passed,
    )


def max_daily_hedge_count(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Counts hedges already sent today; with a limit of 50 the 51st is refused."""
    return RuleResult(
        rule="max_daily_hedge_count",
        ok=context.hedges_today < limits.max_daily_hedge_count,
        measured=context.hedges_today,
        limit=limits.max_daily_hedge_count,
        unit="hedges",
    )


def max_position(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Worst case: every own working order on the new one's side fills, none of the other side's does.

    An order that leaves |own| smaller even then is never refused, also far above the limit.
    """
    working = context.working_buy_shares if context.order_shares > 0 else -context.working_sell_shares
    worst = worst_position(context.own_shares, working, context.order_shares)
    return RuleResult(
        rule="max_position",
        ok=fits_position(worst, context.own_shares, limits.max_position_shares),
        measured=worst,
        limit=limits.max_position_shares,
        unit="shares",
    )


def spread_too_wide(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Without a two-sided quote there is no spread, and no order."""
    spread = context.spread_pct
    ok = spread is not None and fits_spread(spread, limits.max_spread_pct, limits.spread_limit_excluded)
    return RuleResult(rule="spread_too_wide", ok=ok, measured=spread, limit=limits.max_spread_pct, unit="pct")


def min_price_move(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """The cost gate: |mid / average price of the last hedge - 1|. Without an anchor there is nothing to wait for."""
    move_pct = None
    anchor = context.last_hedge_price
    if anchor is not None and anchor > 0 and context.mid is not None:
        move_pct = price_move_pct(context.mid, anchor)
    moved = True if anchor is None else move_pct is not None and has_moved(move_pct, limits.min_price_move_pct)
    return RuleResult(
        rule="min_price_move",
        ok=moved or context.waive_cost,
        measured=move_pct,
        limit=limits.min_price_move_pct,
        unit="pct",
        waived=context.waive_cost and not moved,
    )
