"""A folder in memory, for tests that make thousands of small files and for which the disk's own pace says nothing."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_TMPFS = Path("/dev/shm")  # noqa: S108 - what it is for


@contextlib.contextmanager
def folder_in_memory(otherwise: Path) -> Iterator[Path]:
    """A fresh folder on a tmpfs, or under `otherwise` where the machine has none; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bifrost-", dir=_TMPFS if os.access(_TMPFS, os.W_OK) else otherwise))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
