"""Over the real wire: a loss limit trips, reduces, outlives a restart, and ends by a reset when it measures clear."""

import time
from pathlib import Path

from state.control import write_request
from state.records import JournalLine, JournalType, OperatorRequest
from state.times import iso_from_us
from tests.faults.working_desk import WorkingDesk, working_desk

REDUCE = """
control: {on_halt: reduce}
gates:
  state: {delta: {max_delta_limit: 60}}
  guard: {risk: {max_daily_loss_usd: 0.5}}
"""


async def answered(desk: WorkingDesk, number: int) -> JournalLine:
    """The desk's answer to a reset, as `bifrost reset` asks for it."""
    asked = OperatorRequest(
        id=f"reset-{number}",
        command="reset",
        by="anna",
        reason="looked",
        at=iso_from_us(time.time_ns() // 1000),  # noqa: TID251 -- a person's clock
    )
    write_request(desk.paths.requests, asked)

    def answer() -> JournalLine | None:
        told = desk.of(JournalType.RESET, JournalType.CONTROL_REFUSED)
        return next((line for line in told if line.data and line.data.get("request_id") == asked.id), None)

    line: JournalLine = await desk.until("an answer", answer)
    return line


async def test_a_loss_limit_trips_reduces_outlives_a_restart_and_ends_by_a_reset(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more=REDUCE) as desk:
        await desk.hedged()  # spread and commission cost more than half a dollar
        await desk.time_passes(7)
        await desk.until("the halt", lambda: {"daily_loss", "risk_halt"} <= desk.reasons())
        sent = len(desk.placed())
        snapshot = desk.snapshot()
        assert snapshot is not None
        assert snapshot.posture is not None
        assert snapshot.posture.name == "REDUCING"
        assert desk.light().state == "red"

        refused = await answered(desk, 1)
        assert refused.type is JournalType.CONTROL_REFUSED
        assert refused.data is not None
        assert "daily_loss still measures" in refused.data["detail"]

        await desk.stop_daemon()
        await desk.start_daemon()
        await desk.until("the halt again", lambda: {"daily_loss", "risk_halt"} <= desk.reasons())
        assert [line.reason for line in desk.of(JournalType.HALT)] == ["daily_loss"]
        assert len(desk.placed()) == sent

        desk.move(4)  # net delta passes its hard limit: a forced hedge lowers it, and long gamma has earned
        await desk.hedged(beyond=sent)
        intent = desk.of(JournalType.INTENT)[-1]
        assert intent.reason == "force_hedge"
        assert intent.data is not None
        assert intent.data["rules"]["circuit_breaker"]["waived"]
        assert desk.book.ledger.reduce_orders == 1
        assert desk.light().state == "red"

        done = await answered(desk, 2)
        assert done.type is JournalType.RESET
        await desk.until("the reconciliation after it", lambda: desk.of(JournalType.RECONCILED)[-1].reason == "reset")
        await desk.until("green", lambda: desk.light().state == "green")
