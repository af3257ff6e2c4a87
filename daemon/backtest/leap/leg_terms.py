"""The legs as the kernel is told of them."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.state import Leg, records_of
from daemon.core.book import Book
from daemon.strategies.gamma_scalper.legs import two_sided_mid
from daemon.strategies.gamma_scalper.scalper_state import ScalperState


class LegTerms:
    """Remembers what it said last: from one leap to the next the legs are nearly always the very same."""

    def __init__(self) -> None:
        self._asked: tuple[Any, ...] = ()
        self._said: NDArray[np.void] | None = None

    def of(self, state: ScalperState, book: Book) -> NDArray[np.void] | None:
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
        if self._said is not None:
            for leg, told in zip(state.legs, self._said, strict=True):
                if not told["quoted"]:
                    told["mark"] = day.marks[leg.instrument]  # stands until the leap prices the leg anew
        return self._said


def _legs(state: ScalperState, book: Book) -> NDArray[np.void] | None:
    """Records of `Leg`; None where one has no terms, or no price that is a standing quote's or the model's."""
    ledger, day, count = book.ledger, book.day, len(state.legs)
    numbers = {leg.instrument: number for number, leg in enumerate(state.legs)}
    held = {leg: quantity for leg, quantity in ledger.leg_quantities.items() if quantity != 0}
    if not held or not held.keys() <= numbers.keys() or book.underlying not in day.marks:
        return None
    order = [*(numbers[leg] for leg in held), *[-1] * (count - len(held))]
    legs = records_of(Leg, count)
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
        quantity = held.get(name, 0.0)
        legs[number] = msgspec.structs.astuple(
            Leg(
                sign=1.0 if leg.right == "C" else -1.0,
                strike=leg.strike,
                expiry_us=leg.expiry_us,
                volatility=leg.volatility,
                contracts=quantity,
                shares=quantity * leg.multiplier,
                opening=ledger.opening_marks[name],
                quoted=mid is not None,
                twin=twins.setdefault((leg.strike, leg.expiry_us, leg.volatility), number),
                held=order[number],
                mark=0.0 if mid is None else mid,
            )
        )
    kept = [name for name in day.modelled if name not in numbers and name != book.underlying]
    return legs if day.modelled == (*modelled, *kept) else None
