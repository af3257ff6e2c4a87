"""The recorded day with and without leaps: its stock by the minute, its options quoted every half hour."""

from datetime import date

import numpy as np

from config.loader import load_profile
from daemon.venues.simulated.model import MarketStep
from daemon.venues.simulated.recorded import RecordedMarket
from tests.backtest.leap.side_by_side import Scenario, compare
from tests.support.recorded_data import LEAN_FOLDER, needs_recorded_day
from tests.support.tick_market import TickMarket


@needs_recorded_day
def test_the_recorded_day_comes_to_the_same() -> None:
    profile = load_profile("recorded_day").profile
    recorded = RecordedMarket.load(LEAN_FOLDER, "TWX", date(2014, 6, 5), profile.legs, rate=0.001)
    steps: list[MarketStep] = []
    while (step := recorded.next_step()) is not None:
        steps.append(step)
    stocks = [next(quote for quote in step.quotes if quote.instrument == "TWX") for step in steps]
    times = np.array([step.ts_us for step in steps], np.int64)
    bid = np.array([quote.bid for quote in stocks], np.float64)
    ask = np.array([quote.ask for quote in stocks], np.float64)
    options = {
        place: tuple(quote for quote in step.quotes if quote.instrument != "TWX")
        for place, step in enumerate(steps)
        if place % 30 == 0
    }

    def market() -> TickMarket:
        return TickMarket(recorded.contracts, recorded.sessions, times, bid, ask, options=options)

    found = compare(Scenario(profile=profile, market=market))
    assert found.leapt > 0.5 * found.ticks
    assert found.hedges > 2
