"""Orders that do not go the usual way: changed, held, filled by plan, corrected, halted, limited by displayed size."""

import pytest

from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import (
    ExchangeEvent,
    FillPlan,
    OrderTicket,
    OrderUpdate,
    SimCommission,
    SimExecution,
    SimPosition,
)
from tests.support.scripted_market import ScriptedMarket

FALLING = [(50.0, 50.02), (49.8, 49.82), (49.6, 49.62)]


def ticket(
    order_id: int = 1, side: str = "BUY", *, quantity: float = 100, limit: float | None = None, ref: str = "d.l.1"
) -> OrderTicket:
    return OrderTicket(
        client_id=1,
        order_id=order_id,
        instrument="ABC",
        side="BUY" if side == "BUY" else "SELL",
        quantity=quantity,
        order_type="MKT" if limit is None else "LMT",
        limit_price=limit,
        order_ref=ref,
    )


def opened(*, displayed_size: bool = False) -> SimulatedExchange:
    exchange = SimulatedExchange(ScriptedMarket(FALLING), fill_displayed_size=displayed_size)
    assert exchange.advance() is not None
    return exchange


def fills(events: list[ExchangeEvent]) -> list[tuple[float, float]]:
    return [(event.quantity, event.price) for event in events if isinstance(event, SimExecution)]


def statuses(events: list[ExchangeEvent]) -> list[str]:
    return [event.status for event in events if isinstance(event, OrderUpdate)]


def stepped(exchange: SimulatedExchange) -> list[ExchangeEvent]:
    moved = exchange.advance()
    assert moved is not None
    return moved[1]


def test_a_working_order_takes_another_price_and_quantity_under_its_id() -> None:
    exchange = opened()
    exchange.place(ticket(limit=40.0))
    events = exchange.modify(ticket(limit=41.0, quantity=80))
    assert statuses(events) == ["Submitted"]
    (working,) = exchange.open_orders()
    assert (working.ticket.limit_price, working.ticket.quantity) == (41.0, 80)
    assert fills(exchange.modify(ticket(limit=50.5, quantity=80))) == [(80, 50.02)]
    assert exchange.open_orders() == ()
    assert exchange.position("ABC").quantity == 80


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (ticket(1, limit=41.0), 104),
        (ticket(2, limit=41.0), 103),
        (ticket(9, limit=41.0), 103),
        (ticket(3, "SELL", limit=41.0), 105),
        (ticket(3, limit=41.0, ref="d.l.2"), 105),
        (ticket(3), 105),
        (ticket(3, limit=41.0, quantity=30), 201),
        (ticket(3, limit=41.001), 110),
    ],
)
def test_what_cannot_be_changed_is_refused_and_stays(change: OrderTicket, code: int) -> None:
    exchange = opened()
    exchange.place(ticket(1))
    exchange.place(ticket(2, limit=40.0))
    exchange.cancel(1, 2)
    exchange.place(ticket(3, limit=40.0))
    exchange.fill_now(1, 3, 30)
    before = exchange.save()
    (refused,) = exchange.modify(change)
    assert isinstance(refused, OrderUpdate)
    assert refused.error_code == code
    assert exchange.save() == before


@pytest.mark.parametrize(
    ("rest", "status", "filled"), [("cancel", "Cancelled", 60), ("wait", "Submitted", 60), ("fill", "Filled", 100)]
)
def test_a_plan_fills_in_slices_and_says_what_becomes_of_the_rest(rest: str, status: str, filled: float) -> None:
    exchange = opened()
    plan = FillPlan(slices=(10, 50), rest=rest)  # type: ignore[arg-type]
    events = exchange.place(ticket(), plan)
    assert fills(events)[:2] == [(10, 50.02), (50, 50.02)]
    assert statuses(events)[-1] == status
    assert exchange.position("ABC").quantity == filled
    assert fills(stepped(exchange)) == []


def test_a_plan_may_take_a_step_for_each_slice() -> None:
    exchange = opened()
    plan = FillPlan(slices=(30, 70), per_step=True)
    assert fills(exchange.place(ticket(), plan)) == [(30, 50.02)]
    assert fills(stepped(exchange)) == [(70, 49.82)]
    assert exchange.open_orders() == ()


