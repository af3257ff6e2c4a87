"""What the kernel is given and gives back: plain numbers, in records and arrays that a compiler understands.

They reach the kernel as arrays of records (`records_of`), `Terms` and `Standing` as arrays of one: it reads fields
in place and writes what moves back into them. A record is handed on as its address, which costs nothing.
"""

from typing import Any, NamedTuple, Protocol, TypeVar, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.strategies.gamma_scalper.market import BUCKETS
from daemon.strategies.gamma_scalper.trading_fsm import TradingState

FAR_US = 2**62
"""A time that never comes."""
RING = BUCKETS + 1
NOTES = 512
"""Room for so many reports, checkpoints and minute samples of one leap."""
NOTED_REPORT, NOTED_CHECKPOINT, NOTED_SAMPLE = 1, 2, 4
STATES = tuple(TradingState)
"""The kernel counts trading states by their place here."""

CLEAN, WIDE, EXTREME = 0, 1, 2
"""Which data reason held at the last look: none, `spread_wide`, `spread_extreme`; as the code L counts them."""

_KINDS = {int: np.int64, float: np.float64, bool: np.bool_}


def records_of(numbers: type[Any], count: int) -> NDArray[np.void]:
    """Room for so many records of such numbers: an array with a field for each of theirs."""
    fields = [(name, _KINDS[kind]) for name, kind in get_type_hints(numbers).items()]
    return np.zeros(count, np.dtype(fields, align=True))


END, TIME, QUOTE, JUMP, GREEKS, LIMIT, HEDGE, REFUSAL, TABLE, SILENCE, FULL = range(11)
"""Why a leap ended:

| why | |
|---|---|
| END | no quote is left in the block |
| TIME | the session's end or edge, an expiry, an ageing volatility or a timer is due |
| QUOTE | no plain two-sided quote, or one of no later moment |
| JUMP | a gap or an outlier |
| GREEKS | a leg cannot be valued |
| LIMIT | a loss, a drawdown, or a peak that must be journaled |
| HEDGE | a hedge is needed, and nothing that can be told here refuses it |
| REFUSAL | a hedge begins to be refused, or to be by another rule |
| TABLE | the trading machine has no answer |
| SILENCE | so long without a quote that the clock ticks, or that the feed's probe finds something |
| FULL | no room for more rows or notes |
"""
WHYS = ("end", "time", "quote", "jump", "greeks", "limit", "hedge", "refusal", "table", "silence", "full")


class Terms(NamedTuple):
    """What stands still during a leap. Thresholds have the core's tolerance in them; NaN is "none"."""

    stop_us: int
    """The first moment that is the core's for what time alone brings."""
    other_timer_us: int
    """When the earliest timer that is the core's is due."""
    clock_us: int
    """After so long without an event the clock ticks."""
    account_every_us: int
    """So long after its last report the venue tells the account's values at the next quote."""
    probe_us: int
    """The feed's probe comes again after this, and the account's report after `report_us`."""
    report_us: int
    old_ms: float
    """From here on a quote is slightly old."""
    rate: float
    gap_pct: float
    outlier_pct: float
    gap_until_us: int
    """The market is in a gap until then."""
    bucket_us: int
    window_us: int
    min_fill_us: float
    band: float
    needed: float
    force: float
    quiet: float
    high: float
    trend: float
    choppy: float
    wide: float
    extreme: float
    target: float
    own_shares: float
    contracts: float
    average_cost: float
    realised_usd: float
    settled_usd: float
    commission_usd: float
    base_usd: float
    """The account's value at the ledger's birth plus all that closed days earned."""
    max_loss_usd: float
    max_drawdown_pct: float
    peak_fall_pct: float
    """A fall of this from a peak that is not written yet journals it."""
    remainder: bool
    """A part of the last hedge is still to come: it waits for no cost, and its end is journaled."""
    hours_open: bool
    """Neither the session's edges nor an earnings date refuse."""
    cap: float
    step: float
    smallest: float
    cooldown_s: float
    last_sent_us: int
    """-1: none was sent."""
    hedges_today: int
    max_daily: int
    max_position: float
    max_spread: float
    spread_excluded: bool
    anchor: float
    anchored: bool
    min_move_pct: float


