"""The operator's number: what a flatten needs where the own ledger alone may not say what is ours.

That is so after a salvage (executions may be missing for good) and when the account contradicts the ledger. Two
numbers are shown, the ledger's and the account's less what is foreign, and one of them must be confirmed. The other
one is then put right in the ledger, journaled, so that a flatten never closes what the account does not hold.
"""

from typing import Literal

import msgspec

from daemon.core.book import Book
from daemon.core.day import write_checkpoint
from daemon.core.instruments import TOLERANCE
from daemon.core.ledger import foreign_traded, moved
from daemon.core.reconcile import refresh_unexplained
from daemon.core.turn import Turn
from state.records import JournalType

Code = Literal["flatten_conflict", "flatten_unconfirmed"]


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the underlying, as everyone claims them. `foreign_shares` is None until the operator has decided."""

    own_shares: float
    """By the ledger."""
    account_shares: float
    foreign_shares: float | None
    """Acknowledged, and traded by others since."""

    @property
    def own_by_account(self) -> float | None:
        """What the account says is ours; None while nobody has said what is foreign in it."""
        return None if self.foreign_shares is None else self.account_shares - self.foreign_shares

    @property
    def contradict(self) -> bool:
        """The account holds less than the ledger says is ours, or the other sign: closing that would open a position.

        Others' executions explain such an account; then it does not contradict.
        """
        if self.own_by_account is None or abs(self.own_by_account - self.own_shares) <= TOLERANCE:
            return False
        opposite = self.own_shares * self.account_shares < 0
        return opposite or abs(self.account_shares) < abs(self.own_shares) - TOLERANCE

    def choices(self) -> tuple[float, ...]:
        """The numbers that may be confirmed: the ledger's, then the account's where that is another."""
        other = self.own_by_account
        if other is None or abs(other - self.own_shares) <= TOLERANCE:
            return (self.own_shares,)
        return self.own_shares, other

    def words(self) -> str:
        """One sentence with every number, and the command that confirms one."""
        foreign = "undecided" if self.foreign_shares is None else f"{self.foreign_shares:g}"
        commands = " or ".join(f"--confirm-shares {choice:g}" for choice in self.choices())
        return (
            f"the ledger owns {self.own_shares:g} shares, the account holds {self.account_shares:g} "
            f"(foreign: {foreign}); compare with TWS, then ./bifrost flatten {commands}"
        )


def claims(book: Book) -> Claims:
    """The numbers as they stand now."""
    acknowledged = book.ledger.foreign_acknowledged
    return Claims(
        own_shares=book.ledger.own_shares,
        account_shares=book.account_positions.get(book.underlying, 0.0),
        foreign_shares=None if acknowledged is None else acknowledged + foreign_traded(book.ledger, book.underlying),
    )


def choices(book: Book) -> tuple[float, ...]:
    """The numbers of which a flatten needs one confirmed now; none where the ledger's word is enough."""
    if not book.synced_once:
        return (book.ledger.own_shares,) if book.ledger.is_salvaged else ()
    found = claims(book)
    return found.choices() if book.ledger.is_salvaged or found.contradict else ()


def is_missing(book: Book) -> bool:
    """Whether a number is needed whatever the account says, and none was given: known before anything is done."""
    return book.ledger.is_salvaged and not book.flatten.agreed and book.flatten.confirmed_shares is None


def settle(turn: Turn) -> tuple[Code, str] | None:
    """Find the operator's number right and the ledger equal to it, or say under which code the flatten is refused.

    Call it on a fresh report with no own order in flight: the number is of that moment.
    """
    book, view = turn.book, turn.book.flatten
    found = claims(book)
    asked = book.ledger.is_salvaged and not view.agreed
    if not asked and not found.contradict:
        return _unasked(turn, found)
    code: Code = "flatten_conflict" if found.contradict else "flatten_unconfirmed"
    confirmed = view.confirmed_shares
    if confirmed is None or view.agreed:
        # Once agreed, the number is used up: after a part was closed it says nothing of what is left.
        return code, found.words()
    if _equal(confirmed, found.own_shares):
        _agree(turn)
        _declare_rest_foreign(turn, found)
    elif _equal(confirmed, found.own_by_account):
        _agree(turn)
        _correct(turn, found, confirmed)
    else:
        return code, f"{confirmed:g} shares were confirmed, but {found.words()}"
    return None


def _unasked(turn: Turn, found: Claims) -> tuple[Code, str] | None:
    """A number that was not needed must be the ledger's all the same: nobody closes another than was confirmed."""
    confirmed = turn.book.flatten.confirmed_shares
    if confirmed is None or turn.book.flatten.agreed:
        return None
    if not _equal(confirmed, found.own_shares):
        said = f"{confirmed:g} shares were confirmed, but the ledger owns {found.own_shares:g}"
        return "flatten_unconfirmed", f"{said}; compare with TWS, then ./bifrost flatten, or confirm that number"
    _agree(turn)
    return None


def _equal(confirmed: float, claimed: float | None) -> bool:
    return claimed is not None and abs(confirmed - claimed) <= TOLERANCE


def _agree(turn: Turn) -> None:
    turn.put(flatten=msgspec.structs.replace(turn.book.flatten, agreed=True))


def _declare_rest_foreign(turn: Turn, found: Claims) -> None:
    """The ledger is right, so whatever else the account holds is not ours."""
    if found.foreign_shares is None or _equal(found.own_shares, found.own_by_account):
        return
    foreign = found.account_shares - found.own_shares
    turn.change_ledger(foreign_acknowledged=foreign - foreign_traded(turn.book.ledger, turn.book.underlying))
    _booked(turn, JournalType.BOOK_ACKNOWLEDGED, foreign, found)


def _correct(turn: Turn, found: Claims, confirmed: float) -> None:
    """The account is right: what the ledger lacks was ours, what it has too much is not there."""
    change = confirmed - found.own_shares
    ledger = turn.book.ledger
    # Without a quote its own cost is the only price that makes no result.
    price = turn.book.day.marks.get(turn.book.underlying, ledger.average_cost)
    turn.put_ledger(moved(ledger, change, price))
    shrinks = found.own_shares * confirmed >= 0 and abs(confirmed) < abs(found.own_shares)
    _booked(turn, JournalType.BOOK_RELEASED if shrinks else JournalType.BOOK_ADOPTED, change, found, price=price)


def _booked(turn: Turn, kind: JournalType, shares: float, found: Claims, *, price: float | None = None) -> None:
    file = turn.book.control.flatten
    turn.record(
        kind,
        instrument=turn.book.underlying,
        quantity=shares,
        unit="share",
        price=price,
        ccy="USD",
        status="confirmed",
        reason="the operator's number for a flatten",
        data={
            "command": "flatten",
            "by": None if file is None else file.by,
            "confirmed_shares": turn.book.flatten.confirmed_shares,
            **msgspec.structs.asdict(found),
        },
    )
    refresh_unexplained(turn)
    write_checkpoint(turn)
