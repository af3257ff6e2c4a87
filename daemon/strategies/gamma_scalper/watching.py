"""How the strategy's state follows the events: session, spot, window, volatilities and greeks. Decides nothing."""

import msgspec

from config.schema import Profile
from daemon.core.book import Book, QuoteState
from daemon.core.events import AnyEvent, Clock, Instruments, OptionQuote, Quote, Sessions
from daemon.strategies.gamma_scalper.legs import LegPricer, declared_legs, two_sided_mid
from daemon.strategies.gamma_scalper.market import Market
from daemon.strategies.gamma_scalper.scalper_state import ScalperState

FOREVER_US = 2**62
REVALUE_US = 1_000_000
"""Without a tick the greeks follow the clock once a second: time to expiry moves them too."""


class Watcher:
    """Turns (state, book, event) into the next state. The book has absorbed the event already."""

    def __init__(self, profile: Profile) -> None:
        gate = profile.gates.state.market
        self.market = Market(vol_window_min=gate.vol_window_min, gap_pct=gate.gap_pct)
        self.pricer = LegPricer(rate=profile.greeks.risk_free_rate, volatility=profile.greeks.volatility)
        self._declared = declared_legs(profile)
        self._instruments = frozenset(leg.instrument for leg in self._declared)

    def initial(self) -> ScalperState:
        """Before the first event."""
        return ScalperState(legs=self._declared, greeks=(None,) * len(self._declared))

    def observe(self, state: ScalperState, book: Book, event: AnyEvent) -> ScalperState:
        """Absorb one event."""
        kind = type(event)
        if kind is OptionQuote:
            return self._on_option_quote(state, event.instrument)  # type: ignore[union-attr]
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
            return self._revalue(msgspec.structs.replace(state, legs=legs), book, state.spot)
        return state

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
        return msgspec.structs.replace(state, day=session.date, legs=legs, market=market)

    def _on_option_quote(self, state: ScalperState, instrument: str) -> ScalperState:
        if instrument not in self._instruments or instrument in state.unpaired:
            return state
        return msgspec.structs.replace(state, unpaired=(*state.unpaired, instrument))

    def _on_quote(self, state: ScalperState, book: Book) -> ScalperState:
        quote = book.quotes.get(book.underlying)
        mid = two_sided_mid(quote)
        session = state.session
        if session is None:
            # Closed: prices only inform. The session's last spot stands; after a restart any price will do.
            return state if state.spot is not None else self._revalue(state, book, _closed_price(quote, mid))
        if mid is None:
            return state
        market = self.market.absorb(state.market, mid, book.ts_us)
        if market is not state.market:
            state = msgspec.structs.replace(state, market=market)
        return self._revalue(state, book, mid)

    def _revalue(self, state: ScalperState, book: Book, spot: float | None) -> ScalperState:
        ts_us = book.ts_us
        legs = state.legs
        if state.unpaired and spot is not None and state.session is not None:
            legs = tuple(
                self.pricer.quoted(leg, quote, spot, ts_us)
                if leg.instrument in state.unpaired
                and (quote := book.quotes.get(leg.instrument)) is not None
                and quote.ts_us >= state.session.open_us
                else leg
                for leg in legs
            )
        return msgspec.structs.replace(
            state,
            legs=legs,
            unpaired=(),
            spot=spot,
            greeks=self.pricer.value_all(legs, spot, ts_us),
            valued_us=ts_us,
        )


def _closed_price(quote: QuoteState | None, mid: float | None) -> float | None:
    """Outside the session the last trade is the better witness: quotes then may be absurdly wide."""
    if quote is not None and quote.last is not None and quote.last > 0:
        return quote.last
    return mid
