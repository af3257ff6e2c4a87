"""Quotes as messages: pure functions from a standing quote to frames, or to what a data fault makes of it.

These are the messages that come in thousands, so they are written with `Outgoing.row`.
"""

import math
from typing import Literal

from daemon.simulator.faults import BadTicks
from daemon.simulator.outgoing import TICK_GENERIC, TICK_OPTION, TICK_PRICE, TICK_SIZE, TICK_STRING
from daemon.venues.simulated.model import SimQuote

BID, ASK, LAST, CLOSE = 1, 2, 4, 9
BID_SIZE, ASK_SIZE = 0, 3
BID_OPTION, ASK_OPTION, LAST_OPTION, MODEL_OPTION = 10, 11, 12, 13
LAST_TIMESTAMP = 45
HALTED = 49
NO_PRICE = -1.0
NOT_COMPUTED_PRICE = -1.0
"""IB's word for an implied volatility or a price that was not computed."""
NOT_COMPUTED_GREEK = -2.0

_LIVE_TICKS = {
    tick: tick for tick in (BID, ASK, LAST, BID_SIZE, ASK_SIZE, BID_OPTION, ASK_OPTION, LAST_OPTION, MODEL_OPTION)
}
_DELAYED_TICKS = {
    BID: 66,
    ASK: 67,
    LAST: 68,
    BID_SIZE: 69,
    ASK_SIZE: 70,
    BID_OPTION: 80,
    ASK_OPTION: 81,
    LAST_OPTION: 82,
    MODEL_OPTION: 83,
}
"""Live tick type -> the one of delayed data."""
_CAN_AUTO_EXECUTE = 1
_COMPUTED_FIELDS = 8

Told = float | str | None
"""A price as it is told: None is no price, a word stands where a number should."""
GreeksFault = Literal["sentinels", "missing", "nan"]


def stamp_frame(req_id: int, ts_us: int) -> bytes:
    """The market's time, in whole seconds, as the time of the last trade (tick 45)."""
    return TICK_STRING.row(req_id, LAST_TIMESTAMP, str(ts_us // 1_000_000))


def halt_frame(req_id: int, *, halted: bool) -> bytes:
    """Whether trading is halted (tick 49)."""
    return TICK_GENERIC.row(req_id, HALTED, halted)


def close_frame(req_id: int, price: float) -> bytes:
    """What the session before closed at (tick 9)."""
    return TICK_PRICE.row(req_id, CLOSE, price, 0, 0)


def price_frames(req_id: int, quote: SimQuote, *, bad: BadTicks | None = None, delayed: bool = False) -> list[bytes]:
    """Prices and sizes of both sides and the last trade, or what a fault says instead of them."""
    bid, ask, last = (quote.bid, quote.ask, quote.last) if bad is None else _bad_prices(quote, bad)
    tick = _DELAYED_TICKS if delayed else _LIVE_TICKS
    bid_told, bid_size = _side(bid, quote.bid_size)
    ask_told, ask_size = _side(ask, quote.ask_size)
    frames = [
        TICK_PRICE.row(req_id, tick[BID], bid_told, bid_size, _CAN_AUTO_EXECUTE),
        TICK_SIZE.row(req_id, tick[BID_SIZE], bid_size),
        TICK_PRICE.row(req_id, tick[ASK], ask_told, ask_size, _CAN_AUTO_EXECUTE),
        TICK_SIZE.row(req_id, tick[ASK_SIZE], ask_size),
    ]
    if last is not None:
        frames.append(TICK_PRICE.row(req_id, tick[LAST], last, 0, 0))
    return frames


def _side(price: Told, size: float) -> tuple[float | str, float]:
    """Price and size as told: a price with size 0 means "no price" to a client, so a quoted side shows at least one."""
    if price is None or price == NO_PRICE:
        return NO_PRICE, 0.0
    return price, max(size, 1.0)


def _bad_prices(quote: SimQuote, bad: BadTicks) -> tuple[Told, Told, Told]:
    bid, ask = (quote.ask, quote.bid) if bad.swap else (quote.bid, quote.ask)
    return (
        bid if bad.bid is None else bad.bid,
        ask if bad.ask is None else bad.ask,
        quote.last if bad.last is None else bad.last,
    )


def computation_frames(
    req_id: int, quote: SimQuote, *, how: GreeksFault | None = None, delayed: bool = False
) -> list[bytes]:
    """Message 21. The exchange has one model: the sides carry its sensitivities with the side's own price.

    `how` says what a fault makes of it: nothing computed, no model tick at all, or no numbers.
    """
    tick = _DELAYED_TICKS if delayed else _LIVE_TICKS
    prices = [(BID_OPTION, quote.bid), (ASK_OPTION, quote.ask), (LAST_OPTION, quote.last)]
    told = [(kind, price) for kind, price in prices if price is not None]
    if how != "missing":
        mid = NOT_COMPUTED_PRICE if quote.bid is None or quote.ask is None else (quote.bid + quote.ask) / 2
        told.append((MODEL_OPTION, mid))
    if how == "nan":
        return [TICK_OPTION.row(req_id, tick[kind], 0, *("NaN",) * _COMPUTED_FIELDS) for kind, _ in told]
    if how == "sentinels":
        quote, told = _NOTHING, [(kind, NOT_COMPUTED_PRICE) for kind, _ in told]
    volatility = _or(quote.model_volatility, NOT_COMPUTED_PRICE)
    delta = _or(quote.model_delta, NOT_COMPUTED_GREEK)
    greeks = (
        0,  # the present value of dividends: there are none
        _or(quote.model_gamma, NOT_COMPUTED_GREEK),
        _or(quote.model_vega, NOT_COMPUTED_GREEK),
        _or(quote.model_theta, NOT_COMPUTED_GREEK),
        _or(quote.underlying_price, NOT_COMPUTED_PRICE),
    )
    return [TICK_OPTION.row(req_id, tick[kind], 0, volatility, delta, price, *greeks) for kind, price in told]


def _or(value: float | None, missing: float) -> float:
    return missing if value is None or not math.isfinite(value) else value


_NOTHING = SimQuote(instrument="", bid=None, ask=None)
