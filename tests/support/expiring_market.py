"""A feed of a few sessions in which legs expire: the stock walks as a test says, options trade at intrinsic + 0.10."""

from collections.abc import Sequence
from datetime import date

from config.schema import Leg
from daemon.core.events import Session
from daemon.venues.exchange_hours import session_of, sessions_from
from daemon.venues.simulated.contracts import leg_contract, stock_contract
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote
from state.runs.records import Finding

STEPS_A_DAY = 8


class ExpiringMarket:
    """Each day opens and ends at the two prices given for it, straight between; the last step is the close."""

    def __init__(self, symbol: str, legs: Sequence[Leg], days: dict[date, tuple[float, float]]) -> None:
        stock, options = stock_contract(symbol), tuple(leg_contract(symbol, leg) for leg in legs)
        self.contracts: tuple[SimContract, ...] = (stock, *options)
        self._days: list[tuple[Session, list[MarketStep]]] = []
        for day, (first, last) in days.items():
            session = session_of(day)
            assert session is not None, f"{day} is not a session day"
            length_us = session.close_us - session.open_us
            steps = []
            for number in range(1, STEPS_A_DAY + 1):
                ts_us = session.open_us + length_us * number // STEPS_A_DAY // 1_000_000 * 1_000_000
                spot = round(first + (last - first) * (number - 1) / (STEPS_A_DAY - 1), 2)
                quotes = [_around(symbol, spot, 0.01), *(_option(each, spot, ts_us, session) for each in options)]
                steps.append(MarketStep(ts_us=ts_us, quotes=tuple(quotes), is_open=ts_us < session.close_us))
            self._days.append((session, steps))
        self.sessions: tuple[Session, ...] = sessions_from(self._days[0][0].open_us, 4)
        self._steps = [(session, step) for session, steps in self._days for step in steps]
        self._next = 0

    def next_step(self) -> MarketStep | None:
        if self._next >= len(self._steps):
            return None
        session, step = self._steps[self._next]
        self.sessions = sessions_from(session.open_us, 4)
        self._next += 1
        return step


def _around(instrument: str, mid: float, half: float) -> SimQuote:
    return SimQuote(instrument=instrument, bid=round(mid - half, 4), ask=round(mid + half, 4))


def _option(contract: SimContract, spot: float, ts_us: int, session: Session) -> SimQuote:
    assert contract.last_trade_us is not None
    assert contract.strike is not None
    if contract.last_trade_us <= session.open_us:
        return SimQuote(instrument=contract.instrument, bid=None, ask=None)
    inside = max(0.0, (spot - contract.strike) * (1 if contract.right == "C" else -1))
    left = 0.1 if ts_us < contract.last_trade_us else 0.0
    return _around(contract.instrument, round(inside + left + 0.02, 2), 0.01)


class ExpiringFeed:
    spec = description = "expiring"
    data_hash = ""
    clock_every_ms = None

    def __init__(self, symbol: str, legs: Sequence[Leg], days: dict[date, tuple[float, float]]) -> None:
        self._of = (symbol, legs, days)
        self.rewind()

    def rewind(self) -> None:
        self.market = ExpiringMarket(*self._of)

    def findings(self) -> tuple[Finding, ...]:
        return ()

    def done(self) -> float:
        return 1.0
