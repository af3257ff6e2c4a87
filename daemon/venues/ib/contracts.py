"""Which contracts the desk trades and watches: each is qualified by the venue's contract details, none is guessed.

A declared leg that the venue does not know, or knows more than once, ends the daemon with the profile key in the
message: hedging a book with one leg missing would be worse than not starting.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from ib_async import Contract, ContractDetails
from ib_async.wrapper import RequestError

from config.schema import Leg, Profile
from daemon.core.events import Session
from daemon.core.instruments import InstrumentSpec, option_id
from daemon.venues.exchange_hours import HoursError, last_trade_us, liquid_sessions
from daemon.venues.ib.connection import Connection, LinkLostError, NoAnswerError
from daemon.venues.ib.translate import Contracts, finite_or_none
from daemon.venues.protocol import FatalVenueError

REQUEST_TIMEOUT_S = 15.0
NO_SUCH_CONTRACT = frozenset({200, 321})


class Qualified(msgspec.Struct, frozen=True, kw_only=True):
    """The desk's contracts. `orderable` maps instrument id -> the ib_async contract, plain values without state."""

    underlying: str
    specs: tuple[InstrumentSpec, ...]
    """The underlying first, then the legs in the profile's order, then options found in the account."""
    orderable: dict[str, Any]
    sessions: tuple[Session, ...]

    def names(self) -> Contracts:
        """Instrument ids by conId."""
        return Contracts({spec.venue_id: spec.instrument for spec in self.specs})

    def with_found(self, specs: Sequence[InstrumentSpec], orderable: Mapping[str, Any]) -> "Qualified":
        """The same contracts, and options that the account holds without being declared."""
        return msgspec.structs.replace(self, specs=(*self.specs, *specs), orderable={**self.orderable, **orderable})

    def with_sessions(self, sessions: tuple[Session, ...]) -> "Qualified":
        """The same contracts with newer hours."""
        return msgspec.structs.replace(self, sessions=sessions)


async def current_sessions(connection: Connection, profile: Profile) -> tuple[Session, ...] | None:
    """The underlying's sessions as the venue tells them now; None when it does not answer sensibly this time."""
    try:
        return _sessions(await _stock_details(connection, profile), profile)
    except FatalVenueError:
        return None


async def qualify(connection: Connection, profile: Profile) -> Qualified:
    """Ask the venue for every declared contract. Raises FatalVenueError, LinkLostError."""
    stock = await _stock_details(connection, profile)
    sessions = _sessions(stock, profile)
    specs = [_spec(stock, profile)]
    orderable = {specs[0].instrument: _orderable(stock, profile.underlying.exchange)}
    for position, leg in enumerate(profile.legs):
        details = await _leg_details(connection, profile, position, leg)
        spec = _spec(details, profile)
        specs.append(spec)
        orderable[spec.instrument] = _orderable(details, profile.underlying.exchange)
    return Qualified(underlying=specs[0].instrument, specs=tuple(specs), orderable=orderable, sessions=sessions)


async def qualify_found(
    connection: Connection, profile: Profile, con_id: int, instrument: str
) -> tuple[InstrumentSpec, Contract] | str:
    """An option that the account holds, under the name its position has; in words why not. Raises LinkLostError."""
    exchange = profile.underlying.exchange
    try:
        found = await _details(
            connection, Contract(conId=con_id, secType="OPT", symbol=profile.underlying.symbol, exchange=exchange)
        )
        details = _the_only_one(found, what=instrument, key="legs", hint="legs")
        return msgspec.structs.replace(_spec(details, profile), instrument=instrument), _orderable(details, exchange)
    except FatalVenueError as error:
        return str(error)


async def _stock_details(connection: Connection, profile: Profile) -> ContractDetails:
    wanted = profile.underlying
    found = await _details(
        connection,
        Contract(
            secType="STK",
            symbol=wanted.symbol,
            exchange=wanted.exchange,
            primaryExchange=wanted.primary_exchange or "",
            currency=wanted.currency,
        ),
    )
    return _the_only_one(found, what=f"the stock {wanted.symbol}", key="underlying", hint="underlying.primary_exchange")


