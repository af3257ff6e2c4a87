"""What a moment of a leap leaves behind: its row, its codes, and a note where there is more to tell."""

# ruff: noqa: PLR0917 -- compiled functions take their numbers one by one

from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.rows import Buffers, liquidity_of
from daemon.backtest.leap.state import (
    EXTREME,
    NOTED_CHECKPOINT,
    NOTED_REPORT,
    NOTED_SAMPLE,
    WIDE,
    Scratch,
    Standing,
)
from daemon.core.day import CHECKPOINT_US, MINUTE_US

_liquidity_of = compiled(liquidity_of)


def _written(
    rows: Buffers,
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
    row = now.row
    rows.ts_us[row] = ts_us
    rows.spot[row] = spot
    rows.net_delta_shares[row] = net
    rows.option_value_usd[row] = option_usd
    rows.code[row] = code
    rows.needed[row] = needed
    rows.refused[row] = refused
    rows.measured[row] = measured
    rows.limit[row] = limit
    now.row = row + 1


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


def _noted(room: Scratch, now: Standing, net: float, is_report: bool) -> None:
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
    note = now.notes
    room.noted_us[note] = now.ts_us
    room.noted_kinds[note] = kinds
    room.noted[note, 0] = now.mid
    room.noted[note, 1] = now.unrealised_usd
    room.noted[note, 2] = now.legs_usd
    room.noted[note, 3] = now.equity_usd
    room.noted[note, 4] = now.drawdown_pct
    room.noted[note, 5] = now.delta_usd
    room.noted[note, 6] = now.gamma_usd
    room.noted[note, 7] = now.theta_usd
    room.noted[note, 8] = net
    now.notes = note + 1


noted = compiled(_noted)
