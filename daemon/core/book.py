"""The book: everything the core knows, as one frozen value that `step` replaces."""

from typing import Any, Literal

import msgspec

from daemon.core.attribution import Attribution
from daemon.core.daemon_fsm import DaemonState
from daemon.core.events import AccountKind, ControlFile, OrderReport, RefusedKind, Session, Window
from daemon.core.explanation import Explanation
from daemon.core.flatten_fsm import FlattenState
from daemon.core.instruments import InstrumentSpec
from daemon.core.ledger import Ledger
from daemon.core.link_fsm import LinkState
from daemon.core.order_life import OwnOrder
from daemon.core.pnl import DayPnl


class QuoteState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The newest clean quote of one instrument."""

    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    halted: bool | None = None
    """Whether the exchange has halted trading; None while the venue has not said."""
    delayed: bool = False
    """Whether these prices come late."""
    previous_close: float | None = None
    ts_us: int = 0
    queue_delay_ms: float = 0.0

    @property
    def mid(self) -> float | None:
        """Half way between bid and ask; None unless both sides stand."""
        if self.bid is None or self.ask is None:
            return None
        return (self.bid + self.ask) / 2

    @property
    def spread_pct(self) -> float | None:
        """Spread relative to the mid, in percent."""
        mid = self.mid
        if mid is None or self.bid is None or self.ask is None or mid <= 0:
            return None
        return (self.ask - self.bid) / mid * 100


class OptionQuoteState(QuoteState, frozen=True, kw_only=True, gc=False):
    """An option's quote with the venue's model values."""

    model_volatility: float | None = None
    model_delta: float | None = None


class ControlState(msgspec.Struct, frozen=True, kw_only=True):
    """The commands that stand right now, as last seen. `readable` false counts as a pause."""

    stop: ControlFile | None = None
    pause: ControlFile | None = None
    flatten: ControlFile | None = None
    readable: bool = True
    unknown_names: tuple[str, ...] = ()

    @property
    def any_asserted(self) -> bool:
        """Whether any command forbids a new hedge."""
        return self.stop is not None or self.pause is not None or self.flatten is not None or not self.readable


class FarmView(msgspec.Struct, frozen=True, kw_only=True):
    """One of the broker's data farms."""

    state: Literal["ok", "broken", "inactive"]
    since_us: int


class PacingView(msgspec.Struct, frozen=True, kw_only=True):
    """Our requests against the venue's limit of messages a second."""

    queued_since_us: int | None = None
    """Requests wait in the client's queue since then; until it is empty no order leaves."""
    violations: int = 0
    """Complaints of the venue since the run began."""
    complained_us: int | None = None
    """When it complained last."""


