"""Halts latch, are shown, survive a restart, and end only by a reset once their cause measures clear; limits too."""

from collections.abc import Callable

import pytest

from daemon.core import day, halts
from daemon.core.day import BREACH_US
from daemon.core.effects import Alarm, CancelOrder, PlaceOrder, RequestReconcile
from daemon.core.events import AccountReported, BookRequest, TimerFired
from daemon.core.fsm import IllegalTransitionError
from daemon.core.ledger import messages_last_minute
from daemon.core.posture import posture
from daemon.core.presentation import present
from daemon.core.recovery import recover
from daemon.core.strategy import Wish
from state.reasons import REASONS
from state.records import JournalType
from tests.support.core_driver import SECOND, Driver
from tests.support.scalper_driver import tuned


def codes(driver: Driver) -> list[str]:
    return [halt.code for halt in driver.book.ledger.halts]


def reset(driver: Driver) -> None:
    driver.feed(BookRequest(ts_us=driver.now_us, request_id="r", command="reset", by="op", reason="looked", age_ms=1))


def refusal(driver: Driver) -> str:
    """What the newest journal line says against a reset."""
    line = driver.lines[-1]
    assert line.type is JournalType.CONTROL_REFUSED
    assert line.data is not None
    return str(line.data["detail"])


def again(driver: Driver) -> Driver:
    """A new process over the same journal and the same account."""
    later = Driver(recovered=recover(driver.lines), own=driver.core.profile, run_id="later")
    later.now_us = driver.now_us + SECOND
    later.executions, later.positions = list(driver.executions), dict(driver.positions)
    return later.connect()


# --- each halt: how it comes, what still measures, how it clears ------------------------------------------------------
def losing(driver: Driver) -> None:
    driver.feed(AccountReported(ts_us=driver.now_us, values_usd={"NetLiquidation": 100_000.0}))
    driver.fill(driver.order("BUY", 100), "BUY", 100, 70.0)
    for _ in range(7):
        driver.tick()
        driver.quote(68.99, 69.01)


def recovering(driver: Driver) -> None:
    driver.tick()
    driver.quote(69.99, 70.01)


def overfilled(driver: Driver) -> None:
    ref = driver.order("BUY", 10)
    driver.feed(driver.execution(ref, "BUY", 12, 70.0))
    driver.link("DOWN")


def reconnected(driver: Driver) -> None:
    driver.report("connect", connection=2)
    driver.link()
    driver.quote()


def rejected(driver: Driver) -> None:
    for wait_s in (5, 20, 0):
        driver.status(driver.order("BUY", 10), "rejected", "201 no")
        driver.tick(wait_s)


def patient(driver: Driver) -> None:
    driver.tick(60)
    driver.quote()


def open_again(driver: Driver) -> None:
    ref = driver.order("BUY", 10)
    driver.status(ref, "working")
    driver.status(ref, "cancelled", "10349")
    driver.report("unasked_cancel", open_orders=(driver.order_report(ref, "BUY", 10, "working"),))
    assert driver.of(CancelOrder)[-1].order_ref == ref


def cancelled_at_last(driver: Driver) -> None:
    driver.status(driver.of(PlaceOrder)[-1].order_ref, "cancelled", "202")


HALTS: dict[str, tuple[Callable[[Driver], None], str, Callable[[Driver], None]]] = {
    "daily_loss": (losing, "daily_loss still measures 101.00 USD, limit 50.00", recovering),
    "drawdown": (losing, "drawdown still measures 0.10 %, limit 0.05 %", recovering),
    "overfill": (overfilled, "overfill: broker and book are not reconciled yet", reconnected),
    "repeated_rejects": (rejected, "the back-off after 3 rejects runs for another 60 s", patient),
    "reconciliation_mismatch": (open_again, "ended here, but open at the broker: desk.ab12.1", cancelled_at_last),
}


def desk(code: str) -> Driver:
    loss = {"gates__guard__risk__max_daily_loss_usd": 50.0 if code == "daily_loss" else 1e6}
    fall = {"gates__guard__risk__max_drawdown_pct": 0.05 if code == "drawdown" else 99.0}
    return Driver(own=tuned(**loss, **fall)).connect()


@pytest.mark.parametrize("code", HALTS)
def test_a_halt_latches_is_shown_and_ends_by_a_reset_once_its_cause_measures_clear(code: str) -> None:
    cause, numbers, clear = HALTS[code]
    driver = desk(code)
    cause(driver)
    assert codes(driver) == [code]
    assert [line.reason for line in driver.lines if line.type is JournalType.HALT] == [code]
    assert [each.text.partition(":")[0] for each in driver.of(Alarm)] == [f"halted by {code}"]
    shown = present(driver.core, driver.book)
    assert shown["posture"].name == "HALTED"
    assert code in shown["self_check"].block_reasons
    reset(driver)
    assert codes(driver) == [code]
    assert numbers in refusal(driver)
    clear(driver)
    reset(driver)
    assert codes(driver) == []
    assert driver.lines[-1].type is JournalType.RESET
    recovered = recover(driver.lines).ledger
    assert recovered is not None
    assert recovered.halts == ()


