"""Faults of market data and contracts. What trades at the exchange is untouched: only what is said of it is wrong."""

from typing import Literal

from daemon.simulator.faults.base import InstrumentFault

WireNumber = float | str
"""A number, or a word that stands where a number should (`NaN`, `Infinite`)."""


class FreezeQuotes(InstrumentFault, frozen=True, kw_only=True, tag="freeze_quotes"):
    """Steps of the market are not told to subscribers, tick 45 included."""


class DelayedData(InstrumentFault, frozen=True, kw_only=True, tag="delayed_data"):
    """Quotes are of another kind than live: 2 frozen, 3 delayed, 4 delayed and frozen."""

    data_type: Literal[2, 3, 4] = 3


class BadTicks(InstrumentFault, frozen=True, kw_only=True, tag="bad_ticks"):
    """Subscribers are told these prices instead of the true ones; null leaves one as it is."""

    bid: WireNumber | None = None
    ask: WireNumber | None = None
    last: WireNumber | None = None
    swap: bool = False
    """Bid and ask change places: a crossed market."""


class BadGreeks(InstrumentFault, frozen=True, kw_only=True, tag="bad_greeks"):
    """Option computations say that nothing was computed (-1, -2), lack the model's own, or are no numbers."""

    how: Literal["sentinels", "missing", "nan"] = "sentinels"


class RefuseMarketData(InstrumentFault, frozen=True, kw_only=True, tag="refuse_market_data"):
    """A request for market data is answered with this error and no data."""

    code: int = 354
    text: str = "Requested market data is not subscribed."


class ConfuseContract(InstrumentFault, frozen=True, kw_only=True, tag="confuse_contract"):
    """The contract is not found, or found twice."""

    how: Literal["unknown", "ambiguous"] = "unknown"


DataFault = FreezeQuotes | DelayedData | BadTicks | BadGreeks | RefuseMarketData | ConfuseContract
