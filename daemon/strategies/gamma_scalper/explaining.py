"""Why there was, or was no, hedge at one moment: one sentence, the six codes in words, every gate with its numbers.

Nothing here decides. It asks the same looker and decider as `strategy.decide`, so it cannot disagree with them.
"""

from config.schema import Profile
from daemon.core.book import Book, embargoes
from daemon.core.guard_rule import RuleResult
from daemon.core.strategy import CodeExplained, Explanation
from daemon.strategies.gamma_scalper.classifier import DeltaCode, OptionCode, SystemCode
from daemon.strategies.gamma_scalper.deciding import Answer, Decider, expired_leg
from daemon.strategies.gamma_scalper.looking import Look, Looker
from daemon.strategies.gamma_scalper.scalper_state import ScalperState
from state.times import iso_from_us


class Explainer:
    """Puts one look into words. Pure."""

    def __init__(self, profile: Profile, looker: Looker, decider: Decider) -> None:
        self._profile = profile
        self._looker = looker
        self._decider = decider

    def explain(self, state: ScalperState, book: Book) -> Explanation:
        """The book must be as the decision saw it: the event absorbed, nothing decided on it yet."""
        look = self._looker.look(state, book)
        remainder = book.ledger.remainder and look.codes.d is not DeltaCode.IN_BAND
        answer = self._decider.answer(state, book, look, remainder=remainder)
        asked = self._decider.measured(state, book, look, remainder=remainder)
        return Explanation(
            sentence=self._sentence(state, book, look, answer),
            needed=answer.needed,
            refused=answer.refused,
            state_code=look.codes.text,
            codes=self._codes(look),
            embargoes=answer.embargoes if answer.needed else embargoes(book),
            numbers=self._numbers(book, look, asked, remainder=remainder),
            rules=() if asked.verdict is None else asked.verdict.results,
        )

    def _sentence(  # noqa: PLR0911 -- one line for each finding, in the order of `trigger_of`
        self, state: ScalperState, book: Book, look: Look, answer: Answer
    ) -> str:
        link = book.link
        if link.state != "SYNCED":
            return f"nothing could be hedged: the link to the broker was {link.state} ({link.reason})"
        if not book.reconciled:
            return "nothing could be hedged: broker and book were not reconciled yet"
        if look.working is not None:
            order = look.working
            done = f"{order.filled:g} of {order.quantity:g} filled"
            return f"a hedge was under way: {order.side} {order.quantity:g} shares, {order.state.value}, {done}"
        if look.codes.o is OptionCode.NONE:
            return "there was nothing to hedge: no option leg was held"
        if look.facts.deviation_shares is None:
            return "nothing could be hedged: net delta was unknown, a held leg had no greeks"
        if not answer.needed:
            return self._unneeded(book, look)
        if answer.refused is None:
            return f"{_hedge(answer)} was needed and allowed to leave"
        return f"{_hedge(answer)} was refused{_refusal(state, book, look, answer)}"

    def _unneeded(self, book: Book, look: Look) -> str:
        delta = self._profile.gates.state.delta
        target = self._profile.execution.target_shares
        around = "" if target == 0 else f" around {target:g}"
        net = f"net delta {look.net_delta_shares:+.1f}"
        if look.codes.d is DeltaCode.IN_BAND:
            why = f"{net} was inside the band of {delta.epsilon_band:g} shares{around}"
        else:
            why = f"{net} was out of the band of {delta.epsilon_band:g} shares{around}"
            why += f", but below the {delta.threshold_hedge_shares:g} that need a hedge"
        also = _standing(book, embargoes(book))
        return f"no hedge was needed: {why}" + (f"; besides, {also}" if also else "")

    def _codes(self, look: Look) -> tuple[CodeExplained, ...]:
        codes, facts, gates = look.codes, look.facts, self._profile.gates.state
        spread = "no two-sided quote" if facts.spread_pct is None else f"spread {facts.spread_pct:.4g} %"
        if facts.trading_halted:
            spread = "trading halted by the exchange"
        elif facts.delayed:
            spread = "prices come late"
        measured = {
            "O": f"gamma {_number(look.option.gamma, 'shares per USD')}",
            "D": f"deviation {_number(facts.deviation_shares, 'shares')}; band {gates.delta.epsilon_band:g}, "
            f"hedge from {gates.delta.threshold_hedge_shares:g}, forced from {gates.delta.max_delta_limit:g}",
            "M": f"volatility {_number(facts.volatility_pct, '% a year')}, efficiency {_number(facts.efficiency, '')}"
            f"{', gap' if facts.gap else ''}; tick {_age(facts.tick_age_ms, look)}, stale from "
            f"{gates.market.stale_ts_threshold_ms:g} ms",
            "L": f"{spread}; wide from {gates.liquidity.wide_spread_pct:g} %, "
            f"extreme from {gates.liquidity.extreme_spread_pct:g} %",
            "E": "connected" if facts.connected else "not connected",
            "S": f"lag {_number(facts.lag_ms, 'ms')}, limit {gates.system.data_lag_threshold_ms:g} ms",
        }
        if facts.broker_error:
            measured["E"] += ", an order's outcome unknown or overdue"
        if codes.s is SystemCode.RISK_HALT:
            measured["S"] += "; a halt stands"
        return tuple(
            CodeExplained(
                letter=letter,
                value=int(value),
                word=value.name.lower().replace("_", " "),
                measured=measured[letter].replace("  ", " ").strip(),
            )
            for letter, value in zip("ODMLES", (codes.o, codes.d, codes.m, codes.l, codes.e, codes.s), strict=True)
        )

    def _numbers(
        self, book: Book, look: Look, asked: Answer, *, remainder: bool
    ) -> dict[str, float | str | bool | None]:
        return {
            "net_delta_shares": look.net_delta_shares,
            "option_delta_shares": look.option.delta_shares,
            "own_shares": book.ledger.own_shares,
            "target_shares": self._profile.execution.target_shares,
            "deviation_shares": look.facts.deviation_shares,
            "wanted_shares": asked.size.shares,
            "size_refusal": asked.size.refusal,
            "size_measured": asked.size.measured,
            "size_limit": asked.size.limit,
            "capped": asked.size.capped,
            "remainder": remainder,
            "mid": look.mid,
            "market_closed": look.closed,
        }


