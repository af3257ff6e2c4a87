"""Recounts a day from its journal lines alone, by other means than the ledger: cash flows instead of average cost."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from state.records import JournalLine, JournalType


@dataclass(frozen=True)
class Recount:
    """What the fills say. `realised_usd` is the cash earned by shares that were closed, at average cost."""

    own_shares: float
    realised_usd: float
    average_cost: float
    commission_usd: float
    cash_usd: float

    def total_usd(self, marks: Mapping[str, float], underlying: str, legs_usd: float) -> float:
        """Cash plus what the shares are worth, legs, and commissions."""
        mark = marks.get(underlying, 0.0)
        return self.cash_usd + self.own_shares * mark + legs_usd - self.commission_usd


def _newest_word(lines: Iterable[JournalLine]) -> list[JournalLine]:
    """Without the fills that a correction of theirs replaced."""
    kept: dict[object, JournalLine] = {}
    for line in lines:
        is_fill = line.type in (JournalType.FILL, JournalType.PARTIAL_FILL)
        key = (line.data or {}).get("exec_key") if is_fill else None
        kept[line.seq if key is None else key] = line
    return list(kept.values())


def recount(lines: Iterable[JournalLine]) -> Recount:
    """Own shares, realised P&L by lots at their average, commissions: from fill and commission lines."""
    buys: list[tuple[float, float]] = []
    shares = cost = realised = 0.0
    commissions: dict[str, float] = {}
    for line in _newest_word(lines):
        if line.type is JournalType.COMMISSION and line.data is not None and line.price is not None:
            commissions[line.data["exec_key"]] = line.price
        if line.type not in (JournalType.FILL, JournalType.PARTIAL_FILL):
            continue
        assert line.quantity is not None
        assert line.price is not None
        signed = line.quantity if line.side == "BUY" else -line.quantity
        buys.append((signed, line.price))
        # one share at a time: slow and hard to get wrong
        for _ in range(round(line.quantity)):
            step = math.copysign(1.0, signed)
            if shares * step >= 0:
                cost += line.price
            else:
                average = cost / abs(shares)
                realised += (line.price - average) * -step
                cost -= average
            shares += step
            if shares == 0:
                cost = 0.0
    return Recount(
        own_shares=shares,
        realised_usd=realised,
        average_cost=cost / abs(shares) if shares else 0.0,
        commission_usd=math.fsum(commissions.values()),
        cash_usd=-math.fsum(quantity * price for quantity, price in buys),
    )
