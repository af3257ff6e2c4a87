"""The terminal as a screen: lines in, keys out, and everything as it was before, however the command ends.

The one rule: only inside the `with` block. Leaving it, by whatever way, gives the terminal back: the first screen with
its text, the cursor, echo and line mode.
"""

import os
import select
import signal
import socket
import termios
import tty
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
"""The second screen, no cursor, no wrapping: a line that is too long is cut and moves nothing."""
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[0m\x1b[?1049l"
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Screen:
    """Draws only the lines that changed, so that a slow line carries little and nothing flickers."""

    def __init__(self, keyboard: int, display: int) -> None:
        self._keyboard, self._display = keyboard, display
        self._drawn: list[str] = []
        self._before: list[Any] | None = None
        self._handlers: dict[int, Any] = {}
        self._ended: int | None = None
        self._woken, self._wake = socket.socketpair()
        self._old_wake = -1

    def __enter__(self) -> Self:
        """Take the terminal. Raises termios.error where it is none, OSError."""
        self._before = termios.tcgetattr(self._keyboard)
        for end in (self._woken, self._wake):
            end.settimeout(0)
        try:
            self._old_wake = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
            handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], None]] = {
                **dict.fromkeys(_ENDING, self._end),
                signal.SIGWINCH: lambda _number, _frame: self._drawn.clear(),
                signal.SIGTSTP: lambda _number, _frame: self._suspend(),
                signal.SIGCONT: lambda _number, _frame: self._take(),
            }
            for number, handler in handlers.items():
                self._handlers[number] = signal.signal(number, handler)
            self._take()
        except BaseException:
            self._give_back()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        self._give_back()

    @property
    def ended(self) -> int | None:
        """The signal that asks for the end, if one does."""
        return self._ended

    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        found = os.get_terminal_size(self._display)
        return max(1, found.columns), max(1, found.lines)

    def show(self, lines: Sequence[str]) -> None:
        """Draw the lines from the top; what is not among them is blank. Raises OSError where the terminal is gone."""
        parts = []
        for place, text in enumerate(lines):
            if place >= len(self._drawn) or self._drawn[place] != text:
                parts.append(f"\x1b[{place + 1};1H{text}\x1b[0m\x1b[K")
        if len(lines) != len(self._drawn):
            parts.append(f"\x1b[{len(lines) + 1};1H\x1b[J" if len(lines) < self.size()[1] else "")
        self._drawn = list(lines)
        self._write("".join(parts))

    def redraw(self) -> None:
        """Draw everything again at the next `show`: something else wrote here."""
        self._drawn.clear()

    def wait(self, timeout_s: float) -> str:
        """The keys that are pressed within that time, at once when there is one; none after a signal or time-out.

        Raises EOFError where the keyboard is gone.
        """
        if self._ended is not None:
            return ""
        woken = self._woken.fileno()
        ready, _, _ = select.select([self._keyboard, woken], [], [], max(0.0, timeout_s))
        if woken in ready:
            self._woken.recv(4096)
        if self._keyboard not in ready:
            return ""
        pressed = os.read(self._keyboard, 1024)
        if not pressed:
            raise EOFError("the terminal was closed")
        return pressed.decode("utf-8", "replace")

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self._ended = number

    def _take(self) -> None:
        """The second screen, and keys as they are pressed; Ctrl-C stays a signal."""
        tty.setcbreak(self._keyboard, termios.TCSANOW)
        self._drawn.clear()
        self._write(_ENTER)

    def _let_go(self) -> None:
        self._write(_LEAVE)
        if self._before is not None:
            termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._before)

    def _suspend(self) -> None:
        """Ctrl-Z: the shell gets its terminal as it was; `fg` comes back through SIGCONT."""
        self._let_go()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _give_back(self) -> None:
        try:
            self._let_go()
        except (OSError, termios.error):
            pass  # the terminal is gone; there is nothing to give back
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._old_wake)
            self._woken.close()
            self._wake.close()

    def _write(self, text: str) -> None:
        """All of it: a terminal over a slow line takes pieces."""
        rest = text.encode("utf-8", "replace")
        while rest:
            rest = rest[os.write(self._display, rest) :]
