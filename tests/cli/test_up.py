import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.access_options import access_options, as_words
from cli.options import CHECKOUT
from cli.up_command import archive_if_wanted
from config.loader import load_profile
from daemon.runtime.locks import Locks, desk_lock_path
from state.layout import DeskPaths
from state.runs.folder import backtest_paths
from state.runs.reading import list_backtests, read_progress
from tests.cli.conftest import Cli, Desk
from tests.support.cockpit_process import CockpitProcess
from tests.support.system import wait_for


def test_the_cockpits_port_is_taken(cli: Cli, root: Path) -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        port = owner.getsockname()[1]
        answer = cli("up", "--port", str(port))
    assert answer.code == 2
    assert answer.err == (
        f"bifrost: port {port} of the cockpit cannot be had (Address already in use); "
        "end its owner or choose another: --port N\n"
    )
    assert not (root / "demo").exists(), "nothing was started"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--host", "0.0.0.0"], "passwd NAME --role operator; and the name"),  # noqa: S104 the refusal is the test
        (["--allowed-host", "http://trader.lan"], "without http:// and port"),
        (["--behind-proxy", "127.0.0.1"], "--allowed-host NAME"),
        (["--tls-cert", "cert.pem"], "TLS needs both"),
    ],
)
def test_a_cockpit_that_would_be_open_to_strangers_starts_no_desk(
    cli: Cli, root: Path, words: list[str], expected: str
) -> None:
    answer = cli("up", "--port", "0", *words)
    assert answer.code == 2
    assert expected in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not (root / "demo").exists(), "nothing was started"


def test_what_says_where_to_listen_reaches_the_cockpit_as_it_was_given(tmp_path: Path) -> None:
    given = access_options(
        allowed_host=["trader.lan", "192.168.1.20"],
        behind_proxy="127.0.0.1",
        tls_cert=tmp_path / "cert.pem",
        tls_key=tmp_path / "key.pem",
    )
    words = as_words("192.168.1.20", given)
    assert words[:6] == ["--host", "192.168.1.20", "--allowed-host", "trader.lan", "--allowed-host", "192.168.1.20"]
    assert words[6:8] == ["--behind-proxy", "127.0.0.1"]
    assert words[8:] == ["--tls-cert", f"{tmp_path}/cert.pem", "--tls-key", f"{tmp_path}/key.pem"]
    nothing = access_options(allowed_host=None, behind_proxy=None, tls_cert=None, tls_key=None)
    assert as_words("127.0.0.1", nothing) == ["--host", "127.0.0.1"]


def test_a_desk_that_a_daemon_runs_is_not_started_twice(cli: Cli, desk: Desk) -> None:
    running = Locks()
    running.take(desk_lock_path(desk.paths.folder), "desk demo")
    answer = cli("up", "--port", "0", "--fresh")
    running.release_all()
    assert answer.code == 4
    assert answer.err.startswith(f"bifrost: desk demo (a daemon) is in use by process {os.getpid()}; ")
    assert desk.paths.exists(), "a running desk is not archived"


def test_fresh_archives_the_desk(root: Path, desk: Desk) -> None:
    loaded = load_profile("demo")
    assert archive_if_wanted(loaded, desk.paths, fresh=False) is None
    target = archive_if_wanted(loaded, desk.paths, fresh=True)
    assert target is not None
    assert target.parent == root / "_archive"
    assert re.fullmatch(r"demo-\d{8}T\d{6}-\d{6}Z", target.name)
    assert (target / "journal").is_dir()
    assert not desk.paths.exists()
    assert archive_if_wanted(loaded, desk.paths, fresh=True) is None, "nothing is left to archive"


def test_a_finished_replay_is_archived_and_a_made_up_market_never(root: Path) -> None:
    for name, expected in (("recorded_day", True), ("demo", False)):
        paths = DeskPaths(root, name)
        paths.create()
        paths.simulator.mkdir()
        (paths.simulator / "finished").touch()
        assert (archive_if_wanted(load_profile(name), paths, fresh=False) is not None) is expected


def test_a_simulator_that_refuses_ends_it_all_with_its_words(shell: Cli, tmp_path: Path) -> None:
    profile = tmp_path / "lost.yaml"
    profile.write_text(f"extends: recorded_day\nsimulator: {{replay: 'lean:{tmp_path}/nowhere:TWX:20140605'}}\n")
    answer = shell("up", "--profile", str(profile), "--port", "0")
    assert answer.code == 1
    assert len(answer.err.splitlines()) == 1
    assert answer.err.startswith("bifrost: the simulator ended (exit 2): ")
    assert "nowhere" in answer.err


