"""What became of the last commands: written, seen, started, done, with times. Pure.

A command that nobody has seen within its deadline is said so in red, with the shell line that does the same.
`receipt_stories` joins what is known; this says it to a reader.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from cockpit import wording
from cockpit.reader import Reader
from cockpit.receipt_stories import STARTED_WITHIN_US, Story, stories
from state.control import AssertedCommand
from state.records import AuditLine, JournalLine, Snapshot
from state.times import iso_from_us

SEEN_WITHIN_US = 3_000_000
SHOWN = 3
KEEP_US = 15 * 60 * 1_000_000
"""How long a finished receipt stays on the Now page; the Operations page keeps them all."""
_FAILED = frozenset({"refused", "aborted", "unconfirmed"})
_HAS_START = frozenset({"stop", "flatten"})
_WITH_A_TWIN = frozenset({"stop", "pause", "flatten", "resume", "start", "reset"})
_TWIN = {
    "adopt": "book adopt --shares N --reason TEXT",
    "release": "book release --shares N --reason TEXT",
    "acknowledge": "book acknowledge --shares N --reason TEXT",
    "reset": "reset --by NAME --reason TEXT",
}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain; `time` is empty while it has not happened."""

    word: str
    state: Literal["done", "todo", "failed"]
    time: str = ""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a flatten has come. `done_pct` is None where the way is not known."""

    text: str
    done_pct: float | None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One command and how far it came. `shell` is what to type when it did not come far enough."""

    command: str
    by: str = ""
    state: Literal["done", "running", "failed"]
    steps: tuple[Step, ...]
    note: str = ""
    remedy: str = ""
    progress: Progress | None = None
    shell: str | None = None


def receipts(
    lines: Sequence[JournalLine],
    audit: Sequence[AuditLine],
    files: Iterable[AssertedCommand],
    *,
    now_us: int,
    reader: Reader,
    command_line: Callable[[str], str],
    snapshot: Snapshot | None = None,
    is_live: bool = True,
) -> tuple[Receipt, ...]:
    """The last commands, newest first. `lines` and `audit` are oldest first; `command_line` gives its shell twin.

    `snapshot` tells how far a flatten has come; `is_live` false says that no daemon answers now.
    """
    found = stories(lines, audit, files)
    recent = [story for story in found if now_us - story.written_us < KEEP_US or story.is_open]
    recent.sort(key=lambda story: story.written_us, reverse=True)
    return tuple(_receipt(story, now_us, command_line, reader, snapshot, is_live=is_live) for story in recent[:SHOWN])


def _receipt(
    story: Story,
    now_us: int,
    command_line: Callable[[str], str],
    reader: Reader,
    snapshot: Snapshot | None,
    *,
    is_live: bool,
) -> Receipt:
    deadline = STARTED_WITHIN_US if story.command == "start" else SEEN_WITHIN_US
    late = not story.seen and story.is_open and now_us - story.written_us > deadline
    failed = late or story.end in _FAILED
    return Receipt(
        command=reader.say_known("receipts.command", story.command, story.command.capitalize()),
        by=reader.say("receipts.by", name=story.by) if story.by else "",
        state="failed" if failed else "running" if story.is_open else "done",
        steps=_steps(story, now_us, reader, late=late),
        note=_note(story, now_us, reader, late=late, is_live=is_live),
        remedy=reader.say_known("remedies", story.reason, "") if story.end in _FAILED else "",
        progress=_progress(story, snapshot, reader),
        shell=_shell(story, command_line) if late else None,
    )


def _steps(story: Story, now_us: int, reader: Reader, *, late: bool) -> tuple[Step, ...]:
    written = reader.time_of_day(iso_from_us(story.written_us), milliseconds=True)
    steps = [Step(word=reader.say("receipts.written"), state="done", time=written)]
    if late:
        age = wording.age((now_us - story.written_us) / 1000)
        return (*steps, Step(word=reader.say("receipts.not_seen", age=age), state="failed"))
    steps.append(_step("seen", story.seen, reader))
    if story.end in _FAILED:
        at = reader.time_of_day(story.ended, milliseconds=True)
        return (*steps, Step(word=reader.say(f"receipts.end.{story.end}"), state="failed", time=at))
    # A bot for which there is nothing between seeing and having done says no `control_started`.
    if story.command in _HAS_START and (story.started or story.is_open):
        steps.append(_step("started", story.started, reader))
    return (*steps, _step(f"end.{story.end}", story.ended, reader))


def _step(word: str, at: str, reader: Reader) -> Step:
    text = reader.say(f"receipts.{word}")
    if not at:
        return Step(word=text, state="todo")
    return Step(word=text, state="done", time=reader.time_of_day(at, milliseconds=True))


def _note(story: Story, now_us: int, reader: Reader, *, late: bool, is_live: bool) -> str:
    if late and not is_live:
        return reader.say("receipts.nobody_request" if story.is_request else "receipts.nobody")
    if story.end in _FAILED:
        why = reader.short_times(reader.phrase(story.detail), now_iso=iso_from_us(now_us))
        return " · ".join(text for text in (story.reason and wording.cause(story.reason, reader), why) if text)
    if story.command == "flatten" and story.stuck and story.is_open:
        return reader.say("receipts.stuck", why=reader.phrase(story.stuck))
    if story.command == "flatten" and story.residual_shares is not None:
        return reader.say("receipts.residual", shares=wording.shares(story.residual_shares, signed=True))
    return ""


def _progress(story: Story, snapshot: Snapshot | None, reader: Reader) -> Progress | None:
    """Own shares now, where they are to be, and what works for it: of a flatten that has begun and not ended."""
    if story.command != "flatten" or not story.started or not story.is_open:
        return None
    own = None if snapshot is None else snapshot.own_shares
    working = 0 if snapshot is None else sum(order.own for order in snapshot.working_orders)
    target = 0.0 if story.target_shares is None else story.target_shares
    text = reader.say(
        "receipts.progress",
        own=wording.shares(own, signed=True),
        target=wording.shares(target, signed=target != 0),
        orders=working,
    )
    if story.closing:
        text = reader.say("receipts.closing", text=text, order=story.closing)
    way = None if story.own_at_start is None else abs(story.own_at_start - target)
    if own is None or not way:
        return Progress(text=text, done_pct=None)
    return Progress(text=text, done_pct=round(max(0.0, min(1.0, 1 - abs(own - target) / way)) * 100, 1))


def _shell(story: Story, command_line: Callable[[str], str]) -> str | None:
    twin = _TWIN.get(story.command, story.command if story.command in _WITH_A_TWIN else None)
    return None if twin is None else command_line(twin)
