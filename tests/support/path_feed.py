"""A feed whose stock walks exactly as a test says, and whose options are worth what Black and Scholes say, unspread."""

from collections.abc import Sequence
from functools import partial

from config.schema import Leg
from daemon.core import black_scholes
from daemon.core.events import Session
from daemon.venues.exchange_hours import sessions_from
from daemon.venues.simulated.contracts import leg_contract, stock_contract
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote
from daemon.venues.simulated.option_values import years_left
from state.runs.records import Finding


class PathMarket:
    """Steps at the given times with the given mids; `half_spread_usd` is the stock's."""

    def __init__(
        self,
        symbol: str,
        legs: Sequence[Leg],
        session: Session,
        path: Sequence[tuple[int, float]],
        *,
        volatility: float,
        half_spread_usd: float,
    ) -> None:
        self._options = tuple(leg_contract(symbol, leg) for leg in legs)
        self.contracts: tuple[SimContract, ...] = (stock_contract(symbol), *self._options)
        self.sessions: tuple[Session, ...] = sessions_from(session.open_us, 6)
        self._symbol, self._volatility, self._half = symbol, volatility, half_spread_usd
        self._path = iter(path)

    def next_step(self) -> MarketStep | None:
        moment = next(self._path, None)
        if moment is None:
            return None
        ts_us, spot = moment
        stock = SimQuote(instrument=self._symbol, bid=spot - self._half, ask=spot + self._half)
        options = tuple(self._option(each, ts_us, spot) for each in self._options)
        is_open = any(session.open_us <= ts_us < session.close_us for session in self.sessions)
        return MarketStep(ts_us=ts_us, quotes=(stock, *options), is_open=is_open)

    def _option(self, contract: SimContract, ts_us: int, spot: float) -> SimQuote:
        assert contract.right is not None
        assert contract.strike is not None
        years = years_left(contract, ts_us)
        value = black_scholes.price(contract.right, spot, contract.strike, years, 0.0, self._volatility)
        return SimQuote(instrument=contract.instrument, bid=value, ask=value)


class PathFeed:
    """One path, once."""

    spec = description = "path"
    data_hash = "0" * 64
    clock_every_ms = None

    def __init__(
        self,
        symbol: str,
        legs: Sequence[Leg],
        session: Session,
        path: Sequence[tuple[int, float]],
        *,
        volatility: float = 0.2,
        half_spread_usd: float = 0.0,
    ) -> None:
        self._opened = partial(
            PathMarket, symbol, legs, session, path, volatility=volatility, half_spread_usd=half_spread_usd
        )
        self.rewind()

    def rewind(self) -> None:
        self.market = self._opened()

    def findings(self) -> tuple[Finding, ...]:
        return ()

    def done(self) -> float:
        return 0.5
