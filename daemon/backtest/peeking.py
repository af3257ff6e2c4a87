"""A market of which the next moment's time is known: what must happen before it, happens at its own time."""

from daemon.core.events import Session
from daemon.venues.simulated.model import Market, MarketStep, SimContract


class PeekingMarket:
    """Implements `daemon.venues.simulated.model.Market` around another one, a step ahead of it."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.contracts: tuple[SimContract, ...] = market.contracts
        self.sessions: tuple[Session, ...] = market.sessions
        self._ahead: MarketStep | None = None
        self._is_ahead = False

    @property
    def is_ahead(self) -> bool:
        """Whether the next step has been taken from the market already."""
        return self._is_ahead

    def next_us(self) -> int | None:
        """When the next step will be; None where the market has ended."""
        if not self._is_ahead:
            self._ahead, self._is_ahead = self._market.next_step(), True
        return None if self._ahead is None else self._ahead.ts_us

    def next_step(self) -> MarketStep | None:
        """The next moment; the sessions are those of this step from here on."""
        step = self._ahead if self._is_ahead else self._market.next_step()
        self._ahead, self._is_ahead = None, False
        self.sessions = self._market.sessions
        return step
