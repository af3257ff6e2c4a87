"""SIGTERM and SIGINT mean stop for this run; a second one means the same again."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


def on_stop_signal(stop: Callable[[str], None]) -> Callable[[], None]:
    """Call `stop(name)` in the loop for each signal; returns a function that restores the defaults."""
    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, stop, number.name)

    def restore() -> None:
        for number in _STOPPING:
            loop.remove_signal_handler(number)

    return restore
