"""Connecting: what the core hears before SYNCED, which accounts and contracts are refused, and quotes."""

import asyncio
import random
from typing import Any

import msgspec
import pytest
from ib_async import Contract, ContractDetails
from ib_async.util import UNSET_DOUBLE

from config.schema import Ib, Leg, Underlying
from daemon.core.events import (
    AccountReported,
    BrokerReport,
    Instruments,
    Link,
    OptionQuote,
    ProbeAnswered,
    Quote,
    Sessions,
)
from daemon.simulator.faults import HalfOpen, Mute
from daemon.simulator.server import SimulatorServer
from daemon.venues.ib import contracts
from daemon.venues.ib.account import check_consent, choose_account
from daemon.venues.ib.connection import Backoff
from daemon.venues.protocol import FatalVenueError
from tests.support.ib_errors import IbErrorWatch
from tests.support.scripted_market import CALL, CLOSE_US, DAY_US, OPEN_US
from tests.venues_ib.conftest import Running, make_exchange, make_profile, order

MINUTE_US = 60_000_000


async def test_everything_is_told_before_synced_in_this_order(running: Running) -> None:
    await running.heard.until(lambda: running.heard.of(Quote))
    kinds = [type(event) for event in running.heard.events if not isinstance(event, Quote | OptionQuote)]
    assert kinds == [Link, Link, Instruments, Sessions, BrokerReport, AccountReported, Link]
    assert all(isinstance(event, Quote | OptionQuote) for event in running.heard.events[7:])
    assert running.heard.states == ["DOWN", "UP_UNSYNCED", "SYNCED"]
    synced = running.heard.of(Link)[-1]
    assert (synced.account, synced.account_kind) == ("DU0000042", "simulated")
    (stock, call) = running.heard.of(Instruments)[0].specs
    assert (stock.instrument, stock.price_tick, stock.size_step, stock.min_size) == ("ABC", 0.01, 1.0, 1.0)
    assert (call.instrument, call.multiplier, call.unit, call.right, call.strike) == (
        CALL.instrument,
        100.0,
        "contract",
        "C",
        50.0,
    )
    # Saturday 21 June is listed, Friday the 20th at 16:00 New York is the last trade.
    assert (call.expiry, call.last_trade_ts_us) == ("20140621", CLOSE_US + 14 * 86_400_000_000)
    first = running.heard.of(Sessions)[0].sessions[0]
    assert (first.date, first.open_us, first.close_us) == ("2014-06-06", OPEN_US, CLOSE_US)


async def test_the_report_holds_positions_and_foreign_orders(running: Running) -> None:
    (report,) = running.heard.of(BrokerReport)
    assert (report.reason, report.connection) == ("connect", 1)
    assert {(p.instrument, p.quantity, p.kind) for p in report.positions} == {
        ("ABC", 7.0, "stock"),
        (CALL.instrument, 10.0, "option"),
    }
    (foreign,) = report.open_orders
    assert (foreign.order_ref, foreign.client_id, foreign.side, foreign.quantity, foreign.status) == (
        None,
        0,
        "SELL",
        10.0,
        "working",
    )
    values = running.heard.of(AccountReported)[0].values_usd
    assert values["NetLiquidation"] == pytest.approx(100_000 + 10 * 100 * 2.05 + 7 * 50.01, abs=0.01)
    assert "AccountType" not in values


async def test_each_step_tells_options_before_the_underlying_also_unchanged(
    running: Running, server: SimulatorServer
) -> None:
    await running.heard.until(lambda: running.heard.of(Quote))
    running.heard.events.clear()
    server.step()
    await running.heard.until(lambda: running.heard.of(Quote))
    option, stock = (e for e in running.heard.events if isinstance(e, Quote | OptionQuote))
    assert isinstance(option, OptionQuote)  # its prices never change here
    assert isinstance(stock, Quote)
    assert (stock.bid, stock.ask, stock.bid_size) == (50.10, 50.12, 100.0)
    assert (option.bid, option.ask) == (2.0, 2.1)
    assert option.ts_us == stock.ts_us == server.exchange.now_us == running.clock.stamps[-1]


async def test_steps_merged_into_one_read_stay_apart(running: Running, server: SimulatorServer) -> None:
    await running.heard.until(lambda: running.heard.of(Quote))
    running.heard.events.clear()
    transport = running.session.connection.client.conn.transport
    transport.pause_reading()
    for _ in range(3):
        server.step()
    await asyncio.sleep(0.02)
    transport.resume_reading()
    await running.heard.until(lambda: len(running.heard.of(Quote)) == 3)
    quotes = [e for e in running.heard.events if isinstance(e, Quote | OptionQuote)]
    assert [type(quote) for quote in quotes] == [OptionQuote, Quote] * 3
    assert [quote.ts_us for quote in quotes[1::2]] == [OPEN_US + n * MINUTE_US for n in (2, 3, 4)]
    assert [quote.ts_us for quote in quotes[::2]] == [quote.ts_us for quote in quotes[1::2]]


