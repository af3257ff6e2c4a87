"""One look in a leap: the codes, what refuses a needed hedge, and where the trading machine goes.

The comparisons are the core's own functions. Their order is that of `deciding.Decider.measured`, `guard.RULES` and
`deciding.trigger_of`, for books that `terms.entry` lets through.
"""

# ruff: noqa: PLR0917, C901, PLR0911 -- compiled functions take their numbers one by one; a rule is a line

import math

import numpy as np

from daemon.backtest.leap.arithmetic import (
    annualised_pct,
    delta_code,
    efficiency_ratio,
    fits_position,
    fits_spread,
    floor_to_step,
    has_cooled,
    has_moved,
    is_worth_sending,
    movement_code,
    option_code,
    price_move_pct,
    round_half_away,
    spread_code,
    worst_position,
)
from daemon.backtest.leap.compiled import compiled
from daemon.backtest.leap.rows import REFUSALS, code_of
from daemon.backtest.leap.state import END, GREEKS, HEDGE, REFUSAL, STATES, TABLE, Terms
from daemon.core.hedge_rules import US_PER_S
from daemon.strategies.gamma_scalper.classifier import DeltaCode, LiquidityCode, MarketCode
from daemon.strategies.gamma_scalper.deciding import refusal_trigger
from daemon.strategies.gamma_scalper.trading_fsm import TRADING, TradingTrigger

_TRIGGERS = tuple(TradingTrigger)
_IN_BAND = _TRIGGERS.index(TradingTrigger.IN_BAND)
_MINOR = _TRIGGERS.index(TradingTrigger.MINOR)
_ILLEGAL = -1
_NEXT = np.array(
    [
        [_ILLEGAL if (to := TRADING.pairs[state, trigger]) is None else STATES.index(to) for trigger in _TRIGGERS]
        for state in STATES
    ],
    np.int64,
)
"""The trading machine's table as numbers."""
_REFUSED = np.array(
    [_ILLEGAL if rule is None else _TRIGGERS.index(refusal_trigger(rule)) for rule in REFUSALS], np.int64
)
"""Place in `REFUSALS` -> trigger."""
_NONE = 0
_SPREAD_EXTREME = REFUSALS.index("spread_extreme")
_MIN_HEDGE_SHARES = REFUSALS.index("min_hedge_shares")
_COOLDOWN = REFUSALS.index("cooldown")
_MAX_DAILY = REFUSALS.index("max_daily_hedge_count")
_MAX_POSITION = REFUSALS.index("max_position")
_SPREAD = REFUSALS.index("spread_too_wide")
_MIN_MOVE = REFUSALS.index("min_price_move")

_D_IN_BAND = int(DeltaCode.IN_BAND)
_D_FORCE = int(DeltaCode.FORCE_HEDGE)
_D_NEEDED = int(DeltaCode.HEDGE_NEEDED)
_M_GAP = int(MarketCode.GAP)
_L_EXTREME = int(LiquidityCode.EXTREME)
_code_of = compiled(code_of)


def _refusal(
    terms: Terms, ts_us: int, mid: float, spread_pct: float, deviation: float, delta: int, liquidity: int
) -> tuple[int, float, float]:
    """What refuses a needed hedge: place in `REFUSALS`, measured, limit; 0 where nothing that is known here does.

    In the order of `deciding.Decider.measured` and `guard.RULES`.
    """
    if liquidity == _L_EXTREME:
        return _SPREAD_EXTREME, math.nan, math.nan
    wanted = round_half_away(-deviation)
    size = floor_to_step(min(abs(wanted), terms.cap), terms.step)
    if not is_worth_sending(size, deviation, terms.smallest):
        return _MIN_HEDGE_SHARES, size, terms.smallest
    if not terms.hours_open:
        return _NONE, math.nan, math.nan
    forced = delta == _D_FORCE or terms.remainder
    if terms.last_sent_us >= 0 and not forced:
        elapsed_s = (ts_us - terms.last_sent_us) / US_PER_S
        if not has_cooled(elapsed_s, terms.cooldown_s):
            return _COOLDOWN, elapsed_s, terms.cooldown_s
    if terms.hedges_today >= terms.max_daily:
        return _MAX_DAILY, float(terms.hedges_today), float(terms.max_daily)
    worst = worst_position(terms.own_shares, 0.0, size if wanted > 0 else -size)
    if not fits_position(worst, terms.own_shares, terms.max_position):
        return _MAX_POSITION, worst, terms.max_position
    if not fits_spread(spread_pct, terms.max_spread, terms.spread_excluded):
        return _SPREAD, spread_pct, terms.max_spread
    if terms.anchored and not forced:
        move_pct = price_move_pct(mid, terms.anchor)
        if not has_moved(move_pct, terms.min_move_pct):
            return _MIN_MOVE, move_pct, terms.min_move_pct
    return _NONE, math.nan, math.nan


refusal = compiled(_refusal)


def _looked(
    terms: Terms,
    ts_us: int,
    mid: float,
    spread_pct: float,
    option_delta: float,
    gamma: float,
    start_us: int,
    squares: float,
    first: float,
    last: float,
    path: float,
    trading: int,
    refused: int,
) -> tuple[int, int, int, int, bool, float, float, float]:
    """One look: (why it is not quiet, code, trading state, refused, needed, measured, limit, net delta)."""
    net = option_delta + terms.own_shares
    deviation = net - terms.target
    if not math.isfinite(deviation):
        return GREEKS, 0, trading, 0, False, math.nan, math.nan, net
    delta = delta_code(deviation, terms.band, terms.needed, terms.force).value
    if ts_us < terms.gap_until_us:
        movement = _M_GAP
    else:
        volatility, efficiency = math.nan, math.nan
        elapsed_us = min(ts_us - start_us, terms.window_us)
        if elapsed_us >= terms.min_fill_us:
            volatility = annualised_pct(squares, elapsed_us)
        if ts_us - start_us >= terms.window_us:
            efficiency = efficiency_ratio(mid, first, last, path)
        movement = movement_code(volatility, efficiency, terms.quiet, terms.trend, terms.high, terms.choppy).value
    liquidity = spread_code(spread_pct, terms.wide, terms.extreme).value
    option = option_code(gamma, terms.contracts).value
    code = _code_of(option, delta, movement, liquidity)
    if delta == _D_IN_BAND and terms.remainder:
        return HEDGE, code, trading, _NONE, False, math.nan, math.nan, net
    if delta not in (_D_NEEDED, _D_FORCE):
        trading = _NEXT[trading, _IN_BAND if delta == _D_IN_BAND else _MINOR]
        return END if trading >= 0 else TABLE, code, trading, _NONE, False, math.nan, math.nan, net
    rule, measured, limit = refusal(terms, ts_us, mid, spread_pct, deviation, delta, liquidity)
    if rule == _NONE:
        return HEDGE, code, trading, rule, True, measured, limit, net
    if rule != refused:
        return REFUSAL, code, trading, rule, True, measured, limit, net
    trading = _NEXT[trading, _REFUSED[rule]]
    return END if trading >= 0 else TABLE, code, trading, rule, True, measured, limit, net


looked = compiled(_looked)
