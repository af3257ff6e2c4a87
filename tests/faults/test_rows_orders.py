"""Rows 21 to 36, 39 and 40 of the fault matrix: what becomes of orders, and of the account beside them."""

from pathlib import Path
from typing import Literal

import pytest

from daemon.core.ledger import REJECT_BACKOFF_S
from daemon.simulator.faults import (
    ArrangeOrderEvents,
    CorrectExecutions,
    DelayCommissions,
    Dividend,
    DropAfter,
    DropAfterOrder,
    DropAll,
    Exercise,
    FillWorking,
    ForeignCommissions,
    InactivateOrders,
    InformOrders,
    LimitMessages,
    Mute,
    NoOrderStatus,
    OrderByHand,
    Overfill,
    PartialFills,
    RaceCancels,
    RejectOrders,
    RepeatOrderEvents,
    RollBackIds,
    Split,
    SwallowOrders,
    TradeByHand,
    TransferPosition,
)
from daemon.simulator.faults.base import FaultKind
from state.records import JournalLine, JournalType
from tests.faults.working_desk import FILLS, WorkingDesk, working_desk

PASSIVE = """
execution: {order_type: limit, limit_offset_ticks: -200, reprice_after_s: 3600, session_edge_s: 0}
gates: {guard: {risk: {price_collar_pct: 5}}}
"""
"""Hedges rest two dollars away from the market until the test fills them."""


def fills(desk: WorkingDesk) -> list[JournalLine]:
    return desk.of(*FILLS)


def booked(desk: WorkingDesk) -> float:
    """Own shares by the journal's fills alone."""
    return sum((line.quantity or 0.0) * (1 if line.side == "BUY" else -1) for line in fills(desk))


async def working(desk: WorkingDesk) -> str:
    """Wait until one own order works; its orderRef."""
    await desk.until("a working order", lambda: [each for each in desk.book.in_flight() if each.state == "working"])
    return desk.book.in_flight()[0].order_ref


async def hedge_under(desk: WorkingDesk, fault: FaultKind, usd: float = 2.0) -> str:
    """One hedge that the fault concerns, after one that it does not; the orderRef."""
    await desk.hedged()
    desk.faults.add(fault)
    desk.move(usd)
    await desk.until("the order", lambda: len(desk.placed()) == 2)
    return desk.placed()[1]


# --- 21, 22: what is told, and in which order ----------------------------------------------------
TOLD: list[FaultKind] = [
    NoOrderStatus(),
    *(
        ArrangeOrderEvents(arrangement=each)
        for each in ("executions_first", "executions_last", "commissions_first", "reversed")
    ),
    *(ArrangeOrderEvents(arrangement="shuffled", seed=seed) for seed in (1, 2)),
    RepeatOrderEvents(times=3, executions=True),
]


@pytest.mark.parametrize("fault", TOLD, ids=str)
async def test_row_21_and_22_the_same_book_however_it_is_told(tmp_path: Path, fault: FaultKind) -> None:
    async with working_desk(tmp_path, partial_fill_shares=50) as desk:
        desk.faults.add(fault)
        await desk.hedged()
        desk.move(2)
        await desk.hedged(beyond=1)
        assert len(desk.placed()) == 2
        assert desk.held() == booked(desk) == sum(_signed(desk))
        keys = [line.data["exec_key"] for line in fills(desk)]
        assert len(keys) == len(set(keys)) == len(desk.own_executions()), "one line for each fact"
        charged = [line.data["exec_key"] for line in desk.of(JournalType.COMMISSION)]
        assert sorted(charged) == sorted(keys)
        assert all(not order.in_flight for order in desk.book.orders.values())
        assert not desk.book.ledger.halts


def _signed(desk: WorkingDesk) -> list[float]:
    return [each.quantity if each.ticket.side == "BUY" else -each.quantity for each in desk.own_executions()]


