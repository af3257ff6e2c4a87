"""What the kernel is told of a book, and why a book is not one to leap from.

`entry` reads a book that the core has just decided on. It gives None wherever anything is under way, in doubt or
simply not foreseen here: then the core goes on event by event.
"""

import math
from typing import NamedTuple

import numpy as np

from daemon.backtest.leap.fixed import Fixed
from daemon.backtest.leap.rows import REFUSALS, packed
from daemon.backtest.leap.state import (
    CLEAN,
    EXTREME,
    FAR_US,
    RING,
    STATES,
    WIDE,
    Legs,
    Scratch,
    Standing,
    Terms,
)
from daemon.core.book import Book, QuoteState, embargoes
from daemon.core.daemon_fsm import DaemonState
from daemon.core.events import Session
from daemon.core.feed import lag_ms
from daemon.core.flatten_fsm import FlattenState
from daemon.core.guard_rule import GuardContext
from daemon.core.hedge_rules import earnings_blackout, inside_edges
from daemon.core.link_fsm import LinkState
from daemon.strategies.gamma_scalper.classifier import ExecutionCode, OptionCode, SystemCode
from daemon.strategies.gamma_scalper.hedge_fsm import HedgeState
from daemon.strategies.gamma_scalper.legs import total, two_sided_mid
from daemon.strategies.gamma_scalper.scalper_state import ScalperState
from daemon.strategies.gamma_scalper.trading_fsm import TradingState

_STANDING = {(): CLEAN, ("spread_wide",): WIDE, ("spread_extreme",): EXTREME}
BAD_NAMES: tuple[tuple[str, ...], ...] = ((), ("spread_wide",), ("spread_extreme",))
"""By CLEAN, WIDE, EXTREME: what `LastBad.standing` says."""
_QUIET_STATES = frozenset(
    {
        TradingState.ARMED,
        TradingState.MONITOR,
        TradingState.PAUSE_COST,
        TradingState.PAUSE_LIQ,
        TradingState.NO_TRADE,
    }
)


class Moments(NamedTuple):
    """What the player's surroundings expect, in microseconds of market time."""

    account_us: int
    """When the venue last told the account's values."""
    probe_us: int
    """When the feed's probe is due; far away where none runs."""
    other_timer_us: int
    """When the earliest other timer is due."""
    clock_us: int
    """How long without an event until the clock ticks."""


class Entry(NamedTuple):
    """A book that a leap may start from, as the kernel wants it."""

    terms: Terms
    legs: Legs
    standing: Standing
    session: Session


def is_at_rest(book: Book) -> bool:
    """Whether nothing is under way that any event but a plain quote could be waited for."""
    ledger, day = book.ledger, book.day
    return (
        book.daemon_state is DaemonState.RUNNING
        and book.link.state == LinkState.SYNCED
        and not ledger.halts
        and not ledger.foreign_fills
        and book.flatten.state == FlattenState.NONE
        and not book.control.any_asserted
        and not book.stop_started
        and book.synced_once
        and not book.restart_windows
        and not book.unknown_orders
        and not book.ack_overdue
        and not book.feed_probe_failed
        and day.loss_since_us is None
        and day.drawdown_since_us is None
        and (ledger.reject_until_us is None or ledger.reject_until_us <= book.ts_us)
        and not embargoes(book)
        and not book.in_flight()
    )


def _is_settled(state: ScalperState, book: Book) -> bool:
    """Whether the strategy has nothing half done, and its codes are those of an ordinary market."""
    codes = state.codes
    return (
        state.trading in _QUIET_STATES
        and state.hedge is HedgeState.EXEC_IDLE
        and state.session is not None
        and state.session.date == book.ledger.day
        and state.session == book.session_now()
        and state.doubt is None
        and not state.unpaired
        and not state.found
        and state.spot is not None
        and state.market.mid == state.spot
        and state.market.start_us != 0
        and codes.o is not OptionCode.NONE
        and codes.e is ExecutionCode.IDLE
        and codes.s is SystemCode.OK
        and state.refused in REFUSALS
        and state.last_bad.standing in _STANDING
        and (book.ledger.adopted_legs is state.adopted or book.ledger.adopted_legs == state.adopted)
    )


def _plain(quote: QuoteState | None, mid: float | None) -> bool:
    return (
        quote is not None
        and two_sided_mid(quote) == mid
        and not quote.halted
        and not quote.delayed
        and quote.queue_delay_ms == 0.0
    )


