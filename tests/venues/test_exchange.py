"""The simulated exchange: what fills, what rests, what is refused, and what the account says afterwards."""

import json

import pytest

from daemon.core.events import Side
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import (
    ExchangeEvent,
    OpeningPosition,
    OrderTicket,
    OrderUpdate,
    SimCommission,
    SimExecution,
    SimPosition,
)
from daemon.venues.simulated.saved_book import SavedBookError
from tests.support.scripted_market import CALL, CLOSE_US, DAY_US, OPEN_US, ScriptedMarket


def ticket(
    order_id: int,
    side: Side = "BUY",
    quantity: float = 100,
    *,
    limit: float | None = None,
    instrument: str = "ABC",
    client_id: int = 1,
    tif: str = "DAY",
) -> OrderTicket:
    return OrderTicket(
        client_id=client_id,
        order_id=order_id,
        instrument=instrument,
        side=side,
        quantity=quantity,
        order_type="MKT" if limit is None else "LMT",
        limit_price=limit,
        order_ref=f"demo.x.{order_id}",
        tif=tif,
    )


def opened(market: ScriptedMarket, **options: object) -> SimulatedExchange:
    exchange = SimulatedExchange(market, **options)  # type: ignore[arg-type]
    assert exchange.advance() is not None
    return exchange


def code_of(events: list[ExchangeEvent]) -> int | None:
    assert len(events) == 1
    assert isinstance(events[0], OrderUpdate)
    return events[0].error_code


def fills(events: list[ExchangeEvent]) -> list[tuple[float, float]]:
    return [(event.quantity, event.price) for event in events if isinstance(event, SimExecution)]


def test_a_market_order_fills_at_the_touch_in_a_gateways_order() -> None:
    exchange = opened(ScriptedMarket([(50.0, 50.02)]), cash_usd=10_000.0)
    events = exchange.place(ticket(1))
    assert [type(event) for event in events] == [
        OrderUpdate,
        OrderUpdate,
        SimExecution,
        OrderUpdate,
        SimPosition,
        SimCommission,
    ]
    statuses = [event.status for event in events if isinstance(event, OrderUpdate)]
    assert statuses == ["PreSubmitted", "Submitted", "Filled"]
    assert fills(events) == [(100, 50.02)]
    assert fills(exchange.place(ticket(2, "SELL", 40))) == [(40, 50.0)]
    position = exchange.position("ABC")
    assert position.quantity == 60
    assert position.average_cost == pytest.approx(50.02)
    assert position.realised_usd == pytest.approx(-0.8)
    assert exchange.account_values()["TotalCashValue"] == pytest.approx(10_000 - 5002 - 1 + 2000 - 1)
    assert exchange.account_values()["AccountType"] == "BIFROST-SIMULATOR"


def test_slices_are_executions_of_their_own_and_the_minimum_commission_is_of_the_order() -> None:
    exchange = opened(ScriptedMarket([(50.0, 50.02)]), partial_fill_shares=150.5)
    events = exchange.place(ticket(1, quantity=400))
    executions = [event for event in events if isinstance(event, SimExecution)]
    assert [execution.quantity for execution in executions] == [150, 150, 100]
    assert [execution.cumulative_quantity for execution in executions] == [150, 300, 400]
    assert [execution.exec_id for execution in executions] == [
        "0000e1a7.6b00db08.01.01",
        "0000e1a7.6b00db09.01.01",
        "0000e1a7.6b00db0a.01.01",
    ]
    commissions = [event.commission_usd for event in events if isinstance(event, SimCommission)]
    assert commissions == [1.0, 0.5, 0.5]
    assert [event.status for event in events if isinstance(event, OrderUpdate)][2:] == [
        "Submitted",
        "Submitted",
        "Filled",
    ]


def test_without_a_quote_a_market_order_waits_for_the_next_one() -> None:
    exchange = opened(ScriptedMarket([(50.0, None), (50.0, None), (51.0, 51.02)]))
    assert fills(exchange.place(ticket(1))) == []
    assert [update.status for update in exchange.open_orders()] == ["Submitted"]
    for expected in ([], [(100.0, 51.02)]):
        moved = exchange.advance()
        assert moved is not None
        assert fills(moved[1]) == expected
    assert exchange.open_orders() == ()
    assert exchange.advance() is None


