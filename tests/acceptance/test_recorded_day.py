"""One recorded market day through the whole product: simulator, real ib_async, core, orders, journal, snapshot.

The simulator replays in lock-step with the daemon, so the day is the same at any speed and on any machine.
"""

import json
import math
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from state.records import JournalLine, JournalType, Snapshot
from state.runs.folder import backtest_paths
from state.statistics.days import periods, trading_days
from state.statistics.digest import joined_days
from state.statistics.executions import hedges, sizes
from state.statistics.loading import load_digests, load_facts
from state.statistics.measures import histogram, win_rate
from state.statistics.operations import operations_by_day
from tests.acceptance.conftest import Day
from tests.support.invariants import assert_invariants
from tests.support.recount import recount
from tests.support.system import CHECKOUT, System, running, wait_for

BAND_SHARES = 10.0
FAST = 3000
"""Times life's pace: lock-step lets the simulator wait for the daemon. The nightly days take 600 and 1200."""
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


def play(system: System, *, kills_at: tuple[int, ...] = (), script: str | None = None) -> Played:
    """Run the day to its end, kill -9 the daemon after that many fills, stop by the command, read the files.

    `script` is the simulator's fault script.
    """
    faults = system.root / "faults.yaml"
    if script is not None:
        faults.write_text(script)
    system.start_simulator(*([] if script is None else ["--faults", str(faults)]))
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
    """The day with a fixed volatility, and with implied ones, as fast as the two of them can."""
    root = tmp_path_factory.mktemp(f"day-{request.param}")
    with running(System(root, day.profile(volatility=request.param, speed=FAST))) as system:
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


def test_r_h2_statistics_from_files_alone_are_those_of_the_day(played: Played) -> None:
    paths = played.system.paths
    digests, facts = load_digests(paths.history), load_facts(paths.journal)
    (day,) = trading_days(joined_days(digests))
    assert (day.day, day.is_session) == (played.lines[-1].ts[:10], True)
    assert day.pnl_usd == pytest.approx(played.snapshot.daily_pnl_usd, abs=1.0)
    assert win_rate([day.pnl_usd]).n == sum(histogram([day.pnl_usd]).counts) == 1
    for by in ("day", "week", "month"):
        (period,) = periods([day], by)
        assert (period.pnl_usd, period.n, period.hedges) == (day.pnl_usd, 1, day.hedges)
    traded = sizes(hedges(fill for digest in digests for fill in digest.fills))
    fills = {line.data["exec_key"]: line for line in played.of(*FILLS)}
    assert traded.n == len({line.order_ref for line in fills.values()}) == day.hedges
    assert traded.slippage_usd == pytest.approx(sum(line.data["slippage_usd"] for line in fills.values()), abs=1e-4)
    counted = operations_by_day(facts, joined_days(digests))[day.day]
    assert counted.refused == Counter(line.reason for line in played.of(JournalType.REFUSED))
    latencies = [line.latency_ms for line in played.of(JournalType.ORDER_SENT) if line.latency_ms is not None]
    assert counted.latency_ms.n == len(latencies) == traded.n
    assert counted.latency_ms.p50 == pytest.approx(statistics.median(latencies), rel=1e-5)


