"""Whether a needed hedge may leave, and if not, which gate says no: embargo, code, size, guard, in this order."""

from typing import Any

import msgspec

from config.schema import Profile
from daemon.core.book import Book, embargoes
from daemon.core.guard import ExecutionGuard, Verdict
from daemon.core.guard_rule import GuardContext, GuardLimits
from daemon.core.ledger import messages_last_minute
from daemon.core.limit_price import hedge_limit_price
from daemon.core.posture import lowers, posture
from daemon.strategies.gamma_scalper.classifier import DeltaCode, MarketCode, OptionCode, SystemCode
from daemon.strategies.gamma_scalper.legs import LegState, quantity_of
from daemon.strategies.gamma_scalper.looking import Look
from daemon.strategies.gamma_scalper.scalper_state import ScalperState
from daemon.strategies.gamma_scalper.sizing import HedgeSize, size_hedge
from daemon.strategies.gamma_scalper.trading_fsm import TradingTrigger

WAITING_RULES = frozenset({"cooldown", "min_price_move"})
ILLIQUID_RULES = frozenset(
    {"spread_too_wide", "spread_extreme", "no_quote", "trading_halted", "data_delayed", "price_collar"}
)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a needed hedge. `refused` is None when it may leave (or when none is needed)."""

    needed: bool = False
    refused: str | None = None
    size: HedgeSize = HedgeSize()
    verdict: Verdict | None = None
    embargoes: tuple[str, ...] = ()
    reducing: bool = False
    """A halt stands, and this is an order that the posture REDUCING allows."""

    @property
    def refused_by(self) -> tuple[float | str | None, float | str | None]:
        """What the refusing rule, or the size, measured and its limit; None for both where no number refused."""
        if self.refused is not None and self.refused == self.size.refusal:
            return self.size.measured, self.size.limit
        for result in () if self.verdict is None else self.verdict.results:
            if result.rule == self.refused:
                return result.measured, result.limit
        return None, None


_NOT_NEEDED = Answer()


def guard_limits(profile: Profile) -> GuardLimits:
    """The guard's limits from the profile. Without a spread limit of its own, the classifier's extreme spread is it."""
    gates = profile.gates
    risk, hedge, earnings = gates.guard.risk, gates.intent.hedge, gates.strategy.earnings
    own_limit = risk.max_spread_pct
    return GuardLimits(
        trading_hours_only=gates.strategy.trading_hours_only,
        session_edge_s=profile.execution.session_edge_s,
        earnings_dates=earnings.dates,
        blackout_days_before=earnings.blackout_days_before,
        blackout_days_after=earnings.blackout_days_after,
        cooldown_s=hedge.cooldown_seconds,
        max_daily_hedge_count=risk.max_daily_hedge_count,
        max_position_shares=risk.max_position_shares,
        max_spread_pct=gates.state.liquidity.extreme_spread_pct if own_limit is None else own_limit,
        spread_limit_excluded=own_limit is None,
        min_price_move_pct=hedge.min_price_move_pct,
        max_daily_loss_usd=risk.max_daily_loss_usd,
        max_drawdown_pct=risk.max_drawdown_pct,
        max_orders_per_minute=risk.max_orders_per_minute,
        max_order_value_usd=risk.max_order_value_usd,
        price_collar_pct=risk.price_collar_pct,
    )


def _unquoted(look: Look) -> str:
    """The reason behind L3: the exchange's halt, prices that come late, or no quote at all."""
    if look.facts.trading_halted:
        return "trading_halted"
    return "data_delayed" if look.facts.delayed else "no_quote"


def expired_leg(legs: tuple[LegState, ...], book: Book) -> str | None:
    """A held leg past its last trading time: the desk pauses until its settlement is acknowledged."""
    for leg in legs:
        if leg.expiry_us is not None and book.ts_us >= leg.expiry_us and quantity_of(leg, book) != 0:
            return leg.instrument
    return None


# Bound once: on Python 3.11 looking a member up on its enum costs more than the comparison it is for.
_O_NONE = OptionCode.NONE
_D_IN_BAND = DeltaCode.IN_BAND
_D_MINOR = DeltaCode.MINOR
_D_FORCE_HEDGE = DeltaCode.FORCE_HEDGE
_D_INVALID = DeltaCode.INVALID
_M_STALE = MarketCode.STALE
_S_OK = SystemCode.OK
_IN_BAND, _MINOR, _COST_GATE = TradingTrigger.IN_BAND, TradingTrigger.MINOR, TradingTrigger.COST_GATE


