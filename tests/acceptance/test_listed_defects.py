"""The sixteen defects that engines of this kind have shipped (requirements), each as a test of the real core."""

import ast
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.core import step
from daemon.core.book import ControlState
from daemon.core.day import mark
from daemon.core.effects import CancelOrder, Exit, PlaceOrder
from daemon.core.events import ControlFile, Sessions, TimerFired
from daemon.core.order_life import OrderState
from daemon.core.presentation import present
from daemon.core.recovery import recover
from daemon.core.self_check import self_check
from daemon.core.turn import Turn
from daemon.strategies.gamma_scalper import strategy as scalper_module
from daemon.venues.exchange_hours import sessions_from
from state.control import ControlRead
from state.light import Light, light
from state.records import JournalType
from tests.support.core_driver import Driver
from tests.support.desk_files import NOON_US, make_snapshot
from tests.support.scalper import NOON, Desk, S, ready
from tests.support.scalper_driver import ScalperDriver, tuned

PAUSE = ControlState(pause=ControlFile(name="pause", since_us=NOON, age_ms=0))


def needing(deviation: float, **overrides: Any) -> Desk:
    """A calm desk whose net delta has just moved this far from its target."""
    desk = ready(**overrides)
    desk.own_to(deviation)
    return desk


def light_of(desk: Desk, *, age_ms: float = 0.0) -> Light:
    """The light that an operator sees of this desk, at this age of its snapshot."""
    desk.put(strategy=desk.state, synced_once=True)
    turn = Turn(desk.profile, desk.strategy, desk.book)
    mark(turn, desk.state)
    verdict = self_check(desk.profile, desk.strategy, turn.book)
    return light(make_snapshot(self_check=verdict), ControlRead(), NOON_US + round(age_ms * 1000))


def test_the_yardstick_itself_a_calm_desk_is_green() -> None:
    assert light_of(ready()).state == "green"
    assert light_of(ready(), age_ms=3000).state == "green"


# 1. The light is green in SAFE, in PAUSE_LIQ, or on a snapshot that is minutes old.
def test_defect_01_the_light_is_not_green_in_safe_in_pause_liq_or_on_an_old_snapshot() -> None:
    safe = ready()
    safe.put(unexplained=("TWX",))
    safe.decide()
    assert safe.state.trading == "SAFE"
    assert light_of(safe).state == "red"
    for spread, overrides in ((0.36, {}), (0.2, {"gates__guard__risk__price_collar_pct": 0.1})):
        illiquid = ready(**overrides)
        illiquid.own_to(60.0)
        illiquid.quote(70.0, spread=spread)
        illiquid.decide()
        assert illiquid.state.trading == "PAUSE_LIQ"
        assert light_of(illiquid).state == ("red" if spread == 0.36 else "yellow")
    for minutes in (0.06, 1, 10):
        assert light_of(ready(), age_ms=minutes * 60_000).state == "not_live"


# 2. Stale data shown as yellow although nothing would be hedged.
def test_defect_02_stale_data_is_red_because_nothing_would_be_hedged() -> None:
    desk = needing(60.0)
    desk.clock(5.0)
    assert desk.decide().wish is None
    assert desk.state.codes.m == 5
    verdict = light_of(desk)
    assert verdict.state == "red"
    assert "stale" in [reason.code for reason in verdict.reasons]


# 3. The daily-loss breaker is defined but never fed.
def test_defect_03_the_daily_loss_breaker_is_fed_by_fills_and_quotes_and_stops_hedging() -> None:
    desk = ScalperDriver(own=tuned(gates__guard__risk__max_daily_loss_usd=500.0))
    desk.connect()
    while desk.book.in_flight():
        desk.fill_newest(69.0)
    for _ in range(7):
        desk.tick()
        desk.quote()
    assert desk.codes() == ["daily_loss"]
    sent = len(desk.orders())
    for price in range(71, 95):
        desk.tick(60)
        desk.quote(price - 0.01, price + 0.01)
    assert len(desk.orders()) == sent


