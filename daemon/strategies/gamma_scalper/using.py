"""How much of each limit is used, and what the next hedge would make of it.

The next hedge is the one that present net delta asks for, whatever still makes it wait: a cooldown, the cost gate, a
pause. With none needed nothing is projected. So the yellow band begins one hedge before a limit does.
"""

from config.schema import Profile
from daemon.core.book import Book
from daemon.core.ledger import messages_last_minute
from daemon.strategies.gamma_scalper.looking import Look
from daemon.strategies.gamma_scalper.sizing import size_hedge
from state.records import Limit


class LimitUser:
    """Measures a look against the limits. Pure."""

    def __init__(self, profile: Profile) -> None:
        self._risk = profile.gates.guard.risk
        self._hedge = profile.gates.intent.hedge
        self._max_delta = profile.gates.state.delta.max_delta_limit

    def limits(self, look: Look, book: Book) -> tuple[Limit, ...]:
        """Used and projected part of each limit, in hedges, orders, shares and USD."""
        risk, ledger = self._risk, book.ledger
        shares = self._next_shares(look, book)
        one_more = 0 if shares == 0 else 1
        sent = messages_last_minute(ledger, book.ts_us)
        working = look.working_buy_shares + look.working_sell_shares
        found = [
            Limit(
                name="max_daily_hedge_count",
                used=ledger.hedges_today,
                projected=ledger.hedges_today + one_more,
                limit=risk.max_daily_hedge_count,
            ),
            Limit(
                name="max_position_shares",
                used=abs(ledger.own_shares),
                projected=_worst_position(look, ledger.own_shares, shares),
                limit=risk.max_position_shares,
            ),
            Limit(name="max_orders_per_minute", used=sent, projected=sent + one_more, limit=risk.max_orders_per_minute),
        ]
        if look.mid is not None:
            value = round(working * look.mid, 2)
            after = max(value, round(abs(shares) * look.mid, 2))
            found.append(Limit(name="max_order_value_usd", used=value, projected=after, limit=risk.max_order_value_usd))
        if look.facts.deviation_shares is not None:
            deviation = round(abs(look.facts.deviation_shares), 2)
            found.append(Limit(name="max_delta_limit", used=deviation, limit=self._max_delta))
        if look.net_delta_shares is not None and risk.max_net_delta_shares is not None:
            net = round(abs(look.net_delta_shares), 2)
            found.append(Limit(name="max_net_delta_shares", used=net, limit=risk.max_net_delta_shares))
        return tuple(found)

    def _next_shares(self, look: Look, book: Book) -> float:
        """Signed shares of the hedge that is needed and not under way; 0.0 without one."""
        deviation = look.facts.deviation_shares
        if not look.codes.hedge_needed or look.working is not None or deviation is None:
            return 0.0
        return size_hedge(deviation, book.spec(), self._hedge).shares


def _worst_position(look: Look, own_shares: float, next_shares: float) -> float:
    """The larger |own| after every working order of one side, and the next hedge, have filled."""
    bought = own_shares + look.working_buy_shares + max(next_shares, 0.0)
    sold = own_shares - look.working_sell_shares + min(next_shares, 0.0)
    return max(abs(bought), abs(sold))