def entry(  # noqa: PLR0911 -- each line is a reason for the core to go on alone
    fixed: Fixed, book: Book, room: Scratch, moments: Moments
) -> Entry | None:
    """What the kernel needs to go on from this book, or None where the core must. Fills `room` with what stands."""
    state: ScalperState = book.strategy
    if not is_at_rest(book) or not _is_settled(state, book):
        return None
    quote, spec, session = book.quotes.get(book.underlying), book.spec(), state.session
    lag = lag_ms(book)
    if not _plain(quote, state.spot) or lag is None or lag > fixed.lag_ms:
        return None
    if spec is None or spec.size_step is None or spec.min_size is None or spec.price_tick is None:
        return None
    if quote is None or session is None or quote.ts_us < session.open_us:
        return None
    stop_us = _stop_us(fixed, book, state, session)
    if stop_us <= book.ts_us:
        return None
    legs = _legs(state, book)
    if legs is None:
        return None
    standing = _standing(state, book, room, legs, quote, moments)
    if standing is None:
        return None
    ledger, market = book.ledger, state.market
    if ledger.base_equity_usd is None or (ledger.last_hedge_price is not None and not ledger.last_hedge_price > 0):
        return None
    terms = Terms(
        **fixed.values,
        stop_us=stop_us,
        other_timer_us=moments.other_timer_us,
        clock_us=moments.clock_us,
        gap_until_us=0 if market.gap_us is None else market.gap_us + fixed.values["window_us"],
        own_shares=float(ledger.own_shares),
        contracts=float(sum(legs.contracts.tolist())),
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
    return Entry(terms, legs, standing, session)


def _stop_us(fixed: Fixed, book: Book, state: ScalperState, session: Session) -> int:
    """The first moment at which time alone brings something; now where it already does."""
    now_us = book.ts_us
    opened_us, closing_us = session.open_us + fixed.edge_us, session.close_us - fixed.edge_us
    edge_us = opened_us if now_us < opened_us else closing_us if now_us < closing_us else FAR_US
    stops = [
        session.close_us - fixed.close_lead_us,
        state.session_until_us,
        edge_us,
    ]
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


def _legs(state: ScalperState, book: Book) -> Legs | None:
    """The legs; None where one has no terms, no price, or one that is neither a standing quote's nor the model's."""
    ledger, day, count = book.ledger, book.day, len(state.legs)
    numbers = {leg.instrument: number for number, leg in enumerate(state.legs)}
    held = {leg: quantity for leg, quantity in ledger.leg_quantities.items() if quantity != 0}
    if not held or not held.keys() <= numbers.keys() or book.underlying not in day.marks:
        return None
    legs = Legs(
        sign=np.empty(count),
        strike=np.empty(count),
        expiry_us=np.empty(count, np.int64),
        volatility=np.empty(count),
        contracts=np.zeros(count),
        shares=np.zeros(count),
        opening=np.zeros(count),
        mark=np.zeros(count),
        quoted=np.zeros(count, np.bool_),
        twin=np.arange(count, dtype=np.int64),
        valued=np.array([numbers[leg] for leg in held], np.int64),
    )
    modelled: list[str] = []
    twins: dict[tuple[float, int, float], int] = {}
    for number, leg in enumerate(state.legs):
        name, spec = leg.instrument, book.specs.get(leg.instrument)
        if leg.volatility is None or leg.expiry_us is None or leg.multiplier is None or spec is None:
            return None
        if spec.multiplier != leg.multiplier or name not in day.marks or name not in ledger.opening_marks:
            return None
        mid = two_sided_mid(book.quotes.get(name))
        if mid is None:
            modelled.append(name)
            if leg.source != "implied" and not (leg.implied is None and leg.priced_mid is None):
                return None
        elif name in day.guessed:
            return None
        else:
            legs.mark[number], legs.quoted[number] = mid, True
        legs.sign[number] = 1.0 if leg.right == "C" else -1.0
        legs.strike[number], legs.expiry_us[number], legs.volatility[number] = leg.strike, leg.expiry_us, leg.volatility
        legs.twin[number] = twins.setdefault((leg.strike, leg.expiry_us, leg.volatility), number)
        quantity = held.get(name, 0.0)
        legs.contracts[number], legs.shares[number] = quantity, quantity * leg.multiplier
        legs.opening[number] = ledger.opening_marks[name]
    kept = [name for name in day.modelled if name not in numbers and name != book.underlying]
    return legs if day.modelled == (*modelled, *kept) else None


def _standing(  # noqa: PLR0917 -- book and room in, one tuple out
    state: ScalperState, book: Book, room: Scratch, legs: Legs, quote: QuoteState, moments: Moments
) -> Standing | None:
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
    for leg, contracts in zip(state.legs, legs.contracts, strict=True):
        if contracts != 0 and point.volatilities.get(leg.instrument) not in {None, leg.volatility}:
            return None
    if len(market.closes) >= RING or not market.closes or quote.bid is None or quote.ask is None:
        return None
    room.earlier[0, : len(market.earlier)] = market.earlier
    room.closes[0, : len(market.closes)] = market.closes
    option_usd = 0.0
    for number in legs.valued:
        option_usd += legs.shares[number] * day.marks[state.legs[number].instrument]
    if day.pnl is None or day.equity_usd is None or day.drawdown_pct is None:
        return None
    bad = state.last_bad
    return Standing(
        ts_us=book.ts_us,
        quote_us=quote.ts_us,
        feed_seen=book.feed_seen,
        probe_due_us=moments.probe_us,
        probes=0,
        probed_us=0,
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
        bad=_STANDING[bad.standing],
        wide_us=bad.spread_wide,
        extreme_us=bad.spread_extreme,
        minute=day.sampled_minute,
        checkpoint_us=day.checkpoint_us,
        written_peak_usd=math.nan if day.written_peak_usd is None else day.written_peak_usd,
        account_us=moments.account_us,
        account_place=-1,
        quotes=0,
        pointed=0,
        reports=0,
        notes=0,
    )
