"""The scalper under the account's limits: what refuses, what REDUCING leaves, what the next hedge would make of it."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.core.effects import PlaceOrder
from daemon.core.ledger import Halt
from daemon.core.order_life import OrderState
from daemon.core.presentation import present
from daemon.core.recovery import recover
from state.control import ControlRead
from state.light import light
from state.records import JournalType, Limit
from tests.support.desk_files import NOON_US, make_snapshot
from tests.support.scalper import CLOSE, OPEN, Desk, S, ready
from tests.support.scalper_driver import ScalperDriver, tuned

RISK = "gates__guard__risk__"


def limits_of(desk: ScalperDriver) -> dict[str, Limit]:
    return {each.name: each for each in present(desk.core, desk.book)["limits"]}


# --- account limits in the verdict ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "value", "rule", "measured", "unit"),
    [
        ("max_order_value_usd", 34_000.0, "order_value", pytest.approx(34_995.0), "usd"),
        ("max_orders_per_minute", 0, "order_rate", 0, "orders_per_minute"),
        ("price_collar_pct", 0.01, "price_collar", pytest.approx(0.0143, rel=0.01), "pct"),
    ],
)
def test_a_forced_hedge_past_an_account_limit_is_refused_with_its_numbers_and_red(
    key: str, value: float, rule: str, measured: Any, unit: str
) -> None:
    desk = ScalperDriver(own=tuned(**{RISK + key: value}))
    desk.connect()
    assert desk.orders() == []
    line = desk.newest(JournalType.REFUSED)
    assert line.reason == rule
    assert line.data is not None
    shown = line.data["rules"][rule]
    assert (shown["ok"], shown["measured"], shown["unit"]) == (False, measured, unit)
    assert "force_hedge_refused" in present(desk.core, desk.book)["self_check"].block_reasons
    assert desk.book.ledger.refused_today == {rule: 1}


def test_the_order_rate_refuses_the_next_hedge_until_the_minute_has_passed() -> None:
    desk = ScalperDriver(own=tuned(**{RISK + "max_orders_per_minute": 1}))
    desk.connect()
    desk.fill_newest()  # 500 of 542: the remainder waits for nothing but a safety limit
    assert len(desk.orders()) == 1
    assert desk.book.strategy.refused == "order_rate"
    sent_us = desk.book.ledger.order_messages_us[0]
    desk.now_us = sent_us + 59_999_999
    desk.quote()
    assert len(desk.orders()) == 1
    desk.now_us = sent_us + 60_000_000
    desk.quote()
    assert len(desk.orders()) == 2


# --- reject back-off --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("waited_us", "sent"), [(4_999_999, 1), (5_000_000, 2), (5_000_001, 2)])
def test_a_forced_hedge_waits_for_the_reject_back_off(waited_us: int, sent: int) -> None:
    desk = ScalperDriver()
    desk.connect()
    desk.status(desk.of(PlaceOrder)[-1].order_ref, "rejected", "201 margin")
    assert desk.book.strategy.codes.d == 3
    desk.now_us += waited_us
    desk.quote()
    assert len(desk.orders()) == sent


def test_a_remainder_waits_for_the_reject_back_off() -> None:
    desk = ScalperDriver()
    desk.connect()
    desk.fill_newest()
    assert desk.book.ledger.remainder
    desk.status(desk.of(PlaceOrder)[-1].order_ref, "rejected", "201 margin")
    desk.tick()
    desk.quote()
    assert desk.book.strategy.refused == "reject_backoff"
    assert len(desk.orders()) == 2


# --- REDUCING ---------------------------------------------------------------------------------------------------------
REDUCE: dict[str, Any] = {
    "control__on_halt": "reduce",
    RISK + "max_daily_loss_usd": 500.0,
    "gates__state__delta__max_delta_limit": 200.0,
}


def halted(*, paid: float, **overrides: Any) -> ScalperDriver:
    """A desk in band whose hedges were filled far from the market, so that the day's loss has tripped its limit."""
    desk = ScalperDriver(own=tuned(**{**REDUCE, **overrides}))
    desk.connect()
    while desk.book.in_flight():
        desk.fill_newest(paid)
    for _ in range(7):
        desk.tick()
        desk.quote()
    assert desk.codes() == ["daily_loss"]
    return desk


def rising(desk: ScalperDriver) -> float:
    """Half a dollar a second up, until an order leaves; the price at which it did."""
    sent, price = len(desk.orders()), 72.0
    while len(desk.orders()) == sent:
        price += 0.5
        assert price < 100, "no order left"
        desk.tick()
        desk.quote(price - 0.01, price + 0.01)
    return price


