"""Whether a file has changed, by one `stat`."""

import os

Print = tuple[int, int, int] | None
"""Modified at (ns), inode, size in bytes; None for a file that is not there. A replaced file has another inode."""


def print_of(path: str) -> Print:
    """What changes when the file does."""
    try:
        found = os.stat(path)  # noqa: PTH116 - many times a second and desk
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
