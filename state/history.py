"""The past in samples: one per minute of `ts` and one per own fill, a file per UTC day of `ts`.

A day that is put away is `<day>.jsonl.gz`. A sample that comes late for it starts a plain file again: both are read,
the compressed one first, and the next pass joins them.
"""

import fcntl
import gzip
import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from state.archive import Sizes, archive_path, write_archive
from state.atomic import sync_folder, write_all
from state.records import HistorySample
from state.segments import ARCHIVE_ERRORS, JournalDamaged, day_of
from state.times import us_from_iso
from state.undecodable import UNDECODABLE

_NAME = re.compile(r"(\d{8})\.jsonl(\.gz)?")
_LOCK_TRIES = 300
_LOCK_RETRY_S = 0.005
_sample_decoder = msgspec.json.Decoder(HistorySample)


def append_sample(folder: Path, sample: HistorySample) -> None:
    """Append one sample, not synced. Raises OSError (also where the day stays locked), ValueError for a bad `ts`.

    A half line that a dead writer left is ended first, so that it costs one sample and not two.
    """
    path = _plain_path(folder, day_of(us_from_iso(sample.ts)))
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    descriptor = _open_locked(path)
    try:
        size = os.fstat(descriptor).st_size
        unfinished = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        write_all(descriptor, (b"\n" if unfinished else b"") + msgspec.json.encode(sample) + b"\n")
    finally:
        os.close(descriptor)


def _open_locked(path: Path) -> int:
    """The file of a day, locked against its being put away meanwhile; opened anew where that has just happened."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            _lock(descriptor)
            if os.fstat(descriptor).st_nlink > 0:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Wait a moment for the lock, not for ever: a stopped process that holds it must not silence the writer.

    Raises TimeoutError, which is an OSError.
    """
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_RETRY_S)
        else:
            return
    raise TimeoutError(f"another process holds the day's lock for more than {_LOCK_TRIES * _LOCK_RETRY_S:g} s")


def history_days(folder: Path) -> tuple[str, ...]:
    """The days of which there are samples, like `20261121`, oldest first; empty when there is no folder."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return ()
    return tuple(sorted({match.group(1) for name in names if (match := _NAME.fullmatch(name)) is not None}))


class FileStamp(NamedTuple):
    """What tells that a file is still the same: a growing one keeps name and inode."""

    name: str
    inode: int
    size: int
    mtime_ns: int


def history_stamps(folder: Path) -> dict[str, tuple[FileStamp, ...]]:
    """Day -> its files as they are now, the plain one before the compressed one; days sorted. Raises OSError."""
    found: dict[str, list[FileStamp]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                match = _NAME.fullmatch(entry.name)
                if match is None:
                    continue
                with suppress(FileNotFoundError):
                    status = entry.stat()
                    stamp = FileStamp(entry.name, status.st_ino, status.st_size, status.st_mtime_ns)
                    found.setdefault(match.group(1), []).append(stamp)
    except FileNotFoundError:
        return {}
    return {day: tuple(sorted(found[day])) for day in sorted(found)}


def history_files(folder: Path, day: str) -> tuple[Path, ...]:
    """The files of one day that are there: the compressed one, the plain one."""
    plain = _plain_path(folder, day)
    return tuple(path for path in (archive_path(plain), plain) if path.exists())


def read_history(folder: Path, *, since_us: int | None = None, until_us: int | None = None) -> Iterator[HistorySample]:
    """Samples with `ts` in [since, until), in the order written, day by day; lines that are no sample are left out.

    Empty when there is no folder. Raises OSError for what cannot be read or unpacked.
    """
    first = "" if since_us is None else day_of(since_us)
    last = "99999999" if until_us is None else day_of(until_us)
    for day in history_days(folder):
        if not first <= day <= last:
            continue
        for raw in read_lines(folder, day):
            sample = _decode(raw)
            if sample is not None and _within(sample, since_us, until_us):
                yield sample


def read_lines(folder: Path, day: str) -> list[bytes]:
    """The lines of one day as they stand in its files, those of no sample included. Raises OSError."""
    try:
        return _read_day(folder, day).splitlines()
    except JournalDamaged as error:
        raise OSError(str(error)) from error


def compress_day(folder: Path, day: str) -> Sizes | None:
    """Put a day's plain file away, joined to what was put away of it before; None where there is no plain one.

    The day's file is locked meanwhile, so that a late sample waits a moment and is not lost. Raises OSError,
    JournalDamaged where an earlier archive does not unpack.
    """
    plain = _plain_path(folder, day)
    archive = archive_path(plain)
    try:
        descriptor = os.open(plain, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        content = _read_day(folder, day)
        if not archive.exists() or content != _unpack(archive):
            write_archive(archive, io.BytesIO(content), like=plain, holds=lambda made: _unpack(made) == content)
        sync_folder(folder)
        plain.unlink()
        sync_folder(folder)
    finally:
        os.close(descriptor)
    return Sizes(plain_bytes=size, gzip_bytes=archive.stat().st_size)


def remove_day(folder: Path, day: str) -> None:
    """Remove a day in whatever forms it lies there. Raises OSError."""
    plain = _plain_path(folder, day)
    plain.unlink(missing_ok=True)
    archive_path(plain).unlink(missing_ok=True)


def _plain_path(folder: Path, day: str) -> Path:
    return folder / f"{day}.jsonl"


def _read_day(folder: Path, day: str) -> bytes:
    """All lines of a day. The plain file first: what is put away meanwhile is then met twice, never missed."""
    plain = _plain_path(folder, day)
    try:
        late = plain.read_bytes()
    except FileNotFoundError:
        late = b""
    try:
        archived = _unpack(archive_path(plain))
    except FileNotFoundError:
        return late
    if archived and not archived.endswith(b"\n"):
        archived += b"\n"
    return archived + _not_yet_archived(archived, late)


def _not_yet_archived(archived: bytes, late: bytes) -> bytes:
    """The lines of `late` without those at its start that `archived` ends with: a pass was killed after joining."""
    lines = late.splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    for count in range(len(lines), 0, -1):
        if not archived.endswith(lines[count - 1]):
            continue
        both = b"".join(lines[:count])
        if archived.endswith(both) and archived[: -len(both)][-1:] in (b"", b"\n"):
            return b"".join(lines[count:])
    return late


def _unpack(archive: Path) -> bytes:
    try:
        with gzip.open(archive, "rb") as file:
            return file.read()
    except ARCHIVE_ERRORS as error:
        detail = f"the compressed file cannot be unpacked: {error}; restore it from a backup or remove it"
        raise JournalDamaged(path=archive, line=0, kind="archive", detail=detail) from error


def _decode(raw: bytes) -> HistorySample | None:
    try:
        return _sample_decoder.decode(raw)
    except UNDECODABLE:
        return None


def _within(sample: HistorySample, since_us: int | None, until_us: int | None) -> bool:
    try:
        ts_us = us_from_iso(sample.ts)
    except ValueError:
        return False
    return (since_us is None or ts_us >= since_us) and (until_us is None or ts_us < until_us)
