"""Options of the underlying that the account holds become legs, and adopted legs end.

Which position qualifies is the strategy's to say (`Decision.adopt`); the core writes it into the ledger, journals it
and checkpoints in the same step, so that an adopted leg is either on disk or not a leg. It stays one until it is closed
or settled (its contracts are 0 and no execution of today speaks of it), or until the profile no longer adopts.
"""

import msgspec

from daemon.core.day import write_checkpoint
from daemon.core.effects import RequestReconcile
from daemon.core.events import PositionChanged
from daemon.core.instruments import TOLERANCE, is_option_of
from daemon.core.ledger import foreign_traded
from daemon.core.pnl import without_leg
from daemon.core.reconcile import refresh_unexplained
from daemon.core.turn import Turn
from state.records import JournalType


def adopt(turn: Turn, bases: dict[str, float]) -> None:
    """Make legs of these: instrument -> contracts of the account less what others have traded today."""
    for name, base in bases.items():
        ledger, spec = turn.book.ledger, turn.book.specs[name]
        turn.change_ledger(
            adopted_legs={**ledger.adopted_legs, name: spec},
            leg_quantities={**ledger.leg_quantities, name: base},
        )
        turn.record(
            JournalType.LEG_ADOPTED,
            instrument=name,
            quantity=base + foreign_traded(ledger, name),
            unit="contract",
            status="adopted",
            reason="within the structure gates",
            data={"multiplier": spec.multiplier, "venue_id": spec.venue_id},
        )
    turn.put(strategy=turn.strategy.legs_changed(turn.book.strategy, turn.book))
    refresh_unexplained(turn)
    write_checkpoint(turn)


def on_position(turn: Turn, event: PositionChanged) -> None:
    """An option that is no leg has appeared or changed: only a complete report tells positions and executions alike."""
    name = event.position.instrument
    if is_option_of(name, turn.book.underlying) and name not in turn.strategy.legs(turn.book.strategy, turn.book):
        turn.do(RequestReconcile(reason="option_found"))


def on_report(turn: Turn) -> None:
    """Let go of adopted legs that are closed since an earlier day, or that the profile does not adopt any more."""
    adopts = turn.profile.gates.strategy.structure.adopt
    ended = {}
    for name in turn.book.ledger.adopted_legs:
        if not adopts:
            ended[name] = "gates.strategy.structure.adopt is false"
        elif _is_closed(turn, name):
            ended[name] = "closed or settled"
    for name, reason in ended.items():
        turn.record(
            JournalType.LEG_RELEASED,
            instrument=name,
            quantity=turn.book.account_positions.get(name, 0.0),
            unit="contract",
            status="released",
            reason=reason,
        )
        _release(turn, name)
    if ended:
        refresh_unexplained(turn)
        write_checkpoint(turn)


def _release(turn: Turn, name: str) -> None:
    """Forget an adopted leg; what it earned today stays in the day's result."""
    ledger, day = turn.book.ledger, turn.book.day
    adopted = {leg: spec for leg, spec in ledger.adopted_legs.items() if leg != name}
    turn.change_ledger(adopted_legs=adopted)
    turn.put(strategy=turn.strategy.legs_changed(turn.book.strategy, turn.book))
    if name in turn.strategy.legs(turn.book.strategy, turn.book):
        return  # the profile declares it by now: it goes on as before
    ledger = without_leg(
        ledger,
        name,
        contracts=ledger.leg_quantities.get(name, 0.0) + foreign_traded(ledger, name),
        # The first report of a run comes before any price: the newest marks are then those of the journal.
        mark=day.marks.get(name, ledger.last_marks.get(name)),
        multiplier=ledger.adopted_legs[name].multiplier,
    )
    turn.put(
        ledger=msgspec.structs.replace(
            ledger,
            adopted_legs=adopted,
            leg_quantities={leg: quantity for leg, quantity in ledger.leg_quantities.items() if leg != name},
        ),
        day=msgspec.structs.replace(day, marks={leg: mark for leg, mark in day.marks.items() if leg != name}),
    )


def _is_closed(turn: Turn, name: str) -> bool:
    """No contracts left, and none that came or went today: the day's result of the leg is not to be lost."""
    ledger = turn.book.ledger
    return (
        abs(ledger.leg_quantities.get(name, 0.0)) <= TOLERANCE
        and abs(turn.book.account_positions.get(name, 0.0)) <= TOLERANCE
        and all(fill.instrument != name for fill in ledger.foreign_fills.values())
    )
