"""Any market with its plain steps gathered into columns: read a little ahead, and telling nothing before its time."""

from collections import deque
from typing import NamedTuple

import numpy as np

from daemon.backtest.leap.columns import ColumnarMarket, QuoteColumns
from daemon.core.events import Session
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.model import Market, MarketStep, SimContract

BLOCK = 4096
"""Steps that are read ahead at most."""


class _Read(NamedTuple):
    """One step that has been read, with the sessions that the market told with it."""

    step: MarketStep
    sessions: tuple[Session, ...]


class GatheredMarket:
    """Implements `ColumnarMarket` around another market, which may give columns of its own for some of its steps.

    What is wrong with the data further on is raised where it lies: the steps before it are given first.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._columnar = market if isinstance(market, ColumnarMarket) else None
        self._stock = next(each.instrument for each in market.contracts if each.kind == "stock")
        self._read: deque[_Read] = deque()
        self._columns: QuoteColumns | None = None
        """Of the steps at the head of `_read`, from `_taken` on."""
        self._taken = 0
        self._problem: FeedError | None = None
        self.contracts: tuple[SimContract, ...] = market.contracts
        self.sessions: tuple[Session, ...] = market.sessions

    def next_step(self) -> MarketStep | None:
        """The next moment. Raises FeedError where the market does."""
        read = self._read.popleft() if self._read else self._one()
        if read is None:
            return None
        self._drop(1)
        self.sessions = read.sessions
        return read.step

    def upcoming(self) -> QuoteColumns | None:
        """The plain steps that lie ahead; None where the next is not plain."""
        if self._columns is None:
            own = None if self._read or self._columnar is None else self._columnar.upcoming()
            if own is not None:
                return own
            self._columns, self._taken = self._gathered(), 0
        columns, taken = self._columns, self._taken
        if columns is None or taken >= len(columns.ts_us):
            return None
        last = None if columns.last is None else columns.last[taken:]
        return QuoteColumns(columns.ts_us[taken:], columns.bid[taken:], columns.ask[taken:], last)

    def skip(self, count: int) -> None:
        """Pass over so many of them."""
        if self._columns is None and self._columnar is not None:
            self._columnar.skip(count)
            return
        for _ in range(count):
            self._read.popleft()
        self._drop(count)

    def _drop(self, count: int) -> None:
        self._taken += count
        if self._columns is not None and self._taken >= len(self._columns.ts_us):
            self._columns = None

    def _one(self) -> _Read | None:
        """Read one step. Raises what stood in the way of it."""
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem
        step = self._market.next_step()
        return None if step is None else _Read(step, self._market.sessions)

    def _gathered(self) -> QuoteColumns | None:
        """The plain steps at the head of what is read; reads on while there are only such."""
        plain: list[MarketStep] = []
        for read in self._read:
            if not self._is_plain(read):
                break
            plain.append(read.step)
        while len(plain) == len(self._read) < BLOCK:
            if plain and self._columnar is not None and self._columnar.upcoming() is not None:
                break  # from here on it has columns of its own
            try:
                found = self._one()
            except FeedError as problem:
                self._problem = problem
                break
            if found is None:
                break
            self._read.append(found)
            if self._is_plain(found):
                plain.append(found.step)
        if not plain:
            return None
        quotes = [step.quotes[0] for step in plain]
        return QuoteColumns(
            ts_us=np.array([step.ts_us for step in plain], np.int64),
            bid=np.array([quote.bid for quote in quotes], np.float64),
            ask=np.array([quote.ask for quote in quotes], np.float64),
            last=np.array([quote.last for quote in quotes], np.float64),
        )

    def _is_plain(self, read: _Read) -> bool:
        step = read.step
        return (
            step.is_open
            and len(step.quotes) == 1
            and step.quotes[0].instrument == self._stock
            and read.sessions == self.sessions
        )
