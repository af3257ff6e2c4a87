"""Puts a damaged journal aside and a new one in its place, so that a kill at any moment loses nothing.

The order of the steps, each durable before the next:

1. `journal.salvaging/` is written whole: the new chain. Its `repaired` line names the folder of step 2.
2. `journal/` becomes `journal.damaged-<time>/`. Nothing ever removes that one.
3. The snapshot's memory of the chain's head becomes the new chain's: the old one must not be missed, lost lines of
   the new one must.
4. `journal.salvaging/` becomes `journal/`.

While `journal.salvaging/` is there no daemon may start, whatever else is there: an empty folder in between must not
become a fresh journal. Killed before step 2 is done, a salvage starts over; killed later, it is finished.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from state.atomic import sync_folder
from state.chain import Head
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import Check, JournalLine, JournalType, Posture, SelfCheck
from state.segments import list_segments
from state.snapshot import read_snapshot, write_snapshot
from state.times import iso_from_us
from state.verification import verify

KEPT_IN = "kept_in"
"""Where the `repaired` line of a new chain names the folder of the old one, in its `data`."""

Standing = Literal["none", "abandoned", "unfinished"]
"""No salvage was cut short; one before the old journal was put aside; one after that."""


class SalvageError(Exception):
    """The files are in no state that a salvage leaves behind; the text says what to look at."""


class Salvaged(msgspec.Struct, frozen=True, kw_only=True):
    """What stands now: the head of the new chain, the folder of the old one, its `repaired` line."""

    head: Head
    kept: Path
    repaired: JournalLine


def name_for_kept(paths: DeskPaths, wall_us: int) -> str:
    """`journal.damaged-20261121T101500Z`: free in this desk's folder."""
    stamp = iso_from_us(wall_us)[:19].replace("-", "").replace(":", "")
    name = f"journal.damaged-{stamp}Z"
    number = 2
    while (paths.folder / name).exists():
        name = f"journal.damaged-{stamp}Z.{number}"
        number += 1
    return name


def standing(paths: DeskPaths) -> Standing:
    """How far an earlier salvage came. Raises SalvageError, OSError."""
    if not paths.salvaging.exists():
        return "none"
    if not list_segments(paths.journal):
        return "unfinished"
    prepared = _whole(paths)
    if prepared is not None and prepared.kept.exists():
        raise SalvageError(
            f"{paths.journal} and {prepared.kept} both hold a journal, and {paths.salvaging} a third: something "
            "wrote here after a salvage was cut short; keep one as journal/ and move the others away"
        )
    return "abandoned"


def discard(paths: DeskPaths) -> None:
    """Remove what an abandoned salvage prepared: the old journal is still in its place. Raises OSError."""
    shutil.rmtree(paths.salvaging)
    sync_folder(paths.folder)


def prepare(paths: DeskPaths, lines: Sequence[JournalLine], *, wall_us: int) -> None:
    """Step 1. `lines` begin a new chain, with seq 1. Raises JournalError, OSError."""
    writer = JournalWriter(paths.salvaging, wall_us=lambda: wall_us)
    writer.open()
    try:
        writer.append(lines)
    finally:
        writer.close()
    sync_folder(paths.folder)


def put_in_place(paths: DeskPaths) -> Salvaged:
    """Steps 2 to 4, or what is left of them. Raises SalvageError, OSError.

    The caller holds the desk's lock, so that no daemon starts or writes meanwhile.
    """
    prepared = _prepared(paths)
    if list_segments(paths.journal) or (_holds_files(paths.journal) and not prepared.kept.exists()):
        paths.journal.rename(prepared.kept)
    else:
        _remove_empty(paths.journal)
    sync_folder(paths.folder)
    _remember(paths, prepared)
    paths.salvaging.rename(paths.journal)
    sync_folder(paths.folder)
    return prepared


def _prepared(paths: DeskPaths) -> Salvaged:
    """The new chain as it lies there. Raises SalvageError when it is not whole."""
    found = _whole(paths)
    if found is None:
        raise SalvageError(
            f"{paths.salvaging} does not hold what a salvage prepares; rename the newest "
            f"{paths.folder}/journal.damaged-* back to journal, remove {paths.salvaging.name} and salvage again"
        )
    return found


def _whole(paths: DeskPaths) -> Salvaged | None:
    found = verify(paths.salvaging)
    if not found.ok:
        return None
    repaired = [line for line in read_journal(paths.salvaging) if line.type is JournalType.REPAIRED]
    if not repaired or repaired[0].data is None:
        return None
    return Salvaged(
        head=Head(found.head_seq, found.head_hash),
        kept=paths.folder / str(repaired[0].data[KEPT_IN]),
        repaired=repaired[0],
    )


def _holds_files(journal: Path) -> bool:
    """Whether more than locks and the like lies there: anchors and torn ends may be all that is left of a journal."""
    return journal.exists() and any(not entry.name.startswith(".") for entry in journal.iterdir())


def _remove_empty(journal: Path) -> None:
    """What a supervisor's start leaves in the gap: a folder without a line, perhaps a lock and a reserve in it."""
    if not journal.exists():
        return
    for left in journal.iterdir():
        if not left.name.startswith("."):
            raise SalvageError(f"{left} is no journal's; move it away and salvage again")
        left.unlink()
    journal.rmdir()


def _remember(paths: DeskPaths, prepared: Salvaged) -> None:
    """Let the snapshot say how the desk stands now. Its times and figures stay: nothing else in it is news."""
    last = read_snapshot(paths.snapshot).snapshot
    if last is None:
        return
    halts = [line for line in read_journal(paths.salvaging) if line.type is JournalType.HALT]
    checks = tuple(
        Check(
            name=f"halt_{line.reason}",
            ok=False,
            severity="red",
            measured=str((line.data or {}).get("detail", "")),
            reason=line.reason,
        )
        for line in halts
    )
    verdict = SelfCheck(
        status="blocked", block_reasons=tuple(line.reason for line in halts if line.reason), checks=checks
    )
    told = msgspec.structs.replace(
        last,
        seq=last.seq + 1,
        self_check=verdict,
        posture=Posture(name="HALTED", reason="; ".join(verdict.block_reasons)),
        journal_seq=prepared.head.seq,
        journal_hash=prepared.head.hash,
        flatten_choices_shares=() if prepared.repaired.quantity is None else (prepared.repaired.quantity,),
    )
    write_snapshot(paths.snapshot, told, sync=True)
