"""Whether a run may leap: the strategy, the market and the machine must all be of the kind that was proven."""

from typing import TYPE_CHECKING

from daemon.backtest.leap.columns import ColumnarMarket
from daemon.backtest.player import Player
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.venues.simulated.model import Market
from state.runs.records import Finding, VenueModel

if TYPE_CHECKING:
    from daemon.backtest.leap.leaper import Leaper, LeapListener

DIFFERS = Finding(
    code="no_fast_path",
    text="compiled mathematics (log, exp, erfc) differ from the interpreter's in the last bits on this machine: "
    "every tick was decided event by event",
)


def leaper_for(
    player: Player, market: Market, model: VenueModel, listener: "LeapListener"
) -> "tuple[Leaper | None, Finding | None]":
    """The leaper of a run, or None and, where the machine is the reason, what to tell of it.

    Numba is imported only where all else allows leaps.
    """
    strategy, profile = player.core.strategy, player.core.profile
    if not isinstance(strategy, GammaScalper) or not isinstance(market, ColumnarMarket) or model.extra_spread_usd != 0:
        return None, None
    from daemon.backtest.leap.compiled import computes_alike  # noqa: PLC0415 -- half a second that others need not pay
    from daemon.backtest.leap.leaper import Leaper  # noqa: PLC0415
    from daemon.backtest.leap.terms import RULES_AS_KNOWN  # noqa: PLC0415

    if not computes_alike():
        return None, DIFFERS
    if not RULES_AS_KNOWN:
        return None, None
    return Leaper(player, market, profile, listener), None
