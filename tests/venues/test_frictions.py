"""What stands between an order and the quotes: slippage, slices over time, wider quotes, the way to the exchange."""

import json

import pytest

from daemon.core.effects import ModifyOrder, PlaceOrder
from daemon.core.events import AnyEvent, Commission, Execution, ModifyRefused, OrderReport
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.frictions import Commissions, Frictions
from daemon.venues.simulated.model import ExchangeEvent, OrderTicket, SimExecution
from daemon.venues.simulated.venue import SimulatedVenue
from daemon.venues.simulated.wider_market import WiderMarket
from tests.support.scripted_market import CALL, OPEN_US, ScriptedMarket
from tests.venues.test_simulated_venue import StampedClock

MINUTE_US = 60_000_000
RISING = [(50.0 + index, 50.02 + index) for index in range(6)]


def exchange_of(frictions: Frictions, **more: float) -> SimulatedExchange:
    exchange = SimulatedExchange(ScriptedMarket(RISING), frictions=frictions, **more)  # type: ignore[arg-type]
    exchange.advance()
    return exchange


def ticket(side: str = "BUY", quantity: float = 100.0, limit: float | None = None, order_id: int = 1) -> OrderTicket:
    return OrderTicket(
        client_id=1,
        order_id=order_id,
        instrument="ABC",
        side=side,  # type: ignore[arg-type]
        quantity=quantity,
        order_type="MKT" if limit is None else "LMT",
        limit_price=limit,
    )


def fills(events: list[ExchangeEvent]) -> list[tuple[float, float]]:
    return [(each.quantity, each.price) for each in events if isinstance(each, SimExecution)]


def test_slippage_worsens_a_market_order_on_either_side_and_never_a_limit() -> None:
    exchange = exchange_of(Frictions(slippage_bps=10))
    assert fills(exchange.place(ticket("BUY"))) == [(100, pytest.approx(50.02 * 1.001))]
    assert fills(exchange.place(ticket("SELL", order_id=2))) == [(100, pytest.approx(50.0 * 0.999))]
    assert fills(exchange.place(ticket("BUY", limit=50.05, order_id=3))) == [(100, 50.02)]


def test_the_account_pays_what_was_executed_and_the_tariff() -> None:
    exchange = exchange_of(
        Frictions(slippage_bps=10, commissions=Commissions(share_usd=0.1, minimum_usd=2.0)), cash_usd=100_000.0
    )
    exchange.place(ticket("BUY"))
    assert [cost.commission_usd for cost in exchange.commissions()] == [10.0]
    assert exchange.account_values()["TotalCashValue"] == pytest.approx(100_000 - 100 * 50.02 * 1.001 - 10)


def test_a_slice_each_step_takes_each_steps_price_and_survives_a_restart() -> None:
    frictions = Frictions(slice_each_step=True)
    exchange = exchange_of(frictions, partial_fill_shares=40.0)
    found = fills(exchange.place(ticket("BUY")))
    saved = json.loads(json.dumps(exchange.save()))
    again = SimulatedExchange(ScriptedMarket(RISING), frictions=frictions, partial_fill_shares=40.0)
    again.restore(saved)
    while (moved := again.advance()) is not None:
        found += fills(moved[1])
    assert found == [(40, 50.02), (40, 51.02), (20, 52.02)]


def test_a_wider_market_keeps_the_mid_and_leaves_options_alone() -> None:
    plain, market = ScriptedMarket(RISING), WiderMarket(ScriptedMarket(RISING), 0.04)
    assert market.contracts == plain.contracts
    while (step := plain.next_step()) is not None:
        wider = market.next_step()
        assert wider is not None
        assert (wider.ts_us, wider.is_open, market.sessions) == (step.ts_us, step.is_open, plain.sessions)
        (stock, option), (was, was_option) = wider.quotes, step.quotes
        assert option == was_option
        assert (stock.bid, stock.ask) == (pytest.approx(was.bid - 0.02), pytest.approx(was.ask + 0.02))  # type: ignore[operator]
    assert market.next_step() is None


def test_a_market_that_does_not_last_is_neither_saved_nor_restored() -> None:
    saved = SimulatedExchange(ScriptedMarket(RISING)).save()
    exchange = SimulatedExchange(WiderMarket(ScriptedMarket(RISING), 0.04))
    with pytest.raises(TypeError, match="WiderMarket cannot be saved or restored"):
        exchange.save()
    with pytest.raises(TypeError, match="WiderMarket cannot be saved or restored"):
        exchange.restore(saved)


