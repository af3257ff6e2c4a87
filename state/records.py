"""The records of a desk's folder: what `snapshot.json` and a journal line hold.

These are the wire format. Field names and meanings are the public contract of `docs/file-format.md`;
units are in the names. Times are text as `state.times` writes it. A missing optional field is null.
"""

from enum import StrEnum
from typing import Any, Literal

import msgspec

SCHEMA_VERSION = 1


class JournalType(StrEnum):
    """Every kind of operation that a journal may hold."""

    RUN_STARTED = "run_started"
    RUN_STOPPED = "run_stopped"
    LEDGER_CHECKPOINT = "ledger_checkpoint"
    INTENT = "intent"
    REFUSED = "refused"
    ORDER_SENT = "order_sent"
    ORDER_ACKED = "order_acked"
    PARTIAL_FILL = "partial_fill"
    FILL = "fill"
    COMMISSION = "commission"
    MODIFY_SENT = "modify_sent"
    MODIFIED = "modified"
    MODIFY_REFUSED = "modify_refused"
    CANCEL_SENT = "cancel_sent"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNKNOWN_OUTCOME = "unknown_outcome"
    RECONCILED = "reconciled"
    TRANSITION = "transition"
    CONTROL_SEEN = "control_seen"
    CONTROL_STARTED = "control_started"
    CONTROL_DONE = "control_done"
    CONTROL_REFUSED = "control_refused"
    FLATTEN_SIZED = "flatten_sized"
    FLATTEN_ABORTED = "flatten_aborted"
    FLATTEN_STUCK = "flatten_stuck"
    FLATTEN_VERIFIED = "flatten_verified"
    BOOK_ADOPTED = "book_adopted"
    BOOK_RELEASED = "book_released"
    BOOK_ACKNOWLEDGED = "book_acknowledged"
    BOOK_FOREIGN = "book_foreign"
    BOOK_LEGS = "book_legs"
    LEG_ADOPTED = "leg_adopted"
    LEG_RELEASED = "leg_released"
    CONFIG_CHANGED = "config_changed"
    HALT = "halt"
    RESET = "reset"
    REPAIRED = "repaired"
    CLOCK_JUMP = "clock_jump"


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """Shared settings: frozen, keyword-only, unknown keys of a newer writer are ignored."""


