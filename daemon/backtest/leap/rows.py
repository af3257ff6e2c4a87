"""The decision rows of leaps: a buffer that the kernel fills, and what one leap has put there."""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.core.attribution import Attribution
from daemon.core.pnl import DayPnl
from daemon.strategies.gamma_scalper.classifier import (
    Codes,
    DeltaCode,
    ExecutionCode,
    LiquidityCode,
    MarketCode,
    OptionCode,
    SystemCode,
)

REFUSALS = (
    None,
    "spread_extreme",
    "min_hedge_shares",
    "cooldown",
    "max_daily_hedge_count",
    "max_position",
    "spread_too_wide",
    "min_price_move",
)
"""What may refuse a needed hedge for many ticks; the kernel counts them by their place here."""


class Columns(NamedTuple):
    """The rows of one leap, column by column; NaN stands for what is not known."""

    ts_us: NDArray[np.int64]
    spot: NDArray[np.float64]
    net_delta_shares: NDArray[np.float64]
    option_value_usd: NDArray[np.float64]
    measured: NDArray[np.float64]
    limit: NDArray[np.float64]
    code: NDArray[np.int16]
    """As `packed`."""
    refused: NDArray[np.int8]
    """Place in `REFUSALS`."""
    needed: NDArray[np.bool_]


_ROW = np.dtype(
    [
        ("ts_us", np.int64),
        ("spot", np.float64),
        ("net_delta_shares", np.float64),
        ("option_value_usd", np.float64),
        ("measured", np.float64),
        ("limit", np.float64),
        ("code", np.int16),
        ("refused", np.int8),
        ("needed", np.bool_),
    ],
    align=True,
)
"""The fields of `Columns`."""


def buffer(rows: int) -> NDArray[np.void]:
    """Room for so many rows."""
    return np.zeros(rows, _ROW)


def code_of(option: int, delta: int, movement: int, liquidity: int) -> int:
    """O, D, M and L in one number; E and S are 0 in a leap."""
    return ((option * 5 + delta) * 6 + movement) * 4 + liquidity


CODES = code_of(len(OptionCode), 0, 0, 0)
"""So many numbers there are."""


def liquidity_of(code: int) -> int:
    """L of such a number."""
    return code % 4


def packed(codes: Codes) -> int:
    """The number of codes."""
    return code_of(codes.o, codes.d, codes.m, codes.l)


def unpacked(code: int) -> Codes:
    """The inverse of `packed`."""
    rest, liquidity = divmod(int(code), 4)
    rest, movement = divmod(rest, 6)
    option, delta = divmod(rest, 5)
    return Codes(
        OptionCode(option),
        DeltaCode(delta),
        MarketCode(movement),
        LiquidityCode(liquidity),
        ExecutionCode.IDLE,
        SystemCode.OK,
    )


class Note(NamedTuple):
    """One moment of a leap with something to be told beside its row: a report, a checkpoint, or a minute's sample."""

    ts_us: int
    is_report: bool
    """The account's periodic report came."""
    is_checkpoint: bool
    """The core journals its ledger here."""
    is_sample: bool
    spot: float
    pnl: DayPnl
    equity_usd: float
    drawdown_pct: float
    attribution: Attribution
    """The day's sums; no point."""
    net_delta_shares: float


class LeapRows(msgspec.Struct, frozen=True, kw_only=True):
    """The decision moments of one leap, in order; `ts_us` strictly increases, from the last decision before it on."""

    buffer: NDArray[np.void]
    """Holds until the next leap."""
    start: int
    stop: int
    session: str
    """The exchange's day."""
    daemon_state: str
    own_shares: float
    events: int
    """What the core would have decided or absorbed: quotes, timers that fired, and what the venue told."""

    notes: tuple[Note, ...] = ()
    """In order of time."""

    def __len__(self) -> int:
        return self.stop - self.start

    def columns(self) -> Columns:
        """The rows as arrays of their own length (views)."""
        rows = self.buffer[self.start : self.stop]
        return Columns._make([rows[name] for name in Columns._fields])
