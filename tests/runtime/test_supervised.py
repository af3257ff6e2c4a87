"""A daemon whose supervisor is killed, and the signals of an impatient operator: processes, real signals."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.runtime import signals
from daemon.runtime.exit_codes import ExitCode
from daemon.runtime.locks import desk_lock_path, holder_pid, is_held, owner_pid, supervisor_lock_path
from daemon.runtime.supervised import FD_VARIABLE, on_supervisor_death
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import JournalLine, JournalType
from tests.runtime.file_venue import FileExchange

CHECKOUT = Path(__file__).parents[2]
_SUPERVISOR = """
import sys
from pathlib import Path
from daemon.runtime.supervisor import run_supervisor
from state.layout import DeskPaths
sys.exit(run_supervisor(sys.argv[2:], DeskPaths(Path(sys.argv[1]), "eager")))
"""


class House:
    """Daemons over the file venue, alone or supervised, of one desk."""

    def __init__(self, root: Path) -> None:
        self.paths = DeskPaths(root / "var", "eager")
        self.exchange = FileExchange(root / "exchange.jsonl")
        self.running: list[subprocess.Popen[str]] = []

    def command(self, *options: str) -> list[str]:
        words = [sys.executable, "-P", "-m", "tests.runtime.daemon_process", "--root", str(self.paths.root)]
        return [*words, "--exchange", str(self.exchange.path), *options]

    def start(self, words: list[str]) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment)
        self.running.append(process)
        return process

    def supervise(self, *options: str) -> "subprocess.Popen[str]":
        return self.start([sys.executable, "-P", "-c", _SUPERVISOR, str(self.paths.root), *self.command(*options)])

    def lines(self, *types: JournalType) -> list[JournalLine]:
        return [line for line in read_journal(self.paths.journal) if line.type in types]

    def daemon(self) -> int | None:
        return owner_pid(desk_lock_path(self.paths.folder))

    def end(self) -> None:
        for process in self.running:
            process.kill()
        pid = self.daemon()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        for process in self.running:
            process.communicate()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.end()


def until(what: str, holds: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


# --- the supervisor is killed ----------------------------------------------------------------------
def test_killed_nine_its_daemon_cancels_and_leaves_and_the_next_supervisor_takes_over(house: House) -> None:
    first = house.supervise("--mode", "rest", "--hedges", "1")
    until("an order at the exchange", house.exchange.sent_refs)
    orphan = house.daemon()
    assert orphan is not None
    assert owner_pid(supervisor_lock_path(house.paths.folder)) == first.pid
    first.kill()
    first.wait()
    second = house.supervise("--mode", "rest", "--hedges", "1")
    until("another daemon", lambda: house.daemon() not in (None, orphan))
    [order] = house.exchange.orders().values()
    assert order["status"] == "cancelled", "the orphan left nothing working"
    stopped = house.lines(JournalType.RUN_STOPPED)[0]
    assert stopped.data is not None
    assert stopped.data["exit_code"] == 0
    seen = [line.reason for line in house.lines(JournalType.CONTROL_SEEN)]
    assert seen == ["supervisor_died"]
    until("its own run", lambda: len(house.lines(JournalType.RUN_STARTED)) == 2)
    third = house.start(list(second.args))  # type: ignore[arg-type]
    assert third.wait(30) == ExitCode.IN_USE, "a desk has one supervisor"
    second.send_signal(signal.SIGTERM)
    assert second.wait(30) == 0
    assert not is_held(desk_lock_path(house.paths.folder))


async def test_the_end_of_the_pipe_is_told_once_and_what_is_no_pipe_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[str] = []
    reading, writing = os.pipe()
    monkeypatch.setenv(FD_VARIABLE, str(reading))
    forget = on_supervisor_death(lambda: died.append("it"))
    assert FD_VARIABLE not in os.environ, "no child of ours may take the number for its own"
    await asyncio.sleep(0.02)
    assert not died
    os.close(writing)
    async with asyncio.timeout(5):
        while not died:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.02)
    assert died == ["it"]
    forget()
    with (tmp_path / "file").open("w") as file:
        for odd in ("", "0", "-1", "99999", "x", str(file.fileno())):
            monkeypatch.setenv(FD_VARIABLE, odd)
            on_supervisor_death(lambda: died.append("again"))()
    assert died == ["it"]


# --- signals ---------------------------------------------------------------------------------------
def test_row_57_three_signals_mid_hedge_resolve_the_order_once_and_let_go(house: House) -> None:
    process = house.start(house.command("--mode", "rest", "--hedges", "1"))
    until("an order at the exchange", house.exchange.sent_refs)
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
    assert process.wait(30) == 0
    [order] = house.exchange.orders().values()
    assert order["status"] == "cancelled"
    assert len(house.lines(JournalType.CANCELLED)) == 1
    [seen] = house.lines(JournalType.CONTROL_SEEN)
    # A process that did not run in between finds them all at once, and the system tells the lower number first.
    assert seen.reason in ("SIGTERM", "SIGINT")
    assert not is_held(desk_lock_path(house.paths.folder))


def test_row_57_twice_sigterm_with_an_order_that_nobody_confirms_is_exit_6_and_recorded(house: House) -> None:
    process = house.start(house.command("--mode", "ignore", "--hedges", "1", "--stop-timeout", "0.3"))
    until("an order at the exchange", house.exchange.sent_refs)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == ExitCode.STOP_UNCONFIRMED
    [unknown] = house.lines(JournalType.UNKNOWN_OUTCOME)
    assert unknown.order_ref == house.exchange.sent_refs()[0]
    assert not is_held(desk_lock_path(house.paths.folder))
    assert holder_pid(desk_lock_path(house.paths.folder)) == process.pid, "the file stays, the lock is gone"


_EARLY = """
import os, signal, sys
from daemon.runtime.signals import remember_stop_signals
remember_stop_signals()
os.kill(os.getpid(), signal.SIGTERM)
from tests.runtime.daemon_process import main
sys.exit(main())
"""


def test_row_57_a_sigterm_before_anything_is_up_ends_it_in_order(house: House) -> None:
    words = house.command("--mode", "fill", "--hedges", "5")
    process = house.start([sys.executable, "-P", "-c", _EARLY, *words[4:]])
    assert process.wait(30) == 0
    assert house.exchange.sent_refs() == []
    assert [line.status for line in house.lines(JournalType.RUN_STOPPED)] == ["stopped"]


async def test_row_57_a_signal_while_it_leaves_does_not_kill_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    kept: list[str] = []
    monkeypatch.setattr(signals, "_remembered", kept)
    told: list[str] = []
    try:
        signals.remember_stop_signals()
        restore = signals.on_stop_signal(told.append)
        restore()
        os.kill(os.getpid(), signal.SIGTERM)
        assert (told, kept) == ([], ["SIGTERM"])
        signals.on_stop_signal(told.append)()
        await asyncio.sleep(0)
        assert (told, kept) == (["SIGTERM"], []), "the next loop hears of it"
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
