"""The files of lines against the contract: journal, audit, history, tape. Streamed, whatever their size."""

import gzip
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from state.anchors import read_chain
from state.chain import Head, LineError, check, read_head
from state.doctor.findings import Findings
from state.doctor.members import NotAnObjectError, decode, unknown_members, wrong_members
from state.records import AuditLine, HistorySample, JournalLine, Snapshot, TapeCheckpoint, TapeEvent
from state.segments import ARCHIVE_ERRORS, JournalDamaged, Progress, Segment, open_segment

_MAX_LINE_BYTES = 16 * 1024 * 1024
_SETTLE_S = 0.05
_REMEDY = {
    "hash": "restore the file from a backup, never edit it (docs/runbook.md#journal_damaged); a writer hashes the "
    "bytes that it writes, over the previous line's hash",
    "sequence": "seq is 1, 2, 3, … over all segments: restore what is missing; a writer goes on from the newest line",
    "not_a_line": "restore the file from a backup, never edit it (docs/runbook.md#journal_damaged); a writer ends "
    'every line with ,"hash":"<64 hexadecimal digits>"} and a line break',
    "torn": "the writer cuts it off at its next start and keeps a copy beside it",
}


def examine_journal(
    folder: Path, snapshot: Snapshot | None, findings: Findings, progress: Progress | None = None
) -> None:
    """The journal's chain and lines, and whether it agrees with what the snapshot remembers."""
    journal = folder / "journal"
    if not journal.is_dir():
        findings.warning("journal", "is missing: operations and receipts are not seen", "write a line for what you do")
        return
    remembered = None if snapshot is None else snapshot.journal_seq
    walked = _Record(folder, "journal", JournalLine, findings).walk(remembered, progress)
    if walked is None:
        return
    head, then = walked
    if snapshot is None:
        return
    if remembered is None:
        remedy = "write journal_seq and journal_hash into it"
        findings.info("journal", "the snapshot does not remember its end: lines lost there go unnoticed", remedy)
    elif remembered > head.seq:
        findings.fault(
            "journal",
            f"ends at seq {head.seq}, but the snapshot remembers {remembered}: lines were lost from its end",
            "restore the newest segment from a backup (docs/runbook.md#journal_damaged); a writer appends first "
            "and writes the snapshot then",
        )
    elif then is not None and then != snapshot.journal_hash:
        findings.fault(
            "journal",
            f"the line with seq {remembered} is not the one that the snapshot remembers",
            "restore the journal from a backup; journal_hash is the hash of that very line",
        )


def examine_audit(folder: Path, findings: Findings) -> None:
    """The audit's chain and lines, where there is one: the cockpit and our commands write it."""
    if (folder / "audit").is_dir():
        _Record(folder, "audit", AuditLine, findings).walk(None)


