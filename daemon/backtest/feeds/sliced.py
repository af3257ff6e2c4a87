"""A market cut to some of its sessions: what lies before them is passed over, what lies behind is not reached."""

from datetime import date

from daemon.backtest.feeds.spec import Slice
from daemon.core.events import Session
from daemon.venues.simulated.model import Market, MarketStep, SimContract


class SlicedMarket:
    """Implements `daemon.venues.simulated.model.Market` around another one."""

    def __init__(self, market: Market, cut: Slice) -> None:
        self._market = market
        self._cut = cut
        self.contracts: tuple[SimContract, ...] = market.contracts
        self.sessions: tuple[Session, ...] = market.sessions

    def next_step(self) -> MarketStep | None:
        """The next moment within the slice."""
        while (step := self._market.next_step()) is not None:
            self.sessions = self._market.sessions
            opened = [each.date for each in self.sessions if each.open_us <= step.ts_us]
            day = date.fromisoformat(opened[-1] if opened else self.sessions[0].date)
            if day > self._cut.last:
                return None
            if day >= self._cut.first:
                return step
        return None
