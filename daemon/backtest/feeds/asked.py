"""What a profile wants to see quoted: its legs and whatever else the simulated account starts with."""

from collections.abc import Iterable
from datetime import date

from config.schema import Leg, Profile
from daemon.backtest.feeds.spec import Slice
from daemon.venues.exchange_hours import sessions_between
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.contracts import leg_contract
from daemon.venues.simulated.model import SimContract


def asked_legs(profile: Profile) -> tuple[Leg, ...]:
    """The declared legs, then the options of the simulated account that no leg declares; each contract once."""
    positions = () if profile.simulator is None else profile.simulator.positions
    held = [
        Leg(right=each.right, strike=each.strike, expiry=each.expiry)
        for each in positions
        if each.right is not None and each.strike is not None and each.expiry is not None
    ]
    by_terms: dict[tuple[str, float, str], Leg] = {}
    for leg in (*profile.legs, *held):
        by_terms.setdefault((leg.right, leg.strike, leg.expiry), leg)
    return tuple(by_terms.values())


def option_contracts(profile: Profile) -> tuple[SimContract, ...]:
    """The contracts of `asked_legs`, in that order."""
    calendar = profile.underlying.calendar
    return tuple(leg_contract(profile.underlying.symbol, leg, calendar=calendar) for leg in asked_legs(profile))


def wants_model(profile: Profile) -> bool:
    """Whether the venue's own volatility is among the sources that price the legs."""
    return "ib" in (profile.greeks.volatility, *profile.greeks.fallback)


def refuse_expired_before(cut: Slice, profile: Profile, spec: str) -> None:
    """As `refuse_expired`, for data of which only some sessions are played: the legs must trade in the first of them.

    Else the desk would hold contracts that are long gone, and hedge nothing. Raises FeedError, HoursError.
    """
    sessions = sessions_between(cut.first, cut.last, profile.underlying.calendar)
    if sessions:
        refuse_expired(option_contracts(profile), sessions[0].open_us, date.fromisoformat(sessions[0].date), spec)


def refuse_expired(contracts: Iterable[SimContract], first_open_us: int, first: date, spec: str) -> None:
    """Raises FeedError where a leg has stopped trading before the data begins."""
    for contract in contracts:
        if contract.last_trade_us is not None and contract.last_trade_us <= first_open_us:
            raise FeedError(
                f"the leg {contract.instrument} stopped trading before {spec} begins on {first:%Y%m%d}: take it out of "
                "the profile's legs and simulator.positions, or begin earlier"
            )
