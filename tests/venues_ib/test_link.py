"""The link against scripted trouble: what is waited for, what ends a connection, and what is said about it."""

import asyncio
import random
from typing import Any

import pytest
from ib_async.wrapper import RequestError

from config.schema import Daemon, Ib, RestartWindow
from daemon.core.events import BrokerReport, Farm, Link, MarketDataRefused, Pacing, ProbeAnswered, Quote, RestartWindows
from daemon.core.link_fsm import LINK, LinkState
from daemon.simulator.faults import ClientIdInUse, HalfOpen, Mute
from daemon.simulator.server import SimulatorServer
from daemon.venues.ib import market_data
from daemon.venues.ib import session as session_module
from daemon.venues.ib.framing import FrameGuard
from daemon.venues.protocol import OrderNotSentError
from tests.support.ib_errors import IbErrorWatch
from tests.support.scripted_market import CALL, OPEN_US
from tests.venues_ib.conftest import Running, make_profile, order

LOST = "Connectivity between IB and Trader Workstation has been lost."
HELLO = b"\0\0\0\x0f178\x0020261121 0\x00"
DROPPED = (
    "Peer closed connection|Connection reset|Socket disconnect|API connection failed|API port|already in use|"
    "Broken pipe"
)


def moves(desk: Running) -> list[tuple[str, str]]:
    return [(str(link.trigger), link.state) for link in desk.heard.of(Link)]


def follows_the_table(desk: Running) -> bool:
    state = LinkState.DOWN
    for link in desk.heard.of(Link):
        assert link.trigger is not None
        state = LINK.next(state, link.trigger)
        if state != link.state:
            return False
    return True


async def test_upstream_lost_waits_on_the_same_socket_and_asks_nothing(
    running: Running, server: SimulatorServer
) -> None:
    (session,) = server.gateway.sessions
    server.broadcast_error(1100, LOST)
    await running.heard.until(lambda: running.heard.states[-1] == "UPSTREAM_LOST")
    with pytest.raises(OrderNotSentError, match="the link is UPSTREAM_LOST"):
        running.venue.place(order(1))
    running.venue.reconcile("periodic", fresh_connection=False)
    running.venue.reconcile("second_look", fresh_connection=True)
    for _ in range(3):
        server.broadcast_error(1100, LOST)
    running.venue.probe()
    await running.heard.until(lambda: running.heard.of(ProbeAnswered))
    assert running.heard.states[-1] == "UPSTREAM_LOST"
    assert len(running.heard.of(BrokerReport)) == 1, "TWS could only answer from memory"
    assert server.gateway.sessions == (session,)
    server.broadcast_error(1102, "restored, data maintained")
    await running.heard.synced(3)
    assert [r.reason for r in running.heard.of(BrokerReport)][1:3] == ["upstream restored", "periodic"]
    assert follows_the_table(running)


async def test_2110_is_as_1100_and_data_lost_subscribes_exactly_once(running: Running, server: SimulatorServer) -> None:
    asked: list[str] = []
    original = server.transcript.hear

    def listen(**line: Any) -> None:
        asked.append(line["request"])
        original(**line)

    server.transcript.hear = listen  # type: ignore[method-assign]
    server.broadcast_error(2110, "Connectivity between TWS and server is broken. It will be restored automatically.")
    await running.heard.until(lambda: running.heard.states[-1] == "UPSTREAM_LOST")
    server.broadcast_error(1101, "restored, data lost")
    await running.heard.synced(2)
    running.venue.probe()
    await running.heard.until(lambda: running.heard.of(ProbeAnswered))
    assert asked.count("reqMktData") == 2, "the stock and its one leg"
    assert asked.count("cancelMktData") == 2
    assert asked.count("reqAllOpenOrders") == 1


async def test_a_restored_without_a_loss_before_it_reconciles_too(running: Running, server: SimulatorServer) -> None:
    server.broadcast_error(1102, "restored, data maintained")
    await running.heard.synced(2)
    assert [r.reason for r in running.heard.of(BrokerReport)] == ["connect", "upstream restored"]
    assert moves(running)[-2:] == [("upstream_back", "UP_UNSYNCED"), ("reconciled", "SYNCED")]


async def test_a_loss_while_listing_lists_again_before_anything_is_synced(
    running: Running, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "REQUEST_TIMEOUT_S", 0.1)
    server.faults.add(Mute(request="reqExecutions", count=1))
    server.broadcast_error(1102, "back")
    await running.heard.until(lambda: running.heard.states[-1] == "UP_UNSYNCED")
    server.broadcast_error(1100, LOST)
    await running.heard.until(lambda: running.heard.states[-1] == "UPSTREAM_LOST")
    await asyncio.sleep(0.15)
    assert running.heard.states[-1] == "UPSTREAM_LOST", "TWS cannot answer now: that is no reason to reconnect"
    server.broadcast_error(1102, "back")
    await running.heard.synced(2)
    assert follows_the_table(running)
    assert {report.connection for report in running.heard.of(BrokerReport)} == {1}


