"""`doctor`: what it prints and exits with; and the checks of a machine on which nothing ran yet."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import first_run
from cli.first_run import examine_machine, file_system
from config.loader import load_profile
from config.schema import Profile
from state.doctor import Finding, Findings
from tests.cli.conftest import Cli
from tests.support.desk_player import DeskPlayer, wall_us
from tests.support.system import free_port


@pytest.fixture
def player(root: Path) -> Iterator[DeskPlayer]:
    player = DeskPlayer(root, "demo", minutes=3)
    player.tell_a_day()
    player.write()
    yield player
    player.close()


def test_a_healthy_desk_exits_0_and_ends_with_one_line(cli: Cli, player: DeskPlayer) -> None:
    answer = cli("doctor")
    assert answer.code == 0, answer.out
    assert answer.out.splitlines()[-2:] == ["the light says: OK", "verdict: no fault"]
    assert "19 lines in 1 segment, the chain holds" in answer.out
    assert answer.err == ""


def test_faults_come_first_with_place_and_remedy_and_exit_1(cli: Cli, player: DeskPlayer) -> None:
    (player.paths.control / "stopp").touch()
    found = json.loads(player.paths.snapshot.read_text())
    del found["pid"]
    player.paths.snapshot.write_text(json.dumps(found))
    answer = cli("doctor", "--desk", "demo")
    assert answer.code == 1
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert lines[1:5] == [
        "fault snapshot.json pid: is missing",
        "mend: write it: a whole number",
        "warning control/stopp is no command; only stop, pause and flatten are",
        "mend: remove it, or name it right",
    ]
    assert lines[-1] == "verdict: 1 fault, 1 warning; mend the faults from the top"


def test_json_tells_the_same(cli: Cli, player: DeskPlayer) -> None:
    player.paths.snapshot.unlink()
    answer = cli("doctor", "--desk", "demo", "--json")
    told = json.loads(answer.out)
    assert (answer.code, told["exit_code"], told["desk"], told["fault"]) == (1, 1, "demo", 1)
    (fault,) = [each for each in told["findings"] if each["severity"] == "fault"]
    assert fault["path"] == "snapshot.json"


def test_a_second_look_finds_a_desk_that_does_not_write(cli: Cli, player: DeskPlayer) -> None:
    player.period_ms = 10
    player.write()
    answer = cli("doctor", "--watch", "0.1")
    assert answer.code == 1
    assert "seq: stayed 2 for 0.1 s" in answer.out


def test_a_name_that_is_no_desks_is_still_looked_at(cli: Cli, player: DeskPlayer, root: Path) -> None:
    player.paths.folder.rename(root / "Demo")
    answer = cli("doctor", "--desk", "Demo")
    assert answer.code == 1
    assert "a desk's name is 1 to 31 of a-z" in answer.out


def test_no_such_desk_is_2(cli: Cli, player: DeskPlayer) -> None:
    answer = cli("doctor", "--desk", "nobody")
    assert (answer.code, answer.out) == (2, "")
    assert "no desk 'nobody'" in answer.err


def test_without_a_desk_the_machine_is_looked_at(cli: Cli, root: Path) -> None:
    root.mkdir()
    answer = cli("doctor", "--json")
    told = json.loads(answer.out)
    assert told["desk"] is None
    looked_at = {each["path"] for each in told["findings"]}
    assert {"Python", "packages", "clock", str(root), "port 8501"} <= looked_at
    assert told["fault"] == 0, told


# --- the machine ---


def machine(root: Path, *, wall: int | None = None, profile: Profile | None = None) -> tuple[Finding, ...]:
    findings = Findings()
    examine_machine(root, wall_us() if wall is None else wall, profile, findings)
    return findings.all()


def faults(found: tuple[Finding, ...]) -> dict[str, str]:
    return {each.path: each.problem for each in found if each.severity == "fault"}


def test_a_clock_before_the_program_was_written(tmp_path: Path) -> None:
    assert "1971-" in faults(machine(tmp_path, wall=31_536_000_000_000))["clock"]


def test_a_package_that_differs_from_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "run.lock"
    lock.write_text(
        "msgspec==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1.0 \\\n"
        "windows-only==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    )
    monkeypatch.setattr(first_run, "LOCK", lock)
    told = [each.problem for each in machine(tmp_path) if each.path == "packages"]
    assert len(told) == 2
    assert told[0].startswith("msgspec is ")
    assert told[0].endswith(", pinned is 0.0.1")
    assert told[1] == "no-such-package is not installed, 1.0 is pinned"


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    assert "may not be written" in faults(machine(in_the_way / "var"))[str(in_the_way)]


def test_the_file_system_is_that_of_the_nearest_mount() -> None:
    mounts = [(Path("/"), "ext4"), (Path("/home"), "nfs4"), (Path("/home/anna/disk"), "xfs")]
    assert file_system(Path("/home/anna"), iter(mounts)) == "nfs4"
    assert file_system(Path("/home/anna/disk/var"), iter(mounts)) == "xfs"
    assert file_system(Path("/homes"), iter(mounts)) == "ext4"
    assert file_system(Path("/x"), iter([])) == "unknown"


def test_desks_on_a_network_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_run, "_mounts", lambda: iter([(Path("/"), "nfs4")]))
    found = [each for each in machine(tmp_path) if each.severity == "fault"]
    assert [(each.path, each.problem) for each in found] == [(str(tmp_path), "lies on a nfs4 file system")]


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(first_run, "COCKPIT_PORT", port)
        (told,) = [each for each in machine(tmp_path) if each.path == f"port {port}"]
        assert (told.severity, told.problem) == ("warning", "is taken")


def test_few_watches(tmp_path: Path) -> None:
    (tmp_path / "max_user_instances").write_text("3\n")
    findings = Findings()
    first_run._inotify(tmp_path, findings)
    (told,) = findings.all()
    assert told.problem == "max_user_instances is 3"
    assert "sysctl" in told.remedy


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    """A profile that trades at a TWS on this machine, on a port where nobody listens."""
    path = tmp_path / "here.yaml"
    path.write_text(f"extends: paper\nib: {{port: {free_port()}}}\n")
    return path


def test_a_tws_that_is_not_there_and_one_that_is(tmp_path: Path, paper: Path) -> None:
    profile = load_profile(str(paper)).profile
    place = f"{profile.ib.host}:{profile.ib.port}"
    assert "nobody listens" in faults(machine(tmp_path, profile=profile))[place]
    with socket.create_server(("127.0.0.1", profile.ib.port)):
        assert faults(machine(tmp_path, profile=profile)) == {}


def test_a_tws_elsewhere_is_not_tried(tmp_path: Path) -> None:
    path = tmp_path / "far.yaml"
    path.write_text("extends: paper\nib: {host: 192.0.2.1}\n")
    found = machine(tmp_path, profile=load_profile(str(path)).profile)
    assert faults(found) == {}
    assert any(each.path.startswith("192.0.2.1") and "not tried" in each.problem for each in found)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_root_of_somebody_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "may not be written" in faults(machine(tmp_path))[str(tmp_path)]
