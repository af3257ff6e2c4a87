import multiprocessing
from pathlib import Path
from typing import Any

import filelock
import pytest

import state.audit
from state.audit import AuditError, append_audit, newest_audit, read_audit
from state.journal import JournalDamaged
from state.records import AuditLine
from state.verification import verify
from tests.support.desk_files import NOON_US

DAY_US = 86_400_000_000


def note(folder: Path, by: str = "anna", wall_us: int = NOON_US, **fields: Any) -> AuditLine:
    return append_audit(folder, wall_us=wall_us, source="cli", action="stop", by=by, outcome="done", **fields)


def test_entries_are_chained_over_days(tmp_path: Path) -> None:
    written = [
        note(tmp_path, reason="lunch", command_id="7"),
        note(tmp_path, wall_us=NOON_US + DAY_US, data={"shares": 5}),
        note(tmp_path, wall_us=NOON_US + DAY_US),
    ]
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["20261120-0001.jsonl", "20261121-0002.jsonl"]
    assert read_audit(tmp_path) == written
    assert newest_audit(tmp_path, 2) == written[:0:-1]
    assert verify(tmp_path).ok
    assert [each.seq for each in written] == [1, 2, 3]


def test_an_edited_entry_is_damage(tmp_path: Path) -> None:
    note(tmp_path)
    note(tmp_path)
    (segment,) = tmp_path.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b"anna", b"bert", 1))
    assert not verify(tmp_path).ok
    with pytest.raises(JournalDamaged):
        read_audit(tmp_path)


@pytest.mark.parametrize("whole_entries", [0, 2])
def test_a_torn_end_of_a_dead_writer_is_put_aside(tmp_path: Path, whole_entries: int) -> None:
    for _ in range(whole_entries + 1):
        note(tmp_path)
    (segment,) = tmp_path.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-10])
    assert note(tmp_path, by="bert").seq == whole_entries + 1
    assert [each.by for each in read_audit(tmp_path)] == ["anna"] * whole_entries + ["bert"]
    assert len(list(tmp_path.glob("*.torn-*"))) == 1


def _write_many(folder: Path, by: str, count: int) -> None:
    for _ in range(count):
        note(folder, by=by)


def test_two_processes_share_one_chain(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write_many, args=(tmp_path, by, 40)) for by in ("anna", "bert")]
    for writer in writers:
        writer.start()
    _write_many(tmp_path, "carl", 40)
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    entries = read_audit(tmp_path)
    assert [each.seq for each in entries] == list(range(1, 121))
    assert {by: sum(each.by == by for each in entries) for by in ("anna", "bert", "carl")} == {
        "anna": 40,
        "bert": 40,
        "carl": 40,
    }
    assert verify(tmp_path).records == 120


def test_a_lock_that_is_held_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state.audit, "_LOCK_TIMEOUT_S", 0.05)
    with filelock.FileLock(tmp_path / ".lock"), pytest.raises(AuditError, match="holds the audit's lock"):
        note(tmp_path)
    assert note(tmp_path).seq == 1


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "audit").touch()
    with pytest.raises(AuditError, match="cannot be written"):
        note(tmp_path / "audit")
