"""What every feed is: a market to step through, and what must be known of the data behind it."""

from typing import Protocol

from daemon.venues.simulated.model import Market
from state.runs.records import Finding


class Feed(Protocol):
    """Prices for one run, in order of time, in bounded memory.

    Opening a feed checks what can be checked at once and raises `FeedError`, one line that names the file and the
    remedy. What is odd inside the data (a missing day, a gap, a crossed quote) is a `Finding`: flagged, never skipped
    in silence.
    """

    @property
    def spec(self) -> str:
        """As it was asked for, with absolute folders."""
        ...

    @property
    def description(self) -> str:
        """One line for people: symbol, days, resolution."""
        ...

    @property
    def data_hash(self) -> str:
        """SHA-256 over what was read so far, complete once the market has ended.

        Of synthetic data over what makes it.
        """
        ...

    @property
    def market(self) -> Market:
        """The prices; another object after `rewind`."""
        ...

    @property
    def clock_every_ms(self) -> int | None:
        """How often the clock ticks between two steps; None for bars, whose quotes stand until the next."""
        ...

    def findings(self) -> tuple[Finding, ...]:
        """What was odd so far, a row for each kind and instrument; complete once the market has ended."""
        ...

    def done(self) -> float:
        """0 to 1: how much of it has been stepped through."""
        ...

    def rewind(self) -> None:
        """Put a fresh market, before its first step, into `market`; findings begin anew. For one more run over it."""
        ...
