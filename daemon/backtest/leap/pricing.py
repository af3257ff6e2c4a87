"""The book at one moment of a leap: the legs' sums, the day's figures, and the point of the attribution."""

# ruff: noqa: PLR0917 -- compiled functions take their numbers one by one

from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.state import Legs, Scratch, Standing, Terms
from daemon.core.black_scholes import US_PER_YEAR
from daemon.core.day import SETTLE_US


def _sums(legs: Legs, room: Scratch, values: int) -> tuple[float, float, float]:
    """Delta, gamma and theta (USD a year) of the held legs, in shares, by the greeks in `room.values[values]`."""
    delta, gamma, theta = 0.0, 0.0, 0.0
    for leg in range(legs.sign.shape[0]):
        if legs.contracts[leg] == 0.0:
            continue
        shares = legs.shares[leg]
        delta += shares * room.values[values, leg, 1]
        gamma += shares * room.values[values, leg, 2]
        theta += shares * room.values[values, leg, 3]
    return delta, gamma, theta


sums = compiled(_sums)


def _legs_usd(terms: Terms, legs: Legs, room: Scratch, values: int) -> float:
    """What the legs have earned today, priced by their quotes or else in `room.values[values]`."""
    found = terms.settled_usd
    for leg in range(legs.sign.shape[0]):
        if legs.contracts[leg] == 0.0:
            continue
        mark = legs.mark[leg] if legs.quoted[leg] else room.values[values, leg, 0]
        found += legs.shares[leg] * (mark - legs.opening[leg])
    return found


legs_usd = compiled(_legs_usd)


def _day(terms: Terms, now: Standing, mid: float, earned_usd: float) -> tuple[float, float, float, float, bool]:
    """Unrealised, equity and peak (USD), drawdown (percent), and whether a limit or a fall from a peak is reached.

    `earned_usd` is the legs'.
    """
    unrealised = 0.0
    if terms.own_shares != 0.0:
        unrealised = terms.own_shares * (mid - terms.average_cost)
    total_usd = terms.realised_usd + unrealised + earned_usd - terms.commission_usd
    equity = terms.base_usd + total_usd
    peak = equity if equity > now.peak_usd else now.peak_usd  # noqa: FURB136 -- as the core compares them
    drawdown = 0.0 if peak <= 0.0 else (peak - equity) / peak * 100
    reached = (
        (peak != now.written_peak_usd and drawdown >= terms.peak_fall_pct)
        or -total_usd >= terms.max_loss_usd
        or drawdown >= terms.max_drawdown_pct
    )
    return unrealised, equity, peak, drawdown, reached


day = compiled(_day)


def _marked(legs: Legs, room: Scratch, values: int) -> float:
    """Let the legs' marks be those of `room.values[values]` where no quote is; gives the options' value, USD."""
    for leg in range(legs.sign.shape[0]):
        room.marks[leg] = legs.mark[leg] if legs.quoted[leg] else room.values[values, leg, 0]
    option_usd = 0.0
    for leg in legs.valued:
        option_usd += legs.shares[leg] * room.marks[leg]
    return option_usd


marked = compiled(_marked)


def _attributed(
    legs: Legs, now: Standing, room: Scratch, ts_us: int, mid: float, delta: float, gamma: float, theta: float
) -> None:
    """Move the attribution's point here, where the mid has moved or a second has passed, by `now.values`."""
    if mid == now.point_spot and ts_us - now.point_us < SETTLE_US:
        return
    move = mid - now.point_spot
    years = (ts_us - now.point_us) / US_PER_YEAR
    now.delta_usd += now.point_delta * move
    now.gamma_usd += 0.5 * now.point_gamma * move * move
    now.theta_usd += now.point_theta * years
    now.point_us, now.point_spot = ts_us, mid
    now.point_delta, now.point_gamma, now.point_theta = delta, gamma, theta
    for leg in range(legs.sign.shape[0]):
        room.point_vegas[leg] = legs.shares[leg] * room.values[now.values, leg, 4]
    now.pointed += 1


attributed = compiled(_attributed)
