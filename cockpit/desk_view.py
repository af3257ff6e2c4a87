"""Reads one desk's files once and makes a page of them for every reader who wants one."""

from collections.abc import Sequence

import msgspec

from cockpit import now_view, receipt_stories
from cockpit.context import CockpitContext
from cockpit.files_seen import Print, print_of
from cockpit.reader import Reader
from cockpit.receipts import receipts
from cockpit.recent_lines import RecentLines
from state.audit import newest_audit
from state.layout import DeskPaths
from state.look import Look, look_at
from state.records import AuditLine, JournalLine, JournalType

_KEPT_TYPES = receipt_stories.TYPES | {JournalType.HALT, JournalType.RESET}
_KEPT = 60
_COMMANDS = ("stop", "pause", "flatten")


class DeskRead(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a desk found. `lines` and `audit` are oldest first; `now_us` is the wall clock at the look."""

    now_us: int
    look: Look
    lines: Sequence[JournalLine]
    audit: Sequence[AuditLine]
    history_version: str


class DeskFiles:
    """One desk's files, and what is remembered of them between two looks. The one rule: one caller at a time."""

    def __init__(self, context: CockpitContext, paths: DeskPaths) -> None:
        self.name = paths.desk
        self._context = context
        self._paths = paths
        self._lines = RecentLines(paths.journal, _KEPT_TYPES, _KEPT)
        self._audit: tuple[AuditLine, ...] = ()
        self._audit_print: object = None
        self._looked_at = tuple(
            str(path)
            for path in (paths.snapshot, paths.control, paths.requests, *(paths.control / name for name in _COMMANDS))
        )

    def fingerprint(self) -> tuple[Print, ...]:
        """Changes when the snapshot or a control file does."""
        return tuple(print_of(path) for path in self._looked_at)

    def read(self, now_us: int, look: Look | None = None) -> DeskRead:
        """Look at the files; `look` where it was just made. `now_us` is the wall clock."""
        return DeskRead(
            now_us=now_us,
            look=look_at(self._paths, now_us) if look is None else look,
            lines=self._lines.oldest_first(),
            audit=self._newest_audit(),
            history_version=self._history_version(),
        )

    def page(self, read: DeskRead, reader: Reader) -> now_view.NowView:
        """What one reader is shown of a look."""
        look = read.look
        return now_view.build(
            look.snapshot,
            look.light,
            look.control,
            desk=self.name,
            now_us=read.now_us,
            receipts=receipts(
                read.lines,
                read.audit,
                look.control.files.values(),
                now_us=read.now_us,
                reader=reader,
                command_line=lambda command: self._context.shell(f"{command} --desk {self.name}"),
                snapshot=look.snapshot,
                is_live=look.light.state != "not_live",
            ),
            reader=reader,
            history_version=read.history_version,
            halt=halt_in_force(read.lines),
            command=self._context.beginning(self.name),
        )

    def _history_version(self) -> str:
        """Changes when a sample was added."""
        try:
            newest = max(self._paths.history.iterdir(), key=lambda path: path.name, default=None)
            if newest is None:
                return ""
            status = newest.stat()
        except OSError:
            return ""
        return f"{newest.name}:{status.st_size}"

    def _newest_audit(self) -> tuple[AuditLine, ...]:
        """The newest entries; read again only when a file there has changed. None where they cannot be read."""
        try:
            now_print = tuple(sorted((path.name, print_of(str(path))) for path in self._paths.audit.iterdir()))
            if now_print != self._audit_print:
                self._audit = tuple(newest_audit(self._paths.audit, _KEPT)[::-1])
                self._audit_print = now_print
        except OSError:
            return ()
        return self._audit


def halt_in_force(lines: Sequence[JournalLine]) -> JournalLine | None:
    """The newest halt that no reset follows; `lines` are oldest first."""
    newest = next((line for line in reversed(lines) if line.type in (JournalType.HALT, JournalType.RESET)), None)
    return newest if newest is not None and newest.type is JournalType.HALT else None


class DeskView:
    """One desk for one reader: for who asks once, and for the terminal. The one rule: one caller at a time."""

    def __init__(self, context: CockpitContext, paths: DeskPaths, reader: Reader) -> None:
        self._files = DeskFiles(context, paths)
        self._reader = reader

    def encoded(self, now_us: int) -> bytes:
        """The page as one line of JSON."""
        return msgspec.json.encode(self.build(now_us))

    def build(self, now_us: int) -> now_view.NowView:
        """Look at the files and put the page together. `now_us` is the wall clock."""
        return self._files.page(self._files.read(now_us), self._reader)

    def built_from(self, look: Look, now_us: int) -> now_view.NowView:
        """The page of a look that was just made: for who shows more of the same look."""
        return self._files.page(self._files.read(now_us, look), self._reader)
