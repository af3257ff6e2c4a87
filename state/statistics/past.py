"""Every statistic of a stretch of days, made when first asked for: of a desk's history and of a backtest alike."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.statistics.days import By, Period, TradingDay, missing_weekdays, one_period, periods, trading_days
from state.statistics.digest import Curve, DayPart, Digest, curve, joined_days
from state.statistics.drawdowns import Drawdown, drawdowns
from state.statistics.executions import Hedge, Sizes, by_hour, hedges, sizes
from state.statistics.hours import HourRow, by_hour_of_day
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
from state.statistics.operations import (
    DayOperations,
    OperationFacts,
    day_of_each,
    latencies_by_day,
    operations_by_day,
)

EXCHANGE = "America/New_York"
TAIL = 5
"""So many of the worst and of the best days are named."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, all of it: a `Past` is of these days or of some of them. Columns and lists in time order."""

    curve: Curve
    parts: Mapping[str, DayPart]
    days: tuple[TradingDay, ...]
    hedges: tuple[Hedge, ...]
    operations: Mapping[str, DayOperations]
    facts: OperationFacts
    unreadable: int = 0
    """Lines of the files that are no sample."""


class Past:
    """The statistics of the days `first_day` to `last_day`, ISO dates, both included; empty means no bound."""

    def __init__(self, source: Source, *, first_day: str = "", last_day: str = "") -> None:
        self.source = source
        self._first, self._last = first_day, last_day

    def _has(self, day: str) -> bool:
        return day >= self._first and (not self._last or day <= self._last)

    @cached_property
    def days(self) -> tuple[TradingDay, ...]:
        """Days with samples, in order."""
        return tuple(day for day in self.source.days if self._has(day.day))

    @cached_property
    def curve(self) -> Curve:
        """Equity over these days."""
        if not self.days:
            return curve([])
        whole = self.source.curve
        # Days are told apart by their names and may overlap for a moment: the bounds are those of their samples.
        since_us = min(day.first_us for day in self.days)
        until_us = max(day.last_us for day in self.days)
        start = int(np.searchsorted(whole.ts_us, since_us))
        end = int(np.searchsorted(whole.ts_us, until_us, side="right"))
        return Curve(whole.ts_us[start:end], whole.equity_usd[start:end], whole.drawdown_pct[start:end])

    @cached_property
    def operations(self) -> Mapping[str, DayOperations]:
        """Day -> what was refused and how quickly was sent."""
        return {name: day for name, day in self.source.operations.items() if self._has(name)}

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
        """The deepest of these days' own curve."""
        return drawdowns(self.curve.ts_us, self.curve.equity_usd)

    @cached_property
    def _day_starts_us(self) -> NDArray[np.int64]:
        return np.array([day.first_us for day in self.days], dtype=np.int64)

    @cached_property
    def hedges(self) -> tuple[Hedge, ...]:
        """Own orders that filled, from the first day's first sample to the day after the last."""
        if not self._first and not self._last:
            return self.source.hedges
        if not self.days:
            return ()
        later = [day.first_us for day in self.source.days if self._last and day.day > self._last]
        until_us = min(later, default=None)
        return tuple(
            each
            for each in self.source.hedges
            if each.ts_us >= self.days[0].first_us and (until_us is None or each.ts_us < until_us)
        )

    @cached_property
    def sizes(self) -> Sizes:
        """Of all hedges."""
        return sizes(self.hedges)

    @cached_property
    def hedges_by_day(self) -> Mapping[str, tuple[Hedge, ...]]:
        """Day -> its hedges, of the days that have samples."""
        found: dict[str, list[Hedge]] = {}
        for each in self.hedges:
            at = int(np.searchsorted(self._day_starts_us, each.ts_us, side="right")) - 1
            if at >= 0:
                found.setdefault(self.days[at].day, []).append(each)
        return {day: tuple(each) for day, each in found.items()}

    @cached_property
    def hedges_by_hour(self) -> Sequence[tuple[int, tuple[Hedge, ...]]]:
        """Hour of the exchange -> hedges."""
        return by_hour(self.hedges, EXCHANGE)

    def by_hour_of_day(self, zone: str = EXCHANGE) -> tuple[HourRow, ...]:
        """P&L, hedges and refusals by hour of a zone, the nights last. Raises ZoneInfoNotFoundError."""
        refused_us = np.array(self.source.facts.refused_us, dtype=np.int64)
        if self._first or self._last:
            names = np.datetime_as_string(day_of_each(refused_us, self.source.parts).astype("datetime64[D]"))
            refused_us = refused_us[np.array([self._has(str(name)) for name in names], dtype=bool)]
        return by_hour_of_day(
            self.curve,
            self.hedges,
            refused_us,
            day_starts_us=self._day_starts_us,
            closes={number: day.closing_price for number, day in enumerate(self.days)},
            zone=ZoneInfo(zone),
        )

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
        found = latencies_by_day(self.source.facts, self.source.parts)
        return {name: values for name, values in found.items() if self._has(name)}

    @cached_property
    def latency_ms(self) -> Percentiles:
        """Decision to wire, of every order sent in these days."""
        return percentiles(np.concatenate([*self.latencies_by_day.values(), np.empty(0)]))


def source_of(digests: Sequence[Digest], facts: OperationFacts) -> Source:
    """What digests and facts say, put together."""
    parts = joined_days(digests)
    return Source(
        curve=curve(digests),
        parts=parts,
        days=trading_days(parts),
        hedges=hedges(fill for digest in digests for fill in digest.fills),
        operations=operations_by_day(facts, parts),
        facts=facts,
        unreadable=sum(digest.unreadable for digest in digests),
    )
