"""A backtest's equity over time, thinned to what a screen can show."""

import numpy as np

from cockpit.equity import thin, width_of
from cockpit.runs.store import store
from state.runs.folder import BacktestPaths
from state.runs.tables import RunTable, numbers_of, times_of
from state.statistics.digest import Curve


def curve_of(paths: BacktestPaths) -> Curve:
    """Time, equity and drawdown of the run, thinned; each bucket keeps its extremes. Raises UnreadableError."""
    return store.made(("curve",), (paths.equity,), lambda: _read(paths))


def _read(paths: BacktestPaths) -> Curve:
    with RunTable(paths.equity) as table:
        found = table.columns(("ts_us", "ts", "equity_usd", "drawdown_pct"))
    equity_usd = numbers_of(found, "equity_usd")
    known = np.isfinite(equity_usd)
    depth = np.nan_to_num(numbers_of(found, "drawdown_pct")[known]).astype(np.float32)
    curve = Curve(times_of(found)[known], equity_usd[known], depth)
    return thin(curve, width_of(curve))
