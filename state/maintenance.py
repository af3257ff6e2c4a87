"""Looking after a desk's folder: what is old enough to be compressed or removed, decided first, then done step by step.

It runs beside a living daemon and any readers, and never touches what is still written to. Each step is complete in
itself and may be interrupted anywhere: the next plan finds what is left to do.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import filelock
import msgspec

from state.anchors import Chain, read_chain
from state.archive import Sizes, archive_path, clean_temporaries, compress_file, compress_segment
from state.history import compress_day, history_days, history_files, remove_day
from state.layout import DeskPaths
from state.retention import age_days, expired_segments, remove_oldest
from state.segments import day_of
from state.tape_folder import TapeFile, finished, list_tape

Part = Literal["journal", "audit", "history", "tape"]
Action = Literal["compress", "remove"]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How long files stay. Ages are in whole UTC days; None keeps for ever."""

    compress_after_days: int
    keep_days: int | None
    tape_keep_days: int | None
    tape_max_bytes: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do to one file, or to the two forms of one."""

    part: Part
    action: Action
    path: Path
    size_bytes: int
    number: int = 0
    """Of a segment of journal or audit."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The steps in the order in which they must be done, and what could not be planned, in words."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


class MaintenanceBusyError(Exception):
    """Another process maintains this desk."""


