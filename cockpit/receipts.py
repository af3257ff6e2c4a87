"""What became of the last commands: written, seen, started, done, with times. Pure.

`written` is the control file's own time (or the audit's, for a release); the rest is the daemon's journal. A command
that nobody has seen within its deadline is said so in red, with the shell line that does the same.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec

from cockpit import wording
from cockpit.reader import Reader
from state.control import AssertedCommand
from state.records import AuditLine, JournalLine, JournalType
from state.times import iso_from_us, us_from_iso

SEEN_WITHIN_US = 3_000_000
STARTED_WITHIN_US = 20_000_000
"""A desk that was stopped has to start its process, connect and reconcile before it can answer."""
_WHOLE_SECOND_US = 1_000_000
SHOWN = 3
KEEP_US = 15 * 60 * 1_000_000
"""How long a finished receipt stays on the Now page; the Operations page keeps them all."""

_RELEASES = {"pause": "resume", "stop": "start", "flatten": "flatten withdrawn"}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain; `time` is empty while it has not happened."""

    word: str
    state: Literal["done", "todo", "failed"]
    time: str = ""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One command and how far it came. `shell` is what to type when it did not come far enough."""

    command: str
    by: str = ""
    state: Literal["done", "running", "failed"]
    steps: tuple[Step, ...]
    note: str = ""
    shell: str | None = None


class _Story(msgspec.Struct):
    """One command while it is put together."""

    command: str
    written_us: int
    is_exact: bool = True
    """False where the journal does not say the file's time, so that the line's own has to do."""
    by: str = ""
    seen: str = ""
    started: str = ""
    done: str = ""
    done_word: str = "done"
    refused: str = ""
    note: str = ""


def receipts(
    lines: Sequence[JournalLine],
    audit: Sequence[AuditLine],
    files: Iterable[AssertedCommand],
    *,
    now_us: int,
    reader: Reader,
    command_line: Callable[[str], str],
) -> tuple[Receipt, ...]:
    """The last commands, newest first. `lines` and `audit` are oldest first; `command_line` gives its shell twin."""
    stories = _from_journal(lines)
    _add_unseen_files(stories, files)
    _add_releases(stories, lines, audit)
    recent = [story for story in stories if now_us - story.written_us < KEEP_US or _is_open(story)]
    recent.sort(key=lambda story: story.written_us, reverse=True)
    return tuple(_receipt(story, now_us, command_line, reader) for story in recent[:SHOWN])


def _from_journal(lines: Sequence[JournalLine]) -> list[_Story]:
    stories: list[_Story] = []
    for line in lines:
        data: dict[str, Any] = line.data if line.data is not None else {}
        command = data.get("command")
        if line.type is JournalType.CONTROL_SEEN and isinstance(command, str):
            since = data.get("since_us")
            written = since if isinstance(since, int) else us_from_iso(line.wall_ts)
            by = data.get("by")
            stories.append(
                _Story(
                    command=command,
                    written_us=written,
                    is_exact=isinstance(since, int),
                    by=by if isinstance(by, str) else "",
                    seen=line.wall_ts,
                )
            )
            continue
        if line.type is JournalType.CONTROL_DONE and line.status == "released" and isinstance(command, str):
            _note_release(stories, command, line)
            continue
        story = next((story for story in reversed(stories) if story.command == command), None)
        if story is not None:
            _continue(story, line, data)
    return stories


def _continue(story: _Story, line: JournalLine, data: dict[str, Any]) -> None:
    if line.type is JournalType.CONTROL_STARTED:
        story.started = line.wall_ts
    elif line.type is JournalType.CONTROL_DONE:
        story.done = line.wall_ts
        story.done_word = "in force" if story.command == "pause" else "done"
    elif line.type in (JournalType.CONTROL_REFUSED, JournalType.FLATTEN_ABORTED):
        story.refused = line.wall_ts
        story.done_word = "aborted" if line.type is JournalType.FLATTEN_ABORTED else "refused"
        detail = data.get("detail")
        story.note = " · ".join(text for text in (line.reason, detail) if isinstance(text, str) and text)
    if story.command == "flatten" and story.done:
        residual = data.get("residual_option_delta_shares")
        if isinstance(residual, int | float):
            story.note = f"residual option delta {wording.shares(float(residual), signed=True)} shares"


def _note_release(stories: list[_Story], command: str, line: JournalLine) -> None:
    """The file has gone: of a finished flatten that is part of its end, of the others a command of its own."""
    before = next((story for story in reversed(stories) if story.command == command), None)
    if command == "flatten" and before is not None and (before.done or before.refused):
        return
    at = us_from_iso(line.wall_ts)
    stories.append(_Story(command=_RELEASES.get(command, command), written_us=at, seen=line.wall_ts, done=line.wall_ts))


def _add_unseen_files(stories: list[_Story], files: Iterable[AssertedCommand]) -> None:
    """Asserted commands that the journal does not know yet. A file's time is what our daemon journals as well.

    Another bot may leave it out, and may write its own times to the second.
    """
    for file in files:
        known = [
            story
            for story in stories
            if story.command == file.name
            and story.written_us >= file.since_us - (1000 if story.is_exact else _WHOLE_SECOND_US)
        ]
        for story in known:
            if not story.is_exact:
                # Never later than it was seen: that would only say how coarse the bot's own times are.
                story.written_us, story.by = min(story.written_us, file.since_us), story.by or file.by or ""
        if not known:
            stories.append(_Story(command=file.name, written_us=file.since_us, by=file.by or ""))


def _add_releases(stories: list[_Story], lines: Sequence[JournalLine], audit: Sequence[AuditLine]) -> None:
    """Releases that were asked for: who asked, and those that the daemon has not answered."""
    for told in audit:
        if told.action not in ("resume", "start") or told.outcome != "written":
            continue
        at = us_from_iso(told.wall_ts)
        answer = next(
            (s for s in stories if s.command == told.action and -1000_000 <= s.written_us - at <= STARTED_WITHIN_US),
            None,
        )
        if answer is not None:
            answer.by, answer.written_us = told.by, at
            continue
        story = _Story(command=told.action, written_us=at, by=told.by)
        if told.action == "start":
            run = next((n for n in lines if n.type is JournalType.RUN_STARTED and us_from_iso(n.wall_ts) >= at), None)
            if run is not None:
                story.seen = story.done = run.wall_ts
                story.done_word = "running"
        stories.append(story)


def _is_open(story: _Story) -> bool:
    return not story.done and not story.refused


def _receipt(story: _Story, now_us: int, command_line: Callable[[str], str], reader: Reader) -> Receipt:
    deadline = STARTED_WITHIN_US if story.command == "start" else SEEN_WITHIN_US
    late = not story.seen and _is_open(story) and now_us - story.written_us > deadline
    steps = [
        Step(word="written", state="done", time=reader.time_of_day(iso_from_us(story.written_us), milliseconds=True))
    ]
    if late:
        steps.append(Step(word=f"not seen for {wording.age((now_us - story.written_us) / 1000)}", state="failed"))
    else:
        steps.append(_step("seen", story.seen, reader))
    # A bot for which there is nothing between seeing and having done says no `control_started`.
    if story.command in ("stop", "flatten") and not late and (story.started or not story.done):
        steps.append(_step("started", story.started, reader))
    if story.refused:
        steps[2:] = [
            Step(word=story.done_word, state="failed", time=reader.time_of_day(story.refused, milliseconds=True))
        ]
    elif not late:
        steps.append(_step(story.done_word, story.done, reader))
    failed = late or bool(story.refused)
    return Receipt(
        command=story.command.upper() if story.command in ("stop", "flatten") else story.command.capitalize(),
        by=f"by {story.by}" if story.by else "",
        state="failed" if failed else "running" if _is_open(story) else "done",
        steps=tuple(steps),
        note=story.note,
        shell=command_line(story.command)
        if late and story.command in ("stop", "pause", "flatten", "resume", "start")
        else None,
    )


def _step(word: str, at: str, reader: Reader) -> Step:
    if not at:
        return Step(word=word, state="todo")
    return Step(word=word, state="done", time=reader.time_of_day(at, milliseconds=True))