def test_reducing_lets_a_forced_hedge_leave_and_the_light_stays_red() -> None:
    desk = halted(paid=50.0)
    shown = present(desk.core, desk.book)
    assert shown["posture"].name == "REDUCING"
    assert {"daily_loss", "risk_halt"} <= set(shown["self_check"].block_reasons)
    [risk] = [check.measured for check in shown["self_check"].checks if check.name == "risk"]
    assert risk.startswith("REDUCING: daily_loss: loss ")
    assert risk.endswith("; 0 of 10 reducing orders sent")
    sent = len(desk.orders())
    desk.tick(120)
    desk.quote(72.19, 72.21)
    assert desk.book.strategy.codes.d == 2  # needed, but not forced
    assert (desk.book.strategy.refused, desk.book.strategy.trading) == ("halted", "NO_TRADE")
    assert len(desk.orders()) == sent
    price = rising(desk)
    assert len(desk.orders()) == sent + 1
    intent = desk.newest(JournalType.INTENT)
    assert (intent.side, intent.reason) == ("SELL", "force_hedge")
    assert intent.data is not None
    assert {rule for rule, shown in intent.data["rules"].items() if shown["waived"]} >= {
        "circuit_breaker",
        "daily_loss",
    }
    assert desk.book.ledger.reduce_orders == 1
    assert limits_of(desk)["max_reduce_orders"] == Limit(name="max_reduce_orders", used=1, limit=10)
    desk.fill_newest(price)
    assert abs(desk.net_delta()) < 1
    assert {"daily_loss", "risk_halt"} <= set(present(desk.core, desk.book)["self_check"].block_reasons)


def test_reducing_orders_have_their_own_cap_per_halt_which_survives_a_restart() -> None:
    small = {"gates__intent__hedge__max_hedge_shares_per_order": 100.0, "control__max_reduce_orders": 2}
    desk = halted(paid=69.0, **small)
    desk.tick(120)
    desk.quote(89.99, 90.01)  # too far to believe at once
    desk.tick(5)
    desk.quote(89.99, 90.01)
    desk.fill_newest(90.0)
    desk.fill_newest(90.0)
    assert desk.book.ledger.reduce_orders == 2
    assert not desk.book.in_flight()
    assert desk.net_delta() > 200  # still forced, but the cap is used up
    stands = present(desk.core, desk.book)["posture"]
    assert stands.name == "HALTED"
    assert "2 of 2 reducing orders sent" in stands.reason
    assert (desk.book.strategy.trading, desk.book.strategy.codes.s) == ("SAFE", 3)
    later = ScalperDriver(own=desk.core.profile, recovered=recover(desk.lines), run_id="later")
    assert later.book.ledger.reduce_orders == 2
    desk.reset()  # the long gamma has earned the loss back
    desk.report("reset")
    assert desk.codes() == []
    assert desk.book.ledger.reduce_orders == 0
    assert desk.book.in_flight()  # the forced hedge leaves as any other again


@pytest.mark.parametrize("code", ["overfill", "journal_failed", "reconciliation_mismatch", "illegal_transition"])
def test_beside_a_halt_that_is_no_risk_limit_nothing_is_reduced(code: str) -> None:
    for halts in ((code,), ("daily_loss", code)):
        desk = ready(control__on_halt="reduce")
        desk.put_ledger(halts=tuple(Halt(code=each, since_us=0, detail="") for each in halts))
        desk.own_to(700.0)
        assert desk.decide().wish is None
        assert desk.state.trading == "SAFE"
        assert "force_hedge_refused" in desk.check_reasons()


LOSS = (Halt(code="daily_loss", since_us=0, detail=""),)


@pytest.mark.parametrize(
    ("trouble", "refused"),
    [
        ({"unknown_orders": ("test.L.1",)}, "unknown_outcome"),
        ({"unexplained": ("TWX",)}, "position_unexplained"),
        ({"journal_failed": "disk full"}, "journal_failed"),
        ({"reconciled": False}, "not_reconciled"),
        ({"feed_probe_failed": True}, "stale"),
    ],
)
def test_reducing_lifts_no_embargo_and_no_bad_data(trouble: dict[str, Any], refused: str) -> None:
    desk = ready(control__on_halt="reduce")
    desk.put_ledger(halts=LOSS)
    desk.put(**trouble)
    desk.own_to(700.0)
    decision = desk.decide()
    assert decision.wish is None
    assert desk.state.refused == refused


def test_a_forced_order_that_raises_net_delta_does_not_leave_while_reducing() -> None:
    desk = ready(control__on_halt="reduce", execution__target_shares=600.0)
    desk.put_ledger(halts=LOSS)
    desk.own_to(0.0)  # 600 below its target, so forced; but buying would raise |net delta|
    assert desk.decide().wish is None
    assert desk.state.refused == "halted"
    desk.own_to(1300.0)
    wish = desk.decide().wish
    assert wish is not None
    assert (wish.side, wish.reducing) == ("SELL", True)


def test_a_halt_freezes_by_default() -> None:
    desk = ready()
    desk.put_ledger(halts=LOSS)
    desk.own_to(700.0)
    assert desk.decide().wish is None
    assert (desk.state.refused, desk.state.codes.s) == ("halted", 3)
    assert "reset" in desk.strategy.present(desk.state, desk.book)["words"]


# --- the warning band, one hedge ahead --------------------------------------------------------------------------------
def used(desk: Desk) -> dict[str, Limit]:
    return {each.name: each for each in desk.strategy.limits(desk.state, desk.book)}


