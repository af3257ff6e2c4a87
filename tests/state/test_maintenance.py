import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from state.archive import archive_path
from state.audit import append_audit, read_audit
from state.history import append_sample, read_history
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.maintenance import MaintenanceBusyError, Rules, Step, carry_out, clean, maintenance_lock, plan
from state.records import HistorySample, JournalType
from state.times import iso_from_us
from state.verification import verify
from tests.support.desk_files import NOON_US, make_line

DAY_US = 86_400_000_000
RULES = Rules(compress_after_days=7, keep_days=30, tape_keep_days=30, tape_max_bytes=1 << 30)


@pytest.fixture
def paths(tmp_path: Path) -> DeskPaths:
    paths = DeskPaths(tmp_path, "demo")
    paths.create()
    return paths


def steps(paths: DeskPaths, *, days_later: int = 0, running: str | None = None, **rules: Any) -> list[Step]:
    given = Rules(**{**{name: getattr(RULES, name) for name in RULES.__struct_fields__}, **rules})
    return list(plan(paths, given, wall_us=NOON_US + days_later * DAY_US, running_run_id=running).steps)


def short(found: list[Step]) -> list[tuple[str, str]]:
    return [(step.action, step.path.name) for step in found]


def write(path: Path, size: int, *, days_ago: int = 0, hours_ago: int = 0) -> None:
    path.write_bytes(b"x" * size)
    touch(path, days_ago=days_ago, hours_ago=hours_ago)


def touch(path: Path, *, days_ago: int = 0, hours_ago: int = 0) -> None:
    written_s = NOON_US // 1_000_000 - days_ago * 86_400 - hours_ago * 3600
    os.utime(path, (written_s, written_s))


def test_a_replayed_day_is_as_old_as_its_last_write(paths: DeskPaths) -> None:
    long_ago = iso_from_us(NOON_US - 4000 * DAY_US)
    append_sample(paths.history, HistorySample(schema=1, kind="fill", desk="d", run_id="r", ts=long_ago, wall_ts="?"))
    (path,) = paths.history.iterdir()
    touch(path)
    assert steps(paths) == []
    assert short(steps(paths, days_later=8)) == [("compress", path.name)]
    assert short(steps(paths, days_later=31)) == [("remove", path.name)]


def test_a_late_sample_makes_its_day_young_again_and_is_joined_when_it_is_old(paths: DeskPaths) -> None:
    def append(shares: float) -> None:
        ts = iso_from_us(NOON_US)
        sample = HistorySample(schema=1, kind="fill", desk="d", run_id="r", ts=ts, wall_ts=ts, own_shares=shares)
        append_sample(paths.history, sample)

    append(1)
    plain = paths.history / "20261120.jsonl"
    touch(plain)
    (step,) = steps(paths, days_later=8)
    assert carry_out(paths, step, wall_us=NOON_US) == archive_path(plain).stat().st_size
    assert steps(paths, days_later=8) == []
    append(2)
    touch(plain, days_ago=-20)
    assert steps(paths, days_later=26) == []
    assert short(steps(paths, days_later=27)) == [("compress", plain.name)]
    (removal,) = steps(paths, days_later=51)
    assert [sample.own_shares for sample in read_history(paths.history)] == [1, 2]
    assert (removal.action, removal.size_bytes) == (
        "remove",
        sum(file.stat().st_size for file in plain.parent.iterdir()),
    )
    carry_out(paths, removal, wall_us=NOON_US)
    assert list(paths.history.iterdir()) == []


def test_an_interrupted_compression_is_ended_whatever_the_age(paths: DeskPaths) -> None:
    writer = JournalWriter(paths.journal, wall_us=lambda: NOON_US, segment_bytes=1, reserve_bytes=0)
    writer.open()
    for seq in range(1, 5):
        writer.append([make_line(seq, JournalType.LEDGER_CHECKPOINT)])
    writer.close()
    second = sorted(paths.journal.glob("*.jsonl"))[1]
    archive_path(second).write_bytes(gzip.compress(second.read_bytes()))
    (step,) = steps(paths)
    assert (step.action, step.path) == ("compress", second)
    carry_out(paths, step, wall_us=NOON_US)
    assert steps(paths) == []
    assert [line.seq for line in read_journal(paths.journal)] == [1, 2, 3, 4]