async def test_a_list_without_a_number_that_did_not_come_is_asked_for_on_a_new_connection_only(
    running: Running, server: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end, a time-out late, would end the next listing half read: positions would be missing from the report."""
    monkeypatch.setattr(session_module, "REQUEST_TIMEOUT_S", 0.1)
    server.faults.add(Mute(request="reqPositions", count=1))
    running.venue.reconcile("look", fresh_connection=False)
    await running.heard.synced(2)
    assert [(r.reason, r.connection) for r in running.heard.of(BrokerReport)] == [
        ("connect", 1),
        ("connect", 2),
        ("look", 2),
    ]
    assert all(len(report.positions) == 2 for report in running.heard.of(BrokerReport))


async def test_a_loss_that_outlasts_its_deadline_ends_the_connection_and_says_why(
    server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    desk = Running(server.port, make_profile(ib=Ib(client_id=3, connect_timeout=2.0, upstream_deadline_s=0.2)))
    await desk.heard.synced()
    server.broadcast_error(1100, LOST)
    await desk.heard.synced(2)
    (down,) = [link for link in desk.heard.of(Link) if link.cause is not None]
    assert (down.state, down.cause) == ("DOWN", "upstream_overdue")
    assert down.reason.startswith(f"1100: {LOST} (for 0 s): connecting anew")
    assert desk.heard.of(BrokerReport)[-1].connection == 2
    await desk.stop()


async def test_in_a_restart_window_the_deadline_runs_from_its_end(
    server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    window = RestartWindow(time="09:25-09:50", days=("fri",))  # New York; the scripted market opens at 9:30
    ib = Ib(client_id=3, connect_timeout=2.0, upstream_deadline_s=0.05, restart_windows=(window,))
    desk = Running(server.port, make_profile(ib=ib))
    await desk.heard.synced()
    (told,) = desk.heard.of(RestartWindows)
    minute_us = 60_000_000
    assert (told.windows[0].start_us, told.windows[0].end_us) == (OPEN_US - 5 * minute_us, OPEN_US + 20 * minute_us)
    server.broadcast_error(1100, LOST)
    await desk.heard.until(lambda: desk.heard.states[-1] == "UPSTREAM_LOST")
    await asyncio.sleep(0.2)
    assert desk.heard.states[-1] == "UPSTREAM_LOST", "past the deadline, but the window has 19 minutes to go"
    assert desk.venue._upstream._patience_s() == pytest.approx(19 * 60 + 0.05, abs=1)
    await desk.stop()


async def test_a_reset_port_is_left_with_tws_words_and_connected_to_again(
    running: Running, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    server.broadcast_error(1300, "Socket port has been reset and this connection is being dropped.")
    await running.heard.synced(2)
    (down,) = [link for link in running.heard.of(Link)[1:] if link.state == "DOWN"]
    assert down.reason == "1300: Socket port has been reset and this connection is being dropped."


async def test_a_taken_client_id_is_told_with_every_attempt(server: SimulatorServer, ib_errors: IbErrorWatch) -> None:
    ib_errors.expect("326|already in use|API connection failed")
    server.faults.add(ClientIdInUse(count=3))
    desk = Running(server.port)
    await desk.heard.synced()
    taken = [link for link in desk.heard.of(Link) if link.cause == "client_id_taken"]
    assert len(taken) == 3
    assert {link.reason for link in taken} == {"client id 3 is in use at the venue (ib.client_id); waiting for it"}
    await desk.stop()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak the IB API: it begins with b'HTTP/1.1 400 Bad Request'"),
        (b"\0\0\0\6hello\0", r"it begins with b'\x00\x00\x00\x06hello\x00'"),
        (b"\0\0\0\x0bx\0y\0zzz\0aa\0", "does not speak the IB API"),
        (b"\0\0\0\x0fabc\0yesterday\0\0", "does not speak the IB API"),
    ],
)
async def test_a_strange_hello_is_named_at_once(ib_errors: IbErrorWatch, said: bytes, words: str) -> None:
    ib_errors.expect("API connection failed")

    async def strange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.write(said)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(strange, "127.0.0.1", 0)
    desk = Running(server.sockets[0].getsockname()[1], make_profile(ib=Ib(client_id=3, connect_timeout=60)))
    await desk.heard.until(lambda: len(desk.heard.states) == 2)
    assert words in desk.heard.of(Link)[-1].reason
    await desk.heard.until(lambda: desk.venue._backoff._attempt >= 3)
    assert len(desk.heard.states) == 2, "the same words are said once"
    await desk.stop()
    server.close()
    await server.wait_closed()


async def test_a_frame_of_4_gb_ends_the_connection_at_once(
    running: Running, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect(DROPPED)
    (link,) = server.gateway.links
    link.send(b"\xff\xff\xff\xf0")
    await running.heard.synced(2)
    downs = [link.reason for link in running.heard.of(Link) if link.state == "DOWN"]
    assert downs[-1] == "the venue announces a frame of 4294967280 bytes: the stream is out of step"


def test_a_stream_in_single_bytes_passes_whole() -> None:
    decoded = bytearray()
    refused: list[str] = []
    guard = FrameGuard(decoded.extend, lambda: b"", refused.append)
    stream = HELLO + b"\0\0\0\x0212"
    for place in range(len(stream)):
        guard(stream[place : place + 1])
    assert (bytes(decoded), refused) == (stream, [])


def test_an_exception_in_the_decoder_ends_the_connection() -> None:
    refused: list[str] = []

    def fail(_data: bytes) -> None:
        raise IndexError("no such field")

    guard = FrameGuard(fail, lambda: b"", refused.append)
    guard(HELLO)
    guard(b"more")
    assert refused == ["a frame of the venue cannot be read: IndexError('no such field')"]


async def test_half_open_is_found_within_the_time_that_the_profile_allows(
    server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect(DROPPED)
    assert Daemon().probe_every_s + 2 * Daemon().probe_timeout_s <= 10, "the default of a profile"
    desk = Running(server.port, make_profile(daemon=Daemon(probe_timeout_s=0.2)))
    await desk.heard.synced()
    server.faults.add(HalfOpen(count=1))
    asked_s = asyncio.get_running_loop().time()
    desk.venue.probe()
    await desk.heard.until(lambda: desk.heard.states[-1] == "DOWN")
    assert asyncio.get_running_loop().time() - asked_s >= 0.39, "a single late answer is forgiven"
    await desk.heard.synced(2)
    await desk.stop()


async def test_a_farm_that_comes_back_renews_the_lines_and_leaves_the_socket(
    running: Running, server: SimulatorServer
) -> None:
    await running.heard.until(lambda: running.heard.of(Quote))
    (session,) = server.gateway.sessions
    old = dict(session.market_data)
    server.broadcast_error(2103, "Market data farm connection is broken:usfarm")
    server.broadcast_error(2157, "Sec-def data farm connection is broken:secdefil")
    server.broadcast_error(2108, "Market data farm connection is inactive but should be available upon demand.usfarm")
    await running.heard.until(lambda: len(running.heard.of(Farm)) >= 3)
    assert [(farm.name, farm.state) for farm in running.heard.of(Farm)] == [
        ("usfarm", "broken"),
        ("secdefil", "broken"),
        ("usfarm", "inactive"),
    ]
    assert session.market_data == old
    server.broadcast_error(2104, "Market data farm connection is OK:usfarm")
    await running.heard.until(lambda: len(session.market_data) == 2 and set(session.market_data).isdisjoint(old))
    assert sorted(session.market_data.values()) == sorted(old.values())
    assert running.heard.of(Farm)[-1].note == "2104: Market data farm connection is OK:usfarm"
    renewed = dict(session.market_data)
    server.broadcast_error(2103, "Market data farm connection is broken:usfarm")
    server.broadcast_error(2104, "Market data farm connection is OK:usfarm")
    running.venue.probe()
    await running.heard.until(lambda: running.heard.of(ProbeAnswered))
    assert session.market_data == renewed, "not more often than every 30 s"
    assert running.heard.states.count("SYNCED") == 1
    running.heard.events.clear()
    server.step()
    await running.heard.until(lambda: running.heard.of(Quote))


async def test_a_silent_line_is_renewed_within_a_session_only(
    server: SimulatorServer, ib_errors: IbErrorWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market_data, "LOOK_EVERY_S", 0.02)
    gates = make_profile().gates
    quick = type(gates.state.market)(stale_ts_threshold_ms=100)
    profile = make_profile(gates=type(gates)(state=type(gates.state)(market=quick)))
    desk = Running(server.port, profile)
    desk.clock.stand_at(OPEN_US - 3_600_000_000)
    await desk.heard.until(lambda: desk.heard.of(Quote))
    (session,) = server.gateway.sessions
    old = dict(session.market_data)
    await asyncio.sleep(0.2)
    assert dict(session.market_data) == old, "before the open silence is normal"
    desk.clock.stand_at(OPEN_US + 60_000_000)
    option = [request_id for request_id, instrument in old.items() if instrument != "ABC"]
    await desk.heard.until(lambda: set(session.market_data) & set(old) == set(option) and len(session.market_data) == 2)
    assert desk.heard.states[-1] == "SYNCED"
    await desk.stop()


async def test_refused_data_are_shown_with_their_reason_until_they_come(
    running: Running, server: SimulatorServer
) -> None:
    await running.heard.until(lambda: running.heard.of(Quote))
    (session,) = server.gateway.sessions
    (stock,) = [req_id for req_id, instrument in session.market_data.items() if instrument == "ABC"]
    server.gateway.error(session, stock, 10197, "No market data during competing live session")
    session.flush()
    await running.heard.until(lambda: running.heard.of(MarketDataRefused))
    (refused,) = running.heard.of(MarketDataRefused)
    assert (refused.instrument, refused.note) == ("ABC", "10197: No market data during competing live session")
    await running.heard.until(lambda: running.heard.of(Quote)[-1].bid is None)
    running.session.on_data_type(stock, 1)
    assert running.heard.of(MarketDataRefused)[-1].note is None
    running.session.on_data_type(stock, 3)
    assert running.heard.of(MarketDataRefused)[-1].note == "market data type 3: delayed data"


async def test_pacing_is_told_and_slows_our_own_requests(running: Running, server: SimulatorServer) -> None:
    (session,) = server.gateway.sessions
    server.gateway.error(session, -1, 100, "Max rate of messages per second has been exceeded")
    session.flush()
    await running.heard.until(lambda: running.heard.of(Pacing))
    assert [(p.queued, p.violations) for p in running.heard.of(Pacing)] == [(False, 1)]
    client = running.session.connection.client
    assert client.MaxRequests == 22
    running.session.connection.slow_down()
    assert client.MaxRequests == 20, "a listing and an order still pass within a second"
    for _ in range(40):
        client.reqCurrentTime()
    assert running.heard.of(Pacing)[-1].queued
    with pytest.raises(OrderNotSentError, match="wait in the client's queue"):
        running.venue.place(order(1))
    await running.heard.until(lambda: not running.heard.of(Pacing)[-1].queued)
    running.session.connection._full_pace()
    assert client.MaxRequests == 45
    assert running.heard.states[-1] == "SYNCED"


async def test_late_answers_of_a_request_that_failed_raise_nothing(running: Running, ib_errors: IbErrorWatch) -> None:
    wrapper = running.session.connection.ib.wrapper
    failed = wrapper.startReq(4711)
    wrapper.error(4711, 200, "No security definition", "")
    assert isinstance(failed.exception(), RequestError)
    wrapper.contractDetails(4711, object())
    wrapper.contractDetailsEnd(4711)
    assert 4711 not in wrapper._results


async def test_the_wait_starts_small_again_only_after_a_steady_connection(
    running: Running, server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    ib_errors.expect(DROPPED)
    backoff = running.venue._backoff
    server.drop_all()
    await running.heard.synced(2)
    server.drop_all()
    await running.heard.synced(3)
    assert backoff._attempt == 2, "a gateway that takes us and drops us is asked ever more rarely"
    assert running.venue._synced_s is not None
    running.venue._synced_s -= 11
    server.drop_all()
    await running.heard.synced(4)
    assert backoff._attempt == 1


# 110, 147 and 170 once ended the daemon: a socket that was reset a moment ago cannot be closed with a goodbye.
@pytest.mark.parametrize("seed", [1, 104, 110, 147, 158, 170])
async def test_whatever_tws_says_in_whatever_order_the_link_follows_its_table_and_ends_whole(
    server: SimulatorServer, ib_errors: IbErrorWatch, seed: int
) -> None:
    ib_errors.expect(DROPPED)
    source = random.Random(seed)
    desk = Running(server.port)
    for _ in range(25):
        said = source.choice([1100, 1100, 1101, 1102, 2110, 2103, 2104, 1300, "rst", "fin", "look", "again", "wait"])
        if isinstance(said, int):
            server.broadcast_error(said, f"message {said}:usfarm")
        elif said in {"rst", "fin"}:
            server.drop_all(said)
        elif said in {"look", "again"}:
            desk.venue.reconcile(said, fresh_connection=said == "again")
        await asyncio.sleep(source.choice([0, 0, 0.001, 0.01, 0.05]))
    server.broadcast_error(1102, "restored")

    def whole() -> bool:
        lines = [sorted(session.market_data.values()) for session in server.gateway.sessions]
        return desk.venue.not_ready() is None and not desk.venue._asked and lines == [["ABC", CALL.instrument]]

    await desk.heard.until(whole, timeout_s=20)
    assert follows_the_table(desk)
    synced = [place for place, event in enumerate(desk.heard.events) if getattr(event, "state", None) == "SYNCED"]
    for place in synced:
        before = [event for event in desk.heard.events[:place] if isinstance(event, BrokerReport | Link)]
        assert isinstance(before[-1], BrokerReport), "nothing is synchronised without a report of its own"
    await desk.stop()