def near(desk: Desk) -> list[str]:
    """The names of the limits that turn the light yellow."""
    verdict = light(make_snapshot(limits=tuple(used(desk).values())), ControlRead(), NOON_US)
    detail = str(verdict.reasons[0].detail) if verdict.reasons else ""
    return [part.split()[0] for part in detail.split("; ") if part]


def test_with_no_hedge_needed_nothing_is_projected() -> None:
    desk = ready()
    desk.put_ledger(hedges_today=42)
    assert used(desk)["max_daily_hedge_count"] == Limit(name="max_daily_hedge_count", used=42, projected=42, limit=50)
    assert near(desk) == []


@pytest.mark.parametrize(("sent", "warned"), [(41, False), (42, True), (43, True)])
def test_the_next_hedge_counts_for_the_day_before_it_leaves(sent: int, warned: bool) -> None:
    desk = ready()
    desk.put_ledger(hedges_today=sent, last_hedge_sent_us=desk.book.ts_us)
    desk.own_to(60.0)
    assert desk.decide().refused_rule == "cooldown"
    assert (near(desk) == ["max_daily_hedge_count"]) is warned


def test_the_next_hedge_counts_for_position_rate_and_value_before_it_leaves() -> None:
    risk = {"max_position_shares": 700.0, "max_orders_per_minute": 2, "max_order_value_usd": 5_000.0}
    desk = ready(**{RISK + key: value for key, value in risk.items()})
    now_us = desk.book.ts_us
    desk.put_ledger(order_messages_us=(now_us - S,), last_hedge_sent_us=now_us)
    desk.put_ledger(own_shares=-620.0)
    assert desk.net_delta() < -400  # a hedge is needed, and buying lowers the position
    desk.own_to(0.0)
    assert near(desk) == []
    own = desk.book.ledger.own_shares
    desk.quote(71.0, at_us=now_us + S)  # the straddle gains delta: the hedge sells, and own shares grow
    wanted = round(desk.net_delta())
    assert wanted > 60
    limits = used(desk)
    assert limits["max_position_shares"].used == abs(own)
    assert limits["max_position_shares"].projected == pytest.approx(abs(own - wanted))
    assert (limits["max_orders_per_minute"].used, limits["max_orders_per_minute"].projected) == (1, 2)
    assert limits["max_order_value_usd"].projected == pytest.approx(wanted * 71.0)
    assert near(desk) == ["max_orders_per_minute", "max_order_value_usd"]


def test_a_working_order_counts_for_position_and_value() -> None:
    desk = ready()
    desk.put_ledger(own_shares=-100.0)
    desk.order(OrderState.WORKING, quantity=60)
    limits = used(desk)
    assert (limits["max_position_shares"].used, limits["max_position_shares"].projected) == (100, 160)
    assert limits["max_order_value_usd"].used == pytest.approx(60 * 70.0)
    assert limits["max_daily_hedge_count"].projected == 0


# --- session edges ----------------------------------------------------------------------------------------------------
@given(offset_us=st.integers(0, (CLOSE - OPEN) - 1))
@example(offset_us=60 * S - 1)
@example(offset_us=60 * S)
@example(offset_us=(CLOSE - OPEN) - 60 * S - 1)
@example(offset_us=(CLOSE - OPEN) - 60 * S)
@settings(max_examples=25, deadline=None)
def test_no_hedge_in_the_first_and_last_sixty_seconds(offset_us: int) -> None:
    desk = Desk(ts_us=OPEN + offset_us)
    desk.quote(70.0)
    desk.own_to(60.0)
    allowed = 60 * S <= offset_us < (CLOSE - OPEN) - 60 * S
    assert (desk.decide().wish is not None) is allowed
    if not allowed:
        assert desk.state.refused == "outside_rth"


@pytest.mark.parametrize("rule", ["min_price_move", "cooldown"])
def test_waiting_for_cooldown_or_cost_is_green_and_said_in_words(rule: str) -> None:
    desk = ready()
    now_us = desk.book.ts_us
    desk.put_ledger(last_hedge_sent_us=now_us if rule == "cooldown" else now_us - 100 * S, last_hedge_price=70.0)
    desk.own_to(60.0)
    assert desk.decide().refused_rule == rule
    assert desk.state.trading == "PAUSE_COST"
    assert desk.check_reasons() == set()
    words = desk.strategy.present(desk.state, desk.book)["words"]
    assert "waits for" in words
    assert ("cooldown" in words) is (rule == "cooldown")


def test_a_forced_hedge_that_the_last_look_keeps_here_is_red() -> None:
    desk = ready()
    desk.own_to(700.0)
    assert desk.decide().wish is not None
    desk.order(OrderState.BLOCKED, quantity=500, reason="request queue not empty")
    assert "force_hedge_refused" in desk.check_reasons()
    check = next(each for each in desk.strategy.checks(desk.state, desk.book) if each.name == "force_hedge")
    assert "request queue not empty" in str(check.measured)
