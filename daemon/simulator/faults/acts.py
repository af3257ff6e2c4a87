"""What happens once, at a moment of the script's choosing, and is no answer to anything."""

from typing import Literal

import msgspec

from daemon.core.events import Side
from daemon.simulator.faults.base import LineEnd


class ActKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="act"):
    """One act. The one rule: in a file its `id` is its own, and an id is carried out once for each saved book."""

    id: str = ""
    after_s: float = 0.0
    """So many wall seconds after it was read."""


class TradeByHand(ActKind, frozen=True, kw_only=True, tag="trade_by_hand"):
    """A market order of another client; 0 is the operator's own TWS."""

    instrument: str
    side: Side
    quantity: float
    client_id: int = 0
    order_ref: str = ""


class OrderByHand(ActKind, frozen=True, kw_only=True, tag="order_by_hand"):
    """A limit order of another client that may rest (good till cancelled)."""

    instrument: str
    side: Side
    quantity: float
    limit_price: float
    client_id: int = 0
    order_ref: str = ""


class TransferPosition(ActKind, frozen=True, kw_only=True, tag="transfer_position"):
    """So much more (or less) is held, without any execution."""

    instrument: str
    quantity: float


class Exercise(ActKind, frozen=True, kw_only=True, tag="exercise"):
    """Options held long are exercised, short ones assigned: shares change hands at the strike, with no execution."""

    instrument: str
    contracts: float | None = None
    """How many; null is all."""


class Expire(ActKind, frozen=True, kw_only=True, tag="expire"):
    """The options leave the account worthless, with no execution."""

    instrument: str


class Split(ActKind, frozen=True, kw_only=True, tag="split"):
    """The stock is split: each `denominator` shares become `numerator`; the market's own price is not changed."""

    instrument: str
    numerator: int = 2
    denominator: int = 1


class Dividend(ActKind, frozen=True, kw_only=True, tag="dividend"):
    """Cash for every share held (owed for every share short); the market's own price is not changed."""

    instrument: str
    usd_share: float


class DropAll(ActKind, frozen=True, kw_only=True, tag="drop_all"):
    """Every connection ends."""

    how: LineEnd = "rst"


class Broadcast(ActKind, frozen=True, kw_only=True, tag="broadcast"):
    """Every client is told something that belongs to no request (2103, 2104, 1300, 10197, ...)."""

    code: int
    text: str = ""
    """Empty takes TWS's own words for the known codes."""


class LoseUpstream(ActKind, frozen=True, kw_only=True, tag="lose_upstream"):
    """The gateway loses IB: it tells 1100 (or 2110), and until it is back no order is handled and nothing is told.

    Requests other than for the time wait until then; what the exchange does meanwhile is told then. Orders and
    cancels sent in between wait too, or are lost.
    """

    code: Literal[1100, 2110] = 1100
    orders: Literal["held", "lost"] = "held"


class RestoreUpstream(ActKind, frozen=True, kw_only=True, tag="restore_upstream"):
    """IB is back: 1102 with every subscription kept, 1101 with all of them lost."""

    code: Literal[1101, 1102] = 1102


class Halt(ActKind, frozen=True, kw_only=True, tag="halt"):
    """Trading halts (tick 49 is 1, orders rest) or goes on (0)."""

    instruments: tuple[str, ...] | None = None
    """Null is all."""
    halted: bool = True


class ForgetSubscriptions(ActKind, frozen=True, kw_only=True, tag="forget_subscriptions"):
    """Market data stays dead without a word until it is asked for anew."""

    instruments: tuple[str, ...] | None = None


class SayRaw(ActKind, frozen=True, kw_only=True, tag="say_raw"):
    """These bytes go to every client as they are."""

    hex: str


class HalfOpenAll(ActKind, frozen=True, kw_only=True, tag="half_open_all"):
    """Every socket stays open, and nothing is read or answered on it any more."""


class StopListening(ActKind, frozen=True, kw_only=True, tag="stop_listening"):
    """New connections are refused, and the present ones end; after `for_s` wall seconds (null: never) all is well."""

    for_s: float | None = None
    how: LineEnd = "fin"


class CancelWorking(ActKind, frozen=True, kw_only=True, tag="cancel_working"):
    """The broker cancels working orders that nobody asked to cancel (202)."""

    client_id: int | None = None
    order_ref: str | None = None
    """Null is every one of them."""


class FillWorking(ActKind, frozen=True, kw_only=True, tag="fill_working"):
    """Working orders are filled now, at their limit or the touch, whatever the quotes say."""

    order_ref: str | None = None
    quantity: float | None = None
    """So much of each; null is all."""


class CorrectExecution(ActKind, frozen=True, kw_only=True, tag="correct_execution"):
    """An execution is corrected: its next revision has this price and quantity."""

    exec_id: str | None = None
    """Null is the newest."""
    price: float | None = None
    quantity: float | None = None


Act = (
    TradeByHand
    | OrderByHand
    | TransferPosition
    | Exercise
    | Expire
    | Split
    | Dividend
    | DropAll
    | Broadcast
    | LoseUpstream
    | RestoreUpstream
    | Halt
    | ForgetSubscriptions
    | SayRaw
    | HalfOpenAll
    | StopListening
    | CancelWorking
    | FillWorking
    | CorrectExecution
)
