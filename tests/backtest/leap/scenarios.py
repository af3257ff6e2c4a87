"""Random desks over random ticks: jumps, standstills, wide spreads, missing sides, doubles, silences, nights."""

from typing import Any

import msgspec
import numpy as np

from config.schema import Profile
from daemon.core.black_scholes import Right, price, years_between
from daemon.core.events import Session
from daemon.venues.simulated.model import SimContract, SimQuote
from tests.backtest.leap.side_by_side import Scenario
from tests.support.tick_market import TickMarket

S = 1_000_000
OPEN_US = 1_401_975_000 * S  # 2014-06-05 09:30 New York
DAY_US = 86_400 * S
SESSION_US = 1_200 * S
NIGHT_US = 120 * S
"""Short nights: what fires through them is the core's in both runs."""
SESSIONS = tuple(
    Session(
        date=f"2014-06-{5 + days:02d}",
        open_us=OPEN_US + days * (SESSION_US + NIGHT_US),
        close_us=OPEN_US + days * (SESSION_US + NIGHT_US) + SESSION_US,
    )
    for days in range(3)
)
LISTED = "2014-07-19"


def random_scenario(seed: int, *, ticks: int = 1500) -> Scenario:
    """One desk and its market, from a seed."""
    random = np.random.default_rng(seed)
    legs = _random_legs(random)
    profile = _random_profile(random, legs)
    expiry_us = OPEN_US + _pick(random, [40 * DAY_US] * 5 + [20 * DAY_US] * 4 + [int(random.integers(60, 3600)) * S])
    contracts = contracts_of(legs, expiry_us)
    times = _random_times(random, ticks)
    bid, ask = _random_quotes(random, ticks)
    options = _random_options(random, contracts, times)
    block = int(random.integers(1, 700))
    return Scenario(
        profile=profile,
        market=lambda: TickMarket(contracts, SESSIONS, times, bid, ask, options=options, block=block),
        clock_every_ms=_pick(random, [None, None, 1000, 5000]),
    )


def _pick(random: np.random.Generator, choices: list[Any]) -> Any:
    return choices[int(random.integers(len(choices)))]


def _random_legs(random: np.random.Generator) -> list[dict[str, Any]]:
    count = int(random.integers(1, 5))
    strikes = [68.0, 69.0, 70.0, 70.0, 71.0, 72.5]
    found: dict[tuple[str, float], dict[str, Any]] = {}
    for _ in range(count):
        right, strike = _pick(random, ["call", "put"]), _pick(random, strikes)
        quantity = float(_pick(random, [1, 2, 5, 10, -1, -3]))
        found[right, strike] = {"right": right, "strike": strike, "quantity": quantity}
    return list(found.values())


def _random_profile(random: np.random.Generator, legs: list[dict[str, Any]]) -> Profile:
    threshold = float(_pick(random, [4, 8, 16, 30]))
    quiet = float(_pick(random, [0, 10, 30]))
    plain = {
        "name": "leap",
        "underlying": {"symbol": "TWX"},
        "legs": [{"right": leg["right"], "strike": leg["strike"], "expiry": LISTED} for leg in legs],
        "greeks": {
            "risk_free_rate": _pick(random, [0.0, 0.01, -0.01]),
            "volatility": _pick(random, [0.2, 0.35, 0.8, "implied"]),
            "fallback": _pick(random, [[], [0.3]]),
            "volatility_max_age_s": _pick(random, [30, 300, 23400]),
        },
        "execution": {
            "session_edge_s": _pick(random, [0.0, 60.0]),
            "order_type": _pick(random, ["market", "market", "limit"]),
            "target_shares": _pick(random, [0.0, 0.0, 50.0]),
        },
        "daemon": {"reconcile_every_s": _pick(random, [1.7, 5, 20, 300])},
        "gates": {
            "state": {
                "delta": {
                    "epsilon_band": threshold * float(_pick(random, [0.1, 0.5, 0.9])),
                    "threshold_hedge_shares": threshold,
                    "max_delta_limit": threshold * float(_pick(random, [3, 20])),
                },
                "market": {
                    "vol_window_min": _pick(random, [0.5, 1.0, 5.0]),
                    "stale_ts_threshold_ms": _pick(random, [2000.0, 5000.0, 10000.0]),
                    "gap_pct": _pick(random, [0.3, 2.0]),
                    "outlier_pct": _pick(random, [1.0, 20.0]),
                    "quiet_volatility_pct": quiet,
                    "high_volatility_pct": quiet + 30,
                    "trend_efficiency": _pick(random, [0.2, 0.5]),
                    "choppy_efficiency": _pick(random, [0.1, 0.2]),
                },
                "liquidity": {
                    "wide_spread_pct": _pick(random, [0.02, 0.05]),
                    "extreme_spread_pct": _pick(random, [0.06, 0.5]),
                },
            },
            "intent": {
                "hedge": {
                    "min_hedge_shares": float(_pick(random, [1, 3, 10])),
                    "cooldown_seconds": float(_pick(random, [0, 5, 60])),
                    "min_price_move_pct": float(_pick(random, [0, 0.02, 0.2])),
                    "max_hedge_shares_per_order": float(_pick(random, [20, 500])),
                }
            },
            "guard": {
                "risk": {
                    "max_daily_hedge_count": _pick(random, [5, 1000, 1000]),
                    "max_position_shares": float(_pick(random, [60, 5000, 5000])),
                    "max_daily_loss_usd": float(_pick(random, [100] + [50_000] * 9)),
                    "max_drawdown_pct": float(_pick(random, [0.2, 6] + [50] * 8)),
                    "max_spread_pct": _pick(random, [None, None, 0.04]),
                    "max_orders_per_minute": _pick(random, [2] + [1000] * 5),
                }
            },
        },
        "simulator": {
            "account": "DU0000001",
            "cash_usd": 100_000,
            "partial_fill_shares": _pick(random, [None, None, 7]),
            "positions": [
                {"quantity": leg["quantity"], "right": leg["right"], "strike": leg["strike"], "expiry": LISTED}
                for leg in legs
            ],
        },
    }
    return msgspec.convert(plain, Profile)


