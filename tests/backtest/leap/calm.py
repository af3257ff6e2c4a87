"""A calm desk: a straddle at a fixed volatility, four quotes a second, a hedge now and then."""

import msgspec
import numpy as np

from config.schema import Profile
from tests.backtest.leap.scenarios import LISTED, OPEN_US, SESSIONS, contracts_of
from tests.backtest.leap.side_by_side import Scenario
from tests.support.tick_market import TickMarket

DAY_US = 86_400_000_000
LEGS = [
    {"right": "call", "strike": 70.0, "quantity": 10.0},
    {"right": "put", "strike": 70.0, "quantity": 10.0},
]


def calm_profile() -> Profile:
    """Hedged at 16 shares, at most once a minute."""
    plain = {
        "name": "calm",
        "underlying": {"symbol": "TWX"},
        "legs": [{"right": leg["right"], "strike": leg["strike"], "expiry": LISTED} for leg in LEGS],
        "greeks": {"risk_free_rate": 0.001, "volatility": 0.35},
        "execution": {"session_edge_s": 0.0},
        "gates": {
            "state": {"delta": {"epsilon_band": 10, "threshold_hedge_shares": 16}},
            "intent": {"hedge": {"min_hedge_shares": 1, "min_price_move_pct": 0.0}},
        },
        "simulator": {
            "account": "DU0000001",
            "cash_usd": 1_000_000,
            "positions": [{**leg, "expiry": LISTED} for leg in LEGS],
        },
    }
    return msgspec.convert(plain, Profile)


def calm_ticks(count: int, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, bids and asks of so many ticks (at most 4,800 a session: it is cut there)."""
    random = np.random.default_rng(seed)
    a_session = (SESSIONS[0].close_us - OPEN_US) // 250_000
    inside = np.arange(a_session, dtype=np.int64) * 250_000
    times = np.concatenate([session.open_us + inside for session in SESSIONS])[:count]
    price = 70.0 * np.exp(np.cumsum(random.normal(0.0, 6e-5, len(times))))
    bid = np.round(np.floor(price / 0.01) * 0.01, 2)
    return times, bid, np.round(bid + 0.01, 2)


def calm_scenario(count: int) -> Scenario:
    """As both runs want it."""
    times, bid, ask = calm_ticks(count)
    contracts = contracts_of(LEGS, OPEN_US + 40 * DAY_US)
    return Scenario(profile=calm_profile(), market=lambda: TickMarket(contracts, SESSIONS, times, bid, ask))


def calm_every_second(count: int) -> Scenario:
    """A quote a second, the account's report every fifth, and a clock that ticks twice between two quotes."""
    profile = calm_profile()
    profile = msgspec.structs.replace(profile, daemon=msgspec.structs.replace(profile.daemon, reconcile_every_s=5.0))
    _, bid, ask = calm_ticks(count)
    times = OPEN_US + np.arange(count, dtype=np.int64) * 1_000_000
    contracts = contracts_of(LEGS, OPEN_US + 40 * DAY_US)
    return Scenario(
        profile=profile, market=lambda: TickMarket(contracts, SESSIONS, times, bid, ask), clock_every_ms=500
    )
