"""Rows 1 to 15 of the fault matrix: the link, and what may be sent over it."""

import asyncio
from pathlib import Path
from typing import Literal

import pytest
from ib_async import IB

from config.schema import Daemon as DaemonSection
from daemon.simulator.faults import (
    BreakFrame,
    Broadcast,
    CutAnswer,
    DelayAnswers,
    DropAll,
    FreezeQuotes,
    HalfOpen,
    LoseUpstream,
    RestoreUpstream,
    SilentHandshake,
    SplitFrames,
    StrangeHello,
    TradeByHand,
)
from daemon.simulator.faults.base import FaultKind
from state.records import JournalType
from tests.faults.working_desk import WorkingDesk, working_desk

CLIENT_ID = 11
HANDSHAKE_ERRORS = ("API connection failed", "Peer closed", "TWS/gateway version", "The TWS", "Not connected")


def subscriptions(desk: WorkingDesk, since: int = 0) -> list[str]:
    """What was subscribed to after that many requests, by the contract's own id, sorted."""
    entries = list(desk.transcript.entries)[since:]
    return sorted(str(each.values["con_id"]) for each in entries if each.request == "reqMktData")


def declared(desk: WorkingDesk) -> list[str]:
    """The declared set: the stock and each leg once."""
    return sorted(str(contract.con_id) for contract in desk.market.contracts)


async def recovers(desk: WorkingDesk) -> None:
    """The desk works again: synchronised, green, and one move of the market is one hedge."""
    await desk.synced()
    await desk.until_light("green")
    orders = await desk.hedged(beyond=len(desk.placed()) - 1)
    desk.move(2)
    await desk.hedged(beyond=orders)
    assert len(desk.placed()) == orders + 1


# --- connecting ----------------------------------------------------------------------------------
async def test_row_01_gateway_absent_at_start(tmp_path: Path) -> None:
    async with working_desk(tmp_path, gateway=False) as desk:
        snapshot = await desk.until("a snapshot", desk.snapshot, timeout_s=2)
        assert snapshot.link_state == "DOWN"
        await desk.until("why", lambda: "refused" in desk.book.link.reason, timeout_s=2)
        assert desk.light().state == "yellow"
        assert "waiting_ib" in desk.reasons()
        await desk.for_a_while(0.3)
        await desk.open_gateway()
        await desk.hedged()
        await recovers(desk)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(SilentHandshake(), "does not complete the logon", id="row 2, no handshake"),
        pytest.param(StrangeHello(version=150), "version", id="row 3, too old"),
        pytest.param(StrangeHello(raw="HTTP/1.1 400 Bad Request"), "the IB API", id="row 3, no TWS at all"),
    ],
)
async def test_row_02_and_03_a_handshake_that_is_none(tmp_path: Path, fault: FaultKind, said: str) -> None:
    async with working_desk(tmp_path, gateway=False, more="ib: {connect_timeout: 0.3}") as desk:
        desk.allowed = HANDSHAKE_ERRORS
        desk.faults.add(fault)
        await desk.open_gateway()
        await desk.until("the reason", lambda: said in desk.book.link.reason)
        assert desk.light().state == "yellow"
        opened = desk.accepted
        await desk.for_a_while(0.5)
        assert desk.accepted - opened <= 8, "a storm of attempts"
        desk.faults.clear()
        await desk.hedged()


async def test_row_04_client_id_in_use(tmp_path: Path) -> None:
    async with working_desk(tmp_path, daemon=False, more="ib: {connect_timeout: 30}") as desk:
        other = IB()
        await other.connectAsync("127.0.0.1", desk.port, clientId=CLIENT_ID, timeout=5)
        began_s = asyncio.get_running_loop().time()
        await desk.start_daemon()
        await desk.until("the reason", lambda: f"client id {CLIENT_ID} is in use" in desk.book.link.reason)
        assert asyncio.get_running_loop().time() - began_s < 15, "it sat out the time-out"
        await desk.until("more tries", lambda: desk.connections >= 4)
        await desk.until("the alarm", lambda: "client_id_taken" in desk.reasons())
        assert {each.values["client_id"] for each in desk.transcript.requests("startApi")} == {str(CLIENT_ID)}
        assert not desk.placed()
        other.disconnect()
        await desk.hedged()


