"""The market's past as minute bars: what a question for historical data is answered from.

Bars are of the quotes that the market showed, one a minute of session time: a bar at 10:31 holds the steps after
10:31:00 up to 10:32:00. Only the newest are kept, and only while the process lives: the past is not part of the book.
"""

from collections import deque
from collections.abc import Iterable
from typing import Literal

import msgspec

from daemon.venues.simulated.model import MarketStep, SimQuote

Series = Literal["MIDPOINT", "BID", "ASK", "TRADES"]
SERIES: tuple[Series, ...] = ("MIDPOINT", "BID", "ASK", "TRADES")
MINUTE_US = 60_000_000
KEPT_MINUTES = 5 * 390
"""A week of sessions."""


class Bar(msgspec.Struct, kw_only=True):
    """One bar in USD; `start_us` is its beginning."""

    start_us: int
    open: float
    high: float
    low: float
    close: float
    quotes: int = 1
    """How many steps are in it."""

    def take(self, price: float) -> None:
        """One more price of the same bar."""
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.quotes += 1


class BarHistory:
    """The newest minutes of every instrument. The one rule: every step of the market passes `add` once."""

    def __init__(self) -> None:
        self._bars: dict[tuple[str, Series], deque[Bar]] = {}

    def add(self, step: MarketStep) -> None:
        """Take in a step; the closing mark still belongs to the session's last minute."""
        start_us = (step.ts_us - 1) // MINUTE_US * MINUTE_US
        for quote in step.quotes:
            for series, price in _prices(quote):
                bars = self._bars.setdefault((quote.instrument, series), deque(maxlen=KEPT_MINUTES))
                if bars and bars[-1].start_us == start_us:
                    bars[-1].take(price)
                else:
                    bars.append(Bar(start_us=start_us, open=price, high=price, low=price, close=price))

    def bars(self, instrument: str, series: Series, *, since_us: int, until_us: int, bar_us: int) -> list[Bar]:
        """The bars of `bar_us` that begin in [since, until), oldest first; each is put together of whole minutes.

        As IB's, a bar begins with its first minute: the first hour of a session at 9:30, the second at 10:00.
        """
        found: list[Bar] = []
        for minute in self._bars.get((instrument, series), ()):
            if not since_us <= minute.start_us < until_us:
                continue
            if found and found[-1].start_us // bar_us == minute.start_us // bar_us:
                found[-1] = _joined(found[-1], minute)
            else:
                found.append(minute)
        return found


def _prices(quote: SimQuote) -> Iterable[tuple[Series, float]]:
    if quote.bid is not None:
        yield "BID", quote.bid
    if quote.ask is not None:
        yield "ASK", quote.ask
    if quote.bid is not None and quote.ask is not None:
        yield "MIDPOINT", (quote.bid + quote.ask) / 2
    if quote.last is not None:
        yield "TRADES", quote.last


def _joined(first: Bar, second: Bar) -> Bar:
    return Bar(
        start_us=first.start_us,
        open=first.open,
        high=max(first.high, second.high),
        low=min(first.low, second.low),
        close=second.close,
        quotes=first.quotes + second.quotes,
    )
