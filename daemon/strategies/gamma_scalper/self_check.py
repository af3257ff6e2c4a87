"""The strategy's part of the self check. A data reason clears after two clean seconds of `ts`."""

from typing import Literal

import msgspec

from config.schema import Profile
from daemon.core.book import Book
from daemon.core.order_life import OrderState
from daemon.core.posture import posture
from daemon.strategies.gamma_scalper.classifier import DeltaCode, LiquidityCode, MarketCode, SystemCode
from daemon.strategies.gamma_scalper.deciding import expired_leg
from daemon.strategies.gamma_scalper.finding import Finder
from daemon.strategies.gamma_scalper.looking import Look, Looker
from daemon.strategies.gamma_scalper.scalper_state import LastBad, ScalperState
from daemon.strategies.gamma_scalper.trading_fsm import TradingState
from state.records import Check

CLEAN_US = 2_000_000
DATA_REASONS = tuple(name for name in LastBad.__struct_fields__ if name != "standing")
OLD_FRACTION = 0.75
"""From this part of the stale threshold on, a quote is slightly old."""


# Bound once: on Python 3.11 looking a member up on its enum costs more than the comparison it is for.
_D_FORCE_HEDGE = DeltaCode.FORCE_HEDGE
_L_NORMAL = LiquidityCode.NORMAL
_L_WIDE = LiquidityCode.WIDE
_L_EXTREME = LiquidityCode.EXTREME
_L_NO_QUOTE = LiquidityCode.NO_QUOTE
_M_STALE = MarketCode.STALE
_S_OK = SystemCode.OK


