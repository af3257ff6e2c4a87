"""A market that replays one recorded regular session, a step per minute, every contract's standing quote in each."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from config.schema import Leg
from daemon.core.events import Session
from daemon.venues.exchange_hours import NEW_YORK, sessions_from
from daemon.venues.feeds.lean import OptionKey, RecordedDay, load_day
from daemon.venues.feeds.lean_rows import Repairs, StandingQuote
from daemon.venues.simulated.contracts import leg_contract, stock_contract
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote
from daemon.venues.simulated.option_values import implied, with_model
from daemon.venues.simulated.saved_book import SavedBookError

DEFAULT_RATE = 0.05
"""The risk-free rate (a year, continuous) of the model values, unless the caller names another."""

_SESSIONS_AHEAD = 6


class RecordedMarket:
    """One recorded day of a stock and the legs asked for.

    The steps are at open + 60 s, ..., close; the last one, at the close, is outside the session. An option's model
    volatility is implied by its mid; while a side is missing, the last implied one stays.
    """

    def __init__(
        self,
        day: RecordedDay,
        legs: Sequence[Leg] = (),
        *,
        rate: float = DEFAULT_RATE,
        calendar: str = NEW_YORK,
        model: bool = True,
    ) -> None:
        """`model` False leaves the model values out: they cost more than all the rest, and few profiles read them."""
        options = {_key(leg): leg_contract(day.symbol, leg, calendar=calendar) for leg in legs}
        self.contracts: tuple[SimContract, ...] = (stock_contract(day.symbol), *options.values())
        self.sessions: tuple[Session, ...] = sessions_from(day.session.open_us, _SESSIONS_AHEAD, calendar)
        self.repairs: dict[str, Repairs] = day.repairs
        """instrument -> what was put right in its recording."""
        self._name = f"{day.symbol} {day.session.date}"
        self._steps = _steps(day, options, rate if model else None)
        self._next = 0

    @classmethod
    def load(
        cls,
        folder: Path,
        symbol: str,
        day: date,
        legs: Sequence[Leg] = (),
        *,
        rate: float = DEFAULT_RATE,
        calendar: str = NEW_YORK,
    ) -> "RecordedMarket":
        """Read the day from a Lean folder. Raises FeedError (missing folder, file, day or leg; damage)."""
        recorded = load_day(folder, symbol, day, tuple(_key(leg) for leg in legs), calendar=calendar)
        return cls(recorded, legs, rate=rate, calendar=calendar)

    @property
    def steps(self) -> tuple[MarketStep, ...]:
        """The whole day."""
        return self._steps

    @property
    def remaining_steps(self) -> int:
        """How many steps the day still has."""
        return len(self._steps) - self._next

    def next_step(self) -> MarketStep | None:
        """The next minute, None after the close."""
        if self._next >= len(self._steps):
            return None
        self._next += 1
        return self._steps[self._next - 1]

    def save(self) -> dict[str, object]:
        """Where in the day it is."""
        return {"recorded": self._name, "next_step": self._next}

    def restore(self, saved: dict[str, object]) -> None:
        """Go on where `save` was. Raises SavedBookError when that was another day."""
        next_step = saved.get("next_step")
        if saved.get("recorded") != self._name or not isinstance(next_step, int):
            found = saved.get("recorded", "another market")
            raise SavedBookError(f"the saved book is of {found}, this market is {self._name}; start with --fresh")
        self._next = next_step


def _key(leg: Leg) -> OptionKey:
    return OptionKey(expiry=leg.expiry.replace("-", ""), strike=leg.strike, right="C" if leg.right == "call" else "P")


def _mid(quote: StandingQuote) -> float | None:
    return None if quote.bid is None or quote.ask is None else (quote.bid + quote.ask) / 2


def _steps(day: RecordedDay, options: dict[OptionKey, SimContract], rate: float | None) -> tuple[MarketStep, ...]:
    volatilities: dict[str, float | None] = {}
    spot: float | None = None
    steps: list[MarketStep] = []
    for index, ts_us in enumerate(day.times_us):
        stock = day.underlying[index]
        spot_now = _mid(stock)
        spot = spot if spot_now is None else spot_now
        quotes = [_quote(day.symbol, stock)]
        for key, contract in options.items():
            standing = day.options[key][index]
            quote = _quote(contract.instrument, standing)
            if rate is None:
                quotes.append(quote)
                continue
            mid = _mid(standing)
            if mid is not None and spot_now is not None:
                volatility = implied(contract, ts_us, spot_now, mid, rate=rate)
                if volatility is not None:
                    volatilities[contract.instrument] = volatility
            known = volatilities.get(contract.instrument)
            quotes.append(with_model(quote, contract, ts_us, spot, volatility=known, rate=rate))
        steps.append(MarketStep(ts_us=ts_us, quotes=tuple(quotes), is_open=ts_us < day.session.close_us))
    return tuple(steps)


def _quote(instrument: str, standing: StandingQuote) -> SimQuote:
    return SimQuote(
        instrument=instrument,
        bid=standing.bid,
        ask=standing.ask,
        last=standing.last,
        bid_size=standing.bid_size,
        ask_size=standing.ask_size,
    )
