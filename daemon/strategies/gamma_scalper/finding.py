"""Options of the underlying that the account holds and that are no legs: found, judged, perhaps adopted.

A position found is adopted when the profile lets positions be adopted, the broker's report has confirmed it, its
contract is described, it lies within the structure gates, and it has a two-sided quote of this session, or
`QUOTE_GRACE_US` have passed without one (then its missing greeks block hedging, S1: nothing is hedged by half).
What is not adopted is not hedged; it is shown, named by a yellow check, and counted in the account's net delta.
"""

import msgspec

from config.schema import Structure
from daemon.core.book import Book
from daemon.core.instruments import TOLERANCE, is_option_of
from daemon.core.ledger import foreign_traded
from daemon.strategies.gamma_scalper.legs import LegPricer, LegState, adopted_leg, quantity_of, two_sided_mid
from daemon.strategies.gamma_scalper.scalper_state import FoundOption, ScalperState
from daemon.strategies.gamma_scalper.structure import Distance, distance, outside

QUOTE_GRACE_US = 10_000_000
"""How long the first quote of a found option may take before it is adopted without one."""


def found_options(state: ScalperState, book: Book, *, reported: bool) -> tuple[FoundOption, ...]:
    """Every such position now. `reported`: this is the step of a complete report, whose word can be adopted."""
    legs = {leg.instrument for leg in state.legs}
    known = {each.instrument: each for each in state.found}
    found = []
    for name, held in book.account_positions.items():
        if abs(held) <= TOLERANCE or name in legs or not is_option_of(name, book.underlying):
            continue
        each = known.get(name)
        if each is None:
            each = FoundOption(instrument=name, since_us=book.ts_us)
        if reported:
            # The report's executions are booked already, so the two agree; a position alone may run ahead of them.
            base = held - foreign_traded(book.ledger, name)
            each = msgspec.structs.replace(each, base=base, day=book.ledger.day)
        found.append(each)
    return tuple(found)


class Finder:
    """Judges what was found. Pure."""

    def __init__(self, gates: Structure, pricer: LegPricer) -> None:
        self.gates = gates
        self._pricer = pricer

    def adoptable(self, state: ScalperState, book: Book) -> dict[str, float]:
        """Instrument -> contracts to adopt now (less what others have traded today); mostly none."""
        if not self.gates.adopt or not book.reconciled:
            return {}
        return {
            each.instrument: each.base
            for each in state.found
            if each.base is not None and self.refusal(each, state, book) is None
        }

    def refusal(self, each: FoundOption, state: ScalperState, book: Book) -> str | None:
        """Why a found option is not adopted now, with the numbers; None when it may be."""
        leg = described(each.instrument, book)
        if leg is None:
            return "the venue has not described the contract"
        if not self.gates.adopt:
            return "gates.strategy.structure.adopt is false"
        far = where(leg, state)
        if far is None:
            return "no price of the underlying yet"
        too_far = outside(far, self.gates)
        return self._not_yet(each, state, book) if too_far is None else too_far

    def words(self, each: FoundOption, state: ScalperState, book: Book) -> str:
        """Why a found option is not hedged."""
        refusal = self.refusal(each, state, book)
        return "is being adopted" if refusal is None else refusal

    def _not_yet(self, each: FoundOption, state: ScalperState, book: Book) -> str | None:
        """What a position within the gates still waits for."""
        if state.session is None:
            return "the market is closed"
        if each.base is None or each.day != book.ledger.day:
            return "waits for the broker's next report"
        quote = book.quotes.get(each.instrument)
        quoted = quote is not None and quote.ts_us >= state.session.open_us and two_sided_mid(quote) is not None
        if not quoted and book.ts_us - each.since_us < QUOTE_GRACE_US:
            return "waits for its first quote"
        return None

    def legs_outside(self, state: ScalperState, book: Book) -> tuple[str, ...]:
        """Held legs outside the gates, each with what lies outside; none where nothing is adopted."""
        if not self.gates.adopt:
            return ()
        found = []
        for leg in state.legs:
            far = where(leg, state)
            expired = leg.expiry_us is not None and book.ts_us >= leg.expiry_us
            if far is None or expired or quantity_of(leg, book) == 0:
                continue
            too_far = outside(far, self.gates)
            if too_far is not None:
                found.append(f"{leg.instrument}: {too_far}")
        return tuple(found)

    def delta_shares(self, state: ScalperState, book: Book) -> float | None:
        """Delta of all found options, in shares; None as soon as one of them cannot be valued."""
        total = 0.0
        for each in state.found:
            leg = described(each.instrument, book)
            if leg is None or state.spot is None:
                return None
            quote = book.quotes.get(each.instrument)
            value = self._pricer.value(
                self._pricer.at_a_look(leg, quote, state.spot, book.ts_us), state.spot, book.ts_us
            )
            if value is None or leg.multiplier is None:
                return None
            total += book.account_positions.get(each.instrument, 0.0) * leg.multiplier * value.delta
        return total


def described(instrument: str, book: Book) -> LegState | None:
    """The option as the venue describes it; None before it has done so completely."""
    spec = book.specs.get(instrument)
    leg = None if spec is None else adopted_leg(spec)
    return None if leg is None or leg.expiry_us is None else leg


def where(leg: LegState, state: ScalperState) -> Distance | None:
    """How an option lies to the market now; None before there is a day and a price."""
    if state.session_date is None or state.spot is None:
        return None
    return distance(strike=leg.strike, expiry=leg.expiry, today=state.session_date, spot=state.spot)
