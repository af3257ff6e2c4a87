"""Rows 16 to 20 and 41 of the fault matrix: prices, contracts and hours that must not be traded on."""

from pathlib import Path

import pytest

from daemon.simulator.faults import BadGreeks, BadTicks, ConfuseContract, DelayedData, FreezeQuotes
from state.records import JournalType
from state.times import us_from_iso
from tests.faults.working_desk import WorkingDesk, working_desk


async def no_order_until_cleared(desk: WorkingDesk, reasons: set[str]) -> None:
    """Red by one of these reasons and without an order, whatever the market does; then one hedge of the whole move."""
    desk.move(3)
    await desk.until(f"one of {reasons}", lambda: reasons & desk.reasons())
    await desk.until("red", lambda: desk.light().state == "red")
    desk.move(1)
    await desk.for_a_while(0.4)
    assert len(desk.placed()) == 1, desk.story()
    desk.faults.clear()
    await desk.hedged(beyond=1)
    await desk.until_light("green")
    assert len(desk.placed()) == 2
    assert desk.connections == 1


async def test_row_16_quotes_frozen_while_connected(tmp_path: Path) -> None:
    async with working_desk(tmp_path, more="gates: {state: {market: {stale_ts_threshold_ms: 1000}}}") as desk:
        await desk.hedged()
        desk.faults.add(FreezeQuotes())
        await no_order_until_cleared(desk, {"stale"})


ABSURD = {
    "crossed": BadTicks(swap=True),
    "zero": BadTicks(bid=0.0, ask=0.0),
    "sentinel": BadTicks(bid=-1.0, ask=-1.0),
    "no number": BadTicks(bid="NaN", ask="NaN"),
    "infinite": BadTicks(bid="Infinite", ask="Infinite"),
    "absurd": BadTicks(bid=199_999.99, ask=199_999.99),
}


@pytest.mark.parametrize("what", list(ABSURD))
async def test_row_17_absurd_quotes(tmp_path: Path, what: str) -> None:
    async with working_desk(tmp_path) as desk:
        await desk.hedged()
        desk.faults.add(ABSURD[what])
        await no_order_until_cleared(desk, {"no_quote", "spread_extreme", "stale"})
        assert desk.book.quotes_refused, "nobody counted them"
        counters = desk.snapshot().counters
        assert any(count for name, count in counters.items() if "quotes_refused" in name)


@pytest.mark.parametrize("how", ["sentinels", "missing", "nan"])
async def test_row_18_greeks_that_are_none(tmp_path: Path, how: str) -> None:
    """The venue's model is wished for and says nothing: own greeks take its place, or the desk waits; no sentinel."""
    async with working_desk(tmp_path, more="greeks: {volatility: ib}") as desk:
        await desk.hedged()
        orders, delta = len(desk.placed()), desk.net_delta()
        desk.faults.add(BadGreeks(how=how))
        await desk.for_a_while(0.4)
        greeks = desk.snapshot().strategy["greeks"]
        if greeks["net_delta_shares"] is None:
            assert "greeks_bad" in desk.reasons()
        else:
            assert greeks["net_delta_shares"] == pytest.approx(delta, abs=3)
            assert greeks["gamma"] > 0
            assert greeks["vega"] > 0
        assert len(desk.placed()) == orders, "a missing sensitivity is no reason to trade"
        desk.faults.clear()
        desk.move(2)
        await desk.hedged(beyond=orders)


@pytest.mark.parametrize("data_type", [3, 4])
async def test_row_19_delayed_data(tmp_path: Path, data_type: int) -> None:
    async with working_desk(tmp_path, gateway=False) as desk:
        desk.faults.add(DelayedData(data_type=data_type))
        await desk.open_gateway()
        await desk.until("SYNCED", lambda: desk.link == "SYNCED")
        await desk.until("red", lambda: desk.light().state == "red")
        await desk.for_a_while(0.5)
        assert not desk.placed(), "a hedge on prices of a quarter of an hour ago"
        assert "data_delayed" in desk.reasons()
        assert desk.snapshot().instruments[0].bid == 99.99, "delayed prices are shown all the same"


