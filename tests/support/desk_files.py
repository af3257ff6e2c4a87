"""Lines and snapshots for tests that need some, with everything that a writer must fill in."""

from pathlib import Path
from typing import Any

import msgspec

from state.journal import JournalWriter
from state.records import SCHEMA_VERSION, JournalLine, JournalType, SelfCheck, Snapshot
from state.times import iso_from_us, us_from_iso

NOON_US = us_from_iso("2026-11-20T12:00:00Z")


def make_line(seq: int, type_: JournalType = JournalType.TRANSITION, **fields: Any) -> JournalLine:
    fields = {"ts": iso_from_us(NOON_US + seq * 1_000_000), "wall_ts": iso_from_us(NOON_US), **fields}
    return JournalLine(seq=seq, type=type_, desk="demo", run_id="run", **fields)


def make_journal(folder: Path, count: int, *, per_append: int = 1, **options: Any) -> JournalWriter:
    """An open writer over `count` fresh lines."""
    writer = JournalWriter(folder, wall_us=lambda: NOON_US, **options)
    writer.open()
    for first in range(1, count + 1, per_append):
        writer.append([make_line(seq) for seq in range(first, min(first + per_append, count + 1))])
    return writer


GREEN = Snapshot(
    schema=SCHEMA_VERSION,
    desk="demo",
    run_id="run",
    pid=1,
    seq=1,
    ts=iso_from_us(NOON_US),
    wall_ts=iso_from_us(NOON_US),
    period_ms=1000,
    daemon_state="running",
    self_check=SelfCheck(status="ok"),
)


def make_snapshot(**changes: Any) -> Snapshot:
    """A green one, changed."""
    return msgspec.structs.replace(GREEN, **changes)
