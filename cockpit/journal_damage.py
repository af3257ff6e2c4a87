"""What is wrong with a journal's files, said calmly and with the remedy: a torn last line, or damage."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from cockpit import runbook
from cockpit.reader import Reader
from state.layout import DeskPaths
from state.records import Snapshot
from state.segments import list_segments

_REASON = "journal_damaged"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence; `href` is the runbook's entry, None where nothing has to be done."""

    text: str
    href: str | None = None


def notices(
    paths: DeskPaths, problems: Sequence[str], snapshot: Snapshot | None, reader: Reader, shell: Callable[[str], str]
) -> tuple[Notice, ...]:
    """`problems` are what reading the journal met. Raises OSError."""
    href = runbook.address(_REASON, desk=paths.desk, reader=reader)
    verify = shell(f"verify --desk {paths.desk}")
    found = [
        Notice(text=reader.say("operations.damage.damaged", problem=problem, command=verify), href=href)
        for problem in problems
    ]
    checks = () if snapshot is None else snapshot.self_check.checks
    check = next((check for check in checks if not check.ok and check.reason == _REASON), None)
    if check is not None:
        detail = reader.phrase(str(check.measured)) if check.measured is not None else _REASON
        found.insert(0, Notice(text=reader.say("operations.damage.check", detail=detail, command=verify), href=href))
    torn = torn_file(paths.journal)
    if torn is not None:
        found.append(Notice(text=reader.say("operations.damage.torn", file=torn)))
    return tuple(found)


def torn_file(journal: Path) -> str | None:
    """The name of the open segment where its last line has no end; None else. Raises OSError."""
    segments = list_segments(journal)
    if not segments or segments[-1].is_compressed:
        return None
    try:
        with segments[-1].path.open("rb") as file:
            if file.seek(0, 2) == 0:
                return None
            file.seek(-1, 2)
            return None if file.read(1) == b"\n" else segments[-1].path.name
    except FileNotFoundError:
        return None