@pytest.mark.parametrize("request_name", ["reqPositions", "reqAllOpenOrders", "reqExecutions"])
async def test_row_05_an_end_that_never_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_name: str
) -> None:
    monkeypatch.setattr("daemon.venues.ib.session.REQUEST_TIMEOUT_S", 0.2)
    async with working_desk(tmp_path, gateway=False) as desk:
        desk.faults.add(CutAnswer(request=request_name, messages=0, how="silence"))
        await desk.open_gateway()
        await desk.until("a second connect", lambda: desk.connections >= 2)
        assert not desk.placed()
        assert not desk.of(JournalType.RECONCILED), "half a state was taken for the whole"
        assert desk.snapshot().link_state != "SYNCED"
        desk.faults.clear()
        await desk.hedged()


async def test_row_06_a_late_account_download(tmp_path: Path) -> None:
    async with working_desk(tmp_path, gateway=False, more="ib: {connect_timeout: 30}") as desk:
        desk.faults.add(DelayAnswers(request="reqAccountUpdates", delay_s=1.0, count=1))
        await desk.open_gateway()
        await desk.until("the question", lambda: desk.transcript.requests("reqAccountUpdates"))
        await desk.for_a_while(0.5)
        assert desk.link != "SYNCED"
        assert not desk.placed()
        await desk.hedged()
        assert desk.connections == 1, "it was only late"


@pytest.mark.parametrize(("how", "server_version"), [("rst", 178), ("fin", 178), ("rst", 176)])
async def test_row_07_reset_in_idle(tmp_path: Path, how: Literal["rst", "fin"], server_version: int) -> None:
    async with working_desk(tmp_path, server_version=server_version) as desk:
        await desk.hedged()
        heard = len(desk.transcript.entries)
        desk.act(DropAll(how=how))
        await desk.until("a reconnect", lambda: desk.connections == 2)
        await recovers(desk)
        assert subscriptions(desk, heard) == declared(desk)
        assert desk.of(JournalType.RECONCILED)[-1].reason == "connect"
        assert {each.values["client_id"] for each in desk.transcript.requests("startApi")} == {str(CLIENT_ID)}


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_row_08_the_line_ends_during_the_account_download(tmp_path: Path, how: Literal["rst", "fin"]) -> None:
    async with working_desk(tmp_path, gateway=False) as desk:
        desk.faults.add(CutAnswer(request="reqAccountUpdates", messages=5, how=how, count=1))
        await desk.open_gateway()
        await desk.until("another connect", lambda: desk.connections == 2)
        await desk.hedged()
        assert {line.status for line in desk.of(JournalType.RECONCILED)} == {"agrees"}
        await recovers(desk)


# --- silence -------------------------------------------------------------------------------------
def test_row_09_the_default_probes_notice_within_ten_seconds() -> None:
    defaults = DaemonSection()
    assert defaults.probe_every_s + 2 * defaults.probe_timeout_s <= 10


