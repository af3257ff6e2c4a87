"""The option legs: their terms, the volatility that prices each of them, and their greeks.

The profile declares legs and, where it lets it, the account's own positions become legs (`structure.py`). The account
says how many contracts (`ledger.leg_quantities`), the venue says multiplier and last trading time.

Volatility comes from one of three sources, asked in the profile's order (`greeks.volatility`, then `greeks.fallback`),
leg by leg; the first that has one prices the leg, and the snapshot says which one it was:

- a fixed number: always there;
- `implied`: solved from the mid of the option's two-sided quote. Within one market step options may be quoted before
  the underlying, so a quote waits for the next mid of the underlying (or the next tick of the clock) and is solved
  once, against the price that belongs to it. A quote without a solution (a side missing, a mid below intrinsic value)
  changes nothing;
- `ib`: the volatility of the venue's model; -1, -2 and every other "not computed" is none.

The last good `implied` or `ib` of this session is used for `greeks.volatility_max_age_s` of `ts`, then the next source
is. With no source left a held leg has no greeks and nothing is hedged (S1). Greeks are revalued at every mid of the
underlying; the rest of a leg is cached. While the market is closed nothing grows old.

Every source prices by Black-Scholes (`core/black_scholes.py`): European exercise, no dividends. American stock options
are worth more only where early exercise pays: a call before a dividend, a deep put. There delta is understated by the
formula, while `implied`, by taking the premium for volatility, keeps the price right. Dividends within a leg's life
move the forward that the formula assumes by their present value; at 21 to 35 days that is mostly nothing or one
quarter's dividend. An expired leg is worth its intrinsic value and needs no volatility.
"""

import math
from typing import Literal

import msgspec

from config.schema import GreeksSection, Profile
from daemon.core.attribution import Sensitivity
from daemon.core.black_scholes import (
    DAYS_PER_YEAR,
    MAX_VOLATILITY,
    US_PER_YEAR,
    OptionGreeks,
    Right,
    greeks,
    implied_volatility,
    one_right,
    terms,
    years_between,
)
from daemon.core.book import Book, OptionQuoteState, QuoteState
from daemon.core.instruments import InstrumentSpec, option_id
from daemon.core.ledger import foreign_traded

VolatilityName = Literal["fixed", "implied", "ib"]
"""Where a leg's volatility comes from."""


_INFINITE = math.inf  # bound once: a quote's sides and a leg's greeks are held against it at every tick


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
    """What prices it now, a year; None with no source left."""
    source: VolatilityName | None = None
    """Where that comes from."""
    implied: float | None = None
    implied_us: int = 0
    """When `implied` was solved last."""
    model: float | None = None
    model_us: int = 0
    """When the venue's model said `model` last."""
    adopted: bool = False
    """Found in the account rather than declared."""
    priced_mid: float | None = None
    priced_spot: float | None = None
    priced_us: int = 0


