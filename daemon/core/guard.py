"""The last look before an order: an ordered list of named rules, each with its measured value and its limit.

Contract: every rule is evaluated on every call, so that a refusal shows all numbers, not only the first bad one.
The verdict names the first rule that refuses. A rule may be *waived* (a forced hedge, or the remainder of a capped
or partly filled one, skips `cooldown` and `min_price_move`); a waived rule still shows its numbers. Rules that
protect the account are never waived. Comparisons allow `TOLERANCE` (1e-9) in favour of "exactly at the limit":

| rule | passes when |
|---|---|
| circuit_breaker | no halt stands |
| outside_rth | open + edge <= now < close - edge |
| earnings_blackout | today is not within [date - before, date + after], in exchange calendar days |
| cooldown | seconds since the last hedge was sent >= limit |
| max_daily_hedge_count | hedges sent today < limit |
| max_position | worst case of own + working + new <= limit, or it lowers own shares |
| spread_too_wide | spread <= limit (< when the limit is the classifier's extreme spread) |
| min_price_move | move since the last hedge's average price >= limit |

A new rule is a function of (context, limits) added to `RULES`.
"""

from collections.abc import Callable
from datetime import date

import msgspec

from daemon.core.events import Session
from daemon.core.instruments import TOLERANCE

US_PER_S = 1_000_000


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


class GuardContext(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one intended order. Shares are signed: negative for a sale."""

    ts_us: int
    session: Session | None
    """The session that `ts_us` is in; None while the market is closed."""
    session_date: str | None
    """The exchange's day: of this session, or of the next one while closed."""
    order_shares: float
    own_shares: float
    working_buy_shares: float = 0.0
    working_sell_shares: float = 0.0
    """Remaining shares of own working sales, as a positive number."""
    hedges_today: int
    halts: tuple[str, ...] = ()
    last_hedge_sent_us: int | None = None
    last_hedge_price: float | None = None
    mid: float | None
    spread_pct: float | None
    waive_cost: bool = False
    """A forced hedge or a remainder: `cooldown` and `min_price_move` are shown, not obeyed."""


class RuleResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule measured against which limit. `measured` is None where there is nothing to measure."""

    rule: str
    ok: bool
    measured: float | str | None
    limit: float | str | None
    unit: str
    waived: bool = False


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the order may leave; `rule` is the first refusing one, None when ok."""

    ok: bool
    rule: str | None
    results: tuple[RuleResult, ...]

    def data(self) -> dict[str, dict[str, float | str | bool | None]]:
        """For the journal: rule -> {ok, measured, limit, unit, waived}."""
        return {
            r.rule: {"ok": r.ok, "measured": r.measured, "limit": r.limit, "unit": r.unit, "waived": r.waived}
            for r in self.results
        }


Rule = Callable[[GuardContext, GuardLimits], RuleResult]


def circuit_breaker(context: GuardContext, limits: GuardLimits) -> RuleResult:  # noqa: ARG001 -- one shape for all
    """No halt may stand."""
    return RuleResult(
        rule="circuit_breaker",
        ok=not context.halts,
        measured=", ".join(context.halts) if context.halts else 0.0,
        limit=0.0,
        unit="halts",
    )


def outside_rth(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Measures the seconds to the nearer edge of the session: none while the market is closed."""
    session = context.session
    measured = None
    inside = False
    if session is not None:
        edge_us = round(limits.session_edge_s * US_PER_S)
        inside = session.open_us + edge_us <= context.ts_us < session.close_us - edge_us
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


def cooldown(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Runs from the moment the last hedge was sent; the first hedge of a ledger waits for nothing."""
    elapsed_s = None
    if context.last_hedge_sent_us is not None:
        elapsed_s = (context.ts_us - context.last_hedge_sent_us) / US_PER_S
    passed = elapsed_s is None or elapsed_s >= limits.cooldown_s - TOLERANCE
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
    worst = abs(context.own_shares + working + context.order_shares)
    lowers = worst < abs(context.own_shares) - TOLERANCE
    return RuleResult(
        rule="max_position",
        ok=worst <= limits.max_position_shares + TOLERANCE or lowers,
        measured=worst,
        limit=limits.max_position_shares,
        unit="shares",
    )


def spread_too_wide(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """Without a two-sided quote there is no spread, and no order."""
    spread = context.spread_pct
    if spread is None:
        ok = False
    elif limits.spread_limit_excluded:
        ok = spread < limits.max_spread_pct - TOLERANCE
    else:
        ok = spread <= limits.max_spread_pct + TOLERANCE
    return RuleResult(rule="spread_too_wide", ok=ok, measured=spread, limit=limits.max_spread_pct, unit="pct")


def min_price_move(context: GuardContext, limits: GuardLimits) -> RuleResult:
    """The cost gate: |mid / average price of the last hedge - 1|. Without an anchor there is nothing to wait for."""
    move_pct = None
    anchor = context.last_hedge_price
    if anchor is not None and anchor > 0 and context.mid is not None:
        move_pct = abs(context.mid - anchor) / anchor * 100
    moved = True if anchor is None else move_pct is not None and move_pct >= limits.min_price_move_pct - TOLERANCE
    return RuleResult(
        rule="min_price_move",
        ok=moved or context.waive_cost,
        measured=move_pct,
        limit=limits.min_price_move_pct,
        unit="pct",
        waived=context.waive_cost and not moved,
    )


RULES: tuple[Rule, ...] = (
    circuit_breaker,
    outside_rth,
    earnings_blackout,
    cooldown,
    max_daily_hedge_count,
    max_position,
    spread_too_wide,
    min_price_move,
)
"""In the order in which a refusal is named."""


class ExecutionGuard:
    """The rules with their limits. Pure: the same context gives the same verdict."""

    def __init__(self, limits: GuardLimits, rules: tuple[Rule, ...] = RULES) -> None:
        self.limits = limits
        self.rules = rules

    def evaluate(self, context: GuardContext) -> Verdict:
        """Measure every rule; the verdict names the first that refuses."""
        limits = self.limits
        results = tuple([rule(context, limits) for rule in self.rules])
        for result in results:
            if not result.ok:
                return Verdict(ok=False, rule=result.rule, results=results)
        return Verdict(ok=True, rule=None, results=results)
