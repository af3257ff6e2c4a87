"""A seeded market that never ends: New York sessions, mean-reverting stochastic volatility, occasional jumps.

Log-volatility is an Ornstein-Uhlenbeck process around the configured level, the price a geometric walk with that
volatility, jumps arrive as a Poisson process. With x = ln(volatility / level) and dt in trading days:

    x     <- x exp(-k dt) + v sqrt((1 - exp(-2 k dt)) / 2k) N     k mean_reversion_per_day, v volatility_of_volatility
    ln S  <- ln S - s^2/2 + s N + jumps                            s = level exp(x) sqrt(dt / 252)

Options are priced by Black-Scholes with the volatility that x promises on average until their expiry
(x shrunk by (1 - exp(-kT)) / kT), so that a long option does not swing with every gust of a single minute.
After the close the quotes stand for a minute of closed steps; then comes the next session, with an overnight move.
"""

import math
from collections.abc import Sequence
from datetime import date

import msgspec
import numpy as np

from config.schema import Leg
from config.schema import SyntheticMarket as Settings
from daemon.core.events import Session
from daemon.venues.exchange_hours import NEW_YORK, session_of, sessions_from
from daemon.venues.simulated.contracts import leg_contract, stock_contract
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote
from daemon.venues.simulated.option_values import TICK_USD, around, model_quote, years_left
from daemon.venues.simulated.saved_book import SavedBookError

TRADING_DAYS_YEAR = 252
SESSION_US = 23_400_000_000
"""A full session, 6.5 hours: one trading day of market time."""
CLOSED_US = 60_000_000
"""How long the closed market is shown before the next session begins."""
_OVERNIGHT_SHARE = 0.25
"""Variance of the overnight move relative to a session's."""
_SESSIONS_AHEAD = 10


class _State(msgspec.Struct, kw_only=True):
    """Everything that changes; big integers of the generator travel as text."""

    kind: str
    ts_us: int
    session_open_us: int
    previous_open_us: int | None
    price: float
    log_volatility: float
    generator_state: str
    generator_inc: str
    has_uint32: int
    uinteger: int