# 4. Daily counters never roll over, and are lost on restart.
def test_defect_04_daily_counters_roll_over_and_survive_a_restart() -> None:
    desk = ScalperDriver()
    desk.connect()
    desk.settle()
    desk.tick()
    desk.quote(71.99, 72.01)
    before = desk.book.ledger
    assert before.hedges_today == 2
    assert before.refused_today == {"cooldown": 1}
    later = ScalperDriver(recovered=recover(desk.lines), run_id="later")
    assert (later.book.ledger.hedges_today, later.book.ledger.refused_today) == (2, {"cooldown": 1})
    later.now_us = desk.now_us + 86_400 * S
    later.executions, later.positions = list(desk.executions), dict(desk.positions)
    later.connect()
    assert later.book.ledger.day != before.day
    assert later.book.ledger.hedges_today <= 1  # whatever this morning's first quote brought
    assert later.book.ledger.refused_today == {}


# 5. "fill" journaled at placement with the spot price and full quantity.
def test_defect_05_a_fill_is_journaled_from_its_execution_alone() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 100)
    driver.status(ref, "working")
    driver.status(ref, "filled")  # the venue's word alone is no execution either
    fills = (JournalType.FILL, JournalType.PARTIAL_FILL)
    assert not set(fills) & set(driver.types())
    assert driver.book.ledger.own_shares == 0
    driver.feed(driver.execution(ref, "SELL", 30, 69.87))
    [line] = [line for line in driver.lines if line.type in fills]
    assert (line.type, line.quantity, line.price) == (JournalType.PARTIAL_FILL, 30, 69.87)
    assert driver.book.ledger.own_shares == -30


# 6. Flatten only logged.
def test_defect_06_a_flatten_closes_own_shares_and_is_verified_before_it_says_so() -> None:
    driver = Driver().connect()
    driver.fill(driver.order("BUY", 100), "BUY", 100, 70.0)
    driver.control(driver.command("flatten"))
    driver.report("flatten")
    closing = driver.of(PlaceOrder)[-1]
    assert (closing.closing, closing.side, closing.quantity) == (True, "SELL", 100)
    assert JournalType.FLATTEN_VERIFIED not in driver.types()
    driver.fill(closing.order_ref, "SELL", 100, 69.99)
    driver.feed(TimerFired(ts_us=driver.now_us, key="flatten_retry"))
    driver.report("flatten")
    assert JournalType.FLATTEN_VERIFIED not in driver.types()  # one read is not enough
    driver.report("flatten")
    assert JournalType.FLATTEN_VERIFIED in driver.types()
    assert driver.book.ledger.own_shares == 0


# 7. SAFE has no way out.
@pytest.mark.parametrize(
    ("trouble", "mended"),
    [
        ({"feed_probe_failed": True}, {"feed_probe_failed": False}),
        ({"unexplained": ("TWX",)}, {"unexplained": ()}),
        ({"unknown_orders": ("x",)}, {"unknown_orders": ()}),
    ],
)
def test_defect_07_safe_is_left_as_soon_as_its_cause_has_gone(trouble: dict[str, Any], mended: dict[str, Any]) -> None:
    desk = needing(60.0)
    desk.put(**trouble)
    desk.decide()
    assert desk.state.trading == "SAFE"
    desk.put(**mended)
    assert desk.decide().wish is not None
    assert desk.state.trading == "NEED_HEDGE"


def test_defect_07_a_halt_ends_by_the_operators_reset_and_hedging_goes_on() -> None:
    desk = ScalperDriver(own=tuned(gates__guard__risk__max_daily_loss_usd=500.0))
    desk.connect()
    while desk.book.in_flight():
        desk.fill_newest(69.0)
    for _ in range(7):
        desk.tick()
        desk.quote()
    assert desk.book.strategy.trading == "SAFE"
    for price in range(71, 80):  # long gamma earns it back
        desk.tick(30)
        desk.quote(price - 0.01, price + 0.01)
    sent = len(desk.orders())
    desk.reset()
    desk.report("reset")
    desk.tick()
    desk.quote(78.99, 79.01)
    assert desk.codes() == []
    assert len(desk.orders()) == sent + 1


