"""Stop, pause, resume and flatten on a running desk, by touch and by command; kills; who may own what."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from state.records import JournalLine, JournalType
from tests.acceptance.conftest import DEMO
from tests.support.invariants import assert_invariants
from tests.support.system import System, running, wait_for

RECEIPT = (JournalType.CONTROL_SEEN, JournalType.CONTROL_STARTED, JournalType.CONTROL_DONE, JournalType.CONTROL_REFUSED)
FOREIGN_SHARES = 300
WITH_FOREIGN = (
    DEMO
    + f"""
  positions:
    - {{quantity: 10, right: call, strike: 100, expiry: 2026-06-19}}
    - {{quantity: 10, right: put, strike: 100, expiry: 2026-06-19}}
    - {{quantity: {FOREIGN_SHARES}, average_price: 90}}
  foreign_orders:
    - {{side: BUY, quantity: 50, limit_price: 50, client_id: 0}}
"""
).replace("simulator: {speed: 20}", "simulator:\n  speed: 20")


def hedging(system: System, *, beyond: int = 0) -> int:
    """Wait until the desk has filled more hedges than `beyond`; how many it has."""
    wait_for(f"more than {beyond} fills", lambda: len(system.of(JournalType.FILL)) > beyond, 60)
    return len(system.of(JournalType.FILL))


def receipts(system: System, command: str) -> list[str]:
    """The receipts of one command, oldest first."""
    return [
        line.type.value for line in system.of(*RECEIPT) if line.data is not None and line.data.get("command") == command
    ]


def start(system: System) -> None:
    system.start_simulator()
    system.start_supervised()


@pytest.fixture
def desk(demo: System) -> System:
    """A desk that hedges."""
    start(demo)
    hedging(demo)
    return demo


@pytest.fixture
def shared_account(tmp_path: Path) -> Iterator[System]:
    """A desk whose account also holds somebody's shares and a resting order of theirs."""
    with running(System(tmp_path, WITH_FOREIGN)) as system:
        start(system)
        yield system
    assert_invariants(system)


# --- stop ----------------------------------------------------------------------------------------
def test_r_c1_touch_stop_ends_the_daemon_and_rm_starts_it_again(desk: System) -> None:
    pid = wait_for("a daemon", desk.daemon_pid)
    (desk.paths.control / "stop").touch()
    wait_for("the daemon's end", lambda: not psutil.pid_exists(pid), 10)
    sent = desk.placed_order_refs()
    assert receipts(desk, "stop")[:3] == ["control_seen", "control_started", "control_done"]
    assert desk.lines()[-1].type == JournalType.RUN_STOPPED
    assert desk.lines()[-1].data["exit_code"] == 0
    seen_seq = desk.command_receipt("stop", JournalType.CONTROL_SEEN).seq
    assert not [line for line in desk.of(JournalType.ORDER_SENT) if line.seq > seen_seq]
    assert desk.status() == 3
    time.sleep(2)
    assert desk.placed_order_refs() == sent
    fills = len(desk.of(JournalType.FILL))
    (desk.paths.control / "stop").unlink()
    hedging(desk, beyond=fills)
    assert desk.status() == 0


def test_r_c1_stop_and_start_by_command(desk: System) -> None:
    stopped = desk.cli("stop", "--reason", "test", "--wait", "10")
    assert stopped.returncode == 0, stopped.stderr
    wait_for("the daemon's end", lambda: desk.daemon_pid() is None, 10)
    started = desk.cli("start", "--wait", "20")
    assert started.returncode == 0, started.stderr
    assert wait_for("green", lambda: desk.status() == 0, 20, every_s=0.5)
    audited = [line for file in desk.paths.audit.glob("*.jsonl") for line in file.read_text().splitlines()]
    assert any('"stop"' in line for line in audited)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_r_c1_a_signal_stops_for_this_run_without_leaving_the_file(demo: System, number: int) -> None:
    demo.start_simulator()
    demo.start("daemon", "--profile", str(demo.profile))
    hedging(demo)
    assert demo.end("daemon", number) == 0
    assert not (demo.paths.control / "stop").exists()