@pytest.mark.parametrize("code", HALTS)
def test_a_halt_survives_a_restart_and_no_hedge_leaves(code: str) -> None:
    driver = desk(code)
    HALTS[code][0](driver)
    later = again(driver)
    assert codes(later) == [code]
    assert later.book.ledger.halts == driver.book.ledger.halts
    with pytest.raises(IndexError):
        later.order("SELL", 1)
    assert REASONS[code].severity == "red"


def test_after_a_reset_the_desk_synchronises_before_anything_leaves() -> None:
    driver = desk("daily_loss")
    losing(driver)
    recovering(driver)
    placed = len(driver.of(PlaceOrder))
    reset(driver)
    assert driver.of(RequestReconcile)[-1].reason == "reset"
    assert not driver.book.reconciled
    driver.order("SELL", 1)
    assert len(driver.of(PlaceOrder)) == placed
    driver.report("reset")
    driver.order("SELL", 1)
    assert len(driver.of(PlaceOrder)) == placed + 1


def test_a_fault_of_the_program_halts_and_the_operators_word_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver().connect()

    def broken(_turn: object) -> None:
        raise IllegalTransitionError("FlattenFSM", "none", "verified")

    with monkeypatch.context() as patched:
        patched.setattr(day, "keep_time", broken)
        driver.tick()
        driver.quote()
    assert codes(driver) == ["illegal_transition"]
    later = again(driver)
    assert codes(later) == ["illegal_transition"]
    reset(later)
    assert codes(later) == []


def test_a_reset_without_a_halt_is_refused() -> None:
    driver = Driver().connect()
    reset(driver)
    assert "no halt stands" in refusal(driver)


def test_a_loss_that_is_not_known_ends_no_halt() -> None:
    driver = desk("daily_loss")
    losing(driver)
    later = Driver(recovered=recover(driver.lines), own=driver.core.profile, run_id="later")
    later.now_us = driver.now_us
    causes = halts.standing_causes(later.core.profile, later.book)
    assert causes == ("daily_loss is not known yet, limit 50.00 USD",)


def test_no_restart_forgives_a_drawdown() -> None:
    driver = Driver(own=tuned(gates__guard__risk__max_drawdown_pct=0.5)).connect()
    driver.feed(AccountReported(ts_us=driver.now_us, values_usd={"NetLiquidation": 100_000.0}))
    driver.fill(driver.order("BUY", 100), "BUY", 100, 70.0)
    driver.tick()
    driver.quote(71.99, 72.01)  # the peak: 199 USD earned
    written = len(driver.lines)
    driver.tick()
    driver.quote(71.59, 71.61)  # less than a tenth of the limit below it
    assert len(driver.lines) == written
    driver.tick()
    driver.quote(69.99, 70.01)
    assert driver.lines[-1].type is JournalType.LEDGER_CHECKPOINT
    assert driver.book.day.drawdown_pct == pytest.approx(0.2, abs=0.01)
    later = again(driver)  # killed before the next checkpoint of the clock
    assert later.book.ledger.peak_equity_usd == pytest.approx(100_199.0)
    assert later.book.day.drawdown_pct == pytest.approx(0.2, abs=0.01)
    written = len(driver.lines)
    driver.tick()
    driver.quote(69.89, 69.91)
    assert len(driver.lines) == written  # once for each peak


@pytest.mark.parametrize(("seconds", "halted"), [(4.999, False), (5.0, True), (5.001, True)])
def test_a_loss_needs_five_seconds_without_a_break(seconds: float, halted: bool) -> None:
    driver = desk("daily_loss")
    driver.fill(driver.order("BUY", 100), "BUY", 100, 70.0)
    driver.tick()
    driver.quote(68.99, 69.01)
    driver.tick(seconds)
    driver.quote(68.99, 69.01)
    assert codes(driver) == (["daily_loss"] if halted else [])
    assert BREACH_US == 5 * SECOND


def test_each_loss_limit_has_its_own_five_seconds() -> None:
    driver = Driver(own=tuned(gates__guard__risk__max_daily_loss_usd=50.0, gates__guard__risk__max_drawdown_pct=0.2))
    driver.connect()
    driver.feed(AccountReported(ts_us=driver.now_us, values_usd={"NetLiquidation": 100_000.0}))
    driver.fill(driver.order("BUY", 100), "BUY", 100, 70.0)
    for bid, wait_s in ((69.40, 4.0), (67.90, 4.0)):  # 60 USD lost, then 210: past both limits, one of them for 4 s
        driver.tick()
        driver.quote(bid, bid + 0.02)
        driver.tick(wait_s)
        driver.quote(bid, bid + 0.02)
    assert codes(driver) == ["daily_loss"]
    driver.tick(1.0)
    driver.quote(67.90, 67.92)
    assert codes(driver) == ["daily_loss", "drawdown"]


