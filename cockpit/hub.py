"""One watcher per desk for all open pages: it looks at the files and hands the newest page to every stream.

A look is a handful of `stat` calls every 50 ms. Only a change, or a second without one, builds a page again; what
is slow (the journal's tail) happens in a thread. A slow reader skips pages, it never queues them.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

from cockpit.clock import wall_us
from cockpit.context import CockpitContext
from cockpit.desk_view import DeskView
from cockpit.reader import Reader
from state.layout import DeskPaths

LOOK_EVERY_S = 0.05
BEAT_EVERY_S = 1.0
COMMANDS = ("stop", "pause", "flatten")


def fingerprint(paths: DeskPaths) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes when the snapshot or a control file does: (mtime ns, inode, size) each, None when missing."""
    return tuple(
        _stat(path)
        for path in (str(paths.snapshot), str(paths.control), *(str(paths.control / name) for name in COMMANDS))
    )


def _stat(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - twenty times a second and desk
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


class _Feed:
    """The newest message of one desk, and who waits for it."""

    def __init__(self, view: DeskView) -> None:
        self.view = view
        self.version = 0
        self.message = b""
        self.changed = asyncio.Condition()
        self.readers = 0
        self.task: asyncio.Task[None] | None = None

    def is_news(self, seen: int) -> bool:
        """Whether there is a newer message than number `seen`."""
        return self.version != seen

    def is_dead(self) -> bool:
        """Whether nobody looks any more."""
        return self.task is None


class Hub:
    """Streams of pages. The one rule: all calls but `close` come from the server's event loop."""

    def __init__(self, context: CockpitContext) -> None:
        self.context = context
        self._feeds: dict[tuple[str, Reader], _Feed] = {}
        self._closing = False

    def close(self) -> None:
        """End every stream at its next look. Safe from a signal handler."""
        self._closing = True

    async def stream(self, paths: DeskPaths, reader: Reader) -> AsyncIterator[bytes]:
        """Server-sent events of one desk, from now until the client leaves or the server closes."""
        feed = self._feeds.get((paths.desk, reader))
        if feed is None:
            feed = self._feeds[paths.desk, reader] = _Feed(DeskView(self.context, paths, reader))
        feed.readers += 1
        if feed.task is None:
            feed.task = asyncio.create_task(self._watch(feed, paths), name=f"watch {paths.desk}")
            feed.task.add_done_callback(_tell)
        try:
            seen = 0
            yield b"retry: 500\n\n"
            while not self._closing:
                async with feed.changed:
                    await feed.changed.wait_for(lambda: feed.is_news(seen) or feed.is_dead())  # noqa: B023 -- awaited at once
                    if feed.is_dead():
                        # Its watcher is gone: ending the stream makes the browser come again and start a new one.
                        return
                    seen, message = feed.version, feed.message
                yield message
        finally:
            feed.readers -= 1

    async def _watch(self, feed: _Feed, paths: DeskPaths) -> None:
        """Look until the last reader has gone. Publishing also wakes the readers when the server closes."""
        loop = asyncio.get_running_loop()
        last_print: object = None
        built_at = -BEAT_EVERY_S
        try:
            while feed.readers > 0 and not self._closing:
                now_print = fingerprint(paths)
                if now_print != last_print or loop.time() - built_at >= BEAT_EVERY_S:
                    last_print, built_at = now_print, loop.time()
                    body = await asyncio.to_thread(feed.view.encoded, wall_us())
                    async with feed.changed:
                        feed.version += 1
                        feed.message = b"event: page\ndata: " + body + b"\n\n"
                        feed.changed.notify_all()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            feed.task = None
            async with feed.changed:
                feed.changed.notify_all()


def _tell(task: asyncio.Task[None]) -> None:
    """A watcher's death must not vanish: one line for the operator's terminal."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        sys.stderr.write(f"cockpit: {task.get_name()} failed: {type(error).__name__}: {error}\n")
