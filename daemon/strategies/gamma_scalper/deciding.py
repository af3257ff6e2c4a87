"""Whether a needed hedge may leave, and if not, which gate says no: embargo, code, size, guard, in this order."""

from typing import Any

import msgspec

from config.schema import Profile
from daemon.core.book import Book, embargoes
from daemon.core.guard import ExecutionGuard, GuardContext, GuardLimits, Verdict
from daemon.strategies.gamma_scalper.classifier import DeltaCode, MarketCode, OptionCode, SystemCode
from daemon.strategies.gamma_scalper.legs import LegState, quantity_of
from daemon.strategies.gamma_scalper.looking import Look
from daemon.strategies.gamma_scalper.scalper_state import ScalperState
from daemon.strategies.gamma_scalper.sizing import HedgeSize, size_hedge
from daemon.strategies.gamma_scalper.trading_fsm import TradingTrigger

WAITING_RULES = frozenset({"cooldown", "min_price_move"})
ILLIQUID_RULES = frozenset({"spread_too_wide", "spread_extreme", "no_quote"})


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a needed hedge. `refused` is None when it may leave (or when none is needed)."""

    needed: bool = False
    refused: str | None = None
    size: HedgeSize = HedgeSize()
    verdict: Verdict | None = None
    embargoes: tuple[str, ...] = ()


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
    )


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


class Decider:
    """Asks every gate about one needed hedge. Pure."""

    def __init__(self, profile: Profile) -> None:
        self._hedge = profile.gates.intent.hedge
        self._guard = ExecutionGuard(guard_limits(profile))

    def answer(self, state: ScalperState, book: Book, look: Look, *, remainder: bool) -> Answer:
        """Whether the hedge that the codes ask for may leave now."""
        codes = look.codes
        deviation = look.facts.deviation_shares
        if not codes.hedge_needed or look.working is not None or deviation is None:
            return _NOT_NEEDED
        standing = embargoes(book)
        size = size_hedge(deviation, book.spec(), self._hedge)
        verdict = self._guard.evaluate(self._context(state, book, look, size, remainder=remainder))
        if standing:
            refused: str | None = standing[0]
        elif look.closed:
            refused = verdict.rule if verdict.rule is not None else "outside_rth"
        elif (gate := codes.closed_gate) is not None:
            refused = gate
        elif expired_leg(state.legs, book) is not None:
            refused = "leg_settlement"
        else:
            refused = size.refusal if size.refusal is not None else verdict.rule
        return Answer(needed=True, refused=refused, size=size, verdict=verdict, embargoes=standing)

    def _context(
        self, state: ScalperState, book: Book, look: Look, size: HedgeSize, *, remainder: bool
    ) -> GuardContext:
        ledger = book.ledger
        return GuardContext(
            ts_us=book.ts_us,
            session=state.session,
            session_date=state.session_date,
            order_shares=size.shares,
            own_shares=ledger.own_shares,
            working_buy_shares=look.working_buy_shares,
            working_sell_shares=look.working_sell_shares,
            hedges_today=ledger.hedges_today,
            halts=tuple([halt.code for halt in ledger.halts]) if ledger.halts else (),
            last_hedge_sent_us=ledger.last_hedge_sent_us,
            last_hedge_price=ledger.last_hedge_price,
            mid=look.mid,
            spread_pct=look.facts.spread_pct,
            waive_cost=remainder or look.codes.d is _D_FORCE_HEDGE,
        )


def trigger_of(  # noqa: C901, PLR0911 -- one line for each trigger, in the order of their table
    book: Book, look: Look, answer: Answer, *, revived: bool
) -> TradingTrigger:
    """The first finding that holds, in the order of `TradingTrigger`."""
    codes = look.codes
    if book.link.state in ("DOWN", "UPSTREAM_LOST"):
        return TradingTrigger.OFFLINE
    if book.link.state != "SYNCED" or not book.reconciled:
        return TradingTrigger.SYNCING
    if _unsafe(book, look):
        return TradingTrigger.UNSAFE
    if look.working is not None:
        return TradingTrigger.ORDER_REVIVED if revived else TradingTrigger.ORDER_IN_FLIGHT
    if codes.o is _O_NONE:
        return TradingTrigger.NO_LEGS
    if look.closed or book.control.any_asserted or book.stop_signal is not None:
        return TradingTrigger.FORBIDDEN
    if codes.d is _D_IN_BAND:
        return TradingTrigger.IN_BAND
    if codes.d is _D_MINOR or answer.refused == "min_hedge_shares":
        return TradingTrigger.MINOR
    if answer.refused is None:
        return TradingTrigger.HEDGE_NEEDED
    if answer.refused in WAITING_RULES:
        return TradingTrigger.COST_GATE
    return TradingTrigger.ILLIQUID if answer.refused in ILLIQUID_RULES else TradingTrigger.FORBIDDEN


def _unsafe(book: Book, look: Look) -> bool:
    codes = look.codes
    return (
        codes.m is _M_STALE
        or codes.s is not _S_OK
        or codes.d is _D_INVALID
        or look.facts.broker_error
        or book.journal_failed is not None
        or bool(book.unexplained)
    )


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