class _Record:
    """One hash-chained folder, looked at line by line."""

    def __init__(self, folder: Path, name: str, record: type[msgspec.Struct], findings: Findings) -> None:
        self._folder, self._name, self._record, self._findings = folder, name, record, findings
        self._unknown: Counter[str] = Counter()
        self._count = 0
        self._all_read = True

    def walk(self, remembered: int | None, progress: Progress | None = None) -> tuple[Head, str | None] | None:
        """The head at the end, and the hash of line `remembered`; None where that is not known for lack of a file."""
        try:
            chain = read_chain(self._folder / self._name)
        except JournalDamaged as error:
            remedy = "number the segments 0001, 0002, … without gaps; restore a lost one from a backup"
            self._findings.fault(f"{self._name}/{error.path.name}", str(error).partition(": ")[2], remedy)
            return None
        except OSError as error:
            self._findings.fault(self._name, f"cannot be read: {error.strerror}", "let the cockpit's user read it")
            return None
        head, then = chain.start, None
        for done, segment in enumerate(chain.segments):
            if progress is not None:
                progress(done, len(chain.segments))
            for after in self._walk_segment(segment, head, last=segment is chain.segments[-1]):
                head = after
                if head.seq == remembered:
                    then = head.hash
            if not self._all_read:
                break  # where the chain stands behind it is not known
        if self._all_read:
            segments = f"{len(chain.segments)} segment{'' if len(chain.segments) == 1 else 's'}"
            self._findings.ok(self._name, f"{self._count} lines in {segments}, the chain holds")
        if self._unknown:
            words = ", ".join(f"{name} ({count} times)" for name, count in sorted(self._unknown.items()))
            self._findings.info(self._name, f"members that this version does not know, which readers skip: {words}")
        return (head, then) if self._all_read else None

    def _walk_segment(self, segment: Segment, head: Head, *, last: bool) -> Iterator[Head]:
        """The head after every line; a line that breaks the chain is told, and the chain taken up behind it."""
        path = f"{self._name}/{segment.path.name}"
        number = 0
        try:
            with open_segment(segment) as file:
                for number, raw in enumerate(_pieces(file), start=1):
                    if last and not raw.endswith(b"\n") and _is_growing(segment.path):
                        return
                    head = self._walk_line(path, number, raw, head)
                    yield head
        except ARCHIVE_ERRORS as error:
            self._all_read = False
            self._findings.fault(path, f"does not unpack: {error}", "restore it from a backup", line=number + 1)
        except FileNotFoundError:
            self._all_read = False
            self._findings.warning(path, "was removed while we looked", "look again")
        except OSError as error:
            self._all_read = False
            self._findings.fault(path, f"cannot be read: {error.strerror}", "let the cockpit's user read it")

    def _walk_line(self, path: str, number: int, raw: bytes, head: Head) -> Head:
        body = raw
        self._count += 1
        try:
            body, head = check(head, raw)
        except LineError as error:
            self._findings.fault(path, str(error), _REMEDY.get(error.kind, _REMEDY["hash"]), line=number)
            if error.kind == "torn":
                return head
            try:
                head = read_head(raw)
            except LineError:
                return Head(head.seq + 1, head.hash)
        found = _examine_line(path, number, body, self._record, self._findings)
        if found is not None:
            found.pop("hash", None)
            self._unknown.update(unknown_members(self._record, found))
            _examine_desk(path, number, found, self._folder.name, self._findings)
        return head


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The lines; one that is longer than any line of ours comes in parts, so that memory stays bounded."""
    while piece := file.readline(_MAX_LINE_BYTES):
        yield piece


def _is_growing(path: Path) -> bool:
    """Whether an unfinished last line is one that its writer completes meanwhile."""
    size = path.stat().st_size
    time.sleep(_SETTLE_S)
    return path.stat().st_size > size


def examine_history(folder: Path, findings: Findings) -> None:
    """Every sample: wrong ones cost a point of the chart and nothing else."""
    count = 0
    for path, name in _files(folder, "history"):
        for number, raw in _lines(path, name, findings):
            count += 1
            if not raw.endswith(b"}\n"):
                # A writer that dies leaves half a line behind, which the next one ends.
                remedy = "nothing to do after a crash; else write one JSON object per line"
                findings.warning(name, "is cut short, so readers skip it", remedy, line=number)
                continue
            found = _examine_line(name, number, raw, HistorySample, findings)
            if found is not None:
                _examine_desk(name, number, found, folder.name, findings)
    if count > 0:
        findings.ok("history", f"{count} samples")


def examine_tape(folder: Path, findings: Findings) -> None:
    """Every file: a checkpoint first, then events that are numbered without gaps."""
    count = 0
    for path, name in _files(folder, "tape"):
        expected: int | None = None
        for number, raw in _lines(path, name, findings):
            count += 1
            record = TapeCheckpoint if number == 1 else TapeEvent
            found = _examine_line(name, number, raw, record, findings)
            if found is None:
                continue
            tape_seq = found.get("tape_seq")
            if number > 1 and expected is not None and tape_seq != expected:
                remedy = "number a run's events from 1 without gaps, over all its files"
                findings.fault(name, f"is {tape_seq}, expected {expected}", remedy, line=number, place="tape_seq")
            expected = tape_seq + 1 if isinstance(tape_seq, int) else None
    if count > 0:
        findings.ok("tape", f"{count} lines, numbered without gaps")


def _examine_line(
    path: str, number: int, content: bytes, record: type[msgspec.Struct], findings: Findings
) -> dict[str, Any] | None:
    """The line as an object, where it is one; every member that is not as the record says is told."""
    try:
        found = decode(content)
    except NotAnObjectError as error:
        findings.fault(path, str(error), "write one JSON object per line", line=number)
        return None
    for wrong in wrong_members(record, found):
        findings.fault(path, wrong.problem, wrong.remedy, line=number, place=wrong.place)
    return found


def _examine_desk(path: str, number: int, found: dict[str, Any], desk: str, findings: Findings) -> None:
    named = found.get("desk", desk)
    if named != desk:
        remedy = "write the folder's name; a copied folder keeps telling of the old desk"
        findings.fault(path, f"{named!r}, but the folder is called {desk}", remedy, line=number, place="desk")


def _files(folder: Path, name: str) -> list[tuple[Path, str]]:
    """The lines' files of a folder with their names for the report.

    A compressed tape file beside its plain one was not finished; a day of history may well have both.
    """
    try:
        paths = sorted((folder / name).iterdir())
    except OSError:
        return []
    plain = {path.name for path in paths}
    return [
        (path, f"{name}/{path.name}")
        for path in paths
        if path.name.endswith(".jsonl")
        or (path.name.endswith(".jsonl.gz") and (name == "history" or path.name[:-3] not in plain))
    ]


def _lines(path: Path, name: str, findings: Findings) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of every line; an unfinished last line of a plain file is a writer's business."""
    opened: Callable[[Path, str], IO[bytes]] = gzip.open if path.suffix == ".gz" else open  # type: ignore[assignment]
    number = 0
    try:
        with opened(path, "rb") as file:
            for number, raw in enumerate(_pieces(file), start=1):
                if raw.endswith(b"\n"):
                    yield number, raw
    except ARCHIVE_ERRORS as error:
        findings.fault(name, f"does not unpack: {error}", "restore it from a backup", line=number + 1)
    except OSError as error:
        findings.fault(name, f"cannot be read: {error.strerror}", "let the cockpit's user read it")
