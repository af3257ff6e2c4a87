"""Profit and loss of the desk since the previous session's closing mark. Pure arithmetic on ledger and marks."""

from collections.abc import Mapping

import msgspec

from daemon.core.ledger import Ledger

Marks = Mapping[str, float]
"""Instrument -> price per share (a two-sided mid, or modelled)."""


class DayPnl(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The day's result in its parts, USD; commissions are a cost and therefore negative in the total."""

    realised_usd: float
    unrealised_usd: float
    legs_usd: float
    commission_usd: float

    @property
    def stock_usd(self) -> float:
        """What the own shares earned, before commissions."""
        return self.realised_usd + self.unrealised_usd

    @property
    def total_usd(self) -> float:
        """What the desk earned today."""
        return self.realised_usd + self.unrealised_usd + self.legs_usd - self.commission_usd


def day_pnl(
    ledger: Ledger,
    marks: Marks,
    leg_quantities: Mapping[str, float],
    multipliers: Mapping[str, float],
    underlying: str,
) -> DayPnl | None:
    """The day's P&L at these marks; None while anything held has no price.

    Args:
        ledger: what is owned, and the marks the day opened with.
        marks: instrument -> price per share.
        leg_quantities: leg -> contracts in the account, negative when short.
        multipliers: leg -> shares per contract; of the legs held, and of those traded today.
        underlying: the stock's instrument id.
    """
    unrealised = 0.0
    if ledger.own_shares != 0:
        mark = marks.get(underlying)
        if mark is None:
            return None
        unrealised = ledger.own_shares * (mark - ledger.average_cost)
    legs = settled_legs_usd(ledger, multipliers) if ledger.foreign_fills else ledger.legs_realised_usd
    opening_marks = ledger.opening_marks
    for leg, quantity in leg_quantities.items():
        if quantity == 0:
            continue
        mark, opening = marks.get(leg), opening_marks.get(leg)
        if mark is None or opening is None:
            return None
        legs += quantity * multipliers[leg] * (mark - opening)
    return DayPnl(
        realised_usd=ledger.realised_usd,
        unrealised_usd=unrealised,
        legs_usd=legs,
        commission_usd=ledger.commission_usd,
    )


def settled_legs_usd(ledger: Ledger, multipliers: Mapping[str, float]) -> float:
    """The part of the legs' P&L that no mark moves any more: trades against the opening mark, and what was settled.

    The operator trades legs by hand: contracts bought today at p earn mark - p, which is (mark - opening) as for every
    contract held, plus (opening - p). What was closed altogether is left with the second part alone.
    """
    if not ledger.foreign_fills:
        return ledger.legs_realised_usd
    return ledger.legs_realised_usd + sum(
        traded_leg_usd(ledger, leg, multipliers[leg])
        for leg in dict.fromkeys(fill.instrument for fill in ledger.foreign_fills.values())
        if leg in multipliers
    )


def traded_leg_usd(ledger: Ledger, leg: str, multiplier: float) -> float:
    """What today's trades in one leg earned against its opening mark; nothing while it has none."""
    opening = ledger.opening_marks.get(leg)
    if opening is None:
        return 0.0
    return multiplier * sum(
        fill.signed_quantity * (opening - fill.price)
        for fill in ledger.foreign_fills.values()
        if fill.instrument == leg and fill.price is not None
    )


def leg_usd(ledger: Ledger, leg: str, quantity: float, mark: float, multiplier: float) -> float | None:
    """One leg's part of the day's P&L at a mark; None while the leg has no opening mark."""
    opening = ledger.opening_marks.get(leg)
    if opening is None:
        return None
    held = quantity * multiplier * (mark - opening)
    return held + traded_leg_usd(ledger, leg, multiplier) if ledger.foreign_fills else held


def without_leg(ledger: Ledger, leg: str, *, contracts: float, mark: float | None, multiplier: float) -> Ledger:
    """The ledger after a leg was let go: what it earned today is settled at the mark.

    Its opening mark goes too: should it ever be a leg again, it begins at 0 there and then.
    """
    opening = ledger.opening_marks.get(leg)
    settled = 0.0
    if opening is not None:
        held = 0.0 if mark is None else contracts * multiplier * (mark - opening)
        settled = held + traded_leg_usd(ledger, leg, multiplier)
    fills = {
        key: msgspec.structs.replace(fill, price=None) if fill.instrument == leg else fill
        for key, fill in ledger.foreign_fills.items()
    }
    return msgspec.structs.replace(
        ledger,
        legs_realised_usd=ledger.legs_realised_usd + settled,
        foreign_fills=fills,
        opening_marks={name: price for name, price in ledger.opening_marks.items() if name != leg},
    )


def equity_usd(ledger: Ledger, today_usd: float) -> float | None:
    """The desk's equity: the account's value at the ledger's birth plus all the desk has earned since.

    Manual trading in the same account moves the account's value, never this figure.
    """
    if ledger.base_equity_usd is None:
        return None
    return ledger.base_equity_usd + ledger.earlier_pnl_usd + today_usd


def drawdown_pct(ledger: Ledger, equity: float) -> float:
    """How far equity stands below its peak, in percent of the peak; 0 at a new peak."""
    peak = equity if ledger.peak_equity_usd is None else max(ledger.peak_equity_usd, equity)
    if peak <= 0:
        return 0.0
    return (peak - equity) / peak * 100


def wear_per_10k(total_usd: float, traded_usd: float) -> float | None:
    """What the desk loses per 10,000 USD of stock traded: -P&L / notional x 10,000; None before the first trade.

    Negative where the day earned. The field's measure of what hedging costs, comparable over days and desks.
    """
    return None if traded_usd <= 0 else -total_usd / traded_usd * 10_000
