import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.runtime.locks import Locks, desk_lock_path
from daemon.runtime.supervision import Timing
from daemon.runtime.supervisor import Supervisor, command_was_seen, run_supervisor
from state.control import assert_command, read_control
from state.journal import JournalWriter
from state.layout import DeskPaths
from state.records import JournalLine, JournalType, SelfCheck, Snapshot
from state.snapshot import write_snapshot
from state.times import iso_from_us
from tests.runtime.workbench import WALL_US

CHILD = Path(__file__).with_name("scripted_child.py")
FAST = Timing(
    first_restart_s=0.01,
    longest_restart_s=0.05,
    stop_seen_s=0.15,
    boot_grace_s=1.5,
    kill_after_s=0.3,
    poll_s=0.02,
)


class Supervised:
    """A supervisor over the scripted child."""

    def __init__(self, paths: DeskPaths, *plan: str, timing: Timing = FAST) -> None:
        self.folder = paths.folder
        self.control = paths.control
        (paths.folder / "plan").write_text("\n".join(plan) + "\n")
        command = [sys.executable, "-S", "-E", str(CHILD), str(paths.folder)]
        self.supervisor = Supervisor(command, paths, timing)
        self.task: asyncio.Task[int] | None = None

    async def run(self) -> int:
        return await asyncio.wait_for(self.supervisor.run(), 10)

    def start(self) -> None:
        self.task = asyncio.create_task(self.run())

    async def end(self) -> int:
        assert self.task is not None
        self.supervisor._signalled("SIGTERM")
        return await self.task

    def starts(self) -> list[str]:
        file = self.folder / "starts"
        return file.read_text().splitlines() if file.exists() else []

    async def until(self, holds: Callable[[], bool]) -> None:
        deadline = asyncio.get_running_loop().time() + 8
        while not holds():
            assert asyncio.get_running_loop().time() < deadline, f"starts: {self.starts()}"
            if self.task is not None and self.task.done():
                self.task.result()
                pytest.fail(f"the supervisor ended with {self.task.result()}; starts: {self.starts()}")
            await asyncio.sleep(0.01)

    def stop_note(self) -> tuple[str | None, str | None]:
        stop = read_control(self.control, WALL_US).files["stop"]
        return stop.by, stop.reason

    async def steady(self, starts: int) -> None:
        """That many starts, and no more for a while."""
        await self.until(lambda: len(self.starts()) == starts)
        await asyncio.sleep(0.25)
        assert len(self.starts()) == starts

    async def ready(self, starts: int) -> None:
        await self.until(lambda: len(self.starts()) == starts and (self.folder / "ready").exists())
        (self.folder / "ready").unlink()


@pytest.mark.parametrize("code", [2, 4, 5])
async def test_final_exit_codes_are_returned_without_a_restart(paths: DeskPaths, code: int) -> None:
    supervised = Supervised(paths, f"exit {code}")
    assert await supervised.run() == code
    assert len(supervised.starts()) == 1


async def test_a_crash_and_a_kill_are_restarted_and_sigterm_ends_both(paths: DeskPaths) -> None:
    supervised = Supervised(paths, "exit 1", "kill", "serve")
    supervised.start()
    await supervised.ready(3)
    pid = int(supervised.starts()[-1])
    assert await supervised.end() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_five_crashes_assert_stop_then_one_cancel_pass_then_quiet(paths: DeskPaths) -> None:
    supervised = Supervised(paths, *["exit 1"] * 5, "exit 3")
    supervised.start()
    await supervised.steady(6)
    assert supervised.stop_note() == ("supervisor", "crash_loop")
    assert await supervised.end() == 0


async def test_an_exit_0_nobody_asked_for_asserts_stop_and_waits(paths: DeskPaths) -> None:
    supervised = Supervised(paths, "exit 0")
    supervised.start()
    await supervised.steady(1)
    assert supervised.stop_note() == ("supervisor", "unexpected_exit")
    assert await supervised.end() == 0


