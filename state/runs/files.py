"""A small file of a run's folder, read so that no foreign thing under its name can hang or flood who looks.

A folder of runs may hold anything: a pipe, a link to elsewhere, a half-written file, one of gigabytes.
"""

import os
import stat
from pathlib import Path
from typing import Final

SUMMARY_BYTES: Final = 32 * 1024 * 1024
"""A summary has a row for each session and finding; decades of both stay far below."""
PROGRESS_BYTES: Final = 64 * 1024


class UnreadableError(Exception):
    """The file cannot be taken. `code` is missing, foreign, too_large or unreadable; the text is one line."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def read_small(path: Path, most_bytes: int) -> bytes:
    """The whole file. Raises UnreadableError; a link is not followed, and nothing but a regular file is opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise UnreadableError("missing", f"{path.name} is missing") from error
    except OSError as error:
        raise UnreadableError("unreadable", f"{path.name}: {error.strerror}") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise UnreadableError("foreign", f"{path.name} is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        if found.st_size > most_bytes:
            raise UnreadableError("too_large", f"{path.name} has {found.st_size:,d} bytes, more than {most_bytes:,d}")
        return file.read(most_bytes)


def is_regular(path: Path) -> bool:
    """Whether a file of this name may be opened: a regular one, not a link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