def test_what_is_not_due_any_more_is_passed_over(paths: DeskPaths) -> None:
    writer = JournalWriter(paths.journal, wall_us=lambda: NOON_US, segment_bytes=1, reserve_bytes=0)
    writer.open()
    for seq in range(1, 4):
        writer.append([make_line(seq, JournalType.LEDGER_CHECKPOINT)])
    writer.close()
    write(paths.tape / "run-0001.jsonl", 10, days_ago=9)
    found = steps(paths, days_later=8)
    assert [step.part for step in found] == ["journal", "journal", "tape"]
    assert all(carry_out(paths, step, wall_us=NOON_US) is not None for step in found)
    assert [carry_out(paths, step, wall_us=NOON_US) for step in found] == [None, None, None]
    missing = Step(part="journal", action="remove", path=paths.journal, size_bytes=0, number=7)
    assert carry_out(paths, missing, wall_us=NOON_US) is None


def test_the_tape_goes_by_age_then_by_size_and_never_what_is_written_to(paths: DeskPaths) -> None:
    write(paths.tape / "a-0001.jsonl.gz", 100, days_ago=31)
    write(paths.tape / "b-0001.jsonl", 100, days_ago=20)
    write(paths.tape / "c-0001.jsonl", 100, days_ago=10)
    write(paths.tape / "d-0001.jsonl", 100, days_ago=9)
    write(paths.tape / "d-0002.jsonl", 100, days_ago=8)
    write(paths.tape / "e-0001.jsonl", 100, hours_ago=0)
    assert short(steps(paths, running="d")) == [
        ("remove", "a-0001.jsonl.gz"),
        ("compress", "b-0001.jsonl"),
        ("compress", "c-0001.jsonl"),
        ("compress", "d-0001.jsonl"),
    ]
    bounded = steps(paths, running="d", tape_keep_days=None, tape_max_bytes=310)
    assert short(bounded) == [
        ("remove", "a-0001.jsonl.gz"),
        ("remove", "b-0001.jsonl"),
        ("remove", "c-0001.jsonl"),
        ("compress", "d-0001.jsonl"),
    ]
    too_small = short(steps(paths, running="d", tape_max_bytes=1))
    assert [name for action, name in too_small if action == "remove"] == [
        "a-0001.jsonl.gz", "b-0001.jsonl", "c-0001.jsonl", "d-0001.jsonl",
    ]  # fmt: skip
    assert ("compress", "d-0002.jsonl") in short(steps(paths))


def test_audit_segments_are_compressed_and_never_removed(paths: DeskPaths) -> None:
    for day in range(3):
        append_audit(
            paths.audit, source="cli", action="stop", by="anna", outcome="done", wall_us=NOON_US + day * DAY_US
        )
    found = steps(paths, days_later=9)
    assert short(found) == [("compress", "20261120-0001.jsonl"), ("compress", "20261121-0002.jsonl")]
    for step in found:
        carry_out(paths, step, wall_us=NOON_US)
    append_audit(paths.audit, source="cli", action="start", by="anna", outcome="done", wall_us=NOON_US + 9 * DAY_US)
    assert [line.action for line in read_audit(paths.audit)] == ["stop", "stop", "stop", "start"]
    assert verify(paths.audit).ok
    assert {action for action, _ in short(steps(paths, days_later=5000))} == {"compress"}


def test_one_at_a_time_and_a_desk_without_a_journal_gets_none(paths: DeskPaths) -> None:
    for _ in range(2):
        lock = maintenance_lock(paths)
        with pytest.raises(MaintenanceBusyError, match="another process maintains"):
            maintenance_lock(paths)
        lock.release()
        if paths.journal.exists():
            (paths.journal / ".maintain.lock").unlink()
            paths.journal.rmdir()
    assert steps(paths) == []
    assert not paths.journal.exists()


def test_what_killed_passes_left_is_cleaned_in_every_folder(paths: DeskPaths) -> None:
    folders = (paths.journal, paths.audit, paths.history, paths.tape)
    for folder in folders:
        (folder / ".x-0001.jsonl.7-0badcafe.tmp.gz").touch()
        (folder / "kept.gz").touch()
    assert clean(paths) == 4
    assert [path.name for folder in folders for path in folder.iterdir()] == ["kept.gz"] * 4
