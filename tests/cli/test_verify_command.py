import gzip
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from state.audit import append_audit
from state.records import JournalType
from tests.cli.conftest import Cli, Desk
from tests.support.desk_files import NOON_US

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def day(desk: Desk) -> Desk:
    """Six operations."""
    for kind in ("run_started", "intent", "order_sent", "fill", "refused", "transition"):
        desk.journal(JournalType(kind), price=70.525)
    return desk


def note(desk: Desk, by: str) -> None:
    append_audit(desk.paths.audit, wall_us=NOON_US, source="cli", action="stop", by=by, outcome="done")


def test_intact(cli: Cli, day: Desk) -> None:
    answer = cli("verify")
    assert answer.code == 0
    assert answer.out.startswith("demo: intact, 6 operations, head ")
    assert answer.out.endswith(" at seq 6; audit empty\n")
    assert answer.err == ""


def test_an_empty_journal_is_not_called_intact(cli: Cli, desk: Desk) -> None:
    answer = cli("verify")
    assert (answer.code, answer.out) == (0, "demo: the journal is empty, nothing to check; audit empty\n")


def test_the_place_of_a_changed_byte(cli: Cli, day: Desk) -> None:
    [segment] = day.paths.journal.glob("*.jsonl")
    whole = segment.read_bytes().split(b"\n")
    whole[3] = whole[3].replace(b"70.525", b"70.535")
    segment.write_bytes(b"\n".join(whole))
    answer = cli("verify")
    assert answer.code == 1
    assert answer.err.startswith(f"bifrost: demo: the journal is broken: {segment}, line 4: ")
    assert answer.err.endswith(" (hash); see docs/runbook.md#journal_damaged\n")
    assert len(answer.err.splitlines()) == 1
    found = json.loads(cli("verify", "--json").out)
    assert found["exit_code"] == 1
    assert found["verification"]["records"] == 3
    assert {name: found["verification"][name] for name in ("ok", "file", "line", "kind")} == {
        "ok": False,
        "file": str(segment),
        "line": 4,
        "kind": "hash",
    }
    assert found["audit"]["ok"]


def test_a_tail_that_the_snapshot_remembers(cli: Cli, day: Desk) -> None:
    day.shows(journal_seq=9, journal_hash="0" * 64)
    answer = cli("verify")
    assert answer.code == 1
    assert "the snapshot remembers seq 9 (lost_tail)" in answer.err


def test_the_audit_is_checked_the_same_way(cli: Cli, day: Desk) -> None:
    note(day, "anna")
    note(day, "anna")
    assert cli("verify").out.endswith("; audit intact, 2 entries\n")
    [segment] = day.paths.audit.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b"anna", b"bert", 1))
    answer = cli("verify")
    assert answer.code == 1
    assert answer.err.startswith(f"bifrost: demo: the audit is broken: {segment}, line 1: ")


def test_a_damaged_compressed_segment_is_named(cli: Cli, day: Desk) -> None:
    [segment] = day.paths.journal.glob("*.jsonl")
    packed = segment.with_name(f"{segment.name}.gz")
    packed.write_bytes(gzip.compress(segment.read_bytes()))
    segment.unlink()
    assert cli("verify").out.startswith("demo: intact, 6 operations")
    packed.write_bytes(packed.read_bytes()[:-30])
    answer = cli("verify")
    assert answer.code == 1
    assert str(packed) in answer.err
    assert "(archive)" in answer.err


def test_a_terminal_is_shown_progress_and_a_pipe_is_not(day: Desk) -> None:
    day.journal(JournalType.LEDGER_CHECKPOINT)
    root, name = day.paths.folder.parent, day.paths.folder.name
    command = [sys.executable, "-P", "-m", "cli", "verify", "--root", str(root), "--desk", name]
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=terminal, env=environment, cwd=REPOSITORY, text=True
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while chunk := os.read(controller, 4096):
                shown += chunk
        except OSError:
            pass  # the other end is closed
        out, _ = process.communicate()
    os.close(controller)
    assert process.returncode == 0
    assert out.startswith("demo: intact, 7 operations")
    assert b"journal segments" in shown
    silent = subprocess.run(command, capture_output=True, env=environment, cwd=REPOSITORY, text=True, check=True)
    assert silent.stderr == ""