async def test_it_stays_up_while_stop_stands_and_starts_again_when_it_is_removed(paths: DeskPaths) -> None:
    supervised = Supervised(paths, "serve")
    supervised.start()
    await supervised.ready(1)
    assert_command(paths.control, "stop", by="ann", reason="lunch", at=iso_from_us(WALL_US))
    await supervised.steady(1)
    assert supervised.stop_note() == ("ann", "lunch")
    (paths.control / "stop").unlink()
    await supervised.ready(2)
    assert await supervised.end() == 0


async def test_a_stop_found_at_its_own_start_gets_one_cancel_pass(paths: DeskPaths) -> None:
    (paths.control / "stop").touch()
    supervised = Supervised(paths, "exit 3", "serve")
    supervised.start()
    await supervised.steady(1)
    (paths.control / "stop").unlink()
    await supervised.ready(2)
    assert await supervised.end() == 0


async def test_a_flatten_under_a_stop_runs_the_daemon_flatten_only_once_per_touch(paths: DeskPaths) -> None:
    (paths.control / "stop").touch()
    supervised = Supervised(paths, "exit 3", "flatten", "exit 3", "flatten")
    supervised.start()
    await supervised.steady(1)
    (paths.control / "flatten").touch()
    await supervised.steady(2)
    assert supervised.starts()[1].endswith("--flatten-only")
    # The third run leaves the file: it is not tried again until it is touched anew.
    (paths.control / "flatten").touch()
    await supervised.steady(3)
    os.utime(paths.control / "flatten", (WALL_US / 1e6, WALL_US / 1e6))
    await supervised.steady(4)
    assert not (paths.control / "flatten").exists()
    assert [start.endswith("--flatten-only") for start in supervised.starts()] == [False, True, True, True]
    assert await supervised.end() == 0


async def test_an_unconfirmed_stop_is_retried_until_confirmed(paths: DeskPaths) -> None:
    (paths.control / "stop").touch()
    supervised = Supervised(paths, "exit 6", "exit 6", "exit 3")
    supervised.start()
    await supervised.steady(3)
    assert await supervised.end() == 0


async def test_a_daemon_blind_to_a_stop_is_killed_and_the_cancel_pass_follows(paths: DeskPaths) -> None:
    supervised = Supervised(paths, "blind", "exit 3", timing=replace(FAST, boot_grace_s=0.2))
    supervised.start()
    await supervised.ready(1)
    (paths.control / "stop").touch()
    await supervised.steady(2)
    with pytest.raises(ProcessLookupError):
        os.kill(int(supervised.starts()[0]), 0)
    assert await supervised.end() == 0


async def test_a_daemon_blind_to_a_flatten_is_killed_and_the_next_one_finds_the_file(paths: DeskPaths) -> None:
    supervised = Supervised(paths, "blind", "flatten", "serve", timing=replace(FAST, boot_grace_s=0.2))
    supervised.start()
    await supervised.ready(1)
    (paths.control / "flatten").touch()
    await supervised.ready(3)
    assert not (paths.control / "flatten").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(supervised.starts()[0]), 0)
    assert not (paths.control / "stop").exists(), "it is no stop"
    assert await supervised.end() == 0