@pytest.mark.parametrize("how", ["unknown", "ambiguous"])
async def test_row_20_a_contract_that_nobody_can_mean(tmp_path: Path, how: str) -> None:
    async with working_desk(tmp_path, gateway=False) as desk:
        name = desk.market.options[1].instrument
        desk.faults.add(ConfuseContract(how=how, instruments=(name,)))
        await desk.open_gateway()
        assert await desk.daemon_end() == 2
        last = desk.lines()[-1]
        assert last.type == JournalType.RUN_STOPPED
        assert "legs[1]" in last.reason, "which leg?"
        assert name in last.reason
        assert not desk.placed()


# --- 41: hours -----------------------------------------------------------------------------------
HOURS = [
    pytest.param("2025-11-28T17:59:00Z", True, id="half day, before its close"),
    pytest.param("2025-11-28T18:00:01Z", False, id="half day, after its close"),
    pytest.param("2025-12-25T16:00:00Z", False, id="holiday"),
    pytest.param("2026-01-10T16:00:00Z", False, id="Saturday"),
    pytest.param("2026-03-06T14:00:00Z", False, id="winter time, before the open"),
    pytest.param("2026-03-09T14:00:00Z", True, id="summer time, the same hour"),
    pytest.param("2026-01-05T21:00:01Z", False, id="after the close"),
]


@pytest.mark.parametrize(("moment", "is_open"), HOURS)
async def test_row_41_hours_come_from_the_contract(tmp_path: Path, moment: str, is_open: bool) -> None:
    async with working_desk(tmp_path, start_us=us_from_iso(moment), more="execution: {session_edge_s: 0}") as desk:
        await desk.synced()
        if is_open:
            await desk.hedged()
            return
        await desk.for_a_while(0.4)
        assert not desk.placed()
        await desk.until_light("yellow")
        assert desk.reasons() == {"unhedged_until_open"}
        assert desk.snapshot().session.is_open is False


async def test_row_41_a_session_ends_and_the_next_one_begins(tmp_path: Path) -> None:
    """Half a day, then the weekend: nothing leaves between the early close and Monday's open."""
    start_us = us_from_iso("2025-11-28T17:30:00Z")
    more = "execution: {session_edge_s: 1, cancel_before_close_s: 1}"
    async with working_desk(tmp_path, start_us=start_us, more=more) as desk:
        await desk.hedged()
        desk.sleep_until("2025-11-28T17:59:59.9Z")
        await desk.until("the close", lambda: desk.book.session_now() is None)
        desk.move(3)
        await desk.for_a_while(0.5)
        assert len(desk.placed()) == 1, desk.story()
        assert desk.snapshot().session.until == "2025-12-01T14:30:00.000000Z"
        desk.sleep_until("2025-12-01T14:29:59.9Z")
        await desk.hedged(beyond=1)
        sent = desk.of(JournalType.ORDER_SENT)[-1]
        assert sent.ts > "2025-12-01T14:30:01"


async def test_row_41_the_day_a_leg_expires(tmp_path: Path) -> None:
    start_us = us_from_iso("2026-06-18T19:30:00Z")  # the third Friday is a holiday in 2026: Thursday is the last day
    async with working_desk(tmp_path, start_us=start_us, more="execution: {session_edge_s: 0}") as desk:
        await desk.until("a delta", lambda: desk.link == "SYNCED" and desk.net_delta() is not None)
        desk.sleep_until("2026-06-18T19:59:59.9Z")
        await desk.until("expiry", lambda: "leg_settlement" in desk.reasons())
        orders = len(desk.placed())
        desk.move(3)
        await desk.for_a_while(0.4)
        assert len(desk.placed()) == orders
