"""Everything the core can ask of the world: a closed list of frozen effects, run in order by one task.

The runtime writes every `Record` of a step and makes it durable before any other effect of that step acts.
"""

from typing import Any, Literal

import msgspec

from daemon.core.events import Side
from state.records import JournalType


class Effect(msgspec.Struct, frozen=True, kw_only=True, tag_field="effect"):
    """One thing to do."""


class Record(Effect, frozen=True, kw_only=True, tag="record"):
    """Append one operation to the journal; the fields are those of `state.records.JournalLine`."""

    type: JournalType
    intent_id: str | None = None
    order_ref: str | None = None
    instrument: str | None = None
    side: Side | None = None
    quantity: float | None = None
    unit: str | None = None
    price: float | None = None
    ccy: str | None = None
    status: str | None = None
    reason: str | None = None
    state_code: str | None = None
    latency_ms: float | None = None
    data: Any = None
    """A dict of plain values; or a struct, which is made plain only where somebody writes it down."""

    def line_fields(self) -> dict[str, Any]:
        """By the names of `JournalLine`, with plain `data`."""
        fields = msgspec.structs.asdict(self)
        if isinstance(self.data, msgspec.Struct):
            fields["data"] = msgspec.to_builtins(self.data)
        return fields


class PlaceOrder(Effect, frozen=True, kw_only=True, tag="place_order"):
    """Send one order. Its intent is already on disk when this runs; the answer is OrderSent or OrderBlocked."""

    order_ref: str
    intent_id: str
    instrument: str
    side: Side
    quantity: float
    order_type: Literal["MKT", "LMT"] = "MKT"
    limit_price: float | None = None
    closing: bool = False
    """A flatten's own closing order: allowed while a control file is asserted."""


class ModifyOrder(Effect, frozen=True, kw_only=True, tag="modify_order"):
    """Change the price of one own working limit order, under the same orderRef and order id.

    The intent to modify is already on disk when this runs; the answer is ModifySent or ModifyBlocked, and later the
    venue's: an OrderReport with the new `limit_price`, or ModifyRefused.
    """

    order_ref: str
    quantity: float
    """The whole order's, executed part included, as the venue wants it."""
    limit_price: float


class CancelOrder(Effect, frozen=True, kw_only=True, tag="cancel_order"):
    """Ask the venue to cancel one own order."""

    order_ref: str


class StartTimer(Effect, frozen=True, kw_only=True, tag="start_timer"):
    """Fire `TimerFired(key)` after this many machine milliseconds; the same key replaces a running timer."""

    key: str
    delay_ms: float


class CancelTimer(Effect, frozen=True, kw_only=True, tag="cancel_timer"):
    """Forget a running timer; unknown keys are fine."""

    key: str


class RequestReconcile(Effect, frozen=True, kw_only=True, tag="request_reconcile"):
    """Ask the venue for a complete `BrokerReport`."""

    reason: str
    fresh_connection: bool = False
    """Reconnect first: the second look at an unknown outcome must not share the first one's socket."""


class AssertControl(Effect, frozen=True, kw_only=True, tag="assert_control"):
    """Create a control file with a note (the daemon asserts `pause` after a flatten)."""

    name: Literal["stop", "pause"]
    reason: str


class ReleaseControl(Effect, frozen=True, kw_only=True, tag="release_control"):
    """Remove `control/flatten` once verified, refused or done."""

    name: Literal["flatten"]


class Sample(Effect, frozen=True, kw_only=True, tag="sample"):
    """Append one line to the history."""

    kind: Literal["minute", "fill"]
    data: dict[str, Any] | None = None


class Alarm(Effect, frozen=True, kw_only=True, tag="alarm"):
    """Say it loudly on stderr and in the log: the journal may not be able to."""

    text: str


class Exit(Effect, frozen=True, kw_only=True, tag="exit"):
    """Leave with this exit code (the design's table of `bifrost daemon`)."""

    code: int
    reason: str


AnyEffect = (
    Record
    | PlaceOrder
    | ModifyOrder
    | CancelOrder
    | StartTimer
    | CancelTimer
    | RequestReconcile
    | AssertControl
    | ReleaseControl
    | Sample
    | Alarm
    | Exit
)
