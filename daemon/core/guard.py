"""The last look before an order: an ordered list of named rules, each with its measured value and its limit.

Contract: every rule is evaluated on every call, so that a refusal shows all numbers, not only the first bad one.
The verdict names the first rule that refuses. A rule may be *waived*, and still shows its numbers: a forced hedge, or
the remainder of a capped or partly filled one, skips `cooldown` and `min_price_move`; an order that lowers |net delta|
while the posture is REDUCING skips `circuit_breaker`, `daily_loss` and `drawdown`, which put the desk there. Nothing
skips any other rule. Comparisons allow `TOLERANCE` (1e-9) in favour of "exactly at the limit":

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
| daily_loss | the day's loss < limit, or it is not known yet |
| drawdown | the fall from the highest equity < limit, or it is not known yet |
| order_rate | orders and changes of orders sent in the last 60 s < limit |
| order_value | shares x the price that they would pay <= limit |
| price_collar | that price is worse than the decision's mid by <= limit |

A flatten's closing orders are not judged here: they obey the venue's size steps, its smallest order and the session,
and no limit of the account, so that no tripped limit can keep the operator in a position.

A new rule is a function of (context, limits) added to `RULES`.
"""

import msgspec

from daemon.core.account_rules import daily_loss, drawdown, order_rate, order_value, price_collar
from daemon.core.guard_rule import GuardContext, GuardLimits, Rule, RuleResult
from daemon.core.hedge_rules import (
    circuit_breaker,
    cooldown,
    earnings_blackout,
    max_daily_hedge_count,
    max_position,
    min_price_move,
    outside_rth,
    spread_too_wide,
)


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


RULES: tuple[Rule, ...] = (
    circuit_breaker,
    outside_rth,
    earnings_blackout,
    cooldown,
    max_daily_hedge_count,
    max_position,
    spread_too_wide,
    min_price_move,
    daily_loss,
    drawdown,
    order_rate,
    order_value,
    price_collar,
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
