"""Weather: faults, acts, commands and restarts in a random order, several at a time; then it clears.

The row tests make each fault happen alone and say what must come of it. Here they meet, and what must come of it is
only this: the invariants hold, and when the weather has cleared the desk hedges again, or a halt says why it does not.
The same seed makes the same weather, though not the same moments.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.simulator.faults import (
    ArrangeOrderEvents,
    BreakFrame,
    CancelWorking,
    CorrectExecutions,
    CutAnswer,
    DelayAnswers,
    DelayCommissions,
    DropAfter,
    DropAfterOrder,
    DropAll,
    ForeignCommissions,
    HalfOpen,
    InactivateOrders,
    InformOrders,
    LoseUpstream,
    Mute,
    NoOrderStatus,
    PartialFills,
    RaceCancels,
    RejectModifies,
    RejectOrders,
    RepeatOrderEvents,
    RestoreUpstream,
    RollBackIds,
    SplitFrames,
    SwallowOrders,
    TradeByHand,
)
from daemon.simulator.faults.base import FaultKind
from tests.faults.working_desk import WorkingDesk, working_desk

MARKET = "execution: {session_edge_s: 0, ack_deadline_s: 3}"
LIMIT = (
    "execution: {order_type: limit, limit_offset_ticks: 2, reprice_after_s: 1, max_reprices: 3,"
    " session_edge_s: 0, ack_deadline_s: 3}"
)
STEPS = 15
LISTS = ("reqPositions", "reqExecutions", "reqAllOpenOrders")

FAULTS: list[Callable[[random.Random], FaultKind]] = [
    lambda _: NoOrderStatus(count=1),
    lambda _: RepeatOrderEvents(times=3, executions=True, count=2),
    lambda r: ArrangeOrderEvents(arrangement="shuffled", seed=r.randrange(99), count=2),
    lambda r: PartialFills(slices=(r.randrange(1, 9), 4), rest=r.choice(["cancel", "fill"]), count=1),
    lambda r: DropAfterOrder(how=r.choice(["rst", "fin"]), count=1),
    lambda _: SwallowOrders(count=1),
    lambda _: RejectOrders(count=1),
    lambda _: RejectModifies(count=1),
    lambda r: DelayCommissions(delay_s=r.choice([0.2, None]), count=2),
    lambda _: CorrectExecutions(price_change_usd=0.05, delay_s=0.1, count=1),
    lambda r: InformOrders(code=r.choice([399, 404, 2109, 10349]), count=1),
    lambda r: InactivateOrders(why_held=r.choice(["locate", ""]), hold_steps=5, count=1),
    lambda r: RaceCancels(outcome=r.choice(["filled_10148", "filled_10147", "filled_after_202"]), count=1),
    lambda _: HalfOpen(count=1),
    lambda r: BreakFrame(how=r.choice(["huge", "truncated"]), count=1),
    lambda r: CutAnswer(request=r.choice(LISTS), messages=r.randrange(3), how=r.choice(["rst", "fin"]), count=1),
    lambda r: DelayAnswers(request=r.choice([*LISTS, "placeOrder", "cancelOrder"]), delay_s=0.3, count=1),
    lambda r: DropAfter(request=r.choice([*LISTS, "placeOrder", "cancelOrder", "modifyOrder"]), count=1),
    lambda r: Mute(request=r.choice(["cancelOrder", "modifyOrder"]), count=1),
    lambda _: RollBackIds(count=1),
    lambda _: ForeignCommissions(),
    lambda r: SplitFrames(chunk_bytes=r.randrange(1, 50)),
]


async def _upstream(desk: WorkingDesk, r: random.Random) -> None:
    desk.act(LoseUpstream(orders=r.choice(["held", "lost"]), code=r.choice([1100, 2110])))
    await desk.for_a_while(r.random() * 0.4)
    desk.act(RestoreUpstream(code=r.choice([1101, 1102])))


async def _pause(desk: WorkingDesk, _: random.Random) -> None:
    desk.touch("pause")
    await desk.for_a_while(0.1)
    desk.release("pause")


async def _restart(desk: WorkingDesk, _: random.Random) -> None:
    assert await desk.stop_daemon() in (0, 3, 6)
    await desk.start_daemon()


async def _one_step(desk: WorkingDesk, r: random.Random) -> None:
    """Something happens; the market moves most often."""
    what = r.randrange(14)
    if what < 4:
        desk.move(r.choice([-3, -2, -1, 1, 2, 3]))
    elif what < 7:
        desk.faults.add(r.choice(FAULTS)(r))
    elif what == 7:
        desk.act(DropAll(how=r.choice(["rst", "fin"])))
    elif what == 8:
        desk.act(TradeByHand(instrument=desk.symbol, side=r.choice(["BUY", "SELL"]), quantity=r.randrange(1, 20)))
    elif what == 9:
        desk.act(CancelWorking())
    elif what == 10:
        desk.touch("flatten")
    else:
        await (_upstream, _pause, _restart)[what - 11](desk, r)
    await desk.for_a_while(r.random() * 0.25)


def _calm(desk: WorkingDesk) -> bool:
    book = desk.book
    flattening = (desk.paths.control / "flatten").exists() or book.control.flatten is not None
    open_questions = book.in_flight() or book.unknown_orders or book.unexplained or flattening
    return bool(book.ledger.halts) or (desk.link == "SYNCED" and not open_questions)


async def _weather(tmp_path: Path, seed: int) -> None:
    r = random.Random(seed)
    more, slices = r.choice([MARKET, MARKET, LIMIT]), r.choice([None, 50])
    async with working_desk(tmp_path, more=more, timer_speed=20, partial_fill_shares=slices) as desk:
        await desk.synced()
        for _ in range(STEPS):
            await _one_step(desk, r)
        desk.faults.clear()
        desk.act(RestoreUpstream())
        await desk.until("the weather to clear", lambda: _calm(desk))
        if desk.book.ledger.halts:
            await desk.until("red", lambda: desk.light().state == "red")
            return
        desk.release("pause")
        await desk.time_passes(61)  # longer than any back-off
        desk.move(1)
        await desk.until("a hedged book", lambda: abs(desk.net_delta() or 99) < 5 and not desk.book.in_flight())


@pytest.mark.parametrize("seed", [220, 107])
async def test_some_weather(tmp_path: Path, seed: int) -> None:
    await _weather(tmp_path, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1000, 1100))
async def test_much_weather(tmp_path: Path, seed: int) -> None:
    await _weather(tmp_path, seed)
