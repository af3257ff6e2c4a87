"""The tables of a past as plain rows, for CSV files and JSON: English names with units, times in UTC, no thousands."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from state.statistics.days import PARTS, By, Period
from state.statistics.drawdowns import Drawdown
from state.statistics.executions import Hedge
from state.statistics.hours import HourRow
from state.statistics.measures import Histogram
from state.times import iso_from_us

Row = Mapping[str, object]


def period_rows(found: Sequence[Period], by: By) -> list[Row]:
    """Days, weeks or months."""
    return [
        {
            by: each.name,
            "first_day": each.first_day,
            "last_day": each.last_day,
            "days": each.days,
            "days_with_pnl": each.n,
            "days_won": each.won,
            "pnl_usd": each.pnl_usd,
            "return_pct": each.return_pct,
            "equity_usd": each.equity_usd,
            "hedges": each.hedges,
            "traded_usd": each.traded_usd,
            "wear_per_10k": each.wear_per_10k,
            **(dict.fromkeys(PARTS) if each.parts is None else each.parts),
            "flags": " ".join(each.flags),
        }
        for each in found
    ]


def hour_rows(found: Sequence[HourRow]) -> list[Row]:
    """Hours of the day; the nights as `night`."""
    return [
        {
            "hour": "night" if each.hour is None else f"{each.hour:02d}:00",
            "days": each.days,
            "days_won": each.won,
            "pnl_usd": each.pnl_usd,
            "hedges": each.hedges,
            "shares": each.shares,
            "hedge_pnl_usd": each.hedge_pnl_usd,
            "hedges_marked": each.marked,
            "refused": each.refused,
        }
        for each in found
    ]


def drawdown_rows(found: Sequence[Drawdown]) -> list[Row]:
    """The deepest drawdowns."""
    return [
        {
            "depth_pct": each.depth_pct,
            "depth_usd": each.depth_usd,
            "peak_usd": each.peak_usd,
            "peak": iso_from_us(each.peak_us),
            "trough": iso_from_us(each.trough_us),
            "recovered": None if each.recovered_us is None else iso_from_us(each.recovered_us),
            "days": each.days,
        }
        for each in found
    ]


def hedge_rows(found: Sequence[Hedge]) -> list[Row]:
    """Own orders that filled."""
    return [
        {
            "ts": iso_from_us(each.ts_us),
            "order_ref": each.order_ref,
            "side": each.side,
            "quantity_shares": each.quantity,
            "value_usd": each.value_usd,
            "executions": each.executions,
            "slippage_usd": each.slippage_usd,
            "slippage_bps": each.slippage_bps,
        }
        for each in found
    ]


def bin_rows(found: Histogram) -> list[Row]:
    """The bins of a P&L distribution and how many days fell into each."""
    return [
        {"from_usd": low, "to_usd": high, "days": count}
        for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False)
    ]


def as_csv(rows: Iterable[Row]) -> str:
    """Rows of one kind as text, a line of names first; empty where there are none.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it: references and rules are others'.
    """
    listed = list(rows)
    out = io.StringIO()
    if listed:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(listed[0])
        writer.writerows([[_csv_cell(value) for value in row.values()] for row in listed])
    return out.getvalue()


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in "=+-@\t\r" and text else text
