"""A daemon that a supervisor started notices when that supervisor is gone, however it went.

The supervisor keeps the writing end of a pipe open and never writes to it; the daemon holds the reading end. The
kernel closes the writing end with the process, SIGKILL included, and the loop reads the end of the file: no polling,
and nothing that differs between Linux and macOS (a parent-death signal exists on one of them only).
"""

import asyncio
import os
import stat
from collections.abc import Callable
from typing import Final

FD_VARIABLE: Final = "BIFROST_SUPERVISOR_FD"
"""Names the descriptor of the reading end, in the daemon's environment."""


def on_supervisor_death(died: Callable[[], None]) -> Callable[[], None]:
    """Call `died` once, in the loop, when the supervisor is gone; never where none started this process.

    Returns what ends the watch.
    """
    descriptor = _inherited()
    if descriptor is None:
        return lambda: None
    loop = asyncio.get_running_loop()

    def forget() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)

    def readable() -> None:
        if os.read(descriptor, 1):
            return
        loop.remove_reader(descriptor)
        died()

    os.set_inheritable(descriptor, False)  # noqa: FBT003 the signature is the standard library's
    os.set_blocking(descriptor, False)
    loop.add_reader(descriptor, readable)
    return forget


def _inherited() -> int | None:
    """The pipe, taken out of the environment so that no process of ours inherits its number."""
    text = os.environ.pop(FD_VARIABLE, "")
    if not (text.isascii() and text.isdigit()):
        return None
    descriptor = int(text)
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except OSError:
        return None
    return descriptor if is_pipe and descriptor > 2 else None
