from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.events import Session
from daemon.core.guard import RULES, ExecutionGuard
from daemon.core.guard_rule import GuardContext, GuardLimits, RuleResult

S = 1_000_000
SESSION = Session(date="2014-06-05", open_us=1_000 * S, close_us=10_000 * S)
LIMITS = GuardLimits(
    trading_hours_only=True,
    session_edge_s=60,
    earnings_dates=(),
    blackout_days_before=3,
    blackout_days_after=1,
    cooldown_s=60,
    max_daily_hedge_count=50,
    max_position_shares=2000,
    max_spread_pct=0.5,
    min_price_move_pct=0.2,
    max_daily_loss_usd=5000,
    max_drawdown_pct=6,
    max_orders_per_minute=20,
    max_order_value_usd=1_000_000,
    price_collar_pct=0.5,
)
CONTEXT = GuardContext(
    ts_us=5_000 * S,
    session=SESSION,
    session_date="2014-06-05",
    order_shares=100,
    order_price=100.01,
    own_shares=0,
    hedges_today=0,
    mid=100.0,
    spread_pct=0.02,
)


def judge(limits: dict[str, Any] | None = None, **context: Any) -> tuple[str | None, dict[str, RuleResult]]:
    guard = ExecutionGuard(msgspec.structs.replace(LIMITS, **({} if limits is None else limits)))
    verdict = guard.evaluate(msgspec.structs.replace(CONTEXT, **context))
    assert verdict.ok == (verdict.rule is None)
    return verdict.rule, {result.rule: result for result in verdict.results}


def test_a_calm_order_passes_and_every_rule_shows_its_numbers() -> None:
    rule, results = judge(last_hedge_sent_us=4_000 * S, last_hedge_price=99.0)
    assert rule is None
    assert [r.__name__ for r in RULES] == list(results)
    assert results["cooldown"].measured == 1000
    assert results["max_position"].measured == 100
    assert results["min_price_move"].measured == pytest.approx(1.0101, abs=1e-4)
    assert results["spread_too_wide"].limit == 0.5


def test_the_first_refusing_rule_is_named_and_all_are_measured() -> None:
    rule, results = judge(halts=("overfill",), session=None, hedges_today=50, spread_pct=None)
    assert rule == "circuit_breaker"
    assert {name for name, result in results.items() if not result.ok} == {
        "circuit_breaker",
        "outside_rth",
        "max_daily_hedge_count",
        "spread_too_wide",
    }


@pytest.mark.parametrize(
    ("after_open_s", "before_close_s", "refused"),
    [
        (59.999, None, True),
        (60, None, False),
        (None, 60, True),
        (None, 60.001, False),
        (None, -1, True),
        (-1, None, True),
    ],
)
def test_the_first_and_last_sixty_seconds_are_outside(
    after_open_s: float | None, before_close_s: float | None, refused: bool
) -> None:
    ts_us = (
        SESSION.open_us + round(after_open_s * S)
        if after_open_s is not None
        else SESSION.close_us - round((before_close_s or 0) * S)
    )
    rule, _ = judge(ts_us=ts_us)
    assert rule == ("outside_rth" if refused else None)


def test_a_closed_market_is_outside_unless_the_profile_trades_any_hour() -> None:
    assert judge(session=None)[0] == "outside_rth"
    assert judge({"trading_hours_only": False}, session=None)[0] is None


@pytest.mark.parametrize(
    ("today", "refused"),
    [("2014-06-06", False), ("2014-06-07", True), ("2014-06-10", True), ("2014-06-11", True), ("2014-06-12", False)],
)
def test_the_blackout_runs_from_three_days_before_to_one_after(today: str, refused: bool) -> None:
    rule, results = judge({"earnings_dates": ("2014-06-10", "2014-09-10")}, session_date=today)
    assert rule == ("earnings_blackout" if refused else None)
    assert isinstance(results["earnings_blackout"].measured, int)


def test_an_unknown_day_refuses_only_when_there_are_earnings_to_fear() -> None:
    assert judge({"earnings_dates": ("2014-06-10",)}, session_date=None)[0] == "earnings_blackout"
    assert judge(session_date=None)[0] is None


@pytest.mark.parametrize(("elapsed_s", "refused"), [(59.999, True), (60, False), (61, False)])
def test_the_cooldown_has_passed_at_exactly_its_length(elapsed_s: float, refused: bool) -> None:
    rule, _ = judge(last_hedge_sent_us=CONTEXT.ts_us - round(elapsed_s * S))
    assert rule == ("cooldown" if refused else None)


