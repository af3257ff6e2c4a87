"""Structure gates: which option positions found in the account may become legs, and which legs lie outside.

An option lies within the gates when `min_dte` <= calendar days to its listed expiry <= `max_dte`, counted from the
exchange's day, and when its strike is at most `atm_band_pct` percent of the underlying's price away from it. Both ends
count. The gates decide at adoption only: a leg that has drifted out of them is hedged on and shown yellow.
"""

from datetime import date

import msgspec

from config.schema import Structure
from daemon.core.instruments import TOLERANCE


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """How an option lies to the market."""

    dte: int
    """Calendar days to the listed expiry; negative once past."""
    strike_off_pct: float
    """Strike against the underlying's price, in percent of that price; negative below it."""


def distance(*, strike: float, expiry: str, today: str, spot: float) -> Distance:
    """Measure one option. Days are YYYY-MM-DD. Raises ValueError on a malformed day."""
    days = date.fromisoformat(expiry) - date.fromisoformat(today)
    return Distance(dte=days.days, strike_off_pct=(strike / spot - 1.0) * 100.0)


def outside(found: Distance, gates: Structure) -> str | None:
    """What lies outside, with number and limit; None within the gates."""
    if not gates.min_dte <= found.dte <= gates.max_dte:
        return f"{found.dte} days to expiry, gate {gates.min_dte} to {gates.max_dte}"
    if abs(found.strike_off_pct) > gates.atm_band_pct + TOLERANCE:
        return f"strike {found.strike_off_pct:+.2f} % from the price, gate {gates.atm_band_pct:g} %"
    return None
