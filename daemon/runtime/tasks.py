"""Named, owned tasks. Any that dies or returns without leave stops the daemon and is named.

An asyncio task that ends quietly is a daemon that looks alive and does nothing; here nothing ends quietly.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

_log = structlog.stdlib.get_logger("bifrost.runtime.tasks")


class TaskDiedError(Exception):
    """A task ended that must not end. `name` says which; the cause, if any, is chained."""

    def __init__(self, name: str, cause: BaseException | None) -> None:
        self.name = name
        self.cause = cause
        what = "returned unexpectedly" if cause is None else f"died: {type(cause).__name__}: {cause}"
        super().__init__(f"task {name} {what}")


class TaskOwner:
    """Starts tasks, watches them, and cancels them in reverse order of their start.

    The one rule: every background task of the process is started here.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The running tasks, in the order of their start."""
        return tuple(self._tasks)

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Start one task. Raises ValueError when the name is taken."""
        if name in self._tasks:
            work.close()
            raise ValueError(f"a task named {name} runs already")
        self._tasks[name] = asyncio.create_task(work, name=name)

    async def until(self, finished: "asyncio.Future[int]") -> int:
        """Wait for `finished` and return its value. Raises TaskDiedError as soon as any task ends before it."""
        waiting: set[asyncio.Future[Any]] = {finished, *self._tasks.values()}
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        # A task's death counts even when the end came in the same turn: its exception must not vanish.
        for name, task in self._tasks.items():
            if task in done:
                cause = None if task.cancelled() else task.exception()
                if cause is None and finished.done():
                    continue
                raise TaskDiedError(name, cause) from cause
        return finished.result()

    async def cancel_all(self, *, waiting_for: str | None = None) -> None:
        """Cancel every task, last started first, and wait for each; what dies on the way is logged.

        `waiting_for` names one that has been told to end by itself (a thread cannot be cancelled).
        """
        for name, task in reversed(self._tasks.items()):
            if name != waiting_for:
                task.cancel()
            await asyncio.wait({task})
            error = None if task.cancelled() else task.exception()
            if error is not None:
                _log.error("task_died_while_stopping", task=name, error=repr(error))
        self._tasks.clear()
