"""The tables of the History page as CSV. Pure: a summary in, text out.

Plain values, so that a program can read them: no thousands, a point, ISO times in UTC, English field names with units.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping

from cockpit.history_summary import Summary
from cockpit.history_tables import execution_rows
from state.statistics.days import PARTS, By
from state.times import iso_from_us


def _period_rows(by: By) -> Callable[[Summary], Iterable[Mapping[str, object]]]:
    def rows(summary: Summary) -> Iterable[Mapping[str, object]]:
        for each in summary.by(by):
            parts = dict.fromkeys(PARTS) if each.parts is None else each.parts
            yield {
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
                **parts,
                "flags": " ".join(each.flags),
            }

    return rows


def _drawdown_rows(summary: Summary) -> Iterable[Mapping[str, object]]:
    for each in summary.drawdowns:
        yield {
            "depth_pct": each.depth_pct,
            "depth_usd": each.depth_usd,
            "peak_usd": each.peak_usd,
            "peak": iso_from_us(each.peak_us),
            "trough": iso_from_us(each.trough_us),
            "recovered": None if each.recovered_us is None else iso_from_us(each.recovered_us),
            "days": each.days,
        }


def _refusal_rows(summary: Summary) -> Iterable[Mapping[str, object]]:
    for name, day in summary.operations.items():
        for rule, count in day.refused.items():
            yield {"day": name, "rule": rule, "refused": count}


def _hedge_rows(summary: Summary) -> Iterable[Mapping[str, object]]:
    for each in summary.hedges:
        yield {
            "ts": iso_from_us(each.ts_us),
            "order_ref": each.order_ref,
            "side": each.side,
            "quantity_shares": each.quantity,
            "value_usd": each.value_usd,
            "executions": each.executions,
            "slippage_usd": each.slippage_usd,
            "slippage_bps": each.slippage_bps,
        }


def _bin_rows(summary: Summary) -> Iterable[Mapping[str, object]]:
    found = summary.histogram
    for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        yield {"from_usd": low, "to_usd": high, "days": count}


CSV: Mapping[str, Callable[[Summary], Iterable[Mapping[str, object]]]] = {
    "days": _period_rows("day"),
    "weeks": _period_rows("week"),
    "months": _period_rows("month"),
    "drawdowns": _drawdown_rows,
    "distribution": _bin_rows,
    "hedges": _hedge_rows,
    "refusals": _refusal_rows,
    "execution": execution_rows,
}


def as_csv(name: str, summary: Summary) -> str:
    """A table of `CSV` as text; only its head where there is nothing. Raises KeyError for another name.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it: references and rules are others'.
    """
    rows = list(CSV[name](summary))
    out = io.StringIO()
    if rows:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([[_csv_cell(value) for value in row.values()] for row in rows])
    return out.getvalue()


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in "=+-@\t\r" and text else text
