"""How many shares a hedge trades: the deviation turned round, whole, capped, and on the instrument's steps."""

import msgspec

from config.schema import HedgeGate
from daemon.core.instruments import TOLERANCE, InstrumentSpec, floor_to_step, round_half_away


class HedgeSize(msgspec.Struct, frozen=True, kw_only=True):
    """A size, or why there is none. `shares` is signed, negative for a sale; 0.0 with a `refusal`."""

    shares: float = 0.0
    capped: bool = False
    """More is needed than one order may trade: the remainder follows without cooldown and cost gate."""
    refusal: str | None = None
    measured: float | str | None = None
    limit: float | str | None = None


def size_hedge(deviation_shares: float, spec: InstrumentSpec | None, gate: HedgeGate) -> HedgeSize:
    """Shares that bring the deviation (net delta minus target) to zero, rounded half away from zero.

    Refuses with `instrument_constraints_missing` when the venue has not said the instrument's steps, and with
    `min_hedge_shares` when what is left is smaller than the profile's or the venue's smallest order.
    """
    if spec is None or spec.size_step is None or spec.min_size is None or spec.price_tick is None:
        return HedgeSize(refusal="instrument_constraints_missing", measured=_missing(spec), limit="all known")
    wanted = round_half_away(-deviation_shares)
    cap = gate.max_hedge_shares_per_order
    size = floor_to_step(min(abs(wanted), cap), spec.size_step)
    smallest = max(gate.min_hedge_shares, spec.min_size)
    if not is_worth_sending(size, deviation_shares, smallest):
        return HedgeSize(refusal="min_hedge_shares", measured=size, limit=smallest)
    return HedgeSize(shares=size if wanted > 0 else -size, capped=abs(wanted) > cap + TOLERANCE)


def is_worth_sending(size: float, deviation_shares: float, smallest: float) -> bool:
    """Whether an order of this size is large enough, and leaves less than there was.

    Rounding up a fraction of a share must not leave more delta. Plain floats: the backtest's fast path compiles it.
    """
    if size < smallest - TOLERANCE:
        return False
    return size > 0 and abs(abs(deviation_shares) - size) < abs(deviation_shares) - TOLERANCE


def _missing(spec: InstrumentSpec | None) -> str:
    if spec is None:
        return "no specification"
    names = [name for name in ("size_step", "min_size", "price_tick") if getattr(spec, name) is None]
    return "missing " + ", ".join(names)
