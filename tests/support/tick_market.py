"""A market of ticks in arrays, which can hand out its plain steps as columns."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.columns import QuoteColumns
from daemon.core.events import Session
from daemon.venues.simulated.model import MarketStep, SimContract, SimQuote


class TickMarket:
    """The stock's quotes, NaN where a side is missing; `options` gives the options' quotes of some steps."""

    def __init__(
        self,
        contracts: Sequence[SimContract],
        sessions: Sequence[Session],
        ts_us: NDArray[np.int64],
        bid: NDArray[np.float64],
        ask: NDArray[np.float64],
        *,
        options: Mapping[int, tuple[SimQuote, ...]] | None = None,
        block: int = 1 << 16,
    ) -> None:
        self.contracts = tuple(contracts)
        self.sessions = tuple(sessions)
        self.place = 0
        self._ts_us, self._bid, self._ask = ts_us, bid, ask
        self._last = np.where(np.arange(len(ts_us)) % 3 == 0, np.nan, bid)
        self._options = {} if options is None else dict(options)
        self._odd = sorted({*self._options, *np.flatnonzero(~self._inside()).tolist(), len(ts_us)})
        self._block = block

    def _inside(self) -> NDArray[np.bool_]:
        inside = np.zeros(len(self._ts_us), np.bool_)
        for session in self.sessions:
            inside |= (self._ts_us >= session.open_us) & (self._ts_us < session.close_us)
        return inside

    def __len__(self) -> int:
        return len(self._ts_us)

    def next_step(self) -> MarketStep | None:
        place = self.place
        if place >= len(self._ts_us):
            return None
        self.place += 1
        ts_us = int(self._ts_us[place])
        stock = SimQuote(
            instrument=self.contracts[0].instrument,
            bid=_side(self._bid[place]),
            ask=_side(self._ask[place]),
            last=_side(self._last[place]),
        )
        return MarketStep(
            ts_us=ts_us,
            quotes=(stock, *self._options.get(place, ())),
            is_open=any(session.open_us <= ts_us < session.close_us for session in self.sessions),
        )

    def upcoming(self) -> QuoteColumns | None:
        start = self.place
        stop = min(self._odd[int(np.searchsorted(self._odd, start))], start + self._block)
        session = next(
            (each for each in self.sessions if each.close_us > int(self._ts_us[min(start, len(self) - 1)])), None
        )
        if session is not None:
            stop = min(stop, int(np.searchsorted(self._ts_us, session.close_us)))
        if stop <= start:
            return None
        return QuoteColumns(
            self._ts_us[start:stop], self._bid[start:stop], self._ask[start:stop], self._last[start:stop]
        )

    def skip(self, count: int) -> None:
        self.place += count


def _side(price: float) -> float | None:
    return None if math.isnan(price) else float(price)
