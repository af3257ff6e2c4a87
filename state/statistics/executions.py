"""Own executions: hedges and their sizes, what slippage cost, and at which hours it happens."""

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

import msgspec

from state.statistics.digest import Fill, newest_fills
from state.statistics.measures import Percentiles, percentiles


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """One own order that filled, whole or in part: its executions taken together.

    `slippage_usd` is the sum of (price - mid of the decision) x signed shares, positive when paid; `slippage_bps` is
    that over the value at the decision's mid x 10,000. Both None where no execution knows its decision's mid.
    """

    order_ref: str | None
    ts_us: int
    """Of its first execution."""
    side: str | None
    quantity: float
    value_usd: float
    executions: int
    slippage_usd: float | None
    slippage_bps: float | None


def hedges(fills: Iterable[Fill]) -> tuple[Hedge, ...]:
    """Executions joined by order, corrections applied, in time order. An execution without `order_ref` stands alone."""
    groups: dict[object, list[Fill]] = {}
    for number, fill in enumerate(newest_fills(fills)):
        groups.setdefault(number if fill.order_ref is None else fill.order_ref, []).append(fill)
    return tuple(_hedge(group) for group in groups.values())


def _hedge(fills: Sequence[Fill]) -> Hedge:
    known = [fill for fill in fills if fill.slippage_usd is not None and fill.decision_mid is not None]
    slippage = math.fsum(fill.slippage_usd or 0.0 for fill in known) if known else None
    basis = math.fsum((fill.decision_mid or 0.0) * fill.quantity for fill in known)
    return Hedge(
        order_ref=fills[0].order_ref,
        ts_us=fills[0].ts_us,
        side=fills[0].side,
        quantity=math.fsum(fill.quantity for fill in fills),
        value_usd=math.fsum(fill.quantity * fill.price for fill in fills),
        executions=len(fills),
        slippage_usd=slippage,
        slippage_bps=None if slippage is None or basis <= 0 else slippage / basis * 10_000,
    )


def marked_usd(hedge: Hedge, closing_price: float | None) -> float | None:
    """What a hedge's own shares earned by the close of its day, USD: signed shares x close - signed value.

    Commission is not in it. Over the hedges of a day these sum to the P&L of the day's stock trades; the shares held
    before the day, the legs and the commissions make up the rest of its P&L. None without a side or a close.
    """
    if closing_price is None or hedge.side not in ("BUY", "SELL"):
        return None
    earned = hedge.quantity * closing_price - hedge.value_usd
    return earned if hedge.side == "BUY" else -earned


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How many hedges, of how many shares, and their slippage (`known` of `n` have one)."""

    n: int
    shares: float
    shares_each: Percentiles
    value_usd: float
    known: int
    slippage_usd: float | None
    slippage_bps: Percentiles


def sizes(found: Sequence[Hedge]) -> Sizes:
    """Sums and percentiles over hedges."""
    paid = [each.slippage_usd for each in found if each.slippage_usd is not None]
    return Sizes(
        n=len(found),
        shares=math.fsum(each.quantity for each in found),
        shares_each=percentiles([each.quantity for each in found]),
        value_usd=math.fsum(each.value_usd for each in found),
        known=len(paid),
        slippage_usd=math.fsum(paid) if paid else None,
        slippage_bps=percentiles([each.slippage_bps for each in found if each.slippage_bps is not None]),
    )


def by_hour(found: Iterable[Hedge], zone: str) -> tuple[tuple[int, tuple[Hedge, ...]], ...]:
    """(hour 0..23 of `zone`, its hedges), hours without any left out. Raises ZoneInfoNotFoundError."""
    info = ZoneInfo(zone)
    hours: dict[int, list[Hedge]] = {}
    for each in found:
        moment = dt.datetime.fromtimestamp(each.ts_us / 1e6, info)
        hours.setdefault(moment.hour, []).append(each)
    return tuple((hour, tuple(hours[hour])) for hour in sorted(hours))
