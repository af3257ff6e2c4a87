"""The records of a run over history. Field names carry their units; a missing optional field is null.

A newer writer may add fields: readers ignore what they do not know.
"""

from typing import Any, Literal

import msgspec

SCHEMA_VERSION = 1

Status = Literal["running", "finished", "interrupted", "failed"]


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """Shared settings: frozen, keyword-only, unknown keys are ignored."""


class Finding(_Record, frozen=True):
    """One oddity of the data or of the run, flagged instead of skipped."""

    code: str
    """A short word: missing_day, gap, unsorted, duplicate_ts, not_positive, crossed, no_quotes, expired_inside, ..."""
    text: str
    """One line for people, with the numbers."""
    count: int = 1
    instrument: str | None = None
    first_ts: str | None = None
    """When it was met first, as `state.times` writes it."""
    detail: str | None = None
    """What `text` says beyond code and count: the first one's line or file, names, numbers; null: nobody said."""


class DataInfo(_Record, frozen=True):
    """What the run was fed with."""

    spec: str
    description: str
    hash: str
    sessions: int = 0
    steps: int = 0
    """Moments of the market."""
    events: int = 0
    """Events that the core decided or absorbed."""
    first_ts: str | None = None
    last_ts: str | None = None


class ProfileInfo(_Record, frozen=True):
    """Whose decisions these are."""

    name: str
    hash: str
    """Of the profile with the overrides in it."""
    path: str | None = None
    overrides: dict[str, Any] = {}
    """Dotted key -> value, where the run changed the file's."""
    settings: dict[str, str] = {}
    """Every key that decides -> its value as YAML would take it, overrides in it; see `config.keys.settings_of`."""


class VenueModel(_Record, frozen=True):
    """How the simulated venue fills. All of it stands in the report."""

    extra_spread_usd: float = 0.0
    """Added to the stock's quoted spread, half on each side: the decisions see the wider quotes, too."""
    slippage_bps: float = 0.0
    """A market order's price is worse than the touch by this, off the tick; the decisions do not see it coming."""
    latency_ms: float = 0.0
    """From the desk to the exchange, of each order, change and cancel: it meets the first market step at or after its
    arrival. Over minute bars any latency therefore means the next bar."""
    partial_fill_shares: float | None = None
    """An order is filled in slices of at most so many shares."""
    partial_fill_each_step: bool = False
    """One slice each market step, instead of all at once."""
    fill_displayed_size: bool = False
    """A limit order gets at most the size that the touch shows, once each step."""
    commission_usd_share: float = 0.005
    commission_minimum_usd: float = 1.0
    commission_usd_contract: float = 0.65


class AttributionUsd(_Record, frozen=True):
    """Where the P&L came from (formulas: daemon/core/attribution.py). Slippage and commission are costs when positive.

    delta + gamma + theta + vega + other - slippage - commission = total
    """

    total_usd: float
    delta_usd: float
    gamma_usd: float
    theta_usd: float
    vega_usd: float
    other_usd: float
    slippage_usd: float
    commission_usd: float


class RatioValue(_Record, frozen=True):
    """A ratio and over how many days; null where there are too few."""

    n: int
    value: float | None


class Figures(_Record, frozen=True):
    """What the run came to. USD, shares, percent of the base equity."""

    pnl_usd: float
    attribution: AttributionUsd
    base_equity_usd: float
    final_equity_usd: float
    max_drawdown_usd: float
    max_drawdown_pct: float
    sharpe: RatioValue
    sortino: RatioValue
    won_days: int
    days: int
    hedges: int
    hedges_per_session: float
    shares_traded: float
    value_traded_usd: float
    slippage_usd: float
    slippage_bps: float | None
    wear_per_10k_usd: float | None
    """-P&L / value traded x 10,000: what each 10,000 USD of hedging took (negative: earned)."""
    mean_abs_net_delta_shares: float | None
    max_abs_net_delta_shares: float | None
    max_abs_own_shares: float
    time_out_of_band_pct: float | None
    """Of the moments of open sessions with a known delta."""


class DayRow(_Record, frozen=True):
    """One session."""

    day: str
    pnl_usd: float
    equity_usd: float
    hedges: int
    refusals: int
    slippage_usd: float
    commission_usd: float


class Summary(_Record, frozen=True):
    """`summary.json`: everything of a run but its tables."""

    schema: int
    run_id: str
    status: Status
    title: str
    created_ts: str
    """Wall clock of the start."""
    version: str
    profile: ProfileInfo
    data: DataInfo
    venue: VenueModel
    figures: Figures | None
    """None where the run came to nothing."""
    decisions: int = 0
    needed: int = 0
    """Decision moments at which a hedge was wanted."""
    hedged: int = 0
    refused: dict[str, int] = {}
    """Rule, gate or embargo -> decision moments that it refused."""
    new_refusals: dict[str, int] = {}
    """The same, each stretch of moments with one and the same refusal counted once: what the journal would hold."""
    days: tuple[DayRow, ...] = ()
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    """Of wall clock."""
    path: Literal["core", "leap"] = "core"
    """Event by event, or with the compiled stretches between decisions (the decisions are the same)."""
    problem: str | None = None
    """Why it failed, one line."""


class MarketReached(_Record, frozen=True):
    """How far a backtest is."""

    ts: str
    """By the market's clock."""
    hedges: int
    """Sent so far."""


class TrialsEnded(_Record, frozen=True):
    """How far a sweep is."""

    ended: int
    total: int
    """At most."""
    failed: int = 0
    best: float | None = None
    """Objective of the best cell on the whole data; null until there is one, and under a split."""
    best_cell: int | None = None


class Progress(_Record, frozen=True):
    """`progress.json`: how far a run is."""

    schema: int
    run_id: str
    kind: Literal["backtest", "sweep"]
    status: Status
    pid: int
    done: float
    """0 to 1."""
    text: str
    """Such as `2014-06-05 14:03, 120 hedges` or `14 of 64 trials, best 812.40`."""
    started_ts: str
    updated_ts: str
    seconds: float
    eta_s: float | None = None
    reached: MarketReached | None = None
    """What `text` says, of a backtest that has met a price."""
    trials: TrialsEnded | None = None
    """Likewise, of a sweep."""


class Searched(_Record, frozen=True):
    """One profile key that a sweep varies: bounds with an optional step, or the values themselves."""

    key: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    integer: bool = False
    values: tuple[Any, ...] = ()


class SweepPlan(_Record, frozen=True):
    """`sweep.json`: what is searched, by what, over which data."""

    schema: int
    run_id: str
    title: str
    created_ts: str
    method: Literal["grid", "random", "bayes"]
    objective: str
    """A field of `Figures`."""
    maximise: bool
    trials: int
    seed: int
    searched: tuple[Searched, ...]
    profile: ProfileInfo
    data: DataInfo
    venue: VenueModel
    folds: tuple[tuple[str, str], ...] = ()
    """Walk-forward: (in-sample spec, out-of-sample spec) of each fold; empty without a split."""
    workers: int = 1
    scheduler: str | None = None


class Trial(_Record, frozen=True):
    """One line of `results.jsonl`: one cell on one stretch of data."""

    number: int
    fold: int | None
    """Of the walk-forward split; null is the whole data."""
    sample: Literal["all", "in", "out"]
    params: dict[str, Any]
    objective: float | None
    """None where the run came to nothing."""
    figures: Figures | None
    refused: dict[str, int] = {}
    seconds: float = 0.0
    problem: str | None = None
    data_hash: str | None = None
    """Of what this trial read: trials on one stretch can be compared only where it is the same."""
