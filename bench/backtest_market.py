"""The million ticks as a market and a feed of ours: quotes of the stock alone, for the options' volatility is fixed."""

import hashlib

from bench.backtest_job import Ticks
from config.schema import Profile
from daemon.core.events import Session
from daemon.venues.exchange_hours import sessions_from
from daemon.venues.simulated.contracts import leg_contract, stock_contract
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote
from state.runs.records import Finding

_SESSIONS = 60


class TicksMarket:
    """Implements `daemon.venues.simulated.model.Market` over arrays."""

    def __init__(self, ticks: Ticks, profile: Profile) -> None:
        stock = stock_contract(profile.underlying.symbol)
        legs = tuple(leg_contract(profile.underlying.symbol, leg) for leg in profile.legs)
        self.contracts: tuple[SimContract, ...] = (stock, *legs)
        self.sessions: tuple[Session, ...] = sessions_from(int(ticks.ts_us[0]), _SESSIONS)
        self._instrument = stock.instrument
        self._ticks = ticks
        self._rows = zip(ticks.ts_us.tolist(), ticks.bid.tolist(), ticks.ask.tolist(), strict=True)

    def next_step(self) -> MarketStep | None:
        """The next tick."""
        for ts_us, bid, ask in self._rows:
            quote = SimQuote(instrument=self._instrument, bid=bid, ask=ask, bid_size=500.0, ask_size=500.0)
            return MarketStep(ts_us=ts_us, quotes=(quote,), is_open=True)
        return None

    def save(self) -> dict[str, object]:
        """A benchmark begins at its beginning."""
        raise NotImplementedError

    def restore(self, saved: dict[str, object]) -> None:
        """As `save`."""
        raise NotImplementedError


class TicksFeed:
    """Implements `daemon.backtest.feeds.feed.Feed`."""

    clock_every_ms = None

    def __init__(self, ticks: Ticks, profile: Profile) -> None:
        self.spec = self.description = f"{len(ticks.ts_us):,} quote ticks, four a second"
        self.data_hash = hashlib.sha256(ticks.bid.tobytes()).hexdigest()
        self.market = TicksMarket(ticks, profile)

    def findings(self) -> tuple[Finding, ...]:
        """Nothing is odd in what was made."""
        return ()

    def done(self) -> float:
        """Nobody looks at the progress of a benchmark."""
        return 0.0