class Checker:
    """Judges a look. It only reports: what may trade is decided by the codes alone."""

    def __init__(self, profile: Profile, looker: Looker, finder: Finder) -> None:
        gates = profile.gates
        self._looker = looker
        self._finder = finder
        self._data_limit = "live or delayed" if profile.ib.allow_delayed else "live"
        self._stale_ms = gates.state.market.stale_ts_threshold_ms
        self._old_ms = OLD_FRACTION * self._stale_ms
        self._lag_limit_ms = gates.state.system.data_lag_threshold_ms
        self._wide_pct = gates.state.liquidity.wide_spread_pct
        self._extreme_pct = gates.state.liquidity.extreme_spread_pct
        self._delta = gates.state.delta
        self._control = profile.control

    def note(self, state: ScalperState, book: Book, look: Look) -> LastBad:
        """When each data reason last held, after this look."""
        before = state.last_bad.standing
        if not before and self._is_clean(look):
            return state.last_bad
        bad = self._bad(state, book, look)
        if not bad and not before:
            return state.last_bad
        return msgspec.structs.replace(state.last_bad, standing=bad, **dict.fromkeys((*before, *bad), book.ts_us))

    def _is_clean(self, look: Look) -> bool:
        """Whether the codes alone tell that no data reason holds, as at nearly every look."""
        codes, age_ms = look.codes, look.facts.tick_age_ms
        return (
            codes.l is _L_NORMAL
            and codes.m is not _M_STALE
            and codes.s is _S_OK
            and (age_ms is None or age_ms < self._old_ms)
        )

    def _bad(self, state: ScalperState, book: Book, look: Look) -> tuple[str, ...]:
        if self._is_clean(look) or book.link.state != "SYNCED":
            return ()  # without a link its own reasons say why nothing comes
        codes, facts = look.codes, look.facts
        age_ms = facts.tick_age_ms
        bad: list[str] = []
        if not look.closed:
            if codes.m is _M_STALE:
                bad.append("stale")
            elif age_ms is not None and age_ms >= self._old_ms:
                bad.append("data_slightly_old")
            bad.extend(self._bad_liquidity(state, book, look))
        if look.facts.holds_options and facts.deviation_shares is None:
            bad.append("greeks_bad")
        if facts.lag_ms is None or facts.lag_ms > self._lag_limit_ms:
            bad.append("data_lag")
        return tuple(bad)

    def _bad_liquidity(self, state: ScalperState, book: Book, look: Look) -> tuple[str, ...]:
        code = look.codes.l
        if look.facts.trading_halted:
            return ("trading_halted",)
        if look.facts.delayed:
            return ("data_delayed",)
        if code is _L_NO_QUOTE:
            # The session's first quote gets as long to come as any other tick.
            session = state.session
            grace_us = 0 if session is None else session.open_us + round(self._stale_ms * 1000)
            return ("no_quote",) if book.ts_us >= grace_us else ()
        if code is _L_EXTREME:
            return ("spread_extreme",)
        return ("spread_wide",) if code is _L_WIDE else ()

    def checks(self, state: ScalperState, book: Book) -> tuple[Check, ...]:
        """Every check, failed or not, with what was measured against which limit."""
        look = self._looker.look(state, book)
        bad = {*self._bad(state, book, look), *self._still_raised(state, book, look)}
        facts = look.facts
        age = _measured(facts.tick_age_ms, "market closed")
        if facts.feed_probe_failed and isinstance(age, float) and age < self._stale_ms:
            age = "no tick between two looks"  # a frozen feed freezes the market's own clock, and the age with it
        lag = _measured(facts.lag_ms, "no answer to the probe")
        spread = _measured(facts.spread_pct, "no two-sided quote")
        doubt = state.doubt
        mid = _measured(look.mid, "no two-sided quote" if doubt is None else f"{doubt.mid:g} is too far to believe yet")
        delta = _measured(look.net_delta_shares, "unknown")
        stale = "stale" in bad
        # Two rows for age, and two for the spread: a yellow and a red limit of the same measurement.
        return (
            _check("quote_age", bad, "stale", "red", age, self._stale_ms),
            _check(
                "quote_age_near",
                bad - {"data_slightly_old"} if stale else bad,
                "data_slightly_old",
                "yellow",
                age,
                self._old_ms,
            ),
            _check("data_lag", bad, "data_lag", "red", lag, self._lag_limit_ms),
            _check("trading", bad, "trading_halted", "red", _trading(book), "not halted"),
            _check("data_type", bad, "data_delayed", "red", _data_type(book), self._data_limit),
            _check("quote", bad, "no_quote", "red", mid, "two-sided"),
            _check("spread", bad, "spread_extreme", "red", spread, self._extreme_pct),
            _check("spread_near", bad, "spread_wide", "yellow", spread, self._wide_pct),
            _check("greeks", bad, "greeks_bad", "red", delta, "known"),
            *self._state_checks(state, book, look),
        )

    def _still_raised(self, state: ScalperState, book: Book, look: Look) -> tuple[str, ...]:
        if look.closed:
            names: tuple[str, ...] = ("data_lag", "greeks_bad")
        else:
            names = DATA_REASONS
        return tuple(name for name in names if book.ts_us - getattr(state.last_bad, name) < CLEAN_US)

    def _state_checks(self, state: ScalperState, book: Book, look: Look) -> tuple[Check, ...]:
        bad: set[str] = set()
        codes = look.codes
        deviation = look.facts.deviation_shares
        if state.trading is TradingState.SAFE and not _waits_for_the_link(book):
            bad.add("safe")
        if look.facts.broker_error:
            bad.add("broker_error")
        if book.ledger.halts:
            bad.add("risk_halt")  # also while REDUCING, when the code S says only what the data is like
        refused = _refused_by(state, book)
        if codes.d is _D_FORCE_HEDGE and codes.hedge_needed and refused is not None and not look.closed:
            bad.add("force_hedge_refused")
        if look.closed and look.facts.holds_options and deviation is not None and codes.hedge_needed:
            bad.add("unhedged_until_open")
        expired = expired_leg(state.legs, book)
        if expired is not None:
            bad.add("leg_settlement")
        size = "unknown" if deviation is None else round(abs(deviation), 2)
        stands = posture(book.ledger, self._control)
        allowed = stands.name if stands.reason is None else f"{stands.name}: {stands.reason}"
        return (
            _check("trading_state", bad, "safe", "red", state.trading.value, "not SAFE"),
            _check("broker", bad, "broker_error", "red", codes.e.name, "no error"),
            _check("risk", bad, "risk_halt", "red", allowed, "ACTIVE"),
            _check(
                "force_hedge",
                bad,
                "force_hedge_refused",
                "red",
                size if refused is None else f"{size} shares, refused by {refused}",
                self._delta.max_delta_limit,
            ),
            _check("closed_delta", bad, "unhedged_until_open", "yellow", size, self._delta.threshold_hedge_shares),
            _check(
                "settlement", bad, "leg_settlement", "yellow", "none due" if expired is None else expired, "none due"
            ),
            *self._structure_checks(state, book),
        )

    def _structure_checks(self, state: ScalperState, book: Book) -> tuple[Check, ...]:
        gates = self._finder.gates
        bad: set[str] = set()
        within = "all legs within" if gates.adopt else "declared legs need no gate"
        if far := self._finder.legs_outside(state, book):
            bad.add("leg_outside_gates")
            within = "; ".join(far)
        others = "none"
        if state.found:
            bad.add("option_not_hedged")
            others = "; ".join(f"{each.instrument}: {self._finder.words(each, state, book)}" for each in state.found)
        limit = f"{gates.min_dte} to {gates.max_dte} days, strike within {gates.atm_band_pct:g} %"
        return (
            _check("structure", bad, "leg_outside_gates", "yellow", within, limit),
            _check("other_options", bad, "option_not_hedged", "yellow", others, "none"),
        )


def _trading(book: Book) -> str:
    quote = book.quotes.get(book.underlying)
    halted = None if quote is None else quote.halted
    if halted is None:
        return "the exchange has not said"
    return "halted by the exchange" if halted else "not halted"


def _data_type(book: Book) -> str:
    quote = book.quotes.get(book.underlying)
    if quote is None:
        return "no quote yet"
    return "delayed" if quote.delayed else "live"


def _refused_by(state: ScalperState, book: Book) -> str | None:
    """What refuses the hedge that is needed: the strategy's gates, or the last look that kept the last order here."""
    if state.refused is not None:
        return state.refused
    last = book.orders.get(state.hedge_ref) if state.hedge_ref is not None else None
    return last.reason if last is not None and last.state is OrderState.BLOCKED else None


def _check(  # noqa: PLR0917 -- the columns of the table above
    name: str,
    bad: set[str],
    reason: str,
    severity: Literal["yellow", "red"],
    measured: str | float | None,
    limit: str | float | None,
) -> Check:
    failed = reason in bad
    return Check(
        name=name,
        ok=not failed,
        severity=severity,
        measured=measured,
        limit=limit,
        reason=reason if failed else None,
    )


def _waits_for_the_link(book: Book) -> bool:
    """Whether the link's own check says it all, in yellow until its deadline: a nightly reset is expected."""
    return book.link.state in ("DOWN", "UPSTREAM_LOST") and not book.link.deadline_passed


def _measured(value: float | None, why_not: str) -> float | str:
    return why_not if value is None else round(value, 4)