def test_a_limit_order_rests_and_fills_at_its_limit_and_at_the_touch_when_it_crosses_on_arrival() -> None:
    exchange = opened(ScriptedMarket([(50.0, 50.02), (49.8, 49.85), (49.6, 49.65)]))
    assert fills(exchange.place(ticket(1, limit=51.0))) == [(100, 50.02)]
    assert fills(exchange.place(ticket(20, limit=50.02, client_id=2))) == [(100, 50.02)]  # exactly at the touch
    assert fills(exchange.place(ticket(21, limit=50.01, client_id=2, tif="GTC"))) == []
    exchange.cancel(2, 21)
    assert fills(exchange.place(ticket(2, limit=49.7))) == []
    assert fills(exchange.place(ticket(3, "SELL", limit=50.5))) == []
    second, third = exchange.advance(), exchange.advance()
    assert second is not None
    assert third is not None
    assert fills(second[1]) == []
    assert fills(third[1]) == [(100, 49.7)]
    assert [update.ticket.order_id for update in exchange.open_orders()] == [3]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (ticket(5), 103),
        (ticket(4), 103),
        (ticket(6, instrument="XYZ"), 200),
        (ticket(6, quantity=0), 321),
        (ticket(6, quantity=float("nan")), 321),
        (ticket(6, quantity=10.5), 10318),
        (ticket(6, limit=50.001), 110),
        (ticket(6, limit=-1.0), 321),
    ],
)
def test_refusals_name_ibs_code_and_leave_no_order(bad: OrderTicket, code: int) -> None:
    exchange = opened(ScriptedMarket([(50.0, 50.02)]))
    exchange.place(ticket(5, limit=40.0))
    before = exchange.save()
    assert code_of(exchange.place(bad)) == code
    assert exchange.save() == before
    assert exchange.next_order_id(1) == 6
    assert exchange.next_order_id(2) == 1


def test_outside_a_session_orders_are_refused_and_day_orders_expire() -> None:
    market = ScriptedMarket([(50.0, 50.02)] * 2, times_us=[CLOSE_US - 60_000_000, CLOSE_US])
    exchange = SimulatedExchange(market, foreign_orders=[ticket(-1, limit=40.0, client_id=0, tif="GTC")])
    assert code_of(exchange.place(ticket(1))) == 201
    exchange.advance()
    exchange.place(ticket(1, limit=40.0))
    closing = exchange.advance()
    assert closing is not None
    assert not closing[0].is_open
    assert code_of(closing[1]) == 202
    assert [update.ticket.client_id for update in exchange.open_orders()] == [0]
    assert code_of(exchange.place(ticket(2))) == 201


def test_cancel_is_confirmed_once_and_only_for_the_clients_own_order() -> None:
    exchange = opened(ScriptedMarket([(50.0, 50.02)]))
    exchange.place(ticket(1, limit=40.0))
    assert code_of(exchange.cancel(2, 1)) == 10147
    assert code_of(exchange.cancel(1, 9)) == 10147
    assert code_of(exchange.cancel(1, 1)) == 202
    assert code_of(exchange.cancel(1, 1)) == 10148


def test_an_opening_position_without_a_price_takes_the_first_mid_and_starts_the_day_at_zero() -> None:
    market = ScriptedMarket([(50.0, 50.02)] * 3, call=[(2.0, None), (2.0, 2.2), (2.4, 2.6)])
    exchange = opened(market, positions=[OpeningPosition(instrument=CALL.instrument, quantity=10)])
    assert exchange.daily_pnl().daily_usd == 0
    exchange.advance()
    assert exchange.daily_pnl().daily_usd == 0
    assert exchange.position(CALL.instrument).average_cost == pytest.approx(210)
    exchange.advance()
    assert exchange.daily_pnl().daily_usd == pytest.approx(400)
    assert exchange.daily_pnl(CALL.instrument).unrealised_usd == pytest.approx(400)


