"""What stands between an order and the quotes: slippage and commissions. Their defaults are the simulated venue's own.

A market order pays the touch and `slippage_bps` of it; a limit order its limit or better. Commissions are those of one
order, charged with its executions: `share_usd` each, at least `minimum_usd`; options `contract_usd` each.
(Interactive Brokers' fixed tariff for stocks in the United States: 0.005 USD a share, at least 1 USD an order.)
"""

import msgspec

from daemon.core.events import Side
from daemon.venues.simulated.model import SimContract

_DECIMALS = 6
_BPS = 10_000


class Commissions(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff, USD."""

    share_usd: float = 0.005
    minimum_usd: float = 1.0
    """Of a stock order, charged with its first execution."""
    contract_usd: float = 0.65

    def of_order(self, contract: SimContract, quantity: float) -> float:
        """The commission of an order of which `quantity` has been filled so far."""
        if quantity <= 0:
            return 0.0
        if contract.kind == "option":
            return round(self.contract_usd * quantity, _DECIMALS)
        return round(max(self.minimum_usd, self.share_usd * quantity), _DECIMALS)


class Frictions(msgspec.Struct, frozen=True, kw_only=True):
    """How much worse than the quotes an execution is, and what it costs."""

    slippage_bps: float = 0.0
    commissions: Commissions = Commissions()
    slice_each_step: bool = False
    """An order that is filled in slices gets one each step of the market, not all at once."""

    def slipped(self, side: Side, touch: float) -> float:
        """What a market order pays at this touch, off the tick: the average over the levels it takes."""
        if self.slippage_bps == 0:
            return touch
        worse = self.slippage_bps / _BPS
        return touch * (1 + worse if side == "BUY" else 1 - worse)


NO_FRICTIONS = Frictions()
"""At the touch, with the usual commissions."""