def contracts_of(legs: list[dict[str, Any]], expiry_us: int) -> tuple[SimContract, ...]:
    """The stock and its legs, which last trade at that moment."""
    stock = SimContract(instrument="TWX", kind="stock", symbol="TWX", con_id=1)
    listed = LISTED.replace("-", "")
    return (
        stock,
        *[
            SimContract(
                instrument=f"TWX {listed} {leg['right'][0].upper()} {leg['strike']:g}",
                kind="option",
                symbol="TWX",
                con_id=number + 2,
                multiplier=100.0,
                right=leg["right"][0].upper(),
                strike=leg["strike"],
                expiry=listed,
                last_trade_us=expiry_us,
            )
            for number, leg in enumerate(legs)
        ],
    )


def _random_times(random: np.random.Generator, ticks: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Several ticks a second, with doubles, silences, session edges and nights between."""
    steps = random.choice([250_000, 250_000, 100_000, 1_000_000, 333_333], size=ticks)
    steps[random.random(ticks) < 0.005] = 0
    silent = random.random(ticks) < 0.004
    steps[silent] = random.choice([2 * S, 6 * S, 70 * S, 400 * S], size=int(silent.sum()))
    starts = np.linspace(0, ticks, len(SESSIONS) + 1).astype(int)
    times = np.empty(ticks, np.int64)
    for session, start, stop in zip(SESSIONS, starts[:-1], starts[1:], strict=True):
        elapsed = np.cumsum(steps[start:stop])
        begin = session.open_us - 2 * S
        if random.random() < 0.4:
            begin = max(begin, session.close_us - int(elapsed[-1]) + 5 * S)
        times[start:stop] = begin + elapsed
    return np.maximum.accumulate(times)


def _random_quotes(random: np.random.Generator, ticks: int) -> tuple[Any, Any]:
    scale = float(random.choice([0.005, 0.01, 0.03]))
    moves = random.normal(0.0, scale, ticks)
    moves[random.random(ticks) < 0.5] = 0.0
    jumping = random.random(ticks) < 0.002
    moves[jumping] = random.choice(
        [0.25, -0.25, 0.3, -0.3, 1.5, -1.5], size=int(jumping.sum()), p=[0.24] * 4 + [0.02] * 2
    )
    if random.random() < 0.3:
        moves += random.choice([-1, 1]) * scale / 4
    path = np.maximum(70.0 + np.cumsum(moves), 5.0)
    tick = float(random.choice([0.01, 0.01, 0.001]))
    bid = np.round(np.floor(path / tick) * tick, 3)
    spread = random.choice([0.01, 0.01, 0.01, 0.02, 0.04, 0.5], size=ticks, p=[0.3, 0.3, 0.2, 0.1, 0.08, 0.02])
    ask = np.round(bid + spread, 3)
    missing = random.random(ticks)
    bid[missing < 0.001] = np.nan
    ask[missing > 0.999] = np.nan
    crossed = random.random(ticks) < 0.0005
    ask[crossed] = bid[crossed] - 0.01
    return bid, ask


def _random_options(
    random: np.random.Generator, contracts: tuple[SimContract, ...], times: Any
) -> dict[int, tuple[SimQuote, ...]]:
    """Now and then an option is quoted; its quote stands until the next one, or is taken away."""
    rate = float(random.choice([0.0, 0.0, 0.003, 0.02]))
    found: dict[int, tuple[SimQuote, ...]] = {}
    for place in np.flatnonzero(random.random(len(times)) < rate).tolist():
        quotes = []
        for contract in contracts[1:]:
            if random.random() < 0.7:
                right: Right = "C" if contract.right == "C" else "P"
                years = years_between(int(times[place]), contract.last_trade_us or 0)
                level = 0.25 + 0.1 * float(random.random())
                middle = max(price(right, 70.0, contract.strike or 70.0, years, 0.0, level), 0.03)
                gone = random.random() < 0.2
                quotes.append(
                    SimQuote(
                        instrument=contract.instrument,
                        bid=None if gone else round(middle - 0.02, 2),
                        ask=None if gone else round(middle + 0.02, 2),
                    )
                )
        found[place] = tuple(quotes)
    return found
