"""The price collar: how much worse than the mid of its decision an order's price may be.

One rule for every order that the desk prices: a market order is judged by the touch that it would pay, a limit order
and each of its reprices by their limit price. Closing orders of a flatten are not collared: the operator wants out.
"""

import math

from daemon.core.events import Side
from daemon.core.instruments import TOLERANCE


def concession_pct(side: Side, price: float, mid: float) -> float:
    """What an order at `price` gives up against `mid`, in percent of it; negative when it is better than the mid.

    `mid` must be positive.
    """
    adverse = price - mid if side == "BUY" else mid - price
    return adverse / mid * 100


def within_collar(side: Side, price: float, mid: float, collar_pct: float) -> bool:
    """Whether that is at most the collar; exactly at it is within. A price or mid that is no price is not."""
    if not (math.isfinite(price) and math.isfinite(mid) and price > 0 and mid > 0):
        return False
    return concession_pct(side, price, mid) <= collar_pct + TOLERANCE


def collared_price(side: Side, mid: float, collar_pct: float, price_tick: float) -> float:
    """The worst price within the collar, on the price tick and rounded toward the mid."""
    if side == "BUY":
        return math.floor(mid * (1 + collar_pct / 100) / price_tick + TOLERANCE) * price_tick
    return math.ceil(mid * (1 - collar_pct / 100) / price_tick - TOLERANCE) * price_tick
