"""The `bifrost` command whose daemon starts a segment every few lines, so that a short session rotates its journal."""

import functools

from cli.app import main
from daemon.runtime import recovery
from state.journal import JournalWriter

SEGMENT_BYTES = 6000

if __name__ == "__main__":
    recovery.JournalWriter = functools.partial(JournalWriter, segment_bytes=SEGMENT_BYTES)  # type: ignore[misc,assignment]
    main()
