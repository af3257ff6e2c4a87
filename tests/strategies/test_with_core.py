"""The scalper inside the real core: events in, journal lines and orders out."""

import pytest

from daemon.core.effects import PlaceOrder
from daemon.core.order_life import OrderState
from daemon.strategies.gamma_scalper.looking import in_flight
from state.records import JournalType
from tests.support.scalper import ready
from tests.support.scalper_driver import ScalperDriver


def test_a_capped_force_hedge_and_its_remainder_bring_delta_into_band_without_a_wait() -> None:
    desk = ScalperDriver().connect()
    assert isinstance(desk, ScalperDriver)
    assert desk.orders() == [("SELL", 500)]
    assert (desk.book.strategy.trading, desk.book.strategy.hedge) == ("HEDGING", "WAIT_ACK")
    desk.fill_newest()
    assert [side for side, _ in desk.orders()] == ["SELL", "SELL"]
    assert desk.orders()[1][1] == pytest.approx(desk.net_delta(), abs=0.5)
    desk.fill_newest()
    assert abs(desk.net_delta()) <= 0.5
    desk.tick()
    desk.quote()
    assert (desk.book.strategy.trading, desk.book.strategy.hedge) == ("ARMED", "EXEC_IDLE")
    assert not desk.book.ledger.halts
    moves = [line.status for line in desk.lines if line.type is JournalType.TRANSITION]
    # SENT is answered within the step that placed it: HEDGING is seen before any fill.
    assert [state for state in moves if state in ("NEED_HEDGE", "HEDGING", "ARMED")] == [
        "NEED_HEDGE",
        "HEDGING",
        "NEED_HEDGE",
        "HEDGING",
        "ARMED",
    ]


def test_the_next_hedge_waits_and_the_refusal_is_counted() -> None:
    desk = ScalperDriver().connect()
    assert isinstance(desk, ScalperDriver)
    desk.fill_newest()
    desk.fill_newest()
    desk.tick()
    desk.quote(71.99, 72.01)
    desk.tick()
    desk.quote(71.98, 72.0)
    assert len(desk.orders()) == 2
    assert desk.book.ledger.refused_today == {"cooldown": 1}
    assert desk.book.strategy.trading == "PAUSE_COST"
    desk.tick(60)
    desk.quote(71.98, 72.0)
    assert len(desk.orders()) == 3


def test_a_rejected_hedge_backs_off_and_never_halts_the_machines() -> None:
    desk = ScalperDriver().connect()
    assert isinstance(desk, ScalperDriver)
    desk.status(desk.of(PlaceOrder)[-1].order_ref, "rejected", "no shares to borrow")
    desk.tick()
    desk.quote()
    assert len(desk.orders()) == 1
    assert desk.book.strategy.refused == "reject_backoff"
    desk.tick(5)
    desk.quote()
    assert len(desk.orders()) == 2
    assert not desk.book.ledger.halts


def test_a_lost_link_and_its_return_keep_following_the_same_order() -> None:
    desk = ScalperDriver().connect()
    assert isinstance(desk, ScalperDriver)
    order = desk.of(PlaceOrder)[-1]
    desk.status(order.order_ref, "working")
    desk.link("DOWN")
    assert desk.book.strategy.trading == "SAFE"
    desk.link("UP_UNSYNCED")
    assert desk.book.strategy.trading == "SYNC"
    working = desk.order_report(order.order_ref, order.side, order.quantity, "working")
    desk.report(connection=2, open_orders=(working,))
    desk.link()
    desk.quote()
    assert desk.book.strategy.trading == "HEDGING"
    assert desk.book.strategy.hedge == "WORKING"
    assert len(desk.orders()) == 1
    assert not desk.book.ledger.halts


def test_what_is_in_flight_is_remembered_only_while_the_orders_are_the_very_same() -> None:
    desk = ready()
    looker = desk.strategy._looker
    for number, state, more in (
        (1, OrderState.WORKING, {}),
        (1, OrderState.PARTIAL, {"filled": 20.0}),
        (2, OrderState.WORKING, {"side": "BUY"}),
        (1, OrderState.FILLED, {"filled": 50.0}),
        (2, OrderState.CANCELLED, {"side": "BUY"}),
    ):
        desk.order(state, number=number, **more)
        for _ in range(2):
            look = looker.look(desk.state, desk.book)
            assert (look.working, look.working_buy_shares, look.working_sell_shares) == in_flight(desk.book)
