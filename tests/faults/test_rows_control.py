"""Rows 37, 38, 42, 57 and 58 of the fault matrix: commands in bad weather, odd command files, and who may run."""

import os
import signal
from pathlib import Path

import pytest

from daemon.runtime.locks import Locks, LockTakenError, desk_lock_path
from daemon.simulator.faults import DropAfter, DropAll, Mute, OrderByHand, PartialFills, TradeByHand
from state.records import JournalLine, JournalType
from state.times import us_from_iso
from tests.faults.working_desk import FILLS, WorkingDesk, working_desk

PASSIVE = """
execution: {order_type: limit, limit_offset_ticks: -200, reprice_after_s: 3600, session_edge_s: 0}
gates: {guard: {risk: {price_collar_pct: 5}}}
"""
RECEIPTS = (
    JournalType.CONTROL_SEEN,
    JournalType.CONTROL_STARTED,
    JournalType.CONTROL_DONE,
    JournalType.CONTROL_REFUSED,
)


def receipts(desk: WorkingDesk, command: str) -> list[JournalLine]:
    """The receipts of one command, oldest first."""
    return [line for line in desk.of(*RECEIPTS) if line.data is not None and line.data.get("command") == command]


def words(desk: WorkingDesk, command: str) -> list[str]:
    return [f"{line.type.value.removeprefix('control_')}:{line.status}" for line in receipts(desk, command)]


async def flat(desk: WorkingDesk, times: int = 1) -> None:
    await desk.until("flat", lambda: len(desk.of(JournalType.FLATTEN_VERIFIED)) == times)
    await desk.until("the file to go", lambda: not (desk.paths.control / "flatten").exists())
    assert (desk.paths.control / "pause").exists()
    assert desk.book.ledger.own_shares == 0


# --- 37, 38: flatten -----------------------------------------------------------------------------
async def test_row_37_flatten_in_bad_weather(tmp_path: Path) -> None:
    """Own and foreign orders work, the closing order fills in parts, the line is cut midway, and it is asked again."""
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.act(TradeByHand(instrument=desk.symbol, side="SELL", quantity=30))
        desk.act(OrderByHand(instrument=desk.symbol, side="BUY", quantity=9, limit_price=50))
        await desk.until("the foreign shares", lambda: desk.book.ledger.foreign_fills)
        desk.faults.add(PartialFills(slices=(20, 30), rest="cancel", count=2))
        desk.faults.add(DropAfter(request="placeOrder", after=1, count=1))
        desk.touch("flatten")
        await flat(desk)
        assert desk.connections == 2, "the line was not cut midway"
        assert desk.held() == -30, "foreign shares were touched"
        assert [each.ticket.client_id for each in desk.exchange.open_orders()] == [0]
        placed = len(desk.placed())
        desk.touch("flatten")  # once more: there is nothing to do
        await flat(desk, times=2)
        assert len(desk.placed()) == placed
        assert desk.held() == -30


async def test_row_37_a_working_hedge_is_cancelled_first(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more=PASSIVE) as desk:
        await desk.until("a working hedge", lambda: [o for o in desk.book.in_flight() if o.state == "working"])
        desk.act(DropAll())
        desk.touch("flatten")
        await flat(desk)
        assert desk.exchange.open_orders() == ()
        assert desk.held() == 0
        assert not desk.of(*FILLS)


async def test_row_38_flatten_while_the_market_is_closed(tmp_path: Path) -> None:
    start_us = us_from_iso("2026-01-05T20:30:00Z")
    async with working_desk(tmp_path, start_us=start_us, more="execution: {session_edge_s: 0}") as desk:
        await desk.hedged()
        own = desk.held()
        desk.sleep_until("2026-01-05T20:59:59.9Z")
        await desk.until("the close", lambda: desk.book.session_now() is None)
        desk.touch("flatten")
        await desk.until("the refusal", lambda: "refused:refused" in words(desk, "flatten"))
        refusal = receipts(desk, "flatten")[-1]
        assert refusal.reason == "flatten_refused"
        assert "2026-01-06T14:30:00" in refusal.data["detail"]
        desk.sleep_until("2026-01-06T14:30:01Z")
        await desk.until("the open", lambda: desk.book.session_now() is not None)
        await desk.for_a_while(0.5)
        assert len(desk.placed()) == 1, "it fired at the open"
        assert desk.held() == own
        os.utime(desk.paths.control / "flatten")  # asked again, it runs
        await flat(desk)
        assert desk.held() == 0


# --- 42: one daemon ------------------------------------------------------------------------------
async def test_row_42_two_daemons(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        with pytest.raises(LockTakenError, match="in use"):
            Locks().take(desk_lock_path(desk.paths.folder), "the same folder")
        (tmp_path / "second").mkdir()
        other = WorkingDesk(tmp_path / "second", more="desk: other\nib: {client_id: 12}", port=desk.port, gateway=False)
        await other.start_daemon()  # another folder, another client id, the same account and stock
        assert await other.daemon_end() == 4
        assert "account" in other.lines()[-1].reason
        desk.move(2)
        await desk.hedged(beyond=1)
        assert {ref.split(".")[0] for ref in desk.placed()} == {"desk"}


# --- 57: signals ---------------------------------------------------------------------------------
@pytest.mark.parametrize("times", [1, 2])
async def test_row_57_sigterm_while_a_hedge_works(tmp_path: Path, times: int) -> None:
    async with working_desk(tmp_path, more=PASSIVE) as desk:
        await desk.until("a working hedge", lambda: [o for o in desk.book.in_flight() if o.state == "working"])
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGTERM)
        assert await desk.daemon_end() == 0
        assert desk.exchange.open_orders() == ()
        assert [line.type for line in desk.lines()].count(JournalType.CANCELLED) == 1
        assert desk.lines()[-1].type is JournalType.RUN_STOPPED
        assert not list(desk.paths.control.glob("stop"))
        Locks().take(desk_lock_path(desk.paths.folder), "released")


