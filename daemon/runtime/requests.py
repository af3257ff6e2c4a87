"""The operator's one-time requests: taken once, journaled by the core, then removed."""

from collections.abc import Callable
from pathlib import Path

import structlog

from daemon.core.effects import Record
from daemon.core.events import AnyEvent, BookRequest, SinkFailed
from daemon.runtime.journal_sink import JournalSink
from daemon.runtime.logging_setup import say
from state.control import ControlError, RequestRead, remove_request, shown_name
from state.records import JournalType

_log = structlog.stdlib.get_logger("bifrost.runtime.requests")


class RequestDesk:
    """From request files to events and back to nothing.

    The one rule: a file is removed only after the core's answer is in the journal; `known` are the ids that the
    journal already answered (a crash between answer and removal must not adopt the same shares twice).
    """

    def __init__(
        self,
        folder: Path,
        *,
        emit: Callable[[AnyEvent], None],
        journal: JournalSink,
        now_us: Callable[[], int],
        known: frozenset[str],
    ) -> None:
        self._folder = folder
        self._emit = emit
        self._journal = journal
        self._now_us = now_us
        self._known = known

    def requested(self, read: RequestRead) -> None:
        """A file appeared."""
        request = read.request
        if request is None:
            refusal = Record(
                type=JournalType.CONTROL_REFUSED,
                status="refused",
                reason="request_unreadable",
                data={"command": shown_name(read.name), "problem": read.problem},
            )
            error = self._journal.write([refusal], ts_us=self._now_us(), tape_seq=None)
            if error is not None:
                self._emit(SinkFailed(ts_us=self._now_us(), what="journal", error=error))
            self._remove(read.name)
            return
        if request.id in self._known:
            self._remove(read.name)
            return
        self._emit(
            BookRequest(
                ts_us=self._now_us(),
                request_id=request.id,
                command=request.command,
                shares=request.shares,
                ratio=request.ratio,
                by=request.by,
                reason=request.reason,
                age_ms=read.age_ms,
            )
        )

    def decided(self, event: AnyEvent) -> None:
        """The core has answered; its records are durable."""
        if isinstance(event, BookRequest):
            self._known |= {event.request_id}
            self._remove(f"{event.request_id}.json")

    def _remove(self, name: str) -> None:
        try:
            remove_request(self._folder, name)
        except ControlError as error:
            say(f"bifrost: {error}")
            _log.error("request_not_removed", name=name, error=str(error))