# --- limits and counters over a restart and a day ---------------------------------------------------------------------
def test_the_order_rate_is_counted_over_sixty_seconds_and_over_a_restart() -> None:
    driver = Driver().connect()
    for _ in range(3):
        driver.status(driver.order("BUY", 10), "cancelled")
        driver.report("unasked_cancel")
    assert messages_last_minute(driver.book.ledger, driver.now_us) == 3
    first_us = driver.book.ledger.order_messages_us[0]
    later = again(driver)
    assert later.book.ledger.order_messages_us == driver.book.ledger.order_messages_us
    assert messages_last_minute(later.book.ledger, first_us + 60 * SECOND - 1) == 3
    assert messages_last_minute(later.book.ledger, first_us + 60 * SECOND) == 2
    later.tick(120)
    later.order("SELL", 10)
    assert len(later.book.ledger.order_messages_us) == 1


def test_counters_survive_a_restart_and_roll_with_the_session_date() -> None:
    driver = Driver().connect()
    driver.status(driver.order("BUY", 10), "rejected", "201 no")
    driver.tick(6)
    driver.fill(driver.order("BUY", 10), "BUY", 10, 70.0)
    driver.status(driver.order("BUY", 10), "rejected", "201 no")
    later = again(driver)
    ledger = later.book.ledger
    assert (ledger.hedges_today, ledger.consecutive_rejects) == (3, 1)
    assert ledger.reject_until_us == driver.book.ledger.reject_until_us
    later.tick(86_400)
    later.quote()
    ledger = later.book.ledger
    assert (ledger.day, ledger.hedges_today, ledger.consecutive_rejects) == ("2014-06-06", 0, 0)
    assert (ledger.refused_today, ledger.reject_until_us) == ({}, None)
    assert recover(later.lines).ledger == ledger


def test_a_halt_does_not_roll_with_the_day() -> None:
    driver = desk("repeated_rejects")
    rejected(driver)
    driver.tick(86_400)
    driver.quote()
    assert driver.book.ledger.day == "2014-06-06"
    assert codes(driver) == ["repeated_rejects"]


# --- what a flatten's closing orders obey -----------------------------------------------------------------------------
def test_no_account_limit_and_no_halt_refuses_a_flattens_closing_order() -> None:
    risk = {
        "gates__guard__risk__max_daily_loss_usd": 50.0,
        "gates__guard__risk__max_orders_per_minute": 1,
        "gates__guard__risk__max_order_value_usd": 1.0,
        "gates__guard__risk__price_collar_pct": 0.0,
        "gates__guard__risk__max_daily_hedge_count": 1,
    }
    driver = Driver(own=tuned(**risk)).connect()
    losing(driver)
    assert codes(driver) == ["daily_loss"]
    driver.control(driver.command("flatten"))
    driver.report("flatten")
    order = driver.of(PlaceOrder)[-1]
    assert (order.closing, order.side, order.quantity, order.order_type) == (True, "SELL", 100, "MKT")
    driver.fill(order.order_ref, "SELL", 100, 69.0)
    driver.feed(TimerFired(ts_us=driver.now_us, key="flatten_retry"))
    driver.report("flatten")
    driver.report("flatten")
    assert driver.book.ledger.own_shares == 0
    assert JournalType.FLATTEN_VERIFIED in driver.types()
    assert codes(driver) == ["daily_loss"]
    assert driver.book.ledger.reduce_orders == 0  # a closing order is no reducing hedge


def test_the_posture_is_halted_by_default() -> None:
    driver = desk("daily_loss")
    losing(driver)
    assert posture(driver.book.ledger, driver.core.profile.control).name == "HALTED"


# --- the last seconds of a session ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("left_s", "cancelled"), [(5.001, False), (5.0, True), (0.001, True)])
def test_own_orders_are_cancelled_five_seconds_before_the_close(left_s: float, cancelled: bool) -> None:
    driver = Driver().connect()
    close_us = driver.book.sessions[0].close_us
    driver.now_us = close_us - 120 * SECOND
    ref = driver.order("BUY", 10)
    driver.status(ref, "working")
    driver.now_us = close_us - round(left_s * SECOND)
    driver.quote()
    assert [each.order_ref for each in driver.of(CancelOrder)] == ([ref] if cancelled else [])
    if cancelled:
        driver.status(ref, "cancelled", "202")
        assert not driver.book.in_flight()


