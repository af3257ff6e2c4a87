"""The option legs: their terms, the volatility that prices each of them, and their greeks.

The profile declares which legs there are, the account says how many contracts (`ledger.leg_quantities`), the venue
says multiplier and last trading time. Volatility comes from one of three places:

- a fixed number: always there;
- `implied`: solved from the mid of the option's two-sided quote and kept until the next one of the same session;
  within one market step options may be quoted before the underlying, so a quote waits for the next mid of the
  underlying (or the next tick of the clock) and is solved once, against the price that belongs to it;
- `ib`: the venue's model volatility, kept within the session.

Without a volatility a leg has no greeks. Greeks are revalued at every underlying mid; the rest of a leg is cached.
"""

import math
from typing import Literal

import msgspec

from config.schema import Profile
from daemon.core.black_scholes import (
    DAYS_PER_YEAR,
    US_PER_YEAR,
    OptionGreeks,
    Right,
    greeks,
    implied_volatility,
    years_between,
)
from daemon.core.book import Book, OptionQuoteState, QuoteState
from daemon.core.instruments import InstrumentSpec, option_id
from daemon.core.ledger import foreign_traded


class LegState(msgspec.Struct, frozen=True, kw_only=True):
    """One leg. Prices are per share. `priced_*` is the newest two-sided mid with the underlying's price then."""

    instrument: str
    right: Right
    strike: float
    expiry: str
    """YYYY-MM-DD as declared."""
    multiplier: float | None = None
    """Shares per contract, from the venue."""
    expiry_us: int | None = None
    """16:00 New York of the last trading day, from the venue."""
    volatility: float | None = None
    priced_mid: float | None = None
    priced_spot: float | None = None
    priced_us: int = 0


class BookGreeks(msgspec.Struct, frozen=True, kw_only=True):
    """Of all legs together. The greeks are None where a leg that is held has none."""

    holds_options: bool
    contracts: float
    """Sum over the legs, short ones negative."""
    delta_shares: float | None = None
    gamma: float | None = None
    """Shares per USD of spot."""
    theta_usd_day: float | None = None
    vega: float | None = None
    """USD per 1.00 of volatility."""


def declared_legs(profile: Profile) -> tuple[LegState, ...]:
    """The legs as the profile declares them, before the venue has said anything."""
    fixed = None if isinstance(profile.greeks.volatility, str) else profile.greeks.volatility
    rights: dict[str, Right] = {"call": "C", "put": "P"}
    return tuple(
        LegState(
            instrument=option_id(profile.underlying.symbol, leg.expiry.replace("-", ""), rights[leg.right], leg.strike),
            right=rights[leg.right],
            strike=leg.strike,
            expiry=leg.expiry,
            volatility=fixed,
        )
        for leg in profile.legs
    )


