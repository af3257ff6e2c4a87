import socket
import subprocess
from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.options import CHECKOUT
from cli.run_commands import daemon_command, python_path, simulated_market, with_port
from config.loader import load_profile
from config.version import version
from state.layout import DeskPaths
from tests.cli.conftest import Cli

BAD = "underlying: {symbol: TWX}\nib: {prot: 7497}\n"


@pytest.mark.parametrize("command", ["daemon", "supervise", "simulator", "up"])
def test_a_bad_profile_is_exit_2_with_file_line_key_and_remedy(cli: Cli, tmp_path: Path, command: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    answer = cli(command, "--profile", str(path))
    assert answer.code == 2
    assert answer.err == f"bifrost: {path}:2: ib.prot: unknown key; did you mean port?\n"
    answer = cli(command, "--profile", str(tmp_path / "gone.yaml"))
    assert answer.code == 2
    assert "no such profile file" in answer.err


def test_the_simulator_needs_a_profile_that_names_one(cli: Cli) -> None:
    answer = cli("simulator", "--profile", "paper")
    assert answer.code == 2
    assert answer.err == "bifrost: the profile paper has no simulator section; try --profile demo\n"


def test_the_simulators_port_is_taken(shell: Cli) -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        answer = shell("simulator", "--port", str(owner.getsockname()[1]))
    assert answer.code == 2
    assert "is taken" in answer.err
    assert "Traceback" not in answer.err


def test_a_recording_that_is_not_there(shell: Cli, tmp_path: Path) -> None:
    spec = f"lean:{tmp_path}/nowhere:TWX:20140605"
    answer = shell("simulator", "--profile", "recorded_day", "--port", "0", "--replay", spec)
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert "nowhere" in answer.err


@pytest.mark.parametrize("command", ["daemon", "simulator --port 0"])
def test_a_calendar_that_nobody_knows(shell: Cli, tmp_path: Path, command: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("extends: demo\nunderlying: {calendar: XXXX}\n")
    answer = shell(*command.split(), "--profile", str(path))
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert "there is no exchange calendar 'XXXX'" in answer.err


def test_market_options_replace_the_profiles_within_its_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = load_profile("recorded_day").profile
    monkeypatch.chdir(tmp_path)
    changed = simulated_market(profile, seed=3, speed=60.0, replay="lean:data:TWX:20140605").simulator
    assert changed is not None
    assert (changed.seed, changed.speed) == (3, 60.0)
    assert changed.replay == f"lean:{tmp_path}/data:TWX:20140605"
    assert simulated_market(profile) == profile


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"speed": 0.0}, "simulator: Expected `float` > 0.0"),
        ({"replay": "lean:data:AAPL:20140605"}, "simulator.replay: replays AAPL"),
        ({"replay": "csv:day.csv"}, "simulator.replay: 'csv:day.csv' is not lean:DIR:SYMBOL:YYYYMMDD"),
    ],
)
def test_market_options_out_of_bounds(given: dict[str, float], words: str) -> None:
    with pytest.raises(CommandError, match=words) as caught:
        simulated_market(load_profile("recorded_day").profile, **given)  # type: ignore[arg-type]
    assert caught.value.code == 2


def test_the_cockpit_needs_a_root_and_beyond_this_machine_a_password_and_a_name(
    cli: Cli, shell: Cli, root: Path
) -> None:
    answer = cli("cockpit")
    assert answer.code == 2
    assert answer.err.startswith(f"bifrost: no folder {root}: there is no desk to show")
    root.mkdir()
    answer = shell("cockpit", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 the refusal is the test
    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
    assert "passwd NAME --role operator" in answer.err
    assert "--allowed-host NAME" in answer.err


def test_a_daemons_command_line_is_independent_of_the_working_directory(tmp_path: Path) -> None:
    loaded = load_profile("demo")
    command = daemon_command(loaded, DeskPaths(tmp_path / "var", "other"), 4001)
    assert command[1:5] == ["-P", "-m", "cli", "daemon"]
    assert command[5:] == [
        *("--profile", str(loaded.path)),
        *("--desk", "other"),
        *("--root", str(tmp_path / "var")),
        *("--ib-port", "4001"),
    ]


def test_another_port_changes_nothing_else() -> None:
    profile = load_profile("demo").profile
    changed = with_port(profile, 4001)
    assert changed.ib.port == 4001
    assert with_port(changed, profile.ib.port) == profile
    assert with_port(profile, None) is profile


def test_our_processes_find_the_checkout_first_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"/other:{CHECKOUT}:")
    assert python_path() == f"{CHECKOUT}:/other"
    monkeypatch.delenv("PYTHONPATH")
    assert python_path() == str(CHECKOUT)


def test_version_is_the_projects_and_the_commits(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    assert version(tmp_path) == "1.2.3"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert version(tmp_path) == "1.2.3", "no commit yet"
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout[:12]
    assert version(tmp_path) == f"1.2.3+{head}"
    subprocess.run([*git, "pack-refs", "--all"], check=True)
    assert version(tmp_path) == f"1.2.3+{head}"
    subprocess.run([*git, "checkout", "-q", "--detach"], check=True)
    assert version(tmp_path) == f"1.2.3+{head}"
    (tmp_path / "pyproject.toml").unlink()
    assert version(tmp_path).startswith("unknown+")
