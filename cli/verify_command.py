"""`verify`: reads every byte of a desk's journal and audit and says whether their hash chains hold."""

from typing import TYPE_CHECKING

import typer

from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, JsonOption, RootOption, settings
from cli.output import say, say_json
from cli.progress import progress_bar

if TYPE_CHECKING:
    from state.layout import DeskPaths
    from state.verification import Verification

_RUNBOOK = "docs/runbook.md#journal_damaged"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "verify",
        short_help="Check the hash chains of journal and audit",
        epilog="Example: ./bifrost verify --desk demo && echo intact",
    )(verify_records)


def verify_records(
    context: typer.Context, *, desk: DeskOption = None, root: RootOption = None, as_json: JsonOption = False
) -> int:
    """Check the hash chains of journal and audit from their first line: exit 1 with file, line and kind of a break.

    Every byte is read again, compressed segments too; removed segments are checked by their anchors.
    """
    from state.verification import verify

    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    if paths.salvaging.exists():
        raise CommandError(
            f"{chosen.desk}: a salvage was cut short; run {chosen.shell()} salvage again; see {_RUNBOOK}"
        )
    # The snapshot first: the journal may have grown since, but must never be shorter than what it remembers.
    anchor = _anchor(paths)
    with progress_bar("journal segments", quiet=chosen.as_json) as progress:
        journal = verify(paths.journal, anchor=anchor, progress=progress)
    with progress_bar("audit segments", quiet=chosen.as_json) as progress:
        audit = verify(paths.audit, progress=progress)
    code = ExitCode.DONE if journal.ok and audit.ok else ExitCode.FAILED
    if chosen.as_json:
        say_json({"desk": chosen.desk, "exit_code": int(code), "verification": journal, "audit": audit})
    elif code is ExitCode.DONE:
        say(f"{chosen.desk}: {_journal_words(journal)}; {_audit_words(audit)}")
    else:
        broken = [
            f"the {name} is broken: {found.problem}"
            for name, found in (("journal", journal), ("audit", audit))
            if not found.ok
        ]
        raise CommandError(f"{chosen.desk}: {'; '.join(broken)}; see {_RUNBOOK}")
    return code


def _anchor(paths: "DeskPaths") -> tuple[int, str] | None:
    from state.snapshot import read_snapshot

    snapshot = read_snapshot(paths.snapshot).snapshot
    if snapshot is None or snapshot.journal_seq is None or snapshot.journal_hash is None:
        return None
    return snapshot.journal_seq, snapshot.journal_hash


def _journal_words(found: "Verification") -> str:
    if found.head_seq == 0:
        return "the journal is empty, nothing to check"
    removed = f" after {found.removed_segments} removed segments" if found.removed_segments else ""
    return f"intact, {found.records} operations{removed}, head {found.head_hash[:12]} at seq {found.head_seq}"


def _audit_words(found: "Verification") -> str:
    return f"audit intact, {found.records} entries" if found.head_seq else "audit empty"