async def test_row_09_half_open_socket(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.faults.add(HalfOpen(count=1))
        await desk.until("a reconnect", lambda: desk.connections == 2)
        await recovers(desk)


@pytest.mark.parametrize("how", ["huge", "truncated"])
async def test_row_10_a_frame_that_never_ends(tmp_path: Path, how: Literal["huge", "truncated"]) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.faults.add(BreakFrame(how=how, count=1))
        await desk.until("a reconnect", lambda: desk.connections == 2)
        await recovers(desk)


async def test_row_10_one_byte_at_a_time(tmp_path: Path) -> None:
    async with working_desk(tmp_path, gateway=False) as desk:
        desk.faults.add(SplitFrames(chunk_bytes=1))
        await desk.open_gateway()
        await desk.hedged()
        await recovers(desk)
        assert desk.connections == 1


# --- TWS loses its servers, or a data farm -------------------------------------------------------
@pytest.mark.parametrize("code", [1100, 2110], ids=["row 11", "row 15"])
async def test_row_11_and_15_upstream_lost_and_back(tmp_path: Path, code: Literal[1100, 2110]) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        heard = len(desk.transcript.entries)
        desk.act(LoseUpstream(code=code))
        await desk.until("UPSTREAM_LOST", lambda: desk.link == "UPSTREAM_LOST")
        desk.act(Broadcast(code=code))  # it is said many times
        desk.move(3)
        desk.act(TradeByHand(instrument=desk.symbol, side="BUY", quantity=7))  # an execution that nobody may miss
        await desk.until("yellow", lambda: desk.light().state != "green")
        await desk.for_a_while(0.5)
        assert len(desk.placed()) == 1, "an order while the servers were away"
        desk.act(RestoreUpstream(code=1102))
        await desk.synced()
        await desk.until("the missed execution", lambda: desk.book.ledger.foreign_fills)
        await desk.hedged(beyond=1)
        assert desk.connections == 1, "the socket was fine"
        assert subscriptions(desk, heard) == []
        assert desk.of(JournalType.RECONCILED)[-1].status == "agrees"


async def test_row_12_upstream_lost_for_too_long(tmp_path: Path) -> None:
    more = "daemon: {waiting_ib_deadline_s: 6}\nib: {upstream_deadline_s: 0.6}"
    async with working_desk(tmp_path, more=more) as desk:
        await desk.hedged()
        desk.act(Broadcast(code=1100))
        await desk.until("a reconnect", lambda: desk.connections == 2)
        await desk.synced()
        await recovers(desk)


async def test_row_12_red_when_it_lasts(tmp_path: Path) -> None:
    more = "daemon: {waiting_ib_deadline_s: 6}"  # 0.6 s at this scenario's speed
    async with working_desk(tmp_path, more=more) as desk:
        await desk.hedged()
        desk.act(LoseUpstream())
        await desk.until("waiting", lambda: "waiting_ib" in desk.reasons())
        assert desk.light().state == "yellow"
        await desk.until("overdue", lambda: "waiting_ib_overdue" in desk.reasons())
        assert desk.light().state == "red"
        desk.act(RestoreUpstream())
        await recovers(desk)


async def test_row_13_upstream_back_without_its_data(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        heard = len(desk.transcript.entries)
        desk.act(LoseUpstream())
        await desk.until("UPSTREAM_LOST", lambda: desk.link == "UPSTREAM_LOST")
        desk.act(RestoreUpstream(code=1101))
        await desk.until("everything subscribed", lambda: len(subscriptions(desk, heard)) >= 3)
        await recovers(desk)
        assert subscriptions(desk, heard) == declared(desk)
        assert desk.connections == 1


async def test_row_14_a_data_farm_breaks_and_comes_back(tmp_path: Path) -> None:
    """The farm says that it is back, but nothing comes until it is asked anew: the age of the quotes tells."""
    more = "gates: {state: {market: {stale_ts_threshold_ms: 800}}}"
    async with working_desk(tmp_path, more=more, timer_speed=1) as desk:
        await desk.hedged()
        heard = len(desk.transcript.entries)
        desk.faults.add(FreezeQuotes())
        desk.act(Broadcast(code=2103))
        desk.move(3)
        await desk.until("stale", lambda: "stale" in desk.reasons())
        await desk.for_a_while(0.3)
        assert len(desk.placed()) == 1
        assert desk.connections == 1, "the order socket was torn down for a data farm"
        desk.faults.clear()
        desk.act(Broadcast(code=2104))
        await desk.hedged(beyond=1)
        assert set(subscriptions(desk, heard)) == set(declared(desk))
        assert desk.connections == 1
        await recovers(desk)
