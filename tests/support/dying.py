"""For a child process that dies before one of its system calls, chosen by number: tests kill it at 1, 2, 3, …"""

import os
import signal
from collections.abc import Callable, Iterable
from typing import Any


def die_before(number: int, calls: Iterable[str]) -> None:
    """SIGKILL this process before the `number`-th call of these functions of `os`, counted together, from 1."""
    made = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal made
            made += 1
            if made == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    for name in calls:
        setattr(os, name, counted(getattr(os, name)))
