"""The in-process venue: what it says before SYNCED, how it tells fills, and that it decides nothing."""

import asyncio
import contextlib

import pytest

from config.schema import SyntheticMarket as Settings
from daemon.core.effects import ModifyOrder, PlaceOrder
from daemon.core.events import (
    AccountReported,
    AnyEvent,
    BrokerReport,
    Commission,
    Execution,
    Instruments,
    Link,
    ModifyRefused,
    OptionQuote,
    OrderReport,
    PositionChanged,
    ProbeAnswered,
    Quote,
    Sessions,
)
from daemon.venues.protocol import OrderNotSentError, Venue
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import OpeningPosition, OrderTicket
from daemon.venues.simulated.synthetic import SyntheticMarket
from daemon.venues.simulated.venue import SimulatedVenue
from tests.support.scripted_market import CALL, OPEN_US, ScriptedMarket


class StampedClock:
    """The market's own time."""

    def __init__(self) -> None:
        self.stamps_us = [0]

    def now_us(self) -> int:
        return self.stamps_us[-1]

    def market_stamp(self, stamp_us: int) -> None:
        self.stamps_us.append(stamp_us)


class Desk:
    """A venue with everything it said."""

    def __init__(self, steps: int = 5, **options: object) -> None:
        market = ScriptedMarket([(50.0 + index, 50.02 + index) for index in range(steps)])
        self.exchange = SimulatedExchange(market, **options)  # type: ignore[arg-type]
        self.clock = StampedClock()
        self.venue = SimulatedVenue(self.exchange, self.clock, client_id=7)
        self.said: list[AnyEvent] = []

    def connect(self) -> "Desk":
        self.venue.connect(self.said.append)
        return self

    def new(self) -> list[AnyEvent]:
        found, self.said[:] = list(self.said), []
        return found


def order(number: int = 1, *, quantity: float = 100, limit: float | None = None) -> PlaceOrder:
    return PlaceOrder(
        order_ref=f"demo.abcd.{number}",
        intent_id=f"run-{number}",
        instrument="ABC",
        side="BUY",
        quantity=quantity,
        order_type="MKT" if limit is None else "LMT",
        limit_price=limit,
    )


def test_it_is_a_venue() -> None:
    venue: Venue = Desk().venue
    assert venue.not_ready() == "not connected"


def test_before_synced_it_has_said_everything() -> None:
    desk = Desk(positions=[OpeningPosition(instrument=CALL.instrument, quantity=10, average_price=1.9)]).connect()
    said = desk.new()
    assert [type(event) for event in said] == [Link, Instruments, Sessions, BrokerReport, AccountReported, Link]
    link, instruments, _, report, account, synced = said
    assert isinstance(link, Link)
    assert isinstance(synced, Link)
    assert (link.state, synced.state, synced.account_kind) == ("UP_UNSYNCED", "SYNCED", "simulated")
    assert isinstance(instruments, Instruments)
    stock, call = instruments.specs
    assert (stock.unit, stock.price_tick, stock.size_step, stock.min_size) == ("share", 0.01, 1.0, 1.0)
    assert (call.multiplier, call.strike, call.expiry, call.last_trade_ts_us) == (
        100.0,
        50.0,
        "20140621",
        CALL.last_trade_us,
    )
    assert isinstance(report, BrokerReport)
    assert report.reason == "connect"
    assert [(held.instrument, held.quantity, held.kind) for held in report.positions] == [
        (CALL.instrument, 10, "option")
    ]
    assert report.positions[0].average_cost_usd == pytest.approx(190)
    assert isinstance(account, AccountReported)
    assert "AccountType" not in account.values_usd


def test_a_step_moves_the_clock_and_tells_options_before_the_stock() -> None:
    desk = Desk().connect()
    desk.new()
    assert desk.venue.advance()
    said = desk.new()
    assert [type(event) for event in said][:2] == [OptionQuote, Quote]
    assert {event.ts_us for event in said} == {OPEN_US + 60_000_000} == {desk.clock.now_us()}


def test_an_order_is_told_to_its_end() -> None:
    desk = Desk(partial_fill_shares=60.0).connect()
    desk.venue.advance()
    desk.new()
    desk.venue.place(order())
    said = desk.new()
    reports = [event for event in said if isinstance(event, OrderReport)]
    assert [(report.status, report.filled) for report in reports] == [
        ("submitted", 0),
        ("working", 0),
        ("working", 60),
        ("filled", 100),
    ]
    executions = [event for event in said if isinstance(event, Execution)]
    assert [(fill.quantity, fill.price, fill.revision, fill.client_id) for fill in executions] == [
        (60, 50.02, 1, 7),
        (40, 50.02, 1, 7),
    ]
    assert {fill.order_ref for fill in executions} == {"demo.abcd.1"}
    assert [cost.exec_key for cost in said if isinstance(cost, Commission)] == [fill.exec_key for fill in executions]
    changes = [event.position.quantity for event in said if isinstance(event, PositionChanged)]
    assert changes == [60, 100]
    assert isinstance(said[-1], AccountReported)


def test_a_refusal_is_a_rejected_report_with_its_reason() -> None:
    desk = Desk().connect()
    desk.venue.advance()
    desk.new()
    desk.venue.place(order(quantity=10.5))
    (report,) = desk.new()
    assert isinstance(report, OrderReport)
    assert report.status == "rejected"
    assert report.reason is not None
    assert report.reason.startswith("10318 ")