# 8. Stop leaves working orders.
def test_defect_08_a_stop_leaves_only_when_own_orders_are_confirmed_cancelled() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.status(ref, "working")
    driver.control(driver.command("stop"))
    assert [effect.order_ref for effect in driver.of(CancelOrder)] == [ref]
    assert not driver.of(Exit)
    driver.status(ref, "cancelled", "202")
    assert [effect.code for effect in driver.of(Exit)] == [0]


def test_defect_08_an_unconfirmed_cancel_is_no_quiet_exit() -> None:
    driver = Driver().connect()
    ref = driver.order("SELL", 40)
    driver.control(driver.command("stop"))
    driver.feed(TimerFired(ts_us=driver.now_us, key="stop_timeout"))
    [leave] = driver.of(Exit)
    assert (leave.code, ref in leave.reason) == (6, True)


# 9. The guard's reason is dropped.
def test_defect_09_a_refusal_names_its_rule_with_every_number_and_is_counted_and_said() -> None:
    desk = ScalperDriver(own=tuned(gates__guard__risk__max_daily_hedge_count=0))
    desk.connect()
    line = desk.newest(JournalType.REFUSED)
    assert line.reason == "max_daily_hedge_count"
    assert line.data is not None
    rules = line.data["rules"]
    assert len(rules) == 13
    assert all(rule["unit"] for rule in rules.values())
    assert (rules["max_daily_hedge_count"]["measured"], rules["max_daily_hedge_count"]["limit"]) == (0, 0)
    shown = present(desk.core, desk.book)
    assert shown["counters"]["refused_today"] == {"max_daily_hedge_count": 1}
    assert "number of hedges" in shown["strategy"]["words"]


# 10. Trading hours by clock only: no weekend, holiday, half day.
@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        (datetime(2014, 6, 5, 15, 0, tzinfo=UTC), True),  # a Thursday, 11:00 in New York
        (datetime(2014, 6, 7, 15, 0, tzinfo=UTC), False),  # Saturday
        (datetime(2014, 7, 4, 15, 0, tzinfo=UTC), False),  # Independence Day
        (datetime(2014, 7, 3, 16, 58, tzinfo=UTC), True),  # a half day, before it closes at 13:00
        (datetime(2014, 7, 3, 17, 0, tzinfo=UTC), False),
        (datetime(2014, 7, 3, 18, 0, tzinfo=UTC), False),
        (datetime(2014, 3, 10, 13, 35, tzinfo=UTC), True),  # the Monday after the clocks went forward: 9:35
    ],
)
def test_defect_10_hours_know_weekends_holidays_half_days_and_summer_time(moment: datetime, open_: bool) -> None:
    now_us = round(moment.timestamp()) * S
    desk = Desk(ts_us=now_us)
    desk.put(sessions=sessions_from(now_us, 3))
    desk.on(Sessions(ts_us=now_us, sessions=desk.book.sessions))
    desk.quote(70.0)
    desk.own_to(60.0)
    assert (desk.decide().wish is not None) is open_
    assert desk.state.refused == (None if open_ else "outside_rth")


# 11. `x or default` turns 0 into "missing".
def test_defect_11_a_zero_is_a_number() -> None:
    none_allowed = needing(60.0, gates__guard__risk__max_daily_hedge_count=0)
    assert none_allowed.decide().refused_rule == "max_daily_hedge_count"
    at_once = needing(60.0, gates__intent__hedge__cooldown_seconds=0, gates__intent__hedge__min_price_move_pct=0)
    at_once.put_ledger(last_hedge_sent_us=at_once.book.ts_us, last_hedge_price=70.0)
    assert at_once.decide().wish is not None
    nothing_foreign = ready()
    assert nothing_foreign.book.ledger.foreign_acknowledged == 0.0
    nothing_foreign.own_to(60.0)
    assert nothing_foreign.decide().wish is not None
    driver = Driver().connect()
    shown = present(driver.core, driver.book)
    assert (shown["own_shares"], shown["target_shares"], shown["foreign_shares"]) == (0.0, 0.0, 0.0)
    assert shown["daily_pnl_usd"] == 0.0


