"""The figures of the report: each a function of the run's tables that returns HTML. Pure."""

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from daemon.backtest.report_axis import Axis
from daemon.backtest.report_chart import (
    COLUMNS,
    WIDTH,
    Scale,
    Series,
    area,
    band,
    columns,
    level,
    line,
    marks,
    panel,
    readable,
    scale_of,
)
from state.runs.records import Summary
from state.statistics.measures import histogram
from state.statistics.past import Past
from state.statistics.run_tables import numbers, texts, word_codes
from state.statistics.thinning import thin

MOST_MARKS = 800
"""More hedges than this would lie on each other: their number in each session is drawn instead."""


def equity(table: pa.Table, axis: Axis) -> str:
    """Equity above, drawdown below; empty without any."""
    values = numbers(table, "equity_usd")
    if not np.isfinite(values).any():
        return ""
    peaks = np.fmax.accumulate(values)
    depth = np.where(peaks > 0, (values / peaks - 1) * 100, 0.0)
    places = axis.places(axis.times_us)
    kept = thin(values, COLUMNS)
    deep = thin(depth, COLUMNS)
    above = scale_of(float(np.nanmin(values)), float(np.nanmax(values)), 240)
    below = scale_of(float(np.nanmin(depth)), 0.0, 90)
    first = float(values[np.isfinite(values)][0])
    drawing = level(first, above, "start") + line(places[kept], values[kept], above, "main")
    told = (
        _series(("equity", "USD", 2), places, values, kept),
        _series(("drawdown", "%", 3), places, depth, deep),
    )
    lines = [(place, "") for place, _ in axis.labels]
    return (
        panel(above, drawing, unit="USD", x_ticks=lines, name="equity")
        + panel(below, area(places[deep], depth[deep], below, "loss"), unit="drawdown, %", x_ticks=axis.labels)
        + readable(axis.times_us[kept], places[kept], told)
    )


def _series(
    told: tuple[str, str, int], places: NDArray[np.float64], values: NDArray[np.float64], kept: NDArray[np.int64]
) -> Series:
    """`told` is name, unit and decimals."""
    name, unit, decimals = told
    return Series(name=name, unit=unit, decimals=decimals, x=places[kept], values=values[kept])


def hedges(table: pa.Table, decisions: pa.Table, past: Past, axis: Axis) -> tuple[str, int]:
    """The price with a tick for each hedge, or hedges by session where they are many; and how many ticks there are."""
    price = numbers(table, "spot")
    if not np.isfinite(price).any() or not past.hedges:
        return "", 0
    places = axis.places(axis.times_us)
    kept = thin(price, COLUMNS)
    scale = scale_of(float(np.nanmin(price)), float(np.nanmax(price)), 240)
    drawing = line(places[kept], price[kept], scale, "price")
    sent = decisions.filter(decisions.column("hedged"))
    at, sides, spots = numbers(sent, "ts_us", np.int64), texts(sent, "side"), numbers(sent, "spot")
    is_few = at.size <= MOST_MARKS
    if is_few:
        shown = zip(axis.places(at).tolist(), spots.tolist(), sides, strict=True)
        drawing += marks([(x, spot, side == "BUY") for x, spot, side in shown if np.isfinite(spot)], scale)
    told = readable(axis.times_us[kept], places[kept], [_series(("price", "USD", 4), places, price, kept)])
    is_split = len(past.days) > 1
    found = panel(scale, drawing, unit="price, USD", x_ticks=[(x, "" if is_split else name) for x, name in axis.labels])
    if is_split:
        counts = [float(len(past.hedges_by_day.get(day.day, ()))) for day in past.days]
        low = Scale(low=0.0, high=max(counts) * 1.1 or 1.0, height=90)
        found += panel(low, columns(counts, low), unit="hedges by session", x_ticks=axis.labels)
    return found + told, int(at.size) if is_few else 0


