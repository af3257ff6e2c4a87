"""Limit hedges: their price, how it follows the touch, and what an unanswered or refused change of it leaves behind."""

import math

import msgspec
import pytest

from config.schema import Execution, Profile
from daemon.core.book import QuoteState
from daemon.core.effects import CancelOrder, ModifyOrder, PlaceOrder, RequestReconcile, StartTimer
from daemon.core.events import Clock, ModifyBlocked, ModifyRefused, ProbeAnswered, Quote
from daemon.core.limit_price import limit_price
from daemon.core.order_life import OrderState, OwnOrder
from daemon.core.presentation import present
from daemon.core.recovery import recover
from daemon.strategies.gamma_scalper.hedge_fsm import HedgeState, after_look
from state.records import JournalType
from tests.support.core_driver import SECOND, Driver, profile

QUOTE = Quote(ts_us=0, instrument="XYZ", ask=70.01)


def limits(**more: object) -> Profile:
    return profile(execution=Execution(order_type="limit", **more))  # type: ignore[arg-type]


def working(own: Profile | None = None, *, side: str = "BUY", answer: bool = True) -> tuple[Driver, str]:
    """A limit hedge that works at the venue."""
    driver = Driver(own=limits() if own is None else own, answer=answer).connect()
    ref = driver.order(side, 40)
    told(driver, ref, "working")
    return driver, ref


def told(driver: Driver, ref: str, status: str, *, price: float | None = None) -> None:
    order = driver.book.orders[ref]
    at = order.limit_price if price is None else price
    driver.feed(driver.order_report(ref, order.side, order.quantity, status, limit_price=at, order_type="LMT"))


def look(driver: Driver, ref: str, bid: float, ask: float) -> None:
    """The touch moves, and the time to look at the price comes."""
    driver.tick(4)
    driver.quote(bid, ask)
    driver.fire(f"reprice:{ref}", 1)


def order_of(driver: Driver, ref: str) -> OwnOrder:
    return driver.book.orders[ref]


def repriced(own: Profile | None = None) -> tuple[Driver, str]:
    driver, ref = working(own)
    look(driver, ref, 70.05, 70.07)
    return driver, ref


# --- the price -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("side", "offset", "price"),
    [
        ("BUY", 0, 70.01),
        ("SELL", 0, 69.99),
        ("BUY", 2, 70.03),
        ("SELL", 2, 69.97),
        ("BUY", -1, 70.00),
        ("SELL", -1, 70.00),
        ("BUY", 1000, 70.35),
        ("SELL", 1000, 69.65),
    ],
)
def test_the_price_counts_ticks_from_the_far_touch_and_stays_in_the_collar(
    side: str, offset: int, price: float
) -> None:
    quote = QuoteState(bid=69.99, ask=70.01)
    assert limit_price(quote, side, tick=0.01, offset_ticks=offset, collar_pct=0.5) == price  # type: ignore[arg-type]


def test_a_touch_off_the_tick_is_reached_by_the_next_tick_through_it() -> None:
    quote = QuoteState(bid=69.992, ask=70.008)
    assert limit_price(quote, "BUY", tick=0.05, offset_ticks=0, collar_pct=1) == 70.05
    assert limit_price(quote, "SELL", tick=0.05, offset_ticks=0, collar_pct=1) == 69.95


@pytest.mark.parametrize(
    "quote", [QuoteState(bid=69.99), QuoteState(ask=70.01), QuoteState(bid=0.01, ask=0.01)], ids=str
)
def test_without_a_two_sided_quote_or_a_positive_price_there_is_none(quote: QuoteState) -> None:
    assert limit_price(quote, "SELL", tick=0.01, offset_ticks=5, collar_pct=100) is None


def test_a_limit_hedge_is_journaled_and_sent_with_its_price() -> None:
    driver = Driver(own=limits(limit_offset_ticks=1)).connect()
    ref = driver.order("BUY", 40)
    placed = driver.of(PlaceOrder)[-1]
    assert (placed.order_type, placed.limit_price) == ("LMT", 70.02)
    intent = next(line for line in driver.lines if line.type == JournalType.INTENT)
    assert (intent.price, intent.data["order_type"]) == (70.02, "LMT")  # type: ignore[index]
    assert recover(driver.lines).orders[ref].limit_price == 70.02


