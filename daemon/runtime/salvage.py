"""A damaged journal's way back to a desk that can be flattened: what it holds, what will stand, and doing it."""

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from daemon.core.ledger import Ledger
from daemon.core.recovery import recover
from daemon.core.salvage import NoLedgerError, opening_records
from daemon.runtime.recovery import OTHER_VERSION, UNFOLDABLE, snapshot_anchor
from state.damage import Remains, first_damage, what_holds
from state.journal_reader import read_since_checkpoint
from state.layout import DeskPaths
from state.records import JournalLine
from state.salvage import KEPT_IN, Salvaged, SalvageError, discard, name_for_kept, prepare, put_in_place, standing
from state.segments import JournalDamaged, JournalError, Progress
from state.snapshot import read_snapshot
from state.times import iso_from_us
from state.verification import Verification

NOTHING_HOLDS: Final = (
    "no checkpoint in it verifies, so nothing says what is own; close the desk's shares by hand in TWS, "
    "then begin a desk with another name (--desk)"
)


class CannotSalvageError(Exception):
    """There is nothing to salvage, or nothing can be; one line with what to do instead."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a salvage would do, before anything is done."""

    damage: Verification
    """Where it breaks first."""
    remains: Remains
    ledger: Ledger
    kept_in: str
    """Name of the folder that will hold the damaged journal."""
    snapshot_own_shares: float | None
    """What the last snapshot said: a witness, not a source."""
    snapshot_ts: str | None

    @property
    def last(self) -> JournalLine:
        """The newest line that holds."""
        return self.remains.lines[-1]

    def facts(self, *, by: str, why: str) -> dict[str, Any]:
        """For the journal, the audit and `--json`."""
        return {
            KEPT_IN: self.kept_in,
            "file": Path(self.damage.file or "").name,
            "line": self.damage.line,
            "kind": self.damage.kind,
            "detail": self.damage.problem,
            "checkpoint_seq": self.remains.lines[0].seq,
            "last_good_seq": self.remains.head.seq,
            "last_good_hash": self.remains.head.hash,
            "last_good_ts": self.last.ts,
            "lines_left_out": self.remains.lines_left_out,
            "own_shares": self.ledger.own_shares,
            "snapshot_own_shares": self.snapshot_own_shares,
            "by": by,
            "why": why,
        }


def plan_salvage(paths: DeskPaths, *, wall_us: int, progress: Progress | None = None) -> Plan:
    """Look, change nothing. Raises CannotSalvageError; PermissionError where the files may not be read."""
    snapshot = read_snapshot(paths.snapshot).snapshot
    damage = first_damage(paths.journal, anchor=snapshot_anchor(paths), progress=progress)
    if damage is None:
        raise CannotSalvageError(_sound(paths))
    try:
        remains = what_holds(paths.journal)
        ledger = recover(remains.lines).ledger
    except JournalDamaged as error:
        raise CannotSalvageError(str(error)) from error
    except UNFOLDABLE as error:
        raise CannotSalvageError(
            f"{damage.problem}; the lines that hold cannot be folded: {error}; use the version that wrote them"
        ) from error
    if ledger is None:
        raise CannotSalvageError(f"{damage.problem}; {NOTHING_HOLDS}")
    return Plan(
        damage=damage,
        remains=remains,
        ledger=ledger,
        kept_in=name_for_kept(paths, wall_us),
        snapshot_own_shares=None if snapshot is None else snapshot.own_shares,
        snapshot_ts=None if snapshot is None else snapshot.ts,
    )


def _sound(paths: DeskPaths) -> str:
    """Why a journal whose chain holds is not salvaged, although a daemon may refuse it."""
    try:
        recover(read_since_checkpoint(paths.journal))
    except UNFOLDABLE as error:
        return f"{paths.journal}: {error}; {OTHER_VERSION}"
    return "the journal holds, nothing to salvage; start the daemon"


def finish_earlier(paths: DeskPaths) -> Salvaged | None:
    """Finish a salvage that was cut short after the old journal was put aside; clear away one that was cut earlier.

    None when there is none to finish. Raises CannotSalvageError, OSError.
    """
    try:
        how_far = standing(paths)
        if how_far == "unfinished":
            return put_in_place(paths)
    except (JournalError, SalvageError) as error:
        raise CannotSalvageError(str(error)) from error
    if how_far == "abandoned":
        discard(paths)
    return None


def carry_out(paths: DeskPaths, plan: Plan, *, by: str, why: str, wall_us: int) -> Salvaged:
    """Do it. The caller holds the desk's lock. Raises CannotSalvageError, OSError."""
    try:
        prepare(paths, _opening_lines(paths, plan, by=by, why=why, wall_us=wall_us), wall_us=wall_us)
        return put_in_place(paths)
    except (JournalError, SalvageError, NoLedgerError) as error:
        raise CannotSalvageError(str(error)) from error


def _opening_lines(paths: DeskPaths, plan: Plan, *, by: str, why: str, wall_us: int) -> list[JournalLine]:
    """The desk's own clock stands where the last line that holds left it."""
    wall_ts = iso_from_us(wall_us)
    run_id = f"salvage-{wall_ts[:19].replace('-', '').replace(':', '')}-{os.getpid()}"
    owner = f"{paths.desk}.{plan.ledger.ledger_id}"
    records = opening_records(
        recover(plan.remains.lines),
        newest_number=plan.remains.newest_order.get(owner, 0),
        facts=plan.facts(by=by, why=why),
        detail=f"own {plan.ledger.own_shares:g} shares as of seq {plan.remains.head.seq} ({plan.last.ts}); "
        f"the damaged journal is kept in {plan.kept_in}",
    )
    return [
        JournalLine(
            seq=number,
            ts=plan.last.ts,
            wall_ts=wall_ts,
            desk=paths.desk,
            run_id=run_id,
            **record.line_fields(),
        )
        for number, record in enumerate(records, start=1)
    ]
