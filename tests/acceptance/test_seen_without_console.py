"""What anyone with file access sees of a desk at work: self check, light, prices, positions and the account."""

from pathlib import Path

from daemon.simulator.faults import TradeByHand
from state.records import Position, Snapshot
from tests.faults.working_desk import WorkingDesk, working_desk

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()


def snapshot_of(desk: WorkingDesk) -> Snapshot:
    found = desk.snapshot()
    assert found is not None
    return found


def position_of(desk: WorkingDesk, instrument: str) -> Position:
    held = snapshot_of(desk).positions or ()
    nothing = Position(instrument=instrument, own=0.0, foreign=0.0, price=None, value_usd=None, pnl_usd=None)
    return next((position for position in held if position.instrument == instrument), nothing)


async def test_r_m2_r_m3_the_light_alone_tells_how_a_desk_is_and_every_check_why(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more="gates: {state: {delta: {max_delta_limit: 100}}}") as desk:
        await desk.hedged()
        await desk.until("green", lambda: desk.light().state == "green")
        check = snapshot_of(desk).self_check
        assert (check.status, check.block_reasons) == ("ok", ())
        assert len(check.checks) > 20
        assert [each.name for each in check.checks if each.measured is None or each.limit is None] == []

        desk.touch("pause", '{"by": "anna", "reason": "lunch"}')
        await desk.until("yellow", lambda: desk.light().word == "PAUSED")
        assert desk.light().state == "yellow"
        assert "by anna" in desk.light().line
        desk.move(8)  # net delta past its hard limit: a pause is red then, because the hedge is needed
        await desk.until("red", lambda: "force_hedge_refused" in desk.reasons())
        assert desk.light().state == "red"
        blocked = snapshot_of(desk).self_check
        assert (blocked.status, blocked.block_reasons) == ("blocked", ("force_hedge_refused",))
        for reason in desk.light().reasons:
            assert reason.sentence
            assert reason.runbook == f"docs/runbook.md#{reason.code}"
            assert f"\n## {reason.code}\n" in RUNBOOK
        desk.release("pause")
        await desk.hedged(beyond=1)
        await desk.until("green again", lambda: desk.light().state == "green")

        await desk.stop_daemon()
        assert (desk.light().state, desk.light().word) == ("not_live", "STOPPED")


async def test_r_a1_r_m6_account_positions_and_prices_stand_in_the_snapshot_and_survive_a_lost_link(
    tmp_path: Path,
) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.act(TradeByHand(instrument=desk.symbol, side="BUY", quantity=70))
        await desk.until("the trade by hand", lambda: position_of(desk, desk.symbol).foreign == 70)
        snapshot = snapshot_of(desk)
        assert (snapshot.account, snapshot.account_kind) == ("DU0000001", "simulated")
        assert snapshot.account_summary is not None
        assert {"NetLiquidation", "TotalCashValue"} <= set(snapshot.account_summary)
        assert snapshot.account_summary_age_ms is not None
        assert 0 <= snapshot.account_summary_age_ms < 600_000

        assert snapshot.instruments is not None
        stock, *options = snapshot.instruments
        assert (stock.symbol, stock.kind) == (desk.symbol, "stock")
        assert {option.kind for option in options} == {"option"}
        assert stock.bid is not None
        assert stock.ask is not None
        assert stock.bid < stock.ask

        held = position_of(desk, desk.symbol)
        assert held.own + held.foreign == desk.held()
        assert held.price is not None
        assert held.value_usd is not None
        assert abs(held.value_usd - desk.held() * held.price) < 0.01
        leg = position_of(desk, desk.market.options[0].instrument)
        assert leg.own == 10
        assert leg.pnl_usd is not None
        assert snapshot.strategy is not None
        assert all(each["moneyness_pct"] is not None for each in snapshot.strategy["legs"])

        desk.move(0.5)
        await desk.until("the new price", lambda: (position_of(desk, desk.symbol).price or 0) > held.price + 0.4)

        desk.close_gateway()
        await desk.until(
            "a lost link", lambda: "waiting_ib" in desk.reasons() or "waiting_ib_overdue" in desk.reasons()
        )
        lost = snapshot_of(desk)
        assert desk.light().state != "green"
        assert lost.link_state == "DOWN"
        assert position_of(desk, desk.symbol).foreign == 70  # as last known; the light says that it may be old
        assert lost.instruments is not None
        assert lost.instruments[0].bid is None  # a price from before is no price
        await desk.open_gateway()
        await desk.until("green", lambda: desk.light().state == "green")
