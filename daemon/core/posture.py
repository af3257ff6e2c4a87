"""What is still allowed while halts stand: one total rule, read by the guard, the core's grant, snapshot and light.

| halts | `on_halt` | reducing orders left | posture |
|---|---|---|---|
| none | any | any | ACTIVE: everything |
| only risk limits (daily loss, drawdown) | reduce | yes | REDUCING: forced hedges that lower abs(net delta) |
| only risk limits | reduce | no | HALTED |
| only risk limits | freeze | any | HALTED: nothing but the operator's flatten |
| any other, alone or beside them | any | any | HALTED |

A risk limit says that the position costs too much; lowering its exposure is what the limit is for. Every other halt
says that something cannot be trusted, and an order decided by it may do harm instead of good: the journal that must
hold the intent, the count of own shares (overfill, orphan execution, reconciliation mismatch, a salvaged journal), the
program's own tables (illegal transition, internal error), or the venue's willingness (repeated rejects). An unknown
outcome and an unexplained position are no halts but embargoes, and REDUCING lifts none of those.
"""

from config.schema import ControlSection
from daemon.core.instruments import TOLERANCE
from daemon.core.ledger import Ledger
from state.records import Posture

RISK_LIMITS = frozenset({"daily_loss", "drawdown"})
"""The halts that `on_halt: reduce` may soften."""


def posture(ledger: Ledger, control: ControlSection) -> Posture:
    """The posture, and why where it is not ACTIVE."""
    halts = ledger.halts
    if not halts:
        return Posture(name="ACTIVE")
    reason = "; ".join(f"{halt.code}: {halt.detail}" for halt in halts)
    if control.on_halt == "freeze" or any(halt.code not in RISK_LIMITS for halt in halts):
        return Posture(name="HALTED", reason=reason)
    used = f"{ledger.reduce_orders} of {control.max_reduce_orders} reducing orders sent"
    if ledger.reduce_orders >= control.max_reduce_orders:
        return Posture(name="HALTED", reason=f"{reason}; {used}")
    return Posture(name="REDUCING", reason=f"{reason}; {used}")


def lowers(net_delta_shares: float, order_shares: float) -> bool:
    """Whether an order (negative for a sale) leaves less absolute net delta than there is."""
    return abs(net_delta_shares + order_shares) < abs(net_delta_shares) - TOLERANCE
