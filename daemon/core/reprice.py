"""Working a limit hedge: its price follows the touch a bounded number of times, then it is given up.

The price alone follows, never the quantity: whether and how much to hedge is decided anew when the order has ended.
"""

from config.schema import Profile
from daemon.core.book import QuoteState, embargoes
from daemon.core.effects import StartTimer
from daemon.core.feed import lag_ms
from daemon.core.hedge_rules import inside_edges
from daemon.core.instruments import TOLERANCE
from daemon.core.ledger import messages_last_minute
from daemon.core.limit_price import hedge_limit_price, same_price
from daemon.core.modification import modify
from daemon.core.order_life import OrderState, OwnOrder
from daemon.core.orders import cancel
from daemon.core.turn import Turn


def on_look(turn: Turn, order_ref: str) -> None:
    """Time to look at a limit order's price; the next look follows until the order ends."""
    order = turn.book.orders.get(order_ref)
    if order is None or not order.in_flight or order.limit_price is None or order.cancel_sent:
        return
    if not _follow(turn, order, order.limit_price):
        delay_ms = turn.profile.execution.reprice_after_s * 1000
        turn.do(StartTimer(key=f"reprice:{order_ref}", delay_ms=delay_ms))


def _follow(turn: Turn, order: OwnOrder, limit_price: float) -> bool:
    """Move the order's price where the touch has gone; True when the order is given up instead."""
    if order.modification is not None or order.state not in (OrderState.WORKING, OrderState.PARTIAL):
        return False
    if embargoes(turn.book) or not _is_in_hours(turn) or not _quote_is_good(turn, order) or not _message_is_free(turn):
        return False  # what forbids a new order forbids a new price
    price = hedge_limit_price(turn.profile, turn.book, order.side)
    if price is None or same_price(price, limit_price):
        return False
    if order.reprices >= turn.profile.execution.max_reprices:
        cancel(turn, order, f"still unfilled after {order.reprices} changes of price; the rest is decided anew")
        return True
    modify(turn, order, price)
    return False


def _is_in_hours(turn: Turn) -> bool:
    """A new price is an order like any other: none in the first and last seconds of a session."""
    session = turn.book.session_now()
    if not turn.profile.gates.strategy.trading_hours_only:
        return True
    return session is not None and inside_edges(session, turn.book.ts_us, turn.profile.execution.session_edge_s)


def _message_is_free(turn: Turn) -> bool:
    sent = messages_last_minute(turn.book.ledger, turn.book.ts_us)
    return sent < turn.profile.gates.guard.risk.max_orders_per_minute


def _quote_is_good(turn: Turn, order: OwnOrder) -> bool:
    """Live, fresh, of a stock that trades, and no outlier: one bad print must not carry a working order with it."""
    quote, profile = turn.book.quote(), turn.profile
    if quote is None or quote.halted or (quote.delayed and not profile.ib.allow_delayed):
        return False
    if not _pipeline_is_good(turn) or not _spread_is_good(turn.profile, quote):
        return False
    market, mid = profile.gates.state.market, quote.mid
    if (turn.book.ts_us - quote.ts_us) / 1000 > market.stale_ts_threshold_ms or mid is None:
        return False
    decided = order.decision_mid
    return decided is None or abs(mid / decided - 1.0) * 100.0 < market.outlier_pct - TOLERANCE


def _pipeline_is_good(turn: Turn) -> bool:
    """What was quoted before the process stood still, or waits in a queue, only looks fresh."""
    lag = lag_ms(turn.book)
    limit_ms = turn.profile.gates.state.system.data_lag_threshold_ms
    return not turn.book.feed_probe_failed and lag is not None and lag <= limit_ms


def _spread_is_good(profile: Profile, quote: QuoteState) -> bool:
    """As for a new hedge: below the extreme, and within the limit where there is one."""
    spread, limit = quote.spread_pct, profile.gates.guard.risk.max_spread_pct
    if spread is None or spread >= profile.gates.state.liquidity.extreme_spread_pct - TOLERANCE:
        return False
    return limit is None or spread <= limit + TOLERANCE
