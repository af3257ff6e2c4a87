"""The equity figure of a desk, read from its history."""

from typing import Any

from cockpit import figures
from cockpit.tiles_view import DRAWDOWN_LIMIT, limit_named
from cockpit.reader import Reader
from state.history import read_history
from state.layout import DeskPaths
from state.snapshot import read_snapshot


def equity_figure(paths: DeskPaths, reader: Reader) -> dict[str, Any]:
    """Plotly's JSON for the history on file, with the drawdown limit of the present snapshot. Raises OSError."""
    snapshot = read_snapshot(paths.snapshot).snapshot
    limit = None if snapshot is None else limit_named(snapshot.limits, DRAWDOWN_LIMIT)
    return figures.equity(
        list(read_history(paths.history)), drawdown_limit_pct=None if limit is None else limit.limit, reader=reader
    )
