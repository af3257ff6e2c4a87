"""History samples reduced to what statistics need: the equity curve as columns, fills, and each day's last word.

A digest can be extended and digests can be joined, in file order, so that a growing history is read once.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.records import HistorySample, PnlParts
from state.times import us_from_iso
from state.undecodable import UNDECODABLE


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One own execution as the history holds it. `slippage_usd` is positive when paid; None where nobody knows."""

    ts_us: int
    order_ref: str | None
    exec_key: str | None
    revision: int
    side: str | None
    quantity: float
    price: float
    equity_usd: float | None
    decision_mid: float | None = None
    slippage_usd: float | None = None


class DayPart(msgspec.Struct, kw_only=True):
    """What samples say of one day, or of as much of it as was read. Last values are those of the newest `ts`."""

    day: str
    """ISO date."""
    is_session: bool
    """Named by the desk; otherwise the UTC day of `ts`."""
    first_us: int
    last_us: int
    minutes: int = 0
    """Minute samples."""
    first_equity_usd: float | None = None
    equity_usd: float | None = None
    daily_pnl_usd: float | None = None
    drawdown_pct: float | None = None
    """The deepest that the desk itself has stated, positive."""
    parts: PnlParts | None = None
    traded_usd: float | None = None
    hedges: int | None = None
    underlying_price: float | None = None
    """Mid of the underlying, the newest that was two-sided, USD."""
    runs: tuple[str, ...] = ()
    not_green: int = 0
    """Minute samples whose light was anything but green."""
    widest_gap_us: int = 0
    """Between two neighbouring minute samples of one stretch of time on file."""

    def take(self, sample: HistorySample, ts_us: int) -> None:
        """Take in one more sample. One of an earlier moment than known adds to counts, never to last values."""
        is_newest = ts_us >= self.last_us
        if sample.kind == "minute":
            if self.minutes and is_newest:
                self.widest_gap_us = max(self.widest_gap_us, ts_us - self.last_us)
            self.minutes += 1
            self.not_green += sample.light not in (None, "green")
        self.first_us, self.last_us = min(self.first_us, ts_us), max(self.last_us, ts_us)
        if sample.run_id not in self.runs:
            self.runs = (*self.runs, sample.run_id)
        drawdown = finite(sample.drawdown_pct)
        if drawdown is not None:
            self.drawdown_pct = max(abs(drawdown), self.drawdown_pct or 0.0)
        equity = finite(sample.equity_usd)
        if self.first_equity_usd is None:
            self.first_equity_usd = equity
        if is_newest:
            self.equity_usd = self.equity_usd if equity is None else equity
            self.daily_pnl_usd = _newer(self.daily_pnl_usd, finite(sample.daily_pnl_usd))
            self.traded_usd = _newer(self.traded_usd, finite(sample.traded_usd))
            self.hedges = self.hedges if sample.hedges_today is None else sample.hedges_today
            self.parts = self.parts if sample.pnl_parts is None else sample.pnl_parts
            self.underlying_price = _newer(self.underlying_price, finite(sample.underlying_price))

    def joined(self, later: "DayPart") -> "DayPart":
        """This part and another of the same day, the one that ends later having the last word."""
        first, last = (self, later) if later.last_us >= self.last_us else (later, self)
        gap = max(0, last.first_us - first.last_us) if first.minutes and last.minutes else 0
        return DayPart(
            day=self.day,
            is_session=self.is_session or later.is_session,
            first_us=min(self.first_us, later.first_us),
            last_us=last.last_us,
            minutes=self.minutes + later.minutes,
            first_equity_usd=last.first_equity_usd if first.first_equity_usd is None else first.first_equity_usd,
            equity_usd=_newer(first.equity_usd, last.equity_usd),
            daily_pnl_usd=_newer(first.daily_pnl_usd, last.daily_pnl_usd),
            drawdown_pct=max(
                (part.drawdown_pct for part in (self, later) if part.drawdown_pct is not None), default=None
            ),
            parts=first.parts if last.parts is None else last.parts,
            traded_usd=_newer(first.traded_usd, last.traded_usd),
            hedges=first.hedges if last.hedges is None else last.hedges,
            underlying_price=_newer(first.underlying_price, last.underlying_price),
            runs=tuple(dict.fromkeys((*first.runs, *last.runs))),
            not_green=self.not_green + later.not_green,
            widest_gap_us=max(self.widest_gap_us, later.widest_gap_us, gap),
        )


