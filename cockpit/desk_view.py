"""Reads one desk's files and makes the Now page's value of them. Keeps only its place in the journal."""

from collections import deque
from itertools import islice

import msgspec

from cockpit import now_view
from cockpit.context import CockpitContext
from cockpit.reader import Reader
from cockpit.receipts import Receipt, receipts
from state.audit import newest_audit
from state.control import ControlRead
from state.follow import JournalTail
from state.journal_reader import lines_backwards
from state.layout import DeskPaths
from state.look import Look, look_at
from state.records import AuditLine, JournalLine, JournalType

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
_LOOK_BACK_LINES = 5000
"""How far back the first look goes for commands; later ones only read what is new."""


class DeskView:
    """One desk. The one rule: one caller at a time (the hub's watcher, or a request of its own)."""

    def __init__(self, context: CockpitContext, paths: DeskPaths, reader: Reader) -> None:
        self._context = context
        self._reader = reader
        self._paths = paths
        self._tail: JournalTail | None = None
        self._commands: deque[JournalLine] = deque(maxlen=_KEPT)
        self._known = 0
        """`seq` of the newest line among them."""

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
        try:
            self._follow_journal()
        except OSError:
            # An unreadable journal is the daemon's and the light's matter; receipts then stay as they were.
            self._tail = None
        return receipts(
            list(self._commands),
            self._audit(),
            control.files.values(),
            now_us=now_us,
            reader=self._reader,
            command_line=lambda command: self._context.shell(f"{command} --desk {self._paths.desk}"),
        )

    def _follow_journal(self) -> None:
        if self._tail is None:
            # The tail stands at the end before we look back, so that no line falls between the two.
            self._tail = JournalTail(self._paths.journal)
            back = islice(lines_backwards(self._paths.journal), _LOOK_BACK_LINES)
            found = [line for line in back if line.type in _RECEIPT_TYPES]
            self._commands = deque(found[:_KEPT][::-1], maxlen=_KEPT)
            self._known = self._commands[-1].seq if self._commands else 0
        for line in self._tail.poll():
            if line.seq == 1:
                self._known = 0  # the journal was put away and begun anew, as a salvage does
            if line.type in _RECEIPT_TYPES and line.seq > self._known:
                self._commands.append(line)
                self._known = line.seq
        if self._tail.has_more or self._tail.gap is not None:
            self._tail = None  # too far behind, or lines are gone: the next look goes back from the end again

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
