"""What the figures of a past have in common: bars by day or week, and when there is enough to say something."""

from collections.abc import Callable, Mapping, Sequence

from cockpit.figures import Figure
from cockpit.history_summary import Summary
from cockpit.reader import Reader
from state.statistics.days import By, Period

MAX_BARS = 130
"""Days beyond so many are shown as weeks."""
ENOUGH = 5
"""A distribution or percentiles of fewer values would look like knowledge."""
Limits = Mapping[str, float]
"""Name -> the present limit of the snapshot, where it states one."""
Builder = Callable[[Summary, Reader, Limits], Figure]


def bars_of(summary: Summary) -> tuple[By, tuple[Period, ...]]:
    """Days while a screen can show them, weeks beyond."""
    by: By = "day" if len(summary.days) <= MAX_BARS else "week"
    return by, summary.by(by)


def per_bar(found: Sequence[Period], by: By, per_day: Mapping[str, float]) -> dict[str, float]:
    """First day of each bar -> the sum over its days."""
    return {
        each.first_day: sum(value for day, value in per_day.items() if each.first_day <= day <= each.last_day)
        if by == "week"
        else per_day.get(each.first_day, 0.0)
        for each in found
    }


def bars_in(found: Sequence[Period], by: By, per_day: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """First day of each bar -> the values of its days."""
    if by == "day":
        return {each.first_day: per_day.get(each.first_day, []) for each in found}
    return {
        each.first_day: [
            value for day, one in per_day.items() if each.first_day <= day <= each.last_day for value in one
        ]
        for each in found
    }
