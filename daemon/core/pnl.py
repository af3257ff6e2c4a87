"""Profit and loss of the desk since the previous session's closing mark. Pure arithmetic on ledger and marks."""

from collections.abc import Mapping

import msgspec

from daemon.core.ledger import Ledger

Marks = Mapping[str, float]
"""Instrument -> price per share (a two-sided mid, or modelled)."""


class DayPnl(msgspec.Struct, frozen=True, kw_only=True):
    """The day's result in its parts, USD; commissions are a cost and therefore negative in the total."""

    realised_usd: float
    unrealised_usd: float
    legs_usd: float
    commission_usd: float

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
        multipliers: leg -> shares per contract.
        underlying: the stock's instrument id.
    """
    unrealised = 0.0
    if ledger.own_shares != 0:
        mark = marks.get(underlying)
        if mark is None:
            return None
        unrealised = ledger.own_shares * (mark - ledger.average_cost)
    legs = 0.0
    for leg, quantity in leg_quantities.items():
        if quantity == 0:
            continue
        mark, opening = marks.get(leg), ledger.opening_marks.get(leg)
        if mark is None or opening is None:
            return None
        legs += quantity * multipliers[leg] * (mark - opening)
    return DayPnl(
        realised_usd=ledger.realised_usd,
        unrealised_usd=unrealised,
        legs_usd=legs,
        commission_usd=ledger.commission_usd,
    )


def equity_usd(ledger: Ledger, today: DayPnl) -> float | None:
    """The desk's equity: the account's value at the ledger's birth plus all the desk has earned since.

    Manual trading in the same account moves the account's value, never this figure.
    """
    if ledger.base_equity_usd is None:
        return None
    return ledger.base_equity_usd + ledger.earlier_pnl_usd + today.total_usd


def drawdown_pct(ledger: Ledger, equity: float) -> float:
    """How far equity stands below its peak, in percent of the peak; 0 at a new peak."""
    peak = equity if ledger.peak_equity_usd is None else max(ledger.peak_equity_usd, equity)
    if peak <= 0:
        return 0.0
    return (peak - equity) / peak * 100
