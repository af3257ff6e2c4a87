"""The tables of the History page as CSV. Pure: a summary in, text out.

Plain values, so that a program can read them: no thousands, a point, ISO times in UTC, English field names with units.
"""

from collections.abc import Callable, Iterable, Mapping

from cockpit.activity_tables import execution_rows
from cockpit.history_summary import Summary
from state.statistics import rows


def _refusal_rows(summary: Summary) -> Iterable[rows.Row]:
    for name, day in summary.operations.items():
        for rule, count in day.refused.items():
            yield {"day": name, "rule": rule, "refused": count}


CSV: Mapping[str, Callable[[Summary], Iterable[rows.Row]]] = {
    "days": lambda summary: rows.period_rows(summary.by("day"), "day"),
    "weeks": lambda summary: rows.period_rows(summary.by("week"), "week"),
    "months": lambda summary: rows.period_rows(summary.by("month"), "month"),
    "drawdowns": lambda summary: rows.drawdown_rows(summary.drawdowns),
    "distribution": lambda summary: rows.bin_rows(summary.histogram),
    "hedges": lambda summary: rows.hedge_rows(summary.hedges),
    "hours": lambda summary: rows.hour_rows(summary.by_hour_of_day()),
    "refusals": _refusal_rows,
    "execution": execution_rows,
}


def as_csv(name: str, summary: Summary) -> str:
    """A table of `CSV` as text; empty where there is nothing. Raises KeyError for another name."""
    return rows.as_csv(CSV[name](summary))
