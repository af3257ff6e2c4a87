"""Measures the desk's disk: what is free on it, and how long the journal's appends take.

The core hears of a measurement when it changes a verdict, else once a minute: an idle desk stays idle, and the tape
of a replayed day is not filled with the state of the machine that played it.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from config.schema import Storage
from daemon.core.book import DiskView
from daemon.core.disk import judge
from daemon.core.events import AnyEvent, DiskReport
from daemon.runtime.clocks import Clock, monotonic_ns
from daemon.runtime.slowest_append import SlowestAppend

_log = structlog.stdlib.get_logger("bifrost.runtime.disk")

_EVERY_S: Final = 2.0
_AT_LEAST_EVERY_S: Final = 60.0
_MIB: Final = 1024 * 1024


class DiskWatch:
    """Samples the disk under `folders`, where they lie on several the fullest, and emits `DiskReport`.

    The one rule: `look` is called in the loop's thread before any order can leave, then `run` goes on.
    """

    def __init__(
        self,
        folders: tuple[Path, ...],
        *,
        limits: Storage,
        clock: Clock,
        emit: Callable[[AnyEvent], None],
        slowest: SlowestAppend,
        every_s: float = _EVERY_S,
    ) -> None:
        self._folders = folders
        self._limits = limits
        self._clock = clock
        self._emit = emit
        self._slowest = slowest
        self._every_s = every_s
        self._told: DiskView | None = None
        self._told_ns = 0
        self._unreadable = False

    async def run(self) -> None:
        """Look until cancelled. A disk that hangs must not hang the loop: it is asked in a thread."""
        while True:
            await asyncio.sleep(self._every_s)
            self._tell(*await asyncio.to_thread(self._measure))

    def look(self) -> None:
        """Measure and tell at once."""
        self._tell(*self._measure())

    def _measure(self) -> tuple[float, float | None]:
        """Free MiB for this user, and free inodes (None where the file system does not count them)."""
        try:
            found = [os.statvfs(folder) for folder in self._folders]
        except OSError as error:
            if not self._unreadable:
                _log.error("disk_not_measured", error=str(error))
            self._unreadable = True
            return 0.0, None  # what cannot be asked has no room to offer
        self._unreadable = False
        inodes = [each.f_favail for each in found if each.f_files]
        return min(each.f_bavail * each.f_frsize for each in found) / _MIB, min(inodes, default=None)

    def _tell(self, free_mib: float, free_inodes: float | None) -> None:
        now_ns = monotonic_ns()
        report = DiskReport(
            ts_us=self._clock.now_us(),
            free_mib=round(free_mib, 1),
            free_inodes=free_inodes,
            slowest_append_ms=round(self._slowest.within(now_ns), 1),
        )
        told = self._told
        disk = judge(DiskView() if told is None else told, report, self._limits)
        same = told is not None and (disk.low, disk.slow) == (told.low, told.slow)
        if same and now_ns - self._told_ns < _AT_LEAST_EVERY_S * 1e9:
            return
        self._told, self._told_ns = disk, now_ns
        self._emit(report)
