"""Options of the underlying that the account holds and no leg declares: described, told and watched, never fatal."""

from typing import Any

import pytest

from daemon.core.events import BrokerReport, Instruments, OptionQuote, PositionChanged
from daemon.simulator.faults import ConfuseContract
from daemon.simulator.server import SimulatorServer
from daemon.venues.ib import venue as venue_module
from daemon.venues.ib.contracts import qualify_found
from tests.support.ib_errors import IbErrorWatch
from tests.support.scripted_market import CALL
from tests.venues_ib.conftest import Running, make_profile


async def test_an_undeclared_option_is_described_before_its_report_and_watched(
    server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    desk = Running(server.port, make_profile(legs=()))
    await desk.heard.synced()
    bare, found = desk.heard.of(Instruments)
    assert [spec.instrument for spec in bare.specs] == ["ABC"]
    assert [(spec.instrument, spec.multiplier) for spec in found.specs] == [("ABC", 1.0), (CALL.instrument, 100.0)]
    (report,) = desk.heard.of(BrokerReport)
    assert desk.heard.events.index(found) < desk.heard.events.index(report)
    assert CALL.instrument in {item.instrument for item in report.positions}
    await desk.heard.until(lambda: desk.heard.of(OptionQuote))
    assert desk.heard.of(OptionQuote)[0].instrument == CALL.instrument
    desk.venue.reconcile("periodic", fresh_connection=False)
    await desk.heard.until(lambda: len(desk.heard.of(BrokerReport)) == 2)
    assert len(desk.heard.of(Instruments)) == 2, "known by now"
    await desk.stop()


async def test_one_that_comes_later_is_found_by_the_next_report(
    server: SimulatorServer, ib_errors: IbErrorWatch
) -> None:
    server.trade_by_hand(CALL.instrument, "SELL", 10)
    desk = Running(server.port, make_profile(legs=()))
    await desk.heard.synced()
    assert len(desk.heard.of(Instruments)) == 1
    server.trade_by_hand(CALL.instrument, "BUY", 3)
    desk.venue.reconcile("option_found", fresh_connection=False)
    await desk.heard.until(lambda: len(desk.heard.of(BrokerReport)) == 2)
    assert [spec.instrument for spec in desk.heard.of(Instruments)[-1].specs] == ["ABC", CALL.instrument]
    await desk.heard.until(lambda: desk.heard.of(OptionQuote))
    await desk.stop()


async def test_what_comes_while_an_option_is_looked_up_is_in_the_report_and_what_is_asked_then_is_listed_anew(
    server: SimulatorServer, ib_errors: IbErrorWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.trade_by_hand(CALL.instrument, "SELL", 10)
    desk = Running(server.port, make_profile(legs=()))
    await desk.heard.synced()

    async def meanwhile(*call: Any) -> Any:
        server.trade_by_hand("ABC", "BUY", 5)
        await desk.heard.until(lambda: [e for e in desk.heard.of(PositionChanged) if e.position.quantity == 12])
        desk.venue.reconcile("option_found", fresh_connection=False)
        return await qualify_found(*call)

    monkeypatch.setattr(venue_module, "qualify_found", meanwhile)
    server.trade_by_hand(CALL.instrument, "BUY", 3)
    desk.venue.reconcile("option_found", fresh_connection=False)
    await desk.heard.until(lambda: len(desk.heard.of(BrokerReport)) == 3)
    told = [{item.instrument: item.quantity for item in each.positions} for each in desk.heard.of(BrokerReport)[1:]]
    assert told == [{"ABC": 12, CALL.instrument: 3}] * 2
    await desk.stop()


@pytest.mark.parametrize("how", ["unknown", "ambiguous"])
async def test_one_that_the_venue_cannot_describe_stays_a_position(
    server: SimulatorServer, ib_errors: IbErrorWatch, how: str
) -> None:
    server.faults.add(ConfuseContract(how=how, instruments=(CALL.instrument,)))  # type: ignore[arg-type]
    desk = Running(server.port, make_profile(legs=()))
    await desk.heard.synced()
    assert len(desk.heard.of(Instruments)) == 1
    assert CALL.instrument in {item.instrument for item in desk.heard.of(BrokerReport)[0].positions}
    await desk.stop()