async def test_probes_come_back_each_once_and_late_ones_count_as_failed(
    running: Running, server: SimulatorServer
) -> None:
    for _ in range(3):
        running.venue.probe()
    await running.heard.until(lambda: len(running.heard.of(ProbeAnswered)) == 3)
    assert all(0 < (answer.round_trip_ms or 0) < 2000 for answer in running.heard.of(ProbeAnswered))
    server.faults.add(Mute(request="reqCurrentTime"))
    running.venue.probe()
    await running.heard.until(lambda: len(running.heard.of(ProbeAnswered)) == 4)
    assert running.heard.of(ProbeAnswered)[-1].round_trip_ms is None


async def test_a_half_open_line_fails_its_probes_and_is_left(running: Running, server: SimulatorServer) -> None:
    server.faults.add(HalfOpen(count=1))
    running.venue.probe()
    await running.heard.until(lambda: running.heard.of(ProbeAnswered))
    assert running.heard.of(ProbeAnswered)[0].round_trip_ms is None
    assert running.session.connection.ib.isConnected(), "ib_async does not notice"
    await running.heard.until(lambda: running.heard.states[-1] == "DOWN")
    assert running.heard.of(Link)[-1].reason == "2 probes in a row without an answer"
    assert running.heard.of(ProbeAnswered)[1].round_trip_ms is None


async def test_in_lock_step_every_step_is_told_and_probed(ib_errors: IbErrorWatch) -> None:
    async with SimulatorServer(make_exchange(), speed=1e9, lock_step=True) as replay:
        desk = Running(replay.port)
        answered = 0
        while not replay.pacer.is_finished:
            # The runtime's rule: once the queue is empty after a stamp, probe.
            if len(desk.clock.stamps) != answered:
                answered = len(desk.clock.stamps)
                desk.venue.probe()
            await asyncio.sleep(0)
        assert replay.pacer.unprobed_steps == 0
        quotes = [e for e in desk.heard.events if isinstance(e, Quote | OptionQuote)]
        assert [type(quote) for quote in quotes] == [OptionQuote, Quote] * 5
        assert [quote.ts_us for quote in quotes[1::2]] == [OPEN_US + n * MINUTE_US for n in (1, 2, 3, 4, 5)]
        await desk.stop()


@pytest.mark.parametrize(
    ("leg", "message"),
    [
        (Leg(right="put", strike=50.0, expiry="2014-06-21"), r"legs\[0\]: the venue does not know .*ABC 20140621 P 50"),
        (
            Leg(right="call", strike=50.0, expiry="2014-06-20"),
            r"legs\[0\]: the venue does not know .*ABC 20140620 C 50",
        ),
    ],
)
async def test_an_unknown_leg_ends_the_daemon_and_names_the_key(
    server: SimulatorServer, leg: Leg, message: str
) -> None:
    desk = Running(server.port, make_profile(legs=(leg,)))
    error = await desk.failure()
    assert isinstance(error, FatalVenueError)
    with pytest.raises(FatalVenueError, match=message):
        raise error
    assert "SYNCED" not in desk.heard.states


async def test_an_unknown_calendar_ends_the_daemon(server: SimulatorServer) -> None:
    desk = Running(server.port, make_profile(underlying=Underlying(symbol="ABC", calendar="XXXX")))
    assert "underlying.calendar: there is no exchange calendar 'XXXX'" in str(await desk.failure())


async def test_the_next_days_hours_are_asked_for(ib_errors: IbErrorWatch) -> None:
    exchange = make_exchange(times_us=[OPEN_US + MINUTE_US, OPEN_US + 3 * DAY_US])
    async with SimulatorServer(exchange, paced=False) as server:
        desk = Running(server.port)
        await desk.heard.synced()
        desk.venue.reconcile("same day", fresh_connection=False)
        await desk.heard.until(lambda: len(desk.heard.of(BrokerReport)) == 2)
        assert len(desk.heard.of(Sessions)) == 1
        server.step()
        await desk.heard.until(lambda: desk.clock.us == OPEN_US + 3 * DAY_US)
        desk.venue.reconcile("next day", fresh_connection=False)
        await desk.heard.until(lambda: len(desk.heard.of(BrokerReport)) == 3)
        assert [sessions.sessions[0].date for sessions in desk.heard.of(Sessions)] == ["2014-06-06", "2014-06-09"]
        await desk.stop()


