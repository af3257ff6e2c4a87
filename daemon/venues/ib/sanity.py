"""Which numbers of a quote may pass: every refusal has a kind, and is counted.

A price is finite, positive and none of IB's words for "no value". It is also near what the instrument can be worth:
a stock near its own last clean mid, an option at most what its contract can ever pay. The bound is wide (it holds
back broken data, not a moving market) and gives in to a level that stays.
"""

import math

from daemon.core.events import RefusedKind
from daemon.core.instruments import InstrumentSpec
from daemon.venues.ib.translate import finite_or_none

STOCK_MOVE = 0.5
"""How far a stock's price may be from its last clean mid, as a fraction. US exchanges halt a stock of ordinary price
long before (limit up, limit down); whether a smaller jump is an outlier is the core's to judge."""
REFERENCE_LIFE_US = 120_000_000
"""A clean mid older than this bounds nothing any more: what has stood for two minutes is the market."""
REFERENCE_SPREAD = 0.1
"""A quote wider than this fraction of its mid passes, but says too little about the worth to bound the next."""


def price_fault(value: object) -> RefusedKind:
    """Why this number, of which `price_or_none` makes None, is no price. Zero and IB's -1 are sentinels."""
    number = finite_or_none(value)
    return "sentinel" if number is not None or _is_unset(value) else "not_a_number"


def _is_unset(value: object) -> bool:
    """IB's unset double, 1.797e308: a finite number that only says that there is none."""
    return isinstance(value, float) and math.isfinite(value)


class Reference:
    """The last clean mid of the stock, and the prices that it bounds for as long as it bounds anything.

    `lowest` and `highest` hold until `until_us`, and are looked at with every tick.
    """

    __slots__ = ("_mid", "highest", "lowest", "until_us")

    def __init__(self) -> None:
        self._mid = 0.0
        self.lowest, self.highest = 0.0, math.inf
        self.until_us = -1

    def note(self, bid: float | None, ask: float | None, now_us: int) -> None:
        """A quote that passed."""
        if bid is None or ask is None:
            return
        mid = (bid + ask) / 2
        if ask - bid <= REFERENCE_SPREAD * mid:
            self._mid, self.until_us = mid, now_us + REFERENCE_LIFE_US
            self.lowest, self.highest = (1 - STOCK_MOVE) * mid, (1 + STOCK_MOVE) * mid

    def is_absurd(self, price: float, spec: InstrumentSpec, now_us: int) -> bool:
        """Whether a finite, positive price cannot be this instrument's: the stock's, or an option's on it."""
        known = now_us <= self.until_us
        if spec.kind == "stock":
            return known and not self.lowest <= price <= self.highest
        # A put pays its strike at most, a call is never worth more than the share that it buys.
        most = spec.strike if spec.right == "P" else self._mid if known else None
        return most is not None and price > (1 + STOCK_MOVE) * most
