"""Watches the control folder: inotify makes it fast, a poll makes it certain.

Reading is always a whole look at the folder; what inotify says only decides when to look.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from watchdog.events import (
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirModifiedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from daemon.core.events import Control, ControlFile
from daemon.runtime.clocks import wall_us
from state.control import ControlRead, RequestRead, read_control, read_requests

_log = structlog.stdlib.get_logger("bifrost.runtime.control_watch")

POLL_S: Final = 0.5
"""The design promises at most one second without inotify."""

# Reading a file raises opened / closed events too; looking at those would make every look cause the next one.
_MEANINGFUL: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileAttribEvent,
    FileDeletedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirModifiedEvent,
    DirAttribEvent,
    DirDeletedEvent,
    DirMovedEvent,
]


class ControlWatch:
    """Calls `changed` with every new content of the folder, and `requested` once for each waiting request.

    The one rule: both are called in the loop's thread. `now_us` gives the core's `ts` for the event; ages are the
    machine's own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        changed: Callable[[Control], None],
        requested: Callable[[RequestRead], None] | None,
        now_us: Callable[[], int] = wall_us,
        poll_s: float = POLL_S,
    ) -> None:
        self._folder = folder
        self._changed = changed
        self._requested = requested
        self._now_us = now_us
        self._poll_s = poll_s
        self._seen: object = None
        self._requests_seen: set[str] = set()
        self._poke = asyncio.Event()
        self._observer: BaseObserver | None = None
        self._watch: ObservedWatch | None = None
        self._armed_inode: tuple[int, int] | None = None
        self._inotify_problem: str | None = None

    def poke(self) -> None:
        """Look soon (from the loop's thread)."""
        self._poke.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()

        def poke_from_thread() -> None:
            loop.call_soon_threadsafe(self._poke.set)

        handler = _Handler(poke_from_thread)
        try:
            while True:
                self._arm(handler)
                # Look after arming: what came before the watch stood is seen now, what comes after is reported.
                self.look()
                try:
                    await asyncio.wait_for(self._poke.wait(), self._poll_s)
                except TimeoutError:
                    continue
                self._poke.clear()
        finally:
            self._disarm()

    def look(self) -> None:
        """Read the folder now; report a change of the set, of a file's time or note, or of readability."""
        now = wall_us()
        read = read_control(self._folder, now)
        content = (
            tuple(
                (file.name, file.since_us, file.readable, file.by, file.reason, file.shares)
                for file in read.files.values()
            ),
            read.unknown_names,
            read.readable,
        )
        if content != self._seen:
            self._seen = content
            self._changed(control_event(read, ts_us=self._now_us()))
        if self._requested is not None:
            waiting = read_requests(self._folder / "requests", now)
            for request in waiting:
                if request.name not in self._requests_seen:
                    self._requested(request)
            self._requests_seen = {request.name for request in waiting}

    def _arm(self, handler: FileSystemEventHandler) -> None:
        """Watch the folder that has the name now: a recreated one is another inode and was never watched."""
        inode = _inode(self._folder)
        if inode == self._armed_inode:
            return
        self._disarm()
        if inode is None:
            return
        try:
            self._observer = Observer()
            self._watch = self._observer.schedule(
                handler, str(self._folder), recursive=self._requested is not None, event_filter=_MEANINGFUL
            )
            self._observer.start()
        except OSError as error:
            # No inotify (its limits are per user, or the folder went just now): the poll alone keeps the promise.
            self._observer = None
            if str(error) != self._inotify_problem:
                self._inotify_problem = str(error)
                _log.warning("control_watch_polls_only", error=str(error))
            return
        self._armed_inode = inode

    def _disarm(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
        self._observer = None
        self._armed_inode = None


class _Handler(FileSystemEventHandler):
    """Runs in the observer's thread."""

    def __init__(self, poke: Callable[[], None]) -> None:
        self._poke = poke

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Whatever it was: look."""
        del event
        try:
            self._poke()
        except RuntimeError:
            # The loop has closed: the daemon is leaving.
            return


def control_event(read: ControlRead, *, ts_us: int) -> Control:
    """One look at the folder, as the core's event."""
    return Control(
        ts_us=ts_us,
        files=tuple(
            ControlFile(
                name=file.name,
                since_us=file.since_us,
                age_ms=file.age_ms,
                readable=file.readable,
                by=file.by,
                reason=file.reason,
                shares=file.shares,
            )
            for file in read.files.values()
        ),
        unknown_names=read.unknown_names,
        readable=read.readable,
    )


def _inode(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
