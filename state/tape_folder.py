"""The files of the tape: which run and number they are, how old, and which may go when room is needed.

A file is `<run_id>-<number>.jsonl`, or `.jsonl.gz` once it was compressed. Its age is its last write's.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

_NAME = re.compile(r"(.+)-(\d{4,})\.jsonl(\.gz)?")
_SETTLED_US = 3600 * 1_000_000


class TapeFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file as its folder shows it."""

    path: Path
    run_id: str
    number: int
    size_bytes: int
    written_us: int
    """Its mtime."""

    @property
    def is_compressed(self) -> bool:
        """Whether it was put away with gzip."""
        return self.path.suffix == ".gz"


def list_tape(folder: Path) -> tuple[TapeFile, ...]:
    """Every tape file in its folder, least recently written first, both forms of one apart. Raises OSError."""
    found = []
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        return ()
    for path in entries:
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # removed or compressed since its name was read
        written_us = status.st_mtime_ns // 1000
        found.append(
            TapeFile(
                path=path,
                run_id=match[1],
                number=int(match[2]),
                size_bytes=status.st_size,
                written_us=written_us,
            )
        )
    return tuple(sorted(found, key=lambda file: (file.written_us, file.run_id, file.number, file.is_compressed)))


def tape_files(folder: Path, run_id: str) -> tuple[Path, ...]:
    """The files of one run, in order; empty when there are none. Raises OSError.

    Where one lies there plain and compressed, compressing was interrupted: the plain one counts.
    """
    of_run: dict[int, TapeFile] = {}
    for file in list_tape(folder):
        if file.run_id == run_id and (file.number not in of_run or not file.is_compressed):
            of_run[file.number] = file
    return tuple(of_run[number].path for number in sorted(of_run))


def finished(files: Iterable[TapeFile], *, running_run_id: str | None, wall_us: int) -> tuple[TapeFile, ...]:
    """The files that nobody writes to any more, in the order given.

    A run writes only to its newest file. That one is finished an hour after its last write, unless the run is the
    one that is known to be running: a quiet market may write nothing for longer.
    """
    files = tuple(files)
    newest: dict[str, int] = {}
    for file in files:
        newest[file.run_id] = max(newest.get(file.run_id, 0), file.number)
    return tuple(
        file
        for file in files
        if file.number < newest[file.run_id]
        or (file.run_id != running_run_id and wall_us - file.written_us >= _SETTLED_US)
    )


def make_room(folder: Path, allowed_bytes: int) -> tuple[str, ...]:
    """Remove files, least recently written first, until no more than `allowed_bytes` are left.

    Gives a line for each that could not be removed and is therefore still there. Raises OSError where the folder
    cannot be read.
    """
    files = list_tape(folder)
    total = sum(file.size_bytes for file in files)
    problems = []
    for file in files:
        if total <= allowed_bytes:
            break
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            problems.append(f"{file.path} cannot be removed, so the tape may grow beyond its bound: {error.strerror}")
            continue
        total -= file.size_bytes
    return tuple(problems)