class Decider:
    """Asks every gate about one needed hedge. Pure."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._hedge = profile.gates.intent.hedge
        self._control = profile.control
        self._guard = ExecutionGuard(guard_limits(profile))

    def answer(self, state: ScalperState, book: Book, look: Look, *, remainder: bool) -> Answer:
        """Whether the hedge that the codes ask for may leave now."""
        if not look.codes.hedge_needed or look.working is not None or look.facts.deviation_shares is None:
            return _NOT_NEEDED
        return self.measured(state, book, look, remainder=remainder)

    def measured(self, state: ScalperState, book: Book, look: Look, *, remainder: bool) -> Answer:
        """What every gate says to a hedge of the present deviation, whether or not one is needed."""
        codes = look.codes
        deviation = look.facts.deviation_shares
        standing = embargoes(book)
        size = HedgeSize() if deviation is None else size_hedge(deviation, book.spec(), self._hedge)
        reducing = bool(book.ledger.halts) and self._may_reduce(book, look, size.shares)
        if reducing:
            standing = tuple(code for code in standing if code != "halted")
        context = self._context(state, book, look, size, remainder=remainder, reducing=reducing)
        verdict = self._guard.evaluate(context)
        if standing:
            refused: str | None = standing[0]
        elif look.closed:
            refused = verdict.rule if verdict.rule is not None else "outside_rth"
        elif (gate := codes.closed_gate) is not None:
            refused = _unquoted(look) if gate == "no_quote" else gate
        elif expired_leg(state.legs, book) is not None:
            refused = "leg_settlement"
        else:
            refused = size.refusal if size.refusal is not None else verdict.rule
        return Answer(needed=True, refused=refused, size=size, verdict=verdict, embargoes=standing, reducing=reducing)

    def _may_reduce(self, book: Book, look: Look, shares: float) -> bool:
        """Whether a halt leaves this order all the same: forced, lowering |net delta|, in REDUCING."""
        net = look.net_delta_shares
        if look.codes.d is not _D_FORCE_HEDGE or net is None or not lowers(net, shares):
            return False
        return posture(book.ledger, self._control).name == "REDUCING"

    def _context(
        self, state: ScalperState, book: Book, look: Look, size: HedgeSize, *, remainder: bool, reducing: bool
    ) -> GuardContext:
        ledger, day = book.ledger, book.day
        return GuardContext(
            ts_us=book.ts_us,
            session=state.session,
            session_date=state.session_date,
            order_shares=size.shares,
            order_price=_order_price(self._profile, book, size.shares),
            own_shares=ledger.own_shares,
            working_buy_shares=look.working_buy_shares,
            working_sell_shares=look.working_sell_shares,
            hedges_today=ledger.hedges_today,
            orders_last_minute=messages_last_minute(ledger, book.ts_us),
            halts=tuple([halt.code for halt in ledger.halts]) if ledger.halts else (),
            last_hedge_sent_us=ledger.last_hedge_sent_us,
            last_hedge_price=ledger.last_hedge_price,
            mid=look.mid,
            spread_pct=look.facts.spread_pct,
            day_loss_usd=None if day.pnl is None else -day.pnl.total_usd,
            drawdown_pct=day.drawdown_pct,
            waive_cost=remainder or look.codes.d is _D_FORCE_HEDGE,
            reducing=reducing,
        )


def _order_price(profile: Profile, book: Book, shares: float) -> float | None:
    """What the order would pay: its limit, or the far touch for a market order; None without a two-sided quote."""
    if profile.execution.order_type == "limit":
        return hedge_limit_price(profile, book, "SELL" if shares < 0 else "BUY")
    quote = book.quote()
    if quote is None:
        return None
    return quote.bid if shares < 0 else quote.ask


def trigger_of(  # noqa: PLR0911 -- one line for each trigger, in the order of their table
    book: Book, look: Look, answer: Answer, *, revived: bool
) -> TradingTrigger:
    """The first finding that holds, in the order of `TradingTrigger`."""
    codes, link_state = look.codes, book.link.state
    if link_state != "SYNCED" or not book.reconciled:
        return TradingTrigger.OFFLINE if link_state in ("DOWN", "UPSTREAM_LOST") else TradingTrigger.SYNCING
    if (
        codes.m is _M_STALE
        or codes.s is not _S_OK
        or codes.d is _D_INVALID
        or look.facts.broker_error
        or book.journal_failed is not None
        or book.unexplained
    ):
        return TradingTrigger.UNSAFE
    if look.working is not None:
        return TradingTrigger.ORDER_REVIVED if revived else TradingTrigger.ORDER_IN_FLIGHT
    if codes.o is _O_NONE:
        return TradingTrigger.NO_LEGS
    if look.closed or book.control.any_asserted or book.stop_signal is not None:
        return TradingTrigger.FORBIDDEN
    if codes.d is _D_IN_BAND:
        return _IN_BAND
    if codes.d is _D_MINOR:
        return _MINOR
    if answer.refused is None:
        return TradingTrigger.HEDGE_NEEDED
    return refusal_trigger(answer.refused)


def refusal_trigger(refused: str) -> TradingTrigger:
    """What a needed hedge that is refused by this rule, gate or embargo makes the desk wait for."""
    if refused == "min_hedge_shares":
        return _MINOR
    if refused in WAITING_RULES:
        return _COST_GATE
    return TradingTrigger.ILLIQUID if refused in ILLIQUID_RULES else TradingTrigger.FORBIDDEN


def refusal_data(look: Look, answer: Answer) -> dict[str, Any]:
    """For the journal: every rule's value and limit, the embargoes and the size."""
    return {
        "net_delta_shares": look.net_delta_shares,
        "deviation_shares": look.facts.deviation_shares,
        "wanted_shares": answer.size.shares,
        "size_refusal": answer.size.refusal,
        "size_measured": answer.size.measured,
        "size_limit": answer.size.limit,
        "capped": answer.size.capped,
        "embargoes": list(answer.embargoes),
        "rules": {} if answer.verdict is None else answer.verdict.data(),
    }