def test_a_stop_found_at_start_exits_three(demo: System) -> None:
    demo.start_simulator()
    demo.paths.control.mkdir(parents=True)
    (demo.paths.control / "stop").mkdir()
    assert demo.start("daemon", "--profile", str(demo.profile)).wait(20) == 3


# --- pause ---------------------------------------------------------------------------------------
def test_r_c2_pause_stops_hedging_and_resume_goes_on(desk: System) -> None:
    paused = desk.cli("pause", "--reason", "lunch", "--wait", "5")
    assert paused.returncode == 0, paused.stderr
    intents = len(desk.of(JournalType.INTENT))
    time.sleep(6)
    assert len(desk.of(JournalType.INTENT)) == intents
    # yellow, or red once a force hedge is refused by the pause itself
    assert desk.status() in (1, 2)
    assert desk.snapshot().daemon_state == "running_suspended"
    resumed = desk.cli("resume", "--wait", "5")
    assert resumed.returncode == 0, resumed.stderr
    hedging(desk, beyond=len(desk.of(JournalType.FILL)))


def test_r_c2_touch_pause_and_an_unknown_name(desk: System) -> None:
    (desk.paths.control / "pause").write_text("whatever }{")
    (desk.paths.control / "pasue").touch()
    (desk.paths.control / "note~").touch()
    wait_for("pause seen", lambda: desk.command_receipt("pause", JournalType.CONTROL_SEEN))
    wait_for("the odd name", lambda: desk.command_receipt("pasue", JournalType.CONTROL_REFUSED))
    assert desk.command_receipt("note~", *RECEIPT) is None
    assert "pasue" in desk.cli("status").stdout
    (desk.paths.control / "pasue").unlink()
    (desk.paths.control / "pause").unlink()
    wait_for("release", lambda: "control_done" in receipts(desk, "pause")[2:])


def test_a_removed_control_folder_is_a_pause_and_comes_back(desk: System) -> None:
    aside = desk.paths.control.with_name("control-aside")
    desk.paths.control.rename(aside)
    wait_for("suspended", lambda: desk.snapshot().daemon_state == "running_suspended", 10)
    aside.rename(desk.paths.control)
    wait_for("running", lambda: desk.snapshot().daemon_state == "running", 10)
    (desk.paths.control / "pause").touch()
    wait_for("pause seen", lambda: desk.command_receipt("pause", JournalType.CONTROL_SEEN), 5)


# --- flatten -------------------------------------------------------------------------------------
def acknowledge(system: System) -> None:
    """The foreign shares pause a new desk until the operator has said what they are."""
    wait_for("the foreign shares", lambda: (s := system.snapshot()) is not None and s.foreign_shares == FOREIGN_SHARES)
    wait_for("yellow", lambda: system.status() == 1, every_s=0.5)
    assert "foreign" in system.cli("status").stdout
    wrong = system.cli("book", "acknowledge", "--shares", "5", "--reason", "mine")
    assert wrong.returncode == 1
    assert str(FOREIGN_SHARES) in wrong.stderr
    right = system.cli("book", "acknowledge", "--shares", str(FOREIGN_SHARES), "--reason", "bought by hand")
    assert right.returncode == 0, right.stderr


def assert_flat(system: System) -> None:
    """Own shares are gone, foreign shares and the foreign order are as they were, by the venue's own book."""
    verified = system.of(JournalType.FLATTEN_VERIFIED)[-1]
    assert verified.status == "flat"
    assert not (system.paths.control / "flatten").exists()
    assert (system.paths.control / "pause").exists()
    snapshot = wait_for("a reconciled snapshot", lambda: (s := system.snapshot()).foreign_shares is not None and s)
    assert snapshot.own_shares == 0
    assert snapshot.foreign_shares == FOREIGN_SHARES
    system.end("simulator")
    book = json.loads((system.paths.simulator / "book.json").read_text())
    assert f'"{FOREIGN_SHARES}' in json.dumps(book) or FOREIGN_SHARES in _numbers(book)
    assert any(order.get("limit_price") == 50 for order in _dicts(book))


