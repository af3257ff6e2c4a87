"""The million-tick job: hold a straddle, rehedge when |net delta| reaches a threshold and a cooldown has passed.

Every engine is given the same arrays and the same rule; what it must give back is the number of hedges:

    net = contracts x 100 x (call delta + put delta) + shares       Black-Scholes at the mid, fixed volatility
    if |net| >= threshold and seconds since the last hedge >= cooldown:
        trade round(-net) shares, half away from zero, at the touch (a buy at the ask, a sale at the bid)

Ticks come four a second, as TWS sends them, through regular sessions of a stock; nights are left out. The path is a
seeded geometric walk. This module needs numpy alone: the peers load it in environments of their own.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TICK_USD = 0.01
SESSION_S = 23_400
YEAR_US = 365 * 86_400 * 1_000_000
_SQRT_HALF = math.sqrt(0.5)


@dataclass(frozen=True)
class Job:
    """Times in microseconds since the epoch, prices in USD, delta in shares; volatility and rate are a year's."""

    ticks: int
    ticks_s: int = 4
    seed: int = 11
    start_price: float = 70.0
    walk_volatility: float = 0.30
    strike: float = 70.0
    contracts: float = 10.0
    volatility: float = 0.35
    rate: float = 0.001
    threshold_shares: float = 12.5
    cooldown_s: float = 60.0
    expiry_us: int = 0
    """The options' last trading moment."""


@dataclass(frozen=True)
class Ticks:
    """One array element a tick."""

    ts_us: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]

    @property
    def mid(self) -> NDArray[np.float64]:
        """Half way between bid and ask, as every engine computes it."""
        return (self.bid + self.ask) / 2


def make_ticks(job: Job, opens_us: list[int]) -> Ticks:
    """The walk through as many sessions as it takes; `opens_us` are their opens. Raises ValueError for too few."""
    a_session = SESSION_S * job.ticks_s
    sessions = -(-job.ticks // a_session)
    if sessions > len(opens_us):
        raise ValueError(f"{job.ticks} ticks need {sessions} sessions, {len(opens_us)} were given")
    inside = np.arange(a_session, dtype=np.int64) * (1_000_000 // job.ticks_s)
    ts_us = np.concatenate([opens_us[number] + inside for number in range(sessions)])[: job.ticks]
    random = np.random.default_rng(job.seed)
    deviation = job.walk_volatility * math.sqrt(1 / (252 * a_session))
    steps = deviation * random.standard_normal(job.ticks) - deviation * deviation / 2
    price = job.start_price * np.exp(np.cumsum(steps))
    bid = np.round(np.floor(price / TICK_USD) * TICK_USD, 2)
    return Ticks(ts_us=ts_us, bid=bid, ask=np.round(bid + TICK_USD, 2))


def save(path: Path, job: Job, ticks: Ticks) -> None:
    """For the peers' processes."""
    fields: dict[str, Any] = {name: np.array(value) for name, value in asdict(job).items()}
    np.savez(path, ts_us=ticks.ts_us, bid=ticks.bid, ask=ticks.ask, **fields)


def load(path: Path) -> tuple[Job, Ticks]:
    """What `save` wrote."""
    with np.load(path) as found:
        fields: dict[str, Any] = {name: found[name].item() for name in asdict(Job(ticks=0))}
        return Job(**fields), Ticks(ts_us=found["ts_us"], bid=found["bid"], ask=found["ask"])


def straddle_delta(spot: float, years: float, strike: float, rate: float, volatility: float) -> float:
    """Delta of one call and one put on one share, in plain scalar code that numba can compile as it stands."""
    deviation = volatility * math.sqrt(years)
    d1 = (math.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / deviation
    return 0.5 * math.erfc(-d1 * _SQRT_HALF) - 0.5 * math.erfc(d1 * _SQRT_HALF)


def shares_to_trade(net: float) -> float:
    """round(-net), half away from zero."""
    return -math.copysign(math.floor(abs(net) + 0.5), net)
