"""The daemon as a process: real files, real signals, a venue whose exchange outlives it."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from state.control import read_control, write_request
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import JournalLine, JournalType, OperatorRequest, Snapshot
from state.snapshot import read_snapshot
from state.tape import read_events, tape_files
from state.times import iso_from_us
from state.verification import verify
from tests.runtime.file_venue import FileExchange
from tests.runtime.workbench import WALL_US


class Process:
    """One daemon process and what it leaves behind."""

    def __init__(self, paths: DeskPaths, exchange: FileExchange) -> None:
        self.paths = paths
        self.exchange = exchange
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *options: str, **popen: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-P", "-m", "tests.runtime.daemon_process", "--root", str(self.paths.root)]
        command += ["--exchange", str(self.exchange.path), *options]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=_environment(), **popen)
        self.running.append(process)
        return process

    def stop(self, process: "subprocess.Popen[str]") -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(15)

    def lines(self, kind: JournalType) -> list[JournalLine]:
        return [line for line in read_journal(self.paths.journal) if line.type is kind]

    def snapshot(self) -> Snapshot:
        found = read_snapshot(self.paths.snapshot)
        assert found.snapshot is not None, found.problem
        return found.snapshot

    def until(self, holds: Callable[[], bool], seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.02)

    def until_hedged(self, orders: int) -> None:
        self.until(lambda: len(self.exchange.sent_refs()) >= orders)

    def check_invariants(self) -> None:
        assert verify(self.paths.journal).ok
        sent = self.exchange.sent_refs()
        assert len(sent) == len(set(sent)), "an order was sent twice"
        assert all(order["durable"] for order in self.exchange.orders().values())
        intents = {line.order_ref for line in self.lines(JournalType.INTENT)}
        assert set(sent) <= intents


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Process]:
    process = Process(DeskPaths(tmp_path / "var", "eager"), FileExchange(tmp_path / "exchange.jsonl"))
    yield process
    for running in process.running:
        running.kill()
        running.communicate()


def test_it_hedges_durably_and_sigterm_ends_it_with_0_and_a_last_snapshot(daemon: Process) -> None:
    process = daemon.start("--hedges", "3")
    daemon.until_hedged(3)
    daemon.until(lambda: daemon.paths.snapshot.exists() and daemon.snapshot().own_shares == 30.0)
    live = daemon.snapshot()
    assert (live.daemon_state, live.link_state, live.account) == ("running", "SYNCED", "DU1234567")
    assert live.latency_ms is not None
    process.send_signal(signal.SIGTERM)
    assert daemon.stop(process) == 0
    daemon.check_invariants()
    last = daemon.snapshot()
    assert last.daemon_state == "stopped"
    assert last.seq > live.seq
    head = verify(daemon.paths.journal)
    assert (last.journal_seq, last.journal_hash) == (head.head_seq, head.head_hash)
    kinds = [line.type for line in read_journal(daemon.paths.journal)]
    assert kinds[:2] == [JournalType.LEDGER_CHECKPOINT, JournalType.RUN_STARTED]
    assert kinds[-1] is JournalType.RUN_STOPPED
    assert daemon.paths.folder.stat().st_mode & 0o777 in (0o700, 0o750)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


def test_every_event_is_on_the_tape_and_journal_lines_point_at_it(daemon: Process) -> None:
    process = daemon.start("--hedges", "2")
    daemon.until_hedged(2)
    daemon.stop(process)
    (run,) = daemon.lines(JournalType.RUN_STARTED)
    (file,) = tape_files(daemon.paths.tape, run.run_id)
    names = [json.loads(bytes(event.event))["event"] for event in read_events(file)]
    assert names[0] == "control"
    assert names.count("order_sent") == 2
    for line in daemon.lines(JournalType.ORDER_SENT):
        assert line.tape_seq is not None
        assert names[line.tape_seq - 1] == "order_sent"


def test_kill_9_and_restart_resume_the_ledger_and_duplicate_nothing(daemon: Process) -> None:
    for target in (2, 4, 6):
        process = daemon.start("--hedges", str(target))
        # The exchange has the last order now; its sending, its fill or neither may be in the journal.
        daemon.until_hedged(target)
        process.kill()
        process.wait()
    process = daemon.start("--hedges", "6")
    daemon.until(lambda: daemon.snapshot().pid == process.pid and daemon.snapshot().own_shares == 60.0)
    assert daemon.stop(process) == 0
    daemon.check_invariants()
    assert len(daemon.exchange.sent_refs()) == 6
    assert daemon.snapshot().own_shares == daemon.exchange.position() == 60.0
    assert len(daemon.lines(JournalType.RUN_STARTED)) == 4
    assert len({ref.split(".")[1] for ref in daemon.exchange.sent_refs()}) == 1


def test_own_orders_found_working_are_cancelled_at_the_start(daemon: Process) -> None:
    process = daemon.start("--mode", "rest", "--hedges", "1")
    daemon.until_hedged(1)
    process.kill()
    process.wait()
    process = daemon.start("--mode", "rest", "--hedges", "1")
    daemon.until(lambda: [order["status"] for order in daemon.exchange.orders().values()] == ["cancelled"])
    assert daemon.stop(process) == 0
    daemon.check_invariants()


def test_touch_stop_cancels_and_exits_0_and_at_the_start_exits_3(daemon: Process) -> None:
    process = daemon.start("--mode", "rest", "--hedges", "1")
    daemon.until_hedged(1)
    (daemon.paths.control / "stop").touch()
    assert process.wait(15) == 0
    assert [order["status"] for order in daemon.exchange.orders().values()] == ["cancelled"]
    assert (daemon.paths.control / "stop").exists()
    again = daemon.start()
    assert again.wait(15) == 3
    assert len(daemon.exchange.sent_refs()) == 1
    daemon.check_invariants()
    assert [(line.data or {})["command"] for line in daemon.lines(JournalType.CONTROL_SEEN)] == ["stop", "stop"]


def test_a_stop_in_the_middle_of_one_order_after_another_is_heard_at_once(daemon: Process) -> None:
    """The last look keeps the next order here; the daemon must then listen, not decide on the same order again."""
    process = daemon.start("--hedges", "100000")
    daemon.until_hedged(5)
    (daemon.paths.control / "stop").touch()
    assert process.wait(15) == 0
    daemon.check_invariants()
    kept = [line for line in daemon.lines(JournalType.REFUSED) if line.status == "not_sent"]
    assert len(kept) <= 3


def test_a_stop_that_cannot_be_confirmed_exits_6(daemon: Process) -> None:
    process = daemon.start("--mode", "ignore", "--hedges", "1", "--stop-timeout", "0.5")
    daemon.until_hedged(1)
    daemon.until(lambda: bool(daemon.lines(JournalType.ORDER_SENT)))
    (daemon.paths.control / "stop").touch()
    assert process.wait(15) == 6
    assert daemon.lines(JournalType.UNKNOWN_OUTCOME)


def test_no_order_leaves_while_paused_and_it_resumes(daemon: Process) -> None:
    daemon.paths.create()
    (daemon.paths.control / "pause").touch()
    process = daemon.start("--hedges", "1")
    daemon.until(lambda: daemon.paths.snapshot.exists() and daemon.snapshot().link_state == "SYNCED")
    time.sleep(0.3)
    assert daemon.exchange.sent_refs() == []
    (daemon.paths.control / "pause").unlink()
    daemon.until_hedged(1)
    assert daemon.stop(process) == 0


def test_flatten_only_closes_verifies_and_exits_3_with_pause_asserted(daemon: Process) -> None:
    process = daemon.start("--hedges", "2")
    daemon.until_hedged(2)
    daemon.until(lambda: daemon.snapshot().own_shares == 20.0)
    (daemon.paths.control / "stop").touch()
    assert process.wait(15) == 0
    (daemon.paths.control / "flatten").touch()
    assert daemon.start("--flatten-only").wait(30) == 3
    assert daemon.exchange.position() == 0.0
    assert set(read_control(daemon.paths.control, WALL_US).files) == {"stop", "pause"}
    daemon.check_invariants()


def test_flatten_only_without_its_files_does_nothing(daemon: Process) -> None:
    process = daemon.start("--flatten-only")
    assert process.wait(15) == 3
    assert daemon.exchange.sent_refs() == []
    assert process.stderr is not None
    assert process.stderr.read() == "bifrost: flatten-only, but no flatten stands\n"
    assert [line.status for line in daemon.lines(JournalType.RUN_STOPPED)] == ["nothing_to_do"]


def test_a_second_daemon_is_refused_by_desk_client_id_and_account(daemon: Process) -> None:
    first = daemon.start("--hedges", "1")
    daemon.until_hedged(1)
    for options, said in (
        ((), f"desk eager is in use by process {first.pid}"),
        (("--desk", "other"), f"client id 1 at 127.0.0.1:7497 is in use by process {first.pid}"),
        (("--desk", "third", "--client-id", "2"), f"account DU1234567 with TWX is in use by process {first.pid}"),
    ):
        second = daemon.start(*options)
        assert second.wait(15) == 4
        assert second.stderr is not None
        text = second.stderr.read()
        assert said in text
        assert "Traceback" not in text
    other = daemon.start("--desk", "fourth", "--client-id", "3", "--account", "DU7654321", "--hedges", "0")
    daemon.until(DeskPaths(daemon.paths.root, "fourth").snapshot.exists)
    assert daemon.stop(other) == 0
    assert daemon.stop(first) == 0
    assert len(daemon.exchange.sent_refs()) == 1


def test_a_torn_end_is_repaired_and_journaled(daemon: Process) -> None:
    process = daemon.start("--hedges", "1")
    daemon.until_hedged(1)
    process.kill()
    process.wait()
    (segment,) = daemon.paths.journal.glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b'{"seq":99,"ts":"2026')
    process = daemon.start("--hedges", "1")
    daemon.until(lambda: bool(daemon.lines(JournalType.REPAIRED)))
    assert daemon.stop(process) == 0
    daemon.check_invariants()


def test_a_full_disk_stops_new_orders_but_not_the_process_and_sigterm_still_works(daemon: Process) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))

    process = daemon.start("--hedges", "100000", preexec_fn=small_files)
    daemon.until_hedged(3)
    previous = -1

    def full() -> bool:
        nonlocal previous
        size = sum(path.stat().st_size for path in daemon.paths.folder.rglob("*.jsonl"))
        grown, previous = size != previous, size
        time.sleep(0.3)
        return not grown

    daemon.until(full, 40)
    sent = len(daemon.exchange.sent_refs())
    time.sleep(0.5)
    assert len(daemon.exchange.sent_refs()) == sent
    assert process.poll() is None
    assert daemon.stop(process) == 0
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    assert all(order["durable"] for order in daemon.exchange.orders().values())


def test_a_request_is_answered_once_journaled_and_removed(daemon: Process) -> None:
    process = daemon.start("--hedges", "0")
    daemon.until(lambda: daemon.paths.snapshot.exists() and daemon.snapshot().link_state == "SYNCED")
    request = OperatorRequest(id="r1", command="acknowledge", by="ann", reason="t", at=iso_from_us(WALL_US), shares=0.0)
    write_request(daemon.paths.requests, request)
    (daemon.paths.requests / "junk.json").write_text("{")
    daemon.until(lambda: list(daemon.paths.requests.iterdir()) == [])
    lines = list(read_journal(daemon.paths.journal))
    answers = [line for line in lines if line.data is not None and line.data.get("request_id") == "r1"]
    assert [line.type for line in answers] == [JournalType.BOOK_ACKNOWLEDGED]
    assert [line.reason for line in lines if line.type is JournalType.CONTROL_REFUSED] == ["request_unreadable"]
    process.kill()
    process.wait()
    # A crash between answer and removal: the file is still there, the answer is in the journal.
    write_request(daemon.paths.requests, request)
    process = daemon.start("--hedges", "0")
    daemon.until(lambda: list(daemon.paths.requests.iterdir()) == [])
    assert daemon.stop(process) == 0
    again = [line for line in read_journal(daemon.paths.journal) if (line.data or {}).get("request_id") == "r1"]
    assert len(again) == 1


def test_a_wiped_control_folder_pauses_and_stop_still_works_after_it_is_made_again(daemon: Process) -> None:
    import shutil

    process = daemon.start("--hedges", "0")
    daemon.until(lambda: daemon.paths.snapshot.exists() and daemon.snapshot().link_state == "SYNCED")
    shutil.rmtree(daemon.paths.control)
    daemon.until(lambda: daemon.snapshot().daemon_state == "running_suspended")
    daemon.paths.control.mkdir()
    daemon.until(lambda: daemon.snapshot().daemon_state == "running")
    (daemon.paths.control / "stop").touch()
    assert process.wait(15) == 0
