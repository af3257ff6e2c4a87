"""The gate's audit, in `<root>/_cockpit/audit`: who came in, who left, who was refused.

Logins are written each. Refusals can be made by anybody who reaches the port, so they are bounded: the same kind
from the same address is written at once, then with its count after a minute, two, four, up to an hour (a page that was
left open asks for weeks), and all of them together no more than a burst of 30 and then 6 a minute. What found no room
is counted and told by the next line that does.
"""

import sys
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from state.audit import AuditError, append_audit
from state.layout import CockpitPaths

EVERY_US: Final = 60_000_000
RAREST_US: Final = 60 * EVERY_US
BURST: Final = 30.0
PER_MINUTE: Final = 6.0
CAPACITY: Final = 256
_LONGEST: Final = 120
_NAMES: Final = 5


class _Count(msgspec.Struct):
    kind: str
    address: str | None
    written_us: int
    every_us: int = 0
    """How long after the last line the next one may be written."""
    count: int = 0
    paths: list[str] = msgspec.field(default_factory=list)
    names: list[str] = msgspec.field(default_factory=list)


class GateRecord:
    """The writer. Safe from several threads; a thread of its own writes, for each line waits for the disk."""

    def __init__(self, paths: CockpitPaths) -> None:
        self._paths = paths
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, str | None], _Count] = OrderedDict()
        self._others = 0
        self._room, self._room_us = BURST, 0
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gate-audit")
        self.failing: str | None = None
        """What went wrong with the last write; None when all is well."""

    @property
    def root(self) -> Path:
        """Whose audit this is."""
        return self._paths.root

    def event(
        self,
        action: str,
        *,
        by: str,
        outcome: str,
        address: str | None,
        now_us: int,
        session_id: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Write one line (a login, a logout, a session that ended)."""
        if session_id is not None:
            data = {"session": session_id, **(data or {})}
        self._write(action, by=by, outcome=outcome, address=address, now_us=now_us, data=data)

    def refused(self, kind: str, *, address: str | None, now_us: int, by: str = "", path: str = "") -> None:
        """Count a refusal, and write it when its turn has come. `by` and `path` are others' text and are cut."""
        with self._lock:
            key = (kind, address)
            count = self._counts.get(key)
            if count is None:
                count = self._counts[key] = _Count(kind, address, now_us)
            self._counts.move_to_end(key)
            count.count += 1
            _note(count.names, by)
            _note(count.paths, path)
            due = self._taken(key, now_us)
            while len(self._counts) > CAPACITY:
                self._others += self._counts.popitem(last=False)[1].count
        if due is not None:
            self._write_count(due, now_us)

    def flush(self, now_us: int) -> None:
        """Write the counts whose minute is over."""
        with self._lock:
            due = []
            if self._others and self._has_room(now_us):
                due.append(_Count("others", None, now_us, count=self._others))
                self._others = 0
            for key, count in list(self._counts.items()):
                if count.count == 0 and now_us - count.written_us >= count.every_us:
                    del self._counts[key]
                elif (found := self._taken(key, now_us)) is not None:
                    due.append(found)
        for entry in due:
            self._write_count(entry, now_us)

    def close(self, now_us: int) -> None:
        """Write in one line what no other has told, and wait for it."""
        with self._lock:
            left = self._others + sum(count.count for count in self._counts.values())
            self._counts.clear()
            self._others = 0
        if left:
            self._write_count(_Count("others", None, now_us, count=left), now_us)
        self._writer.shutdown(wait=True)

    def wait(self) -> None:
        """Until everything so far is written."""
        self._writer.submit(lambda: None).result()

    def _taken(self, key: tuple[str, str | None], now_us: int) -> _Count | None:
        """A count whose turn it is, out of the table; it begins anew there. The lock is held."""
        count = self._counts[key]
        if count.count == 0 or now_us - count.written_us < count.every_us or not self._has_room(now_us):
            return None
        every_us = min(max(EVERY_US, 2 * count.every_us), RAREST_US)
        self._counts[key] = _Count(count.kind, count.address, now_us, every_us)
        return count

    def _has_room(self, now_us: int) -> bool:
        """Take the room of one line; false when there is none."""
        self._room = min(BURST, self._room + max(0, now_us - self._room_us) / 60_000_000 * PER_MINUTE)
        self._room_us = now_us
        if self._room < 1:
            return False
        self._room -= 1
        return True

    def _write_count(self, entry: _Count, now_us: int) -> None:
        data: dict[str, Any] = {"count": entry.count}
        if entry.paths:
            data["paths"] = entry.paths
        if len(entry.names) > 1:
            data["names"] = entry.names
        by = entry.names[0] if entry.names else "unknown"
        self._write("refused", by=by, outcome=entry.kind, address=entry.address, now_us=now_us, data=data)

    def _write(self, action: str, **line: Any) -> None:
        with suppress(RuntimeError):  # after `close`: a request that was still on its way
            self._writer.submit(self._append, action, **line)

    def _append(
        self, action: str, *, by: str, outcome: str, address: str | None, now_us: int, data: dict[str, Any] | None
    ) -> None:
        """A full disk keeps nobody from logging in to stop a desk; it is said on the terminal and on the pages."""
        try:
            self._paths.create()
            append_audit(
                self._paths.audit,
                wall_us=now_us,
                source="cockpit",
                action=action,
                by=by[:_LONGEST],
                outcome=outcome,
                address=address,
                data=data,
            )
        except (AuditError, OSError) as error:
            if self.failing is None:
                sys.stderr.write(f"cockpit: who comes in cannot be audited: {error}\n")
            self.failing = str(error)
        else:
            self.failing = None


def _note(known: list[str], text: str) -> None:
    text = text[:_LONGEST]
    if text and text not in known and len(known) < _NAMES:
        known.append(text)
