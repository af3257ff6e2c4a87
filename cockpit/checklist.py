"""What stands in the way before a desk is let trade again: one line for everything that was measured. Pure.

The daemon decides in the end; this says beforehand what it will find, who ends it, and what to do.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from cockpit import light_view, wording
from cockpit.reader import Reader
from state.light import LightReason
from state.look import Look
from state.records import Check, Limit, Snapshot
from state.times import iso_from_us

Command = Literal["resume", "start", "reset"]
State = Literal["ok", "blocks", "note"]

ITS_OWN: Mapping[Command, frozenset[str]] = {
    "resume": frozenset({"paused"}),
    "start": frozenset({"stopped", "stop_asserted", "snapshot_old", "snapshot_missing"}),
    "reset": frozenset({"halted", "risk_halt", "safe"}),
}
"""What the command itself ends, or what only repeats it."""
HOLDING = frozenset(
    {
        "paused",
        "control_unreadable",
        "foreign_unacknowledged",
        "leg_settlement",
        "waiting_ib",
        "restart_window",
        "link_not_synced",
        "not_reconciled",
        "reject_backoff",
        "stop_asserted",
        "flatten_asserted",
        "pacing",
    }
)
"""Yellow, and still no hedge leaves."""
MEASURED_BY: Mapping[str, str] = {"daily_loss": "daily_loss_usd", "drawdown": "drawdown_pct"}
"""Halts that a limit of the snapshot measures: a reset is refused until it is below."""
NEEDS_A_MATCH = frozenset({"overfill", "orphan_execution", "journal_salvaged", "reconciliation_mismatch"})
"""Halts that a reset ends only when broker and book agree on every share."""
_DISAGREE = ("link_down", "link_not_synced", "not_reconciled", "position_unexplained")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `clears` says who ends it, `href` is its runbook entry."""

    state: State
    code: str
    text: str
    measured: str = ""
    limit: str = ""
    clears: str = ""
    remedy: str = ""
    href: str = ""


class Checklist(msgspec.Struct, frozen=True, kw_only=True):
    """The lines, worst first. `as_of` is the age of what they are made of where the desk does not run."""

    command: Command
    lines: tuple[Line, ...]
    as_of: str = ""

    @property
    def blocking(self) -> tuple[Line, ...]:
        """What keeps the next hedge, or the command itself, from happening."""
        return tuple(line for line in self.lines if line.state == "blocks")

    @property
    def passing(self) -> tuple[Line, ...]:
        """What is in order."""
        return tuple(line for line in self.lines if line.state == "ok")


def checklist(
    command: Command, look: Look, *, desk: str, now_us: int, reader: Reader, beginning: str | None = None
) -> Checklist:
    """Everything that the last look found, apart from what the command itself ends.

    `beginning` is how a command in a sentence begins (`CockpitContext.beginning`).
    """
    down = look.light.state == "not_live"
    lines = [*_standing(command, look, desk=desk, now_us=now_us, reader=reader, beginning=beginning)]
    if look.snapshot is not None:
        if command == "reset":
            lines += _causes(look.snapshot, reader)
        lines += [_passing(check, reader) for check in look.snapshot.self_check.checks if check.ok]
    order: list[State] = ["blocks", "note", "ok"]
    lines.sort(key=lambda line: order.index(line.state))
    return Checklist(command=command, lines=tuple(lines), as_of=wording.age(look.light.age_ms) if down else "")


def _standing(
    command: Command, look: Look, *, desk: str, now_us: int, reader: Reader, beginning: str | None
) -> list[Line]:
    """The light's reasons; of a desk that does not run also what its last self check found."""
    snapshot = look.snapshot
    shown = light_view.shown_light(
        snapshot,
        look.light,
        desk=desk,
        now_iso=iso_from_us(now_us),
        reader=reader,
        control=look.control,
        command=beginning,
    )
    texts = {reason.code: reason for reason in shown.reasons}
    checks = {} if snapshot is None else {c.reason or c.name: c for c in snapshot.self_check.checks if not c.ok}
    found = []
    for reason in look.light.reasons:
        if reason.code in ITS_OWN[command]:
            continue
        told = texts[reason.code]
        found.append(
            Line(
                state=_state(command, reason),
                code=reason.code,
                text=told.text,
                clears=reader.say(f"checklist.clears.{reason.cleared_by or 'operator'}"),
                remedy=told.remedy,
                href=told.href,
                **_numbers(checks.get(reason.code), told.measured, reader),
            )
        )
    known = {line.code for line in found} | ITS_OWN[command]
    if look.light.state == "not_live":
        found += [_last_word(code, check, reader) for code, check in checks.items() if code not in known]
    return found


def _state(command: Command, reason: LightReason) -> State:
    """A halt is what a reset is for: it does not stand in its own way."""
    if command == "reset":
        return "note"
    return "blocks" if reason.severity != "yellow" or reason.code in HOLDING else "note"


def _last_word(code: str, check: Check, reader: Reader) -> Line:
    """A check that failed when the desk was last heard of: it is measured anew after the start."""
    return Line(
        state="note",
        code=code,
        text=reader.say("checklist.was_so", name=wording.check_name(check.name, reader)),
        clears=reader.say("checklist.clears.remeasured"),
        **_numbers(check, "", reader),
    )


def _numbers(check: Check | None, otherwise: str, reader: Reader) -> dict[str, str]:
    if check is None or check.measured is None:
        return {"measured": otherwise}
    limit = "" if check.limit is None else wording.with_unit(check.name, check.limit, reader)
    return {"measured": wording.with_unit(check.name, check.measured, reader), "limit": limit}


def _passing(check: Check, reader: Reader) -> Line:
    return Line(state="ok", code=check.name, text=wording.check_name(check.name, reader), **_numbers(check, "", reader))


def _causes(snapshot: Snapshot, reader: Reader) -> list[Line]:
    """Whether the halts' causes measure clear, as far as a page can see."""
    failed = {check.reason: check for check in snapshot.self_check.checks if not check.ok}
    found = []
    for halt, limit_name in MEASURED_BY.items():
        limit = next((each for each in snapshot.limits if each.name == limit_name), None)
        if halt in failed and limit is not None:
            found.append(_measured_cause(halt, limit, reader))
    if NEEDS_A_MATCH & failed.keys():
        apart = next((failed[code] for code in _DISAGREE if code in failed), None)
        found.append(
            Line(
                state="ok" if apart is None else "blocks",
                code="match",
                text=reader.say("checklist.match"),
                measured=reader.say("checklist.agree") if apart is None else wording.check_name(apart.name, reader),
                clears="" if apart is None else reader.say("checklist.clears.itself"),
            )
        )
    if "journal_failed" in failed:
        found.append(
            Line(
                state="blocks",
                code="journal_failed",
                text=reader.say("checklist.journal"),
                clears=reader.say("checklist.clears.operator"),
            )
        )
    return found


def _measured_cause(halt: str, limit: Limit, reader: Reader) -> Line:
    breached = limit.used >= limit.limit - 1e-9
    return Line(
        state="blocks" if breached else "ok",
        code=halt,
        text=reader.say("checklist.cause", name=wording.limit_name(limit.name, reader)),
        measured=wording.with_unit(limit.name, limit.used, reader),
        limit=wording.with_unit(limit.name, limit.limit, reader),
        clears=reader.say("checklist.clears.itself") if breached else "",
    )