class JournalLine(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """One operation; fields that do not apply are left out of the line.

    `data` holds the numbers that belong to this type alone (a verdict's rules, a checkpoint).
    """

    seq: int
    ts: str
    wall_ts: str
    type: JournalType
    desk: str
    run_id: str
    tape_seq: int | None = None
    intent_id: str | None = None
    order_ref: str | None = None
    instrument: str | None = None
    side: Literal["BUY", "SELL"] | None = None
    quantity: float | None = None
    unit: str | None = None
    price: float | None = None
    ccy: str | None = None
    status: str | None = None
    reason: str | None = None
    state_code: str | None = None
    latency_ms: float | None = None
    data: dict[str, Any] | None = None


class Check(_Record, frozen=True, kw_only=True):
    """One line of the self check: what was measured against which limit. `severity` is what a failure would mean."""

    name: str
    ok: bool
    severity: Literal["yellow", "red"]
    measured: str | float | None = None
    limit: str | float | None = None
    reason: str | None = None
    """The code in `state.reasons` that a failure raises; null while ok."""


class SelfCheck(_Record, frozen=True, kw_only=True):
    """The daemon's verdict on itself. `block_reasons` are the codes of the failed red checks, worst first."""

    status: Literal["ok", "degraded", "blocked"]
    block_reasons: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()


class InstrumentQuote(_Record, frozen=True, kw_only=True):
    """The newest price of one instrument; the underlying is the first of the list."""

    symbol: str
    kind: Literal["stock", "option"]
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    spread_pct: float | None = None
    quote_age_ms: float | None = None


class Position(_Record, frozen=True, kw_only=True):
    """One position of the account, split into this desk's own and everything else."""

    instrument: str
    own: float
    foreign: float
    price: float | None = None
    value_usd: float | None = None
    pnl_usd: float | None = None


class WorkingOrder(_Record, frozen=True, kw_only=True):
    """An order at the venue. `own` orders carry our `order_ref`; others are shown and never touched."""

    order_ref: str | None
    instrument: str
    side: Literal["BUY", "SELL"]
    quantity: float
    filled: float
    status: str
    own: bool
    age_ms: float | None = None
    limit_price: float | None = None
    """What a limit order has at the venue; null for a market order. A change under way counts once confirmed."""


class PnlParts(_Record, frozen=True, kw_only=True):
    """The desk's profit and loss of the day, split twice; to the cent, each way adds up to `total_usd`.

    By what holds it: realised + unrealised + legs - commission. By where it came from: delta + gamma + theta + vega +
    other - slippage - commission. Commission and slippage are positive when paid.
    """

    realised_usd: float
    unrealised_usd: float
    legs_usd: float
    commission_usd: float
    total_usd: float
    delta_usd: float | None = None
    """Of what the hedge left of the delta: legs' delta and own shares together, fills taken at their decision's mid."""
    gamma_usd: float | None = None
    theta_usd: float | None = None
    vega_usd: float | None = None
    slippage_usd: float | None = None
    """Fills against the mid of the moment that decided them."""
    other_usd: float | None = None
    """What the greeks do not explain: higher orders, the model's error."""
    wear_per_10k: float | None = None
    """Lost per 10,000 USD of stock traded today; negative where the day earned; null before the first fill."""


class Limit(_Record, frozen=True, kw_only=True):
    """How much of a limit is used. `projected` is what the next order would make of it, where the desk can tell."""

    name: str
    used: float
    limit: float
    projected: float | None = None


class LatencyMs(_Record, frozen=True, kw_only=True):
    """Percentiles of decision to order on the wire, over the last orders."""

    p50: float
    p95: float
    p99: float


class SessionState(_Record, frozen=True, kw_only=True):
    """Whether the market of the underlying is open now, and until when that holds."""

    is_open: bool
    until: str | None = None
    session_date: str | None = None


class ControlMark(_Record, frozen=True, kw_only=True):
    """One asserted control file: since when, by whom and why, as far as its content tells."""

    name: Literal["stop", "pause", "flatten"]
    since: str
    by: str | None = None
    reason: str | None = None
    progress: str | None = None


class Posture(_Record, frozen=True, kw_only=True):
    """What is still allowed: ACTIVE everything, REDUCING only less exposure, HALTED nothing but a flatten."""

    name: Literal["ACTIVE", "REDUCING", "HALTED"]
    reason: str | None = None


class Leg(_Record, frozen=True, kw_only=True):
    """One option position that the desk hedges."""

    instrument: str
    right: Literal["C", "P"]
    strike: float
    expiry: str
    quantity: float | None = None
    """Contracts in the account; null until the account has said."""
    price: float | None = None
    implied_volatility: float | None = None
    """What the greeks are taken at, whatever its source."""
    volatility_source: Literal["fixed", "implied", "ib"] | None = None
    """Where that comes from; null while the leg has none, and so no greeks."""
    volatility_age_s: float | None = None
    adopted: bool = False
    """Found in the account and taken in by the structure gates, not declared by the profile."""
    delta_shares: float | None = None
    gamma: float | None = None
    theta_usd_day: float | None = None
    vega: float | None = None
    moneyness_pct: float | None = None
    value_usd: float | None = None
    pnl_usd: float | None = None


class Greeks(_Record, frozen=True, kw_only=True):
    """Of the whole book: legs and own shares."""

    net_delta_shares: float | None = None
    gamma: float | None = None
    theta_usd_day: float | None = None
    vega: float | None = None


class Market(_Record, frozen=True, kw_only=True):
    """What the underlying has done within the profile's window: what the code M is made of."""

    volatility_pct: float | None = None
    """Realised, annualised; null until the window says something."""
    efficiency: float | None = None
    """Net move by path, 0 (to and fro) to 1 (straight)."""
    gap_pct: float | None = None
    """The newest gap of this run; negative downwards."""
    gap_age_s: float | None = None


class GammaScalperState(_Record, frozen=True, kw_only=True):
    """What only the gamma scalper knows, under the snapshot's `strategy`."""

    name: str
    trading_state: str
    hedge_state: str
    state_code: str
    words: str
    """One plain sentence: what the strategy does now and why."""
    legs: tuple[Leg, ...] = ()
    greeks: Greeks = Greeks()
    market: Market = Market()


class Snapshot(_Record, frozen=True, kw_only=True):
    """The present of a desk. The first group is what any desk must write; the rest is shown as a dash where missing."""

    schema: int
    desk: str
    run_id: str
    pid: int
    seq: int
    ts: str
    wall_ts: str
    period_ms: int
    daemon_state: str
    self_check: SelfCheck

    profile: str | None = None
    profile_hash: str | None = None
    account: str | None = None
    account_kind: Literal["paper", "live", "simulated"] | None = None
    version: str | None = None
    journal_seq: int | None = None
    journal_hash: str | None = None
    link_state: str | None = None
    client_id: int | None = None
    session: SessionState | None = None
    posture: Posture | None = None
    instruments: tuple[InstrumentQuote, ...] = ()
    own_shares: float | None = None
    target_shares: float | None = None
    flatten_target_shares: float | None = None
    """Own shares that a flatten would end with: 0, or what offsets the options where the profile says so."""
    flatten_choices_shares: tuple[float, ...] = ()
    """Own shares, by the book and by the account, of which the operator must confirm one for a flatten; mostly none."""
    foreign_shares: float | None = None
    account_net_delta_shares: float | None = None
    positions: tuple[Position, ...] = ()
    working_orders: tuple[WorkingOrder, ...] = ()
    equity_usd: float | None = None
    daily_pnl_usd: float | None = None
    drawdown_pct: float | None = None
    pnl_parts: PnlParts | None = None
    account_summary: dict[str, float] | None = None
    account_summary_age_ms: float | None = None
    """How long ago the venue told these values, at `ts`."""
    counters: dict[str, Any] | None = None
    limits: tuple[Limit, ...] = ()
    latency_ms: LatencyMs | None = None
    control: tuple[ControlMark, ...] = ()
    loop_age_ms: float | None = None
    strategy: dict[str, Any] | None = None
    """For the gamma scalper the fields of `GammaScalperState`; other desks put their own here."""


class HistorySample(_Record, frozen=True, kw_only=True):
    """One line of `history/`: a sample per minute of `ts` (`kind` minute) and one per own fill (`kind` fill)."""

    schema: int
    kind: Literal["minute", "fill"]
    desk: str
    run_id: str
    ts: str
    wall_ts: str
    session_date: str | None = None
    """The desk's day, which `daily_pnl_usd` counts: a night after the close belongs to it until the next open."""
    equity_usd: float | None = None
    daily_pnl_usd: float | None = None
    drawdown_pct: float | None = None
    underlying_price: float | None = None
    net_delta_shares: float | None = None
    own_shares: float | None = None
    hedges_today: int | None = None
    pnl_parts: PnlParts | None = None
    traded_usd: float | None = None
    """Notional of the day's own executions so far."""
    light: str | None = None
    data: dict[str, Any] | None = None


class ControlNote(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a control file may say about itself; all of it is optional, for `touch` says nothing."""

    id: str | None = None
    by: str | None = None
    reason: str | None = None
    at: str | None = None
    shares: float | None = None
    """Of a flatten: the own shares that the operator confirms, where the desk asks for that number."""


class OperatorRequest(_Record, frozen=True, kw_only=True):
    """One file in `control/requests/`: consumed once, refused when older than 60 s."""

    id: str
    command: Literal["adopt", "release", "acknowledge", "reset"]
    by: str
    reason: str
    at: str
    shares: float | None = None
    ratio: float | None = None
    """Of `acknowledge`: a split or stock dividend has multiplied the quantities by it, new over old."""


class AuditLine(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `audit/`: who did what, from where, and how it ended. Sealed like a journal line."""

    seq: int
    wall_ts: str
    source: Literal["cockpit", "cli", "supervisor"]
    action: str
    by: str
    outcome: str
    reason: str | None = None
    command_id: str | None = None
    address: str | None = None
    data: dict[str, Any] | None = None


class SegmentAnchor(_Record, frozen=True, kw_only=True):
    """One line of `anchors.jsonl`: what remains of a segment that retention removed. Sealed like a journal line."""

    seq: int
    wall_ts: str
    segment: str
    """Its name without suffix, like `20261121-0001`."""
    number: int
    lines: int
    first_seq: int
    last_seq: int
    previous_hash: str
    """The chain's hash before its first line."""
    last_hash: str
    opening: str
    """Its first line as it stood in the file, without the line break: a journal's `ledger_checkpoint`."""


class TapeCheckpoint(_Record, frozen=True, kw_only=True):
    """The first line of a tape file: the book as it stood after event `tape_seq`."""

    schema: int
    desk: str
    run_id: str
    tape_seq: int
    ts: str
    wall_ts: str
    checkpoint: msgspec.Raw


class TapeEvent(_Record, frozen=True, kw_only=True):
    """Every further line of a tape file: one event, with its own tag inside."""

    tape_seq: int
    event: msgspec.Raw