@pytest.mark.parametrize(
    ("anchor", "mid", "refused"), [(450.0, 450.9, False), (450.0, 450.89, True), (450, 449.1, False)]
)
def test_exactly_a_fifth_of_a_percent_is_a_move(anchor: float, mid: float, refused: bool) -> None:
    rule, _ = judge(last_hedge_price=anchor, mid=mid)
    assert rule == ("min_price_move" if refused else None)


def test_the_first_hedge_of_a_ledger_waits_for_nothing() -> None:
    rule, results = judge()
    assert rule is None
    assert results["cooldown"].measured is None
    assert results["min_price_move"].measured is None


def test_a_forced_hedge_or_remainder_waives_cost_but_no_safety_rule() -> None:
    waiting = {"last_hedge_sent_us": CONTEXT.ts_us, "last_hedge_price": 100.0, "waive_cost": True}
    rule, results = judge(**waiting)
    assert rule is None
    assert results["cooldown"].waived
    assert results["min_price_move"].waived
    assert results["cooldown"].measured == 0
    for name, unsafe in {
        "circuit_breaker": {"halts": ("loss",)},
        "outside_rth": {"session": None},
        "max_daily_hedge_count": {"hedges_today": 50},
        "max_position": {"own_shares": 2000.0},
        "spread_too_wide": {"spread_pct": 0.6},
    }.items():
        assert judge(**{**waiting, **unsafe})[0] == name
    assert judge({"earnings_dates": ("2014-06-05",)}, **waiting)[0] == "earnings_blackout"


@pytest.mark.parametrize(("today", "refused"), [(49, False), (50, True), (51, True)])
def test_the_fifty_first_hedge_is_refused(today: int, refused: bool) -> None:
    assert judge(hedges_today=today)[0] == ("max_daily_hedge_count" if refused else None)


def test_zero_hedges_allowed_is_a_limit_and_not_a_missing_one() -> None:
    assert judge({"max_daily_hedge_count": 0})[0] == "max_daily_hedge_count"
    assert judge({"min_price_move_pct": 0.0, "cooldown_s": 0.0}, last_hedge_price=100.0)[0] is None


@pytest.mark.parametrize(
    ("own", "working_buy", "working_sell", "order", "refused"),
    [
        (1900, 0, 0, 100, False),  # exactly at the limit
        (1900, 0, 0, 101, True),
        (1800, 100, 0, 101, True),  # the working order may fill too
        (1800, 0, 500, 200, False),  # the working sale may not fill
        (2500, 0, 0, -100, False),  # lowering, far above the limit
        (-2500, 0, 0, 100, False),
        (2500, 0, 0, 1, True),
        (100, 0, 0, -3000, True),  # through zero to the other side
        (0, 0, 0, -2000, False),
        (0, 0, 1, -2000, True),
    ],
)
def test_max_position_takes_the_worst_case(
    own: float, working_buy: float, working_sell: float, order: float, refused: bool
) -> None:
    rule, _ = judge(
        own_shares=own, working_buy_shares=working_buy, working_sell_shares=working_sell, order_shares=order
    )
    assert rule == ("max_position" if refused else None)


@given(st.integers(-5000, 5000), st.integers(1, 5000))
def test_lowering_own_shares_is_never_refused(own: int, size: int) -> None:
    order = -min(size, abs(own)) if own > 0 else min(size, abs(own))
    if order != 0:
        assert judge(own_shares=own, order_shares=order)[0] is None


@pytest.mark.parametrize(
    ("spread", "excluded", "refused"), [(0.5, False, False), (0.5, True, True), (0.51, False, True)]
)
def test_a_spread_at_the_limit(spread: float, excluded: bool, refused: bool) -> None:
    assert judge({"spread_limit_excluded": excluded}, spread_pct=spread)[0] == ("spread_too_wide" if refused else None)


def test_the_verdict_goes_into_the_journal_whole() -> None:
    verdict = ExecutionGuard(LIMITS).evaluate(CONTEXT)
    assert msgspec.json.decode(msgspec.json.encode(verdict.data()))["max_position"] == {
        "ok": True,
        "measured": 100,
        "limit": 2000,
        "unit": "shares",
        "waived": False,
    }