async def _leg_details(connection: Connection, profile: Profile, position: int, leg: Leg) -> ContractDetails:
    wanted = profile.underlying
    expiry, right = leg.expiry.replace("-", ""), "C" if leg.right == "call" else "P"
    found = await _details(
        connection,
        Contract(
            secType="OPT",
            symbol=wanted.symbol,
            lastTradeDateOrContractMonth=expiry,
            strike=leg.strike,
            right=right,
            multiplier=f"{leg.multiplier:g}",
            exchange=wanted.exchange,
            currency=wanted.currency,
            tradingClass=leg.trading_class or "",
        ),
    )
    name = option_id(wanted.symbol, expiry, right, leg.strike)
    key = f"legs[{position}]"
    return _the_only_one(found, what=f"the option {name}", key=key, hint=f"{key}.trading_class")


async def _details(connection: Connection, contract: Contract) -> list[ContractDetails]:
    """The venue's matches of the asked type, one per conId; [] when it knows none."""
    what = f"contract details of {contract.symbol}"
    try:
        request = partial(connection.ib.reqContractDetailsAsync, contract)
        answers = await connection.ask(request, what, REQUEST_TIMEOUT_S)
    except RequestError as error:
        if error.code in NO_SUCH_CONTRACT:
            return []
        raise LinkLostError(f"{what}: {error.code} {error.message}") from error
    except NoAnswerError as error:
        raise LinkLostError(str(error)) from error
    matches = {
        details.contract.conId: details
        for details in answers
        if details.contract is not None and details.contract.secType == contract.secType
    }
    return list(matches.values())


def _the_only_one(found: Sequence[ContractDetails], *, what: str, key: str, hint: str) -> ContractDetails:
    if not found:
        raise FatalVenueError(f"{key}: the venue does not know {what}; correct the profile's {key}")
    if len(found) > 1:
        known = ", ".join(f"{d.contract.tradingClass or d.contract.primaryExchange}" for d in found if d.contract)
        raise FatalVenueError(f"{key}: {what} is ambiguous at the venue ({known}); say which one with {hint}")
    return found[0]


def _spec(details: ContractDetails, profile: Profile) -> InstrumentSpec:
    contract: Any = details.contract
    is_option = contract.secType == "OPT"
    expiry = str(contract.lastTradeDateOrContractMonth)
    right: Any = contract.right[:1] if is_option else None
    multiplier = _positive(contract.multiplier)
    return InstrumentSpec(
        instrument=option_id(contract.symbol, expiry, right, contract.strike) if is_option else contract.symbol,
        kind="option" if is_option else "stock",
        symbol=contract.symbol,
        currency=contract.currency,
        venue_id=contract.conId,
        multiplier=_leg_multiplier(contract, multiplier) if is_option else 1.0,
        unit="contract" if is_option else "share",
        price_tick=_positive(details.minTick),
        size_step=_positive(details.sizeIncrement),
        min_size=_positive(details.minSize),
        right=right,
        strike=contract.strike if is_option else None,
        expiry=expiry if is_option else None,
        last_trade_ts_us=_last_trade_us(expiry, profile) if is_option else None,
    )


def _leg_multiplier(contract: Any, multiplier: float | None) -> float:
    if multiplier is None:
        raise FatalVenueError(f"the venue names no multiplier for the option {contract.localSymbol or contract.symbol}")
    return multiplier


def _last_trade_us(expiry: str, profile: Profile) -> int:
    try:
        return last_trade_us(expiry, profile.underlying.calendar)
    except HoursError as error:
        raise FatalVenueError(f"underlying.calendar: {error}") from error


def _sessions(stock: ContractDetails, profile: Profile) -> tuple[Session, ...]:
    try:
        return liquid_sessions(stock.liquidHours, stock.timeZoneId, profile.underlying.calendar)
    except HoursError as error:
        raise FatalVenueError(f"underlying.calendar: {error}") from error


def _orderable(details: ContractDetails, exchange: str) -> Contract:
    """A contract of our own: the details carry the exchange of the answer, orders go where the profile says."""
    contract: Any = details.contract
    return Contract(
        conId=contract.conId,
        symbol=contract.symbol,
        secType=contract.secType,
        lastTradeDateOrContractMonth=contract.lastTradeDateOrContractMonth,
        strike=contract.strike,
        right=contract.right,
        multiplier=contract.multiplier,
        exchange=exchange,
        primaryExchange=contract.primaryExchange,
        currency=contract.currency,
        localSymbol=contract.localSymbol,
        tradingClass=contract.tradingClass,
    )


def _positive(value: object) -> float | None:
    """A constraint of the venue, or None when it is not told: an order then is refused, never defaulted."""
    number = finite_or_none(value)
    return number if number is not None and number > 0 else None
