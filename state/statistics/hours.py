"""P&L, hedges and refusals by hour of the day: when a desk earns, when it trades and when it is held back."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.statistics.digest import Curve
from state.statistics.executions import Hedge, marked_usd

_QUARTER_US = 900_000_000
"""Every zone's offset is a whole number of quarters of an hour."""
OVERNIGHT = None
"""The `hour` of what lies between one day's last sample and the next day's first."""


class HourRow(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of the day over all days taken together, or the nights (`hour` None)."""

    hour: int | None
    days: int
    """Days with a change of equity in this hour."""
    won: int
    """Of them, those on which it rose."""
    pnl_usd: float
    """Change of equity within the hour, summed over the days."""
    hedges: int
    shares: float
    hedge_pnl_usd: float | None
    """`executions.marked_usd` of the hedges sent in this hour, summed; None where none of them can be marked."""
    marked: int
    """Hedges that could be marked."""
    refused: int


def by_hour_of_day(
    curve: Curve,
    hedges: Sequence[Hedge],
    refused_us: NDArray[np.int64],
    *,
    day_starts_us: NDArray[np.int64],
    closes: Mapping[int, float | None],
    zone: ZoneInfo,
) -> tuple[HourRow, ...]:
    """Rows by hour of `zone`, the nights last; hours in which nothing moved, was traded or refused are left out.

    A sample's change of equity belongs to the hour in which the moment before it lies: the sample of 15:00:00 tells of
    the minute before. The first sample of a day tells of the night; where it repeats the evening's equity nothing was
    priced yet, and the next one does. The rows' P&L sums to last - first equity.

    Args:
        curve: equity, in time order.
        hedges: own orders that filled.
        refused_us: times of refusals.
        day_starts_us: first sample of each day, sorted.
        closes: index into `day_starts_us` -> the underlying's last price of that day.
        zone: whose hours.
    """
    hours, nights, changes, days = _changes(curve, day_starts_us, zone)
    traded: dict[int, list[tuple[Hedge, float | None]]] = {}
    if hedges:
        times = np.array([each.ts_us for each in hedges], dtype=np.int64)
        of_day = np.searchsorted(day_starts_us, times, side="right") - 1
        for each, hour, day in zip(hedges, hours_of(times, zone), of_day, strict=True):
            traded.setdefault(int(hour), []).append((each, marked_usd(each, closes.get(int(day)))))
    refusals = np.bincount(hours_of(refused_us, zone), minlength=24)
    rows = []
    for hour in range(24):
        within = (hours == hour) & ~nights
        mine = traded.get(hour, [])
        if changes[within].any() or mine or refusals[hour]:
            rows.append(_row(hour, changes[within], days[within], mine, int(refusals[hour])))
    if nights.any():
        rows.append(_row(OVERNIGHT, changes[nights], days[nights], [], 0))
    return tuple(rows)


def _row(
    hour: int | None,
    changes: NDArray[np.float64],
    days: NDArray[np.int64],
    traded: Sequence[tuple[Hedge, float | None]],
    refused: int,
) -> HourRow:
    _, place = np.unique(days, return_inverse=True)
    sums = np.bincount(place, weights=changes) if changes.size else np.empty(0)
    marks = [mark for _, mark in traded if mark is not None]
    return HourRow(
        hour=hour,
        days=int(sums.size),
        won=int(np.count_nonzero(sums > 0)),
        pnl_usd=math.fsum(changes.tolist()),
        hedges=len(traded),
        shares=math.fsum(each.quantity for each, _ in traded),
        hedge_pnl_usd=math.fsum(marks) if marks else None,
        marked=len(marks),
        refused=refused,
    )


def _changes(
    curve: Curve, day_starts_us: NDArray[np.int64], zone: ZoneInfo
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]:
    """Of each point but the first: hour, whether a night lies before it, the change of equity, its day's number."""
    if curve.ts_us.size < 2:
        return np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0), np.empty(0, np.int64)
    of_day = np.searchsorted(day_starts_us, curve.ts_us, side="right") - 1
    nights, changes = of_day[1:] != of_day[:-1], np.diff(curve.equity_usd)
    unpriced = nights & (changes == 0)
    nights[1:] |= unpriced[:-1]
    return hours_of(curve.ts_us[1:] - 1, zone), nights, changes, of_day[1:]


def hours_of(times_us: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """The hour 0 to 23 of each moment in a zone; asked of the zone once for each quarter of an hour that occurs."""
    quarters, place = np.unique(times_us // _QUARTER_US, return_inverse=True)
    each = [dt.datetime.fromtimestamp(int(quarter) * 900, zone).hour for quarter in quarters]
    return np.array(each, dtype=np.int64)[place] if each else np.empty(0, np.int64)
