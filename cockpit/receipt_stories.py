"""What is known of each command, joined from three places: the control files, the journal, and the audit. Pure.

A file's own time is when it was written, the audit says it of a release and of a request; the rest is the daemon's
journal. A request is told by its id, a file by its name and time.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from state.control import AssertedCommand
from state.records import AuditLine, JournalLine, JournalType
from state.times import us_from_iso

STARTED_WITHIN_US: Final = 20_000_000
"""A desk that was stopped has to start its process, connect and reconcile before it can answer."""
_EXACT_US: Final = 1000
_WHOLE_SECOND_US: Final = 1_000_000
_RELEASED = {"pause": "resume", "stop": "start", "flatten": "withdrawn"}
_REQUESTS = frozenset({"adopt", "release", "acknowledge", "reset"})
_REQUEST_DONE = frozenset(
    {JournalType.BOOK_ADOPTED, JournalType.BOOK_RELEASED, JournalType.BOOK_ACKNOWLEDGED, JournalType.RESET}
)
_ASKED = frozenset({"written", "requested"})
TYPES: Final = frozenset(
    {
        JournalType.CONTROL_SEEN,
        JournalType.CONTROL_STARTED,
        JournalType.CONTROL_DONE,
        JournalType.CONTROL_REFUSED,
        JournalType.FLATTEN_SIZED,
        JournalType.FLATTEN_STUCK,
        JournalType.FLATTEN_ABORTED,
        JournalType.RUN_STARTED,
        *_REQUEST_DONE,
    }
)
"""The journal's lines that tell of commands."""

End = Literal["done", "in_force", "running", "refused", "aborted", "unconfirmed"]


class Story(msgspec.Struct, kw_only=True):
    """One command while it is put together. Times are the journal's text, empty while it has not happened."""

    command: str
    written_us: int
    is_exact: bool = True
    """False where the journal does not say the file's time, so that the line's own has to do."""
    by: str = ""
    seen: str = ""
    started: str = ""
    ended: str = ""
    end: End = "done"
    reason: str = ""
    """Why it was refused: a code."""
    detail: str = ""
    residual_shares: float | None = None
    own_at_start: float | None = None
    target_shares: float | None = None
    closing: str = ""
    """Of a flatten: the order that closes, `SELL 120`."""
    stuck: str = ""
    request_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether its end is still to come."""
        return not self.ended

    @property
    def is_request(self) -> bool:
        """Whether it is answered by one line: there is no file that stands."""
        return self.command in _REQUESTS


def stories(lines: Sequence[JournalLine], audit: Sequence[AuditLine], files: Iterable[AssertedCommand]) -> list[Story]:
    """Every command of these lines (oldest first) and files, in no order."""
    found = _from_journal(lines)
    _add_unseen_files(found, files)
    _add_asked(found, lines, audit)
    return found


def _from_journal(lines: Sequence[JournalLine]) -> list[Story]:
    found: list[Story] = []
    for line in lines:
        data: dict[str, Any] = line.data if line.data is not None else {}
        command, request_id = data.get("command"), data.get("request_id")
        if isinstance(request_id, str) and isinstance(command, str):
            found.append(_answered(line, data, command, request_id))
        elif line.type is JournalType.CONTROL_SEEN and isinstance(command, str):
            found.append(_seen(line, data, command))
        elif line.type is JournalType.CONTROL_DONE and line.status == "released" and isinstance(command, str):
            _note_release(found, command, line)
        else:
            story = next((each for each in reversed(found) if each.command == _command_of(line, command)), None)
            if story is not None:
                _continue(story, line, data)
    return found


def _command_of(line: JournalLine, command: object) -> object:
    return "flatten" if line.type in (JournalType.FLATTEN_SIZED, JournalType.FLATTEN_STUCK) else command


def _seen(line: JournalLine, data: dict[str, Any], command: str) -> Story:
    since = data.get("since_us")
    return Story(
        command=command,
        written_us=since if isinstance(since, int) else us_from_iso(line.wall_ts),
        is_exact=isinstance(since, int),
        by=_text(data.get("by")),
        seen=line.wall_ts,
    )


def _answered(line: JournalLine, data: dict[str, Any], command: str, request_id: str) -> Story:
    """A request's one line: done, or refused with its numbers."""
    done = line.type in _REQUEST_DONE
    return Story(
        command=command,
        written_us=us_from_iso(line.wall_ts),
        by=_text(data.get("by")),
        seen=line.wall_ts,
        ended=line.wall_ts,
        end="done" if done else "refused",
        reason="" if done else _text(line.reason),
        detail=_text(data.get("detail")),
        request_id=request_id,
    )


