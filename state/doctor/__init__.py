"""Checks a desk's folder against `docs/file-format.md` and explains each fault: for who writes a bot of their own.

It reads and never writes, needs no lock, and streams what may be large.
"""

from pathlib import Path

from state.doctor.findings import Finding, Findings
from state.doctor.folder import examine_control, examine_folder
from state.doctor.lines import examine_audit, examine_history, examine_journal, examine_tape
from state.doctor.snapshot import compare_snapshots, examine_snapshot
from state.layout import DeskNameError, check_desk_name
from state.records import Snapshot
from state.segments import Progress

__all__ = ["Finding", "Findings", "compare_snapshots", "examine_desk"]


def examine_desk(
    folder: Path, wall_us: int, findings: Findings, *, progress: Progress | None = None
) -> Snapshot | None:
    """Look at everything in `folder`; `wall_us` is the machine's clock. Gives the snapshot, where it can be read.

    `progress` is called with (segments done, segments) of the journal. Raises OSError only when the folder itself
    cannot be listed.
    """
    try:
        check_desk_name(folder.name)
    except DeskNameError as error:
        findings.fault(".", str(error), "rename the folder, and the desk in its files")
    # The snapshot first: the journal may grow meanwhile, but must never be shorter than what is remembered.
    snapshot = examine_snapshot(folder, wall_us, findings)
    examine_folder(folder, wall_us, findings)
    examine_control(folder, wall_us, findings)
    examine_journal(folder, snapshot, findings, progress)
    examine_audit(folder, findings)
    examine_history(folder, findings)
    examine_tape(folder, findings)
    return snapshot
