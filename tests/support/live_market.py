"""A market whose prices the test sets while it runs: one stock and its options, priced by Black-Scholes around it."""

from collections.abc import Callable, Sequence

from config.schema import Leg
from daemon.core import black_scholes
from daemon.core.events import Session
from daemon.venues.exchange_hours import sessions_from
from daemon.venues.simulated.contracts import leg_contract, stock_contract
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote
from daemon.venues.simulated.option_values import with_model, years_left

Sides = tuple[float | None, float | None]


class LiveMarket:
    """`daemon.venues.simulated.model.Market` at the pace and the price of the test.

    `price` is the stock's mid, `sides` overrides the quoted (bid, ask) of any instrument, absurd ones too. Each step
    has the time that `now_us` says then.
    """

    def __init__(
        self,
        symbol: str,
        legs: Sequence[Leg],
        *,
        now_us: Callable[[], int],
        price: float = 100.0,
        volatility: float = 0.6,
        rate: float = 0.04,
        sessions: tuple[Session, ...] = (),
    ) -> None:
        self._now_us = now_us
        self._volatility, self._rate = volatility, rate
        self.stock = stock_contract(symbol)
        self.options = tuple(leg_contract(symbol, leg) for leg in legs)
        self.contracts: tuple[SimContract, ...] = (self.stock, *self.options)
        self.sessions = sessions or sessions_from(now_us(), 10)
        self.price = price
        self.spread = 0.02
        self.sides: dict[str, Sides] = {}

    def next_step(self) -> MarketStep:
        """The present, on whole seconds as the wire has them."""
        ts_us = self._now_us() // 1_000_000 * 1_000_000
        is_open = any(session.open_us <= ts_us < session.close_us for session in self.sessions)
        return MarketStep(ts_us=ts_us, quotes=(self._stock(), *map(self._option, self.options)), is_open=is_open)

    def _stock(self) -> SimQuote:
        half = self.spread / 2
        name = self.stock.instrument
        bid, ask = self.sides.get(name, (round(self.price - half, 2), round(self.price + half, 2)))
        return SimQuote(instrument=name, bid=bid, ask=ask, last=round(self.price, 2), bid_size=500.0, ask_size=500.0)

    def _option(self, contract: SimContract) -> SimQuote:
        ts_us, name = self._now_us(), contract.instrument
        years = years_left(contract, ts_us)
        if years <= 0 or contract.right is None or contract.strike is None:
            return SimQuote(instrument=name, bid=None, ask=None)
        value = black_scholes.price(contract.right, self.price, contract.strike, years, self._rate, self._volatility)
        bid, ask = self.sides.get(name, (round(value - 0.05, 2), round(value + 0.05, 2)))
        quote = SimQuote(instrument=name, bid=bid, ask=ask, bid_size=10.0, ask_size=10.0)
        return with_model(quote, contract, ts_us, self.price, volatility=self._volatility, rate=self._rate)

    def save(self) -> dict[str, object]:
        """Nothing to continue: the test holds the price."""
        return {"price": self.price}

    def restore(self, saved: dict[str, object]) -> None:
        """As saved."""
        assert isinstance(saved["price"], float)
        self.price = saved["price"]
