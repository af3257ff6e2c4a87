"""The million ticks as a market and a feed of ours: quotes of the stock alone, for the options' volatility is fixed."""

import hashlib

import numpy as np

from bench.backtest_job import Ticks
from config.schema import Profile
from daemon.backtest.leap.columns import QuoteColumns
from daemon.core.events import Session
from daemon.venues.exchange_hours import sessions_from
from daemon.venues.simulated.contracts import leg_contract, stock_contract
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote
from state.runs.records import Finding

_SESSIONS = 60


class TicksMarket:
    """Implements `daemon.backtest.leap.columns.ColumnarMarket` over arrays."""

    def __init__(self, ticks: Ticks, profile: Profile) -> None:
        stock = stock_contract(profile.underlying.symbol)
        legs = tuple(leg_contract(profile.underlying.symbol, leg) for leg in profile.legs)
        self.contracts: tuple[SimContract, ...] = (stock, *legs)
        self.sessions: tuple[Session, ...] = sessions_from(int(ticks.ts_us[0]), _SESSIONS)
        self._instrument = stock.instrument
        self._ticks = ticks
        self._place = 0
        closes_us = np.array([session.close_us for session in self.sessions], dtype=np.int64)
        self._session_ends = np.searchsorted(ticks.ts_us, closes_us)

    def next_step(self) -> MarketStep | None:
        """The next tick."""
        place, ticks = self._place, self._ticks
        if place >= len(ticks.ts_us):
            return None
        self._place += 1
        quote = SimQuote(
            instrument=self._instrument,
            bid=float(ticks.bid[place]),
            ask=float(ticks.ask[place]),
            bid_size=500.0,
            ask_size=500.0,
        )
        return MarketStep(ts_us=int(ticks.ts_us[place]), quotes=(quote,), is_open=True)

    def upcoming(self) -> QuoteColumns | None:
        """The rest of the session."""
        start, ticks = self._place, self._ticks
        stop = int(self._session_ends[np.searchsorted(self._session_ends, start, side="right")])
        if stop <= start:
            return None
        return QuoteColumns(ticks.ts_us[start:stop], ticks.bid[start:stop], ticks.ask[start:stop])

    def skip(self, count: int) -> None:
        """Go on behind them."""
        self._place += count


class TicksFeed:
    """Implements `daemon.backtest.feeds.feed.Feed`."""

    clock_every_ms = None

    def __init__(self, ticks: Ticks, profile: Profile) -> None:
        self.spec = self.description = f"{len(ticks.ts_us):,} quote ticks, four a second"
        self.data_hash = hashlib.sha256(ticks.bid.tobytes()).hexdigest()
        self._ticks, self._profile = ticks, profile
        self.rewind()

    def rewind(self) -> None:
        """A market before its first tick."""
        self.market = TicksMarket(self._ticks, self._profile)

    def findings(self) -> tuple[Finding, ...]:
        """Nothing is odd in what was made."""
        return ()

    def done(self) -> float:
        """Nobody looks at the progress of a benchmark."""
        return 0.0
