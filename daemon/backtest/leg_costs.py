"""What the legs are worth, and what they cost: the two columns by which anybody can recompute a run's P&L.

    P&L at a row = option_value_usd - option_cost_usd + own_shares x spot
                   - sum of (signed filled_shares x price) - sum of commission_usd          (rows up to this one)

The **value** is contracts x multiplier x mark over the legs held. The **cost** is their value at the marks from which
the desk's P&L counts (the opening marks of the first day that has them), for ever: a leg that expired worthless has
cost what it cost. An exercise or assignment adds the cash that the shares were paid with: shares x strike.
"""

import math

from daemon.core.book import Book

_NAN = math.nan


class LegCosts:
    """The one rule: tell it of each change of quantities (`moved`) and of each new day (`day_rolled`)."""

    def __init__(self) -> None:
        self._quantities: dict[str, float] | None = None
        self._specs: object = None
        self._held: tuple[tuple[str, float], ...] = ()
        self._marks: dict[str, float] | None = None
        self._cost_usd = _NAN
        self._opened: dict[str, float] = {}
        """Leg -> its value at its opening mark, also after it was settled."""
        self._provisional: frozenset[str] = frozenset()
        """Legs whose opening mark was a model's when it was taken in."""
        self._paid_usd = 0.0
        self._is_first_day = True

    def held(self, book: Book) -> tuple[tuple[str, float], ...]:
        """(leg, shares: contracts x multiplier) of what is held now."""
        quantities = book.ledger.leg_quantities
        if self._quantities is not quantities or self._specs is not book.specs:
            self._quantities, self._specs, self._marks = quantities, book.specs, None
            self._held = tuple(
                (leg, quantity * book.specs[leg].multiplier)
                for leg, quantity in quantities.items()
                if quantity != 0 and leg in book.specs
            )
        return self._held

    def value_usd(self, book: Book) -> float:
        """At the present marks; NaN while one is missing."""
        value, marks = 0.0, book.day.marks
        for leg, shares in self.held(book):
            mark = marks.get(leg)
            if mark is None:
                return _NAN
            value += shares * mark
        return value

    def cost_usd(self, book: Book) -> float:
        """What they have cost so far; NaN while a leg has no opening mark yet."""
        held, marks = self.held(book), book.ledger.opening_marks
        if self._marks is not marks:
            self._marks = marks
            for leg, shares in held:
                mark = marks.get(leg)
                if mark is not None and (self._is_first_day or leg not in self._opened or leg in self._provisional):
                    self._opened[leg] = shares * mark
            self._provisional = frozenset(book.day.guessed)
            known = all(leg in self._opened for leg, _ in held)
            self._cost_usd = math.fsum((*self._opened.values(), self._paid_usd)) if known else _NAN
        return self._cost_usd

    def day_rolled(self) -> None:
        """The opening marks are yesterday's closing ones from here on: the cost stays what it was, guessed or not."""
        self._is_first_day = False
        self._provisional = frozenset()

    def moved(self, before: Book, after: Book) -> None:
        """Contracts came or left without an execution; where they were exercised, shares were paid for."""
        exercised = () if before.explanation is None else before.explanation.exercised
        for leg in exercised:
            left = before.ledger.leg_quantities.get(leg, 0.0) - after.ledger.leg_quantities.get(leg, 0.0)
            spec = before.specs[leg]
            if left != 0 and spec.strike is not None:
                side = 1.0 if spec.right == "C" else -1.0
                self._paid_usd += side * left * spec.multiplier * spec.strike
