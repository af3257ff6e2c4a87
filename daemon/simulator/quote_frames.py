"""Quotes as messages: pure functions from a standing quote to frames, or to what a data fault makes of it.

These are the messages that come in thousands, so they are written with `Outgoing.row`, and a number that several of
them carry is made text once.
"""

import math
from typing import Literal

import msgspec

from daemon.simulator.codec import text
from daemon.simulator.faults import BadTicks
from daemon.simulator.outgoing import TICK_GENERIC, TICK_OPTION, TICK_PRICE, TICK_SIZE, TICK_STRING
from daemon.venues.simulated.model import SimQuote

NO_PRICE = -1.0
NOT_COMPUTED_PRICE = -1.0
"""IB's word for an implied volatility or a price that was not computed."""
NOT_COMPUTED_GREEK = -2.0


class TickTypes(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers, as text, under which one kind of data says its values."""

    bid: str
    ask: str
    last: str
    bid_size: str
    ask_size: str
    bid_option: str
    ask_option: str
    last_option: str
    model_option: str


LIVE_TICKS = TickTypes(
    bid="1",
    ask="2",
    last="4",
    bid_size="0",
    ask_size="3",
    bid_option="10",
    ask_option="11",
    last_option="12",
    model_option="13",
)
DELAYED_TICKS = TickTypes(
    bid="66",
    ask="67",
    last="68",
    bid_size="69",
    ask_size="70",
    bid_option="80",
    ask_option="81",
    last_option="82",
    model_option="83",
)
CLOSE = "9"
LAST_TIMESTAMP = "45"
HALTED = "49"
_CAN_AUTO_EXECUTE = "1"
_NO_ATTRIBUTES = "0"
_NO_SIZE = "0"
_NO_DIVIDENDS = "0"
_COMPUTED_FIELDS = 8

Told = float | str | None
"""A price as it is told: None is no price, a word stands where a number should."""
GreeksFault = Literal["sentinels", "missing", "nan"]


def stamp_frame(req_id: int, ts_us: int) -> bytes:
    """The market's time, in whole seconds, as the time of the last trade (tick 45)."""
    return TICK_STRING.row(str(req_id), LAST_TIMESTAMP, str(ts_us // 1_000_000))


def halt_frame(req_id: int, *, halted: bool) -> bytes:
    """Whether trading is halted (tick 49)."""
    return TICK_GENERIC.row(str(req_id), HALTED, text(halted))


def close_frame(req_id: int, price: float) -> bytes:
    """What the session before closed at (tick 9)."""
    return TICK_PRICE.row(str(req_id), CLOSE, text(price), _NO_SIZE, _NO_ATTRIBUTES)


def price_frames(req_id: int, quote: SimQuote, *, bad: BadTicks | None = None, delayed: bool = False) -> list[bytes]:
    """Prices and sizes of both sides and the last trade, or what a fault says instead of them."""
    bid, ask, last = (quote.bid, quote.ask, quote.last) if bad is None else _bad_prices(quote, bad)
    tick = DELAYED_TICKS if delayed else LIVE_TICKS
    request = str(req_id)
    bid_told, bid_size = _side(bid, quote.bid_size)
    ask_told, ask_size = _side(ask, quote.ask_size)
    frames = [
        TICK_PRICE.row(request, tick.bid, bid_told, bid_size, _CAN_AUTO_EXECUTE),
        TICK_SIZE.row(request, tick.bid_size, bid_size),
        TICK_PRICE.row(request, tick.ask, ask_told, ask_size, _CAN_AUTO_EXECUTE),
        TICK_SIZE.row(request, tick.ask_size, ask_size),
    ]
    if last is not None:
        frames.append(TICK_PRICE.row(request, tick.last, text(last), _NO_SIZE, _NO_ATTRIBUTES))
    return frames


def _side(price: Told, size: float) -> tuple[str, str]:
    """Price and size as told: a price with size 0 means "no price" to a client, so a quoted side shows at least one."""
    if price is None or price == NO_PRICE:
        return text(NO_PRICE), _NO_SIZE
    return text(price), text(max(size, 1.0))


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
    tick = DELAYED_TICKS if delayed else LIVE_TICKS
    sides = ((tick.bid_option, quote.bid), (tick.ask_option, quote.ask), (tick.last_option, quote.last))
    told = [(kind, price) for kind, price in sides if price is not None]
    if how != "missing":
        mid = NOT_COMPUTED_PRICE if quote.bid is None or quote.ask is None else (quote.bid + quote.ask) / 2
        told.append((tick.model_option, mid))
    request = str(req_id)
    if how == "nan":
        return [TICK_OPTION.row(request, kind, _NO_ATTRIBUTES, *("NaN",) * _COMPUTED_FIELDS) for kind, _ in told]
    if how == "sentinels":
        quote, told = _NOTHING, [(kind, NOT_COMPUTED_PRICE) for kind, _ in told]
    volatility = _or(quote.model_volatility, NOT_COMPUTED_PRICE)
    delta = _or(quote.model_delta, NOT_COMPUTED_GREEK)
    others = (
        _NO_DIVIDENDS,
        _or(quote.model_gamma, NOT_COMPUTED_GREEK),
        _or(quote.model_vega, NOT_COMPUTED_GREEK),
        _or(quote.model_theta, NOT_COMPUTED_GREEK),
        _or(quote.underlying_price, NOT_COMPUTED_PRICE),
    )
    return [
        TICK_OPTION.row(request, kind, _NO_ATTRIBUTES, volatility, delta, text(price), *others) for kind, price in told
    ]


def _or(value: float | None, missing: float) -> str:
    return text(missing if value is None or not math.isfinite(value) else value)


_NOTHING = SimQuote(instrument="", bid=None, ask=None)
