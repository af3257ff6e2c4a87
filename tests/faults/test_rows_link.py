"""Rows 1 to 16 of the fault matrix: the link, and what may be traded over it."""

from pathlib import Path

from tests.faults.working_desk import working_desk


async def test_row_07_reset_in_idle(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.gateway.drop_all("rst")
        await desk.until("a reconnect", lambda: desk.connections == 2)
        await desk.synced()
        desk.move(2)
        await desk.hedged(beyond=1)
