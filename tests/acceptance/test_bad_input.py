"""What an operator can get wrong, against the real processes: one clear line each, no traceback, nothing lost."""

from pathlib import Path

import pytest

from state.records import JournalType
from tests.acceptance.conftest import DEMO
from tests.support.lean_day import write_lean_day
from tests.support.system import System, running, wait_for


def said(system: System, name: str) -> str:
    """What a background command has printed so far."""
    return (system.root / f"{name}.log").read_text()


def one_line(text: str) -> str:
    """The single line of an error, checked to be just that."""
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def test_tws_not_reachable_is_yellow_then_red_and_never_a_crash(tmp_path: Path) -> None:
    patient = DEMO + "daemon: {waiting_ib_deadline_s: 4}\n"
    with running(System(tmp_path, patient)) as system:
        daemon = system.start("daemon", "--profile", str(system.profile))
        wait_for("waiting", lambda: (s := system.snapshot()) is not None and s.daemon_state == "waiting_ib", 20)
        assert system.status() == 1
        wait_for("red after the deadline", lambda: system.status() == 2, 15, every_s=0.5)
        assert "IB" in system.cli("status").stdout
        assert daemon.poll() is None
        # and it finds TWS when it comes
        system.start_simulator()
        wait_for("green", lambda: system.status() == 0, 60, every_s=0.5)
        assert "Traceback" not in said(system, "daemon")


def test_a_second_daemon_on_the_same_desk_client_id_or_account_exits_four(demo: System, tmp_path: Path) -> None:
    demo.start_simulator()
    demo.start("daemon", "--profile", str(demo.profile))
    wait_for("a running daemon", lambda: (s := demo.snapshot()) is not None and s.daemon_state == "running", 30)
    pid = demo.daemon_pid()
    same_desk = demo.cli("daemon", "--profile", str(demo.profile))
    assert same_desk.returncode == 4
    assert str(pid) in one_line(same_desk.stderr)
    same_client = demo.cli("daemon", "--profile", str(demo.profile), "--desk", "other")
    assert same_client.returncode == 4
    assert "client id" in one_line(same_client.stderr)
    other_id = tmp_path / "other.yaml"
    other_id.write_text(f"extends: demo\nib: {{port: {demo.port}, client_id: 77}}\n")
    same_account = demo.cli("daemon", "--profile", str(other_id), "--desk", "third")
    assert same_account.returncode == 4
    assert "DU0000001" in same_account.stderr
    assert "Traceback" not in same_account.stderr
    assert demo.status() == 0


def test_a_desk_takes_no_profile_of_another_stock(demo: System, tmp_path: Path) -> None:
    demo.start_simulator()
    demo.start("daemon", "--profile", str(demo.profile))
    wait_for("a reconciled book", lambda: (s := demo.snapshot()) is not None and s.daemon_state == "running", 30)
    assert demo.end("daemon") == 0
    before = demo.lines()
    other = tmp_path / "other.yaml"
    other.write_text("extends: demo\nunderlying: {symbol: OTHER}\n")
    refused = demo.cli("daemon", "--profile", str(other), "--desk", demo.desk)
    assert refused.returncode == 2
    assert "DEMO" in one_line(refused.stderr)
    assert "OTHER" in refused.stderr
    assert demo.lines() == before


def test_an_unwritable_state_folder(demo: System) -> None:
    demo.paths.root.mkdir()
    demo.paths.folder.write_text("a file where the desk's folder should be")
    refused = demo.cli("daemon", "--profile", str(demo.profile))
    assert refused.returncode == 2
    assert str(demo.paths.folder) in one_line(refused.stderr)
    assert demo.paths.folder.read_text() == "a file where the desk's folder should be"


def test_a_damaged_snapshot_is_not_live_and_the_daemon_replaces_it(demo: System) -> None:
    demo.paths.folder.mkdir(parents=True)
    demo.paths.snapshot.write_text('{"schema": 1, "desk": "de')
    shown = demo.cli("status")
    assert shown.returncode == 3
    assert "Traceback" not in shown.stderr + shown.stdout
    assert demo.paths.snapshot.read_text() == '{"schema": 1, "desk": "de'
    demo.start_simulator()
    demo.start("daemon", "--profile", str(demo.profile))
    wait_for("a whole snapshot", lambda: demo.snapshot() is not None, 20)


def test_a_missing_recorded_day_names_the_file(tmp_path: Path) -> None:
    made = write_lean_day(tmp_path / "lean")
    text = f"""
extends: recorded_day
underlying: {{symbol: {made.symbol}}}
legs: [{{right: call, strike: 50, expiry: 2014-10-18}}]
ib: {{port: PORT}}
simulator: {{replay: "lean:{made.folder}:{made.symbol}:20140911", positions: []}}
"""
    with running(System(tmp_path, text)) as system:
        refused = system.cli("simulator", "--profile", str(system.profile), "--port", "0")
    assert refused.returncode == 2
    assert "20140911" in one_line(refused.stderr)


