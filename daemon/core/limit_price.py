"""The price of a limit hedge: so many ticks from the far touch, on the tick, never outside the price collar."""

import math

from config.schema import Profile
from daemon.core.book import Book, QuoteState
from daemon.core.events import Side
from daemon.core.instruments import TOLERANCE
from daemon.core.price_collar import collared_price

DIGITS = 10
"""A multiple of a tick is rounded to these decimals, so that 7001 * 0.01 is 70.01 and compares as such."""


def hedge_limit_price(profile: Profile, book: Book, side: Side) -> float | None:
    """The limit of a hedge decided now, in USD; None for a market order, or while there is no two-sided quote."""
    spec, quote = book.spec(), book.quote()
    if profile.execution.order_type == "market" or spec is None or spec.price_tick is None or quote is None:
        return None
    return limit_price(
        quote,
        side,
        tick=spec.price_tick,
        offset_ticks=profile.execution.limit_offset_ticks,
        collar_pct=profile.gates.guard.risk.price_collar_pct,
    )


def limit_price(quote: QuoteState, side: Side, *, tick: float, offset_ticks: int, collar_pct: float) -> float | None:
    """The far touch (a buy's is the ask) moved by `offset_ticks`: positive through it, negative back towards us.

    A touch off the tick is rounded through it, so that offset 0 always reaches it. The collar is `collar_pct` percent
    of the mid and rounded towards it: what the offset asks for beyond the collar is not given. None without both
    sides of the quote, where one of them is no number (NaN, infinite), and where no positive price is left.
    """
    mid, touch = quote.mid, quote.ask if side == "BUY" else quote.bid
    if mid is None or touch is None or not 0 < mid < math.inf:  # NaN passes no comparison
        return None
    worst = collared_price(side, mid, collar_pct, tick)
    if side == "BUY":
        price = min((math.ceil(touch / tick - TOLERANCE) + offset_ticks) * tick, worst)
    else:
        price = max((math.floor(touch / tick + TOLERANCE) - offset_ticks) * tick, worst)
    return round(price, DIGITS) if price > TOLERANCE else None


def same_price(one: float, other: float) -> bool:
    """Whether two prices are the same one, but for float noise."""
    return abs(one - other) <= TOLERANCE * max(1.0, abs(one))