# --- 23 to 26: fills -----------------------------------------------------------------------------
async def test_row_23_partly_filled_and_the_rest_cancelled(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        desk.faults.add(PartialFills(slices=(30, 70), rest="cancel", count=1))
        await desk.hedged(beyond=1)
        first, second = desk.of(JournalType.INTENT)
        assert first.quantity > 100
        assert second.quantity == pytest.approx(first.quantity - 100, abs=1), "the remainder, once"
        assert len(desk.placed()) == 2
        assert [line.status for line in desk.of(JournalType.CANCELLED)] == ["cancelled"]
        assert desk.held() == booked(desk)


async def test_row_24_overfill(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await hedge_under(desk, Overfill(quantity=5, count=1))
        await desk.until("the halt", lambda: desk.of(JournalType.HALT))
        assert [line.reason for line in desk.of(JournalType.HALT)] == ["overfill"]
        await desk.until("red", lambda: "overfill" in desk.reasons())
        desk.move(3)
        await desk.for_a_while(0.4)
        assert len(desk.placed()) == 2
        assert desk.book.ledger.own_shares == desk.held(), "the book is the truth all the same"


async def test_row_25_an_execution_is_corrected(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        correction = CorrectExecutions(price_change_usd=0.25, quantity_change=0, delay_s=0.2, count=1)
        order_ref = await hedge_under(desk, correction)
        await desk.until("the correction", lambda: len([f for f in fills(desk) if f.order_ref == order_ref]) == 2)
        first, second = [line for line in fills(desk) if line.order_ref == order_ref]
        assert second.data["revision"] > first.data["revision"]
        assert second.price == pytest.approx(first.price + 0.25)
        booked_fill = desk.book.ledger.fills[first.data["exec_key"]]
        assert booked_fill.price == second.price
        assert desk.book.ledger.own_shares == desk.held()
        newest = {line.data["exec_key"]: line for line in fills(desk)}.values()
        cash = -sum(line.price * line.quantity * (1 if line.side == "BUY" else -1) for line in newest)
        ledger = desk.book.ledger
        value = ledger.own_shares * ledger.average_cost
        assert ledger.realised_usd - value == pytest.approx(cash), "P&L by the corrected price"


async def test_row_26_commissions_late(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        order_ref = await hedge_under(desk, DelayCommissions(delay_s=0.4, count=1))
        await desk.until("the fill", lambda: not desk.book.in_flight())
        pending = [fill for fill in desk.book.ledger.fills.values() if fill.order_ref == order_ref]
        assert [fill.commission_usd for fill in pending] == [None]
        await desk.until("shown as pending", lambda: desk.snapshot().counters["commissions_pending"] == 1)
        await desk.until("the commission", lambda: len(desk.of(JournalType.COMMISSION)) == 2)
        assert desk.of(JournalType.COMMISSION)[-1].order_ref == order_ref
        assert desk.book.ledger.commission_usd == pytest.approx(
            sum(each.commission_usd for each in desk.exchange.commissions())
        )


async def test_row_26_commissions_never_and_others(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        desk.faults.add(ForeignCommissions())
        await hedge_under(desk, DelayCommissions(delay_s=None))
        await desk.until("the fill", lambda: not desk.book.in_flight())
        assert len(desk.of(JournalType.COMMISSION)) == 1, "a commission that was never told"
        desk.act(TradeByHand(instrument=desk.symbol, side="BUY", quantity=4))  # the listing it causes tells it at last
        await desk.until("the foreign shares", lambda: desk.book.ledger.foreign_fills)
        charged = {line.data["exec_key"] for line in desk.of(JournalType.COMMISSION)}
        own = {each.exec_id.rsplit(".", 1)[0] for each in desk.own_executions()}
        assert charged <= own, "somebody else's commission was booked"
        assert desk.held() == desk.book.ledger.own_shares + 4
        assert not desk.book.in_flight()


# --- 27 to 29: refusals and words that are none --------------------------------------------------
@pytest.mark.parametrize("code", [201, 200, 460, 110])
async def test_row_27_rejected(tmp_path: Path, code: int) -> None:
    async with working_desk(tmp_path) as desk:
        order_ref = await hedge_under(desk, RejectOrders(code=code, text="of the test's making", count=1))
        rejected = await desk.until("the rejection", lambda: desk.of(JournalType.REJECTED))
        assert rejected[0].order_ref == order_ref
        assert str(code) in rejected[0].reason
        assert "of the test's making" in rejected[0].reason
        await desk.until("yellow", lambda: "reject_backoff" in desk.reasons())
        await desk.for_a_while(0.2)
        assert len(desk.placed()) == 2, "it did not back off"
        await desk.time_passes(REJECT_BACKOFF_S[0] + 1)
        await desk.hedged(beyond=2)
        assert len(desk.placed()) == 3


async def test_row_27_rejected_again_and_again(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await hedge_under(desk, RejectOrders())
        for tries, wait_s in enumerate(REJECT_BACKOFF_S[:-1], start=3):
            await desk.time_passes(wait_s * 0.7)
            assert len(desk.placed()) == tries - 1, "it did not wait"
            await desk.time_passes(wait_s * 0.3 + 1)
            await desk.until("another try", lambda tries=tries: len(desk.placed()) == tries)
        await desk.until("the halt", lambda: desk.of(JournalType.HALT))
        assert desk.of(JournalType.HALT)[-1].reason == "repeated_rejects"
        await desk.time_passes(REJECT_BACKOFF_S[-1] + 1)
        assert len(desk.placed()) == 1 + len(REJECT_BACKOFF_S), "it went on for ever"


@pytest.mark.parametrize("code", [399, 10349, 404, 2109])
async def test_row_28_words_that_end_nothing(tmp_path: Path, code: int) -> None:
    async with working_desk(tmp_path, more=PASSIVE) as desk:
        desk.faults.add(InformOrders(code=code))
        order_ref = await working(desk)
        await desk.for_a_while(0.3)
        assert desk.placed() == [order_ref], "a live order was given up and sent again"
        assert [update.ticket.order_ref for update in desk.exchange.open_orders()] == [order_ref]
        assert not desk.of(JournalType.CANCELLED, JournalType.REJECTED, JournalType.HALT)
        desk.act(FillWorking())
        await desk.hedged()
        assert len({line.order_ref for line in fills(desk)}) == 1


async def test_row_29_held_until_shares_are_located(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        desk.faults.add(InactivateOrders(why_held="locate", hold_steps=8, count=1))
        await desk.until("the order", desk.placed)
        await desk.for_a_while(0.15)
        assert not desk.of(JournalType.REJECTED, JournalType.CANCELLED), "a held order was taken for a dead one"
        await desk.hedged()
        assert len(desk.placed()) == 1


async def test_row_29_inactive_for_good(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        desk.faults.add(InactivateOrders(why_held="", hold_steps=None, count=1))
        rejected = await desk.until("the rejection", lambda: desk.of(JournalType.REJECTED))
        assert "margin" in str(rejected[0].reason), "why?"
        await desk.time_passes(REJECT_BACKOFF_S[0] + 1)
        await desk.hedged(beyond=1)
        assert len(desk.placed()) == 2


# --- 30 to 33: orders out of sight ---------------------------------------------------------------
async def test_row_30_swallowed(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more="execution: {ack_deadline_s: 3, session_edge_s: 0}") as desk:
        order_ref = await hedge_under(desk, SwallowOrders(count=1))
        unknown = await desk.until("the open question", lambda: desk.of(JournalType.UNKNOWN_OUTCOME))
        assert unknown[0].order_ref == order_ref
        await desk.until("red", lambda: "unknown_outcome" in desk.reasons())
        assert len(desk.placed()) == 2, "sent again while nobody knew"
        lost = await desk.until(
            "the second look", lambda: [line for line in desk.of(JournalType.RECONCILED) if line.status == "lost"]
        )
        assert lost[0].order_ref == order_ref
        assert desk.connections >= 2, "the second look needs a fresh connection"
        await desk.hedged(beyond=2)
        assert len(desk.placed()) == 3
        assert desk.held() == booked(desk)


@pytest.mark.parametrize("how", ["rst", "fin"])
async def test_row_31_the_line_ends_just_after_the_order(tmp_path: Path, how: Literal["rst", "fin"]) -> None:
    async with working_desk(tmp_path) as desk:
        order_ref = await hedge_under(desk, DropAfterOrder(how=how, count=1))
        await desk.hedged(beyond=1)
        assert desk.connections == 2
        assert len(desk.placed()) == 2, "hedged twice"
        assert [line.order_ref for line in fills(desk)].count(order_ref) == 1
        assert desk.held() == booked(desk)


async def test_row_33_order_ids_roll_back(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.move(2)
        await desk.hedged(beyond=1)
        desk.faults.add(RollBackIds(order_id=1))
        desk.act(DropAll())
        await desk.until("a reconnect", lambda: desk.connections == 2)
        desk.move(2)
        await desk.hedged(beyond=2)
        ids = [int(each.values["order_id"]) for each in desk.transcript.requests("placeOrder")]
        assert len(set(ids)) == len(ids) == 3, "an id was used twice"
        assert ids == sorted(ids)
        assert not desk.of(JournalType.REJECTED)
        await desk.stop_daemon()
        await desk.start_daemon()  # another process of ours: it cannot remember, so it has to ask
        desk.move(2)
        await desk.hedged(beyond=3)
        assert len(desk.placed()) == 4
        assert not desk.of(JournalType.REJECTED)


# --- 34, 35: cancels and modifications -----------------------------------------------------------
@pytest.mark.parametrize("outcome", ["filled_10148", "filled_10147", "filled_after_202"])
async def test_row_34_a_cancel_races_a_fill(tmp_path: Path, outcome: str) -> None:
    async with working_desk(tmp_path, more=PASSIVE) as desk:
        desk.faults.add(RaceCancels(outcome=outcome))
        order_ref = await working(desk)
        desk.touch("flatten")
        await desk.until("flat", lambda: desk.of(JournalType.FLATTEN_VERIFIED) and desk.held() == 0)
        assert fills(desk)[0].order_ref == order_ref
        assert booked(desk) == 0
        assert desk.book.ledger.own_shares == 0


@pytest.mark.parametrize("fault", [Mute(request="modifyOrder", count=1), DropAfter(request="modifyOrder", count=1)])
async def test_row_35_a_modification_out_of_sight(tmp_path: Path, fault: FaultKind) -> None:
    """Lost on its way, or obeyed with the line cut behind it: asked for, and never a second live order."""
    more = PASSIVE.replace("reprice_after_s: 3600", "ack_deadline_s: 3, reprice_after_s: 1, max_reprices: 3")
    async with working_desk(tmp_path, more=more) as desk:
        order_ref = await working(desk)
        desk.faults.add(fault)
        desk.move(0.1)  # a new price to follow
        await desk.until("a modification", lambda: len(desk.transcript.requests("placeOrder")) >= 2)
        for _ in range(20):
            assert len(desk.exchange.open_orders()) <= 1, "two live orders"
            await desk.for_a_while(0.05)
        await desk.synced()
        desk.act(FillWorking())
        await desk.hedged()
        assert desk.placed() == [order_ref]
        assert desk.held() == booked(desk)


# --- 36: others in the account -------------------------------------------------------------------
async def test_row_36_manual_orders_and_positions(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        own = desk.book.ledger.own_shares
        desk.act(TradeByHand(instrument=desk.symbol, side="BUY", quantity=25))
        desk.act(OrderByHand(instrument=desk.symbol, side="SELL", quantity=25, limit_price=150))
        desk.act(OrderByHand(instrument=desk.symbol, side="BUY", quantity=9, limit_price=50, client_id=77))
        await desk.until("the foreign shares", lambda: desk.book.ledger.foreign_fills)
        assert desk.book.ledger.own_shares == own
        assert [line.quantity for line in desk.of(JournalType.BOOK_FOREIGN)] == [25]
        await desk.for_a_while(0.3)
        assert len(desk.placed()) == 1, "somebody else's shares were hedged"
        desk.act(DropAll())  # a fresh listing shows the foreign orders too
        await desk.until("the foreign orders", lambda: len(desk.book.foreign_orders) == 2)
        desk.touch("flatten")
        await desk.until("flat", lambda: desk.of(JournalType.FLATTEN_VERIFIED))
        assert desk.held() == 25
        assert len(desk.exchange.open_orders()) == 2


# --- 39: pacing ----------------------------------------------------------------------------------
async def test_row_39_too_many_messages(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.faults.add(LimitMessages(per_second=50, strikes=3))
        client = desk.daemon._venue._session.connection.client
        for _ in range(100):  # as much as a bug of ours could ask for
            client.reqIds(1)
        desk.move(2)
        desk.touch("flatten")
        await desk.until("flat", lambda: desk.of(JournalType.FLATTEN_VERIFIED))
        assert desk.connections == 1, "disconnected for too many messages"
        assert desk.held() == 0


# --- 40: moves without a trade -------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["transfer", "exercise", "split"])
async def test_row_40_a_position_jumps(tmp_path: Path, kind: str) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        call = desk.market.options[0].instrument
        jump = {
            "transfer": TransferPosition(instrument=desk.symbol, quantity=100),
            "exercise": Exercise(instrument=call, contracts=2),
            "split": Split(instrument=desk.symbol),
        }[kind]
        desk.act(jump)
        await desk.until("red", lambda: "position_unexplained" in desk.reasons())
        desk.move(3)
        await desk.for_a_while(0.4)
        assert len(desk.placed()) == 1, "hedged a position that nobody understands"
        assert any(line.status == "unexplained" for line in desk.of(JournalType.RECONCILED))
        desk.judge_positions = False  # the operator has the last word, and this test does not give it


async def test_row_40_a_dividend_is_no_jump(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.act(Dividend(instrument=desk.symbol, usd_share=0.5))
        desk.move(2)
        await desk.hedged(beyond=1)
        assert "position_unexplained" not in desk.reasons()
