"""What a moment of a leap leaves behind: its row, its codes, and a note where there is more to tell."""

# ruff: noqa: PLR0917 -- compiled functions take their numbers one by one

from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.rows import liquidity_of
from daemon.backtest.leap.state import (
    EXTREME,
    NOTED_CHECKPOINT,
    NOTED_REPORT,
    NOTED_SAMPLE,
    WIDE,
    Notes,
    Rows,
    Standing,
)
from daemon.core.day import CHECKPOINT_US, MINUTE_US

_liquidity_of = compiled(liquidity_of)


def _written(
    rows: Rows,
    now: Standing,
    ts_us: int,
    spot: float,
    net: float,
    option_usd: float,
    code: int,
    needed: bool,
    refused: int,
    measured: float,
    limit: float,
) -> None:
    """Append the moment's row."""
    row = rows[now.row]
    row.ts_us = ts_us
    row.spot = spot
    row.net_delta_shares = net
    row.option_value_usd = option_usd
    row.code = code
    row.needed = needed
    row.refused = refused
    row.measured = measured
    row.limit = limit
    now.row += 1


written = compiled(_written)


def _looked_at(now: Standing, ts_us: int, code: int, trading: int, refused: int) -> None:
    """The look of this moment stands from here on. A data reason that held at the last one has held until it."""
    bad = _liquidity_of(code)
    if WIDE in (now.bad, bad):
        now.wide_us = ts_us
    if EXTREME in (now.bad, bad):
        now.extreme_us = ts_us
    now.ts_us, now.code, now.trading, now.refused, now.bad = ts_us, code, trading, refused, bad


looked_at = compiled(_looked_at)


def _noted(notes: Notes, now: Standing, net: float, is_report: bool) -> None:
    """Note a report, a checkpoint that is due, and the first moment of a minute."""
    kinds = NOTED_REPORT if is_report else 0
    if now.ts_us - now.checkpoint_us >= CHECKPOINT_US:
        kinds += NOTED_CHECKPOINT
        now.checkpoint_us, now.written_peak_usd = now.ts_us, now.peak_usd
    if now.ts_us >= (now.minute + 1) * MINUTE_US:
        kinds += NOTED_SAMPLE
        now.minute = now.ts_us // MINUTE_US
    if kinds == 0:
        return
    note = notes[now.notes]
    note.ts_us, note.kinds, note.spot, note.net = now.ts_us, kinds, now.mid, net
    note.unrealised_usd, note.legs_usd = now.unrealised_usd, now.legs_usd
    note.equity_usd, note.drawdown_pct = now.equity_usd, now.drawdown_pct
    note.delta_usd, note.gamma_usd, note.theta_usd = now.delta_usd, now.gamma_usd, now.theta_usd
    now.notes += 1


noted = compiled(_noted)
