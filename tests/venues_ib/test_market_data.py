"""Market data over the wire that is not as it should be: halted, delayed, refused, noise, forgotten, too many words."""

import asyncio

import msgspec
import pytest

from config.schema import Ib
from daemon.core.events import Link, MarketDataRefused, OptionQuote, OrderReport, Pacing, ProbeAnswered, Quote
from daemon.simulator.faults import BadGreeks, BadTicks, DelayedData, LimitMessages, RefuseMarketData, RollBackIds
from daemon.simulator.faults.acts import ForgetSubscriptions, Halt
from daemon.simulator.server import SimulatorServer
from daemon.venues.ib import market_data
from tests.support.ib_errors import IbErrorWatch
from tests.support.scripted_market import OPEN_US
from tests.venues_ib.conftest import PREFIX, Running, make_profile, order


def asked_types(server: SimulatorServer) -> list[str]:
    """Every data type that a client asks for from now on."""
    asked: list[str] = []
    original = server.transcript.hear

    def listen(**line: object) -> None:
        if line["request"] == "reqMarketDataType":
            asked.append(line["values"]["data_type"])  # type: ignore[index]
        original(**line)  # type: ignore[arg-type]

    server.transcript.hear = listen  # type: ignore[method-assign]
    return asked


async def test_a_trading_halt_and_its_end_are_told_at_once(running: Running, server: SimulatorServer) -> None:
    await running.heard.until(lambda: running.heard.of(Quote))
    server.act(Halt(instruments=("ABC",)))
    await running.heard.until(lambda: running.heard.of(Quote)[-1].halted)
    server.act(Halt(instruments=("ABC",), halted=False))
    await running.heard.until(lambda: running.heard.of(Quote)[-1].halted is False)


@pytest.mark.parametrize("data_type", [3, 4])
async def test_delayed_data_are_told_as_such_and_shown_with_the_reason(
    server: SimulatorServer, ib_errors: IbErrorWatch, data_type: int
) -> None:
    server.faults.add(DelayedData(data_type=data_type))  # type: ignore[arg-type]
    asked = asked_types(server)
    desk = Running(server.port, make_profile(ib=Ib(client_id=3, connect_timeout=2.0, allow_delayed=data_type == 4)))
    await desk.heard.until(lambda: any(quote.bid is not None for quote in desk.heard.of(Quote)))
    assert all(quote.delayed for quote in desk.heard.of(Quote) if quote.bid is not None)
    assert all(quote.delayed for quote in desk.heard.of(OptionQuote) if quote.bid is not None)
    assert {refused.note for refused in desk.heard.of(MarketDataRefused)} == {
        f"market data type {data_type}: delayed data"
    }
    assert asked == ["3" if data_type == 4 else "1"], "delayed data are asked for only where they are allowed"
    await desk.stop()


