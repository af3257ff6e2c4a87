"""The life of one intent as a story: what was decided and why, sent, acknowledged, filled, charged. Pure.

Durations are of the desk's own time (`ts`); where the machine's clock says something else, because a recorded day runs
faster than it did, that is said beside.
"""

from collections.abc import Sequence

import msgspec

from cockpit import wording
from cockpit.decision_rules import rules_table
from cockpit.reader import Reader
from cockpit.tables import Table, Tone, quantity_words, rules_of, tone_of, what_and_why
from state.records import JournalLine, JournalType
from state.times import us_from_iso

_FILLS = frozenset({JournalType.PARTIAL_FILL, JournalType.FILL})
_ANSWERED = frozenset({JournalType.ORDER_ACKED, JournalType.REJECTED})
_APART_MS = 50.0


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the story. `after` is how long after the step before it came, empty for the first."""

    seq: int
    ts: str
    time: str
    title: str
    detail: str
    after: str
    is_decision: bool
    tone: Tone | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number about the whole life, with its unit."""

    label: str
    value: str


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """The story: figures first, the guard's rules at the decision, then every step. `empty` where there is none."""

    title: str
    figures: tuple[Figure, ...]
    steps: tuple[Step, ...]
    rules: Table | None
    empty: str


def life(intent_id: str, lines: Sequence[JournalLine], reader: Reader) -> Life:
    """Tell the life of an intent from its lines, oldest first."""
    decided = next((line for line in lines if line.type is JournalType.INTENT), None)
    rules = {} if decided is None else rules_of(decided)
    return Life(
        title=reader.say("operations.life.title", intent=intent_id),
        figures=_figures(lines, decided, reader),
        steps=tuple(_step(line, before, reader) for line, before in zip(lines, [None, *lines], strict=False)),
        rules=None if not rules else rules_table(rules, reader, title=reader.say("operations.life.rules")),
        empty=reader.say("operations.life.empty"),
    )


def _step(line: JournalLine, before: JournalLine | None, reader: Reader) -> Step:
    is_charge = line.type is JournalType.COMMISSION
    price = (
        ""
        if line.price is None
        else f"{wording.number(line.price, decimals=2 if is_charge else 4)} {line.ccy or 'USD'}"
    )
    facts = [
        line.side or "",
        quantity_words(line, reader),
        price if is_charge or not price else f"@ {price}",
        "" if line.status is None else wording.status(line.status, reader),
        what_and_why(line, reader),
    ]
    if line.latency_ms is not None:
        facts.append(reader.say("operations.life.latency", ms=wording.number(line.latency_ms, decimals=1)))
    slippage = (line.data or {}).get("slippage_usd")
    if isinstance(slippage, int | float):
        facts.append(reader.say("operations.life.slippage", usd=wording.usd(slippage, signed=True)))
    return Step(
        seq=line.seq,
        ts=line.ts,
        time=reader.day_and_time(line.ts, milliseconds=True),
        title=wording.operation(line.type.value, reader),
        detail=" · ".join(fact for fact in facts if fact),
        after="" if before is None else _after(before, line, reader),
        is_decision=line.type is JournalType.INTENT,
        tone=tone_of(line.type),
    )


def _after(before: JournalLine, line: JournalLine, reader: Reader) -> str:
    """`3.2 s later`; with the machine's own duration where that is another one."""
    own_ms, wall_ms = _between_ms(before.ts, line.ts), _between_ms(before.wall_ts, line.wall_ts)
    if own_ms is None:
        return ""
    if own_ms == 0 and wall_ms is not None:
        # Market stamps are coarse: what came with the same one was still not at once.
        return reader.say("operations.life.later_by_machine", wall=wording.age(wall_ms))
    if wall_ms is None or abs(own_ms - wall_ms) <= max(_APART_MS, 0.1 * abs(own_ms)):
        return reader.say("operations.life.later", time=wording.age(own_ms))
    return reader.say("operations.life.later_by_both", time=wording.age(own_ms), wall=wording.age(wall_ms))


def _between_ms(first: str, second: str) -> float | None:
    try:
        return (us_from_iso(second) - us_from_iso(first)) / 1000
    except ValueError:
        return None


def _figures(lines: Sequence[JournalLine], decided: JournalLine | None, reader: Reader) -> tuple[Figure, ...]:
    """What was wanted and what came of it; a part that the journal does not tell is a dash."""
    if not lines:
        return ()
    fills = [line for line in lines if line.type in _FILLS and line.quantity is not None]
    filled = sum(abs(line.quantity) for line in fills if line.quantity is not None)
    priced = [(abs(line.quantity), line.price) for line in fills if line.quantity and line.price is not None]
    average = None if not priced else sum(size * price for size, price in priced) / sum(size for size, _ in priced)
    commissions = [line.price for line in lines if line.type is JournalType.COMMISSION and line.price is not None]
    sent = next((line for line in lines if line.type is JournalType.ORDER_SENT), None)
    answered = next((line for line in lines if line.type in _ANSWERED), None)
    wanted = wording.DASH if decided is None else f"{decided.side or ''} {quantity_words(decided, reader)}".strip()
    figures = (
        ("wanted", wanted),
        ("filled", f"{wording.shares(filled)} (n = {len(fills)})" if fills else wording.DASH),
        ("price", wording.DASH if average is None else f"{wording.number(average, decimals=4)} USD"),
        ("commission", f"{wording.usd(sum(commissions))} USD" if commissions else wording.DASH),
        ("to_wire", wording.DASH if sent is None or sent.latency_ms is None else _milliseconds(sent.latency_ms)),
        ("to_answer", _span(sent, answered)),
        ("to_fill", _span(sent, fills[-1] if fills else None)),
    )
    return tuple(Figure(label=reader.say(f"operations.life.figures.{name}"), value=value) for name, value in figures)


def _milliseconds(value_ms: float) -> str:
    return f"{wording.number(value_ms, decimals=1)} ms"


def _span(first: JournalLine | None, last: JournalLine | None) -> str:
    """By the machine's clock: how long the venue took is not a matter of a recorded day's speed."""
    between = None if first is None or last is None else _between_ms(first.wall_ts, last.wall_ts)
    return wording.DASH if between is None else wording.age(between)
