"""One look at the book: the facts, their codes, and the numbers that decision, checks and display share."""

import msgspec

from config.schema import Profile
from daemon.core.book import Book
from daemon.core.feed import lag_ms
from daemon.core.order_life import IN_FLIGHT, OrderState, OwnOrder
from daemon.core.posture import posture
from daemon.strategies.gamma_scalper.classifier import Codes, Facts, StateClassifier
from daemon.strategies.gamma_scalper.legs import BookGreeks, total, two_sided_mid
from daemon.strategies.gamma_scalper.market import Market
from daemon.strategies.gamma_scalper.scalper_state import ScalperState

InFlight = tuple[OwnOrder | None, float, float]
"""The own hedge in flight, and the shares that work to buy and to sell."""


class Look(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What stands at one moment. Shares are signed."""

    codes: Codes
    facts: Facts
    option: BookGreeks
    net_delta_shares: float | None
    """Legs and own shares."""
    mid: float | None
    """Of a two-sided quote of this session."""
    closed: bool
    """The market is closed: quote age, spread and hours are not judged."""
    working: OwnOrder | None
    """An own hedge in flight."""
    working_buy_shares: float
    working_sell_shares: float


class Looker:
    """Measures and classifies. Pure."""

    def __init__(self, profile: Profile, market: Market) -> None:
        self._classifier = StateClassifier(profile.gates.state)
        self._market = market
        self._hours_only = profile.gates.strategy.trading_hours_only
        self._target = profile.execution.target_shares
        self._control = profile.control
        self._allow_delayed = profile.ib.allow_delayed
        # Orders are replaced, never changed in place: while they are the very same dict, so is what is in flight.
        self._orders: dict[str, OwnOrder] | None = None
        self._in_flight: InFlight = (None, 0.0, 0.0)

    def look(self, state: ScalperState, book: Book) -> Look:
        """Measure everything once and classify it."""
        session, window = state.session, state.market
        ts_us, ledger = book.ts_us, book.ledger
        closed = session is None and self._hours_only
        quote = book.quotes.get(book.underlying)
        mid = spread_pct = age_ms = None
        trading_halted = delayed = False
        opened_us = 0 if session is None else session.open_us
        if quote is not None and quote.ts_us >= opened_us:
            mid = None if state.doubt is not None else two_sided_mid(quote)
            trading_halted = quote.halted is True
            delayed = quote.delayed and not self._allow_delayed
            if mid is not None:
                spread_pct = (quote.ask - quote.bid) / mid * 100.0  # type: ignore[operator] # two-sided
        if not closed:
            seen_us = opened_us if quote is None else max(quote.ts_us, opened_us)
            age_ms = (ts_us - seen_us) / 1000.0
        option = total(state.legs, state.greeks, book)
        net = None if option.delta_shares is None else option.delta_shares + ledger.own_shares
        if book.orders is not self._orders:
            self._orders, self._in_flight = book.orders, in_flight(book)
        working, buying, selling = self._in_flight
        # By position: more than fifteen keywords make Python gather them in a dict first, at every look.
        facts = Facts(
            option.holds_options,
            option.gamma,
            option.contracts,
            None if net is None else net - self._target,
            age_ms,
            self._market.volatility_pct(window, ts_us),
            spread_pct,
            lag_ms(book),
            book.link.state == "SYNCED",
            self._market.efficiency(window, ts_us),
            book.feed_probe_failed,
            window.gap_us is not None and self._market.in_gap(window, ts_us),
            trading_halted,
            delayed,
            broker_error=book.unknown_orders != () or book.ack_overdue != (),
            working=working is not None,
            partly_filled=working is not None and working.state is OrderState.PARTIAL,
            # REDUCING leaves the codes as the data makes them: what it still allows is decided by its own rule.
            halted=ledger.halts != () and posture(ledger, self._control).name == "HALTED",
        )
        return Look(
            codes=self._classifier.classify(facts),
            facts=facts,
            option=option,
            net_delta_shares=net,
            mid=mid,
            closed=closed,
            working=working,
            working_buy_shares=buying,
            working_sell_shares=selling,
        )


def in_flight(book: Book) -> InFlight:
    """The own hedge in flight (closing orders of a flatten are not hedges), and shares working on either side."""
    working: OwnOrder | None = None
    buying = selling = 0.0
    for order in book.orders.values():
        if order.state in IN_FLIGHT:
            if not order.closing:
                working = order
            if order.side == "BUY":
                buying += order.worst_remaining
            else:
                selling += order.worst_remaining
    return working, buying, selling