def test_cancel_knows_only_own_working_orders() -> None:
    foreign = OrderTicket(
        client_id=0, order_id=-1, instrument="ABC", side="BUY", quantity=5, order_type="LMT", limit_price=30, tif="GTC"
    )
    desk = Desk(foreign_orders=[foreign]).connect()
    desk.venue.advance()
    desk.venue.place(order(limit=40.0))
    desk.new()
    desk.venue.cancel("demo.abcd.1")
    (report,) = desk.new()
    assert isinstance(report, OrderReport)
    assert (report.status, report.order_ref) == ("cancelled", "demo.abcd.1")
    for ref in ("demo.abcd.1", "", "demo.abcd.9"):
        with pytest.raises(OrderNotSentError, match="no working order"):
            desk.venue.cancel(ref)
    desk.venue.reconcile("check", fresh_connection=False)
    (found,) = desk.new()
    assert isinstance(found, BrokerReport)
    assert [(held.order_ref, held.client_id, held.status) for held in found.open_orders] == [(None, 0, "working")]


def test_modify_changes_a_working_limit_and_tells_the_venues_answer() -> None:
    desk = Desk().connect()
    desk.venue.advance()
    desk.venue.place(order(limit=40.0))
    desk.new()
    desk.venue.modify(ModifyOrder(order_ref="demo.abcd.1", quantity=100, limit_price=41.0))
    (report,) = desk.new()
    assert isinstance(report, OrderReport)
    assert (report.status, report.limit_price, report.order_ref) == ("working", 41.0, "demo.abcd.1")
    desk.venue.modify(ModifyOrder(order_ref="demo.abcd.1", quantity=100, limit_price=41.001))
    (refused,) = desk.new()
    assert isinstance(refused, ModifyRefused)
    assert refused.reason.startswith("110 ")
    desk.venue.modify(ModifyOrder(order_ref="demo.abcd.1", quantity=100, limit_price=60.0))
    assert [event.quantity for event in desk.new() if isinstance(event, Execution)] == [100]
    with pytest.raises(OrderNotSentError, match="no working order"):
        desk.venue.modify(ModifyOrder(order_ref="demo.abcd.1", quantity=100, limit_price=60.0))
    desk.venue.reconcile("check", fresh_connection=False)
    (found,) = desk.new()
    assert isinstance(found, BrokerReport)
    assert found.completed_orders is not None
    assert [(ended.order_ref, ended.status) for ended in found.completed_orders] == [("demo.abcd.1", "filled")]


def test_reconcile_shows_others_trades_and_a_fresh_connection_counts() -> None:
    desk = Desk().connect()
    desk.venue.advance()
    desk.exchange.trade_by_hand("ABC", "SELL", 30)
    desk.new()
    desk.venue.reconcile("second look", fresh_connection=True)
    said = desk.new()
    assert [event.state for event in said if isinstance(event, Link)] == ["DOWN", "UP_UNSYNCED", "SYNCED"]
    reports = [event for event in said if isinstance(event, BrokerReport)]
    assert [(report.reason, report.connection) for report in reports] == [("connect", 2), ("second look", 2)]
    assert [(fill.order_ref, fill.client_id, fill.side) for fill in reports[1].executions] == [(None, 0, "SELL")]
    assert len(reports[1].commissions) == 1
    desk.venue.probe()
    assert [type(event) for event in desk.new()] == [ProbeAnswered]


def test_without_a_link_nothing_is_said_and_no_order_is_taken() -> None:
    desk = Desk().connect()
    desk.venue.advance()
    desk.venue.disconnect("reset")
    lost = desk.new()[-1]
    assert isinstance(lost, Link)
    assert (lost.state, lost.reason) == ("DOWN", "reset")
    with pytest.raises(OrderNotSentError, match="not connected"):
        desk.venue.place(order())
    assert desk.venue.advance()
    desk.venue.probe()
    assert desk.new() == []
    assert desk.connect().venue.not_ready() is None
    while desk.venue.advance():
        pass
    assert [quote.bid for quote in desk.new() if isinstance(quote, Quote)] == [52.0, 53.0, 54.0]


def test_a_market_without_end_tells_its_new_sessions_when_the_day_changes() -> None:
    market = SyntheticMarket(Settings(step_s=3600), symbol="DEMO", seed=1, start_date="2014-07-02")
    said: list[AnyEvent] = []
    venue = SimulatedVenue(SimulatedExchange(market), StampedClock())
    venue.connect(said.append)
    for _ in range(30):
        venue.advance()
    told = [event.sessions for event in said if isinstance(event, Sessions)]
    assert [sessions[-1].date for sessions in told] == ["2014-07-17", "2014-07-18"]
    assert told[-1][0].date == "2014-07-03"


async def test_run_serves_until_cancelled() -> None:
    desk = Desk()
    task = asyncio.create_task(desk.venue.run(desk.said.append))
    await asyncio.sleep(0)
    assert isinstance(desk.said[-1], Link)
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await desk.venue.close()
    assert desk.venue.not_ready() is not None


def test_a_halt_by_the_exchange_is_told_with_the_quotes_until_it_ends() -> None:
    desk = Desk().connect()
    told = []
    for halted in (False, True, True, False):
        desk.exchange.halt([desk.exchange.market.contracts[0].instrument], halted=halted)
        desk.said.clear()
        desk.venue.advance()
        told += [event.halted for event in desk.said if isinstance(event, Quote)]
    assert told == [False, True, True, False]
