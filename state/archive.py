"""Putting a finished file away: compressed beside the plain one, proven to hold the same; then the plain one goes.

The steps, each durable before the next: a temporary file whose name no reader knows, its fsync, a reading back that
proves it, the rename, the folder's fsync, the plain file's removal, the folder's fsync again. Killed anywhere, one
whole form is there; where both are, the plain one counts, and the next pass proves the other and ends the work.
"""

import gzip
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from state.anchors import Chain, head_before
from state.atomic import sync_folder
from state.chain import Head, LineError, check
from state.segments import ARCHIVE_ERRORS, JournalDamaged, Segment, open_segment, scan

_LEVEL = 6
_CHUNK_BYTES = 1024 * 1024
_TEMP_SUFFIX = ".tmp.gz"


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """What putting a file away saved."""

    plain_bytes: int
    gzip_bytes: int


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that was checked and is followed by another: nobody writes to it any more."""

    before: Head
    after: Head
    lines: int


def archive_path(path: Path) -> Path:
    """Where the compressed form of a plain file lies."""
    return path.with_name(path.name + ".gz")


def check_closed(chain: Chain, index: int) -> Closed | None:
    """Check a whole segment and that the next one continues it; None while it may still be written to.

    The next one counts from its first whole line on: a writer that was refused at its start goes back to nothing
    older, but an empty file proves nothing. Raises JournalDamaged, OSError.
    """
    segments = chain.segments
    if index + 1 >= len(segments):
        return None
    segment, following = segments[index], segments[index + 1]
    with open_segment(following) as file:
        try:
            first = file.readline()
        except ARCHIVE_ERRORS as error:
            raise _unpackable(following.path, error) from error
    if index + 2 == len(segments) and not first.endswith(b"\n"):
        return None
    before = head_before(chain, index)
    found = scan(segment, before, last=False)
    try:
        check(found.head, first)
    except LineError as error:
        raise JournalDamaged(path=following.path, line=1, kind=error.kind, detail=str(error)) from error
    return Closed(before=before, after=found.head, lines=found.lines)


def compress_segment(chain: Chain, index: int) -> Sizes | None:
    """Put one plain segment away; None where it is not closed yet, or compressed already.

    Raises JournalDamaged where the chain does not hold (nothing is changed then), OSError.
    """
    segment = chain.segments[index]
    closed = None if segment.is_compressed else check_closed(chain, index)
    if closed is None:
        return None
    return put_away(segment.path, holds=partial(_holds_chain, closed=closed))


def _holds_chain(archive: Path, *, closed: Closed) -> bool:
    """Whether the archive's lines lead from head to head: then, hash by hash, they are the very same bytes."""
    try:
        found = scan(Segment(archive, "", 0), closed.before, last=False)
    except JournalDamaged:
        return False
    return found.head == closed.after and found.lines == closed.lines


def compress_file(path: Path) -> Sizes:
    """Put away a file that has no chain and that nobody writes to any more. Raises OSError."""
    with path.open("rb") as file:
        expected = hashlib.file_digest(file, "sha256").digest()
    return put_away(path, holds=lambda archive: digest_unpacked(archive) == expected)


def digest_unpacked(archive: Path) -> bytes | None:
    """SHA-256 of what an archive holds; None where it does not unpack. Raises OSError."""
    digest = hashlib.sha256()
    try:
        with gzip.open(archive, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except ARCHIVE_ERRORS:
        return None
    return digest.digest()


def put_away(path: Path, *, holds: Callable[[Path], bool]) -> Sizes:
    """Replace a plain file by its archive; `holds` tells whether an archive has all that the plain file has.

    An archive that is there already is proven, and made anew where it does not hold. Raises OSError; the plain
    file then stands.
    """
    plain_bytes = path.stat().st_size
    archive = archive_path(path)
    if not (archive.exists() and holds(archive)):
        with path.open("rb") as file:
            write_archive(archive, file, like=path, holds=holds)
    # Also where an earlier pass made it: that one may have been killed between rename and sync.
    sync_folder(path.parent)
    path.unlink()
    sync_folder(path.parent)
    return Sizes(plain_bytes=plain_bytes, gzip_bytes=archive.stat().st_size)


def write_archive(archive: Path, content: BinaryIO, *, like: Path, holds: Callable[[Path], bool]) -> None:
    """Compress `content` to `archive`, replacing what lies there, with the mode and mtime of `like`.

    The bytes depend on the content alone. The name is durable after the folder's sync. Raises OSError, also when
    the archive does not read back as it should; no temporary file is left then.
    """
    temporary = archive.with_name(f".{archive.stem}.{os.getpid()}-{secrets.token_hex(4)}{_TEMP_SUFFIX}")
    status = like.stat()
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as raw:
            with gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed:
                while chunk := content.read(_CHUNK_BYTES):
                    packed.write(chunk)
            raw.flush()
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            # Its age is its content's, not that of the compressing.
            os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(descriptor)
        _require(archive, proven=holds(temporary))
        temporary.replace(archive)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _require(archive: Path, *, proven: bool) -> None:
    if not proven:
        raise OSError(f"{archive}: what was compressed does not read back equal; nothing was replaced")


def clean_temporaries(folder: Path) -> int:
    """Remove what killed passes left. Only for the one process that holds the maintenance lock. Gives the count."""
    stale = [path for path in folder.glob(f".*{_TEMP_SUFFIX}") if path.is_file()]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def _unpackable(path: Path, error: Exception) -> JournalDamaged:
    detail = f"the compressed file cannot be unpacked: {error}; restore it from a backup"
    return JournalDamaged(path=path, line=0, kind="archive", detail=detail)
