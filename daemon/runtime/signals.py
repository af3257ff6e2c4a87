"""SIGTERM and SIGINT mean stop for this run; a second one means the same again."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
_remembered: Final[list[str]] = []


def remember_stop_signals() -> None:
    """Call it first of all in a process: a signal that comes before the loop is kept for `on_stop_signal`.

    The default would end the process without a word; whoever sent it could not tell that from a crash.
    """
    for number in _STOPPING:
        signal.signal(number, lambda received, _frame: _remembered.append(signal.Signals(received).name))


def on_stop_signal(stop: Callable[[str], None]) -> Callable[[], None]:
    """Call `stop(name)` in the loop for each signal; returns a function that restores what was there before.

    That may be `remember_stop_signals`: an impatient second signal then cannot kill a process that is just leaving.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _STOPPING}
    for number in _STOPPING:
        loop.add_signal_handler(number, stop, number.name)
    while _remembered:
        loop.call_soon(stop, _remembered.pop(0))

    def restore() -> None:
        # The loop puts the default back first: nothing may arrive in between.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    return restore
