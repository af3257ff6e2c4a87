from enum import StrEnum

import pytest

from daemon.core.fsm import IllegalTransitionError, Machine, TableError


class Door(StrEnum):
    SHUT = "shut"
    OPEN = "open"
    BURNT = "burnt"


class Push(StrEnum):
    OPEN = "open"
    SHUT = "shut"
    BURN = "burn"


ROWS = {
    Door.SHUT: {Push.OPEN: Door.OPEN, Push.BURN: Door.BURNT},
    Door.OPEN: {Push.SHUT: Door.SHUT, Push.OPEN: Door.OPEN},
    Door.BURNT: {},
}


def door(**changed: dict[Push, Door]) -> Machine[Door, Push]:
    return Machine("Door", Door, Push, {**ROWS, **{Door[name]: row for name, row in changed.items()}})


def test_every_pair_has_an_answer() -> None:
    machine = door()
    assert set(machine.pairs) == {(state, trigger) for state in Door for trigger in Push}
    for (state, trigger), to in machine.pairs.items():
        assert to == ROWS[state].get(trigger)


def test_an_illegal_pair_names_machine_state_and_trigger_and_changes_nothing() -> None:
    machine = door()
    before = dict(machine.pairs)
    with pytest.raises(IllegalTransitionError, match="Door: shut is illegal in burnt") as caught:
        machine.next(Door.BURNT, Push.SHUT)
    assert (caught.value.machine, caught.value.state, caught.value.trigger) == ("Door", "burnt", "shut")
    assert machine.pairs == before


def test_edges_are_the_legal_pairs() -> None:
    assert (Door.SHUT, Push.OPEN, Door.OPEN) in door().edges()
    assert len(door().edges()) == 4


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ({Door.SHUT: ROWS[Door.SHUT], Door.OPEN: ROWS[Door.OPEN]}, "no row for state burnt"),
        ({**ROWS, Door.OPEN: {Push.OPEN: Door.OPEN, Push.SHUT: Door.OPEN}}, "state open only leads to itself"),
        ({**ROWS, Door.OPEN: {Push.OPEN: Door.SHUT}}, "nothing uses trigger shut"),
        ({**ROWS, Door.SHUT: {Push.OPEN: Door.OPEN, Push.BURN: Door.OPEN}}, "nothing reaches state burnt"),
    ],
)
def test_an_unsound_table_is_refused_when_it_is_built(rows: dict[Door, dict[Push, Door]], problem: str) -> None:
    with pytest.raises(TableError, match=problem):
        Machine("Door", Door, Push, rows)
