"""Results that are known without any program.

**Gamma P&L.** A long position is marked at one volatility s, its stock realises r, rates are 0 and the hedge is
rebalanced to the delta of s at every step. In the limit of many steps it earns (R. Ahmad and P. Wilmott, 2005, "Which
free lunch would you like today, Sir?", section 3; the interval's expansion: J. Hull, section 19.7)

    1/2 (r^2 - s^2) integral of Gamma(S, t) S^2 dt

With n steps two things differ from it. Where every step moves by exactly r sqrt(dt), what is left is of third order in
the move: the error falls as 1/n. Where the moves are normal, each interval earns 1/2 Gamma S^2 r^2 dt (z^2 - 1) more or
less: the error has mean 0 and variance 1/2 sum (Gamma S^2 r^2 dt)^2, so it falls as 1/sqrt(n) (E. Derman and
M. Kamal, 1999, "When you cannot hedge continuously").

A hedge is a whole number of shares; with ten million of them in the position that is nothing.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from daemon.core import black_scholes
from daemon.core.black_scholes import US_PER_YEAR
from daemon.venues.exchange_hours import last_trade_us
from state.runs.records import VenueModel
from tests.support.straddle import EXPIRY, FREE, STRIKE, over, straddle, times

MARKED, REALISED = 0.2, 0.4
CONTRACTS, MULTIPLIER = 100_000.0, 100.0


def gamma_dollars(ts_us: int, spot: float) -> float:
    """Gamma S^2 of the position, USD."""
    years = black_scholes.years_between(ts_us, last_trade_us(EXPIRY.replace("-", "")))
    gamma = black_scholes.gamma("C", spot, STRIKE, years, 0.0, MARKED)
    return 2 * CONTRACTS * MULTIPLIER * gamma * spot * spot


def walk(steps: int, moves: Sequence[float]) -> list[tuple[int, float]]:
    """(ts_us, S) from 100 on; `moves` are log returns in units of r sqrt(dt), so that S has no drift of its own."""
    stamps = times(steps)
    path, spot = [(stamps[0], STRIKE)], STRIKE
    for (before_us, ts_us), move in zip(itertools.pairwise(stamps), moves, strict=True):
        deviation = REALISED * math.sqrt((ts_us - before_us) / US_PER_YEAR)
        spot *= 1 + deviation * move
        path.append((ts_us, spot))
    return path


def closed_form(path: Sequence[tuple[int, float]]) -> float:
    """The integral by its values at the beginning of each interval, USD."""
    total = math.fsum(
        gamma_dollars(ts_us, spot) * (next_us - ts_us) / US_PER_YEAR
        for (ts_us, spot), (next_us, _) in itertools.pairwise(path)
    )
    return 0.5 * (REALISED**2 - MARKED**2) * total


def test_with_moves_of_one_size_the_hedged_straddle_earns_the_closed_form_and_the_error_falls_as_1_over_n() -> None:
    errors, counts = [], (12, 48, 192)
    for steps in counts:
        path = walk(steps, [1.0 if number % 4 < 2 else -1.0 for number in range(steps)])
        ran = over(straddle(), path)
        figures, expected = ran.figures, closed_form(path)
        assert figures.hedges >= steps
        errors.append(abs(figures.pnl_usd - expected) / expected)
        assert figures.attribution.gamma_usd + figures.attribution.theta_usd == pytest.approx(expected, rel=3 / steps)
    order = math.log(errors[0] / errors[-1]) / math.log(counts[-1] / counts[0])
    assert errors[-1] < 0.002
    assert 0.8 < order < 1.3, errors


def test_over_geometric_brownian_motion_the_error_is_what_discrete_hedging_leaves_and_falls_as_1_over_sqrt_n() -> None:
    spread = {}
    for steps in (16, 64):
        deviations = []
        for seed in range(12):
            path = walk(steps, np.random.Generator(np.random.PCG64(seed)).standard_normal(steps).tolist())
            pnl_usd = over(straddle(), path).figures.pnl_usd
            each = [
                gamma_dollars(ts_us, spot) * REALISED**2 * (next_us - ts_us) / US_PER_YEAR
                for (ts_us, spot), (next_us, _) in itertools.pairwise(path)
            ]
            predicted = math.sqrt(0.5 * math.fsum(value**2 for value in each))
            deviations.append((pnl_usd - closed_form(path)) / predicted)
        spread[steps] = math.sqrt(math.fsum(value**2 for value in deviations) / len(deviations))
    # 1 is the formula; 12 draws of a root mean square lie within 0.55 and 1.5 of it but once in a thousand times.
    assert all(0.55 < value < 1.5 for value in spread.values()), spread


def test_a_straddle_that_realises_what_it_is_marked_at_earns_next_to_nothing() -> None:
    steps = 192
    quiet = [MARKED / REALISED * (1.0 if number % 4 < 2 else -1.0) for number in range(steps)]
    path = walk(steps, quiet)
    figures = over(straddle(), path).figures
    assert figures.attribution.gamma_usd > 1000
    assert abs(figures.pnl_usd) < 0.003 * figures.attribution.gamma_usd


def test_without_any_hedge_the_pnl_is_the_mark_to_market_to_the_cent() -> None:
    path = walk(60, np.random.Generator(np.random.PCG64(5)).standard_normal(60).tolist())
    never = straddle(gates__state__delta__threshold_hedge_shares=1e8)
    ran = over(never, path, model=VenueModel())
    value = [
        CONTRACTS
        * MULTIPLIER
        * math.fsum(
            black_scholes.price(
                right, spot, STRIKE, black_scholes.years_between(ts_us, last_trade_us("20141017")), 0.0, MARKED
            )
            for right in ("C", "P")
        )
        for ts_us, spot in (path[0], path[-1])
    ]
    figures = ran.figures
    assert (figures.hedges, ran.summary.hedged, ran.summary.needed) == (0, 0, 0)
    assert figures.pnl_usd == pytest.approx(value[1] - value[0], abs=0.005)
    assert figures.attribution.commission_usd == figures.attribution.slippage_usd == 0
    assert ran.fills.num_rows == 0


class Traded:
    """What the run without costs traded at the touch."""

    def __init__(self, fills: list[dict[str, Any]]) -> None:
        self.shares = math.fsum(row["quantity_shares"] for row in fills)
        self.value_usd = math.fsum(row["quantity_shares"] * row["price"] for row in fills)
        self.orders = len({row["order_ref"] for row in fills})


COSTS: dict[str, tuple[list[float], Callable[[VenueModel, Traded], float]]] = {
    "commission_usd_share": ([0.0, 0.01, 0.02, 0.05], lambda model, rows: model.commission_usd_share * rows.shares),
    "commission_minimum_usd": ([0.0, 1e5, 2e5], lambda model, rows: model.commission_minimum_usd * rows.orders),
    "extra_spread_usd": ([0.0, 0.02, 0.04, 0.1], lambda model, rows: model.extra_spread_usd / 2 * rows.shares),
    "slippage_bps": ([0.0, 1.0, 2.0, 5.0], lambda model, rows: model.slippage_bps / 1e4 * rows.value_usd),
}


@pytest.mark.parametrize("cost", COSTS)
def test_costs_scale_linearly(cost: str) -> None:
    path = walk(40, np.random.Generator(np.random.PCG64(3)).standard_normal(40).tolist())
    values, expected = COSTS[cost]
    free = over(straddle(), path)
    traded = Traded(free.fills.to_pylist())
    for value in values:
        model = msgspec.structs.replace(FREE, **{cost: value})
        figures = over(straddle(), path, model=model).figures
        paid = free.figures.pnl_usd - figures.pnl_usd
        assert figures.hedges == free.figures.hedges
        assert paid == pytest.approx(expected(model, traded), rel=1e-6, abs=0.01)
        if cost.startswith("commission"):
            assert figures.attribution.commission_usd == pytest.approx(paid, abs=0.01)
        else:
            assert figures.attribution.slippage_usd == pytest.approx(paid, abs=0.01)


def test_costs_of_a_spread_that_is_quoted_are_half_of_it_for_each_share() -> None:
    path = walk(40, np.random.Generator(np.random.PCG64(3)).standard_normal(40).tolist())
    tight, wide = (over(straddle(), path, half_spread_usd=half) for half in (0.0, 0.03))
    shares = math.fsum(wide.fills["quantity_shares"].to_pylist())
    assert tight.figures.pnl_usd - wide.figures.pnl_usd == pytest.approx(0.03 * shares, abs=0.01)
    assert FREE.commission_usd_share == wide.figures.attribution.commission_usd == 0
