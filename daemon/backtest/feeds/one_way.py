"""A market for one run: it is stepped once through, and nobody saves it midway."""

from daemon.core.events import Session
from daemon.venues.simulated.model import MarketStep, SimContract


class OneWayMarket:
    """The part of `daemon.venues.simulated.model.Market` that all feeds share."""

    contracts: tuple[SimContract, ...]
    sessions: tuple[Session, ...]

    def next_step(self) -> MarketStep | None:
        """The next moment, None where the data ends. Raises FeedError where the data is damaged."""
        raise NotImplementedError

    def save(self) -> dict[str, object]:
        """A backtest begins at its beginning: there is nothing to save."""
        raise NotImplementedError("a feed's market cannot be saved")

    def restore(self, saved: dict[str, object]) -> None:
        """As `save`."""
        raise NotImplementedError("a feed's market cannot be restored")
