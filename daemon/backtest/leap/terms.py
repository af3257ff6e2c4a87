"""What the kernel is told of a book: what stands still during a leap, and what moves.

`Entrance.entry` reads a book that the core has just decided on. It gives None wherever anything is under way, in doubt
or simply not foreseen here (`resting`): then the core goes on event by event.
"""

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from daemon.backtest.leap.fixed import Fixed
from daemon.backtest.leap.leg_terms import LegTerms
from daemon.backtest.leap.resting import STANDING, is_at_rest, is_plain, is_settled
from daemon.backtest.leap.rows import REFUSALS, packed
from daemon.backtest.leap.state import FAR_US, RING, STATES, Scratch, Standing, Terms, scratch
from daemon.core.book import Book, QuoteState
from daemon.core.events import Session
from daemon.core.feed import lag_ms
from daemon.core.guard_rule import GuardContext
from daemon.core.hedge_rules import earnings_blackout, inside_edges
from daemon.strategies.gamma_scalper.legs import total
from daemon.strategies.gamma_scalper.scalper_state import ScalperState


class Moments(NamedTuple):
    """What the player's surroundings expect, in microseconds of market time; far away what does not come."""

    account_us: int
    """When the venue last told the account's values."""
    probe_us: int
    """When the feed's probe is due, and its turn among the timers that are due at once."""
    probe_turn: int
    report_us: int
    """The account's periodic report likewise, where a leap may take it; else it is among the other timers."""
    report_turn: int
    turns: int
    """Timers that were ever started."""
    other_timer_us: int
    """When the earliest other timer is due."""
    clock_us: int
    """How long without an event until the clock ticks."""


class Entry(NamedTuple):
    """A book that a leap may start from, as the kernel wants it."""

    terms: Terms
    legs: NDArray[np.void]
    """Records of `Leg`."""
    standing: Standing
    session: Session


class Entrance:
    """Reads books of one run. `room` is the kernel's working memory, for the legs of the newest book."""

    def __init__(self, fixed: Fixed, legs: int) -> None:
        self._fixed = fixed
        self._legs = LegTerms()
        self.room: Scratch = scratch(legs)

    def entry(self, book: Book, moments: Moments) -> Entry | None:
        """What the kernel needs to go on from this book, or None where the core must. Fills `room` with what stands."""
        state: ScalperState = book.strategy
        if not is_at_rest(book) or not is_settled(state, book):
            return None
        quote, session = book.quotes.get(book.underlying), state.session
        lag = lag_ms(book)
        if not is_plain(quote, state.spot) or lag is None or lag > self._fixed.lag_ms:
            return None
        if quote is None or session is None or quote.ts_us < session.open_us:
            return None
        terms = self._terms(book, state, session, moments)
        legs = None if terms is None else self._legs.of(state, book)
        if terms is None or legs is None:
            return None
        if self.room.values.shape[1] != len(state.legs):
            self.room = scratch(len(state.legs))
        standing = _standing(state, book, self.room, quote, moments)
        return None if standing is None else Entry(terms, legs, standing, session)

    def _terms(self, book: Book, state: ScalperState, session: Session, moments: Moments) -> Terms | None:
        """What stands still; None where the stock's sizes or the account's value are not known, or no time is left."""
        fixed, ledger, market, spec = self._fixed, book.ledger, state.market, book.spec()
        stop_us = _stop_us(fixed, book, state, session)
        if spec is None or spec.size_step is None or spec.min_size is None or spec.price_tick is None:
            return None
        if ledger.base_equity_usd is None or stop_us <= book.ts_us:
            return None
        if ledger.last_hedge_price is not None and not ledger.last_hedge_price > 0:
            return None
        return Terms(
            **fixed.values,
            stop_us=stop_us,
            other_timer_us=moments.other_timer_us,
            clock_us=moments.clock_us,
            gap_until_us=0 if market.gap_us is None else market.gap_us + fixed.values["window_us"],
            own_shares=float(ledger.own_shares),
            contracts=float(sum(ledger.leg_quantities.get(leg.instrument, 0.0) for leg in state.legs)),
            average_cost=float(ledger.average_cost),
            realised_usd=float(ledger.realised_usd),
            settled_usd=float(ledger.legs_realised_usd),
            commission_usd=float(ledger.commission_usd),
            base_usd=ledger.base_equity_usd + ledger.earlier_pnl_usd,
            remainder=ledger.remainder,
            hours_open=_hours_open(fixed, state, book),
            step=float(spec.size_step),
            smallest=max(fixed.smallest, float(spec.min_size)),
            last_sent_us=-1 if ledger.last_hedge_sent_us is None else ledger.last_hedge_sent_us,
            hedges_today=ledger.hedges_today,
            anchor=math.nan if ledger.last_hedge_price is None else float(ledger.last_hedge_price),
            anchored=ledger.last_hedge_price is not None,
        )