def _dicts(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _dicts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _dicts(each)


def _numbers(value: object) -> set[float]:
    return {number for each in _dicts(value) for number in each.values() if isinstance(number, int | float)}


def test_r_c3_flatten_by_command_leaves_foreign_shares_and_orders_alone(shared_account: System) -> None:
    acknowledge(shared_account)
    hedging(shared_account)
    done = shared_account.cli("flatten", "--yes", "--reason", "going home", "--wait", "20")
    assert done.returncode == 0, done.stderr
    assert receipts(shared_account, "flatten")[:3] == ["control_seen", "control_started", "control_done"]
    wait_for("the snapshot", lambda: shared_account.snapshot().own_shares == 0)
    assert_flat(shared_account)


def test_r_c3_flatten_by_touch_while_stop_stands_and_the_daemon_is_down(shared_account: System) -> None:
    acknowledge(shared_account)
    hedging(shared_account)
    assert shared_account.cli("stop", "--wait", "10").returncode == 0
    wait_for("the daemon's end", lambda: shared_account.daemon_pid() is None, 10)
    assert shared_account.snapshot().own_shares != 0
    (shared_account.paths.control / "flatten").touch()
    wait_for("the flatten", lambda: shared_account.of(JournalType.FLATTEN_VERIFIED), 30)
    wait_for("the end of the flattening run", lambda: shared_account.daemon_pid() is None, 10)
    assert (shared_account.paths.control / "stop").exists()
    assert_flat(shared_account)


def test_r_c3_a_flatten_survives_kill_nine(shared_account: System) -> None:
    acknowledge(shared_account)
    hedging(shared_account)
    (shared_account.paths.control / "flatten").touch()
    wait_for("the start", lambda: "control_started" in receipts(shared_account, "flatten"), 10)
    with contextlib.suppress(ProcessLookupError):
        os.kill(shared_account.snapshot().pid, signal.SIGKILL)
    # Killed between an intent and its sending, the order is an open question for half a minute.
    wait_for("the end", lambda: shared_account.of(JournalType.FLATTEN_VERIFIED), 90)
    wait_for("the snapshot", lambda: shared_account.snapshot().own_shares == 0)
    assert_flat(shared_account)


# --- killing either side -------------------------------------------------------------------------
def test_re_2_killing_the_cockpit_leaves_the_daemon_hedging(desk: System) -> None:
    cockpit = desk.start("cockpit", "--port", "0")
    wait_for("the cockpit's address", lambda: "http://" in (desk.root / "cockpit.log").read_text(), 30)
    cockpit.kill()
    cockpit.wait(5)
    hedging(desk, beyond=len(desk.of(JournalType.FILL)))
    assert desk.status() == 0


def test_re_2_without_daemon_and_supervisor_the_light_is_not_live_within_five_seconds(desk: System) -> None:
    desk.processes["supervise"].kill()
    desk.kill_daemon()
    killed = time.monotonic()
    wait_for("not live", lambda: desk.status() == 3, 5)
    assert time.monotonic() - killed < 5
    assert "NOT LIVE" in desk.cli("status").stdout


def test_the_supervisor_restarts_a_killed_daemon_and_nothing_is_lost(desk: System) -> None:
    before: list[JournalLine] = desk.lines()
    pid = desk.kill_daemon()
    wait_for("another daemon", lambda: desk.daemon_pid() not in (None, pid), 20)
    hedging(desk, beyond=len([line for line in before if line.type == JournalType.FILL]))
    assert desk.lines()[: len(before)] == before
    assert desk.cli("verify").returncode == 0
    refs = desk.placed_order_refs()
    assert len(refs) == len(set(refs))
