"""A market to measure with: a stock that swings by a dollar, so that ten calls on it ask for a hedge at each step."""

from daemon.core.black_scholes import price
from daemon.core.events import Session
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote

SYMBOL = "SWING"
START_DATE = "2026-01-05"
OPEN_US = 1_767_623_400_000_000
"""14:30 UTC of that day: New York opens."""
CLOSE_US = OPEN_US + 390 * 60_000_000
LAST_TRADE_US = 1_781_899_200_000_000
"""2026-06-19, 16:00 New York."""
STRIKE, VOLATILITY, RATE = 100.0, 0.6, 0.04
STOCK = SimContract(instrument=SYMBOL, kind="stock", symbol=SYMBOL, con_id=11)
CALL = SimContract(
    instrument=f"{SYMBOL} 20260619 C 100",
    kind="option",
    symbol=SYMBOL,
    con_id=12,
    multiplier=100.0,
    right="C",
    strike=STRIKE,
    expiry="20260619",
    last_trade_us=LAST_TRADE_US,
)
_YEAR_US = 365 * 86_400 * 1_000_000


class SwingMarket:
    """`daemon.venues.simulated.model.Market`: one step a second, at 99.99 x 100.01 and 100.99 x 101.01 in turn."""

    def __init__(self) -> None:
        self.contracts: tuple[SimContract, ...] = (STOCK, CALL)
        self.sessions: tuple[Session, ...] = (Session(date=START_DATE, open_us=OPEN_US, close_us=CLOSE_US),)
        self._steps = 0

    def next_step(self) -> MarketStep | None:
        """The next swing; the session's 23,400 seconds are far more than a run takes."""
        self._steps += 1
        ts_us = OPEN_US + self._steps * 1_000_000
        mid = 100.0 + self._steps % 2
        years = (LAST_TRADE_US - ts_us) / _YEAR_US
        worth = price("C", mid, STRIKE, years, RATE, VOLATILITY)
        return MarketStep(ts_us=ts_us, quotes=(_quote(CALL, worth, 0.05), _quote(STOCK, mid, 0.01)))

    def save(self) -> dict[str, object]:
        """How far it is."""
        return {"steps": self._steps}

    def restore(self, saved: dict[str, object]) -> None:
        """Go on from there."""
        self._steps = int(str(saved["steps"]))


def _quote(contract: SimContract, mid: float, half_spread: float) -> SimQuote:
    return SimQuote(
        instrument=contract.instrument,
        bid=round(mid - half_spread, 2),
        ask=round(mid + half_spread, 2),
        bid_size=10_000,
        ask_size=10_000,
    )
