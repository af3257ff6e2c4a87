"""Over the real wire: the exchange halts the stock, and options that no leg declares turn up in the account."""

from pathlib import Path

from config.schema import Leg
from daemon.simulator.faults import Halt, TradeByHand
from state.records import JournalType
from tests.faults.working_desk import WorkingDesk, working_desk

PUT = Leg(right="put", strike=100.0, expiry="2026-01-30")
"""25 days from the harness' Monday, at the money."""
FAR = Leg(right="put", strike=100.0, expiry="2026-03-20")
ADOPT = "gates: {strategy: {structure: {adopt: true, max_dte: 200}}}"


def legs(desk: WorkingDesk) -> dict[str, dict[str, object]]:
    """The snapshot's legs by instrument."""
    return {leg["instrument"]: leg for leg in desk.snapshot().strategy["legs"]}


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


async def test_an_option_sold_by_hand_becomes_a_leg_is_hedged_and_stays_one_after_a_restart(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more=ADOPT, undeclared=(PUT,)) as desk:
        await desk.hedged()
        name = desk.market.options[-1].instrument
        desk.act(TradeByHand(instrument=name, side="SELL", quantity=5))
        await desk.until("the leg", lambda: name in legs(desk))
        assert [line.instrument for line in desk.of(JournalType.LEG_ADOPTED)] == [name]
        desk.move(0.5)
        await desk.hedged(beyond=1)
        shown = legs(desk)[name]
        assert (shown["adopted"], shown["quantity"]) == (True, -5.0)
        await desk.until("green", lambda: desk.light().state == "green")
        await desk.stop_daemon()
        orders = len(desk.placed())
        await desk.start_daemon()
        desk.move(1)
        await desk.hedged(beyond=orders)
        hedge = desk.of(JournalType.INTENT)[-1].data
        assert hedge["option_delta_shares"] > 200, "the adopted puts were left out"
        await desk.until("the leg", lambda: name in legs(desk))
        assert len(desk.of(JournalType.LEG_ADOPTED)) == 1
        assert not desk.book.unexplained


async def test_an_option_outside_the_gates_is_yellow_and_in_the_accounts_delta_alone(tmp_path: Path) -> None:
    more = "gates: {strategy: {structure: {adopt: true, min_dte: 100, max_dte: 200}}}"
    async with working_desk(tmp_path, more=more, undeclared=(FAR,)) as desk:
        await desk.hedged()
        name = desk.market.options[-1].instrument
        desk.act(TradeByHand(instrument=name, side="SELL", quantity=5))
        await desk.until("yellow", lambda: desk.reasons() == {"option_not_hedged"})
        await desk.until("its delta", lambda: desk.snapshot().account_net_delta_shares is not None)
        await desk.until("its own", lambda: desk.snapshot().account_net_delta_shares > 100)
        snapshot = desk.snapshot()
        check = next(each for each in snapshot.self_check.checks if each.name == "other_options")
        assert check.measured == f"{name}: 74 days to expiry, gate 100 to 200"
        assert name not in legs(desk)
        assert abs(snapshot.strategy["greeks"]["net_delta_shares"]) < 20
        assert len(desk.placed()) == 1
        assert {p.instrument: p.foreign for p in snapshot.positions}[name] == -5.0