def test_a_leg_that_does_not_exist_in_the_recording_names_its_neighbours(tmp_path: Path) -> None:
    made = write_lean_day(tmp_path / "lean")
    text = f"""
extends: recorded_day
underlying: {{symbol: {made.symbol}}}
legs: [{{right: call, strike: 51, expiry: 2014-10-18}}]
ib: {{port: PORT}}
simulator: {{replay: "{made.spec}", positions: []}}
"""
    with running(System(tmp_path, text)) as system:
        refused = system.cli("simulator", "--profile", str(system.profile), "--port", "0")
    assert refused.returncode == 2
    assert "51" in one_line(refused.stderr)


def test_a_leg_that_the_venue_does_not_know_stops_the_daemon_naming_the_leg(demo: System, tmp_path: Path) -> None:
    demo.start_simulator()
    other = tmp_path / "other.yaml"
    other.write_text(
        f"""
extends: demo
ib: {{port: {demo.port}}}
legs: [{{right: call, strike: 123, expiry: 2026-06-19}}]
simulator: {{positions: []}}
"""
    )
    refused = demo.cli("daemon", "--profile", str(other))
    assert refused.returncode == 2
    line = one_line(refused.stderr)
    assert "123" in line
    assert "legs" in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("extends: demo\nibb: {port: 1}\n", ("desk.yaml:2", "ibb", "ib")),
        ("extends: demo\nib: {port: 70000}\n", ("desk.yaml:2", "ib.port", "65535")),
        ("extends: demo\nib: {port: high}\n", ("desk.yaml:2", "ib.port", "whole number")),
        ("extends: demo\ngates: {state: {delta: {epsilon_band: .nan}}}\n", ("desk.yaml:2", "epsilon_band")),
        ("extends: [\n", ("desk.yaml",)),
        ("extends: nowhere\n", ("nowhere",)),
    ],
)
def test_a_bad_profile_is_refused_with_file_line_and_key(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    with running(System(tmp_path, text)) as system:
        for command in ("daemon", "up", "profile"):
            arguments = (
                ("validate", str(system.profile)) if command == "profile" else ("--profile", str(system.profile))
            )
            refused = system.cli(command, *arguments)
            assert refused.returncode == 2, (command, refused.stderr)
            assert "Traceback" not in refused.stderr
            for word in words:
                assert word in refused.stderr


def test_a_command_about_a_desk_that_does_not_exist(demo: System) -> None:
    for command in (
        ["status"],
        ["stop"],
        ["ops"],
        ["verify"],
        ["flatten", "--yes"],
        ["book", "acknowledge", "--shares", "1", "--reason", "x"],
    ):
        refused = demo.cli(*command, "--desk", "nowhere")
        assert refused.returncode in (2, 3), command
        assert "nowhere" in one_line(refused.stderr)
        assert not demo.paths.root.exists() or not (demo.paths.root / "nowhere").exists()


def test_a_damaged_journal_exits_five_and_is_located(demo: System) -> None:
    demo.start_simulator()
    demo.start("daemon", "--profile", str(demo.profile))
    wait_for("some history", lambda: len(demo.lines()) > 12, 40)
    assert demo.end("daemon") == 0
    segment = next(iter(sorted(demo.paths.journal.glob("*.jsonl"))))
    whole = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*whole[:4], whole[4].replace(b'"status"', b'"statuS"', 1), *whole[5:]]))
    verified = demo.cli("verify")
    assert verified.returncode == 1
    assert f"{segment.name}, line 5" in verified.stderr
    refused = demo.cli("daemon", "--profile", str(demo.profile))
    assert refused.returncode == 5
    assert segment.name in one_line(refused.stderr)
    segment.write_bytes(b"".join(whole))
    assert demo.cli("verify").returncode == 0


def test_a_torn_last_line_is_repaired_kept_and_journaled(demo: System) -> None:
    demo.start_simulator()
    demo.start("daemon", "--profile", str(demo.profile))
    wait_for("some history", lambda: len(demo.lines()) > 12, 40)
    demo.kill_daemon()
    demo.processes.pop("daemon").wait(5)
    segment = max(demo.paths.journal.glob("*.jsonl"))
    with segment.open("ab") as file:
        file.write(b'{"seq":999,"ts":"20')
    demo.start("daemon", "--profile", str(demo.profile))
    wait_for("the repair", lambda: demo.of(JournalType.REPAIRED), 20)
    assert next(iter(demo.paths.journal.glob("*torn*"))).read_bytes() == b'{"seq":999,"ts":"20'
    assert demo.cli("verify").returncode == 0