def test_an_overfill_executes_more_than_was_ordered() -> None:
    exchange = opened()
    events = exchange.place(ticket(quantity=10), FillPlan(extra=2))
    assert fills(events) == [(10, 50.02), (2, 50.02)]
    assert [event.filled for event in events if isinstance(event, OrderUpdate)][-1] == 12
    assert exchange.position("ABC").quantity == 12


def test_a_held_order_waits_inactive_and_then_trades() -> None:
    exchange = opened()
    events = exchange.place(ticket(), FillPlan(why_held="locate", hold_steps=2))
    assert statuses(events) == ["PreSubmitted", "Inactive"]
    assert [update.why_held for update in exchange.open_orders()] == ["locate"]
    assert stepped(exchange) == []
    freed = stepped(exchange)
    assert statuses(freed) == ["Submitted", "Filled"]
    assert fills(freed) == [(100, 49.62)]


def test_an_order_held_for_ever_can_be_cancelled() -> None:
    exchange = opened()
    exchange.place(ticket(), FillPlan(why_held="locate"))
    assert stepped(exchange) == []
    assert statuses(exchange.cancel(1, 1)) == ["Cancelled"]
    assert exchange.open_orders() == ()


def test_a_correction_replaces_an_execution_and_keeps_account_and_commission_right() -> None:
    exchange, straight = opened(), opened()
    (wrong,) = [event for event in exchange.place(ticket(quantity=10)) if isinstance(event, SimExecution)]
    events = exchange.correct(wrong.exec_id, price=50.12, quantity=8)
    right, position, commission = events
    assert isinstance(right, SimExecution)
    assert right.exec_id == wrong.exec_id[:-2] + "02"
    assert (right.quantity, right.price, right.cumulative_quantity) == (8, 50.12, 8)
    assert isinstance(position, SimPosition)
    assert position.quantity == 8
    assert isinstance(commission, SimCommission)
    assert commission.commission_usd == 1.0
    assert exchange.executions() == (right,)
    straight.trade_by_hand("ABC", "BUY", 8)
    paid = straight.account_values()["TotalCashValue"]
    assert isinstance(paid, float)
    assert exchange.account_values()["TotalCashValue"] == pytest.approx(paid - 8 * 0.10)
    assert exchange.correct("unknown") == []


def test_a_halted_instrument_trades_nothing_until_it_goes_on() -> None:
    exchange = opened()
    assert exchange.halt(["ABC"], halted=True) == []
    assert fills(exchange.place(ticket())) == []
    assert fills(stepped(exchange)) == []
    saved = exchange.save()
    assert fills(exchange.halt(["ABC"], halted=False)) == [(100, 49.82)]
    again = opened()
    again.restore(saved)
    assert again.halted == {"ABC"}
    with pytest.raises(ValueError, match="no instrument 'XYZ'"):
        exchange.halt(["XYZ"], halted=True)


def test_with_displayed_size_a_limit_order_gets_what_the_touch_shows_each_step() -> None:
    exchange = opened(displayed_size=True)
    assert fills(exchange.place(ticket(quantity=250, limit=50.02))) == [(100, 50.02)]
    assert fills(stepped(exchange)) == [(100, 50.02)]
    assert fills(stepped(exchange)) == [(50, 50.02)]
    assert fills(exchange.place(ticket(2, quantity=250))) == [(250, 49.62)]  # a market order takes what it needs


def test_a_race_fills_what_is_cancelled_already() -> None:
    exchange = opened()
    exchange.place(ticket(limit=40.0))
    exchange.cancel(1, 1)
    assert fills(exchange.fill_now(1, 1)) == [(100, 40.0)]
    assert [update.status for update in exchange.finished_orders()] == ["Filled"]
    assert exchange.fill_now(1, 1) == []
    assert exchange.fill_now(1, 7) == []


def test_a_plan_outlives_a_restart() -> None:
    exchange, again = opened(), opened()
    exchange.place(ticket(), FillPlan(slices=(30, 20), rest="cancel", per_step=True))
    again.restore(exchange.save())
    assert fills(stepped(again)) == [(20, 49.82)]
    assert statuses(stepped(again)) == ["Cancelled"]