def test_an_unknown_opening_position_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no instrument 'XYZ'; it has: ABC"):
        SimulatedExchange(ScriptedMarket([]), positions=[OpeningPosition(instrument="XYZ", quantity=1)])
    twice = [OpeningPosition(instrument="ABC", quantity=1), OpeningPosition(instrument="ABC", quantity=2)]
    with pytest.raises(ValueError, match="position ABC is declared twice"):
        SimulatedExchange(ScriptedMarket([]), positions=twice)


def test_a_hand_trade_belongs_to_another_client() -> None:
    exchange = opened(ScriptedMarket([(50.0, 50.02)]))
    exchange.place(ticket(1))
    events = exchange.trade_by_hand("ABC", "SELL", 30)
    execution = next(event for event in events if isinstance(event, SimExecution))
    assert (execution.ticket.client_id, execution.ticket.order_ref) == (0, "")
    assert exchange.position("ABC").quantity == 70
    assert len(exchange.executions()) == len(exchange.commissions()) == 2


def test_a_new_day_starts_its_figures_at_zero_and_forgets_finished_orders() -> None:
    market = ScriptedMarket(
        [(50.0, 50.02), (50.0, 50.02), (52.0, 52.02)], times_us=[OPEN_US + 60_000_000, CLOSE_US, OPEN_US + 3 * DAY_US]
    )
    exchange = opened(market)
    exchange.place(ticket(1))
    exchange.advance()
    assert exchange.daily_pnl().daily_usd == pytest.approx(-1 - 1.0)
    exchange.advance()
    assert exchange.executions() == ()
    assert exchange.daily_pnl().daily_usd == pytest.approx(200)
    assert code_of(exchange.place(ticket(1))) == 103


def test_an_expired_option_is_exercised_overnight_when_in_the_money() -> None:
    market = ScriptedMarket(
        [(52.0, 52.02)] * 3,
        times_us=[OPEN_US + 60_000_000, OPEN_US + 3 * DAY_US, OPEN_US + 15 * DAY_US],
        call=[(2.0, 2.1), (2.0, 2.1), (None, None)],
    )
    exchange = opened(market, positions=[OpeningPosition(instrument=CALL.instrument, quantity=2, average_price=1.5)])
    exchange.advance()
    assert exchange.position(CALL.instrument).quantity == 2
    night = exchange.advance()
    assert night is not None
    changed = [(event.instrument, event.quantity) for event in night[1] if isinstance(event, SimPosition)]
    assert changed == [(CALL.instrument, 0), ("ABC", 200)]
    assert exchange.position(CALL.instrument).quantity == 0
    assert exchange.position("ABC").quantity == 200
    assert exchange.account_values()["TotalCashValue"] == pytest.approx(100_000 - 200 * 50)
    assert code_of(exchange.place(ticket(1, instrument=CALL.instrument))) == 201


def test_a_restored_book_goes_on_exactly_also_through_json_text() -> None:
    prices = [(50.0, 50.02), (49.9, 49.93), (49.5, 49.53), (50.4, 50.42)]
    first = opened(ScriptedMarket(prices), positions=[OpeningPosition(instrument=CALL.instrument, quantity=-3)])
    first.place(ticket(1))
    first.place(ticket(2, limit=49.6))
    text = json.dumps(first.save())
    second = SimulatedExchange(ScriptedMarket(prices))
    second.restore(json.loads(text))
    assert second.save() == first.save()
    for exchange in (first, second):
        while exchange.advance() is not None:
            exchange.place(ticket(exchange.next_order_id(1), "SELL", 10))
    assert second.save() == first.save()
    assert second.position("ABC").quantity == 170


def test_a_saved_book_of_another_account_or_damaged_is_refused_in_one_line() -> None:
    saved = opened(ScriptedMarket([(50.0, 50.02)])).save()
    with pytest.raises(SavedBookError, match="account DU0000001, this simulator is DU7777777"):
        SimulatedExchange(ScriptedMarket([]), account="DU7777777").restore(saved)
    with pytest.raises(SavedBookError, match=r"damaged: .*perm_ids"):
        SimulatedExchange(ScriptedMarket([])).restore({**saved, "perm_ids": "many"})
    with pytest.raises(SavedBookError, match="other instruments: XYZ"):
        SimulatedExchange(ScriptedMarket([])).restore({**saved, "instruments": ["ABC", CALL.instrument, "XYZ"]})
