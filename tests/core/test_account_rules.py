"""The guard's account limits: each at, just below and just above its limit; nothing but a tripped loss is waived."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.guard import RULES, ExecutionGuard
from daemon.core.guard_rule import RuleResult
from daemon.core.price_collar import collared_price, concession_pct, within_collar
from tests.core.test_guard import CONTEXT, LIMITS, judge

EIGHT = [
    "circuit_breaker",
    "outside_rth",
    "earnings_blackout",
    "cooldown",
    "max_daily_hedge_count",
    "max_position",
    "spread_too_wide",
    "min_price_move",
]
FIVE = ["daily_loss", "drawdown", "order_rate", "order_value", "price_collar"]


def test_the_account_limits_follow_the_eight_rules_in_their_order() -> None:
    assert [rule.__name__ for rule in RULES] == EIGHT + FIVE


BOUNDARIES: list[tuple[str, dict[str, Any], bool]] = [
    ("daily_loss", {"day_loss_usd": 4999.99}, True),
    ("daily_loss", {"day_loss_usd": 5000.0}, False),
    ("daily_loss", {"day_loss_usd": 5000.0 - 1e-10}, False),  # within the tolerance it is the limit
    ("daily_loss", {"day_loss_usd": -5000.0}, True),  # a gain
    ("daily_loss", {"day_loss_usd": None}, True),
    ("drawdown", {"drawdown_pct": 5.999}, True),
    ("drawdown", {"drawdown_pct": 6.0}, False),
    ("order_rate", {"orders_last_minute": 19}, True),
    ("order_rate", {"orders_last_minute": 20}, False),
    ("order_value", {"order_shares": 9_999.0, "order_price": 100.0}, True),
    ("order_value", {"order_shares": -10_000.0, "order_price": 100.0}, True),
    ("order_value", {"order_shares": 10_000.0, "order_price": 100.0 + 1e-3}, False),
    ("order_value", {"order_price": None}, False),
    ("price_collar", {"order_price": 100.5}, True),
    ("price_collar", {"order_price": 100.5 + 1e-6}, False),
    ("price_collar", {"order_shares": -100.0, "order_price": 99.5}, True),
    ("price_collar", {"order_shares": -100.0, "order_price": 99.5 - 1e-6}, False),
    ("price_collar", {"order_price": 90.0}, True),  # far better than the mid
    ("price_collar", {"order_price": float("nan")}, False),
]


@pytest.mark.parametrize(("rule", "facts", "passes"), BOUNDARIES)
def test_an_account_limit_at_just_below_and_just_above(rule: str, facts: dict[str, Any], passes: bool) -> None:
    _, results = judge({"max_position_shares": 1e9}, **facts)
    assert results[rule].ok is passes
    assert results[rule].unit
    assert results[rule].limit is not None


def test_a_refusal_carries_every_rules_value_limit_and_unit() -> None:
    rule, results = judge(day_loss_usd=6000.0, drawdown_pct=1.5, orders_last_minute=3)
    assert rule == "daily_loss"
    shown = {name: (results[name].measured, results[name].limit, results[name].unit) for name in FIVE}
    assert shown == {
        "daily_loss": (6000.0, 5000, "usd"),
        "drawdown": (1.5, 6, "pct"),
        "order_rate": (3, 20, "orders_per_minute"),
        "order_value": (pytest.approx(10_001.0), 1_000_000, "usd"),
        "price_collar": (pytest.approx(0.01), 0.5, "pct"),
    }


UNSAFE: dict[str, dict[str, Any]] = {
    "daily_loss": {"day_loss_usd": 5000.0},
    "drawdown": {"drawdown_pct": 6.0},
    "order_rate": {"orders_last_minute": 20},
    "order_value": {"order_shares": 1000.0, "order_price": 5000.0, "mid": 5000.0},
    "price_collar": {"order_price": 101.0},
}


@pytest.mark.parametrize("rule", FIVE)
def test_a_forced_hedge_or_remainder_skips_no_account_limit(rule: str) -> None:
    assert judge(waive_cost=True, **UNSAFE[rule])[0] == rule


@pytest.mark.parametrize("rule", FIVE)
def test_reducing_waives_only_what_put_the_desk_there(rule: str) -> None:
    named, results = judge(reducing=True, halts=("daily_loss",), **UNSAFE[rule])
    if rule in ("daily_loss", "drawdown"):
        assert named is None
        assert results[rule].waived
        assert results[rule].measured is not None
    else:
        assert named == rule
    assert results["circuit_breaker"].waived
    assert results["circuit_breaker"].measured == "daily_loss"


@pytest.mark.parametrize(
    ("rule", "facts"),
    [
        ("outside_rth", {"session": None}),
        ("cooldown", {"last_hedge_sent_us": CONTEXT.ts_us}),
        ("max_daily_hedge_count", {"hedges_today": 50}),
        ("max_position", {"own_shares": 2000.0}),
        ("spread_too_wide", {"spread_pct": 0.6}),
        ("min_price_move", {"last_hedge_price": 100.0}),
    ],
)
def test_reducing_waives_none_of_the_other_rules(rule: str, facts: dict[str, Any]) -> None:
    assert judge(reducing=True, halts=("drawdown",), drawdown_pct=7.0, **facts)[0] == rule


AMOUNTS = st.floats(0, 1e7)


@given(loss=AMOUNTS, fallen=st.floats(0, 100), sent=st.integers(0, 60), shares=st.integers(-5000, 5000))
def test_the_verdict_is_the_first_rule_whose_limit_is_passed(
    loss: float, fallen: float, sent: int, shares: int
) -> None:
    facts = {"day_loss_usd": loss, "drawdown_pct": fallen, "orders_last_minute": sent, "order_shares": float(shares)}
    limits = msgspec.structs.replace(LIMITS, max_position_shares=1e9, max_order_value_usd=200_000.0)
    verdict = ExecutionGuard(limits).evaluate(msgspec.structs.replace(CONTEXT, **facts))
    broken = [
        name
        for name, is_broken in (
            ("daily_loss", loss >= 5000 - 1e-9),
            ("drawdown", fallen >= 6 - 1e-9),
            ("order_rate", sent >= 20),
            ("order_value", abs(shares) * 100.01 > 200_000 + 1e-9),
        )
        if is_broken
    ]
    assert verdict.rule == (broken[0] if broken else None)
    failed: list[RuleResult] = [each for each in verdict.results if not each.ok]
    assert [each.rule for each in failed] == broken


@given(
    side=st.sampled_from(["BUY", "SELL"]),
    mid=st.floats(1.0, 5000.0),
    collar=st.floats(0.0, 20.0),
    tick=st.sampled_from([0.01, 0.05, 0.0001]),
)
def test_the_worst_allowed_price_is_within_the_collar_and_one_tick_further_is_not(
    side: Any, mid: float, collar: float, tick: float
) -> None:
    worst = collared_price(side, mid, collar, tick)
    further = worst + 1.01 * tick if side == "BUY" else worst - 1.01 * tick
    assert within_collar(side, worst, mid, collar + 1e-6)
    assert not within_collar(side, further, mid, collar)
    assert abs(worst / tick - round(worst / tick)) < 1e-6


# --- the eight, at their edges, for any numbers -----------------------------------------------------------------------
DAYS = st.dates(date(2014, 1, 1), date(2014, 12, 31))


@given(today=DAYS, earnings=st.lists(DAYS, min_size=1, max_size=4), before=st.integers(0, 5), after=st.integers(0, 5))
def test_the_blackout_is_the_set_of_days_around_each_date(
    today: date, earnings: list[date], before: int, after: int
) -> None:
    limits = {
        "earnings_dates": tuple(day.isoformat() for day in earnings),
        "blackout_days_before": before,
        "blackout_days_after": after,
    }
    dark = {day + timedelta(days=offset) for day in earnings for offset in range(-before, after + 1)}
    assert (judge(limits, session_date=today.isoformat())[0] == "earnings_blackout") is (today in dark)


@given(waited_us=st.integers(0, 200_000_000), limit_s=st.sampled_from([0.0, 0.5, 60.0]))
def test_the_cooldown_has_passed_from_its_last_microsecond_on(waited_us: int, limit_s: float) -> None:
    rule, results = judge({"cooldown_s": limit_s}, last_hedge_sent_us=CONTEXT.ts_us - waited_us)
    assert (rule == "cooldown") is (waited_us < limit_s * 1_000_000)
    assert results["cooldown"].measured == waited_us / 1_000_000


@given(
    own=st.integers(-6000, 6000),
    order=st.integers(-3000, 3000),
    buying=st.integers(0, 500),
    selling=st.integers(0, 500),
)
def test_max_position_counts_the_worst_case_and_never_refuses_what_lowers_it(
    own: int, order: int, buying: int, selling: int
) -> None:
    if order == 0:
        return
    rule, _ = judge(
        {"max_order_value_usd": 1e9},
        own_shares=float(own),
        order_shares=float(order),
        working_buy_shares=float(buying),
        working_sell_shares=float(selling),
        order_price=100.0,
    )
    worst = abs(own + order + (buying if order > 0 else -selling))
    assert (rule == "max_position") is (worst > 2000 and worst >= abs(own))


def test_a_price_better_than_the_mid_concedes_a_negative_amount() -> None:
    assert concession_pct("BUY", 99.0, 100.0) == pytest.approx(-1.0)
    assert concession_pct("SELL", 101.0, 100.0) == pytest.approx(-1.0)
    assert not within_collar("BUY", -1.0, 100.0, 5.0)
    assert not within_collar("BUY", 100.0, 0.0, 5.0)
