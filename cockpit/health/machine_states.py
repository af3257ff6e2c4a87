"""What the daemon's machines and the strategy's classifier say now, in words. Pure."""

from collections.abc import Iterator

from cockpit import wording
from cockpit.health.cells import fact, facts
from cockpit.reader import Reader
from cockpit.tables import Row, Table, strategy_state
from state.records import GammaScalperState, Market, Snapshot


def machine_states(snapshot: Snapshot | None, reader: Reader) -> Table:
    """The daemon's state and posture; of a gamma scalper also its two machines and the six letters of its code."""
    say = reader.say
    state = None if snapshot is None else strategy_state(snapshot)
    rows = [
        fact(
            say("machines.daemon"),
            wording.state("daemon", None if snapshot is None else snapshot.daemon_state, reader),
            "",
        )
    ]
    if snapshot is not None and snapshot.posture is not None:
        why = "" if snapshot.posture.reason is None else reader.phrase(snapshot.posture.reason)
        rows.append(
            fact(
                say("machines.posture"),
                wording.state("posture", snapshot.posture.name, reader),
                reader.short_times(why, now_iso=snapshot.ts),
                tone=None if snapshot.posture.name == "ACTIVE" else "bad",
            )
        )
    if state is not None:
        rows += [
            _machine(say("machines.trading"), "trading", state.trading_state, reader),
            _machine(say("machines.hedge"), "hedge", state.hedge_state, reader),
            *_codes(state, reader),
        ]
    return facts(say("machines.title"), tuple(rows), reader)


def _machine(name: str, machine: wording.Machine, state: str, reader: Reader) -> Row:
    """The state in words; beside it the machine's own word, which journal and documents use, where it is another."""
    said = wording.state(machine, state, reader)
    return fact(name, said, "" if said == state else state)


def _codes(state: GammaScalperState, reader: Reader) -> Iterator[Row]:
    """A row for each letter: `Options`, `long gamma`, `O1`; the market's with what it is made of."""
    for code in state.state_code.split():
        letter = reader.say_known("codes", code[:1], code)
        note = " · ".join(part for part in (code, _market(state.market, reader) if code[:1] == "M" else "") if part)
        yield fact(letter, reader.say_known("codes", code, code), note)


def _market(market: Market, reader: Reader) -> str:
    parts = []
    if market.volatility_pct is not None:
        parts.append(reader.say("machines.volatility", value=wording.percent(market.volatility_pct, decimals=1)))
    if market.efficiency is not None:
        parts.append(reader.say("machines.efficiency", value=wording.number(market.efficiency, decimals=2)))
    if market.gap_pct is not None:
        age = None if market.gap_age_s is None else market.gap_age_s * 1000
        gap = wording.percent(market.gap_pct, signed=True)
        parts.append(reader.say("machines.gap", value=gap, age=wording.age(age)))
    return " · ".join(parts)
