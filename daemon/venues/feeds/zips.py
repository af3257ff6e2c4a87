"""Reading members of zip archives with errors that name the file."""

import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from daemon.venues.feeds.errors import FeedError


class Digest(Protocol):
    """Takes every byte that is read, as `hashlib.sha256()` does."""

    def update(self, data: bytes, /) -> None:
        """So many more bytes."""
        ...


DAMAGED = (
    OSError,
    EOFError,
    RuntimeError,  # encrypted; NotImplementedError (an unknown compression) is one too
    ValueError,  # UnicodeDecodeError, and offsets that no file has
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What reading a damaged archive raises, each of them seen."""


def member_names(path: Path) -> list[str]:
    """The names in an archive. Raises FeedError when it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except DAMAGED as error:
        raise FeedError(f"{path} cannot be read as a zip archive: {error}") from None


def read_member(path: Path, member: str | None, *, digest: Digest | None = None) -> str:
    """The text of one member, or of the only one when `member` is None. Raises FeedError.

    `digest` is given the member's name and its bytes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if member is None and len(names) != 1:
                raise FeedError(f"{path} holds {len(names)} files, expected one")
            name = names[0] if member is None else member
            content = archive.read(name)
            if digest is not None:
                digest.update(name.encode())
                digest.update(content)
            return content.decode("ascii")
    except KeyError:
        raise FeedError(f"{path} has no member {member}") from None
    except DAMAGED as error:
        raise FeedError(f"{path} cannot be read as a zip archive: {error}") from None
