"""The one small protocol between the core and a strategy. Both sides are pure."""

from typing import Any, NamedTuple, Protocol

import msgspec

from daemon.core.attribution import Sensitivity
from daemon.core.book import Book
from daemon.core.effects import Record
from daemon.core.events import AnyEvent, Side
from daemon.core.guard_rule import RuleResult
from state.records import Check, Limit


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An order that the strategy wants now; every gate and guard rule of its own has passed.

    `quantity` is already on the instrument's steps. `data` goes into the journaled intent: the numbers of the decision.
    """

    instrument: str
    side: Side
    quantity: float
    state_code: str
    reason: str
    decision_mid: float
    reducing: bool = False
    """A halt stands, and this is held for an order that the posture REDUCING allows; the core verifies it."""
    data: dict[str, Any] = {}


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What one decision was made by, for those who write decisions down. Shares are signed; None: not known."""

    net_delta_shares: float | None
    mid: float | None
    """Of a two-sided quote that counts, USD."""
    state_code: str
    needed: bool
    """A hedge was wanted."""
    refused: str | None = None
    """The first rule, gate or embargo that refused it."""
    measured: float | str | None = None
    limit: float | str | None = None
    """What the refusing rule measured, and its limit; None where it is no rule of numbers."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the strategy made of this event: its new state, what to journal, and at most one wish."""

    state: Any
    records: tuple[Record, ...] = ()
    wish: Wish | None = None
    in_band: bool = False
    """Nothing is left to hedge: the remainder of a capped or partly filled hedge, if there was one, is done."""
    refused_rule: str | None = None
    """The guard rule that newly refused (counted in `refused_today`); None otherwise."""
    adopt: dict[str, float] = {}
    """Options found in the account to take in as legs: instrument -> contracts, less what others have traded today.
    Nothing else is wished for in that step: the new leg's delta is not counted yet."""
    seen: Seen | None = None
    """None where it did not come to a look at the market."""


class CodeExplained(msgspec.Struct, frozen=True, kw_only=True):
    """One code of a strategy's state, with the measurement behind it."""

    letter: str
    value: int
    word: str
    measured: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy decides at one moment, with everything that it is decided by. For reading, never for trading.

    `rules` are measured whether or not an order is wanted: what each would say to one now.
    """

    sentence: str
    """Why there was, or was no, order: completes "At 14:03:00Z ..."."""
    needed: bool
    """The strategy wanted an order."""
    refused: str | None
    """The first rule, gate or embargo that refused it."""
    state_code: str
    codes: tuple[CodeExplained, ...]
    embargoes: tuple[str, ...]
    """Reason codes for which the core allows no order at all."""
    numbers: dict[str, float | str | bool | None]
    """Name with unit -> value: deviations, sizes, thresholds."""
    rules: tuple[RuleResult, ...]


class Marks(NamedTuple):
    """Prices for P&L: instrument -> price per share, and which of them are a model's, for want of a two-sided quote."""

    prices: dict[str, float]
    modelled: tuple[str, ...] = ()


class Strategy(Protocol):
    """What one strategy knows. `state` is its own frozen struct, kept in `Book.strategy`."""

    name: str
    state_type: type[Any]
    """What `Book.strategy` holds: a tape's checkpoint is read back as this."""

    def initial(self) -> Any:
        """The state before the first event."""
        ...

    def observe(self, state: Any, book: Book, event: AnyEvent) -> Any:
        """Absorb one event (the book already has). Decides nothing."""
        ...

    def decide(self, state: Any, book: Book) -> Decision:
        """Classify, move the machines, and wish for at most one order.

        Called after every event that could matter. The core turns a wish into a journaled intent and a
        placed order; `book.orders` shows it in the next call.
        """
        ...

    def explain(self, state: Any, book: Book) -> Explanation:
        """What `decide` would say now, in words and with every number. Changes nothing."""
        ...

    def marks(self, state: Any, book: Book) -> Marks:
        """Of the underlying and of each leg; instruments without any price are left out."""
        ...

    def sensitivities(self, state: Any, book: Book) -> tuple[Sensitivity, ...]:
        """Greeks and volatility of each leg at the present mark; legs without are left out (the P&L's attribution)."""
        ...

    def legs(self, state: Any, book: Book) -> tuple[str, ...]:
        """Instrument ids of the positions that this strategy manages, in the order to show."""
        ...

    def legs_changed(self, state: Any, book: Book) -> Any:
        """The state after the ledger's adopted legs have changed."""
        ...

    def option_delta_shares(self, state: Any, book: Book) -> float | None:
        """Delta of the legs alone, in shares of the underlying; None while it cannot be computed."""
        ...

    def other_option_delta_shares(self, state: Any, book: Book) -> float | None:
        """Delta of the account's options that are no legs, in shares; 0.0 without any, None while one has none."""
        ...

    def checks(self, state: Any, book: Book) -> tuple[Check, ...]:
        """The strategy's part of the self check, with measured values and limits."""
        ...

    def limits(self, state: Any, book: Book) -> tuple[Limit, ...]:
        """How much of each of its limits is used."""
        ...

    def present(self, state: Any, book: Book) -> dict[str, Any]:
        """The snapshot's `strategy` section, plain JSON values."""
        ...