def test_a_limit_hedge_without_a_price_is_refused() -> None:
    driver = Driver(own=limits()).connect()
    driver.strategy.wish = driver.wish("BUY", 40)
    driver.tick()
    driver.feed(msgspec.structs.replace(QUOTE, ts_us=driver.now_us))
    assert not driver.of(PlaceOrder)
    assert driver.lines[-1].reason == "no_quote"


NO_NUMBERS = [(69.99, math.inf), (69.99, math.nan), (math.nan, 70.01), (-math.inf, math.inf), (math.inf, math.inf)]


@pytest.mark.parametrize("side", ["BUY", "SELL"])
@pytest.mark.parametrize(("bid", "ask"), NO_NUMBERS)
def test_a_limit_hedge_at_a_touch_that_is_no_number_is_refused(side: str, bid: float, ask: float) -> None:
    driver = Driver(own=limits()).connect()
    driver.strategy.wish = driver.wish(side, 40)
    driver.tick()
    driver.quote(bid, ask)
    assert not driver.of(PlaceOrder)
    refused = driver.lines[-1]
    assert (refused.reason, refused.side, refused.quantity) == ("no_quote", side, 40)


@pytest.mark.parametrize(("bid", "ask"), NO_NUMBERS)
def test_a_working_limit_hedge_does_not_follow_a_touch_that_is_no_number(bid: float, ask: float) -> None:
    driver, ref = working()
    look(driver, ref, bid, ask)
    assert not driver.of(ModifyOrder)
    assert order_of(driver, ref).limit_price == 70.01


def test_a_flattens_closing_order_is_a_market_order() -> None:
    driver = Driver(own=limits()).connect()
    driver.fill(driver.order("SELL", 40), "SELL", 40, 70.0)
    driver.control(driver.command("flatten"))
    for reason in ("flatten_orders", "flatten"):
        driver.report(reason)
    closing = driver.of(PlaceOrder)[-1]
    assert closing.closing
    assert (closing.order_type, closing.limit_price) == ("MKT", None)


# --- following the touch ---------------------------------------------------------------------------
def test_the_price_follows_the_touch_and_the_change_is_durable_before_it_leaves() -> None:
    driver, ref = repriced()
    assert driver.of(ModifyOrder) == [ModifyOrder(order_ref=ref, quantity=40, limit_price=70.07)]
    kinds = [type(effect).__name__ + getattr(effect, "type", "") for effect in driver.effects]
    assert kinds.index("Recordmodify_sent") < kinds.index("ModifyOrder")
    assert order_of(driver, ref).limit_price == 70.01
    told(driver, ref, "working", price=70.07)
    assert order_of(driver, ref).limit_price == 70.07
    assert order_of(driver, ref).modification is None
    assert driver.types().count(JournalType.MODIFIED) == 1
    told(driver, ref, "working", price=70.07)
    assert driver.types().count(JournalType.MODIFIED) == 1


def test_a_touch_that_stands_still_changes_nothing_but_is_looked_at_again() -> None:
    driver, ref = working()
    look(driver, ref, 69.99, 70.01)
    assert not driver.of(ModifyOrder)
    assert [timer.key for timer in driver.of(StartTimer)].count(f"reprice:{ref}") == 2


def test_nothing_is_asked_for_twice_while_the_venue_owes_an_answer() -> None:
    driver, ref = repriced()
    look(driver, ref, 70.10, 70.12)
    assert len(driver.of(ModifyOrder)) == 1


def test_after_the_last_change_the_order_is_cancelled_and_the_rest_decided_anew() -> None:
    driver, ref = working(limits(max_reprices=2))
    for cents in (5, 10):
        look(driver, ref, 70 + cents / 100 - 0.02, 70 + cents / 100)
        told(driver, ref, "working", price=70 + cents / 100)
    driver.fill(ref, "BUY", 15, 70.1)
    look(driver, ref, 70.18, 70.20)
    assert len(driver.of(ModifyOrder)) == 2
    assert [cancel.order_ref for cancel in driver.of(CancelOrder)] == [ref]
    driver.status(ref, "cancelled")
    assert order_of(driver, ref).filled == 15
    assert driver.book.ledger.remainder
    assert driver.order("BUY", 25) != ref


def test_a_limit_order_that_rests_too_long_is_given_up() -> None:
    driver, ref = working()
    driver.fire(f"overdue:{ref}", 30)
    assert [cancel.order_ref for cancel in driver.of(CancelOrder)] == [ref]
    assert driver.book.overdue == (ref,)


