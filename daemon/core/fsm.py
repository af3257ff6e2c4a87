"""Machines as tables: states by triggers, total and loud.

A machine is written as rows, one per state: `{trigger: next state}`; a state without exits is written `{}`.
A pair that a row leaves out is illegal. `Machine` fills every such pair in, so that each of states x triggers has
an answer, and refuses at import time a table with a missing row, a trigger that nothing uses, a state that nothing
reaches or one that only leads to itself. A machine holds no current state: the caller keeps it and asks `next`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

StateT = TypeVar("StateT", bound=StrEnum)
TriggerT = TypeVar("TriggerT", bound=StrEnum)


class IllegalTransitionError(Exception):
    """A trigger met a state that has no answer to it. Nothing was changed; in the live daemon this is a halt."""

    def __init__(self, machine: str, state: str, trigger: str) -> None:
        super().__init__(f"{machine}: {trigger} is illegal in {state}")
        self.machine = machine
        self.state = state
        self.trigger = trigger


class TableError(Exception):
    """A machine's rows do not make a sound table; raised when its module is imported."""


class Machine(Generic[StateT, TriggerT]):
    """One total table. Key of `pairs`: (state, trigger); the value is the next state, or None where illegal.

    The first state of the enum is where the machine starts. Raises TableError for an unsound table.
    """

    def __init__(
        self,
        name: str,
        states: type[StateT],
        triggers: type[TriggerT],
        rows: Mapping[StateT, Mapping[TriggerT, StateT]],
    ) -> None:
        self.name = name
        self.states = tuple(states)
        self.triggers = tuple(triggers)
        self.initial = self.states[0]
        self._check(rows)
        self.pairs: dict[tuple[StateT, TriggerT], StateT | None] = {
            (state, trigger): rows[state].get(trigger) for state in self.states for trigger in self.triggers
        }

    def next(self, state: StateT, trigger: TriggerT) -> StateT:
        """The next state. Raises IllegalTransitionError naming machine, state and trigger."""
        following = self.pairs[state, trigger]
        if following is None:
            raise IllegalTransitionError(self.name, state, trigger)
        return following

    def edges(self) -> tuple[tuple[StateT, TriggerT, StateT], ...]:
        """Every legal (state, trigger, next state), in the order of the table."""
        return tuple((state, trigger, to) for (state, trigger), to in self.pairs.items() if to is not None)

    def _check(self, rows: Mapping[StateT, Mapping[TriggerT, StateT]]) -> None:
        """Raise TableError naming the first thing that is wrong."""
        for state in self.states:
            if state not in rows:
                raise TableError(f"{self.name}: no row for state {state}")
            if rows[state] and all(to == state for to in rows[state].values()):
                raise TableError(f"{self.name}: state {state} only leads to itself; write {{}} if it is final")
        used = {trigger for row in rows.values() for trigger in row}
        if unused := [trigger for trigger in self.triggers if trigger not in used]:
            raise TableError(f"{self.name}: nothing uses trigger {unused[0]}")
        reached, frontier = {self.initial}, [self.initial]
        while frontier:
            for to in rows[frontier.pop()].values():
                if to not in reached:
                    reached.add(to)
                    frontier.append(to)
        if lost := [state for state in self.states if state not in reached]:
            raise TableError(f"{self.name}: nothing reaches state {lost[0]}")
