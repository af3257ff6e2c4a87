"""The whole product on a failing disk: simulator, supervised daemon and the operator's commands."""

import contextlib
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from state.records import JournalLine, JournalType
from state.verification import verify
from tests.acceptance.conftest import DEMO
from tests.faults.faulty_desk import ALARM, NOT_JOURNALED
from tests.support.system import System, running, wait_for

pytestmark = [pytest.mark.nightly]
T = JournalType
SMALL_SEGMENTS = "tests.faults.small_segments"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with running(System(tmp_path, DEMO + "storage: {min_free_mib: 0}\n")) as made:
        yield made


def hedging(system: System, *, what: str = "supervise", module: str = "cli") -> int:
    """Everything runs and has hedged; the daemon's process id."""
    system.start_simulator()
    system.start(what, "--profile", str(system.profile), module=module)
    wait_for("hedges", lambda: len(system.of(T.FILL)) >= 3, 60)
    return int(wait_for("a daemon", system.daemon_pid))


def said(system: System) -> str:
    return "".join(log.read_text() for name in ("supervise", "daemon") if (log := system.root / f"{name}.log").exists())


def intents(system: System) -> set[str | None]:
    return {line.order_ref for line in system.of(T.INTENT)}


def failed_then_flattened(system: System, *, heard: bool = True) -> None:
    """From the alarm on: red, no hedge, and a flatten by touch that ends at the venue.

    The alarm is not `heard` where stderr lies on the full disk itself; the light tells it all the same.
    """
    if heard:
        wait_for("the alarm", lambda: ALARM in said(system), 30)
    wait_for("red", lambda: system.status() == 2, 15 if heard else 45, every_s=0.5)
    placed = system.placed_order_refs()
    time.sleep(2)
    assert system.placed_order_refs() == placed, "an order left after the journal had failed"
    (system.paths.control / "flatten").touch()
    wait_for("the end of the flatten", lambda: not (system.paths.control / "flatten").exists(), 30)
    wait_for("a flat snapshot", lambda: (shown := system.snapshot()) and shown.own_shares == 0.0, 10)
    closing = set(system.placed_order_refs()) - set(placed)
    unjournaled = [line for line in said(system).splitlines() if line.startswith(NOT_JOURNALED)]
    for ref in closing - intents(system):
        assert any('"type":"intent"' in line and f'"{ref}"' in line for line in unjournaled)


def stopped_reset_and_hedging(system: System, hedges: int) -> None:
    """The operator's way back: stop, start, look, reset, resume."""
    # Without --wait: what it waits for is a receipt in the journal.
    assert system.cli("stop").returncode == 0
    wait_for("the daemon's end", lambda: system.daemon_pid() is None, 20)
    assert verify(system.paths.journal).ok
    assert system.cli("start", "--wait", "30").returncode in (0, 7)
    wait_for("a reconciled second run", lambda: reconciled(system), 40)
    assert system.status() == 2
    assert "journal_failed" in {line.reason for line in system.of(T.HALT)}
    reset = system.cli("reset", "--by", "ann", "--reason", "the disk is well again")
    assert reset.returncode == 0, reset.stderr
    assert system.cli("resume").returncode == 0
    wait_for("a hedge after the reset", lambda: len(system.of(T.INTENT)) > hedges, 60)
    assert verify(system.paths.journal).ok


def reconciled(system: System) -> list[JournalLine]:
    run = system.of(T.RUN_STARTED)[-1].run_id
    return [line for line in system.of(T.RECONCILED) if line.run_id == run]


def fill(path: Path) -> None:
    """Take all the room that is left."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_an_io_error_at_a_sync(system: System, strace: str) -> None:
    pid = hedging(system)
    segment = max(system.paths.journal.glob("*.jsonl"))
    command = [strace, "-f", "-o", str(system.root / "trace"), "-p", str(pid), "-P", str(segment)]
    command += ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1"]
    tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        failed_then_flattened(system)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
    calls = (system.root / "trace").read_text().count("fdatasync(")
    assert calls == 1, "the journal was synced again after its sync had failed"
    stopped_reset_and_hedging(system, len(system.of(T.INTENT)))


def test_no_descriptor_left(system: System) -> None:
    pid = hedging(system, what="daemon", module=SMALL_SEGMENTS)
    highest = max(int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir())
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, before[1]))
    wait_for("the alarm", lambda: ALARM in said(system), 60)
    assert "Too many open files" in said(system)
    failed_then_flattened(system)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    assert system.cli("stop", "--wait", "20").returncode == 0
    assert system.processes.pop("daemon").wait(10) == 0
    assert verify(system.paths.journal).ok
    assert system.of(T.HALT)[-1].reason == "journal_failed"


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own at `folder`; skips where none may be mounted."""
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=750", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def full_disk_and_back(system: System, somebody_elses: Path, *, heard: bool = True) -> None:
    hedging(system)
    fill(somebody_elses)
    failed_then_flattened(system, heard=heard)
    assert NOT_JOURNALED not in said(system)
    somebody_elses.unlink()
    stopped_reset_and_hedging(system, len(system.of(T.INTENT)))


def test_a_full_disk_under_the_journal(system: System) -> None:
    with small_disk(system.paths.journal, "12m"), contextlib.closing(system):
        full_disk_and_back(system, system.paths.journal / "somebody_elses")


def test_a_full_disk_under_everything_also_under_logs_and_stderr(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "24m"), running(System(disk, DEMO + "storage: {min_free_mib: 0}\n")) as system:
        full_disk_and_back(system, disk / "somebody_elses", heard=False)


def test_a_journal_that_cannot_be_opened_ends_daemon_and_supervisor_with_one_line(system: System) -> None:
    system.paths.folder.mkdir(parents=True)
    system.paths.journal.write_text("in the way")
    system.start_simulator()
    supervisor = system.start("supervise", "--profile", str(system.profile))
    assert supervisor.wait(30) == 2
    lines = said(system).splitlines()
    assert len(lines) == 1, lines
    assert str(system.paths.journal) in lines[0]
