"""Reading members of zip archives with errors that name the file."""

import zipfile
import zlib
from pathlib import Path

from daemon.venues.feeds.errors import FeedError


def member_names(path: Path) -> list[str]:
    """The names in an archive. Raises FeedError when it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise FeedError(f"{path} cannot be read as a zip archive: {error}") from None


def read_member(path: Path, member: str | None) -> str:
    """The text of one member, or of the only one when `member` is None. Raises FeedError."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if member is None and len(names) != 1:
                raise FeedError(f"{path} holds {len(names)} files, expected one")
            return archive.read(names[0] if member is None else member).decode("ascii")
    except KeyError:
        raise FeedError(f"{path} has no member {member}") from None
    except (OSError, zipfile.BadZipFile, zlib.error, UnicodeDecodeError) as error:
        raise FeedError(f"{path} cannot be read as a zip archive: {error}") from None
