"""One step under way: the book as it stands and the effects so far.

`step` is pure; inside it, handlers of several subjects change one book in turn. A Turn lives for one call of
`step` and never leaves it, so nobody outside can see it change.
"""

from typing import Any

import msgspec

from config.schema import Profile
from daemon.core.book import Book, DayView, QuoteState
from daemon.core.effects import Alarm, AnyEffect, Record
from daemon.core.events import Side
from daemon.core.holdings import HoldingsMemo
from daemon.core.ledger import Halt, Ledger
from daemon.core.order_life import ORDER_LIFE, OrderTrigger, OwnOrder
from daemon.core.strategy import Strategy
from state.records import JournalType

# Bound once: this is called several times in every step, and each dot on the way to it costs as much as a comparison.
_replace = msgspec.structs.replace


class Turn:
    """The one rule: replace `book` only through `put`, `put_ledger` and `put_order`, so that nothing is lost."""

    __slots__ = ("book", "effects", "holdings", "profile", "strategy")

    def __init__(self, profile: Profile, strategy: Strategy, book: Book, holdings: HoldingsMemo | None = None) -> None:
        self.profile = profile
        self.strategy = strategy
        self.book = book
        self.holdings = HoldingsMemo() if holdings is None else holdings
        self.effects: list[AnyEffect] = []

    def put(self, **changes: Any) -> None:
        """Replace fields of the book."""
        self.book = _replace(self.book, **changes)

    def put_quote(self, instrument: str, quote: QuoteState) -> None:
        """Add or replace the newest quote of one instrument."""
        self.book = _replace(self.book, quotes={**self.book.quotes, instrument: quote})

    def put_day(self, day: DayView, strategy: Any) -> None:
        """Replace the day's figures, and the strategy's state that they were made with."""
        self.book = _replace(self.book, day=day, strategy=strategy)

    def put_ledger(self, ledger: Ledger) -> None:
        """Replace the ledger."""
        self.book = _replace(self.book, ledger=ledger)

    def change_ledger(self, **changes: Any) -> None:
        """Replace fields of the ledger."""
        self.put_ledger(_replace(self.book.ledger, **changes))

    def put_order(self, order: OwnOrder) -> None:
        """Add or replace one own order."""
        self.put(orders={**self.book.orders, order.order_ref: order})

    def move_order(self, order: OwnOrder, trigger: OrderTrigger, **changes: Any) -> OwnOrder:
        """Take an order along its table. Raises IllegalTransitionError."""
        moved = msgspec.structs.replace(order, state=ORDER_LIFE.next(order.state, trigger), **changes)
        self.put_order(moved)
        return moved

    def do(self, *effects: AnyEffect) -> None:
        """Ask the world for something."""
        self.effects.extend(effects)

    def record(self, kind: JournalType, **fields: Any) -> None:
        """Journal an operation."""
        self.effects.append(Record(type=kind, **fields))

    def record_order(self, kind: JournalType, order: OwnOrder, **fields: Any) -> None:
        """Journal an operation of one own order, with its identity filled in."""
        side: Side = order.side
        whole: dict[str, Any] = {
            "intent_id": order.intent_id,
            "order_ref": order.order_ref,
            "instrument": order.instrument,
            "side": side,
            "quantity": order.quantity,
            "unit": "share",
            "ccy": "USD",
            **fields,
        }
        self.effects.append(Record(type=kind, **whole))

    def halt(self, code: str, detail: str) -> None:
        """Latch a halt; only the operator's reset ends it. A code that is already latched is not repeated."""
        after = latched(self.book, code, detail)
        if after is not self.book:
            self.book = after
            self.do(halted(code, detail), Alarm(text=f"halted by {code}: {detail}"))


def latched(book: Book, code: str, detail: str) -> Book:
    """The book with a halt; the very same where that code is latched already."""
    halts = book.ledger.halts
    if any(halt.code == code for halt in halts):
        return book
    halt = Halt(code=code, since_us=book.ts_us, detail=detail)
    return msgspec.structs.replace(book, ledger=msgspec.structs.replace(book.ledger, halts=(*halts, halt)))


def halted(code: str, detail: str) -> Record:
    """The journal's line of a halt."""
    return Record(type=JournalType.HALT, reason=code, status="latched", data={"detail": detail})