class BookGreeks(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    rights: dict[str, Right] = {"call": "C", "put": "P"}
    return tuple(
        LegState(
            instrument=option_id(profile.underlying.symbol, leg.expiry.replace("-", ""), rights[leg.right], leg.strike),
            right=rights[leg.right],
            strike=leg.strike,
            expiry=leg.expiry,
        )
        for leg in profile.legs
    )


def adopted_leg(spec: InstrumentSpec) -> LegState | None:
    """The leg that a contract of the venue makes; None for what is no option, or no whole description of one."""
    if spec.right is None or spec.strike is None or spec.expiry is None:
        return None
    expiry = f"{spec.expiry[:4]}-{spec.expiry[4:6]}-{spec.expiry[6:8]}"
    return LegState(
        instrument=spec.instrument,
        right=spec.right,
        strike=spec.strike,
        expiry=expiry,
        multiplier=spec.multiplier,
        expiry_us=spec.last_trade_ts_us,
        adopted=True,
    )


class LegPricer:
    """Where volatilities come from and how legs are valued. Times are `ts` in microseconds."""

    def __init__(self, section: GreeksSection, *, allow_delayed: bool = False) -> None:
        self.rate = section.risk_free_rate
        self._sources = (section.volatility, *section.fallback)
        self._max_age_us = round(section.volatility_max_age_s * 1e6)
        self._implies = "implied" in self._sources
        self._models = "ib" in self._sources
        self._allow_delayed = allow_delayed
        self.ages = isinstance(section.volatility, str)
        """Whether a leg's source may change by the mere passing of time."""

    def with_terms(self, leg: LegState, spec: InstrumentSpec | None) -> LegState:
        """The leg with the venue's word on it; a leg the venue no longer names keeps what it had."""
        if spec is None:
            return leg
        return msgspec.structs.replace(leg, multiplier=spec.multiplier, expiry_us=spec.last_trade_ts_us)

    def forget_session(self, leg: LegState) -> LegState:
        """At a new session a volatility of the last one no longer hedges; the mark may still use the last mid."""
        return self.sourced(msgspec.structs.replace(leg, implied=None, model=None), None)

    def quoted(self, leg: LegState, quote: QuoteState, spot: float, ts_us: int) -> LegState:
        """The leg with its option's quote paired with the underlying's price of the same moment."""
        if quote.delayed and not self._allow_delayed:
            return leg
        if self._models and isinstance(quote, OptionQuoteState):
            model = quote.model_volatility
            if model is not None and 0 < model <= MAX_VOLATILITY:
                leg = msgspec.structs.replace(leg, model=model, model_us=ts_us)
        mid = two_sided_mid(quote)
        if mid is None:
            return leg
        implied = self._implied(leg, mid, spot, ts_us) if self._implies else None
        if implied is not None:
            leg = msgspec.structs.replace(leg, implied=implied, implied_us=ts_us)
        return msgspec.structs.replace(leg, priced_mid=mid, priced_spot=spot, priced_us=ts_us)

    def sourced(self, leg: LegState, ts_us: int | None) -> LegState:
        """The leg priced by the first source that has a volatility now; `ts_us` None while nothing grows old."""
        volatility: float | None = None
        name: VolatilityName | None = None
        for source in self._sources:
            if source == "implied":
                volatility, told_us, name = leg.implied, leg.implied_us, "implied"
            elif source == "ib":
                volatility, told_us, name = leg.model, leg.model_us, "ib"
            else:
                volatility, told_us, name = source, None, "fixed"
            young = ts_us is None or told_us is None or ts_us - told_us < self._max_age_us
            if volatility is not None and young:
                break
        else:
            volatility = name = None
        if volatility == leg.volatility and name == leg.source:
            return leg
        return msgspec.structs.replace(leg, volatility=volatility, source=name)

    def at_a_look(self, leg: LegState, quote: QuoteState | None, spot: float, ts_us: int) -> LegState:
        """An option that is not followed, as one look at its standing quote prices it."""
        return self.sourced(leg if quote is None else self.quoted(leg, quote, spot, ts_us), None)

    def _implied(self, leg: LegState, mid: float, spot: float, ts_us: int) -> float | None:
        if leg.expiry_us is None:
            return None
        years = years_between(ts_us, leg.expiry_us)
        return implied_volatility(leg.right, mid, spot, leg.strike, years, self.rate)

    def value(self, leg: LegState, spot: float | None, ts_us: int) -> OptionGreeks | None:
        """Greeks of one option on one share; None while terms, volatility or spot are unknown, or the result absurd."""
        return self.value_all((leg,), spot, ts_us)[0]

    def value_all(self, legs: tuple[LegState, ...], spot: float | None, ts_us: int) -> tuple[OptionGreeks | None, ...]:
        """Greeks of every leg, in order. Neighbours that differ by their right alone share what they have in common."""
        if spot is None:
            return (None,) * len(legs)
        found: list[OptionGreeks | None] = []
        rate, twin, shared = self.rate, None, None
        for leg in legs:
            expiry_us, volatility = leg.expiry_us, leg.volatility
            if expiry_us is None or leg.multiplier is None or (volatility is None and ts_us < expiry_us):
                found.append(None)
                continue
            if volatility is None:
                volatility = 0.0  # expired: worth its intrinsic value
            years = (expiry_us - ts_us) / US_PER_YEAR
            if (leg.strike, years, volatility) != twin:
                twin = (leg.strike, years, volatility)
                shared = terms(spot, leg.strike, years, rate, volatility)
            if shared is None:
                each = greeks(leg.right, spot, leg.strike, years, rate, volatility)
            else:
                root, deviation, d1, density, discounted = shared
                sign = 1.0 if leg.right == "C" else -1.0
                each = OptionGreeks(*one_right(sign, spot, rate, volatility, root, deviation, d1, density, discounted))
            found.append(each if _is_possible(each) else None)
        return tuple(found)

    def model_mark(
        self, leg: LegState, spot: float | None, ts_us: int, *, fresh: OptionGreeks | None = None
    ) -> float | None:
        """Price per share from the volatility that the last two-sided mid implied, else from the leg's own.

        `fresh` are the leg's greeks of this very moment, where there are some: with the same volatility they hold it.
        """
        if spot is None or leg.expiry_us is None:
            return None
        if fresh is not None and (leg.source == "implied" or (leg.implied is None and leg.priced_mid is None)):
            return fresh.price
        volatility = leg.implied
        if volatility is None and leg.priced_mid is not None and leg.priced_spot is not None:
            volatility = self._implied(leg, leg.priced_mid, leg.priced_spot, leg.priced_us)
        if volatility is None:
            volatility = leg.volatility
        years = years_between(ts_us, leg.expiry_us)
        if volatility is None and years > 0:
            return None
        return greeks(leg.right, spot, leg.strike, years, self.rate, 0.0 if volatility is None else volatility).price


def _is_possible(value: OptionGreeks) -> bool:
    """What every option keeps to; a NaN fails every comparison, so none of this ever reaches a sum."""
    return (
        -1.0 <= value.delta <= 1.0
        and 0.0 <= value.gamma < _INFINITE
        and 0.0 <= value.vega < _INFINITE
        and 0.0 <= value.price < _INFINITE
        and -_INFINITE < value.theta_usd_year < _INFINITE
    )


def two_sided_mid(quote: QuoteState | None) -> float | None:
    """Half way between bid and ask; None unless both are finite, positive and not crossed."""
    if quote is None:
        return None
    bid, ask = quote.bid, quote.ask
    if bid is None or ask is None or not 0.0 < bid <= ask < _INFINITE:
        return None
    return (bid + ask) / 2


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
    for place, leg in enumerate(legs):  # a strict zip would cost a sixth more, at every tick
        value = values[place]
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


def sensitivities(legs: tuple[LegState, ...], values: tuple[OptionGreeks | None, ...]) -> tuple[Sensitivity, ...]:
    """Of each leg that has greeks, per share, with the volatility that they were taken at."""
    found = []
    for place, leg in enumerate(legs):
        value, volatility = values[place], leg.volatility
        if value is not None and volatility is not None:
            found.append(
                Sensitivity(
                    instrument=leg.instrument,
                    volatility=volatility,
                    delta=value.delta,
                    gamma=value.gamma,
                    theta_usd_year=value.theta_usd_year,
                    vega=value.vega,
                )
            )
    return tuple(found)