async def test_it_waits_for_a_daemon_that_lost_its_own_supervisor(
    paths: DeskPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    orphan = Locks()
    orphan.take(desk_lock_path(paths.folder), "desk")
    supervised = Supervised(paths, "serve")
    supervised.start()
    await asyncio.sleep(0.1)
    assert supervised.starts() == []
    orphan.release_all()
    await supervised.ready(1)
    assert f"in use by process {os.getpid()}; waiting" in capsys.readouterr().err
    assert await supervised.end() == 0


async def test_a_daemon_that_does_not_leave_is_waited_for_no_longer_than_stated(paths: DeskPaths) -> None:
    other = Locks()
    other.take(desk_lock_path(paths.folder), "desk")
    supervised = Supervised(paths, "exit 4", timing=replace(FAST, orphan_leaves_s=0.1))
    assert await supervised.run() == 4
    other.release_all()


async def test_a_deaf_daemon_is_killed_when_the_supervisor_ends(paths: DeskPaths) -> None:
    supervised = Supervised(paths, "deaf")
    supervised.start()
    await supervised.ready(1)
    assert await supervised.end() == 6
    with pytest.raises(ProcessLookupError):
        os.kill(int(supervised.starts()[0]), 0)


async def test_a_stop_not_confirmed_at_sigterm_is_its_own_exit_code(paths: DeskPaths) -> None:
    supervised = Supervised(paths, "serve 6")
    supervised.start()
    await supervised.ready(1)
    assert await supervised.end() == 6


async def test_a_command_that_cannot_start_is_said(paths: DeskPaths, capsys: pytest.CaptureFixture[str]) -> None:
    supervisor = Supervisor(["/nowhere/daemon"], paths, FAST)
    assert await asyncio.wait_for(supervisor.run(), 5) == 2
    assert "/nowhere/daemon" in capsys.readouterr().err


def test_run_supervisor_returns_the_daemons_final_word_and_logs(paths: DeskPaths) -> None:
    (paths.folder / "plan").write_text("exit 4\n")
    assert run_supervisor([sys.executable, "-S", str(CHILD), str(paths.folder)], paths, timing=FAST) == 4
    assert "daemon_ended" in (paths.logs / "supervisor.jsonl").read_text()


def test_run_supervisor_refuses_a_folder_it_cannot_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "var").write_text("a file where the root should be")
    assert run_supervisor(["true"], DeskPaths(tmp_path / "var", "eager")) == 2
    assert "cannot write the desk's folder" in capsys.readouterr().err


def test_the_supervisors_process_passes_sigterm_on(paths: DeskPaths) -> None:
    import subprocess
    import time

    (paths.folder / "plan").write_text("serve\n")
    code = (
        "import sys; from pathlib import Path; from daemon.runtime.signals import remember_stop_signals; "
        "from daemon.runtime.supervisor import run_supervisor; from state.layout import DeskPaths; "
        "remember_stop_signals(); "
        f"sys.exit(run_supervisor([sys.executable, '-S', {str(CHILD)!r}, {str(paths.folder)!r}], "
        f"DeskPaths(Path({str(paths.root)!r}), 'eager')))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + 10
        while not (paths.folder / "ready").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()


class TestCommandWasSeen:
    """What the supervisor takes as proof that the daemon noticed a command."""

    def snapshot(self, **fields: object) -> Snapshot:
        whole = {
            "schema": 1,
            "desk": "eager",
            "run_id": "r",
            "pid": 1,
            "seq": 1,
            "ts": iso_from_us(WALL_US),
            "wall_ts": iso_from_us(WALL_US),
            "period_ms": 1000,
            "daemon_state": "running",
            "self_check": SelfCheck(status="ok"),
        }
        return Snapshot(**(whole | fields))  # type: ignore[arg-type]

    def test_nothing_written_is_nothing_seen(self, paths: DeskPaths) -> None:
        assert not command_was_seen(paths, "stop", WALL_US)

    def test_a_fresh_snapshot_that_stops_counts_and_an_old_one_does_not(self, paths: DeskPaths) -> None:
        write_snapshot(paths.snapshot, self.snapshot(daemon_state="stopping"), sync=False)
        assert command_was_seen(paths, "stop", WALL_US)
        assert not command_was_seen(paths, "stop", WALL_US + 1)
        write_snapshot(paths.snapshot, self.snapshot(), sync=False)
        assert not command_was_seen(paths, "stop", WALL_US)

    def test_a_fresh_control_seen_line_counts(self, paths: DeskPaths) -> None:
        writer = JournalWriter(paths.journal, wall_us=lambda: WALL_US)
        writer.open()
        now = iso_from_us(WALL_US)
        for seq, command in ((1, "pause"), (2, "stop")):
            seen = JournalLine(
                seq=seq,
                ts=now,
                wall_ts=now,
                type=JournalType.CONTROL_SEEN,
                desk="eager",
                run_id="r",
                data={"command": command},
            )
            writer.append([seen])
            assert command_was_seen(paths, "stop", WALL_US) is (command == "stop")
        assert not command_was_seen(paths, "stop", WALL_US + 1)
        writer.close()