def test_a_backtest_of_the_day_sends_the_same_hedges_and_earns_the_same(played: Played, day: Day) -> None:
    system = played.system
    ran = system.cli("backtest", "--profile", str(system.profile), "--data", day.spec, "--name", "day", "--json")
    assert ran.returncode == 0, ran.stderr
    paths = backtest_paths(system.root / "var", "day")
    hedged = [row for row in pq.read_table(paths.decisions).to_pylist() if row["hedged"]]
    intents = {line.order_ref: line for line in played.of(JournalType.INTENT)}
    filled = [(intents[line.order_ref], line) for line in played.of(JournalType.FILL)]
    assert [(row["ts"].isoformat()[:16], row["side"], row["quantity_shares"], row["price"]) for row in hedged] == [
        (line.ts[:16], line.side, line.quantity, line.price) for _, line in filled
    ]
    for row, (intent, _) in zip(hedged, filled, strict=True):
        assert row["net_delta_shares"] == pytest.approx(intent.data["net_delta_shares"], abs=1e-9)
        assert row["state_code"] == intent.state_code
    summary, parts = json.loads(paths.summary.read_text()), played.snapshot.pnl_parts
    assert summary["figures"]["attribution"]["commission_usd"] == parts.commission_usd
    assert summary["figures"]["pnl_usd"] == pytest.approx(parts.total_usd, abs=0.006)
    recount = [sys.executable, "-P", str(CHECKOUT / "examples/recompute_pnl.py"), str(paths.folder)]
    told = subprocess.run(recount, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{parts.total_usd:,.2f}" in told.stdout


def test_the_journal_verifies_and_ib_async_logged_no_error(played: Played) -> None:
    verified = played.system.cli("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert played.system.ib_async_errors() == []


def test_r_m1_after_the_stop_the_light_says_stopped(played: Played) -> None:
    status = played.system.cli("status")
    assert status.returncode == 3
    assert "STOPPED" in status.stdout


def test_r_b1_the_replayed_day_reproduces_every_recorded_decision(played: Played) -> None:
    found = replay(played)
    assert (found["identical"], len(found["runs"])) == (True, 1)
    assert found["journal_lines"] == len(played.lines)


def replay(played: Played) -> dict[str, Any]:
    """What `bifrost replay` says of the day; fails with its words unless every decision is reproduced."""
    asked = played.system.cli("replay", "--date", played.lines[-1].ts[:10], "--json")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    found: dict[str, Any] = json.loads(asked.stdout)
    return found


@pytest.mark.parametrize("played", ["0.35", pytest.param("implied", marks=pytest.mark.nightly)], indirect=True)
def test_a_killed_daemon_changes_nothing_about_the_day(played: Played, day: Day, tmp_path: Path) -> None:
    volatility = "implied" if "implied" in str(played.system.root) else "0.35"
    with running(System(tmp_path, day.profile(volatility=volatility, speed=FAST))) as system:
        again = play(system, kills_at=(2, 4))
        assert len(again.of(JournalType.RUN_STARTED)) == 3
        assert system.cli("verify").returncode == 0
    assert_invariants(again.system)
    assert len(replay(again)["runs"]) == 3
    trades = [[(line.ts, line.side, line.quantity, line.price) for line in each.of(*FILLS)] for each in (played, again)]
    assert trades[0] == trades[1]
    assert again.snapshot.daily_pnl_usd == pytest.approx(played.snapshot.daily_pnl_usd, abs=0.006)
    assert math.isclose(again.snapshot.own_shares, played.snapshot.own_shares)


# --- the same day in bad weather -----------------------------------------------------------------
TOLD_ODDLY = """
faults:
  - {fault: repeat_order_events, times: 3, executions: true}
  - {fault: arrange_order_events, arrangement: shuffled, seed: 7}
  - {fault: no_order_status, after: 3, count: 2}
  - {fault: inform_orders, code: 399}
  - {fault: inform_orders, code: 10349, after: 1, count: 3}
  - {fault: delay_commissions, delay_s: 0.5}
  - {fault: foreign_commissions}
"""
"""Whatever is told twice, late, in another order or not at all: none of it may change a single trade."""
CUT = (
    TOLD_ODDLY
    + """
  - {fault: drop_after_order, how: rst, after: 1, count: 1}
  - {fault: drop_after_order, how: fin, after: 4, count: 1}
  - {fault: roll_back_ids, after: 1}
  - {fault: split_frames, chunk_bytes: 7}
acts:
  - {act: drop_all, id: drop-1, how: rst, after_s: 4}
  - {act: drop_all, id: drop-2, how: fin, after_s: 9}
  - {act: stop_listening, id: away, for_s: 3, after_s: 14}
"""
)
"""And a line that is cut again and again, and says everything in pieces: while nobody subscribes, the recorded day
stands still. With a fixed volatility this changes no trade either; an implied one is measured anew from what is quoted
after a reconnect, and a step that comes in pieces may be decided before its last option is there."""
ROUGH = """
faults:
  - {fault: reject_orders, code: 201, text: margin, after: 1, count: 1}
  - {fault: reject_orders, code: 460, text: no permission, after: 4, count: 1}
  - {fault: partial_fills, slices: [7, 11], rest: cancel, after: 2, count: 2}
  - {fault: repeat_order_events, times: 3}
  - {fault: delay_commissions, delay_s: 1, after: 1}
acts:
  - {act: lose_upstream, id: lost-1, after_s: 3}
  - {act: restore_upstream, id: back-1, code: 1102, after_s: 5}
  - {act: lose_upstream, id: lost-2, code: 2110, after_s: 9}
  - {act: restore_upstream, id: back-2, code: 1101, after_s: 10}
  - {act: half_open_all, id: half-open, after_s: 13}
  - {act: broadcast, id: farm-1, code: 2103, after_s: 16}
  - {act: broadcast, id: farm-2, code: 2104, after_s: 17}
"""
"""Orders that are refused or filled in part, and minutes in which nothing may leave: the trades are others, the book
is right. (A swallowed order is no part of it: half a minute of patience is five hours of this day.)"""


@pytest.mark.nightly
def test_the_day_with_faults_that_change_nothing_ends_as_without(played: Played, day: Day, tmp_path: Path) -> None:
    implied = "implied" in str(played.system.root)
    profile = day.profile(volatility="implied" if implied else "0.35", speed=1200 if implied else 600)
    with running(System(tmp_path, profile)) as system:
        again = play(system, script=TOLD_ODDLY if implied else CUT)
        connects = [line for line in again.of(JournalType.RECONCILED) if line.reason == "connect"]
        assert len(connects) == 1 if implied else len(connects) >= 4, "the line was not cut"
    assert_invariants(again.system)
    replay(again)
    trades = [[(line.ts, line.side, line.quantity, line.price) for line in each.of(*FILLS)] for each in (played, again)]
    assert trades[0] == trades[1]
    assert again.snapshot.own_shares == played.snapshot.own_shares
    assert again.snapshot.daily_pnl_usd == pytest.approx(played.snapshot.daily_pnl_usd, abs=0.006)
    assert again.snapshot.pnl_parts.commission_usd == played.snapshot.pnl_parts.commission_usd
    assert again.stop_code == 0


@pytest.mark.nightly
def test_the_day_with_faults_that_cost_trades_ends_with_the_right_book(day: Day, tmp_path: Path) -> None:
    with running(System(tmp_path, day.profile(speed=600))) as system:
        rough = play(system, script=ROUGH)
        assert len(_acts_done(system)) == 7
    assert_invariants(rough.system)
    replay(rough)
    assert rough.stop_code == 0
    assert len(rough.of(JournalType.REJECTED)) == 2
    assert not rough.of(JournalType.HALT)
    counted, parts = recount(rough.lines), rough.snapshot.pnl_parts
    assert counted.own_shares == rough.snapshot.own_shares
    assert round(counted.realised_usd, 2) == pytest.approx(parts.realised_usd, abs=0.005)
    assert round(counted.commission_usd, 2) == parts.commission_usd
    assert abs(rough.snapshot.strategy["greeks"]["net_delta_shares"]) < 25, "unhedged at the close"


def _acts_done(system: System) -> set[str]:
    return set(json.loads((system.paths.simulator / "script.json").read_text())["acts_done"])
