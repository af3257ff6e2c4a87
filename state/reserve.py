"""Room and one descriptor kept back beside a record, so that a full disk still takes the words that matter."""

import errno
import os
from contextlib import suppress
from pathlib import Path

RESERVE_NAME = ".reserve"
RESERVE_BYTES = 8 * 1024 * 1024
"""A day's checkpoints, the halt and every line of a flatten take a small part of it."""

_CHUNK_BYTES = 1024 * 1024
_NOT_OFFERED = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})


class Reserve:
    """A file of real blocks beside a record, held open. It outlives the process: the next writer finds it there.

    The one rule: `release` is the last thing anybody does with it; nothing makes room a second time.
    """

    def __init__(self, folder: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = folder / RESERVE_NAME
        self._size_bytes = size_bytes
        self._descriptor: int | None = None

    def keep(self) -> int:
        """Allocate the room; gives the bytes that are really kept. Never raises: without room it is 0."""
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640)
            _allocate(self._descriptor, self._size_bytes)
        except OSError:
            self.release()
            return 0
        return self._size_bytes

    def release(self) -> None:
        """Give up the room and the descriptor. What cannot be given up is left: nothing here may stop a halt."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            self.close()
        with suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Let go of the descriptor; the room stays kept for the next writer."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


def _allocate(descriptor: int, size_bytes: int) -> None:
    """Give a file blocks of its own, not a hole: only those are free again when it goes."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        except OSError as error:
            if error.errno not in _NOT_OFFERED:
                raise
        else:
            return
    zeros = bytes(_CHUNK_BYTES)
    written = os.fstat(descriptor).st_size
    while written < size_bytes:
        written += os.pwrite(descriptor, zeros[: size_bytes - written], written)