class SyntheticMarket:
    """One stock and its legs, the same steps for the same seed. `start_date` (YYYY-MM-DD) must be a session day."""

    def __init__(
        self,
        settings: Settings,
        *,
        symbol: str,
        legs: Sequence[Leg] = (),
        seed: int,
        start_date: str,
        rate: float = 0.05,
        calendar: str = NEW_YORK,
    ) -> None:
        if settings.step_s < 1 or settings.step_s != math.floor(settings.step_s):
            raise ValueError(f"simulator.synthetic.step_s must be a whole number of seconds, not {settings.step_s:g}")
        first = session_of(date.fromisoformat(start_date), calendar)
        if first is None:
            raise ValueError(f"simulator.synthetic.start_date {start_date} is not a trading day of {calendar}")
        self._settings = settings
        self._calendar = calendar
        self._rate = rate
        self._stock = stock_contract(symbol)
        self._options = tuple(dict.fromkeys(leg_contract(symbol, leg, calendar=calendar) for leg in legs))
        self.contracts: tuple[SimContract, ...] = (self._stock, *self._options)
        self._step_us = int(settings.step_s) * 1_000_000
        self._closed_us = max(CLOSED_US, 3 * self._step_us)
        self._kind = f"synthetic {symbol} seed {seed}"
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._price = settings.start_price
        self._log_volatility = 0.0
        self._enter(first, previous_open_us=None)
        self._ts_us = first.open_us - self._step_us

    def next_step(self) -> MarketStep:
        """The next moment; after the last closed one comes the next session's open."""
        ts_us = self._ts_us + self._step_us
        session = self._session
        if self._ts_us < session.close_us <= ts_us:
            ts_us = session.close_us  # the closing mark is exactly at the close, whatever the step
        if ts_us > session.close_us + self._closed_us:
            following = sessions_from(session.close_us, 1, self._calendar)[0]
            self._enter(following, previous_open_us=session.open_us)
            ts_us = following.open_us
            self._move(_OVERNIGHT_SHARE)
        elif session.open_us < ts_us <= session.close_us:
            self._move(self._step_us / SESSION_US)
        self._ts_us = ts_us
        quotes = (self._stock_quote(), *(self._option_quote(contract) for contract in self._options))
        return MarketStep(ts_us=ts_us, quotes=quotes, is_open=ts_us < self._session.close_us)

    def save(self) -> dict[str, object]:
        """Plain JSON values, the generator's state included."""
        generator = self._random.bit_generator.state
        state = _State(
            kind=self._kind,
            ts_us=self._ts_us,
            session_open_us=self._session.open_us,
            previous_open_us=self._previous_open_us,
            price=self._price,
            log_volatility=self._log_volatility,
            generator_state=str(generator["state"]["state"]),
            generator_inc=str(generator["state"]["inc"]),
            has_uint32=int(generator["has_uint32"]),
            uinteger=int(generator["uinteger"]),
        )
        plain: dict[str, object] = msgspec.to_builtins(state)
        return plain

    def restore(self, saved: dict[str, object]) -> None:
        """Continue exactly. Raises SavedBookError when the state is damaged or of another market."""
        try:
            state = msgspec.convert(saved, _State)
        except msgspec.ValidationError as error:
            raise SavedBookError(f"the saved market is damaged: {error}; start with --fresh") from None
        if state.kind != self._kind:
            raise SavedBookError(f"the saved book is of {state.kind}, this market is {self._kind}; start with --fresh")
        self._enter(sessions_from(state.session_open_us, 1, self._calendar)[0], previous_open_us=state.previous_open_us)
        self._ts_us, self._price, self._log_volatility = state.ts_us, state.price, state.log_volatility
        self._random.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": int(state.generator_state), "inc": int(state.generator_inc)},
            "has_uint32": state.has_uint32,
            "uinteger": state.uinteger,
        }

    def _enter(self, session: Session, *, previous_open_us: int | None) -> None:
        """Make a session the running one; the list keeps the one before it, so that a day roll can be seen."""
        self._session = session
        self._previous_open_us = previous_open_us
        start_us = session.open_us if previous_open_us is None else previous_open_us
        self.sessions: tuple[Session, ...] = sessions_from(start_us, _SESSIONS_AHEAD + 1, self._calendar)

    def _move(self, days: float) -> None:
        """Let `days` of market time pass for volatility and price. Always draws the same count of numbers first."""
        shock, diffusion, jump = self._random.standard_normal(3)
        jumps = int(self._random.poisson(self._settings.jumps_per_day * days))
        reversion, noise = self._settings.mean_reversion_per_day, self._settings.volatility_of_volatility
        spread = math.sqrt(days if reversion == 0 else (1 - math.exp(-2 * reversion * days)) / (2 * reversion))
        decay = math.exp(-reversion * days)
        self._log_volatility = float(self._log_volatility * decay + noise * spread * shock)
        deviation = self._volatility(0.0) * math.sqrt(days / TRADING_DAYS_YEAR)
        jump_part = math.sqrt(jumps) * self._settings.jump_pct / 100 * jump
        moved = self._price * math.exp(deviation * diffusion - deviation * deviation / 2 + jump_part)
        self._price = max(float(moved), 10 * TICK_USD)

    def _volatility(self, days_ahead: float) -> float:
        """Expected volatility a year over the coming `days_ahead` trading days; 0 is the present one."""
        decay = self._settings.mean_reversion_per_day * days_ahead
        share = 1.0 if decay < 1e-9 else -math.expm1(-decay) / decay
        return self._settings.volatility * math.exp(self._log_volatility * share)

    def _stock_quote(self) -> SimQuote:
        bid, ask = around(self._price, self._settings.spread_usd)
        sizes = 100.0 * (1 + self._ts_us // 1_000_000 % 7)
        return SimQuote(
            instrument=self._stock.instrument,
            bid=bid,
            ask=ask,
            last=round(self._price, 2),
            bid_size=sizes,
            ask_size=800.0 - sizes,
        )

    def _option_quote(self, contract: SimContract) -> SimQuote:
        years = years_left(contract, self._ts_us)
        if years <= 0 or contract.right is None or contract.strike is None:
            return SimQuote(instrument=contract.instrument, bid=None, ask=None)
        volatility = self._volatility(years * TRADING_DAYS_YEAR)
        return model_quote(
            contract, self._ts_us, self._price, volatility, rate=self._rate, spread_usd=self._settings.spread_usd
        )
