"""What a pool of workers is, wherever they are."""

from typing import Protocol

from daemon.backtest.sweep.jobs import Job
from state.runs.records import Trial


class PoolError(Exception):
    """The workers cannot run this sweep, or are gone. One line with the remedy."""


class Pool(Protocol):
    """Where trials run."""

    @property
    def slots(self) -> int:
        """How many trials it runs at once."""
        ...

    def submit(self, job: Job) -> None:
        """Begin a trial; more than `slots` at once wait in line."""
        ...

    def wait(self, timeout_s: float) -> list[Trial]:
        """Trials that have ended, each told once; empty where none did in time."""
        ...

    def close(self) -> None:
        """Give up what still runs and free everything."""
        ...