def delta(table: pa.Table, decisions: pa.Table, axis: Axis, settings: dict[str, str]) -> tuple[str, str]:
    """Net delta at every decision moment of a session, extremes kept, within the bands of the profile; and a note.

    Few moments far out (an opening position not hedged yet) would press the band flat: beyond `_clip` the line is
    cut, and the note says so.
    """
    codes, _ = word_codes(decisions, "session") if "session" in decisions.column_names else (None, None)
    is_open = slice(None) if codes is None or not (codes >= 0).any() else codes >= 0
    values, at = numbers(decisions, "net_delta_shares")[is_open], numbers(decisions, "ts_us", np.int64)[is_open]
    own = numbers(table, "own_shares")
    if not np.isfinite(values).any() or axis.times_us.size == 0:
        return "", ""
    quiet, threshold = (_number(settings.get(f"gates.state.delta.{name}")) for name in BANDS)
    around = [side * value for value in (quiet, threshold) if value is not None for side in (-1.0, 1.0)]
    most = _clip(values, threshold)
    scale = scale_of(float(np.nanmax([np.nanmin(values), -most])), float(np.nanmin([np.nanmax(values), most])), 240,
                     around=around)  # fmt: skip
    kept = thin(values, COLUMNS)
    places = axis.places(at[kept])
    drawing = "" if quiet is None else band(-quiet, quiet, scale, "quiet")
    drawing += line(places, values[kept], scale, "main" if kept.size == values.size else "main dense")
    if threshold is not None:
        drawing += level(threshold, scale, "limit") + level(-threshold, scale, "limit")
    own_kept = thin(own, COLUMNS)
    sample_places = axis.places(axis.times_us)
    below = scale_of(*_extremes(own), 90, around=[0.0])
    lines = [(place, "") for place, _ in axis.labels]
    told = (
        Series(name="net delta", unit="shares", decimals=1, x=places, values=values[kept]),
        _series(("own", "shares", 0), sample_places, own, own_kept),
    )
    cut = int(np.count_nonzero(np.abs(values) > most))
    note = f" {cut:,} of {values.size:,} moments lie beyond {most:,.0f} shares and are cut off." if cut else ""
    found = (
        panel(scale, drawing, unit="net delta, shares", x_ticks=lines)
        + panel(
            below, line(sample_places[own_kept], own[own_kept], below, "main"), unit="own, shares", x_ticks=axis.labels
        )
        + readable(at[kept], places, told)
    )
    return found, note


BANDS = ("epsilon_band", "threshold_hedge_shares")


def _clip(values: NDArray[np.float64], threshold: float | None) -> float:
    """How far out the picture reaches, shares: everything, or where five moments in a thousand lie much farther."""
    sizes = np.abs(values[np.isfinite(values)])
    usual = max(float(np.quantile(sizes, 0.995)) * 1.5, 3.0 * (threshold or 0.0))
    most = float(sizes.max())
    return usual if 0 < usual < most / 2 else most


def _extremes(values: NDArray[np.float64]) -> tuple[float, float]:
    return (float(np.nanmin(values)), float(np.nanmax(values))) if np.isfinite(values).any() else (0.0, 0.0)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def sessions(summary: Summary) -> str:
    """P&L of each session as bars; nothing of a single one, which the key figures tell."""
    if len(summary.days) < 2:
        return ""
    values = [day.pnl_usd for day in summary.days]
    scale = scale_of(min(values), max(values), 160, around=[0.0])
    every = max(1, -(-len(values) // 6))
    room = WIDTH / len(values)
    labels = [((number + 0.5) * room, day.day) for number, day in enumerate(summary.days) if number % every == 0]
    return panel(scale, level(0.0, scale, "start") + columns(values, scale), unit="P&L, USD", x_ticks=labels)


def slippage(past: Past) -> str:
    """How the hedges' slippage is spread, in basis points of the value at the decisions' mids."""
    found = histogram([each.slippage_bps for each in past.hedges if each.slippage_bps is not None], max_bins=24)
    if found.n == 0:
        return ""
    counts = [float(count) for count in found.counts]
    scale = Scale(low=0.0, high=max(counts) * 1.1, height=160)
    room = WIDTH / len(counts)
    every = max(1, -(-len(counts) // 6))
    labels = [(number * room, f"{edge:g}") for number, edge in enumerate(found.edges) if number % every == 0]
    return panel(scale, columns(counts, scale), unit="hedges, by basis points from .. to", x_ticks=labels)
