"""The one way by which a daemon writes the present and the past, so that statistics need nothing new on its side."""

from collections.abc import Sequence

from state.history import append_sample
from state.layout import DeskPaths
from state.records import HistorySample, Snapshot
from state.snapshot import write_snapshot


def write_present(paths: DeskPaths, snapshot: Snapshot, *, samples: Sequence[HistorySample] = (), sync: bool) -> None:
    """Append the samples, then replace the snapshot: nobody sees a present whose past is missing. Raises OSError."""
    for sample in samples:
        append_sample(paths.history, sample)
    write_snapshot(paths.snapshot, snapshot, sync=sync)
