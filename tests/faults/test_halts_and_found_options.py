"""Over the real wire: the exchange halts the stock, and options that no leg declares turn up in the account."""

from pathlib import Path

from config.schema import Leg
from daemon.simulator.faults import Halt, TradeByHand
from state.records import JournalType
from tests.faults.working_desk import WorkingDesk, working_desk

NEAR = Leg(right="put", strike=100.0, expiry="2026-01-30")
"""25 days from the harness' Monday, at the money."""
FAR = Leg(right="put", strike=100.0, expiry="2026-03-20")
ADOPT = "gates: {strategy: {structure: {adopt: true}}}"


def legs(desk: WorkingDesk) -> dict[str, dict[str, object]]:
    """The snapshot's legs by instrument."""
    return {leg["instrument"]: leg for leg in desk.snapshot().strategy["legs"]}


def others(desk: WorkingDesk) -> str | None:
    """What the check of options that are no legs says while it is yellow."""
    checks = desk.snapshot().self_check.checks
    return next((each.measured for each in checks if each.reason == "option_not_hedged"), None)


async def test_an_exchange_that_halts_the_stock_stops_hedging_until_it_resumes(tmp_path: Path) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.act(Halt(instruments=(desk.symbol,), halted=True))
        await desk.until("the word", lambda: desk.light().word == "HALTED BY EXCHANGE")
        desk.move(3)
        await desk.for_a_while(0.4)
        assert len(desk.placed()) == 1, desk.story()
        assert desk.light().state == "red"
        desk.act(Halt(instruments=(desk.symbol,), halted=False))
        await desk.hedged(beyond=1)
        await desk.until("green", lambda: desk.light().state == "green")


async def test_options_sold_by_hand_become_legs_within_the_gates_and_are_shown_outside_them(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more=ADOPT, undeclared=(NEAR, FAR)) as desk:
        await desk.hedged()
        near, far = (option.instrument for option in desk.market.options[-2:])
        desk.act(TradeByHand(instrument=near, side="SELL", quantity=5))
        await desk.until("the leg", lambda: near in legs(desk))
        assert [line.instrument for line in desk.of(JournalType.LEG_ADOPTED)] == [near]
        desk.move(0.5)
        orders = await desk.hedged(beyond=1)
        shown = legs(desk)[near]
        assert (shown["adopted"], shown["quantity"]) == (True, -5.0)

        desk.act(TradeByHand(instrument=far, side="SELL", quantity=5))
        await desk.until("its name", lambda: others(desk) == f"{far}: 74 days to expiry, gate 21 to 35")
        await desk.until("its delta", lambda: (desk.snapshot().account_net_delta_shares or 0) > 100)
        snapshot = desk.snapshot()
        assert {p.instrument: (p.own, p.foreign) for p in snapshot.positions}[far] == (0.0, -5.0)
        assert far not in legs(desk)
        assert abs(snapshot.strategy["greeks"]["net_delta_shares"]) < 20
        assert len(desk.placed()) == orders
        await desk.until("yellow", lambda: desk.light().state == "yellow")
        assert desk.reasons() == {"leg_outside_gates", "option_not_hedged"}  # the declared ones have 165 days

        await desk.stop_daemon()
        await desk.start_daemon()
        desk.move(1)
        await desk.hedged(beyond=orders)
        hedge = desk.of(JournalType.INTENT)[-1].data
        assert hedge["option_delta_shares"] > 200, "the adopted puts were left out"
        await desk.until("the legs", lambda: near in legs(desk) and far not in legs(desk))
        assert len(desk.of(JournalType.LEG_ADOPTED)) == 1
