"""The legs as the kernel is told of them."""

from typing import Any

import numpy as np

from daemon.backtest.leap.state import Legs
from daemon.core.book import Book
from daemon.strategies.gamma_scalper.legs import two_sided_mid
from daemon.strategies.gamma_scalper.scalper_state import ScalperState


class LegTerms:
    """Remembers what it said last: from one leap to the next the legs are nearly always the very same."""

    def __init__(self) -> None:
        self._asked: tuple[Any, ...] = ()
        self._said: Legs | None = None

    def of(self, state: ScalperState, book: Book) -> Legs | None:
        """The legs; None where one has no terms, or no price that is a standing quote's or the model's."""
        ledger, day = book.ledger, book.day
        asked = (
            state.legs,
            ledger.leg_quantities,
            ledger.opening_marks,
            book.specs,
            day.guessed,
            day.modelled,
            day.marks.keys(),
            [book.quotes.get(leg.instrument) for leg in state.legs],
        )
        if asked != self._asked:
            self._asked, self._said = asked, _legs(state, book)
        return self._said


def _legs(state: ScalperState, book: Book) -> Legs | None:
    """The legs; None where one has no terms, no price, or one that is neither a standing quote's nor the model's."""
    ledger, day, count = book.ledger, book.day, len(state.legs)
    numbers = {leg.instrument: number for number, leg in enumerate(state.legs)}
    held = {leg: quantity for leg, quantity in ledger.leg_quantities.items() if quantity != 0}
    if not held or not held.keys() <= numbers.keys() or book.underlying not in day.marks:
        return None
    legs = Legs(
        sign=np.empty(count),
        strike=np.empty(count),
        expiry_us=np.empty(count, np.int64),
        volatility=np.empty(count),
        contracts=np.zeros(count),
        shares=np.zeros(count),
        opening=np.zeros(count),
        mark=np.zeros(count),
        quoted=np.zeros(count, np.bool_),
        twin=np.arange(count, dtype=np.int64),
        valued=np.array([numbers[leg] for leg in held], np.int64),
    )
    modelled: list[str] = []
    twins: dict[tuple[float, int, float], int] = {}
    for number, leg in enumerate(state.legs):
        name, spec = leg.instrument, book.specs.get(leg.instrument)
        if leg.volatility is None or leg.expiry_us is None or leg.multiplier is None or spec is None:
            return None
        if spec.multiplier != leg.multiplier or name not in day.marks or name not in ledger.opening_marks:
            return None
        mid = two_sided_mid(book.quotes.get(name))
        if mid is None:
            modelled.append(name)
            if leg.source != "implied" and not (leg.implied is None and leg.priced_mid is None):
                return None
        elif name in day.guessed:
            return None
        else:
            legs.mark[number], legs.quoted[number] = mid, True
        legs.sign[number] = 1.0 if leg.right == "C" else -1.0
        legs.strike[number], legs.expiry_us[number], legs.volatility[number] = leg.strike, leg.expiry_us, leg.volatility
        legs.twin[number] = twins.setdefault((leg.strike, leg.expiry_us, leg.volatility), number)
        quantity = held.get(name, 0.0)
        legs.contracts[number], legs.shares[number] = quantity, quantity * leg.multiplier
        legs.opening[number] = ledger.opening_marks[name]
    kept = [name for name in day.modelled if name not in numbers and name != book.underlying]
    return legs if day.modelled == (*modelled, *kept) else None
