"""Instruments and the steps that their prices and sizes must stand on."""

import math
from typing import Literal

import msgspec

TOLERANCE = 1e-9
"""Comparisons of computed floats allow this much, so that exactly 0.2 % counts as a 0.2 % move."""


class InstrumentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue says of one instrument. An unknown constraint is None and refuses every order in it."""

    instrument: str
    """Our id: the symbol of a stock, `TWX 20140719 C 70` for an option (see `option_id`)."""
    kind: Literal["stock", "option"]
    symbol: str
    currency: str
    venue_id: int
    """The venue's own key (IB: conId)."""
    multiplier: float = 1.0
    unit: Literal["share", "contract"] = "share"
    price_tick: float | None = None
    size_step: float | None = None
    min_size: float | None = None
    right: Literal["C", "P"] | None = None
    strike: float | None = None
    expiry: str | None = None
    """YYYYMMDD as the venue lists it; old monthly expiries are a Saturday."""
    last_trade_ts_us: int | None = None
    """16:00 New York of the last trading day."""


def option_id(symbol: str, expiry: str, right: str, strike: float) -> str:
    """`option_id("TWX", "20140719", "C", 70.0)` -> `TWX 20140719 C 70`."""
    return f"{symbol} {expiry} {right} {strike:g}"


class OptionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What the id of an option says of it."""

    symbol: str
    expiry: str
    """YYYYMMDD as the venue lists it."""
    right: Literal["C", "P"]
    strike: float


def option_terms(instrument: str) -> OptionTerms | None:
    """The inverse of `option_id`; None for an id that is no option's.

    A mark behind the id (`TWX 20140719 C 70 #123`, by which a venue tells contracts of one name apart) is left out.
    """
    parts = instrument.split(" #", maxsplit=1)[0].rsplit(" ", maxsplit=3)
    if len(parts) != 4 or not parts[0]:
        return None
    symbol, expiry, right, strike_text = parts
    if len(expiry) != 8 or not (expiry.isascii() and expiry.isdigit()) or right not in ("C", "P"):
        return None
    try:
        strike = float(strike_text)
    except ValueError:
        return None
    if not (math.isfinite(strike) and strike > 0):
        return None
    return OptionTerms(symbol=symbol, expiry=expiry, right="C" if right == "C" else "P", strike=strike)


def is_option_of(instrument: str, symbol: str) -> bool:
    """Whether an instrument is an option on this stock, by its id."""
    terms = option_terms(instrument)
    return terms is not None and terms.symbol == symbol


def round_half_away(value: float) -> float:
    """Round to a whole number, halves away from zero: 2.5 -> 3, -2.5 -> -3 (Python's round would go to even)."""
    return math.copysign(math.floor(abs(value) + 0.5), value)


def floor_to_step(size: float, step: float) -> float:
    """The largest multiple of `step` not above `size` (both positive), forgiving float noise."""
    return math.floor(size / step + TOLERANCE) * step