async def test_frozen_data_are_no_quotes(server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    server.faults.add(DelayedData(data_type=2))
    desk = Running(server.port)
    await desk.heard.synced()
    desk.venue.probe()
    await desk.heard.until(lambda: desk.heard.of(ProbeAnswered) and desk.heard.of(MarketDataRefused))
    assert all((quote.bid, quote.ask, quote.last) == (None, None, None) for quote in desk.heard.of(Quote))
    await desk.stop()


@pytest.mark.parametrize("code", [354, 10089, 10168, 10182, 10197])
async def test_a_refused_subscription_is_shown_in_the_venues_words(
    server: SimulatorServer, ib_errors: IbErrorWatch, code: int
) -> None:
    server.faults.add(RefuseMarketData(code=code, text="not this one", instruments=("ABC",)))
    desk = Running(server.port)
    await desk.heard.until(lambda: desk.heard.of(MarketDataRefused))
    assert [(each.instrument, each.note) for each in desk.heard.of(MarketDataRefused)] == [
        ("ABC", f"{code}: not this one")
    ]
    await desk.heard.until(lambda: desk.heard.of(OptionQuote))
    assert all(quote.bid is None for quote in desk.heard.of(Quote))
    assert desk.heard.states[-1] == "SYNCED"
    await desk.stop()


async def test_noise_is_refused_by_kind_and_never_told(running: Running, server: SimulatorServer) -> None:
    await running.heard.until(lambda: running.heard.of(Quote))
    for fault, kind in (
        (BadTicks(bid=5000.0, ask=5000.02), "absurd"),
        (BadTicks(swap=True), "crossed"),
        (BadTicks(bid=-1.0, ask=199_999.99), "sentinel"),
        (BadTicks(bid="NaN", ask="Infinite"), "not_a_number"),
    ):
        server.faults.clear()
        server.faults.add(msgspec.structs.replace(fault, instruments=("ABC",)))
        running.heard.events.clear()
        server.step()
        await running.heard.until(lambda: running.heard.of(Quote))
        (quote,) = running.heard.of(Quote)
        assert (quote.bid, quote.ask) == (None, None)
        assert set(quote.refused) == {kind}


@pytest.mark.parametrize(
    ("frame", "ends"),
    [
        (b"61\x003\x00DU0000042\x0011\x00ABC\x00", True),  # a position without its quantity
        (b"11\x00-1\x00seven\x00", True),  # an execution
        (b"5\x00seven\x00", False),  # an open order, perhaps a stranger's
        (b"2\x006\x001\x000\x00many\x00", False),  # a size
    ],
)
async def test_a_message_that_the_library_cannot_read_is_not_only_logged(
    running: Running, server: SimulatorServer, ib_errors: IbErrorWatch, frame: bytes, ends: bool
) -> None:
    ib_errors.expect("Peer closed|Socket disconnect")
    (link,) = server.gateway.links
    link.send(len(frame).to_bytes(4, "big") + frame)
    running.venue.probe()
    if ends:
        await running.heard.synced(2)
        reason = next(each.reason for each in running.heard.of(Link)[1:] if each.state == "DOWN")
        assert reason.startswith(f"message {frame.split(bytes(1))[0].decode()} of the venue cannot be read")
    else:
        await running.heard.until(lambda: running.heard.of(ProbeAnswered))
        assert running.heard.states[-1] == "SYNCED"
    assert [record.name for record in ib_errors.records if record.name == "ib_async.Decoder"] == ["ib_async.Decoder"]
    ib_errors.records.clear()  # this one was the test's own


async def test_greeks_that_were_not_computed_never_reach_a_sum(running: Running, server: SimulatorServer) -> None:
    await running.heard.until(lambda: running.heard.of(OptionQuote))
    server.faults.add(BadGreeks(how="sentinels"))
    running.heard.events.clear()
    server.step()
    await running.heard.until(lambda: running.heard.of(OptionQuote))
    (quote,) = running.heard.of(OptionQuote)
    assert (quote.model_volatility, quote.model_delta, quote.bid) == (None, None, 2.0)
    assert set(quote.refused) == {"sentinel"}


async def test_a_subscription_that_tws_forgot_is_made_again(
    server: SimulatorServer, ib_errors: IbErrorWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a nightly reset: connected, SYNCED, and not a tick more."""
    monkeypatch.setattr(market_data, "LOOK_EVERY_S", 0.02)
    gates = make_profile().gates
    quick = type(gates)(state=type(gates.state)(market=type(gates.state.market)(stale_ts_threshold_ms=100)))
    desk = Running(server.port, make_profile(gates=quick))
    desk.clock.stand_at(OPEN_US - 3_600_000_000)  # nothing is renewed before the open
    await desk.heard.until(lambda: desk.heard.of(Quote))
    server.act(ForgetSubscriptions())
    desk.heard.events.clear()
    server.step()
    desk.clock.stand_at(OPEN_US + 120_000_000)
    await desk.heard.until(lambda: desk.heard.of(Quote))
    assert desk.heard.of(Quote)[-1].bid == 50.10
    assert desk.heard.of(Link) == [], "the order socket was left alone"
    await desk.stop()


async def test_too_many_words_slow_us_down_and_never_end_the_line(running: Running, server: SimulatorServer) -> None:
    server.faults.add(LimitMessages(per_second=30, strikes=50))
    client = running.session.connection.client
    for _ in range(35):
        client.reqCurrentTime()
    await running.heard.until(lambda: any(pacing.violations for pacing in running.heard.of(Pacing)))
    assert client.MaxRequests < 30
    told = running.heard.of(Pacing)[-1].violations
    for _ in range(30):
        client.reqCurrentTime()
    await running.heard.until(lambda: not client._msgQ)
    await asyncio.sleep(0.05)
    assert running.heard.of(Pacing)[-1].violations == told, "below the limit from the first complaint on"
    assert running.heard.states[-1] == "SYNCED"


async def test_an_order_id_that_is_known_to_be_used_is_left_well_behind(
    server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    """The venue's counter went back behind ids that another day, or another run, has used."""
    first = Running(server.port)
    await first.heard.synced()
    first.venue.place(order(1, "BUY", 10, order_type="LMT", limit_price=40.0))
    await first.heard.until(lambda: any(r.status == "working" for r in first.heard.of(OrderReport)))
    first.venue.cancel(f"{PREFIX}1")
    await first.heard.until(lambda: first.heard.of(OrderReport)[-1].status == "cancelled")
    await first.stop()
    server.faults.add(RollBackIds(order_id=1))
    second = Running(server.port)
    await second.heard.synced()
    for number in (2, 3):
        second.venue.place(order(number, "BUY", 10, order_type="LMT", limit_price=40.0))
        wanted = f"{PREFIX}{number}"
        await second.heard.until(
            lambda wanted=wanted: any(  # type: ignore[misc]
                r.order_ref == wanted and r.status in ("rejected", "working") for r in second.heard.of(OrderReport)
            )
        )
    ends = {r.order_ref: r.status for r in second.heard.of(OrderReport)}
    assert ends[f"{PREFIX}3"] == "working"
    assert ends[f"{PREFIX}2"] in ("rejected", "working")
    await second.stop()