def test_a_bid_that_would_not_be_positive_is_none() -> None:
    step = WiderMarket(ScriptedMarket([(0.01, 0.05), (None, None)]), 0.04).next_step()
    assert step is not None
    assert (step.quotes[0].bid, step.quotes[0].ask) == (None, pytest.approx(0.07))


class Late:
    """A venue a quarter of a second away, with everything it said."""

    def __init__(self) -> None:
        self.exchange = SimulatedExchange(ScriptedMarket(RISING))
        self.clock = StampedClock()
        self.venue = SimulatedVenue(self.exchange, self.clock, client_id=7, latency_us=250_000)
        self.said: list[AnyEvent] = []
        self.venue.advance()
        self.venue.connect(self.said.append)

    def place(self, *, ref: str = "d.L.1", limit: float | None = None) -> None:
        self.venue.place(
            PlaceOrder(
                order_ref=ref,
                intent_id="i",
                instrument="ABC",
                side="BUY",
                quantity=10.0,
                order_type="MKT" if limit is None else "LMT",
                limit_price=limit,
            )
        )

    def arrive(self) -> list[AnyEvent]:
        """Whatever is on its way comes in at its time; what is said then."""
        del self.said[:]
        while (at_us := self.venue.next_arrival_us()) is not None:
            self.clock.market_stamp(at_us)
            self.venue.arrive()
        return list(self.said)

    def step(self) -> list[AnyEvent]:
        del self.said[:]
        self.venue.advance()
        return list(self.said)


def statuses(said: list[AnyEvent]) -> list[str]:
    return [event.status for event in said if isinstance(event, OrderReport)]


def test_an_order_is_acknowledged_when_it_arrives_and_trades_from_the_next_step_on() -> None:
    desk = Late()
    del desk.said[:]
    desk.place()
    assert (desk.said, desk.exchange.open_orders()) == ([], ())
    assert desk.venue.next_arrival_us() == OPEN_US + MINUTE_US + 250_000
    said = desk.arrive()
    assert statuses(said) == ["submitted", "working"]
    assert {event.ts_us for event in said} == {OPEN_US + MINUTE_US + 250_000}
    said = desk.step()
    (fill,) = [event for event in said if isinstance(event, Execution)]
    assert (fill.price, fill.ts_us) == (51.02, OPEN_US + 2 * MINUTE_US)
    assert [event.commission_usd for event in said if isinstance(event, Commission)] == [1.0]


def test_a_limit_that_the_market_has_left_below_fills_at_the_touch_as_on_arrival() -> None:
    desk = Late()
    desk.place(limit=60.0)
    desk.arrive()
    assert [event.price for event in desk.step() if isinstance(event, Execution)] == [51.02]


def test_a_cancel_comes_in_behind_its_order_and_before_the_next_step() -> None:
    desk = Late()
    desk.place()
    desk.venue.cancel("d.L.1")
    assert statuses(desk.arrive()) == ["submitted", "working", "cancelled"]
    assert not [event for event in desk.step() if isinstance(event, Execution)]


def test_what_comes_too_late_is_refused_or_says_nothing_more() -> None:
    desk = Late()
    desk.place()
    desk.arrive()
    desk.step()
    desk.venue.cancel("d.L.1")
    desk.venue.modify(ModifyOrder(order_ref="d.L.1", quantity=10.0, limit_price=50.0))
    (refused,) = desk.arrive()
    assert isinstance(refused, ModifyRefused)
    assert "works no more" in refused.reason


def test_a_change_of_price_counts_from_its_arrival() -> None:
    desk = Late()
    desk.place(limit=49.0)
    desk.arrive()
    assert not [event for event in desk.step() if isinstance(event, Execution)]
    desk.venue.modify(ModifyOrder(order_ref="d.L.1", quantity=10.0, limit_price=60.0))
    (report,) = desk.arrive()
    assert isinstance(report, OrderReport)
    assert report.limit_price == 60.0
    assert [event.price for event in desk.step() if isinstance(event, Execution)] == [52.02]


def test_options_cost_by_the_contract() -> None:
    assert Commissions(contract_usd=1.0).of_order(CALL, 3) == 3.0
