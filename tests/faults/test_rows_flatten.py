"""Flatten and stop on a working desk: partial fills, rejects, disconnects, halts of trading, a dead supervisor."""

import os
from pathlib import Path

import pytest

from daemon.core.events import BookRequest
from daemon.runtime.supervised import FD_VARIABLE
from daemon.simulator.faults import DropAll, Halt, PartialFills, RejectOrders
from daemon.venues.simulated.model import OrderTicket
from state.records import JournalType
from tests.faults.working_desk import WorkingDesk, working_desk

FOREIGN_SHARES = 300.0
THEIRS = OrderTicket(
    client_id=0, order_id=5, instrument="DEMO", side="BUY", quantity=50, order_type="LMT", limit_price=50.0, tif="GTC"
)


async def flattened(desk: WorkingDesk) -> None:
    """The file is gone, the pause stands, own shares are gone by the exchange's own book."""
    await desk.until("the end of the flatten", lambda: not (desk.paths.control / "flatten").exists())
    assert desk.of(JournalType.FLATTEN_VERIFIED)[-1].status == "flat"
    assert (desk.paths.control / "pause").exists()
    signed = [each.quantity if each.ticket.side == "BUY" else -each.quantity for each in desk.own_executions()]
    assert sum(signed) == 0


async def test_row_37_rejects_parts_and_a_reset_midway_end_flat_and_foreign_things_stay(tmp_path: Path) -> None:
    async with working_desk(
        tmp_path, positions=[("DEMO", FOREIGN_SHARES)], foreign_orders=[THEIRS], timer_speed=20.0
    ) as desk:
        desk.allowed = ("Peer closed", "API connection failed", "Make sure API port")
        await desk.synced()
        desk.emit(
            BookRequest(
                ts_us=desk.book.ts_us,
                request_id="a",
                command="acknowledge",
                shares=FOREIGN_SHARES,
                by="anna",
                reason="mine",
                age_ms=0.0,
            )
        )
        await desk.hedged()
        owned = desk.book.ledger.own_shares
        assert owned != 0
        desk.faults.add(RejectOrders(code=201, text="no margin", count=6))
        desk.touch("flatten")
        await desk.until("it is stuck, and says so", lambda: desk.of(JournalType.FLATTEN_STUCK))
        await desk.until("red", lambda: "flatten_stuck" in desk.reasons())
        desk.faults.clear()
        desk.faults.add(PartialFills(slices=(3.0,), rest="wait"))
        await desk.until("a part", lambda: desk.book.ledger.own_shares != owned)
        desk.act(DropAll(how="rst"))
        await desk.until("another connection", lambda: desk.connections == 2)
        desk.faults.clear()
        await flattened(desk)
        assert desk.held() == FOREIGN_SHARES
        assert [each.ticket for each in desk.exchange.open_orders(0)] == [THEIRS]
        placed = desk.placed()
        desk.touch("flatten")
        await flattened(desk)
        assert desk.placed() == placed, "repeated, it is a no-op"
        assert len(desk.of(JournalType.FLATTEN_VERIFIED)) == 2


async def test_trading_halted_it_waits_aloud_and_goes_on_when_trading_does(tmp_path: Path) -> None:
    async with working_desk(tmp_path, timer_speed=20.0) as desk:
        await desk.hedged()
        desk.act(Halt(instruments=("DEMO",), halted=True))
        await desk.until("the word of the halt", lambda: (q := desk.book.quote()) is not None and q.halted)
        placed = desk.placed()
        desk.touch("flatten")
        await desk.until("it says so", lambda: desk.of(JournalType.FLATTEN_STUCK))
        assert desk.of(JournalType.FLATTEN_STUCK)[-1].status == "halted"
        assert desk.placed() == placed
        desk.act(Halt(instruments=("DEMO",), halted=False))
        await flattened(desk)


async def test_a_supervisor_that_dies_midway_lets_the_flatten_end_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    monkeypatch.setenv(FD_VARIABLE, str(reading))
    async with working_desk(tmp_path, timer_speed=20.0) as desk:
        await desk.hedged()
        desk.faults.add(RejectOrders(code=201, text="no margin"))
        desk.touch("flatten")
        await desk.until("a reject", lambda: desk.of(JournalType.REJECTED))
        os.close(writing)
        await desk.for_a_while(0.3)
        assert not [line for line in desk.of(JournalType.CONTROL_SEEN) if line.reason == "supervisor_died"]
        desk.faults.clear()
        assert await desk.daemon_end() == 0
        kinds = [line.type for line in desk.lines()]
        assert kinds.index(JournalType.FLATTEN_VERIFIED) < kinds.index(JournalType.RUN_STOPPED)
        assert desk.of(JournalType.CONTROL_SEEN)[-1].reason == "supervisor_died"
