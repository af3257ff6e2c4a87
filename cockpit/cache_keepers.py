"""Keeps the query caches of the desks whose operations somebody looks at. See `state.query.background`."""

import threading
from pathlib import Path

from state.layout import DeskPaths
from state.query.background import CacheKeeper, Progress


class CacheKeepers:
    """One keeper per desk, started when its operations are first looked at; shared by the pages' threads.

    The one rule: `close` ends them with the cockpit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keepers: dict[Path, CacheKeeper] = {}

    def keep(self, paths: DeskPaths) -> Progress:
        """See that the desk's cache is kept up to date; how far that is. Makes nothing for a desk that never ran."""
        with self._lock:
            keeper = self._keepers.get(paths.folder)
            if keeper is None:
                if not paths.journal.is_dir():
                    return Progress()
                keeper = CacheKeeper(paths.journal, paths.cache / "journal")
                keeper.start()
                self._keepers[paths.folder] = keeper
            return keeper.progress

    def close(self) -> None:
        """End every keeper; what one leaves half done is taken up by the next."""
        with self._lock:
            for keeper in self._keepers.values():
                keeper.stop()
            self._keepers.clear()


keepers = CacheKeepers()
"""Of this process: Streamlit runs its pages in it, each in a thread of its own."""
