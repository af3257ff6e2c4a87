"""The statistics of one range of a desk's history, put together once per change and shared by page, figures and CSV."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cockpit.equity import Range, first_day, since_us
from cockpit.history_store import HistoryStore, HistoryView
from cockpit.reader import EXCHANGE
from state.statistics.days import By, Period, TradingDay, missing_weekdays, one_period, periods, trading_days
from state.statistics.drawdowns import Drawdown, drawdowns
from state.statistics.executions import Hedge, Sizes, by_hour, hedges, sizes
from state.statistics.measures import (
    Histogram,
    Percentiles,
    Ratio,
    WinRate,
    histogram,
    percentiles,
    quantiles,
    sharpe,
    sortino,
    win_rate,
)
from state.statistics.operations import DayOperations, latencies_by_day, operations_by_day

TAIL = 5
"""So many of the worst and of the best days are named."""


class Summary:
    """The statistics of the days from `start` on. Each is made when it is first asked for."""

    def __init__(self, store: HistoryStore, view: HistoryView, span: Range) -> None:
        self.view = view
        self.span: Range = span
        self._start = first_day(view, span)
        self._start_us = since_us(view, span)
        self._all_days = store.memo("days", view.version, lambda: trading_days(view.days))
        self._all_hedges = store.memo("hedges", view.fills_version, lambda: hedges(view.fills))
        # Every sample moves the end of a day; which day an operation belongs to changes with a new day alone.
        counted = (view.facts_version, len(view.days))
        self._all_operations = store.memo("operations", counted, lambda: operations_by_day(view.facts, view.days))

    @cached_property
    def days(self) -> tuple[TradingDay, ...]:
        """Days with samples, in order."""
        return tuple(day for day in self._all_days if day.day >= self._start)

    @cached_property
    def operations(self) -> Mapping[str, DayOperations]:
        """Day -> what was refused and how quickly was sent."""
        return {name: day for name, day in self._all_operations.items() if name >= self._start}

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Weekdays between the first and last day without any sample: holidays, or a desk that did not run."""
        return missing_weekdays(self.days)

    @cached_property
    def earning(self) -> tuple[TradingDay, ...]:
        """Days with a P&L."""
        return tuple(day for day in self.days if day.pnl_usd is not None)

    @cached_property
    def pnl_usd(self) -> list[float]:
        """The P&L of each day that has one."""
        return [day.pnl_usd for day in self.earning if day.pnl_usd is not None]

    @cached_property
    def returns_pct(self) -> list[float]:
        """The return of each day that has one."""
        return [day.return_pct for day in self.days if day.return_pct is not None]

    def by(self, by: By) -> tuple[Period, ...]:
        """The days joined."""
        return periods(self.days, by)

    @cached_property
    def total(self) -> Period | None:
        """All of it as one period."""
        return one_period("", self.days) if self.days else None

    @cached_property
    def wins(self) -> WinRate:
        """Win rate of days."""
        return win_rate(self.pnl_usd)

    @cached_property
    def sharpe(self) -> Ratio:
        """Of daily returns."""
        return sharpe(self.returns_pct)

    @cached_property
    def sortino(self) -> Ratio:
        """Of daily returns."""
        return sortino(self.returns_pct)

    @cached_property
    def histogram(self) -> Histogram:
        """Of daily P&L, USD."""
        return histogram(self.pnl_usd)

    @cached_property
    def quantiles(self) -> Mapping[float, float]:
        """Of daily P&L, USD."""
        return quantiles(self.pnl_usd)

    @cached_property
    def tails(self) -> tuple[TradingDay, ...]:
        """The worst days, worst first, then the best, best first; no day twice."""
        ranked = sorted(self.earning, key=lambda day: (day.pnl_usd or 0.0, day.day))
        worst, best = ranked[:TAIL], ranked[TAIL:][-TAIL:]
        return (*worst, *reversed(best))

    @cached_property
    def drawdowns(self) -> tuple[Drawdown, ...]:
        """The deepest of the range's own curve."""
        curve = self.view.curve.since(self._start_us)
        return drawdowns(curve.ts_us, curve.equity_usd)

    @cached_property
    def hedges(self) -> tuple[Hedge, ...]:
        """Own orders that filled."""
        return tuple(each for each in self._all_hedges if each.ts_us >= self._start_us)

    @cached_property
    def sizes(self) -> Sizes:
        """Of all hedges."""
        return sizes(self.hedges)

    @cached_property
    def hedges_by_day(self) -> Mapping[str, tuple[Hedge, ...]]:
        """Day -> its hedges, of the days that have samples."""
        begins = np.array([day.first_us for day in self.days], dtype=np.int64)
        found: dict[str, list[Hedge]] = {}
        for each in self.hedges:
            at = int(np.searchsorted(begins, each.ts_us, side="right")) - 1
            if at >= 0:
                found.setdefault(self.days[at].day, []).append(each)
        return {day: tuple(each) for day, each in found.items()}

    @cached_property
    def hedges_by_hour(self) -> Sequence[tuple[int, tuple[Hedge, ...]]]:
        """Hour of the exchange -> hedges."""
        return by_hour(self.hedges, EXCHANGE)

    @cached_property
    def refused(self) -> Mapping[str, int]:
        """Rule -> refusals, most first."""
        total: dict[str, int] = {}
        for day in self.operations.values():
            for rule, count in day.refused.items():
                total[rule] = total.get(rule, 0) + count
        return dict(sorted(total.items(), key=lambda each: (-each[1], each[0])))

    @cached_property
    def latencies_by_day(self) -> Mapping[str, NDArray[Any]]:
        """Day -> decision to wire of each order sent on it, ms."""
        found = latencies_by_day(self.view.facts, self.view.days)
        return {name: values for name, values in found.items() if name >= self._start}

    @cached_property
    def latency_ms(self) -> Percentiles:
        """Decision to wire, of every order sent in the range."""
        return percentiles(np.concatenate([*self.latencies_by_day.values(), np.empty(0)]))


def summary_of(store: HistoryStore, span: Range) -> Summary:
    """The newest statistics of a range."""
    view = store.look()
    return store.memo(f"summary {span}", view.version, lambda: Summary(store, view, span))
