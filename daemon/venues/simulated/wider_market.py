"""A market whose stock is quoted wider than recorded: all that read it, the decisions too, see the wider quote."""

import msgspec

from daemon.core.events import Session
from daemon.venues.simulated.model import Market, MarketStep, SimContract, SimQuote


class WiderMarket:
    """Implements `model.Market` around another one: half of `extra_spread_usd` on each side of the stock's quotes.

    The mid stays. A bid that would not be positive is none. Options are not traded by a desk, and stay as they are.
    """

    def __init__(self, market: Market, extra_spread_usd: float) -> None:
        self._market = market
        self._half = extra_spread_usd / 2
        self.sessions: tuple[Session, ...] = market.sessions
        self.contracts: tuple[SimContract, ...] = market.contracts
        self._stocks = frozenset(each.instrument for each in market.contracts if each.kind == "stock")

    def next_step(self) -> MarketStep | None:
        """The next moment, its stock quotes wider."""
        step = self._market.next_step()
        self.sessions = self._market.sessions
        if step is None:
            return None
        return msgspec.structs.replace(step, quotes=tuple(self._wider(quote) for quote in step.quotes))

    def _wider(self, quote: SimQuote) -> SimQuote:
        if quote.instrument not in self._stocks:
            return quote
        bid = None if quote.bid is None or quote.bid <= self._half else quote.bid - self._half
        return msgspec.structs.replace(quote, bid=bid, ask=None if quote.ask is None else quote.ask + self._half)