class LegPricer:
    """Where volatilities come from and how legs are valued. `rate` is a year, continuous."""

    def __init__(self, *, rate: float, volatility: float | Literal["implied", "ib"]) -> None:
        self.rate = rate
        self.source = volatility

    def with_terms(self, leg: LegState, spec: InstrumentSpec | None) -> LegState:
        """The leg with the venue's word on it; a leg the venue no longer names keeps what it had."""
        if spec is None:
            return leg
        return msgspec.structs.replace(leg, multiplier=spec.multiplier, expiry_us=spec.last_trade_ts_us)

    def forget_session(self, leg: LegState) -> LegState:
        """At a new session a volatility of the last one no longer hedges; the mark may still use the last mid."""
        return leg if not isinstance(self.source, str) else msgspec.structs.replace(leg, volatility=None)

    def quoted(self, leg: LegState, quote: QuoteState, spot: float | None, ts_us: int) -> LegState:
        """The leg with its option's quote paired with the underlying's price of the same moment."""
        volatility = leg.volatility
        mid = two_sided_mid(quote)
        if self.source == "ib":
            model = quote.model_volatility if isinstance(quote, OptionQuoteState) else None
            if model is not None and math.isfinite(model) and model > 0:
                volatility = model
        elif self.source == "implied" and mid is not None and spot is not None:
            solved = self._implied(leg, mid, spot, ts_us)
            if solved is not None:
                volatility = solved
        if mid is None or spot is None:
            return leg if volatility == leg.volatility else msgspec.structs.replace(leg, volatility=volatility)
        return msgspec.structs.replace(leg, volatility=volatility, priced_mid=mid, priced_spot=spot, priced_us=ts_us)

    def _implied(self, leg: LegState, mid: float, spot: float, ts_us: int) -> float | None:
        if leg.expiry_us is None:
            return None
        years = years_between(ts_us, leg.expiry_us)
        return implied_volatility(leg.right, mid, spot, leg.strike, years, self.rate)

    def value(self, leg: LegState, spot: float | None, ts_us: int) -> OptionGreeks | None:
        """Greeks of one option on one share; None while terms, volatility or spot are unknown."""
        if spot is None or leg.volatility is None or leg.expiry_us is None or leg.multiplier is None:
            return None
        years = (leg.expiry_us - ts_us) / US_PER_YEAR
        return greeks(leg.right, spot, leg.strike, years, self.rate, leg.volatility)

    def value_all(self, legs: tuple[LegState, ...], spot: float | None, ts_us: int) -> tuple[OptionGreeks | None, ...]:
        """Greeks of every leg, in order."""
        return tuple([self.value(leg, spot, ts_us) for leg in legs])

    def model_mark(self, leg: LegState, spot: float | None, ts_us: int) -> float | None:
        """Price per share from the volatility that the last two-sided mid implied, else from the leg's own."""
        if spot is None or leg.expiry_us is None:
            return None
        volatility = leg.volatility if self.source == "implied" else None
        if volatility is None and leg.priced_mid is not None and leg.priced_spot is not None:
            volatility = self._implied(leg, leg.priced_mid, leg.priced_spot, leg.priced_us)
        if volatility is None:
            volatility = leg.volatility
        years = years_between(ts_us, leg.expiry_us)
        if volatility is None and years > 0:
            return None
        return greeks(leg.right, spot, leg.strike, years, self.rate, 0.0 if volatility is None else volatility).price


def two_sided_mid(quote: QuoteState | None) -> float | None:
    """Half way between bid and ask; None when a side is missing, not positive, or the two are crossed."""
    if quote is None or quote.bid is None or quote.ask is None or quote.bid <= 0 or quote.ask < quote.bid:
        return None
    return (quote.bid + quote.ask) / 2


def quantity_of(leg: LegState, book: Book) -> float:
    """Contracts that the account holds, as explained so far; negative when short."""
    ledger = book.ledger
    quantity = ledger.leg_quantities.get(leg.instrument, 0.0)
    if ledger.foreign_fills:
        quantity += foreign_traded(ledger, leg.instrument)
    return quantity


def quantities_known(legs: tuple[LegState, ...], book: Book) -> bool:
    """Whether the account has ever said how many contracts of each leg it holds: before that, zero would be a guess."""
    return all(leg.instrument in book.ledger.leg_quantities for leg in legs)


def total(legs: tuple[LegState, ...], values: tuple[OptionGreeks | None, ...], book: Book) -> BookGreeks:
    """Sum over the held legs, in shares and USD; no greek is known as soon as one held leg has none."""
    ledger = book.ledger
    held = ledger.leg_quantities
    traded = bool(ledger.foreign_fills)
    delta = gamma = theta = vega = contracts = 0.0
    holds, known = False, True
    for leg, value in zip(legs, values, strict=True):
        quantity = quantity_of(leg, book) if traded else held.get(leg.instrument, 0.0)
        if quantity == 0:
            continue
        holds = True
        contracts += quantity
        multiplier = leg.multiplier
        if value is None or multiplier is None:
            known = False
            continue
        shares = quantity * multiplier
        delta += shares * value.delta
        gamma += shares * value.gamma
        theta += shares * value.theta_usd_year
        vega += shares * value.vega
    if not known:
        return BookGreeks(holds_options=True, contracts=contracts)
    return BookGreeks(
        holds_options=holds,
        contracts=contracts,
        delta_shares=delta,
        gamma=gamma,
        theta_usd_day=theta / DAYS_PER_YEAR,
        vega=vega,
    )
