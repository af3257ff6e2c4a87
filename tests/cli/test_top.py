"""`bifrost top`: one frame into a pipe in this process, the living screen in a terminal of its own."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pyte
import pytest

from cli.options import CHECKOUT
from cli.terminal import Screen
from cli.top_command import speaks_utf8
from daemon.runtime.clocks import wall_us
from state.audit import newest_audit
from state.times import iso_from_us
from tests.cli.conftest import Cli, Desk

PATIENCE_S = 60.0


class Terminal:
    """A terminal emulator with a `bifrost top` in it."""

    def __init__(self, root: Path, *arguments: str, columns: int = 80, lines: int = 24, **environment: str) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.code: int | None = None
        self._keyboard, child = pty.openpty()
        self.resize(columns, lines)
        self.before = termios.tcgetattr(child)
        kept = {name: value for name, value in os.environ.items() if name not in ("LC_ALL", "NO_COLOR", "LANG")}
        given = kept | {"PYTHONPATH": str(CHECKOUT), "TERM": "xterm-256color", "LANG": "C.UTF-8"} | environment
        command = [sys.executable, "-P", "-m", "cli", "top", "--every", "0.2", "--root", str(root), *arguments]
        self.pid = os.posix_spawn(
            sys.executable,
            command,
            given,
            file_actions=[(os.POSIX_SPAWN_DUP2, child, each) for each in (0, 1, 2)],
            setsid=True,
        )
        self._child = child  # kept open: what the terminal was set to is read from it afterwards

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        fcntl.ioctl(self._keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def kill(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def until(self, happened: Callable[[], bool]) -> None:
        """Read what it draws until something is so. Fails after a minute with the screen."""
        end = time.monotonic() + PATIENCE_S
        while not happened():
            assert time.monotonic() < end, f"not within {PATIENCE_S} s:\n{self.text}"
            self._read(0.1)

    def until_ended(self) -> int:
        """Wait for its end; gives the exit code."""

        def ended() -> bool:
            if self.code is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.code = os.waitstatus_to_exitcode(status) if pid else None
            return self.code is not None

        self.until(ended)
        self._read(0.1)
        assert self.code is not None
        return self.code

    def is_given_back(self) -> bool:
        """Whether the terminal is as it was: the first screen, the cursor, echo and lines."""
        settings = termios.tcgetattr(self._child)
        return self.raw.rstrip().endswith(b"\x1b[?1049l") and b"\x1b[?25h" in self.raw and settings == self.before

    def _read(self, wait_s: float) -> None:
        while select.select([self._keyboard], [], [], wait_s)[0]:
            told = os.read(self._keyboard, 65536)
            self.raw += told
            self._stream.feed(told)
            wait_s = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._child)
        os.close(self._keyboard)


@pytest.fixture
def showing(desk: Desk, root: Path) -> Desk:
    """Green for three minutes: long enough for the slowest machine to start a process."""
    desk.shows(account="DU0000001", account_kind="simulated", own_shares=-181.0, period_ms=60_000)
    return desk


def test_one_frame_has_the_exit_code_of_status(cli: Cli, showing: Desk) -> None:
    answer = cli("top", "--once")
    assert answer.code == 0
    assert "GREEN" in answer.out
    assert "SIMULATED" in answer.out
    assert "\x1b" not in answer.out
    assert "resume | start | flatten" in answer.out
    showing.paths.snapshot.unlink()
    answer = cli("top")  # no terminal: one frame as well
    assert answer.code == 3
    assert "NOT LIVE" in answer.out


def test_the_language_is_asked_for_or_the_terminals_own(
    cli: Cli, showing: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert "净 Delta" in cli("top", "--once").out
    assert "Net delta" in cli("top", "--once", "--lang", "en").out
    assert "no language 'xx'" in cli("top", "--once", "--lang", "xx").err
    assert "no time zone 'Mars'" in cli("top", "--once", "--tz", "Mars").err
    shown = cli("top", "--once", "--tz", "exchange").out
    assert " EDT" in shown or " EST" in shown


@pytest.mark.parametrize(
    ("environment", "known"),
    [
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "de_DE.utf8"}, True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, False),
        ({"LC_CTYPE": "C.UTF-8"}, False),  # what Python makes of a plain C locale
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),
        ({"LANG": "C.UTF-8"}, True),
        ({}, False),
    ],
)
def test_what_the_terminal_can_show(environment: dict[str, str], known: bool) -> None:
    assert speaks_utf8(environment) is known


def test_the_screen_lives_obeys_two_keys_and_gives_the_terminal_back(showing: Desk, root: Path) -> None:
    with Terminal(root) as terminal:
        terminal.until(lambda: "GREEN" in terminal.text and "q quit" in terminal.text)
        assert b"\x1b[?1049h" in terminal.raw
        showing.shows(wall_ts=iso_from_us(wall_us() - 600_000_000), account="DU0000001", account_kind="simulated")
        terminal.until(lambda: "NOT LIVE" in terminal.screen.display[0])
        terminal.press("s")
        terminal.until(lambda: "capital S" in terminal.text)
        assert not showing.asserted("stop"), "a small letter commands nothing"
        terminal.press("P")
        terminal.until(lambda: "pause is written" in terminal.text and "the desk is not live" in terminal.text)
        terminal.press("S")
        terminal.until(lambda: showing.asserted("stop") and showing.asserted("pause"))
        terminal.resize(140, 40)
        terminal.kill(signal.SIGWINCH)
        terminal.until(lambda: any(len(line.rstrip()) > 100 for line in terminal.screen.display))
        terminal.press("q")
        assert terminal.until_ended() == 0
        assert terminal.is_given_back()
    told = newest_audit(showing.paths.audit, 5)
    assert [(line.source, line.action, line.outcome) for line in told] == [
        ("cli", "stop", "asserted"),
        ("cli", "pause", "asserted"),
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
def test_a_signal_gives_the_terminal_back(showing: Desk, root: Path, number: signal.Signals, code: int) -> None:
    with Terminal(root, NO_COLOR="1", LANG="C") as terminal:
        terminal.until(lambda: "* GREEN" in terminal.text)
        assert b"\x1b[1;32m" not in terminal.raw, "no colour where NO_COLOR is set"
        assert terminal.raw.isascii()
        terminal.kill(number)
        assert terminal.until_ended() == code
        assert terminal.is_given_back()


def test_a_crash_gives_the_terminal_back() -> None:
    master, child = pty.openpty()
    before = termios.tcgetattr(child)
    handler = signal.getsignal(signal.SIGTERM)

    def crash() -> None:
        with Screen(child, child) as screen:
            screen.show(["half a frame"])
            assert termios.tcgetattr(child) != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert termios.tcgetattr(child) == before
    assert signal.getsignal(signal.SIGTERM) is handler
    told = b""
    while not told.endswith(b"\x1b[?1049l"):
        told += os.read(master, 4096)
    os.close(master)
    os.close(child)
