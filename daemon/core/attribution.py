"""Where the day's P&L came from: delta, gamma, theta, vega, slippage, commission, and what is left over.

Between two consecutive marks (time t, stock S, leg volatility s; every sensitivity taken at the *earlier* mark) the
value V of a leg changes by its second-order Taylor expansion, in the stock to second order, in the rest to first:

    dV = delta dS + 1/2 gamma dS^2 + theta dt + vega ds + remainder

summed over the legs (n = contracts x multiplier, negative when short) and over the intervals of the day:

| part | formula, USD |
|---|---|
| delta_usd | sum of n delta dS over the legs, plus what the own shares earned against the decisions' mids |
| gamma_usd | sum of 1/2 n gamma dS^2 |
| theta_usd | sum of n theta dt; dt ACT/365, nights and weekends included |
| vega_usd | sum of n vega ds, per leg by its own volatility |
| slippage_usd | sum over own fills of (price - decision mid) x signed shares: a cost when positive |
| commission_usd | a cost, too |
| other_usd | the rest: higher and mixed orders, marks that the model does not explain, earlier days restated |

    delta + gamma + theta + vega + other - slippage - commission = total

The stock's part needs no expansion: realised + unrealised P&L of the shares plus the slippage that is shown apart is
the sum of shares x dS, with each fill taken at its decision's mid. So delta_usd is the result of the *unhedged rest*
of the delta. Only the four sums of the legs must be remembered; they and the last point survive a restart in the
ledger's checkpoint, and one long interval then bridges the gap (its higher orders go to `other_usd`).

Volatility is the desk's own (`greeks.volatility`): with a fixed number vega is 0 and a market that reprices
volatility shows in `other_usd`, as the model error that it is.

Source: J. Hull, Options, Futures and Other Derivatives, section 19.7 (Taylor series expansion of a portfolio's value);
E. Sinclair, Volatility Trading, chapter 6 (P&L of a hedged option).
"""

from collections.abc import Mapping

import msgspec

from daemon.core.black_scholes import US_PER_YEAR


class Sensitivity(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One leg per share of its underlying, in the units of `black_scholes`; `volatility` is what they were taken at."""

    instrument: str
    volatility: float
    delta: float
    gamma: float
    theta_usd_year: float
    vega: float


class Point(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All legs at one mark. `vegas` (USD per 1.00 of volatility, whole position) and `volatilities` are by leg."""

    ts_us: int
    spot: float
    delta_shares: float
    gamma: float
    theta_usd_year: float
    vegas: dict[str, float] = {}
    volatilities: dict[str, float] = {}


class Attribution(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The legs' sums since the day began, USD, and the point from which the next interval starts."""

    point: Point | None = None
    """None before the first mark at which every held leg had its sensitivities."""
    delta_usd: float = 0.0
    gamma_usd: float = 0.0
    theta_usd: float = 0.0
    vega_usd: float = 0.0


def point_of(
    ts_us: int, spot: float, sensitivities: tuple[Sensitivity, ...], leg_shares: Mapping[str, float]
) -> Point | None:
    """The legs at this mark; None while a leg that is held has no sensitivities.

    Args:
        ts_us: when.
        spot: the stock's mark, USD.
        sensitivities: of the legs that have them.
        leg_shares: leg -> contracts x multiplier, for the legs that are held.
    """
    delta = gamma = theta = 0.0
    vegas: dict[str, float] = {}
    volatilities: dict[str, float] = {}
    for each in sensitivities:
        shares = leg_shares.get(each.instrument)
        if shares is None:
            continue
        delta += shares * each.delta
        gamma += shares * each.gamma
        theta += shares * each.theta_usd_year
        vegas[each.instrument] = shares * each.vega
        volatilities[each.instrument] = each.volatility
    if len(vegas) < len(leg_shares):
        return None
    return Point(
        ts_us=ts_us,
        spot=spot,
        delta_shares=delta,
        gamma=gamma,
        theta_usd_year=theta,
        vegas=vegas,
        volatilities=volatilities,
    )


def advanced(before: Attribution, point: Point) -> Attribution:
    """The sums after the interval from the last point to this one. A leg that is new or gone has no `ds` in it."""
    start = before.point
    if start is None:
        return msgspec.structs.replace(before, point=point)
    move = point.spot - start.spot
    years = (point.ts_us - start.ts_us) / US_PER_YEAR
    vega = before.vega_usd
    if point.volatilities != start.volatilities:  # with a fixed volatility never
        for leg, volatility in point.volatilities.items():
            was = start.volatilities.get(leg)
            if was is not None and was != volatility:
                vega += start.vegas[leg] * (volatility - was)
    return Attribution(
        point=point,
        delta_usd=before.delta_usd + start.delta_shares * move,
        gamma_usd=before.gamma_usd + 0.5 * start.gamma * move * move,
        theta_usd=before.theta_usd + start.theta_usd_year * years,
        vega_usd=vega,
    )


def new_day(before: Attribution) -> Attribution:
    """The sums begin anew at the closing mark: the point stays, so the night belongs to the new day."""
    return Attribution(point=before.point)


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The day's P&L by where it came from, USD. Costs (`slippage_usd`, `commission_usd`) are positive when paid."""

    delta_usd: float
    gamma_usd: float
    theta_usd: float
    vega_usd: float
    slippage_usd: float
    commission_usd: float
    other_usd: float

    @property
    def total_usd(self) -> float:
        """What they add up to."""
        earned = self.delta_usd + self.gamma_usd + self.theta_usd + self.vega_usd + self.other_usd
        return earned - self.slippage_usd - self.commission_usd


def parts(
    attribution: Attribution,
    *,
    stock_usd: float,
    legs_usd: float,
    slippage_usd: float,
    commission_usd: float,
    restated_usd: float = 0.0,
) -> Parts:
    """Split a day's result; they add up to `stock_usd + legs_usd - commission_usd` by construction.

    Args:
        attribution: the legs' sums.
        stock_usd: realised and unrealised P&L of the own shares.
        legs_usd: P&L of the legs.
        slippage_usd: of today's own fills, positive when paid.
        commission_usd: positive when paid.
        restated_usd: what of `stock_usd` is a correction of an earlier day's execution; no part of today's delta.
    """
    explained = attribution.delta_usd + attribution.gamma_usd + attribution.theta_usd + attribution.vega_usd
    return Parts(
        delta_usd=attribution.delta_usd + stock_usd - restated_usd + slippage_usd,
        gamma_usd=attribution.gamma_usd,
        theta_usd=attribution.theta_usd,
        vega_usd=attribution.vega_usd,
        slippage_usd=slippage_usd,
        commission_usd=commission_usd,
        other_usd=legs_usd - explained + restated_usd,
    )