def test_defect_11_no_decision_falls_back_with_or_to_a_number() -> None:
    def falls_back(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.BoolOp)
            and isinstance(node.op, ast.Or)
            and isinstance(node.values[-1], ast.Constant)
            and isinstance(node.values[-1].value, int | float)
            and not isinstance(node.values[-1].value, bool)
        )

    assert falls_back(ast.parse("x or 0.5", mode="eval").body)
    folders = (Path(step.__file__).parent, Path(scalper_module.__file__).parent)
    paths = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    assert len(paths) > 30
    assert [path.name for path in paths if any(map(falls_back, ast.walk(ast.parse(path.read_text()))))] == []


# 12. Strategy and classifier disagree at exactly the threshold (`>` against `>=`).
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("deviation", "code"),
    [(10.0, 0), (10.001, 1), (24.999, 1), (25.0, 2), (25.001, 2), (499.999, 2), (500.0, 3), (500.001, 3)],
)
def test_defect_12_classifier_and_strategy_agree_at_exactly_every_threshold(
    sign: int, deviation: float, code: int
) -> None:
    desk = needing(sign * deviation)
    desk.put_ledger(last_hedge_sent_us=desk.book.ts_us)  # in its cooldown: only a forced hedge may leave
    decision = desk.decide()
    assert desk.state.codes.d == code
    assert decision.refused_rule == ("cooldown" if code == 2 else None)
    assert (decision.wish is not None) is (code == 3)


# 13. Clock read inside a decision, so that replay differs from live.
def test_defect_13_the_same_events_decide_the_same_though_every_clock_has_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def day() -> list[Any]:
        desk = ScalperDriver()
        desk.connect()
        desk.settle()
        for number in range(40):
            desk.tick(17)
            desk.quote(70 + 0.3 * ((number * 7) % 11), 70.02 + 0.3 * ((number * 7) % 11))
            desk.settle()
        return [*desk.effects, desk.book]

    first = day()

    def stopped() -> float:
        raise AssertionError("a clock was read inside a decision")

    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"):
        monkeypatch.setattr(time, name, stopped)
    second = day()
    monkeypatch.undo()
    assert len(first) > 20
    assert first == second


# 14. Force hedge blocked by the cost gate.
def test_defect_14_a_forced_hedge_waits_for_neither_cost_gate_nor_cooldown() -> None:
    for deviation, leaves in ((499.0, False), (500.0, True)):
        desk = needing(deviation)
        desk.put_ledger(last_hedge_sent_us=desk.book.ts_us, last_hedge_price=70.0)
        assert (desk.decide().wish is not None) is leaves


# 15. GAP declared but never returned.
def test_defect_15_a_gap_is_classified_and_hedged() -> None:
    desk = ready()
    decision = desk.tick(71.5)  # 2.1 %
    assert desk.state.codes.m == 4
    assert decision.wish is not None


# 16. NEED_HEDGE shown after delta is back in band.
def test_defect_16_need_hedge_ends_with_its_need() -> None:
    desk = needing(60.0)
    assert desk.decide().wish is not None
    assert desk.state.trading == "NEED_HEDGE"
    desk.order(OrderState.BLOCKED)  # it never left, and meanwhile the market came back
    desk.own_to(5.0)
    desk.decide()
    assert desk.state.trading == "ARMED"
    desk.own_to(60.0)
    desk.put(control=PAUSE)
    desk.decide()
    assert desk.state.trading == "NO_TRADE"
    desk.own_to(5.0)
    desk.put(control=ControlState())
    desk.decide()
    assert (desk.state.trading, desk.state.refused) == ("ARMED", None)