@pytest.mark.parametrize(
    "why",
    ["paused", "link", "stale", "halted", "delayed", "outlier", "wide", "pause", "probe", "queue", "feed", "unknown"],
)
def test_what_forbids_a_new_order_forbids_a_new_price(why: str) -> None:
    driver, ref = working()
    driver.tick(4)
    driver.quote(70.05, 70.07)
    if why == "paused":
        driver.control(driver.command("pause"))
    elif why == "link":
        driver.link("UPSTREAM_LOST")
    elif why == "stale":
        driver.tick(60)
    elif why == "halted":
        driver.feed(msgspec.structs.replace(QUOTE, ts_us=driver.now_us, bid=70.05, ask=70.07, halted=True))
    elif why == "delayed":
        driver.feed(msgspec.structs.replace(QUOTE, ts_us=driver.now_us, bid=70.05, ask=70.07, delayed=True))
    elif why == "outlier":
        driver.quote(83.99, 84.01)  # a fifth above the mid that the hedge was decided at
    elif why == "wide":
        driver.quote(69.87, 70.23)
    elif why == "pause":
        driver.feed(Clock(ts_us=driver.now_us, loop_lag_ms=4000, stood_still_ms=4000))
        driver.quote(70.05, 70.07)
    elif why == "probe":
        driver.feed(ProbeAnswered(ts_us=driver.now_us, round_trip_ms=None))
    elif why == "queue":
        driver.feed(msgspec.structs.replace(QUOTE, ts_us=driver.now_us, bid=70.05, ask=70.07, queue_delay_ms=1001))
    elif why == "feed":
        driver.book = msgspec.structs.replace(driver.book, feed_probe_failed=True)
    else:
        driver.book = msgspec.structs.replace(driver.book, unknown_orders=("desk.ab12.0",))
    driver.fire(f"reprice:{ref}", 1)
    assert not driver.of(ModifyOrder)


def test_changes_of_price_count_as_order_messages() -> None:
    driver, ref = repriced()
    assert len(driver.book.ledger.order_messages_us) == 2
    told(driver, ref, "working", price=70.07)
    ledger = recover(driver.lines).ledger
    assert ledger is not None
    assert len(ledger.order_messages_us) == 2


# --- refused, unanswered, outlived -----------------------------------------------------------------
@pytest.mark.parametrize(("left_s", "follows"), [(60.001, True), (60.0, False)])
def test_no_change_of_price_leaves_in_the_last_minute_of_a_session(left_s: float, follows: bool) -> None:
    driver = Driver(own=limits()).connect()
    driver.now_us = driver.book.sessions[0].close_us - 120 * SECOND
    ref = driver.order("BUY", 40)
    told(driver, ref, "working")
    driver.now_us = driver.book.sessions[0].close_us - round(left_s * SECOND) - 1_000
    driver.quote(70.05, 70.07)
    driver.fire(f"reprice:{ref}", 0.001)
    assert bool(driver.of(ModifyOrder)) is follows


def test_a_refused_change_leaves_the_order_as_it_was_and_asks_the_venue() -> None:
    driver, ref = repriced()
    driver.feed(ModifyRefused(ts_us=driver.now_us, order_ref=ref, reason="201 price off the tick"))
    order = order_of(driver, ref)
    assert (order.state, order.limit_price, order.modification) == (OrderState.WORKING, 70.01, None)
    assert driver.of(RequestReconcile)[-1].reason == "modify_refused"
    assert driver.lines[-1].type == JournalType.MODIFY_REFUSED
    assert driver.book.ledger.consecutive_rejects == 0


def test_a_change_that_the_last_look_kept_here_leaves_the_order_as_it_was() -> None:
    driver, ref = working(answer=True)
    driver.answer = False
    look(driver, ref, 70.05, 70.07)
    driver.feed(ModifyBlocked(ts_us=driver.now_us, order_ref=ref, reason="paused"))
    assert order_of(driver, ref).modification is None
    assert driver.lines[-1].status == "not_sent"


def test_an_unanswered_change_is_asked_about_and_judged_by_the_venues_list() -> None:
    driver, ref = repriced()
    driver.fire(f"modify:{ref}", 10)
    assert driver.of(RequestReconcile)[-1].reason == "modify_deadline"
    listed = driver.order_report(ref, "BUY", 40, "working", limit_price=70.01)
    driver.report("modify_deadline", open_orders=(listed,))
    assert order_of(driver, ref).modification is None
    refused = next(line for line in driver.lines if line.type == JournalType.MODIFY_REFUSED)
    assert (refused.status, refused.price) == ("not_taken", 70.01)
    assert len(driver.of(ModifyOrder)) == 1


