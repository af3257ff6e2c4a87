"""From a profile to the exchange that the simulator serves: which market, which account, what rests in it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from config.schema import Leg, Profile, SimulatedPosition, Simulator
from daemon.core.instruments import option_id
from daemon.venues.exchange_hours import newest_session, session_of
from daemon.venues.feeds.errors import FeedError
from daemon.venues.feeds.lean import parse_lean_spec
from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.model import LastingMarket, OpeningPosition, OrderTicket
from daemon.venues.simulated.recorded import RecordedMarket
from daemon.venues.simulated.synthetic import SyntheticMarket


def market_source(profile: Profile, settings: Simulator) -> str:
    """Which market a saved book belongs to, in words."""
    symbol = profile.underlying.symbol
    return f"synthetic:{settings.seed} {symbol}" if settings.replay is None else settings.replay


def build_exchange(profile: Profile, settings: Simulator, *, base: Path, wall_us: int) -> SimulatedExchange:
    """The exchange of a profile at its beginning.

    `base` is the folder that a relative replay folder starts from; `wall_us` picks the newest session where the
    profile names no start date. Raises FeedError (recorded data), HoursError or ValueError, each one line.
    """
    market = _market(profile, settings, base=base, wall_us=wall_us)
    symbol = profile.underlying.symbol
    return SimulatedExchange(
        market,
        account=settings.account,
        cash_usd=settings.cash_usd,
        positions=[
            OpeningPosition(
                instrument=_instrument(symbol, position),
                quantity=position.quantity,
                average_price=position.average_price,
            )
            for position in settings.positions
        ],
        foreign_orders=_foreign_orders(symbol, settings),
        partial_fill_shares=settings.partial_fill_shares,
        fill_displayed_size=settings.fill_displayed_size,
    )


def market_opening_us(profile: Profile, *, base: Path, wall_us: int) -> int:
    """The open of the first session that a profile's simulated market has: what time it is before the first stamp.

    0 for a profile without a simulator or a day without a session; the simulator itself says what is wrong then.
    """
    settings = profile.simulator
    if settings is None:
        return 0
    calendar = profile.underlying.calendar
    if settings.replay is not None:
        day = parse_lean_spec(settings.replay, base=base).first
    elif settings.synthetic.start_date is not None:
        day = date.fromisoformat(settings.synthetic.start_date)
    else:
        return newest_session(wall_us, calendar).open_us
    session = session_of(day, calendar)
    return 0 if session is None else session.open_us


def _market(profile: Profile, settings: Simulator, *, base: Path, wall_us: int) -> LastingMarket:
    symbol, calendar = profile.underlying.symbol, profile.underlying.calendar
    rate = profile.greeks.risk_free_rate
    legs = tuple(_all_legs(profile, settings))
    if settings.replay is None:
        start = settings.synthetic.start_date
        return SyntheticMarket(
            settings.synthetic,
            symbol=symbol,
            legs=legs,
            seed=settings.seed,
            start_date=newest_session(wall_us, calendar).date if start is None else start,
            rate=rate,
            calendar=calendar,
        )
    spec = parse_lean_spec(settings.replay, base=base)
    if spec.symbol != symbol:
        raise FeedError(f"{settings.replay!r} is of {spec.symbol}, the profile's underlying is {symbol}: change one")
    if spec.last != spec.first:
        raise FeedError(f"{settings.replay!r} spans several days: the simulator replays one, so name one day")
    day: date = spec.first
    return RecordedMarket.load(spec.folder, symbol, day, legs, rate=rate, calendar=calendar)


def _all_legs(profile: Profile, settings: Simulator) -> Iterator[Leg]:
    """The declared legs, then the options of the simulated account that no leg declares."""
    declared = {(leg.right, leg.strike, leg.expiry) for leg in profile.legs}
    yield from profile.legs
    for position in settings.positions:
        if position.right is None or position.strike is None or position.expiry is None:
            continue
        key = (position.right, position.strike, position.expiry)
        if key not in declared:
            declared.add(key)
            yield Leg(right=position.right, strike=position.strike, expiry=position.expiry)


def _instrument(symbol: str, position: SimulatedPosition) -> str:
    if position.right is None or position.strike is None or position.expiry is None:
        return symbol
    right = "C" if position.right == "call" else "P"
    return option_id(symbol, position.expiry.replace("-", ""), right, position.strike)


def _foreign_orders(symbol: str, settings: Simulator) -> list[OrderTicket]:
    """Good till cancelled. TWS numbers the orders made by hand (client 0) downwards from -1."""
    return [
        OrderTicket(
            client_id=order.client_id,
            order_id=-number if order.client_id == 0 else number,
            instrument=symbol,
            side=order.side,
            quantity=order.quantity,
            order_type="LMT",
            limit_price=order.limit_price,
            tif="GTC",
        )
        for number, order in enumerate(settings.foreign_orders, start=1)
    ]
