"""The whole product as processes: simulator, supervised daemon and cockpit, started through the real command."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import JournalLine, JournalType, Snapshot
from state.snapshot import read_snapshot
from tests.support.invariants import ib_async_errors, placed_order_refs

CHECKOUT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: str, found: Callable[[], Any], timeout_s: float = 30.0, *, every_s: float = 0.05) -> Any:
    """Poll until `found()` is truthy and return it; fails naming what was waited for.

    A look that starts a process is worth a longer `every_s`: without a pause it takes a whole core from the desk.
    """
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(every_s)
    raise AssertionError(f"waited {timeout_s:g} s for {what}")


class System:
    """One desk under a temporary root. Ends every process it started, by its id."""

    def __init__(self, root: Path, profile_text: str, *, desk: str = "desk") -> None:
        self.root = root
        self.paths = DeskPaths(root / "var", desk)
        self.desk = desk
        self.port = free_port()
        self.profile = root / f"{desk}.yaml"
        self.profile.write_text(profile_text.replace("PORT", str(self.port)))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "BIFROST_ROOT": str(root / "var"),
            "BIFROST_DESK": desk,
            "BIFROST_RUN_DIR": str(root / "run"),
            "BIFROST_LAUNCHER": str(CHECKOUT / "bifrost"),
            "NO_COLOR": "1",
        }

    # --- processes -------------------------------------------------------------------------------
    def start(
        self, name: str, *arguments: str, under: tuple[str, ...] = (), module: str = "cli"
    ) -> subprocess.Popen[bytes]:
        """Start `bifrost NAME ARGUMENTS` in the background; its output goes to a file of that name.

        `under` is a command that runs it (a tracer), `module` what stands in for the command's own.
        """
        log = (self.root / f"{name}.log").open("ab")
        with log:
            process = subprocess.Popen(
                [*under, sys.executable, "-P", "-m", module, name, *arguments],
                env=self.environment,
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def start_simulator(self, *arguments: str) -> None:
        """The TWS stand-in on this system's port, ready to be connected to."""
        self.start("simulator", "--profile", str(self.profile), "--port", str(self.port), *arguments)
        wait_for("the simulator's port", self._listening, 20)

    def _listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start_supervised(self) -> None:
        """The supervisor with its daemon."""
        self.start("supervise", "--profile", str(self.profile))

    def cli(self, *arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """One command in the foreground."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "cli", *arguments],
            env=self.environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def daemon_pid(self) -> int | None:
        """The daemon that wrote the snapshot, if it lives."""
        snapshot = self.snapshot()
        if snapshot is None or not psutil.pid_exists(snapshot.pid):
            return None
        return snapshot.pid

    def kill_daemon(self) -> int:
        """SIGKILL, no farewell."""
        pid = wait_for("a living daemon", self.daemon_pid)
        os.kill(pid, signal.SIGKILL)
        return int(pid)

    def end(self, name: str, number: int = signal.SIGTERM, timeout_s: float = 15.0) -> int:
        """Signal a process of ours and wait for its exit code."""
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(timeout_s)

    def close(self) -> None:
        """End everything, the simulator last: first asked, then forced."""
        self._end_all([each for name, each in self.processes.items() if name != "simulator"])
        self._end_all([each for name, each in self.processes.items() if name == "simulator"])

    def _end_all(self, processes: list[subprocess.Popen[bytes]]) -> None:
        ours = [psutil.Process(each.pid) for each in processes if each.poll() is None]
        family = ours + [child for each in ours for child in each.children(recursive=True)]
        for process in ours:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(family, timeout=8)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=5)
        for each in processes:
            each.wait(5)

    # --- what the files say ----------------------------------------------------------------------
    def snapshot(self) -> Snapshot | None:
        """The newest snapshot."""
        return read_snapshot(self.paths.snapshot).snapshot

    def lines(self) -> list[JournalLine]:
        """The whole journal."""
        return list(read_journal(self.paths.journal)) if self.paths.journal.exists() else []

    def of(self, *types: JournalType) -> list[JournalLine]:
        """The journal's lines of these types."""
        return [line for line in self.lines() if line.type in types]

    def status(self) -> int:
        """Exit code of `bifrost status`: 0 green, 1 yellow, 2 red, 3 not live."""
        return self.cli("status").returncode

    def command_receipt(self, command: str, *types: JournalType) -> JournalLine | None:
        """The newest receipt of these types for a control command."""
        found = [line for line in self.of(*types) if line.data is not None and line.data.get("command") == command]
        return found[-1] if found else None

    def requests(self) -> list[dict[str, Any]]:
        """What reached the simulator, in order, from its own log of requests."""
        log = self.paths.simulator / "requests.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def placed_order_refs(self) -> list[str]:
        """orderRef of every order that reached the simulator, in order."""
        return placed_order_refs(self)

    def venue_book(self) -> dict[str, Any] | None:
        """The exchange's book as the simulator has saved it."""
        saved = self.paths.simulator / "book.json"
        book: dict[str, Any] | None = json.loads(saved.read_text())["exchange"] if saved.exists() else None
        return book

    def replay_finished(self) -> bool:
        """Whether the simulator has played its day to the end."""
        return (self.paths.simulator / "finished").exists()

    def ib_async_errors(self) -> list[str]:
        """What ib_async logged as an error in the daemon's log."""
        return ib_async_errors(self.paths)


@contextlib.contextmanager
def running(system: System) -> Iterator[System]:
    """Close the system whatever happens."""
    try:
        yield system
    finally:
        system.close()
