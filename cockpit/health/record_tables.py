"""Whether journal and audit hold, and what the doctor found: outcomes of the long looks. Pure."""

from typing import Final

from cockpit import wording
from cockpit.health.cells import fact, facts
from cockpit.health.job import Examined, Verified
from cockpit.health.jobs import Progress
from cockpit.reader import DASH, Reader
from cockpit.tables import Column, Row, Table
from state.times import iso_from_us, us_from_iso
from state.verification import Verification
from state.verified import CheckedUntil

_SHORT_HASH: Final = 12


def records(
    closed: CheckedUntil | None, last: Verified | None, running: Progress, reader: Reader, *, command: str
) -> Table:
    """Whether the chains of journal and audit hold: when that was looked at, and up to which line."""
    say = reader.say
    rows = [
        fact(
            say("health.records.closed"),
            DASH if closed is None else _head(closed.head.seq, closed.head.hash, reader),
            say("health.records.no_closed")
            if closed is None
            else say("health.records.noted", n=closed.segments, time=reader.day_and_time(iso_from_us(closed.noted_us))),
        )
    ]
    if last is None:
        rows.append(fact(say("health.records.all"), DASH, say("health.records.never", command=command)))
    else:
        rows += [
            _verdict(say("health.records.journal"), last.journal, last, reader),
            _verdict(say("health.records.audit"), last.audit, last, reader),
        ]
    if running.is_running:
        rows.append(fact(say("health.records.running"), _step(running, reader)))
    elif running.problem is not None:
        rows.append(
            fact(say("health.records.running"), DASH, say("health.job_failed", problem=running.problem), tone="warn")
        )
    return facts(say("health.records.title"), tuple(rows), reader)


def _verdict(name: str, found: Verification, when: Verified, reader: Reader) -> Row:
    took = wording.age((us_from_iso(when.ended) - us_from_iso(when.began)) / 1000)
    read = reader.say("health.records.read", time=reader.day_and_time(when.began), took=took, n=found.segments)
    if not found.ok:
        return fact(name, reader.say("health.records.broken"), f"{found.problem} · {read}", tone="bad")
    if found.head_seq == 0:
        return fact(name, reader.say("health.records.empty"), read)
    head = _head(found.head_seq, found.head_hash, reader)
    return fact(name, reader.say("health.records.holds", head=head, n=wording.number(found.records)), read)


def _head(seq: int, digest: str, reader: Reader) -> str:
    return reader.say("health.records.head", seq=seq, hash=digest[:_SHORT_HASH])


def _step(progress: Progress, reader: Reader) -> str:
    if progress.step is None:
        return reader.say("health.starting")
    step = progress.step
    return reader.say("health.step", record=step.record, done=step.done, total=step.total)


def findings(last: Examined | None, running: Progress, reader: Reader, *, command: str) -> Table:
    """What the doctor found, faults first; what it looked at and found right only in numbers."""
    say = reader.say
    found = () if last is None else last.findings
    rank = {"fault": 0, "warning": 1, "info": 2, "ok": 3}
    shown = sorted((each for each in found if each.severity != "ok"), key=lambda each: rank[each.severity])
    aside = ""
    if running.is_running:
        aside = f"{say('health.doctor.running')} {_step(running, reader)}"
    elif running.problem is not None:
        aside = say("health.job_failed", problem=running.problem)
    elif last is not None:
        aside = say("health.doctor.aside", time=reader.day_and_time(last.began), right=len(found) - len(shown))
    columns = tuple(
        Column(name=name, label=say(f"health.columns.{name}"), wrap=name in ("problem", "remedy"))
        for name in ("finding", "file", "problem", "remedy")
    )
    rows = tuple(
        Row(
            cells=(
                say(f"health.doctor.{each.severity}"),
                f"{each.path}:{each.line}" if each.line else each.path,
                f"{each.place}: {each.problem}" if each.place else each.problem,
                each.remedy,
            ),
            tone={"fault": "bad", "warning": "warn"}.get(each.severity),  # type: ignore[arg-type]
        )
        for each in shown
    )
    empty = say("health.doctor.never", command=command) if last is None else say("health.doctor.nothing")
    return Table(title=say("health.doctor.title"), aside=aside, columns=columns, rows=rows, empty=empty)