class Standing(msgspec.Struct, gc=False):
    """What moves during a leap."""

    place: int
    """The next quote of the block, and the next row of the buffers."""
    row: int
    ts_us: int
    quote_us: int
    valued_us: int
    """When the legs' greeks were computed."""
    feed_seen: bool
    probe_due_us: int
    probe_turn: int
    """Of two timers that are due at once the one of the lower turn fires first."""
    report_due_us: int
    report_turn: int
    turns: int
    """Timers that were started since the run began."""
    probes: int
    """Firings in this leap."""
    reports: int
    """Of the account's report likewise, and when the last one was."""
    reported_us: int
    bid: float
    ask: float
    mid: float
    spread_pct: float
    bucket: int
    bucket_sum: float
    start_us: int
    earlier_sum: float
    path: float
    buckets: int
    """Complete buckets in the ring, and mids in that of the closes."""
    closes: int
    ring: int
    """Which of the two rings holds them."""
    values: int
    """Likewise the legs' values."""
    option_delta: float
    gamma: float
    option_usd: float
    unrealised_usd: float
    legs_usd: float
    equity_usd: float
    drawdown_pct: float
    peak_usd: float
    point_us: int
    point_spot: float
    point_delta: float
    point_gamma: float
    point_theta: float
    delta_usd: float
    gamma_usd: float
    theta_usd: float
    code: int
    trading: int
    refused: int
    bad: int
    wide_us: int
    extreme_us: int
    minute: int
    """The last one that was sampled."""
    checkpoint_us: int
    written_peak_usd: float
    """The peak in the newest checkpoint; NaN before one."""
    account_us: int
    """When the account's values were told last."""
    account_place: int
    """The quote at which that was, its place in the block; -1 where not in this leap."""
    account_tellings: int
    """How often they were told in this leap."""
    quotes: int
    """Taken in this leap."""
    pointed: int
    """How often the attribution's point moved."""
    notes: int
    """Moments of this leap with a report, a checkpoint or a minute's sample."""


_Record_co = TypeVar("_Record_co", covariant=True)


class Records(Protocol[_Record_co]):
    """An array of records, as the kernel sees it."""

    shape: tuple[int]

    def __getitem__(self, number: int) -> _Record_co:
        """Its address: what is written to its fields is written to the array."""
        ...


class Leg(msgspec.Struct, gc=False):
    """One leg, in the strategy's order: its terms, and what the kernel works out for it."""

    sign: float
    strike: float
    expiry_us: int
    volatility: float
    contracts: float
    shares: float
    """contracts x multiplier"""
    opening: float
    quoted: bool
    """Its mark is a standing quote's; the others' marks are the model's prices."""
    twin: int
    """The first leg of the same strike, expiry and volatility: what call and put share is computed once."""
    held: int
    """At the n-th place: which leg is the ledger's n-th held one (the options are summed so); -1 behind them."""
    mark: float = 0.0
    """The mark that stands."""
    point_vega: float = 0.0
    d1: float = 0.0
    density: float = 0.0
    discounted: float = 0.0
    """The strike, discounted."""
    root: float = 0.0
    """Of the years."""
    deviation: float = 0.0


class Noted(msgspec.Struct, gc=False):
    """What a noted moment of a leap tells."""

    ts_us: int
    kinds: int
    """Sum of `NOTED_*`."""
    spot: float
    unrealised_usd: float
    legs_usd: float
    equity_usd: float
    drawdown_pct: float
    delta_usd: float
    gamma_usd: float
    theta_usd: float
    net: float


class Row(Protocol):
    """A row of `rows.buffer`."""

    ts_us: int
    spot: float
    net_delta_shares: float
    option_value_usd: float
    measured: float
    limit: float
    code: int
    refused: int
    needed: bool


Legs = Records[Leg]
Notes = Records[Noted]
Rows = Records[Row]


class Scratch(NamedTuple):
    """Working memory; of each pair one holds what stands, the other what a tick would make of it."""

    rings: NDArray[np.float64]
    """2 x (sums of the complete buckets, their closes) x RING"""
    values: NDArray[np.float64]
    """2 x legs x 5: price, delta, gamma, theta, vega per share."""
    work: NDArray[np.float64]
    """(steps of the closes, partial sums) x 2 RING"""
    notes: NDArray[np.void]
    """Records of `Noted`."""


def scratch(legs: int) -> Scratch:
    """Room for so many legs."""
    return Scratch(
        rings=np.zeros((2, 2, RING)),
        values=np.zeros((2, legs, 5)),
        work=np.zeros((2, 2 * RING)),
        notes=records_of(Noted, NOTES),
    )
