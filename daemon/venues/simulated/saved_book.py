"""What the simulated exchange writes down, so that a restarted simulator continues the same book."""

from typing import Literal

import msgspec

from daemon.venues.simulated.model import (
    NO_PLAN,
    FillPlan,
    MarketStep,
    OrderTicket,
    OrderUpdate,
    SimCommission,
    SimExecution,
    SimQuote,
)

Status = Literal["PreSubmitted", "Submitted", "Filled", "Cancelled", "Inactive"]


class SavedBookError(ValueError):
    """A saved book cannot be continued; the text says why in one line."""


class RestingOrder(msgspec.Struct, kw_only=True):
    """One order at the exchange, working or finished."""

    ticket: OrderTicket
    perm_id: int
    status: Status = "Submitted"
    filled: float = 0.0
    fill_value: float = 0.0
    last_price: float = 0.0
    plan: FillPlan = NO_PLAN
    slices_done: int = 0
    held_steps: int | None = None
    """Steps that a held order still waits; None once it is held no more."""
    is_new: bool = False
    """It came, or was changed, since the newest step of the market, and meets the next one as if it arrived then."""

    @property
    def works(self) -> bool:
        """Whether it can still trade, now or after its hold."""
        return self.status == "Submitted"

    @property
    def is_held(self) -> bool:
        """Whether it waits to be let to the market."""
        return self.held_steps is not None

    @property
    def remaining(self) -> float:
        """What is still to be filled."""
        return self.ticket.quantity - self.filled

    @property
    def average_price(self) -> float:
        """Average price of what was filled, 0 before the first fill (as IB says it)."""
        return self.fill_value / self.filled if self.filled else 0.0

    def update(
        self, status: Status | None = None, *, error_code: int | None = None, error_text: str | None = None
    ) -> OrderUpdate:
        """The exchange's word on this order now."""
        held = self.is_held and self.works
        now: Status = "Inactive" if held else self.status
        return OrderUpdate(
            ticket=self.ticket,
            perm_id=self.perm_id,
            status=now if status is None else status,
            why_held=self.plan.why_held if held else "",
            filled=self.filled,
            average_price=self.average_price,
            last_price=self.last_price,
            error_code=error_code,
            error_text=error_text,
        )


class SavedBook(msgspec.Struct, frozen=True, kw_only=True):
    """The whole exchange as plain values."""

    account: str
    instruments: tuple[str, ...]
    market: dict[str, object]
    money: dict[str, object]
    step: MarketStep | None
    quotes: tuple[SimQuote, ...]
    session_date: str | None
    orders: tuple[RestingOrder, ...]
    highest_ids: tuple[tuple[int, int], ...]
    """(client_id, highest order id): pairs, because a JSON key cannot be a number."""
    executions: tuple[SimExecution, ...]
    commissions: tuple[SimCommission, ...]
    perm_ids: int
    exec_ids: int
    halted: tuple[str, ...] = ()
    closes: dict[str, float] = {}
    schema: int = 1


def encode_book(book: SavedBook) -> dict[str, object]:
    """Plain JSON values of a book."""
    plain: dict[str, object] = msgspec.to_builtins(book)
    return plain


def decode_book(saved: dict[str, object]) -> SavedBook:
    """The inverse of `encode_book`, also after a trip through JSON text. Raises SavedBookError."""
    try:
        return msgspec.convert(saved, SavedBook)
    except msgspec.ValidationError as error:
        raise SavedBookError(f"the saved book is damaged: {error}; start with --fresh") from None
