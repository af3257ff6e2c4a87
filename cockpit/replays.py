"""What became of requests that were answered already, so that a repeated one is never carried out again."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from state.audit import newest_audit
from state.layout import DeskPaths

Value = TypeVar("Value")
_KEPT = 512
_AUDITED_BACK = 200
"""How many lines of the audit are looked through for a request of before this process."""
_DONE = frozenset({"written", "requested", "stood already", "was not asserted"})


class Replays(Generic[Value]):
    """The newest answers by key, in memory. Safe from any thread."""

    def __init__(self, keep: int = _KEPT) -> None:
        self._answers: OrderedDict[str, Value] = OrderedDict()
        self._most = keep
        self._lock = threading.Lock()

    def find(self, key: str) -> Value | None:
        """The answer that was kept, if any."""
        with self._lock:
            return self._answers.get(key)

    def keep(self, key: str, answer: Value) -> None:
        """Keep an answer; the oldest goes when there are too many."""
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)

    @staticmethod
    def was_audited(paths: DeskPaths, action: str, request_id: str) -> bool:
        """Whether the audit knows this request as carried out: it outlives the process that did it."""
        try:
            lines = newest_audit(paths.audit, _AUDITED_BACK)
        except OSError:
            return False
        return any(line.command_id == request_id and line.action == action and line.outcome in _DONE for line in lines)