class Digest(msgspec.Struct, kw_only=True):
    """What is kept of samples: a curve point is 20 bytes, everything else a few values a day."""

    ts_us: "array[int]" = msgspec.field(default_factory=lambda: array("q"))
    equity_usd: "array[float]" = msgspec.field(default_factory=lambda: array("d"))
    drawdown_pct: "array[float]" = msgspec.field(default_factory=lambda: array("f"))
    """Positive; 0 where the writer states none."""
    fills: list[Fill] = msgspec.field(default_factory=list)
    days: dict[str, DayPart] = msgspec.field(default_factory=dict)
    unreadable: int = 0
    """Lines that are no sample, or have no time."""

    def extend(self, samples: Iterable[HistorySample | None]) -> None:
        """Take in samples in file order; None stands for a line that is none."""
        for sample in samples:
            ts_us = None if sample is None else _time(sample.ts)
            if sample is None or ts_us is None:
                self.unreadable += 1
                continue
            part = self._part(sample, ts_us)
            part.take(sample, ts_us)
            if sample.kind == "fill" and (fill := fill_of(sample, ts_us)) is not None:
                self.fills.append(fill)
            if (equity := finite(sample.equity_usd)) is not None:
                self.ts_us.append(ts_us)
                self.equity_usd.append(equity)
                self.drawdown_pct.append(abs(finite(sample.drawdown_pct) or 0.0))

    def _part(self, sample: HistorySample, ts_us: int) -> DayPart:
        stated = sample.session_date
        day = stated if stated is not None and _is_date(stated) else sample.ts[:10]
        part = self.days.get(day)
        if part is None:
            part = self.days[day] = DayPart(day=day, is_session=day == stated, first_us=ts_us, last_us=ts_us)
        return part


class Curve(NamedTuple):
    """The equity curve: columns of one length, in time order. `drawdown_pct` is positive."""

    ts_us: NDArray[np.int64]
    equity_usd: NDArray[np.float64]
    drawdown_pct: NDArray[np.float32]

    def since(self, ts_us: int) -> "Curve":
        """Its points from `ts_us` on."""
        start = int(np.searchsorted(self.ts_us, ts_us))
        return Curve(self.ts_us[start:], self.equity_usd[start:], self.drawdown_pct[start:])


def curve(digests: Sequence[Digest]) -> Curve:
    """All points by time; of two with the same time (a day that was run again) the one written later counts."""
    ts_us = np.concatenate([np.array(each.ts_us, dtype=np.int64) for each in digests] or [np.empty(0, np.int64)])
    equity = np.concatenate([np.array(each.equity_usd, dtype=np.float64) for each in digests] or [np.empty(0)])
    depth = np.concatenate(
        [np.array(each.drawdown_pct, dtype=np.float32) for each in digests] or [np.empty(0, np.float32)]
    )
    if ts_us.size > 1 and not bool(np.all(ts_us[1:] > ts_us[:-1])):
        order = np.argsort(ts_us, kind="stable")
        kept = order[np.append(ts_us[order][1:] != ts_us[order][:-1], True)]
        return Curve(ts_us[kept], equity[kept], depth[kept])
    return Curve(ts_us, equity, depth)


def joined_days(digests: Sequence[Digest]) -> dict[str, DayPart]:
    """The days of all digests, sorted; a day that two files share is one."""
    found: dict[str, DayPart] = {}
    for digest in digests:
        for day, part in digest.days.items():
            found[day] = found[day].joined(part) if day in found else part
    return dict(sorted(found.items()))


def newest_fills(fills: Iterable[Fill]) -> list[Fill]:
    """Each execution once, as its newest correction states it, by time. A later line wins among equal revisions."""
    kept: dict[Any, Fill] = {}
    for number, fill in enumerate(fills):
        key = number if fill.exec_key is None else fill.exec_key
        before = kept.get(key)
        if before is None or fill.revision >= before.revision:
            kept[key] = fill
    return sorted(kept.values(), key=lambda fill: fill.ts_us)


def fill_of(sample: HistorySample, ts_us: int) -> Fill | None:
    """The execution that a sample of kind `fill` tells of; None where it has no quantity and price."""
    data = sample.data if sample.data is not None else {}
    quantity, price = _positive(data.get("quantity")), _positive(data.get("price"))
    if quantity is None or price is None:
        return None
    revision, mid = data.get("revision"), _positive(data.get("decision_mid"))
    return Fill(
        ts_us=ts_us,
        order_ref=_text(data.get("order_ref")),
        exec_key=_text(data.get("exec_key")),
        revision=revision if isinstance(revision, int) else 0,
        side=_text(data.get("side")),
        quantity=quantity,
        price=price,
        equity_usd=finite(sample.equity_usd),
        decision_mid=mid,
        slippage_usd=None if mid is None else _number(data.get("slippage_usd")),
    )


def decoded(lines: Iterable[bytes]) -> Iterator[HistorySample | None]:
    """Lines of a history file; None for what is no sample."""
    for raw in lines:
        try:
            yield _decoder.decode(raw)
        except UNDECODABLE:
            yield None


_decoder = msgspec.json.Decoder(HistorySample)


def finite(value: float | None) -> float | None:
    """The value; None for what is missing or no finite number."""
    return value if value is not None and math.isfinite(value) else None


def _newer(before: float | None, after: float | None) -> float | None:
    return before if after is None else after


def _number(value: object) -> float | None:
    return finite(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _positive(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _time(text: str) -> int | None:
    try:
        return us_from_iso(text)
    except ValueError:
        return None


def _is_date(text: str) -> bool:
    return len(text) == len("2026-11-21") and text[4] == text[7] == "-" and text.replace("-", "").isdigit()
