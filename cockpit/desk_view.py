"""Reads one desk's files and makes the Now page's value of them. Keeps only its place in the journal."""

import msgspec

from cockpit import now_view
from cockpit.context import CockpitContext
from cockpit.reader import Reader
from cockpit.receipts import Receipt, receipts
from cockpit.recent_lines import RecentLines
from state.audit import newest_audit
from state.control import ControlRead
from state.layout import DeskPaths
from state.look import Look, look_at
from state.records import AuditLine, JournalType

_RECEIPT_TYPES = frozenset(
    {
        JournalType.CONTROL_SEEN,
        JournalType.CONTROL_STARTED,
        JournalType.CONTROL_DONE,
        JournalType.CONTROL_REFUSED,
        JournalType.FLATTEN_ABORTED,
        JournalType.RUN_STARTED,
    }
)
_KEPT = 60


class DeskView:
    """One desk. The one rule: one caller at a time (the hub's watcher, or a request of its own)."""

    def __init__(self, context: CockpitContext, paths: DeskPaths, reader: Reader) -> None:
        self._context = context
        self._reader = reader
        self._paths = paths
        self._commands = RecentLines(paths.journal, _RECEIPT_TYPES, _KEPT)

    def encoded(self, now_us: int) -> bytes:
        """The page as one line of JSON."""
        return msgspec.json.encode(self.build(now_us))

    def build(self, now_us: int) -> now_view.NowView:
        """Look at the files and put the page together. `now_us` is the wall clock."""
        return self.built_from(look_at(self._paths, now_us), now_us)

    def built_from(self, look: Look, now_us: int) -> now_view.NowView:
        """The page of a look that was just made: for who shows more of the same look."""
        return now_view.build(
            look.snapshot,
            look.light,
            look.control,
            desk=self._paths.desk,
            now_us=now_us,
            receipts=self._receipts(look.control, now_us),
            reader=self._reader,
            history_version=self._history_version(),
        )

    def _receipts(self, control: ControlRead, now_us: int) -> tuple[Receipt, ...]:
        return receipts(
            self._commands.oldest_first(),
            self._audit(),
            control.files.values(),
            now_us=now_us,
            reader=self._reader,
            command_line=lambda command: self._context.shell(f"{command} --desk {self._paths.desk}"),
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

    def _audit(self) -> list[AuditLine]:
        """The newest entries, oldest first; none where the audit cannot be read."""
        try:
            return newest_audit(self._paths.audit, _KEPT)[::-1]
        except OSError:
            return []
