"""One live daemon beside a venue whose exchange is a file, and the faults that are put under its journal.

Every order that the strategy places buys and only a flatten sells, so the exchange's own file tells new risk from
what lowers it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from daemon.runtime.clocks import wall_us
from state.control import read_control, write_request
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.light import Light, light
from state.records import JournalLine, JournalType, OperatorRequest, Snapshot
from state.snapshot import read_snapshot
from state.times import iso_from_us
from tests.faults.syscalls import Call, read_calls
from tests.runtime.file_venue import FileExchange

CHECKOUT = Path(__file__).resolve().parents[2]
ALARM = "ALARM journal_failed"
NOT_JOURNALED = "bifrost: not journaled: "


class FaultyDesk:
    """The one rule: `close` ends whatever was started here, by its process id."""

    def __init__(self, root: Path, strace: str) -> None:
        self.root = root
        self.strace = strace
        self.paths = DeskPaths(root / "var", "eager")
        self.exchange = FileExchange(root / "exchange.jsonl")
        self.stderr = root / "stderr"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.tracer: subprocess.Popen[bytes] | None = None
        self.trace = root / "trace"

    # --- processes -------------------------------------------------------------------------------
    def start(self, *options: str) -> "subprocess.Popen[bytes]":
        """A daemon that buys ten shares twenty times a second, until 2,000 of them."""
        command = [sys.executable, "-P", "-m", "tests.runtime.daemon_process", "--root", str(self.paths.root)]
        command += ["--exchange", str(self.exchange.path), "--hedges", "100000", "--quote-every", "0.05", *options]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "BIFROST_RUN_DIR": str(self.root / "run")}
        with self.stderr.open("ab") as stderr:
            self.daemon = subprocess.Popen(command, stderr=stderr, env=environment)
        return self.daemon

    def inject(self, calls: str, injection: str, *paths: Path) -> None:
        """Attach the tracer to the living daemon: `calls` on `paths` are traced, and fail as `injection` says."""
        assert self.daemon is not None
        command = [self.strace, "-f", "-y", "-s", "4000", "-o", str(self.trace), "-p", str(self.daemon.pid)]
        command += ["-e", f"trace={calls}", "-e", f"inject={injection}"]
        for path in paths:
            command += ["-P", str(path)]
        self.tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
        status = Path(f"/proc/{self.daemon.pid}/status")
        self.until("the tracer", lambda: f"TracerPid:\t{self.tracer.pid}" in status.read_text())  # type: ignore[union-attr]

    def detach(self) -> None:
        """The fault is over."""
        if self.tracer is not None:
            self.tracer.send_signal(signal.SIGINT)
            self.tracer.communicate(timeout=10)
            self.tracer = None

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.daemon is not None
        self.detach()
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(20)

    def close(self) -> None:
        """End everything."""
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait(10)
        self.detach()

    def until(self, what: str, holds: Callable[[], object], seconds: float = 20.0) -> None:
        """Poll until it holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            shown = sorted(self.reasons())
            assert self.daemon is None or self.daemon.poll() is None, f"the daemon ended: {self.said()[-1000:]}"
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}; {shown}; {self.said()[-1000:]}"
            time.sleep(0.02)

    # --- what it shows ---------------------------------------------------------------------------
    def said(self) -> str:
        return self.stderr.read_text()

    def unjournaled(self) -> list[dict[str, object]]:
        """The records that went to stderr instead of the journal."""
        lines = self.said().splitlines()
        return [json.loads(line.removeprefix(NOT_JOURNALED)) for line in lines if line.startswith(NOT_JOURNALED)]

    def snapshot(self) -> Snapshot:
        found = read_snapshot(self.paths.snapshot)
        assert found.snapshot is not None, found.problem
        return found.snapshot

    def light(self) -> Light:
        """As the cockpit judges it now."""
        now_us = wall_us()
        return light(self.snapshot(), read_control(self.paths.control, now_us), now_us)

    def reasons(self) -> set[str]:
        return {reason.code for reason in self.light().reasons} if self.paths.snapshot.exists() else set()

    def lines(self, *types: JournalType) -> list[JournalLine]:
        return [line for line in read_journal(self.paths.journal) if not types or line.type in types]

    def segment(self) -> Path:
        """The segment that is written to."""
        return max(self.paths.journal.glob("*.jsonl"))

    def segment_bytes(self) -> int:
        return self.segment().stat().st_size if list(self.paths.journal.glob("*.jsonl")) else 0

    def calls(self) -> list[Call]:
        return read_calls(self.trace)

    def bought(self) -> list[str]:
        """order_ref of every order of the strategy that reached the exchange."""
        return [ref for ref, order in self.exchange.orders().items() if order["side"] == "BUY"]

    # --- what the operator does ------------------------------------------------------------------
    def flatten(self) -> None:
        """By touch; done when the file is gone, and flat by the exchange's own count."""
        (self.paths.control / "flatten").touch()
        self.until("the end of the flatten", lambda: not (self.paths.control / "flatten").exists(), 30)
        assert self.exchange.position() == 0.0
        self.until("a flat snapshot", lambda: self.snapshot().own_shares == 0.0)

    def reset(self) -> None:
        """End the halts and the pause that the flatten left."""
        now_us = wall_us()
        request = OperatorRequest(id=f"r{now_us}", command="reset", by="ann", reason="t", at=iso_from_us(now_us))
        write_request(self.paths.requests, request)
        self.until("the answer to the reset", lambda: not list(self.paths.requests.glob("*.json")))
        (self.paths.control / "pause").unlink(missing_ok=True)
