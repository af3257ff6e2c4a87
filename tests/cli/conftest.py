"""Commands run in this process (fast) or as a process of their own (for what only a process shows)."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.app import run as run_command
from cli.options import CHECKOUT
from daemon.runtime.clocks import wall_us
from state.journal import JournalWriter
from state.layout import DeskPaths
from state.records import JournalLine, JournalType, Snapshot
from state.snapshot import write_snapshot
from state.times import iso_from_us
from tests.support.desk_files import make_snapshot


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty root that every command of the test uses by default."""
    root = tmp_path / "var"
    monkeypatch.setenv("BIFROST_ROOT", str(root))
    monkeypatch.setenv("BIFROST_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("BIFROST_DESK", raising=False)
    monkeypatch.delenv("BIFROST_LAUNCHER", raising=False)
    return root


@pytest.fixture
def cli(root: Path, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run one command line in this process."""

    def run(*arguments: str) -> Answer:
        capfd.readouterr()
        code = run_command(list(arguments))
        captured = capfd.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture
def shell(root: Path) -> Cli:
    """Run one command line as a process."""

    def run(*arguments: str, stdin: str | None = None, **environment: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli", *arguments],
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)} | environment,
            cwd=root.parent,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


class Desk:
    """A desk's folder with a real journal, and somebody who writes to it as a daemon would."""

    def __init__(self, root: Path) -> None:
        self.paths = DeskPaths(root, "demo")
        self.paths.create()
        self._writer = JournalWriter(self.paths.journal, wall_us=wall_us)
        self._writer.open()
        self._threads: list[threading.Thread] = []

    def journal(self, kind: JournalType, **fields: object) -> None:
        """Append one line, stamped now."""
        now = iso_from_us(wall_us())
        fixed = {"seq": self._writer.next_seq, "ts": now, "wall_ts": now, "type": kind, "desk": "demo", "run_id": "r"}
        self._writer.append([JournalLine(**{**fixed, **fields})])  # type: ignore[arg-type]

    def shows(self, **changes: object) -> Snapshot:
        """Write a snapshot stamped now."""
        now = changes.get("wall_ts", iso_from_us(wall_us()))
        snapshot = make_snapshot(**{"ts": now, "wall_ts": now, **changes})
        write_snapshot(self.paths.snapshot, snapshot, sync=False)
        return snapshot

    def when(self, happened: Callable[[], bool], then: Callable[[], object]) -> None:
        """In the background: as soon as something is true, do something (at most 10 s later)."""
        pause = threading.Event()

        def watch() -> None:
            for _ in range(1000):
                if happened():
                    then()
                    return
                pause.wait(0.01)

        thread = threading.Thread(target=watch, name="desk")
        thread.start()
        self._threads.append(thread)

    def asserted(self, name: str) -> bool:
        """Whether a control file stands."""
        return (self.paths.control / name).exists()

    def close(self) -> None:
        """Wait for the background and close the journal."""
        for thread in self._threads:
            thread.join()
        self._writer.close()


@pytest.fixture
def desk(root: Path) -> Iterator[Desk]:
    desk = Desk(root)
    yield desk
    desk.close()