def _hedge(answer: Answer) -> str:
    shares = answer.size.shares
    if shares == 0:
        return "a hedge"
    return f"a hedge of {abs(shares):g} shares ({'BUY' if shares > 0 else 'SELL'})"


def _refusal(state: ScalperState, book: Book, look: Look, answer: Answer) -> str:
    """` by cooldown: 12.4 s, limit 60 s`, `: the desk was paused by anna since ...`."""
    code = answer.refused
    if answer.embargoes and code == answer.embargoes[0]:
        return f": {_standing(book, (code,))}"
    if look.closed and code == "outside_rth":
        following = book.next_session()
        opens = "" if following is None else f", the next session opens {_time(following.open_us)}"
        return f" by outside_rth: the market was closed{opens}"
    if code == "leg_settlement":
        return f" by leg_settlement: {expired_leg(state.legs, book)} has expired and is not acknowledged"
    if code is not None and code == answer.size.refusal:
        unit = " shares" if code == "min_hedge_shares" else ""
        return f" by {code}: {_plain(answer.size.measured)}{unit}, limit {_plain(answer.size.limit)}{unit}"
    for rule in () if answer.verdict is None else answer.verdict.results:
        if rule.rule == code:
            return f" by {code}: {measured_text(rule)}"
    return f" by {code}"


def measured_text(rule: RuleResult) -> str:
    """`12.4 s, limit 60 s`."""
    unit = {"pct": " %"}.get(rule.unit, f" {rule.unit}" if rule.unit else "")
    shown = "nothing to measure" if rule.measured is None else f"{_plain(rule.measured)}{unit}"
    return shown if rule.limit is None else f"{shown}, limit {_plain(rule.limit)}{unit}"


def _plain(value: float | str | None) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else f"{value:.10g}" if float(value).is_integer() else f"{value:.4g}"


def _standing(book: Book, codes: tuple[str, ...]) -> str:
    """The first embargo in words: who asked for it and since when, where somebody did."""
    if not codes:
        return ""
    code = codes[0]
    if code == "halted":
        return "; ".join(
            f"the halt {halt.code} stood since {_time(halt.since_us)} ({halt.detail})" for halt in book.ledger.halts
        )
    file = {
        "paused": book.control.pause,
        "stop_asserted": book.control.stop,
        "flatten_asserted": book.control.flatten,
    }.get(code)
    if file is not None:
        by = "" if file.by is None else f" by {file.by}"
        why = "" if file.reason is None else f" ({file.reason})"
        done = {"pause": "paused", "stop": "stopped", "flatten": "told to flatten"}[file.name]
        return f"the desk was {done}{by} since {_time(file.since_us)}{why}"
    if code == "reject_backoff" and book.ledger.reject_until_us is not None:
        return f"reject_backoff until {_time(book.ledger.reject_until_us)}"
    return f"{code} forbade every hedge"


def _number(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.4g} {unit}".strip()


def _age(age_ms: float | None, look: Look) -> str:
    if look.closed:
        return "not judged while closed"
    return "none yet" if age_ms is None else f"{age_ms:.0f} ms old"


def _time(time_us: int) -> str:
    """To the second: the microseconds are in the journal for who needs them."""
    return f"{iso_from_us(time_us)[:19]}Z"
