"""Limit hedges over the wire: their price follows the market by modifying one order, which fills or is given up."""

from functools import partial
from pathlib import Path

from daemon.simulator.faults import RejectModifies
from state.records import JournalType
from tests.faults.working_desk import FILLS, WorkingDesk, working_desk

RESTING = """
execution: {order_type: limit, limit_offset_ticks: -4, reprice_after_s: 1, max_reprices: 2, session_edge_s: 0}
"""
"""A hedge is priced four ticks before the far touch, looked at every tenth of a second of these scenarios."""


def order_ids(desk: WorkingDesk) -> list[int]:
    return [int(each.values["order_id"]) for each in desk.transcript.requests("placeOrder")]


def modified(desk: WorkingDesk, times: int) -> bool:
    return len(desk.of(JournalType.MODIFIED)) == times


def away(desk: WorkingDesk, usd: float) -> None:
    """The price runs away from the working hedge."""
    desk.move(usd if desk.book.in_flight()[0].side == "BUY" else -usd)


async def test_a_limit_hedge_follows_the_touch_as_one_order_and_fills(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more=RESTING) as desk:
        await desk.until("a working order", lambda: [each for each in desk.book.in_flight() if each.state == "working"])
        first = desk.book.in_flight()[0]
        away(desk, 0.03)
        confirmed = await desk.until("the new price", lambda: desk.of(JournalType.MODIFIED))
        asked = desk.of(JournalType.MODIFY_SENT)[0]
        assert asked.price == confirmed[0].price != first.limit_price
        assert desk.exchange.open_orders()[0].ticket.limit_price == asked.price
        away(desk, -0.2)  # and comes back through it
        filled = await desk.until("the fill", lambda: desk.of(*FILLS))
        assert {line.order_ref for line in filled} == {first.order_ref}
        assert len(set(order_ids(desk)[:2])) == 1, "a change of price is the same order"
        assert desk.held() == sum((line.quantity or 0) * (1 if line.side == "BUY" else -1) for line in desk.of(*FILLS))


async def test_after_its_last_change_it_is_cancelled_and_the_hedge_decided_anew(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more=RESTING) as desk:
        await desk.until("a working order", lambda: [each for each in desk.book.in_flight() if each.state == "working"])
        ref = desk.book.in_flight()[0].order_ref
        for changes in (1, 2):
            away(desk, 0.03)
            await desk.until("a new price", partial(modified, desk, changes))
        away(desk, 0.03)
        cancelled = await desk.until("the cancel", lambda: desk.of(JournalType.CANCELLED))
        assert cancelled[0].order_ref == ref
        again = await desk.until("another order", desk.book.in_flight)
        assert again[0].order_ref != ref
        assert len(desk.exchange.open_orders()) <= 1


async def test_refused_changes_leave_the_order_as_it_was_until_it_is_given_up(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more=RESTING) as desk:
        desk.faults.add(RejectModifies(code=201, text="Order rejected - reason:no change"))
        await desk.until("a working order", lambda: [each for each in desk.book.in_flight() if each.state == "working"])
        first = desk.book.in_flight()[0]
        away(desk, 0.03)
        cancelled = await desk.until("the cancel", lambda: desk.of(JournalType.CANCELLED))
        refused = desk.of(JournalType.MODIFY_REFUSED)[:2]
        assert [(line.order_ref, line.status, line.price) for line in refused] == [
            (first.order_ref, "refused", first.limit_price)
        ] * 2
        assert all("no change" in str(line.reason) for line in refused)
        assert cancelled[0].order_ref == first.order_ref
        assert not desk.of(JournalType.REJECTED, JournalType.HALT)
        assert desk.book.ledger.consecutive_rejects == 0