def maintenance_lock(paths: DeskPaths) -> filelock.BaseFileLock:
    """Take the one lock of whoever compresses or removes; release it afterwards. The daemon never needs it.

    Raises MaintenanceBusyError where another process holds it, OSError where the folder cannot be written.
    """
    # A desk may have no journal, and a salvage in progress must not find one that was made for a lock.
    folder = paths.journal if paths.journal.is_dir() else paths.folder
    lock = filelock.FileLock(folder / ".maintain.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise MaintenanceBusyError(f"another process maintains {paths.folder}") from error
    return lock


def clean(paths: DeskPaths) -> int:
    """Remove the temporary files of killed passes; gives their count. Only under the lock. Raises OSError."""
    return sum(clean_temporaries(folder) for folder in (paths.journal, paths.audit, paths.history, paths.tape))


def plan(paths: DeskPaths, rules: Rules, *, wall_us: int, running_run_id: str | None) -> Plan:
    """What is to be done now; looks at names, sizes and first lines only. Raises JournalDamaged, OSError.

    Removing comes before compressing, so that a full disk gets room first.
    """
    removed, kept, notes = _plan_journal(paths.journal, rules, wall_us)
    history_removed, history_kept = _plan_history(paths.history, rules, wall_us)
    tape_removed, tape_kept = _plan_tape(paths.tape, rules, wall_us, running_run_id)
    kept += _compress_segments("audit", read_chain(paths.audit), 0, rules, wall_us)
    return Plan(steps=(*removed, *history_removed, *tape_removed, *kept, *history_kept, *tape_kept), notes=notes)


def carry_out(paths: DeskPaths, step: Step, *, wall_us: int) -> int | None:
    """Do one step; gives the bytes that are left of it, None where there was nothing to do any more.

    Only under the lock, in the plan's order. Raises JournalDamaged (then do nothing more), OSError.
    """
    if step.action == "remove":
        return _remove(paths, step, wall_us)
    if step.part == "journal":
        sizes = _compress_segment(paths.journal, step.number)
    elif step.part == "audit":
        sizes = _compress_segment(paths.audit, step.number)
    elif step.part == "history":
        sizes = compress_day(paths.history, step.path.name[:8])
    else:
        sizes = _compress_tape(step.path)
    return None if sizes is None else sizes.gzip_bytes


def _compress_segment(folder: Path, number: int) -> Sizes | None:
    chain = read_chain(folder)
    for place, segment in enumerate(chain.segments):
        if segment.number == number:
            return compress_segment(chain, place)
    return None


def _compress_tape(path: Path) -> Sizes | None:
    try:
        return compress_file(path)
    except FileNotFoundError:
        return None  # the daemon needed its room


def _remove(paths: DeskPaths, step: Step, wall_us: int) -> int | None:
    if step.part == "journal":
        return None if remove_oldest(paths.journal, step.number, wall_us=wall_us) is None else 0
    if step.part == "history":
        remove_day(paths.history, step.path.name[:8])
    else:
        step.path.unlink(missing_ok=True)
    return 0


def _plan_journal(folder: Path, rules: Rules, wall_us: int) -> tuple[list[Step], list[Step], tuple[str, ...]]:
    chain = read_chain(folder)
    removed: list[Step] = []
    notes: tuple[str, ...] = ()
    if rules.keep_days is not None:
        expired = expired_segments(chain, keep_days=rules.keep_days, wall_us=wall_us)
        notes = () if expired.obstacle is None else (expired.obstacle,)
        removed = [
            Step(part="journal", action="remove", path=each.path, size_bytes=_size(each.path), number=each.number)
            for each in expired.segments
        ]
    return removed, _compress_segments("journal", chain, len(removed), rules, wall_us), notes


def _compress_segments(part: Part, chain: Chain, first: int, rules: Rules, wall_us: int) -> list[Step]:
    """All but the open one, from `first` on; where both forms lie there, an interrupted pass is ended at any age."""
    return [
        Step(part=part, action="compress", path=each.path, size_bytes=_size(each.path), number=each.number)
        for each in chain.segments[first:-1]
        if not each.is_compressed
        and (age_days(each.day, wall_us) >= rules.compress_after_days or archive_path(each.path).exists())
    ]


def _plan_history(folder: Path, rules: Rules, wall_us: int) -> tuple[list[Step], list[Step]]:
    """A day counts as old when its name and its last write are: a replayed market's days are old when written."""
    removed, compressed = [], []
    for day in history_days(folder):
        files = history_files(folder, day)
        if not files:
            continue
        age = min(age_days(day, wall_us), *(age_days(day_of(_written_us(path)), wall_us) for path in files))
        size = sum(_size(path) for path in files)
        if rules.keep_days is not None and age > rules.keep_days:
            removed.append(Step(part="history", action="remove", path=files[-1], size_bytes=size))
        elif age >= max(1, rules.compress_after_days) and files[-1].suffix != ".gz":
            compressed.append(Step(part="history", action="compress", path=files[-1], size_bytes=size))
    return removed, compressed


def _plan_tape(folder: Path, rules: Rules, wall_us: int, running_run_id: str | None) -> tuple[list[Step], list[Step]]:
    files = list_tape(folder)
    done = finished(files, running_run_id=running_run_id, wall_us=wall_us)
    removed = list(_tape_to_remove(files, done, rules, wall_us))
    gone = {file.path for file in removed}
    compressed = [
        file
        for file in done
        if file.path not in gone
        and not file.is_compressed
        and age_days(day_of(file.written_us), wall_us) >= rules.compress_after_days
    ]
    return (
        [Step(part="tape", action="remove", path=file.path, size_bytes=file.size_bytes) for file in removed],
        [Step(part="tape", action="compress", path=file.path, size_bytes=file.size_bytes) for file in compressed],
    )


def _tape_to_remove(
    files: tuple[TapeFile, ...], done: tuple[TapeFile, ...], rules: Rules, wall_us: int
) -> Iterator[TapeFile]:
    """Least recently written first: what is too old, then what is too much."""
    total = sum(file.size_bytes for file in files)
    for file in done:
        expired = rules.tape_keep_days is not None and age_days(day_of(file.written_us), wall_us) > rules.tape_keep_days
        if expired or total > rules.tape_max_bytes:
            total -= file.size_bytes
            yield file


def _written_us(path: Path) -> int:
    return path.stat().st_mtime_ns // 1000


def _size(path: Path) -> int:
    return path.stat().st_size