# --- the core's own word on a reducing wish ---------------------------------------------------------------------------
def wished(driver: Driver, side: str, *, reducing: bool = True) -> bool:
    """Whether an order left for a wish of 40 shares that claims to be reducing."""
    before = len(driver.of(PlaceOrder))
    driver.strategy.wish = Wish(
        instrument="XYZ",
        side=side,  # type: ignore[arg-type]
        quantity=40,
        state_code="",
        reason="force_hedge",
        decision_mid=70.0,
        reducing=reducing,
    )
    driver.tick()
    driver.quote(68.99, 69.01)
    driver.strategy.wish = None
    return len(driver.of(PlaceOrder)) > before


def test_the_core_verifies_that_a_reducing_order_lowers_net_delta() -> None:
    driver = Driver(own=tuned(gates__guard__risk__max_daily_loss_usd=50.0, control__on_halt="reduce")).connect()
    driver.strategy.delta = 100.0  # with 100 own shares: net delta 200
    losing(driver)
    assert posture(driver.book.ledger, driver.core.profile.control).name == "REDUCING"
    assert not wished(driver, "BUY")
    assert driver.lines[-1].reason == "halted"
    assert not wished(driver, "SELL", reducing=False)
    driver.control(driver.command("pause"))
    assert not wished(driver, "SELL")
    assert driver.lines[-1].reason == "paused"
    driver.control()
    assert wished(driver, "SELL")
    assert driver.book.ledger.reduce_orders == 1
    driver.strategy.delta = None
    driver.status(driver.of(PlaceOrder)[-1].order_ref, "cancelled")
    assert not wished(driver, "SELL")  # what cannot be measured is not lowered


def test_a_reset_gives_the_next_halt_its_whole_count_of_reducing_orders() -> None:
    driver = Driver(own=tuned(gates__guard__risk__max_daily_loss_usd=50.0, control__on_halt="reduce")).connect()
    driver.strategy.delta = 100.0
    losing(driver)
    assert wished(driver, "SELL")
    driver.status(driver.of(PlaceOrder)[-1].order_ref, "cancelled")
    recovering(driver)
    reset(driver)
    driver.report("reset")
    assert (codes(driver), driver.book.ledger.reduce_orders) == ([], 0)


def test_with_freeze_the_core_grants_no_reducing_wish() -> None:
    driver = desk("daily_loss")
    driver.strategy.delta = 100.0
    losing(driver)
    assert not wished(driver, "SELL")


# --- orders that already work -----------------------------------------------------------------------------------------
def working(driver: Driver, side: str, quantity: float) -> str:
    """An own hedge that works at the venue while the day's loss trips its limit."""
    driver.fill(driver.order("BUY", 100), "BUY", 100, 70.0)
    ref = driver.order(side, quantity)
    driver.status(ref, "working")
    for _ in range(7):
        driver.tick()
        driver.quote(68.99, 69.01)
    assert codes(driver) == ["daily_loss"]
    return ref


def cancels(driver: Driver) -> list[str]:
    return [each.order_ref for each in driver.of(CancelOrder)]


def test_a_halt_cancels_a_hedge_that_works_once() -> None:
    driver = desk("daily_loss")
    ref = working(driver, "SELL", 40)
    assert cancels(driver) == [ref]
    driver.tick()
    driver.quote(68.99, 69.01)
    assert cancels(driver) == [ref]
    driver.status(ref, "cancelled", "202")
    assert not driver.book.in_flight()


@pytest.mark.parametrize(
    ("side", "quantity", "delta", "stays"),
    [("SELL", 40, 0.0, True), ("SELL", 250, 0.0, False), ("BUY", 40, 0.0, False), ("SELL", 40, None, False)],
)
def test_reducing_leaves_a_working_hedge_that_lowers_net_delta(
    side: str, quantity: float, delta: float | None, stays: bool
) -> None:
    driver = Driver(own=tuned(gates__guard__risk__max_daily_loss_usd=50.0, control__on_halt="reduce")).connect()
    driver.strategy.delta = delta  # net delta is the 100 own shares
    ref = working(driver, side, quantity)
    assert cancels(driver) == ([] if stays else [ref])


def test_a_halt_cancels_no_closing_order_of_a_flatten() -> None:
    driver = desk("daily_loss")
    driver.fill(driver.order("BUY", 100), "BUY", 100, 70.0)
    driver.control(driver.command("flatten"))
    driver.report("flatten")
    closing = driver.of(PlaceOrder)[-1]
    assert closing.closing
    driver.status(closing.order_ref, "working")
    for _ in range(7):
        driver.tick()
        driver.quote(68.99, 69.01)
    assert codes(driver) == ["daily_loss"]
    assert cancels(driver) == []
