"""A power cut ahead of every operation of a recorded scenario, and a check of every state that it may leave."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from tests.faults.lossy_disk import Bound, Disk, Operation, Tree
from tests.faults.recorder import KilledError

COARSE = Bound()


@dataclass
class Cuts:
    """Visits the states of a power cut ahead of every operation, equal ones once."""

    check: Callable[[Tree, Any], None]
    bound: Bound = COARSE
    from_operation: int = 0
    kill_at: int | None = None
    known: Hashable = None
    """What is promised by now; the scenario keeps it up to date."""
    disk: Disk = field(default_factory=Disk)
    operations: int = 0
    visited: int = 0
    was_killed: bool = False
    seen: set[int] = field(default_factory=set)
    """Of what was checked; shared between `Cuts` with the same check."""
    every: int = 1
    """Check each n-th of the different states only: the usual run's sample of what the nightly one checks in full."""

    def before(self, _operation: Operation) -> None:
        """Hand this to a Recorder."""
        self.operations += 1
        if self.operations == self.kill_at:
            self.was_killed = True
            raise KilledError
        if self.operations >= self.from_operation:
            self.visit()

    def visit(self) -> None:
        for tree in self.disk.crash_states(self.bound):
            key = hash((self.known, tuple(sorted(tree.items(), key=lambda each: each[0]))))
            if key not in self.seen:
                self.seen.add(key)
                if len(self.seen) % self.every:
                    continue
                self.visited += 1
                self.check(tree, self.known)