def details(con_id: int, trading_class: str = "ABC", **changes: Any) -> ContractDetails:
    contract = Contract(
        conId=con_id, secType="OPT", symbol="ABC", lastTradeDateOrContractMonth="20140621", strike=50.0, right="C"
    )
    contract.tradingClass, contract.multiplier, contract.currency = trading_class, "100", "USD"
    return ContractDetails(contract=contract, minTick=0.01, minSize=1.0, sizeIncrement=1.0, **changes)


def test_an_ambiguous_leg_names_the_key_that_decides() -> None:
    with pytest.raises(FatalVenueError, match=r"legs\[2\]: it is ambiguous at the venue \(ABC, ABC1\).*legs\[2\]\.t"):
        contracts._the_only_one(
            [details(12), details(13, "ABC1")], what="it", key="legs[2]", hint="legs[2].trading_class"
        )


def test_unknown_constraints_stay_unknown() -> None:
    bare = details(12)
    bare.minTick, bare.minSize, bare.sizeIncrement = 0.0, 0.0, UNSET_DOUBLE
    spec = contracts._spec(bare, make_profile())
    assert (spec.price_tick, spec.min_size, spec.size_step) == (None, None, None)
    bare.contract.multiplier = ""  # type: ignore[union-attr]
    with pytest.raises(FatalVenueError, match="no multiplier"):
        contracts._spec(bare, make_profile())


async def test_an_unknown_stock_ends_the_daemon(server: SimulatorServer) -> None:
    desk = Running(server.port, make_profile(underlying=Underlying(symbol="NONE")))
    assert "underlying: the venue does not know the stock NONE" in str(await desk.failure())


async def test_an_account_that_the_login_does_not_have_ends_the_daemon(server: SimulatorServer) -> None:
    desk = Running(server.port, make_profile(ib=Ib(client_id=3, account="DU7777777")))
    assert "ib.account: DU7777777 is not an account of this login (DU0000042)" in str(await desk.failure())


def test_accounts_are_chosen_and_refused() -> None:
    assert choose_account(["DU1"], make_profile()) == "DU1"
    assert choose_account(["U1", "DU0000002"], make_profile(ib=Ib(account="DU0000002"))) == "DU0000002"
    with pytest.raises(FatalVenueError, match=r"ib\.account: this login has several accounts \(U1, U2\)"):
        choose_account(["U1", "U2"], make_profile())


def test_a_live_account_needs_live_true_and_its_name() -> None:
    plain = make_profile(simulator=None)
    check_consent("DU1", "paper", plain)
    check_consent("DU1", "simulated", plain)
    for profile in (
        plain,
        make_profile(simulator=None, live=True),
        make_profile(simulator=None, ib=Ib(account="U1234")),
    ):
        with pytest.raises(FatalVenueError, match="live: U1234 is a live account"):
            check_consent("U1234", "live", profile)
    check_consent("U1234", "live", make_profile(simulator=None, live=True, ib=Ib(account="U1234")))


def test_a_profile_for_the_simulator_never_trades_elsewhere() -> None:
    check_consent("DU1", "simulated", make_profile())
    for account, kind in (("DU1", "paper"), ("U1", "live")):
        with pytest.raises(FatalVenueError, match="simulator: this profile is for the simulator"):
            check_consent(account, kind, msgspec.structs.replace(make_profile(), live=True))  # type: ignore[arg-type]


def test_backoff_doubles_with_jitter_within_its_bounds_and_starts_again() -> None:
    backoff = Backoff(random.Random(1))
    waits = [backoff.next_s() for _ in range(12)]
    assert waits[0] == 1.0
    assert all(1.0 <= wait <= 30.0 for wait in waits)
    assert min(waits[6:]) >= 15.0
    assert len(set(waits[6:])) == 6
    backoff.reset()
    assert backoff.next_s() == 1.0


async def test_orders_are_refused_while_requests_queue(running: Running) -> None:
    client = running.session.connection.client
    assert running.venue.not_ready() is None
    while running.session.connection.free_slots() > 0:
        client.reqCurrentTime()
    assert running.venue.not_ready() == "the limit of 45 requests a second is reached"
    client.reqCurrentTime()
    assert running.venue.not_ready() == "1 requests wait in the client's queue"
    with pytest.raises(Exception, match="wait in the client's queue"):
        running.venue.place(order(1))


async def test_probes_leave_room_for_orders(running: Running) -> None:
    for _ in range(60):
        running.venue.probe()
    assert running.venue.not_ready() is None
    assert running.session.connection.free_slots() >= 10
