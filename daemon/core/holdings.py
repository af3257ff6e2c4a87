"""What the desk's legs are at one moment: contracts and shares per contract, as ledger and venue say."""

from collections.abc import Iterable
from typing import NamedTuple

from daemon.core.book import Book
from daemon.core.instruments import InstrumentSpec
from daemon.core.ledger import ForeignFill, foreign_traded


class Holdings(NamedTuple):
    """By leg: contracts (negative when short), shares per contract, and their product where contracts are held."""

    contracts: dict[str, float]
    multipliers: dict[str, float]
    """Also of what others traded today, as far as the venue has said."""
    shares: dict[str, float]


def holdings(legs: Iterable[str], book: Book) -> Holdings | None:
    """The legs of these names; None while the venue has not said how many shares a contract stands for."""
    quantities = book.ledger.leg_quantities
    contracts = {leg: quantities.get(leg, 0.0) for leg in legs}
    if book.ledger.foreign_fills:
        for leg in contracts:
            contracts[leg] += foreign_traded(book.ledger, leg)
    found = multipliers(contracts, book)
    if not contracts.keys() <= found.keys():
        return None
    shares = {leg: quantity * found[leg] for leg, quantity in contracts.items() if quantity != 0}
    return Holdings(contracts, found, shares)


def multipliers(legs: Iterable[str], book: Book) -> dict[str, float]:
    """Of these legs and of what others traded today, as far as the venue has said."""
    specs = book.specs
    if book.ledger.foreign_fills:
        traded = {fill.instrument for fill in book.ledger.foreign_fills.values()} - {book.underlying}
        legs = {*legs, *traded}
    return {leg: specs[leg].multiplier for leg in legs if leg in specs}


class HoldingsMemo:
    """`holdings`, made anew only when something that it is made from has been replaced.

    The book is frozen, and its dicts are replaced, never changed in place: the very same dicts mean the very same
    answer. It changes a few times a day and is asked for at every tick. One memo belongs to one core, for that has
    one underlying.
    """

    __slots__ = ("_fills", "_found", "_legs", "_quantities", "_specs")

    def __init__(self) -> None:
        self._legs: tuple[str, ...] | None = None
        self._quantities: dict[str, float] = {}
        self._fills: dict[str, ForeignFill] = {}
        self._specs: dict[str, InstrumentSpec] = {}
        self._found: Holdings | None = None

    def of(self, legs: tuple[str, ...], book: Book) -> Holdings | None:
        """As `holdings`."""
        ledger = book.ledger
        if (
            ledger.leg_quantities is not self._quantities
            or book.specs is not self._specs
            or ledger.foreign_fills is not self._fills
            or legs != self._legs
        ):
            self._found = holdings(legs, book)
            self._quantities, self._specs, self._fills = ledger.leg_quantities, book.specs, ledger.foreign_fills
            self._legs = legs
        return self._found
