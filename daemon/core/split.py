"""The ledger after a split or stock dividend: more (or fewer) shares, each worth less, and the same money."""

import msgspec

from daemon.core.ledger import Fill, ForeignFill, Ledger


def split(ledger: Ledger, ratio: float, own_shares: float, scaled_legs: frozenset[str]) -> Ledger:
    """Multiply quantities by `ratio` (new over old) and divide prices by it; legs only where they are in `scaled_legs`.

    `own_shares` is what is left after fractions were paid out. Foreign shares and leg quantities are the caller's to
    set from what the account holds. Today's executions are scaled too, so that a correction still folds rightly.
    """
    marks = {ledger.underlying, *scaled_legs}
    return msgspec.structs.replace(
        ledger,
        own_shares=own_shares,
        average_cost=ledger.average_cost / ratio,
        opening_shares=ledger.opening_shares * ratio,
        opening_cost=ledger.opening_cost / ratio,
        fills={key: _fill(fill, ratio) for key, fill in ledger.fills.items()},
        earlier_fills={key: _fill(fill, ratio) for key, fill in ledger.earlier_fills.items()},
        foreign_fills={key: _foreign(fill, ratio, marks) for key, fill in ledger.foreign_fills.items()},
        last_hedge_price=None if ledger.last_hedge_price is None else ledger.last_hedge_price / ratio,
        opening_marks=_marks(ledger.opening_marks, ratio, marks),
        last_marks=_marks(ledger.last_marks, ratio, marks),
    )


def _fill(fill: Fill, ratio: float) -> Fill:
    mid = None if fill.decision_mid is None else fill.decision_mid / ratio
    return msgspec.structs.replace(fill, quantity=fill.quantity * ratio, price=fill.price / ratio, decision_mid=mid)


def _foreign(fill: ForeignFill, ratio: float, marks: set[str]) -> ForeignFill:
    if fill.instrument not in marks:
        return fill
    price = None if fill.price is None else fill.price / ratio
    return msgspec.structs.replace(fill, signed_quantity=fill.signed_quantity * ratio, price=price)


def _marks(prices: dict[str, float], ratio: float, marks: set[str]) -> dict[str, float]:
    return {name: price / ratio if name in marks else price for name, price in prices.items()}
