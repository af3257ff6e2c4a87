"""Everything that can make the core act: a closed list of frozen events.

Each event carries `ts_us`, the one time the core knows (microseconds since the epoch, UTC). An event is
plain data copied at the edge: no object of a library, no lazy value. The tape stores them as tagged JSON.
"""

from typing import Literal

import msgspec

from daemon.core.instruments import InstrumentSpec
from daemon.core.link_fsm import LinkState, LinkTrigger

Side = Literal["BUY", "SELL"]
LinkCause = Literal["client_id_taken", "upstream_overdue"]
"""Why a link is down where that needs a human: another program holds our client id; 1100 outlasted its deadline."""
RefusedKind = Literal["sentinel", "not_a_number", "crossed", "absurd"]
"""Why a number that came as a price is none: IB's "no value", NaN or infinite, bid above ask, out of bounds."""
AccountKind = Literal["paper", "live", "simulated"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """One thing that happened, and when."""

    ts_us: int


class Quote(Event, frozen=True, kw_only=True, tag="quote", gc=False):
    """The newest prices of one instrument; a missing or absurd side is None, never a sentinel."""

    instrument: str
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    halted: bool | None = None
    """Whether the exchange has halted trading in it (IB's tick 49, any positive value); None while it has not said."""
    delayed: bool = False
    """Whether the venue sends this instrument's prices late (IB's market data types 3 and 4)."""
    previous_close: float | None = None
    """The venue's closing price of the last session (IB's tick 9), where it says one."""
    refused: tuple[RefusedKind, ...] = ()
    """One entry for each value that the boundary refused since this instrument's last event."""
    queue_delay_ms: float = 0.0
    """From the socket to the decision, machine-monotonic."""


class OptionQuote(Event, frozen=True, kw_only=True, tag="option_quote", gc=False):
    """The newest prices of one option, and the venue's own model values where it sends them."""

    instrument: str
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    model_volatility: float | None = None
    model_delta: float | None = None
    delayed: bool = False
    refused: tuple[RefusedKind, ...] = ()
    """As for `Quote`; a model value that the venue has not computed (-1, -2) counts too."""
    queue_delay_ms: float = 0.0


class Clock(Event, frozen=True, kw_only=True, tag="clock"):
    """Time went on. `loop_lag_ms` is how late the event loop served this tick."""

    loop_lag_ms: float = 0.0
    stood_still_ms: float = 0.0
    """How long the loop had not turned at all, the machine's sleep included; told before anything else is decided."""
    wall_offset_ms: float = 0.0
    """How far the machine's wall clock is ahead of `ts`, live; 0 where they agree to two seconds."""


class TimerFired(Event, frozen=True, kw_only=True, tag="timer_fired"):
    """A machine-monotonic deadline that `StartTimer` asked for has passed."""

    key: str


class ProbeAnswered(Event, frozen=True, kw_only=True, tag="probe_answered"):
    """The venue answered a liveness probe. `round_trip_ms` is None when the probe failed or timed out."""

    round_trip_ms: float | None
    asked_us: int | None = None
    """`ts` at which it was sent."""


class OrderSent(Event, frozen=True, kw_only=True, tag="order_sent"):
    """The runtime handed the order to the venue; `latency_ms` runs from the decision's event to here."""

    order_ref: str
    latency_ms: float


class OrderBlocked(Event, frozen=True, kw_only=True, tag="order_blocked"):
    """The last look before placing failed (link, control, request queue, journal): the order did not leave."""

    order_ref: str
    reason: str


class ModifySent(Event, frozen=True, kw_only=True, tag="modify_sent"):
    """The runtime handed the modification to the venue; the venue owes an answer."""

    order_ref: str


class ModifyBlocked(Event, frozen=True, kw_only=True, tag="modify_blocked"):
    """The last look before modifying failed: nothing left, the order is as it was."""

    order_ref: str
    reason: str


class ModifyRefused(Event, frozen=True, kw_only=True, tag="modify_refused"):
    """The venue refused the modification (IB 104, 105, 201, 329, ...); the order may be as it was."""

    order_ref: str
    reason: str


class OrderReport(Event, frozen=True, kw_only=True, tag="order_report"):
    """The venue's word on one order, ours (with `order_ref`) or foreign. Statuses repeat and may be missing."""

    order_ref: str | None
    venue_order_id: int
    perm_id: int
    instrument: str
    side: Side
    quantity: float
    filled: float
    status: Literal["submitted", "working", "cancelled", "filled", "rejected", "inactive"]
    order_type: str = "MKT"
    client_id: int | None = None
    reason: str | None = None
    limit_price: float | None = None
    """The order's present limit as the venue has it; None for a market order, or where the venue does not say."""


class Execution(Event, frozen=True, kw_only=True, tag="execution"):
    """Shares changed hands. A correction repeats `exec_key` with a higher `revision` and replaces."""

    exec_key: str
    """The venue's execution id without its last segment."""
    revision: int
    order_ref: str | None
    venue_order_id: int
    perm_id: int
    instrument: str
    side: Side
    quantity: float
    price: float
    executed_us: int
    client_id: int | None = None


class Commission(Event, frozen=True, kw_only=True, tag="commission"):
    """What one execution cost; comes late, sometimes never."""

    exec_key: str
    commission_usd: float
    currency: str


class PositionItem(msgspec.Struct, frozen=True, kw_only=True):
    """One position of the account. `spec` names the contract even when the desk does not hedge it."""

    instrument: str
    quantity: float
    average_cost_usd: float
    kind: Literal["stock", "option", "other"] = "other"


class PositionChanged(Event, frozen=True, kw_only=True, tag="position_changed"):
    """The account's position in one instrument, as the venue streams it."""

    position: PositionItem


class BrokerReport(Event, frozen=True, kw_only=True, tag="broker_report"):
    """Everything the venue knows, gathered at once for a reconciliation. Only complete reports are emitted."""

    reason: str
    """Why it was asked for; echoes `RequestReconcile.reason`."""
    connection: int
    """Counts connections of this run, so that a second look can be told to be on a fresh one."""
    positions: tuple[PositionItem, ...]
    open_orders: tuple[OrderReport, ...]
    executions: tuple[Execution, ...]
    commissions: tuple[Commission, ...]
    completed_orders: tuple[OrderReport, ...] | None = None
    """Orders that have ended, as far back as the venue tells (IB: reqCompletedOrders); None when it was not asked."""


class AccountReported(Event, frozen=True, kw_only=True, tag="account_reported"):
    """The account's summary values in USD, by the venue's tag (NetLiquidation, TotalCashValue, ...)."""

    values_usd: dict[str, float]


class Link(Event, frozen=True, kw_only=True, tag="link"):
    """The connection to the venue changed. Orders may leave only in SYNCED."""

    state: LinkState
    reason: str
    trigger: LinkTrigger | None = None
    """The row of `link_fsm.LINK` that led here; None (a venue without a wire, an old tape) is believed as it is."""
    cause: LinkCause | None = None
    account: str | None = None
    account_kind: AccountKind | None = None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A half-open interval of UTC time."""

    start_us: int
    end_us: int


class RestartWindows(Event, frozen=True, kw_only=True, tag="restart_windows"):
    """When TWS, or the broker behind it, restarts on schedule (`ib.restart_windows`), about a week ahead, in order."""

    windows: tuple[Window, ...]


class Farm(Event, frozen=True, kw_only=True, tag="farm"):
    """TWS's connection to one of the broker's data farms changed (2103..2108, 2157, 2158). Orders do not pass there."""

    name: str
    """Such as `usfarm`."""
    state: Literal["ok", "broken", "inactive"]
    """`inactive` is normal: TWS connects to it on demand."""
    note: str


class MarketDataRefused(Event, frozen=True, kw_only=True, tag="market_data_refused"):
    """The venue gives no live quotes of an instrument and says why; `note` None: it gives them again."""

    instrument: str
    note: str | None


class Pacing(Event, frozen=True, kw_only=True, tag="pacing"):
    """Our requests against the venue's limit of messages a second."""

    queued: bool
    """Requests wait in the client's queue; until it is empty no order leaves (cancels pass it)."""
    violations: int
    """How often the venue has complained (error 100) since the run began."""


class Instruments(Event, frozen=True, kw_only=True, tag="instruments"):
    """The venue's constraints for the underlying, the declared legs, and other options of it that the account holds.

    What an earlier event named and this one does not stays known: contracts do not cease to be what they were.
    """

    specs: tuple[InstrumentSpec, ...]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One trading session as a half-open UTC interval; `date` is the exchange's day, YYYY-MM-DD."""

    date: str
    open_us: int
    close_us: int


class Sessions(Event, frozen=True, kw_only=True, tag="sessions"):
    """The sessions of the underlying, in order: liquid hours within the exchange's calendar."""

    sessions: tuple[Session, ...]


class ControlFile(msgspec.Struct, frozen=True, kw_only=True):
    """One asserted command. `readable` is false when the content is neither empty nor a note."""

    name: Literal["stop", "pause", "flatten"]
    since_us: int
    """Wall clock: the file's mtime."""
    age_ms: float
    """How old the file was when it was seen, by the machine's own clock (a stale flatten must not start)."""
    readable: bool = True
    by: str | None = None
    reason: str | None = None
    shares: float | None = None
    """Of a flatten: the own shares that the operator confirmed, if he did."""


class Control(Event, frozen=True, kw_only=True, tag="control"):
    """The whole content of `control/` at one look; a missing or unreadable folder is `readable` false (= pause)."""

    files: tuple[ControlFile, ...]
    unknown_names: tuple[str, ...] = ()
    readable: bool = True


class BookRequest(Event, frozen=True, kw_only=True, tag="book_request"):
    """The operator moves shares between own and foreign, or ends a halt. Consumed once."""

    request_id: str
    command: Literal["adopt", "release", "acknowledge", "reset"]
    shares: float | None = None
    ratio: float | None = None
    """Of `acknowledge`: a split or stock dividend has multiplied the quantities by it, new over old."""
    by: str
    reason: str
    age_ms: float


class SinkFailed(Event, frozen=True, kw_only=True, tag="sink_failed"):
    """A sink could not be written. Of the journal it ends all new risk until the operator acts."""

    what: Literal["journal", "snapshot", "tape", "history"]
    error: str


class DiskReport(Event, frozen=True, kw_only=True, tag="disk_report"):
    """The desk's disk: room for this user, and the longest journal append of the last minute."""

    free_mib: float
    free_inodes: float | None
    """Files that can still be made; None where the file system does not count them."""
    slowest_append_ms: float


class StopSignal(Event, frozen=True, kw_only=True, tag="stop_signal"):
    """SIGTERM or SIGINT: stop for this run, without a control file."""

    signal_name: str


AnyEvent = (
    Quote
    | OptionQuote
    | Clock
    | TimerFired
    | ProbeAnswered
    | OrderSent
    | OrderBlocked
    | ModifySent
    | ModifyBlocked
    | ModifyRefused
    | OrderReport
    | Execution
    | Commission
    | PositionChanged
    | BrokerReport
    | AccountReported
    | Link
    | RestartWindows
    | Farm
    | MarketDataRefused
    | Pacing
    | Instruments
    | Sessions
    | Control
    | BookRequest
    | SinkFailed
    | DiskReport
    | StopSignal
)
