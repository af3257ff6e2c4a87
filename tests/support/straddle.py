"""A straddle to backtest: a profile without limits in the way, and a run of it over a path."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from config.loader import LoadedProfile, profile_hash
from config.schema import Leg, Profile, SimulatedPosition, Simulator
from daemon.backtest.run import Result, run_backtest
from daemon.core.events import Session
from daemon.core.strategy import Strategy
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.exchange_hours import session_of
from state.runs.folder import BacktestPaths
from state.runs.records import Figures, VenueModel
from tests.support.path_feed import PathFeed
from tests.support.scalper import profile as scalper_profile

STRIKE = 100.0
EXPIRY = "2014-10-17"
DAY = date(2014, 9, 17)
FREE = VenueModel(commission_usd_share=0.0, commission_minimum_usd=0.0)
"""At the touch, for nothing."""


def session() -> Session:
    found = session_of(DAY)
    assert found is not None
    return found


def straddle(*, contracts: float = 100_000.0, volatility: float = 0.2, **more: Any) -> LoadedProfile:
    """Calls and puts at 100 for a month, marked at one volatility, hedged to the share at every chance."""
    legs = (Leg(right="call", strike=STRIKE, expiry=EXPIRY), Leg(right="put", strike=STRIKE, expiry=EXPIRY))
    held = tuple(
        SimulatedPosition(quantity=contracts, right=leg.right, strike=leg.strike, expiry=leg.expiry) for leg in legs
    )
    settings: dict[str, Any] = {
        "greeks__volatility": volatility,
        "gates__state__delta__epsilon_band": 0.0,
        "gates__state__delta__threshold_hedge_shares": 0.5,
        "gates__state__delta__max_delta_limit": 1e9,
        "gates__state__market__stale_ts_threshold_ms": 1e7,
        "gates__state__market__outlier_pct": 100.0,
        "gates__intent__hedge__min_hedge_shares": 1.0,
        "gates__intent__hedge__cooldown_seconds": 0.0,
        "gates__intent__hedge__min_price_move_pct": 0.0,
        "gates__intent__hedge__max_hedge_shares_per_order": 1e9,
        "gates__guard__risk__max_daily_hedge_count": 10**9,
        "gates__guard__risk__max_orders_per_minute": 10**9,
        "gates__guard__risk__max_order_value_usd": 1e15,
        "gates__guard__risk__max_position_shares": 1e9,
        "gates__guard__risk__max_daily_loss_usd": 1e12,
        "gates__guard__risk__max_drawdown_pct": 100.0,
        "execution__session_edge_s": 0.0,
        "daemon__reconcile_every_s": 3600.0,
    }
    profile: Profile = scalper_profile(
        legs=legs, simulator=Simulator(cash_usd=1e7, positions=held), **{**settings, **more}
    )
    return LoadedProfile(profile=profile, path=Path("straddle.yaml"), hash=profile_hash(profile), sources=())


class Ran:
    """A run that came to something."""

    def __init__(self, result: Result) -> None:
        self.summary = result.summary
        self.decisions, self.equity, self.fills = result.decisions, result.equity, result.fills

    @property
    def figures(self) -> Figures:
        assert self.summary.figures is not None, self.summary.problem
        return self.summary.figures


def over(
    loaded: LoadedProfile,
    path: Sequence[tuple[int, float]],
    *,
    model: VenueModel = FREE,
    half_spread_usd: float = 0.0,
    out: BacktestPaths | None = None,
    strategy_of: Callable[[Profile], Strategy] = GammaScalper,
) -> Ran:
    """Backtest it over a path of (ts_us, mid)."""
    volatility = loaded.profile.greeks.volatility
    assert isinstance(volatility, float)
    feed = PathFeed(
        loaded.profile.underlying.symbol,
        loaded.profile.legs,
        session(),
        path,
        volatility=volatility,
        half_spread_usd=half_spread_usd,
    )
    return Ran(run_backtest(loaded, strategy_of, feed, model=model, out=out))


def times(steps: int) -> list[int]:
    """`steps` + 1 even moments of the session, whole microseconds, the last one a second before the close."""
    opened = session()
    length_us = opened.close_us - opened.open_us - 1_000_000
    return [opened.open_us + length_us * number // steps for number in range(steps + 1)]
