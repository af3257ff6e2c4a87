"""How the strategy's state follows the events: session, spot, window, volatilities and greeks. Decides nothing."""

import msgspec

from config.schema import Profile
from daemon.core.book import Book, QuoteState
from daemon.core.events import (
    AnyEvent,
    BrokerReport,
    Clock,
    Instruments,
    OptionQuote,
    PositionChanged,
    Quote,
    Sessions,
)
from daemon.core.instruments import TOLERANCE
from daemon.strategies.gamma_scalper.finding import found_options
from daemon.strategies.gamma_scalper.legs import LegPricer, adopted_leg, declared_legs, two_sided_mid
from daemon.strategies.gamma_scalper.market import Market, MarketWindow
from daemon.strategies.gamma_scalper.scalper_state import Doubt, ScalperState

FOREVER_US = 2**62
CONFIRM_US = 5_000_000
"""How long an outlier must stand before it is believed: a bad print is corrected at once, a real move stays."""
_FINDING = (Instruments, BrokerReport, PositionChanged)
"""Events that may change which options the account holds, or what is known of them."""
REVALUE_US = 1_000_000
"""Without a tick the greeks follow the clock once a second: time to expiry moves them too."""


class Watcher:
    """Turns (state, book, event) into the next state. The book has absorbed the event already."""

    def __init__(self, profile: Profile) -> None:
        gate = profile.gates.state.market
        self.market = Market(vol_window_min=gate.vol_window_min, gap_pct=gate.gap_pct)
        self.outlier_pct = gate.outlier_pct - TOLERANCE
        self._same_pct = gate.gap_pct
        self._allow_delayed = profile.ib.allow_delayed
        self.pricer = LegPricer(profile.greeks, allow_delayed=self._allow_delayed)
        self._declared = tuple(self.pricer.sourced(leg, None) for leg in declared_legs(profile))

    def initial(self) -> ScalperState:
        """Before the first event."""
        return ScalperState(legs=self._declared, greeks=(None,) * len(self._declared))

    def observe(self, state: ScalperState, book: Book, event: AnyEvent) -> ScalperState:
        """Absorb one event."""
        kind = type(event)
        if kind is OptionQuote:
            return self._on_option_quote(state, event.instrument)  # type: ignore[union-attr]
        if book.ledger.adopted_legs is not state.adopted and book.ledger.adopted_legs != state.adopted:
            state = self.rebuild_legs(state, book)
        if book.ts_us >= state.session_until_us or kind is Sessions:
            state = self._look_up_session(state, book)
        if kind is Quote:
            return self._on_quote(state, book) if event.instrument == book.underlying else state  # type: ignore[union-attr]
        if kind is Clock:
            if book.ts_us - state.valued_us < REVALUE_US:
                return state
            return self._revalue(state, book, state.spot)
        if kind is Instruments:
            legs = tuple(self.pricer.with_terms(leg, book.specs.get(leg.instrument)) for leg in state.legs)
            state = self._revalue(msgspec.structs.replace(state, legs=legs), book, state.spot)
        if kind in _FINDING:
            found = found_options(state, book, reported=kind is BrokerReport)
            return state if found == state.found else msgspec.structs.replace(state, found=found)
        return state

    def rebuild_legs(self, state: ScalperState, book: Book) -> ScalperState:
        """The ledger's adopted legs have changed: keep what is known of those that stay, take in the new ones."""
        adopted = book.ledger.adopted_legs
        known = {leg.instrument: leg for leg in state.legs}
        legs = [leg for leg in state.legs if not leg.adopted]
        fresh = []
        for name, spec in adopted.items():
            leg = known.get(name)
            if leg is None:
                leg = adopted_leg(spec)
                fresh.append(name)
            elif not leg.adopted:
                continue  # declared by now
            if leg is not None:
                legs.append(self.pricer.sourced(leg, None))
        state = msgspec.structs.replace(
            state,
            legs=tuple(legs),
            greeks=(None,) * len(legs),
            adopted=adopted,
            # Their standing quotes have never been looked at.
            unpaired=tuple(dict.fromkeys((*state.unpaired, *fresh))),
            found=found_options(msgspec.structs.replace(state, legs=tuple(legs)), book, reported=False),
        )
        return self._revalue(state, book, state.spot)

    def _look_up_session(self, state: ScalperState, book: Book) -> ScalperState:
        session = book.session_now()
        following = book.next_session()
        if session is not None:
            until_us, date = session.close_us, session.date
        elif following is not None:
            until_us, date = following.open_us, following.date
        else:
            until_us, date = FOREVER_US, None
        state = msgspec.structs.replace(state, session=session, session_until_us=until_us, session_date=date)
        if session is None or session.date == state.day:
            return state
        legs = tuple(self.pricer.forget_session(leg) for leg in state.legs)
        market = self.market.new_session(state.market)
        return msgspec.structs.replace(state, day=session.date, legs=legs, market=market, doubt=None)

    def _on_option_quote(self, state: ScalperState, instrument: str) -> ScalperState:
        if instrument in state.unpaired:
            return state
        for leg in state.legs:
            if leg.instrument == instrument:
                return msgspec.structs.replace(state, unpaired=(*state.unpaired, instrument))
        return state

    def _on_quote(self, state: ScalperState, book: Book) -> ScalperState:
        quote = book.quotes.get(book.underlying)
        mid = two_sided_mid(quote)
        is_close = state.session is None and book.at_close()
        if state.session is None and not is_close:
            # Closed: prices only inform. The session's last spot stands; after a restart any price will do.
            return state if state.spot is not None else self._revalue(state, book, _closed_price(quote, mid))
        if quote is None or mid is None or (quote.delayed and not self._allow_delayed):
            return state
        doubt = self._doubt(state, mid, quote.previous_close, book.ts_us)
        if doubt is not state.doubt:
            state = msgspec.structs.replace(state, doubt=doubt)
        if doubt is not None:
            return state
        if is_close:
            return self._revalue(state, book, mid)  # nothing is hedged any more: the day is marked by it
        if state.market.start_us == 0:
            market = self.market.begin(
                state.market, mid, book.ts_us, reference=self._last_close(state, quote.previous_close, book.ts_us)
            )
        else:
            market = self.market.absorb(state.market, mid, book.ts_us)
        return self._revalue(state, book, mid, market)

    def _last_close(self, state: ScalperState, previous_close: float | None, ts_us: int) -> float | None:
        """What a session's first mid is compared with: the venue's word, else the last mid of the session before.

        A run that begins later in a session cannot tell a gap from a day's move, so it compares with nothing.
        """
        if state.session is not None and ts_us - state.session.open_us >= self.market.window_us:
            return None
        return previous_close if previous_close is not None else state.market.mid

    def _doubt(self, state: ScalperState, mid: float, previous_close: float | None, ts_us: int) -> Doubt | None:
        """Whether this mid is too far from the last one (at a session's first: from the last close) to be believed.

        One that has stood for `CONFIRM_US`, give or take less than a gap, is believed.
        """
        last = state.market.mid
        if state.market.start_us == 0:
            last = self._last_close(state, previous_close, ts_us)
        if last is None or abs(mid / last - 1.0) * 100.0 < self.outlier_pct:
            return None
        before = state.doubt
        if before is None or abs(mid / before.mid - 1.0) * 100.0 >= self._same_pct:
            return Doubt(mid=mid, since_us=ts_us)
        return None if ts_us - before.since_us >= CONFIRM_US else before

    def _revalue(
        self, state: ScalperState, book: Book, spot: float | None, market: MarketWindow | None = None
    ) -> ScalperState:
        """The state with its legs valued at this price; with `market`, that is taken in at the same time."""
        ts_us = book.ts_us
        legs, unpaired = state.legs, state.unpaired
        # While the underlying's price is in doubt, options may be quoted at a level that is not its last one.
        if state.doubt is None:
            unpaired = ()
        if state.unpaired and state.doubt is None and spot is not None and state.session is not None:
            legs = tuple(
                self.pricer.quoted(leg, quote, spot, ts_us)
                if leg.instrument in state.unpaired
                and (quote := book.quotes.get(leg.instrument)) is not None
                and quote.ts_us >= state.session.open_us
                else leg
                for leg in legs
            )
        if self.pricer.ages:
            # While the market is closed no quote is expected, so none of them grows old.
            aged_us = None if state.session is None else ts_us
            legs = tuple([self.pricer.sourced(leg, aged_us) for leg in legs])
        return msgspec.structs.replace(
            state,
            market=state.market if market is None else market,
            legs=legs,
            unpaired=unpaired,
            spot=spot,
            greeks=self.pricer.value_all(legs, spot, ts_us),
            valued_us=ts_us,
        )


def _closed_price(quote: QuoteState | None, mid: float | None) -> float | None:
    """Outside the session the last trade is the better witness: quotes then may be absurdly wide."""
    if quote is not None and quote.last is not None and quote.last > 0:
        return quote.last
    return mid