@pytest.mark.parametrize("price", [70.01, 70.07])
def test_a_change_during_an_outage_is_settled_by_the_next_connection_and_never_makes_two_orders(price: float) -> None:
    driver, ref = repriced()
    driver.link("DOWN")
    driver.link("UP_UNSYNCED")
    driver.report(
        "connect", connection=2, open_orders=(driver.order_report(ref, "BUY", 40, "working", limit_price=price),)
    )
    order = order_of(driver, ref)
    assert (order.limit_price, order.modification) == (price, None)
    assert [placed.order_ref for placed in driver.of(PlaceOrder)] == [ref]


def test_a_changed_order_that_no_list_shows_is_out_of_sight_and_nothing_follows_it() -> None:
    driver, ref = repriced()
    driver.link("DOWN")
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2)
    driver.link()
    assert order_of(driver, ref).state is OrderState.UNKNOWN
    driver.strategy.wish = driver.wish("BUY", 40)
    driver.quote(70.1, 70.12)
    assert [placed.order_ref for placed in driver.of(PlaceOrder)] == [ref]


def test_a_fill_ends_a_change_under_way() -> None:
    driver, ref = repriced()
    driver.fill(ref, "BUY", 40, 70.01)
    order = order_of(driver, ref)
    assert (order.state, order.modification) == (OrderState.FILLED, None)
    driver.feed(ModifyRefused(ts_us=driver.now_us, order_ref=ref, reason="104 cannot modify a filled order"))
    assert driver.types().count(JournalType.MODIFY_REFUSED) == 0


def test_the_worst_case_counts_the_larger_quantity_while_a_change_is_out() -> None:
    driver, ref = repriced()
    order = order_of(driver, ref)
    change = order.modification
    assert change is not None
    larger = msgspec.structs.replace(order, modification=msgspec.structs.replace(change, quantity=70.0), filled=10.0)
    smaller = msgspec.structs.replace(order, modification=msgspec.structs.replace(change, quantity=20.0), filled=10.0)
    assert (larger.worst_remaining, smaller.worst_remaining, larger.remaining) == (60.0, 30.0, 30.0)


def test_a_restart_remembers_that_a_change_was_out() -> None:
    driver, ref = repriced()
    found = recover(driver.lines).orders[ref]
    assert found.modification is not None
    assert (found.limit_price, found.modification.limit_price, found.reprices) == (70.01, 70.07, 1)
    second = Driver(recovered=recover(driver.lines), own=limits(), run_id="later")
    second.now_us, second.positions = driver.now_us, dict(driver.positions)
    second.connect_with(second.order_report(ref, "BUY", 40, "working", limit_price=70.07))
    assert (order_of(second, ref).limit_price, order_of(second, ref).modification) == (70.07, None)
    assert [cancel.order_ref for cancel in second.of(CancelOrder)] == [ref]


def test_a_price_that_the_operator_changed_by_hand_is_the_orders_price() -> None:
    driver, ref = working()
    told(driver, ref, "working", price=69.50)
    assert order_of(driver, ref).limit_price == 69.50
    assert driver.lines[-1].type == JournalType.MODIFIED


# --- what the hedge machine shows ------------------------------------------------------------------
def test_the_hedge_machine_shows_a_change_of_price_a_cancel_and_an_order_out_of_sight() -> None:
    driver, ref = repriced()
    hedge = after_look(HedgeState.WORKING, order_of(driver, ref))
    assert hedge is HedgeState.REPRICE
    told(driver, ref, "working", price=70.07)
    hedge = after_look(hedge, order_of(driver, ref))
    assert hedge is HedgeState.WORKING
    driver.fire(f"overdue:{ref}", 30)
    hedge = after_look(hedge, order_of(driver, ref))
    assert hedge is HedgeState.CANCEL
    driver.link("DOWN")
    driver.link("UP_UNSYNCED")
    driver.report("connect", connection=2)
    hedge = after_look(hedge, order_of(driver, ref))
    assert hedge is HedgeState.RECOVER


def test_the_snapshot_shows_the_limit_that_the_venue_has() -> None:
    driver, ref = repriced()
    assert [order.limit_price for order in present(driver.core, driver.book)["working_orders"]] == [70.01]
    told(driver, ref, "working", price=70.07)
    assert [order.limit_price for order in present(driver.core, driver.book)["working_orders"]] == [70.07]
