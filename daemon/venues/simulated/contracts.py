"""The contracts of a simulated market: names, stable ids and last trading moments."""

import hashlib
from typing import Literal

from config.schema import Leg
from daemon.core.instruments import option_id
from daemon.venues.exchange_hours import NEW_YORK, last_trade_us
from daemon.venues.simulated.model import SimContract

_CON_IDS = 2**31 - 1


def con_id(instrument: str) -> int:
    """A positive 31-bit id that is the same on every machine and in every run."""
    digest = hashlib.sha256(instrument.encode()).digest()
    return int.from_bytes(digest[:8]) % (_CON_IDS - 1) + 1


def stock_contract(symbol: str) -> SimContract:
    """The stock itself, in cents."""
    return SimContract(instrument=symbol, kind="stock", symbol=symbol, con_id=con_id(symbol))


def option_contract(
    symbol: str,
    expiry: str,
    right: Literal["C", "P"],
    strike: float,
    *,
    multiplier: float = 100.0,
    calendar: str = NEW_YORK,
) -> SimContract:
    """One option; `expiry` is YYYYMMDD as listed. Raises HoursError on an odd expiry or calendar."""
    name = option_id(symbol, expiry, right, strike)
    return SimContract(
        instrument=name,
        kind="option",
        symbol=symbol,
        con_id=con_id(name),
        multiplier=multiplier,
        right=right,
        strike=strike,
        expiry=expiry,
        last_trade_us=last_trade_us(expiry, calendar),
    )


def leg_contract(symbol: str, leg: Leg, *, calendar: str = NEW_YORK) -> SimContract:
    """The contract that a profile's leg declares."""
    right: Literal["C", "P"] = "C" if leg.right == "call" else "P"
    expiry = leg.expiry.replace("-", "")
    return option_contract(symbol, expiry, right, leg.strike, multiplier=leg.multiplier, calendar=calendar)
