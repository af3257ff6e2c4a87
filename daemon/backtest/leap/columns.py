"""What a market must give for leaps: its next plain steps as arrays."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from daemon.venues.simulated.model import Market


class QuoteColumns(NamedTuple):
    """The stock's quotes of consecutive steps, one element each; prices in USD, NaN where a side or a trade is missing.

    The arrays are C-contiguous.
    """

    ts_us: NDArray[np.int64]
    """Microseconds since the epoch."""
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    last: NDArray[np.float64] | None = None
    """The last trades; None where the market never tells one."""


@runtime_checkable
class ColumnarMarket(Market, Protocol):
    """A market whose coming steps can be had at once.

    A step is *plain* when `next_step` would give one quote, the stock's, with the market open and `sessions` as they
    are now.
    """

    def upcoming(self) -> QuoteColumns | None:
        """The steps that `next_step` would give next, all plain, as many as are at hand; None where the next is not."""
        ...

    def skip(self, count: int) -> None:
        """Go on as though `next_step` had been called so often; at most as many as `upcoming` gave."""
        ...
