"""One watcher per desk for all open pages: it looks at the files and hands what changed to every stream.

A look is a handful of `stat` calls. Only a change, or a second without one, reads the files again: once for all
readers, in a thread, and then makes the page of each language and time zone that somebody has open. A stream sends
the parts of the page that changed since its last message; a slow reader skips messages, it never queues them.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import msgspec

from cockpit.clock import wall_us
from cockpit.context import CockpitContext
from cockpit.desk_view import DeskFiles
from cockpit.fleet import FleetFiles
from cockpit.reader import Reader
from state.layout import DeskPaths

LOOK_EVERY_S = 0.025
"""File to pixel is this at worst, and half of it mostly, before any work begins."""
BEAT_EVERY_S = 1.0
MOST_STREAMS = 120
"""Open at once, of all pages: an operator has a handful; more is a loop somewhere. The gate bounds each user's."""


class TooManyStreamsError(RuntimeError):
    """More pages are open than one cockpit serves."""


class Source(Protocol):
    """What a stream tells of: the files of one desk, or of all. One caller at a time."""

    name: str

    def fingerprint(self) -> object:
        """Changes when the files do; a few `stat` calls."""

    def read(self, now_us: int) -> Any:
        """Look at the files; may take milliseconds."""

    def page(self, read: Any, reader: Reader) -> msgspec.Struct:
        """What one reader is shown; every field is a part of the message."""


class Parts:
    """The newest page of one reader, as encoded parts with the number of the message in which each changed."""

    def __init__(self) -> None:
        self.readers = 0
        self._parts: dict[str, tuple[int, bytes]] = {}
        self._messages: dict[int, bytes] = {}

    def take(self, page: msgspec.Struct, number: int) -> None:
        """The page as of message `number`."""
        parts = dict(self._parts)  # the event loop may be reading the old ones
        for name in page.__struct_fields__:
            encoded = msgspec.json.encode(getattr(page, name))
            known = parts.get(name)
            if known is None or known[1] != encoded:
                parts[name] = (number, encoded)
        self._parts, self._messages = parts, {}

    def message(self, seen: int) -> bytes:
        """What changed after message `seen`; everything for one who has seen none."""
        made = self._messages.get(seen)
        if made is None:
            changed = (
                b'"%b":%b' % (name.encode(), text) for name, (number, text) in self._parts.items() if number > seen
            )
            made = self._messages[seen] = b"event: page\ndata: {" + b",".join(changed) + b"}\n\n"
        return made

    @property
    def is_empty(self) -> bool:
        """Whether no page was made yet."""
        return not self._parts


class _Watch:
    """One source that somebody looks at, and its readers' pages."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.number = 0
        self.pages: dict[Reader, Parts] = {}
        self.changed = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nobody looks any more."""
        return self.task is None

    def refresh(self, pages: dict[Reader, Parts], now_us: int, number: int) -> None:
        """Read once, and make every reader's page. In a thread."""
        read = self.source.read(now_us)
        for reader, parts in pages.items():
            parts.take(self.source.page(read, reader), number)


class Hub:
    """Streams of pages. The one rule: all calls but `close` come from the server's event loop."""

    def __init__(self, context: CockpitContext) -> None:
        self.context = context
        self._watches: dict[str, _Watch] = {}
        self._open = 0
        self._closing = False

    def close(self) -> None:
        """End every stream at its next look. Safe from a signal handler."""
        self._closing = True

    @property
    def open_streams(self) -> int:
        """How many pages listen now."""
        return self._open

    def stream(self, paths: DeskPaths, reader: Reader) -> AsyncIterator[bytes]:
        """Server-sent events of one desk. Raises TooManyStreamsError."""
        return self._stream(f"desk {paths.desk}", lambda: DeskFiles(self.context, paths), reader)

    def fleet(self, reader: Reader) -> AsyncIterator[bytes]:
        """Server-sent events of every desk under the root. Raises TooManyStreamsError."""
        return self._stream("fleet", lambda: FleetFiles(self.context), reader)

    def _stream(self, name: str, source: Callable[[], Source], reader: Reader) -> AsyncIterator[bytes]:
        if self._open >= MOST_STREAMS:
            raise TooManyStreamsError(f"{self._open} pages are open already; close some")
        return self._events(name, source, reader)

    async def _events(self, name: str, source: Callable[[], Source], reader: Reader) -> AsyncIterator[bytes]:
        """From now until the client leaves or the server closes."""
        watch = self._watches.get(name)
        if watch is None:
            watch = self._watches[name] = _Watch(source())
        parts = watch.pages.setdefault(reader, Parts())
        parts.readers += 1
        self._open += 1
        if watch.task is None:
            watch.task = asyncio.create_task(self._look(watch), name=f"watch {name}")
            watch.task.add_done_callback(_tell)
        try:
            seen = 0
            yield b": hello\n\n"  # headers and first bytes leave at once, before the first look
            while not self._closing:
                async with watch.changed:
                    await watch.changed.wait_for(lambda: _is_news(watch, parts, seen))  # noqa: B023 -- awaited at once
                    if watch.is_over:
                        # Its watcher is gone: ending the stream makes the browser come again and start a new one.
                        return
                    message, seen = parts.message(seen), watch.number
                yield message
        finally:
            self._open -= 1
            parts.readers -= 1
            if parts.readers == 0 and watch.pages.get(reader) is parts:
                del watch.pages[reader]
            if not watch.pages and self._watches.get(name) is watch:
                del self._watches[name]

    async def _look(self, watch: _Watch) -> None:
        """Look until the last reader has gone. Publishing also wakes the readers when the server closes."""
        loop = asyncio.get_running_loop()
        last_print: object = None
        built_at = -BEAT_EVERY_S
        try:
            while watch.pages and not self._closing:
                now_print = watch.source.fingerprint()
                is_due = loop.time() - built_at >= BEAT_EVERY_S
                if now_print != last_print or is_due or any(parts.is_empty for parts in watch.pages.values()):
                    last_print, built_at = now_print, loop.time()
                    await asyncio.to_thread(watch.refresh, dict(watch.pages), wall_us(), watch.number + 1)
                    async with watch.changed:
                        watch.number += 1
                        watch.changed.notify_all()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            watch.task = None
            async with watch.changed:
                watch.changed.notify_all()


def _is_news(watch: _Watch, parts: Parts, seen: int) -> bool:
    return watch.is_over or (watch.number != seen and not parts.is_empty)


def _tell(task: asyncio.Task[None]) -> None:
    """A watcher's death must not vanish: one line for the operator's terminal."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        sys.stderr.write(f"cockpit: {task.get_name()} failed: {type(error).__name__}: {error}\n")
