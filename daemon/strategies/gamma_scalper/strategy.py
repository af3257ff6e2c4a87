"""The gamma scalper: keep net delta at its target while the option position earns or pays its gamma.

`observe` follows the events (watching), `decide` looks (looking), classifies (classifier), asks every gate
(deciding), moves the two machines (trading_fsm, hedge_fsm) and wishes for at most one order (sizing).
"""

from typing import Any

import msgspec

from config.schema import Profile
from daemon.core.attribution import Sensitivity
from daemon.core.book import Book
from daemon.core.effects import Record
from daemon.core.events import AnyEvent
from daemon.core.strategy import Decision, Explanation, Marks, Seen, Wish
from daemon.strategies.gamma_scalper.classifier import Codes, DeltaCode
from daemon.strategies.gamma_scalper.deciding import Answer, Decider, refusal_data, trigger_of
from daemon.strategies.gamma_scalper.explaining import Explainer
from daemon.strategies.gamma_scalper.finding import Finder
from daemon.strategies.gamma_scalper.hedge_fsm import HEDGE, HedgeState, HedgeTrigger, after_look
from daemon.strategies.gamma_scalper.legs import LegState, quantities_known, sensitivities, total
from daemon.strategies.gamma_scalper.looking import Look, Looker
from daemon.strategies.gamma_scalper.scalper_state import ScalperState
from daemon.strategies.gamma_scalper.self_check import Checker
from daemon.strategies.gamma_scalper.showing import Shower
from daemon.strategies.gamma_scalper.trading_fsm import TRADING, TradingState, TradingTrigger
from daemon.strategies.gamma_scalper.using import LimitUser
from daemon.strategies.gamma_scalper.watching import Watcher
from state.records import Check, JournalType, Limit

# Bound once: on Python 3.11 looking a member up on its enum costs more than the comparison it is for.
_IN_BAND = DeltaCode.IN_BAND
_BOOT, _NEED_HEDGE = TradingState.BOOT, TradingState.NEED_HEDGE
_EXEC_IDLE = HedgeState.EXEC_IDLE


class GammaScalper:
    """Implements `daemon.core.strategy.Strategy`. It holds no state: the book carries `ScalperState`."""

    name = "gamma_scalper"
    state_type = ScalperState

    def __init__(self, profile: Profile) -> None:
        self._watcher = Watcher(profile)
        self._looker = Looker(profile, self._watcher.market)
        self._decider = Decider(profile)
        self._finder = Finder(profile.gates.strategy.structure, self._watcher.pricer)
        self._checker = Checker(profile, self._looker, self._finder)
        self._limits = LimitUser(profile)
        self._explainer = Explainer(profile, self._looker, self._decider)
        self._shower = Shower(profile, self._looker, self._watcher.pricer)
        # No state either: the names of the very legs that were asked about last, for they are asked at every tick.
        self._named: tuple[tuple[LegState, ...], tuple[str, ...]] = ((), ())

    def initial(self) -> ScalperState:
        """The state before the first event."""
        return self._watcher.initial()

    def observe(self, state: ScalperState, book: Book, event: AnyEvent) -> ScalperState:
        """Absorb one event."""
        return self._watcher.observe(state, book, event)

    def decide(self, state: ScalperState, book: Book) -> Decision:
        """Look, classify, move the machines, and wish for at most one order. Raises IllegalTransitionError."""
        if state.found and (chosen := self._finder.adoptable(state, book)):
            # A new leg's delta is not counted yet: the next event decides, with it.
            return Decision(state=state, adopt=chosen)
        look = self._looker.look(state, book)
        codes, revived = look.codes, False
        if look.working is not None or state.hedge is not _EXEC_IDLE:
            state, revived = _follow_hedge(state, book, look)
        in_band = codes.d is _IN_BAND
        remainder = book.ledger.remainder and not in_band
        answer = self._decider.answer(state, book, look, remainder=remainder)
        trigger = trigger_of(book, look, answer, revived=revived)
        trading = _move(state.trading, trigger)
        wish = None
        hedge, ref = state.hedge, state.hedge_ref
        if trading is _NEED_HEDGE and look.mid is not None:
            wish = _wish(book, look, answer, look.mid)
            # The name that the core will give the order: by it the hedge machine knows what became of the wish.
            ref = f"{book.desk}.{book.ledger.ledger_id}.{book.ledger.next_order}"
            if hedge is not HedgeState.EXEC_IDLE:
                hedge = HEDGE.next(hedge, HedgeTrigger.SETTLED)
            hedge = HEDGE.next(hedge, HedgeTrigger.WISHED)
        records = () if trading is state.trading else (_transition(state.trading, trading, trigger, codes),)
        newly_refused = None
        if answer.refused is not None and answer.refused != state.refused and trading not in _BEFORE_TRADING:
            newly_refused = answer.refused
            records = (*records, _refused(book, look, answer))
        last_bad = self._checker.note(state, book, look)
        if (
            trading is not state.trading
            or hedge is not state.hedge
            or ref != state.hedge_ref
            or codes != state.codes
            or answer.refused != state.refused
            or last_bad is not state.last_bad
        ):
            state = msgspec.structs.replace(
                state,
                trading=trading,
                hedge=hedge,
                hedge_ref=ref,
                codes=codes,
                refused=answer.refused,
                last_bad=last_bad,
            )
        return Decision(
            state=state,
            records=records,
            wish=wish,
            in_band=in_band,
            refused_rule=newly_refused,
            seen=_seen(look, answer),
        )

    def explain(self, state: ScalperState, book: Book) -> Explanation:
        """What `decide` would say now, with every number."""
        return self._explainer.explain(state, book)

    def marks(self, state: ScalperState, book: Book) -> Marks:
        """Prices of the underlying and of each leg."""
        return self._shower.marks(state, book)

    def sensitivities(self, state: ScalperState, book: Book) -> tuple[Sensitivity, ...]:  # noqa: ARG002 -- the protocol's shape
        """Greeks and volatility of every leg that has them."""
        return sensitivities(state.legs, state.greeks)

    def legs(self, state: ScalperState, book: Book) -> tuple[str, ...]:  # noqa: ARG002 -- the protocol's shape
        """Instrument ids of the declared and the adopted legs."""
        legs, names = self._named
        if state.legs is not legs:
            names = tuple([leg.instrument for leg in state.legs])
            self._named = (state.legs, names)
        return names

    def option_delta_shares(self, state: ScalperState, book: Book) -> float | None:
        """Delta of the legs alone, in shares of the underlying; None while it cannot be computed."""
        if not quantities_known(state.legs, book):
            return None
        return total(state.legs, state.greeks, book).delta_shares

    def legs_changed(self, state: ScalperState, book: Book) -> ScalperState:
        """The state after the ledger's adopted legs have changed."""
        return self._watcher.rebuild_legs(state, book)

    def other_option_delta_shares(self, state: ScalperState, book: Book) -> float | None:
        """Delta of the account's options that are no legs, in shares; 0.0 without any, None while one has none."""
        return self._finder.delta_shares(state, book)

    def checks(self, state: ScalperState, book: Book) -> tuple[Check, ...]:
        """The strategy's part of the self check."""
        return self._checker.checks(state, book)

    def limits(self, state: ScalperState, book: Book) -> tuple[Limit, ...]:
        """How much of each of its limits is used."""
        return self._limits.limits(self._looker.look(state, book), book)

    def present(self, state: ScalperState, book: Book) -> dict[str, Any]:
        """The snapshot's `strategy` section."""
        return self._shower.present(state, book)


