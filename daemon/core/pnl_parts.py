"""The day's P&L as the snapshot and the history show it: split twice, to the cent, each way adding up to the total."""

import msgspec

from daemon.core.attribution import parts
from daemon.core.book import Book
from daemon.core.pnl import wear_per_10k
from state.records import PnlParts


def pnl_parts(book: Book) -> PnlParts | None:
    """Both splits; None while anything held has no price.

    What rounding leaves of the sum goes to the largest part of the first split and to `other` of the second.
    """
    pnl, ledger = book.day.pnl, book.ledger
    if pnl is None:
        return None
    by_holding = _rounded_to_sum(
        {
            "realised_usd": pnl.realised_usd,
            "unrealised_usd": pnl.unrealised_usd,
            "legs_usd": pnl.legs_usd,
            "commission_usd": -pnl.commission_usd,
        },
        pnl.total_usd,
        fixed="commission_usd",
    )
    origin = parts(
        book.day.attribution,
        stock_usd=pnl.stock_usd,
        legs_usd=pnl.legs_usd,
        slippage_usd=ledger.slippage_usd,
        commission_usd=pnl.commission_usd,
        restated_usd=ledger.restated_usd,
    )
    cents = {name: round(value * 100) for name, value in msgspec.structs.asdict(origin).items()}
    explained = sum(cents[name] for name in ("delta_usd", "gamma_usd", "theta_usd", "vega_usd"))
    costs = cents["slippage_usd"] + cents["commission_usd"]
    cents["other_usd"] = round(pnl.total_usd * 100) - explained + costs
    del cents["commission_usd"]
    wear = wear_per_10k(pnl.total_usd, ledger.traded_usd)
    return PnlParts(
        realised_usd=by_holding["realised_usd"],
        unrealised_usd=by_holding["unrealised_usd"],
        legs_usd=by_holding["legs_usd"],
        commission_usd=0.0 - by_holding["commission_usd"],
        total_usd=round(pnl.total_usd, 2),
        **{name: value / 100 for name, value in cents.items()},
        wear_per_10k=None if wear is None else round(wear, 4),
    )


def _rounded_to_sum(values: dict[str, float], total: float, *, fixed: str) -> dict[str, float]:
    """Each to the cent, and together the total's cents: the largest takes the difference, never `fixed`."""
    cents = {name: round(value * 100) for name, value in values.items()}
    largest = max((name for name in cents if name != fixed), key=lambda name: abs(cents[name]))
    cents[largest] += round(total * 100) - sum(cents.values())
    return {name: value / 100 for name, value in cents.items()}
