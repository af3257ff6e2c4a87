"""Whether and when a run leaps: the strategy, the market and the machine must all be of the kind that was proven."""

from typing import TYPE_CHECKING

from daemon.backtest.leap.columns import ColumnarMarket
from daemon.backtest.leap.gathering import GatheredMarket
from daemon.backtest.player import Player
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.simulated.model import Market
from state.runs.records import Finding, VenueModel

if TYPE_CHECKING:
    from daemon.backtest.leap.leaper import Leaper, LeapListener

WORTH = 1000
"""So many plain quotes must lie ahead before Numba is imported (half a second) and perhaps set to work (ten)."""
DIFFERS = Finding(
    code="no_fast_path",
    text="compiled mathematics (log, exp, erfc) differ from the interpreter's in the last bits on this machine: "
    "every tick was decided event by event",
    detail="",
)


def columnar(market: Market) -> ColumnarMarket:
    """The market with its plain steps as columns: its own, or gathered."""
    return GatheredMarket(market)


class Leaps:
    """The leaps of one run, none where they are not allowed. The one rule is `Leaper.leap`'s."""

    def __init__(
        self, player: Player, market: ColumnarMarket, model: VenueModel, listener: "LeapListener", *, worth: int = WORTH
    ) -> None:
        """`market` is the one that the player's own looks at."""
        self.finding: Finding | None = None
        """What is to be told where the machine is the reason for none."""
        self._player = player
        self._market = market
        self._listener = listener
        self._worth = worth
        self._leaper: Leaper | None = None
        # With a wider spread the core is told other quotes than the market gives.
        self._allowed = isinstance(player.core.strategy, GammaScalper) and model.extra_spread_usd == 0

    @property
    def quotes(self) -> int:
        """Quotes that were leapt over."""
        return 0 if self._leaper is None else self._leaper.quotes

    def leap(self) -> int:
        """Go over every quiet quote from here on; gives how many there were."""
        if not self._allowed:
            return 0
        if self._leaper is None:
            ahead = self._market.upcoming() if self._player.is_idle else None
            if ahead is None or len(ahead.ts_us) < self._worth:
                return 0
            self._leaper = self._begun()
            if self._leaper is None:
                self._allowed = False
                return 0
        return self._leaper.leap()

    def _begun(self) -> "Leaper | None":
        from daemon.backtest.leap.compiled import computes_alike  # noqa: PLC0415 -- see WORTH
        from daemon.backtest.leap.fixed import RULES_AS_KNOWN  # noqa: PLC0415
        from daemon.backtest.leap.leaper import Leaper  # noqa: PLC0415

        if not computes_alike():
            self.finding = DIFFERS
            return None
        return Leaper(self._player, self._market, self._player.core.profile, self._listener) if RULES_AS_KNOWN else None
