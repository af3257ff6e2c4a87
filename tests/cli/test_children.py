import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cli.children as module
from cli.children import Children

OBEDIENT = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep({delay})
    with open({order!r}, "a") as file: file.write({name!r} + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True: time.sleep(1)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True: time.sleep(1)
"""
Start = Callable[[str, str], module.Child]


def no_orphan() -> None:
    return None


def unconfirmed() -> bool:
    return False


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    children = Children(os.environ, tmp_path / "logs")
    yield children
    children.end_all(confirmed=unconfirmed, orphan=no_orphan)


@pytest.fixture
def start(children: Children) -> Start:
    def start_ready(name: str, script: str) -> module.Child:
        child = children.start(name, [sys.executable, "-c", script])
        for _ in range(500):
            if "ready" in child.output() or not child.is_running:
                break
            time.sleep(0.02)
        return child

    return start_ready


def test_the_simulator_ends_after_the_supervisor(children: Children, start: Start, tmp_path: Path) -> None:
    order = str(tmp_path / "order")
    for name, delay in (("simulator", 0), ("supervisor", 0.3), ("cockpit", 0)):
        start(name, OBEDIENT.format(delay=delay, order=order, name=name))
    assert children.end_all(confirmed=unconfirmed, orphan=no_orphan) == []
    assert Path(order).read_text().split()[-2:] == ["supervisor", "simulator"]


def test_the_simulator_may_end_as_soon_as_the_daemons_orders_are_confirmed(
    children: Children, start: Start, tmp_path: Path
) -> None:
    order = str(tmp_path / "order")
    for name, delay in (("simulator", 0), ("supervisor", 0.5)):
        start(name, OBEDIENT.format(delay=delay, order=order, name=name))
    assert children.end_all(confirmed=lambda: True, orphan=no_orphan) == []
    assert Path(order).read_text().split() == ["simulator", "supervisor"]


def test_a_stubborn_child_is_killed_and_named(
    children: Children, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    child = start("cockpit", STUBBORN)
    started = time.monotonic()
    assert children.end_all(confirmed=unconfirmed, orphan=no_orphan) == ["cockpit"]
    assert time.monotonic() - started < 2
    assert child.process.returncode == -signal.SIGKILL


def test_everything_is_gone_within_five_seconds() -> None:
    assert module.PATIENCE_S <= 4.0
    assert module._LAST_ORDERS_S < module.PATIENCE_S


def test_a_daemon_that_outlived_its_supervisor_is_killed_and_nobody_else(
    children: Children, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    pid_file = tmp_path / "pid"
    family = f"""
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))
{STUBBORN}
"""
    start("supervisor", family)
    orphan = int(pid_file.read_text())
    assert children.end_all(confirmed=unconfirmed, orphan=lambda: orphan) == ["supervisor"]
    for _ in range(200):
        if not _is_alive(orphan):
            break
        time.sleep(0.02)
    assert not _is_alive(orphan)

    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        start("supervisor", "raise SystemExit(3)")
        children.end_all(confirmed=unconfirmed, orphan=lambda: stranger.pid)
        assert stranger.poll() is None
        stranger.kill()


def _is_alive(pid: int) -> bool:
    """A zombie waiting for init counts as ended."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_an_ending_says_code_last_words_and_log(children: Children, start: Start, tmp_path: Path) -> None:
    child = start("simulator", "import sys; print('one'); sys.exit('port 7497 is taken')")
    child.process.wait(10)
    assert [each.name for each in children.newly_ended()] == ["simulator"]
    assert children.newly_ended() == []
    log = tmp_path / "logs" / "simulator.log"
    assert child.ending() == f"the simulator ended (exit 1): port 7497 is taken; see {log}"


def test_an_ending_by_a_signal_and_output_of_this_run_only(children: Children, start: Start, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "cockpit.log"
    log.parent.mkdir()
    log.write_text("words of yesterday\n")
    child = start("cockpit", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    child.process.wait(10)
    assert child.ending() == f"the cockpit ended (killed by SIGKILL); see {log}"