def test_a_fault_script_reaches_the_simulator_or_is_refused(shell: Cli, tmp_path: Path, root: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text("faults: [{fault: reject_odours}]\n")
    answer = shell("up", "--faults", str(script), "--port", "0")
    assert answer.code == 1
    assert len(answer.err.splitlines()) == 1
    assert answer.err.startswith(f"bifrost: the simulator ended (exit 2): simulator: {script}")
    assert "reject_odours" in answer.err
    answer = shell("up", "--profile", "paper", "--faults", str(script), "--port", "0")
    assert answer.code == 2
    assert answer.err == (
        f"bifrost: --faults {script}: profile paper has no simulator that could obey it; leave it out\n"
    )
    assert not (root / "paper").exists(), "nothing was started"


class Up:
    """`bifrost up` as an operator's process; `said` waits for its output."""

    def __init__(self, root: Path, *arguments: str) -> None:
        self._log = root.parent / f"up-{time.monotonic_ns()}.log"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli", "up", "--port", "0", *arguments],
                env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self, words: str, timeout_s: float = 60.0) -> str:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            text = self._log.read_text()
            if words in text:
                return text
            assert self.process.poll() is None, text
            time.sleep(0.05)
        raise AssertionError(f"{words!r} was not said within {timeout_s:g} s: {self._log.read_text()}")

    def starts_a_backtest(self, root: Path, *, sessions: int) -> str:
        """As the page does; gives the run's name."""
        house = CockpitProcess(root)
        house.address = self.said("cockpit: http").partition("cockpit: ")[2].partition("/?")[0]
        changed = ["simulator.synthetic.step_s=60", "gates.state.market.stale_ts_threshold_ms=120000"]
        body = json.dumps({"profile": "demo", "data": f"synthetic:1:{sessions}", "overrides": changed})
        headers = {**house.own_page(), "Content-Type": "application/json"}
        answer = house.ask("POST", "/api/runs/backtest", headers, body)
        assert answer.status == 200, answer.body
        return str(answer.json["run_id"])

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ends(self, number: signal.Signals) -> None:
        """Signalled, it and every process under it are gone within 5 s."""
        family = self.family()
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(10)
        _, alive = psutil.wait_procs(family, timeout=max(0.0, 5 - (time.monotonic() - started)))
        assert alive == []
        assert time.monotonic() - started < 5
        assert code == 0, self._log.read_text()


@pytest.fixture
def up(root: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*arguments: str) -> Up:
        started.append(Up(root, *arguments))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            family = each.family()
            each.process.terminate()
            each.process.wait(10)
            psutil.wait_procs(family, timeout=5)


def test_the_demo_from_up_to_ctrl_c(up: Callable[..., Up], cli: Cli, root: Path) -> None:
    first = up()
    text = first.said("light: GREEN")
    address = re.search(r"cockpit: http://127\.0\.0\.1:(\d+)/\?desk=demo", text)
    assert address is not None
    with socket.create_connection(("127.0.0.1", int(address[1])), timeout=5):
        pass
    assert {child.cmdline()[4] for child in first.family()} == {"simulator", "supervise", "daemon", "cockpit"}
    assert cli("status", "--fresh").code == 0

    second = cli("up", "--port", "0")
    assert second.code == 4
    assert "another `bifrost up`" in second.err

    paused = cli("pause", "--reason", "test", "--wait", "10")
    assert (paused.code, paused.err) == (0, "")
    assert cli("status", "--fresh").code == 1
    assert cli("resume", "--wait", "10").code == 0

    cockpit = next(child for child in first.family() if child.cmdline()[4] == "cockpit")
    cockpit.kill()
    first.said("the cockpit ended (killed by SIGKILL)")
    first.said("in another shell: ./bifrost cockpit ")
    assert cli("status", "--fresh").code == 0, "the daemon does not notice"

    first.ends(signal.SIGINT)
    assert cli("status").code == 3
    assert cli("verify").code == 0

    cli("stop", "--reason", "until monday")
    third = up()
    said = third.said("control/stop stands")
    assert "end it with: ./bifrost start --desk demo" in said
    third.said("cockpit: http")
    assert cli("start", "--wait", "30").code == 0
    third.starts_a_backtest(root, sessions=900)
    assert any("backtest" in child.cmdline() for child in third.family())
    third.ends(signal.SIGHUP)
    assert cli("verify").code == 0


@pytest.mark.nightly
def test_ctrl_c_ends_a_backtest_of_a_page_too(up: Callable[..., Up], root: Path) -> None:
    running = up()
    running.said("light: GREEN")
    paths = backtest_paths(root, running.starts_a_backtest(root, sessions=900))
    wait_for("its progress", lambda: read_progress(paths.progress) is not None, 240)
    running.ends(signal.SIGINT)
    (run,) = list_backtests(root)
    assert run.standing == "interrupted"
    assert run.trouble in (None, "process_gone")  # a machine with other work may not give it the time for its tables