class MachineView(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine under the daemon did to its time. See `core/timekeeping.py`."""

    unproven_since_us: int | None = None
    """The loop stood still until then: no price counts before a probe sent afterwards has come back."""
    wall_offset_ms: float = 0.0
    """How far the wall clock was ahead of `ts` when that was last said; 0 where they agree."""


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """The connection as last reported."""

    state: LinkState = LinkState.DOWN
    since_us: int | None = None
    """None before the venue's first word."""
    reason: str = "not connected yet"
    account: str | None = None
    account_kind: AccountKind | None = None
    round_trip_ms: float | None = None
    probe_failed: bool = False
    deadline_passed: bool = False
    """Waiting for IB has lasted longer than the profile allows."""
    id_refusals: int = 0
    """Attempts in a row that ended because another program holds our client id."""
    farms: dict[str, FarmView] = {}
    """Name of a data farm -> how it is; forgotten with the connection."""
    refused_lines: dict[str, str] = {}
    """Instrument -> the venue's words why it gives no live quotes; forgotten with the connection."""


class FlattenView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a flatten is. `since_us` is the mtime of the file that asked; a new touch is a new request."""

    state: FlattenState = FlattenState.NONE
    since_us: int | None = None
    resuming: bool = False
    """Started before a restart: it goes on at any age."""
    confirmed_shares: float | None = None
    """The own shares that the operator confirmed in the file's note."""
    agreed: bool = False
    """That number was found to be right when the flatten was sized; it need not be again, the rest only shrinks."""
    attempts: int = 0
    """Closing orders, and waits for one, in a row that moved nothing."""
    stuck: bool = False
    """Too many of them, or trading is halted: red until something moves. It goes on trying all the same."""
    target_shares: float | None = None
    """Own shares that the newest sizing aims at; None before one."""
    doubted: bool = False
    """One read has shown an account that contradicts the ledger; a second one refuses."""
    filled_at_look: float = 0.0
    """Shares that the closing order had filled when it was last looked at."""
    done_us: int | None = None
    """`since_us` of the file that was obeyed to the end last: found again at a start, it only has to go."""
    refusal: str | None = None
    """Reason code of the last refusal; stands until the file is touched again or removed."""
    detail: str | None = None
    """Of a refusal or of being stuck: why, with the numbers."""


class DiskView(msgspec.Struct, frozen=True, kw_only=True):
    """The desk's disk as last measured, and what that means. None before the first measurement or if not counted."""

    free_mib: float | None = None
    free_inodes: float | None = None
    slowest_append_ms: float | None = None
    low: bool = False
    """Too little room for a new hedge; clears a tenth above the limit."""
    slow: bool = False


class DayView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The day's figures at the newest complete set of marks. Keys of `marks`: instrument -> price per share."""

    marks: dict[str, float] = {}
    modelled: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    """Legs whose opening mark was modelled when they were first seen today: their first quoted one takes its place."""
    pnl: DayPnl | None = None
    equity_usd: float | None = None
    drawdown_pct: float | None = None
    loss_since_us: int | None = None
    """Since when the day's loss is at its limit or past it, without a break."""
    drawdown_since_us: int | None = None
    """Likewise the drawdown."""
    attribution: Attribution = Attribution()
    """The legs' P&L of the day by where it came from, up to the newest complete mark."""
    sampled_minute: int = -1
    """The last minute of `ts` that went into the history."""
    written_peak_usd: float | None = None
    """The highest equity as the newest checkpoint of this run holds it."""
    checkpoint_us: int = 0
    """`ts` of the newest ledger checkpoint of this run."""


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the core knows.

    Keys: `quotes`, `quotes_refused`, `specs` and `account_positions` by instrument, `orders` by order_ref,
    `foreign_orders` by perm_id. `underlying` is the stock's instrument id; `strategy` belongs to the strategy alone.
    """

    desk: str
    run_id: str
    underlying: str
    ts_us: int = 0
    daemon_state: DaemonState = DaemonState.IDLE
    link: LinkView = LinkView()
    control: ControlState = ControlState()
    ledger: Ledger
    quotes: dict[str, QuoteState] = {}
    specs: dict[str, InstrumentSpec] = {}
    sessions: tuple[Session, ...] = ()
    restart_windows: tuple[Window, ...] = ()
    """Scheduled restarts of TWS or the broker, in order."""
    warned_window_us: int = 0
    """The start of the newest window that began with own hedges still working."""
    pacing: PacingView = PacingView()
    quotes_refused: dict[str, dict[RefusedKind, int]] = {}
    """Instrument -> kind -> values that the boundary refused in this run."""
    account_positions: dict[str, float] = {}
    account_values_usd: dict[str, float] = {}
    account_values_us: int | None = None
    """When the venue last told account values."""
    orders: dict[str, OwnOrder] = {}
    foreign_orders: dict[int, OrderReport] = {}
    strategy: Any = None

    day: DayView = DayView()
    flatten: FlattenView = FlattenView()
    stop_at_start: bool = False
    """A stop stood before this run ever traded: cancel, confirm, exit 3."""
    stop_started: bool = False
    stop_unconfirmed: tuple[str, ...] = ()
    """Own order_refs that this run left without knowing whether they still work (exit 6)."""
    connection: int = 0
    """The broker connection of the newest report."""
    synced_once: bool = False
    """This run has been reconciled at least once."""
    reconciled: bool = False
    """Broker, journal and book agree since the last connect."""
    awaited_report: str | None = None
    """The reason of the report that is waited for before anything leaves; one of a newer connection will do too."""
    parked_commissions: dict[str, float] = {}
    """exec_key -> USD of commissions whose execution is not known (yet): it follows, or it is somebody else's."""
    explanation: Explanation | None = None
    """What probably changed the unexplained positions, and the command that settles it."""
    unexplained: tuple[str, ...] = ()
    """Instruments whose account position moved without an execution; hedging is blocked until explained."""
    mismatched: tuple[str, ...] = ()
    """Own order_refs that ended here, but were open at the broker when it was last asked."""
    unknown_orders: tuple[str, ...] = ()
    """Own order_refs whose outcome nobody can tell yet."""
    ack_overdue: tuple[str, ...] = ()
    """Own order_refs that the venue has not acknowledged within the deadline."""
    overdue: tuple[str, ...] = ()
    """Own order_refs unfilled past `hedge_deadline_ms`."""
    second_look_due: bool = False
    """30 s have passed since an order was lost from sight; the next fresh report decides."""
    feed_seen: bool = False
    """An underlying tick came since the last feed probe."""
    feed_probe_failed: bool = False
    """No underlying tick between two machine-time probes while the session is open."""
    journal_failed: str | None = None
    """The error that ended new risk in this run; None while the journal works."""
    failed_sinks: dict[str, str] = {}
    """`tape` or `history` -> the error that ended it in this run. Without them nothing unsafe is done."""
    disk: DiskView = DiskView()
    loop_lag_ms: float = 0.0
    machine: MachineView = MachineView()
    stop_signal: str | None = None

    def spec(self) -> InstrumentSpec | None:
        """The underlying's constraints, once known."""
        return self.specs.get(self.underlying)

    def quote(self) -> QuoteState | None:
        """The underlying's newest quote."""
        return self.quotes.get(self.underlying)

    def in_flight(self) -> tuple[OwnOrder, ...]:
        """Own orders that may still change the position."""
        return tuple([order for order in self.orders.values() if order.in_flight])

    def session_now(self) -> Session | None:
        """The session that `ts_us` is in, if any."""
        ts_us = self.ts_us
        for session in self.sessions:
            if session.open_us <= ts_us < session.close_us:
                return session
        return None

    def at_close(self) -> bool:
        """Whether a session ends at this very moment: nothing trades any more, and what is quoted now is its close."""
        ts_us = self.ts_us
        return any(session.close_us == ts_us for session in self.sessions)

    def next_session(self) -> Session | None:
        """The first session that opens after `ts_us`, if known."""
        for session in self.sessions:
            if session.open_us > self.ts_us:
                return session
        return None

    @property
    def foreign_shares(self) -> float:
        """Shares of the underlying in the account that are not ours."""
        return self.account_positions.get(self.underlying, 0.0) - self.ledger.own_shares


EMBARGO_LEAD_US = 60_000_000
"""No hedge leaves in the last minute before a restart window: what still works is cancelled in it."""


def restart_window(book: Book) -> Window | None:
    """The scheduled restart that `ts` is in, or comes to within a minute."""
    for window in book.restart_windows:
        if window.start_us - EMBARGO_LEAD_US <= book.ts_us < window.end_us:
            return window
    return None


EMBARGO_CODES = (
    "journal_failed",
    "halted",
    "disk_low",
    "link_down",
    "link_not_synced",
    "restart_window",
    "pacing",
    "not_reconciled",
    "unknown_outcome",
    "position_unexplained",
    "reject_backoff",
    "foreign_unacknowledged",
    "stop_asserted",
    "flatten_asserted",
    "paused",
    "control_unreadable",
)
"""What `embargoes` may say, in its order."""


def embargoes(book: Book) -> tuple[str, ...]:  # noqa: C901, PLR0912 -- a row for each code, in the order of `EMBARGO_CODES`
    """Every reason code (see `state.reasons`) why no hedge may be sent now, whatever the strategy wishes.

    Empty means that core, link, control and sink allow one. The strategy's own gates come on top. It is asked in every
    step: rows in line cost a third of a table of functions.
    """
    ledger, control, link_state = book.ledger, book.control, book.link.state
    found: list[str] = []
    if book.journal_failed is not None:
        found.append("journal_failed")
    if ledger.halts:
        found.append("halted")
    if book.disk.low:
        found.append("disk_low")
    if link_state != "SYNCED":
        found.append("link_down" if link_state == "DOWN" else "link_not_synced")
    if book.restart_windows and restart_window(book) is not None:
        found.append("restart_window")
    if book.pacing.queued_since_us is not None:
        found.append("pacing")
    if not book.reconciled:
        found.append("not_reconciled")
    if book.unknown_orders:
        found.append("unknown_outcome")
    if book.unexplained:
        found.append("position_unexplained")
    if ledger.reject_until_us is not None and book.ts_us < ledger.reject_until_us:
        found.append("reject_backoff")
    if ledger.foreign_acknowledged is None:
        found.append("foreign_unacknowledged")
    if control.stop is not None or book.stop_signal is not None:
        found.append("stop_asserted")
    if control.flatten is not None:
        found.append("flatten_asserted")
    if control.pause is not None:
        found.append("paused")
    if not control.readable:
        found.append("control_unreadable")
    return tuple(found) if found else ()