def _stop_us(fixed: Fixed, book: Book, state: ScalperState, session: Session) -> int:
    """The first moment at which time alone brings something; now where it already does."""
    now_us = book.ts_us
    opened_us, closing_us = session.open_us + fixed.edge_us, session.close_us - fixed.edge_us
    edge_us = opened_us if now_us < opened_us else closing_us if now_us < closing_us else FAR_US
    stops = [session.close_us, state.session_until_us, edge_us]
    for leg in state.legs:
        if leg.expiry_us is not None:
            stops.append(leg.expiry_us)
        if leg.source == "implied":
            stops.append(leg.implied_us + fixed.max_age_us)
        elif leg.source == "ib":
            stops.append(leg.model_us + fixed.max_age_us)
    return min(stops)


def _hours_open(fixed: Fixed, state: ScalperState, book: Book) -> bool:
    """Whether neither the session's edges nor an earnings date refuse a hedge; both hold until `_stop_us`."""
    session, limits = state.session, fixed.limits
    inside = session is not None and inside_edges(session, book.ts_us, limits.session_edge_s)
    if not inside and limits.trading_hours_only:
        return False
    if not limits.earnings_dates:
        return True
    facts = GuardContext(
        ts_us=book.ts_us,
        session=session,
        session_date=state.session_date,
        order_shares=0.0,
        own_shares=0.0,
        hedges_today=0,
        mid=None,
        spread_pct=None,
    )
    return earnings_blackout(facts, limits).ok


def _standing(state: ScalperState, book: Book, room: Scratch, quote: QuoteState, moments: Moments) -> Standing | None:
    """What stands now; None where the attribution's last point was taken at other volatilities."""
    day, market, ledger = book.day, state.market, book.ledger
    point = day.attribution.point
    option = total(state.legs, state.greeks, book)
    if (
        point is None
        or ledger.peak_equity_usd is None
        or option.delta_shares is None
        or option.gamma is None
        or market.mid is None
    ):
        return None
    if len(market.closes) >= RING or not market.closes or quote.bid is None or quote.ask is None:
        return None
    if day.pnl is None or day.equity_usd is None or day.drawdown_pct is None:
        return None
    held = ledger.leg_quantities
    for number, (leg, value) in enumerate(zip(state.legs, state.greeks, strict=True)):
        if value is None:
            return None
        if held.get(leg.instrument) and point.volatilities.get(leg.instrument) not in {None, leg.volatility}:
            return None
        room.values[0, number] = msgspec.structs.astuple(value)
    room.rings[0, 0, : len(market.earlier)] = market.earlier
    room.rings[0, 1, : len(market.closes)] = market.closes
    option_usd = 0.0
    for name, contracts in held.items():
        if contracts != 0:
            option_usd += contracts * book.specs[name].multiplier * day.marks[name]
    bad = state.last_bad
    return Standing(
        place=0,
        row=0,
        ts_us=book.ts_us,
        quote_us=quote.ts_us,
        valued_us=state.valued_us,
        feed_seen=book.feed_seen,
        probe_due_us=moments.probe_us,
        probe_turn=moments.probe_turn,
        report_due_us=moments.report_us,
        report_turn=moments.report_turn,
        turns=moments.turns,
        probes=0,
        reports=0,
        reported_us=0,
        bid=quote.bid,
        ask=quote.ask,
        mid=market.mid,
        spread_pct=(quote.ask - quote.bid) / market.mid * 100.0,
        bucket=market.bucket,
        bucket_sum=market.bucket_sum,
        start_us=market.start_us,
        earlier_sum=float(market.earlier_sum),
        path=float(market.path),
        buckets=len(market.earlier),
        closes=len(market.closes),
        ring=0,
        values=0,
        option_delta=option.delta_shares,
        gamma=option.gamma,
        option_usd=float(option_usd),
        unrealised_usd=day.pnl.unrealised_usd,
        legs_usd=day.pnl.legs_usd,
        equity_usd=day.equity_usd,
        drawdown_pct=day.drawdown_pct,
        peak_usd=ledger.peak_equity_usd,
        point_us=point.ts_us,
        point_spot=point.spot,
        point_delta=point.delta_shares,
        point_gamma=point.gamma,
        point_theta=point.theta_usd_year,
        delta_usd=day.attribution.delta_usd,
        gamma_usd=day.attribution.gamma_usd,
        theta_usd=day.attribution.theta_usd,
        code=packed(state.codes),
        trading=STATES.index(state.trading),
        refused=REFUSALS.index(state.refused),
        bad=STANDING[bad.standing],
        wide_us=bad.spread_wide,
        extreme_us=bad.spread_extreme,
        minute=day.sampled_minute,
        checkpoint_us=day.checkpoint_us,
        written_peak_usd=math.nan if day.written_peak_usd is None else day.written_peak_usd,
        account_us=moments.account_us,
        account_place=-1,
        account_tellings=0,
        quotes=0,
        pointed=0,
        notes=0,
    )
