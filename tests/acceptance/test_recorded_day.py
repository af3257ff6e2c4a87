"""One recorded market day through the whole product: simulator, real ib_async, core, orders, journal, snapshot.

The simulator replays in lock-step with the daemon, so the day is the same at any speed and on any machine.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from state.records import JournalLine, JournalType, Snapshot
from tests.acceptance.conftest import Day
from tests.support.invariants import assert_invariants
from tests.support.recount import recount
from tests.support.system import System, running, wait_for

BAND_SHARES = 10.0
FILLS = (JournalType.FILL, JournalType.PARTIAL_FILL)


@dataclass(frozen=True)
class Played:
    """What a finished day left behind."""

    system: System
    lines: list[JournalLine]
    snapshot: Snapshot
    stop_code: int

    def of(self, *types: JournalType) -> list[JournalLine]:
        return [line for line in self.lines if line.type in types]


def play(system: System, *, kills_at: tuple[int, ...] = ()) -> Played:
    """Run the day to its end, kill -9 the daemon after that many fills, stop by the command, read the files."""
    system.start_simulator()
    system.start_supervised()
    for fills in kills_at:
        wait_for(f"{fills} fills", lambda fills=fills: len(system.of(*FILLS)) >= fills, 120)
        killed = system.kill_daemon()
        wait_for("a new daemon", lambda killed=killed: system.daemon_pid() not in (None, killed), 30)
    wait_for("the end of the day", system.replay_finished, 240)
    # The last step's quotes are on their way: the close is the last stamp of the day.
    wait_for("the close", lambda: (each := system.snapshot()) is not None and not each.session.is_open, 30)
    stopped = system.cli("stop", "--wait", "15", "--reason", "the day is over")
    snapshot = wait_for("the last word", lambda: _stopped(system), 15)
    return Played(system, system.lines(), snapshot, stopped.returncode)


def _stopped(system: System) -> Snapshot | None:
    snapshot = system.snapshot()
    return snapshot if snapshot is not None and snapshot.daemon_state == "stopped" else None


@pytest.fixture(scope="module", params=["0.35", "implied"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, day: Day) -> Iterator[Played]:
    """The day with a fixed volatility at 600 times life's pace, and with implied volatilities faster."""
    root = tmp_path_factory.mktemp(f"day-{request.param}")
    speed = 600 if request.param == "0.35" else 1200
    with running(System(root, day.profile(volatility=request.param, speed=speed))) as system:
        yield play(system)
    assert_invariants(system)


def test_r_m4_hedges_are_sent_and_filled_through_the_real_library(played: Played) -> None:
    sent, filled = played.of(JournalType.ORDER_SENT), played.of(JournalType.FILL)
    assert len(filled) >= 5
    assert [line.order_ref for line in sent] == [line.order_ref for line in filled]
    assert all(line.price is not None and line.price > 0 for line in filled)
    assert played.stop_code == 0


def test_every_order_at_the_venue_has_its_intent_and_the_reverse(played: Played) -> None:
    intents = [line.order_ref for line in played.of(JournalType.INTENT)]
    blocked = {line.order_ref for line in played.of(JournalType.REFUSED) if line.status == "not_sent"}
    assert played.system.placed_order_refs() == [ref for ref in intents if ref not in blocked]
    assert len(set(intents)) == len(intents)


def test_realised_pnl_and_commissions_recomputed_from_the_fills_equal_the_snapshot(played: Played) -> None:
    counted, parts = recount(played.lines), played.snapshot.pnl_parts
    assert parts is not None
    assert counted.own_shares == played.snapshot.own_shares
    assert round(counted.realised_usd, 2) == pytest.approx(parts.realised_usd, abs=0.005)
    assert round(counted.commission_usd, 2) == parts.commission_usd
    assert counted.commission_usd > 0


def test_the_total_recomputed_with_the_journaled_marks_equals_the_snapshot(played: Played) -> None:
    closing = played.of(JournalType.RUN_STOPPED)[-1].data["marks"]
    opening = played.of(JournalType.LEDGER_CHECKPOINT)[-1].data["ledger"]["opening_marks"]
    legs = played.of(JournalType.LEDGER_CHECKPOINT)[-1].data["ledger"]["leg_quantities"]
    legs_usd = sum(held * 100 * (closing[leg] - opening[leg]) for leg, held in legs.items())
    total = recount(played.lines).total_usd(closing, played.snapshot.instruments[0].symbol, legs_usd)
    assert total == pytest.approx(played.snapshot.daily_pnl_usd, abs=0.006)


def test_after_each_completed_hedge_net_delta_is_in_band_unless_capped(played: Played) -> None:
    for intent in played.of(JournalType.INTENT):
        signed = intent.quantity if intent.side == "BUY" else -intent.quantity
        left = intent.data["net_delta_shares"] + signed
        assert intent.data["capped"] or abs(left) <= BAND_SHARES, intent


def test_r_h1_the_history_has_a_sample_a_minute(played: Played) -> None:
    lines = [line for file in played.system.paths.history.glob("*.jsonl") for line in file.read_text().splitlines()]
    minutes = [line for line in lines if '"kind":"minute"' in line]
    assert len(minutes) >= 380
    assert len(lines) - len(minutes) == len(played.of(*FILLS))


def test_the_journal_verifies_and_ib_async_logged_no_error(played: Played) -> None:
    verified = played.system.cli("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert played.system.ib_async_errors() == []


def test_r_m1_after_the_stop_the_light_says_stopped(played: Played) -> None:
    status = played.system.cli("status")
    assert status.returncode == 3
    assert "STOPPED" in status.stdout


def test_a_killed_daemon_changes_nothing_about_the_day(played: Played, day: Day, tmp_path: Path) -> None:
    volatility = "implied" if "implied" in str(played.system.root) else "0.35"
    with running(System(tmp_path, day.profile(volatility=volatility, speed=1200))) as system:
        again = play(system, kills_at=(2, 4))
        assert len(again.of(JournalType.RUN_STARTED)) == 3
        assert system.cli("verify").returncode == 0
    assert_invariants(again.system)
    trades = [[(line.ts, line.side, line.quantity, line.price) for line in each.of(*FILLS)] for each in (played, again)]
    assert trades[0] == trades[1]
    assert again.snapshot.daily_pnl_usd == pytest.approx(played.snapshot.daily_pnl_usd, abs=0.006)
    assert math.isclose(again.snapshot.own_shares, played.snapshot.own_shares)
