"""ib_async's decoder, watched: what it cannot read is not only logged.

The library drops a frame that it cannot decode. A dropped execution or position is a book that is wrong; a dropped
price leaves the old one standing, and the size that follows it makes it look alive.
"""

import math
from collections.abc import Callable
from typing import Any

from ib_async.decoder import Decoder

PRICE, GREEKS = 1, 21
VITAL = frozenset({3, 4, 9, 11, 15, 49, 52, 53, 54, 55, 59, 61, 62})
"""Messages of a fixed form without which orders, fills or positions are wrong: statuses, errors, executions,
commissions, positions and the ends of lists. Open orders (5) and completed ones (101) are not among them: their form
depends on the order, and a stranger's exotic order must not lock this desk out. Our own are plain."""


class WatchedDecoder(Decoder):
    """`unreadable` gets the number of a vital message that could not be decoded, and why."""

    def __init__(self, wrapper: Any, unreadable: Callable[[int, str], None]) -> None:
        make: Any = super().__init__
        make(wrapper, 0)
        self._unreadable = unreadable
        self.handlers[PRICE] = self._price
        self.handlers[GREEKS] = self._greeks

    def interpret(self, fields: list[str]) -> None:
        """Decode one frame; the library's name."""
        kind = int(fields[0]) if fields and fields[0].isdigit() else 0
        try:
            self.handlers[kind](fields)
        except Exception as error:
            self.logger.exception("Error handling fields: %s", fields)
            if kind in VITAL:
                self._unreadable(kind, repr(error))

    def _price(self, fields: list[str]) -> None:
        _, _, request_id, tick, price, size, *_ = fields
        if price:
            self.wrapper.priceSizeTick(int(request_id), int(tick), _number(price), _number(size or "0"))

    def _greeks(self, fields: list[str]) -> None:
        _, request_id, tick, attribute, *values = fields
        numbers = [_number(value) for value in values]
        self.wrapper.tickOptionComputation(int(request_id), int(tick), int(attribute), *numbers)


def _number(text: str) -> float:
    """A number, or NaN for a word such as `Infinite`: it is refused and counted like any other that is no price."""
    try:
        return float(text)
    except ValueError:
        return math.nan