async def test_row_57_sigterm_and_the_cancel_stays_unconfirmed(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more=PASSIVE) as desk:
        await desk.until("a working hedge", lambda: [o for o in desk.book.in_flight() if o.state == "working"])
        order_ref = desk.placed()[0]
        desk.faults.add(Mute(request="cancelOrder"))
        os.kill(os.getpid(), signal.SIGTERM)
        assert await desk.daemon_end() == 6
        unknown = desk.of(JournalType.UNKNOWN_OUTCOME)[-1]
        assert (unknown.order_ref, unknown.reason) == (order_ref, "stop_unconfirmed")
        desk.faults.clear()
        await desk.start_daemon()  # the next run finds it, cancels it, and has that confirmed
        await desk.until("confirmed", lambda: desk.of(JournalType.CANCELLED))
        assert desk.of(JournalType.CANCELLED)[0].order_ref == order_ref


# --- 58: odd command files -----------------------------------------------------------------------
async def test_row_58_a_command_twice_is_one_command(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        path = desk.touch("pause")
        stamp = path.stat()
        await desk.until("seen", lambda: receipts(desk, "pause"))
        for _ in range(5):
            path.write_text("")
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        await desk.for_a_while(0.3)
        assert words(desk, "pause") == ["seen:seen", "done:done"]
        desk.move(3)
        await desk.for_a_while(0.3)
        assert len(desk.placed()) == 1
        desk.release("pause")
        await desk.hedged(beyond=1)
        assert words(desk, "pause")[-1] == "done:released"


def _symlink(path: Path) -> None:
    path.symlink_to("/nonexistent/nowhere")


def _folder(path: Path) -> None:
    path.mkdir()


def _half_a_note(path: Path) -> None:
    path.write_text('{"id": "a", "by": "anna", "rea')


def _somebody_elses(path: Path) -> None:
    path.touch()
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    path.chmod(0o000)


def _from_the_future(path: Path) -> None:
    path.touch()
    os.utime(path, (4e9, 4e9))


ODD = [_symlink, _folder, _half_a_note, _somebody_elses, _from_the_future]


def _clear(path: Path) -> None:
    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


@pytest.mark.parametrize("make", ODD)
async def test_row_58_pause_and_stop_are_obeyed_whatever_they_are(tmp_path: Path, make: object) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        make(desk.paths.control / "pause")
        await desk.until("paused", lambda: desk.book.control.pause is not None)
        desk.move(3)
        await desk.for_a_while(0.2)
        assert len(desk.placed()) == 1
        make(desk.paths.control / "stop")
        assert await desk.daemon_end() == 0
        assert words(desk, "stop") == ["seen:seen", "started:started", "done:done"]
        for name in ("stop", "pause"):
            _clear(desk.paths.control / name)


@pytest.mark.parametrize("make", [_symlink, _folder, _half_a_note])
async def test_row_58_a_flatten_that_says_nothing_readable_pauses(tmp_path: Path, make: object) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        own = desk.held()
        make(desk.paths.control / "flatten")
        await desk.until("the refusal", lambda: "refused:refused" in words(desk, "flatten"))
        assert receipts(desk, "flatten")[-1].reason == "flatten_refused"
        await desk.until("the pause", (desk.paths.control / "pause").exists)
        await desk.until("red", lambda: "flatten_refused" in desk.reasons())
        assert desk.held() == own
        _clear(desk.paths.control / "flatten")
        desk.touch("flatten", '{"by": "anna", "reason": "now in full"}')
        await flat(desk)
        assert desk.held() == 0


async def test_row_58_a_flatten_that_waited_too_long(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        own, path = desk.held(), desk.paths.control / ".flatten"
        path.touch()
        os.utime(path, (path.stat().st_mtime - 61,) * 2)
        path.rename(desk.paths.control / "flatten")
        await desk.until("the refusal", lambda: "refused:refused" in words(desk, "flatten"))
        assert receipts(desk, "flatten")[-1].reason == "stale_flatten"
        await desk.until("red", lambda: "stale_flatten" in desk.reasons())
        assert desk.held() == own
        os.utime(desk.paths.control / "flatten")
        await flat(desk)


async def test_row_58_names_that_are_no_command(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        for name in ("STOP", "flaten", ".stop", "stop~"):
            desk.touch(name)
        await desk.until("both journaled", lambda: receipts(desk, "STOP") and receipts(desk, "flaten"))
        assert words(desk, "STOP") == words(desk, "flaten") == ["refused:ignored"]
        assert not receipts(desk, ".stop") + receipts(desk, "stop~")
        await desk.until("shown", lambda: "control_unknown_name" in desk.reasons())
        desk.move(2)
        await desk.hedged(beyond=1)


async def test_row_58_stop_and_flatten_together(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.move(3)
        desk.touch("pause")
        desk.touch("stop")
        desk.touch("flatten")
        assert await desk.daemon_end() == 0
        assert desk.held() == 0, "it stopped before it was flat"
        order = [line.data["command"] for line in desk.of(JournalType.CONTROL_DONE) if line.status == "done"]
        assert order.index("flatten") < order.index("stop")
        assert words(desk, "flatten")[:3] == ["seen:seen", "started:started", "done:done"]
        assert words(desk, "stop") == ["seen:seen", "started:started", "done:done"]
        assert {each.name for each in desk.paths.control.iterdir() if each.is_file()} == {"pause", "stop"}
        desk.release("stop")
