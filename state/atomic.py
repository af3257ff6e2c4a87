"""Replace a file so that a reader sees the old one or the new one, never a part."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

_TEMP_SUFFIX = ".tmp"
_PARENTS = 3
"""Folders above a record that a desk's start may make: the desk, the root of the desks, and where that lies."""
_PART_BYTES = 1024 * 1024


def replace_file(path: Path, content: bytes, *, sync: bool, mode: int = 0o640) -> None:
    """Put `content` at `path` by a temporary file in the same folder and a rename.

    With `sync` it survives a power cut once this returns; without, only a death of the process.
    Raises OSError; the old file then stands and no temporary file is left.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{_TEMP_SUFFIX}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            write_all(descriptor, content)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        sync_folder(path.parent)


def write_all(descriptor: int, content: bytes) -> None:
    """Write everything, also where the system takes it in parts (a full disk takes a part, then refuses)."""
    written = os.write(descriptor, content)
    while written < len(content):
        written += os.write(descriptor, content[written:])


def write_again(path: Path, size_bytes: int) -> None:
    """Write a file's first bytes over themselves and sync them; nothing in it changes. Raises OSError.

    After a failed sync the system may show bytes that are not on the disk and hold them for written: a later sync
    would say nothing of them. Only writing them again makes it try.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        offset = 0
        while offset < size_bytes:
            part = os.pread(descriptor, min(_PART_BYTES, size_bytes - offset), offset)
            if not part:
                raise OSError(f"{path} became shorter while it was read")
            offset += os.pwrite(descriptor, part, offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a file's own fsync says nothing about its name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_path_to(folder: Path) -> None:
    """Make the names in a folder durable, and the names by which it is found: its own and those of its parents.

    Also where all of them were there before us: whoever made them may have been killed before it could sync.
    Raises OSError; a parent that this process may not read was not made by it.
    """
    sync_folder(folder)
    for parent in list(folder.absolute().parents)[:_PARENTS]:
        with suppress(PermissionError):
            sync_folder(parent)


def clean_stale_temporaries(path: Path) -> int:
    """Remove what died writers of `path` left behind. Only for the one writer, at its start. Gives the count."""
    stale = [found for found in path.parent.glob(f".{path.name}.*{_TEMP_SUFFIX}") if found.is_file()]
    for found in stale:
        found.unlink(missing_ok=True)
    return len(stale)
