"""What the supervisor does about an ended daemon: pure rules, so that a test can walk them without a process.

exit code     means                    then
0             stopped                  asked for: wait; else assert stop (unexpected_exit) and wait
1, a signal   crashed                  restart with back-off; too many in the window assert stop (crash_loop)
2, 4, 5       cannot run               final: only a human can change that
3             stop stands, confirmed   wait until it is removed
6             stop not confirmed       assert stop where it does not stand, retry the cancel pass with back-off
"""

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from daemon.runtime.exit_codes import ExitCode

FINAL_CODES: Final = frozenset({ExitCode.CANNOT_RUN, ExitCode.IN_USE, ExitCode.JOURNAL_DAMAGED})


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Every duration of the supervisor, in machine seconds."""

    first_restart_s: float = 0.5
    longest_restart_s: float = 30.0
    healthy_after_s: float = 60.0
    """A daemon that ran this long starts the back-off anew."""
    crashes: int = 5
    crash_window_s: float = 600.0
    stop_seen_s: float = 5.0
    """A running daemon that does not show a stop or a flatten as seen within this is killed."""
    boot_grace_s: float = 10.0
    """A starting daemon reads its journal first; it cannot trade before it has looked at control."""
    kill_after_s: float = 3.0
    """How long a daemon may take to end after the supervisor's SIGTERM."""
    orphan_leaves_s: float = 12.0
    """How long a daemon that lost its own supervisor may take to leave the desk, before another is started."""
    poll_s: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`final` ends the supervisor with that code; `assert_stop` is the reason to write; then wait or restart."""

    final: int | None = None
    assert_stop: str | None = None
    wait: bool = False
    restart_after_s: float = 0.0


class Supervision:
    """Counts crashes and decides. Times are machine-monotonic seconds, handed in."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._crashes: deque[float] = deque()
        self._tries = 0

    def judge(self, code: int, *, ran_s: float, now_s: float, stop: Literal["stands", "was_seen", "absent"]) -> Verdict:
        """What to do about exit `code` (negative: a signal) of a daemon that ran `ran_s` seconds."""
        if code in FINAL_CODES:
            return Verdict(final=code)
        if code in (ExitCode.STOPPED, ExitCode.STOP_STANDS):
            self._tries = 0
            unasked = code == ExitCode.STOPPED and stop == "absent"
            return Verdict(wait=True, assert_stop="unexpected_exit" if unasked else None)
        if ran_s >= self._timing.healthy_after_s:
            self._tries = 0
        if code == ExitCode.STOP_UNCONFIRMED:
            reason = None if stop == "stands" else "stop_unconfirmed"
            return Verdict(assert_stop=reason, restart_after_s=self._back_off())
        looping = self._count_crash(now_s) and stop != "stands"
        return Verdict(assert_stop="crash_loop" if looping else None, restart_after_s=self._back_off())

    def killed(self) -> Verdict:
        """The supervisor itself killed a daemon that was blind to a command: one that obeys it follows soon."""
        return Verdict(restart_after_s=self._timing.first_restart_s)

    def _count_crash(self, now_s: float) -> bool:
        """Whether this crash is one too many."""
        self._crashes.append(now_s)
        while self._crashes[0] <= now_s - self._timing.crash_window_s:
            self._crashes.popleft()
        if len(self._crashes) < self._timing.crashes:
            return False
        self._crashes.clear()
        return True

    def _back_off(self) -> float:
        seconds: float = self._timing.first_restart_s * 2**self._tries
        self._tries = min(self._tries + 1, 16)
        return min(seconds, self._timing.longest_restart_s)