def _continue(story: Story, line: JournalLine, data: dict[str, Any]) -> None:
    if line.type is JournalType.CONTROL_STARTED:
        story.started = line.wall_ts
        story.own_at_start, story.target_shares = _number(data.get("own_shares")), _number(data.get("target_shares"))
    elif line.type is JournalType.FLATTEN_SIZED:
        story.closing, story.target_shares = f"{line.side} {line.quantity:g}", _number(data.get("target_shares"))
        story.stuck = ""
    elif line.type is JournalType.FLATTEN_STUCK:
        story.stuck = _text(data.get("detail"))
    elif line.type is JournalType.CONTROL_DONE:
        story.ended, story.end = line.wall_ts, "in_force" if story.command == "pause" else "done"
        story.residual_shares = _number(data.get("residual_option_delta_shares"))
    elif line.type in (JournalType.CONTROL_REFUSED, JournalType.FLATTEN_ABORTED):
        aborted = line.type is JournalType.FLATTEN_ABORTED
        story.ended = line.wall_ts
        story.end = "aborted" if aborted else "unconfirmed" if line.status == "unconfirmed" else "refused"
        story.reason, story.detail = _text(line.reason), _text(data.get("detail"))


def _note_release(found: list[Story], command: str, line: JournalLine) -> None:
    """The file has gone: of a finished flatten that is part of its end, of the others a command of its own."""
    before = next((story for story in reversed(found) if story.command == command), None)
    if command == "flatten" and before is not None and not before.is_open:
        return
    at = us_from_iso(line.wall_ts)
    found.append(Story(command=_RELEASED.get(command, command), written_us=at, seen=line.wall_ts, ended=line.wall_ts))


def _add_unseen_files(found: list[Story], files: Iterable[AssertedCommand]) -> None:
    """Asserted commands that the journal does not know yet. A file's time is what our daemon journals as well.

    Another bot may leave it out, and may write its own times to the second.
    """
    for file in files:
        known = [
            story
            for story in found
            if story.command == file.name
            and story.written_us >= file.since_us - (_EXACT_US if story.is_exact else _WHOLE_SECOND_US)
        ]
        for story in known:
            if not story.is_exact:
                # Never later than it was seen: that would only say how coarse the bot's own times are.
                story.written_us, story.by = min(story.written_us, file.since_us), story.by or file.by or ""
        if not known:
            found.append(Story(command=file.name, written_us=file.since_us, by=file.by or ""))


def _add_asked(found: list[Story], lines: Sequence[JournalLine], audit: Sequence[AuditLine]) -> None:
    """Releases and requests that were asked for: who asked, and those that the daemon has not answered."""
    for told in audit:
        if told.outcome not in _ASKED or told.action not in ("resume", "start", *_REQUESTS):
            continue
        at = us_from_iso(told.wall_ts)
        request_id = told.command_id or _text((told.data or {}).get("request_id"))
        answer = _answer_to(found, told.action, at, request_id)
        if answer is not None:
            answer.by, answer.written_us = answer.by or told.by, min(at, answer.written_us)
            continue
        story = Story(command=told.action, written_us=at, by=told.by, request_id=request_id)
        if told.action == "start":
            run = next((n for n in lines if n.type is JournalType.RUN_STARTED and us_from_iso(n.wall_ts) >= at), None)
            if run is not None:
                story.seen, story.ended, story.end = run.wall_ts, run.wall_ts, "running"
        found.append(story)


def _answer_to(found: list[Story], action: str, at: int, request_id: str) -> Story | None:
    if action in _REQUESTS:
        return next((story for story in found if story.request_id and story.request_id == request_id), None)
    return next(
        (each for each in found if each.command == action and -1_000_000 <= each.written_us - at <= STARTED_WITHIN_US),
        None,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
