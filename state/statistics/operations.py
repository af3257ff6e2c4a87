"""What the journal adds to the history: refusals by rule, and how long orders took to leave."""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.records import JournalLine, JournalType
from state.statistics.digest import DayPart
from state.statistics.measures import Percentiles, percentiles
from state.times import iso_from_us, us_from_iso

_DAY_US = 86_400_000_000
UNNAMED = "?"
"""The rule of a refusal that names none."""


class OperationFacts(msgspec.Struct, kw_only=True):
    """Columns of what was refused (time, rule) and of what was sent (time, latency); journal order.

    `since_us` is the time of the first line taken in: before it, no refusals is not known to be none.
    """

    since_us: int | None = None
    until_us: int | None = None
    refused_us: "array[int]" = msgspec.field(default_factory=lambda: array("q"))
    refused_rule: "array[int]" = msgspec.field(default_factory=lambda: array("h"))
    rules: list[str] = msgspec.field(default_factory=list)
    sent_us: "array[int]" = msgspec.field(default_factory=lambda: array("q"))
    latency_ms: "array[float]" = msgspec.field(default_factory=lambda: array("f"))
    sent_without_latency: int = 0

    def extend(self, lines: Iterable[JournalLine]) -> bool:
        """Take in lines in journal order, those without a time left out; whether any was refused or sent."""
        before = len(self.refused_us), len(self.sent_us)
        for line in lines:
            try:
                ts_us = us_from_iso(line.ts)
            except ValueError:
                continue
            self.since_us = ts_us if self.since_us is None else min(self.since_us, ts_us)
            self.until_us = ts_us if self.until_us is None else max(self.until_us, ts_us)
            if line.type is JournalType.REFUSED:
                self.refuse(ts_us, line.reason or UNNAMED)
            elif line.type is JournalType.ORDER_SENT:
                if line.latency_ms is None:
                    self.sent_without_latency += 1
                else:
                    self.sent_us.append(ts_us)
                    self.latency_ms.append(line.latency_ms)

        return (len(self.refused_us), len(self.sent_us)) != before

    def refuse(self, ts_us: int, rule: str) -> None:
        """Take in one refusal."""
        self.refused_us.append(ts_us)
        self.refused_rule.append(self._rule(rule))

    def copied(self) -> "OperationFacts":
        """As it is now: what another thread may read while this one grows."""
        return OperationFacts(
            since_us=self.since_us,
            until_us=self.until_us,
            refused_us=self.refused_us[:],
            refused_rule=self.refused_rule[:],
            rules=list(self.rules),
            sent_us=self.sent_us[:],
            latency_ms=self.latency_ms[:],
            sent_without_latency=self.sent_without_latency,
        )

    def forget_before(self, ts_us: int) -> None:
        """Drop what is older, to stay within a bound."""
        refused = np.array(self.refused_us, dtype=np.int64) >= ts_us
        self.refused_rule = array("h", np.array(self.refused_rule, dtype=np.int16)[refused].tolist())
        self.refused_us = array("q", np.array(self.refused_us, dtype=np.int64)[refused].tolist())
        sent = np.array(self.sent_us, dtype=np.int64) >= ts_us
        self.latency_ms = array("f", np.array(self.latency_ms, dtype=np.float32)[sent].tolist())
        self.sent_us = array("q", np.array(self.sent_us, dtype=np.int64)[sent].tolist())
        self.since_us = None if self.since_us is None else max(self.since_us, ts_us)

    def _rule(self, name: str) -> int:
        if name not in self.rules:
            if len(self.rules) >= MAX_RULES:
                name = UNNAMED if UNNAMED in self.rules else self.rules[-1]
            else:
                self.rules.append(name)
        return self.rules.index(name)


MAX_RULES = 200
"""Reasons come from a file: others than ours may write sentences there."""


class DayOperations(msgspec.Struct, frozen=True, kw_only=True):
    """A day's refusals by rule, most first, and its latency from decision to wire."""

    day: str
    refused: Mapping[str, int]
    latency_ms: Percentiles
    is_covered: bool
    """The journal reaches back to the day's beginning; otherwise counts are of a part of it."""


def day_of_each(times_us: NDArray[np.int64], days: Mapping[str, DayPart]) -> NDArray[np.int64]:
    """The day of each moment, counted from 1970-01-01: the one within whose samples it lies, else the UTC day."""
    utc = times_us // _DAY_US
    if not days or times_us.size == 0:
        return utc
    parts = sorted(days.values(), key=lambda part: part.first_us)
    begins = np.array([part.first_us for part in parts], dtype=np.int64)
    ends = np.array([part.last_us for part in parts], dtype=np.int64)
    names = np.array([part.day for part in parts], dtype="datetime64[D]").astype(np.int64)
    at = np.maximum(np.searchsorted(begins, times_us, side="right") - 1, 0)
    inside = (times_us >= begins[at]) & (times_us <= ends[at])
    return np.where(inside, names[at], utc)


def operations_by_day(facts: OperationFacts, days: Mapping[str, DayPart]) -> dict[str, DayOperations]:
    """Day -> its operations, for every day of `days` and every other on which something was refused or sent."""
    refused = _grouped(
        day_of_each(np.array(facts.refused_us, dtype=np.int64), days), np.array(facts.refused_rule, dtype=np.int64)
    )
    delays = latencies_by_day(facts, days)
    nothing = np.empty(0)
    return {
        name: DayOperations(
            day=name,
            refused=by_rule(facts.rules, refused.get(name, nothing)),
            latency_ms=percentiles(delays.get(name, nothing)),
            is_covered=_covers(facts, days.get(name), name),
        )
        for name in sorted({*days, *refused, *delays})
    }


def latencies_by_day(facts: OperationFacts, days: Mapping[str, DayPart]) -> dict[str, NDArray[Any]]:
    """Day -> the latencies of the orders sent on it, ms, in their order."""
    return _grouped(day_of_each(np.array(facts.sent_us, dtype=np.int64), days), np.array(facts.latency_ms))


def by_rule(rules: Sequence[str], codes: NDArray[Any]) -> dict[str, int]:
    """Rule -> how often, most first, then by name."""
    counts = np.bincount(codes.astype(np.int64), minlength=len(rules)) if codes.size else np.zeros(len(rules), int)
    found = [(rules[number], int(count)) for number, count in enumerate(counts) if count]
    return dict(sorted(found, key=lambda each: (-each[1], each[0])))


def _grouped(keys: NDArray[np.int64], values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """ISO date -> the values of that day, in their order."""
    if keys.size == 0:
        return {}
    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    names = np.datetime_as_string(keys[order][np.append(0, cuts)].astype("datetime64[D]"))
    return dict(zip((str(name) for name in names), np.split(values[order], cuts), strict=True))


def _covers(facts: OperationFacts, part: DayPart | None, day: str) -> bool:
    if facts.since_us is None:
        return False
    return facts.since_us <= part.first_us if part is not None else iso_from_us(facts.since_us)[:10] <= day