_BEFORE_TRADING = frozenset({TradingState.BOOT, TradingState.SYNC})


def _move(trading: TradingState, trigger: TradingTrigger) -> TradingState:
    """Along the table; the first look after the start passes through SYNC, whatever it finds."""
    if trading is _BOOT and trigger not in (TradingTrigger.OFFLINE, TradingTrigger.SYNCING):
        trading = TRADING.next(trading, TradingTrigger.SYNCING)
    return TRADING.next(trading, trigger)


def _follow_hedge(state: ScalperState, book: Book, look: Look) -> tuple[ScalperState, bool]:
    """The state after a look at the hedge order, and whether an ended order has come back to life."""
    working = look.working
    ref, hedge = state.hedge_ref, state.hedge
    revived = False
    if working is not None and working.order_ref != ref:
        if hedge in (HedgeState.FILLED, HedgeState.FAIL):
            hedge = HEDGE.next(hedge, HedgeTrigger.SETTLED)
        ref = working.order_ref
    elif working is not None and hedge in (HedgeState.EXEC_IDLE, HedgeState.FILLED, HedgeState.FAIL):
        revived = True
    order = book.orders.get(ref) if ref is not None else None
    if order is None:
        ref = None
    moved = after_look(hedge, order)
    if moved is state.hedge and ref == state.hedge_ref:
        return state, revived
    return msgspec.structs.replace(state, hedge=moved, hedge_ref=ref), revived


def _seen(look: Look, answer: Answer) -> Seen:
    if answer.refused is None:
        return Seen(look.net_delta_shares, look.mid, look.codes.text, answer.needed)
    measured, limit = answer.refused_by
    return Seen(
        net_delta_shares=look.net_delta_shares,
        mid=look.mid,
        state_code=look.codes.text,
        needed=answer.needed,
        refused=answer.refused,
        measured=measured,
        limit=limit,
    )


def _wish(book: Book, look: Look, answer: Answer, mid: float) -> Wish:
    shares = answer.size.shares
    verdict = answer.verdict
    return Wish(
        instrument=book.underlying,
        side="BUY" if shares > 0 else "SELL",
        quantity=abs(shares),
        state_code=look.codes.text,
        reason="force_hedge" if look.codes.d is DeltaCode.FORCE_HEDGE else "hedge_needed",
        decision_mid=mid,
        reducing=answer.reducing,
        data={
            "net_delta_shares": look.net_delta_shares,
            "option_delta_shares": look.option.delta_shares,
            "deviation_shares": look.facts.deviation_shares,
            "gamma": look.option.gamma,
            "spread_pct": look.facts.spread_pct,
            "capped": answer.size.capped,
            "rules": {} if verdict is None else verdict.data(),
        },
    )


def _transition(before: TradingState, after: TradingState, trigger: TradingTrigger, codes: Codes) -> Record:
    return Record(
        type=JournalType.TRANSITION,
        status=after.value,
        reason=trigger.value,
        state_code=codes.text,
        data={"machine": TRADING.name, "from": before.value, "to": after.value, "trigger": trigger.value},
    )


def _refused(book: Book, look: Look, answer: Answer) -> Record:
    shares = answer.size.shares
    return Record(
        type=JournalType.REFUSED,
        instrument=book.underlying,
        side=None if shares == 0 else "BUY" if shares > 0 else "SELL",
        quantity=None if shares == 0 else abs(shares),
        unit="share",
        price=look.mid,
        ccy="USD",
        status="refused",
        reason=answer.refused,
        state_code=look.codes.text,
        data=refusal_data(look, answer),
    )
