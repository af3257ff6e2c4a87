import errno
import gzip
import multiprocessing
import os
import resource
import signal
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import filelock
import pytest

import state.audit
from state.audit import AuditError, append_audit, newest_audit, read_audit
from state.chain import Head, seal
from state.journal import JournalDamaged
from state.records import AuditLine
from state.segments import list_segments, segment_path
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
@pytest.mark.parametrize("kept_bytes", [1, 100, -10, -1])
def test_a_torn_end_is_kept_beside_and_the_next_writer_says_so(
    tmp_path: Path, whole_entries: int, kept_bytes: int
) -> None:
    for _ in range(whole_entries + 1):
        note(tmp_path)
    (segment,) = tmp_path.glob("*.jsonl")
    rows = segment.read_bytes().splitlines(keepends=True)
    good, torn = b"".join(rows[:-1]), rows[-1][:kept_bytes]
    segment.write_bytes(good + torn)
    assert note(tmp_path, by="bert").seq == whole_entries + 2
    entries = read_audit(tmp_path)
    assert [each.action for each in entries] == ["stop"] * whole_entries + ["repaired", "stop"]
    assert [each.by for each in entries] == ["anna"] * whole_entries + ["bert", "bert"]
    (kept,) = tmp_path.glob("*.torn-*")
    assert kept.read_bytes() == torn
    assert entries[-2].data == {
        "segment": segment.name,
        "offset": len(good),
        "torn_bytes": len(torn),
        "kept_in": kept.name,
    }
    assert verify(tmp_path).ok


def test_segments_end_by_size_and_the_head_is_carried_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state.audit, "SEGMENT_BYTES", 1000)
    for _ in range(20):
        note(tmp_path)
    segments = list_segments(tmp_path)
    assert len(segments) >= 3
    assert all(1000 <= segment.path.stat().st_size < 1400 for segment in segments[:-1])
    assert [each.seq for each in read_audit(tmp_path)] == list(range(1, 21))
    for segment in segments:
        segment.path.with_name(f"{segment.path.name}.gz").write_bytes(gzip.compress(segment.path.read_bytes()))
        segment.path.unlink()
    assert note(tmp_path).seq == 21
    assert [each.seq for each in newest_audit(tmp_path, 100)] == list(range(21, 0, -1))
    assert list_segments(tmp_path)[-1].number == segments[-1].number + 1
    assert verify(tmp_path).records == 21


def test_an_append_reads_only_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note(tmp_path, reason="x" * 3_000_000)
    note(tmp_path)
    tracemalloc.start()
    note(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000
    assert verify(tmp_path).records == 3


def _write_many(folder: Path, by: str, count: int) -> None:
    state.audit.SEGMENT_BYTES = 5000
    for number in range(count):
        note(folder, by=by, data={"number": number})


def test_four_processes_share_one_chain_over_rotations(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    names = ("anna", "bert", "carl", "dora")
    writers = [spawn.Process(target=_write_many, args=(tmp_path, by, 100)) for by in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    entries = read_audit(tmp_path)
    assert [each.seq for each in entries] == list(range(1, 401))
    for by in names:
        assert [each.data["number"] for each in entries if each.by == by and each.data] == list(range(100))
    assert verify(tmp_path).records == 400
    assert len(list_segments(tmp_path)) > 10
    assert list(tmp_path.glob("*.torn-*")) == []


def _die_in_the_middle(folder: Path) -> None:
    def half(descriptor: int, content: bytes) -> None:
        os.write(descriptor, content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    state.audit.write_all = half
    note(folder, by="dead")


def test_a_writer_killed_in_the_middle_of_an_append_leaves_a_torn_end_and_no_lock(tmp_path: Path) -> None:
    note(tmp_path)
    before = (list_segments(tmp_path)[0]).path.stat().st_size
    writer = multiprocessing.get_context("spawn").Process(target=_die_in_the_middle, args=(tmp_path,))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    found = verify(tmp_path)
    assert (found.ok, found.kind, found.line) == (False, "torn", 2)
    assert list_segments(tmp_path)[0].path.stat().st_size > before
    assert note(tmp_path).seq == 3
    assert [(each.action, each.by) for each in read_audit(tmp_path)] == [
        ("stop", "anna"),
        ("repaired", "anna"),
        ("stop", "anna"),
    ]
    assert verify(tmp_path).ok


def _hang_with_the_lock(folder: Path) -> None:
    with filelock.FileLock(folder / ".lock"):
        os.kill(os.getpid(), signal.SIGSTOP)


def test_a_hung_process_that_holds_the_lock_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state.audit._LOCK_TIMEOUT_S == 5.0
    monkeypatch.setattr(state.audit, "_LOCK_TIMEOUT_S", 0.3)
    holder = multiprocessing.get_context("spawn").Process(target=_hang_with_the_lock, args=(tmp_path,))
    holder.start()
    try:
        os.waitid(os.P_PID, holder.pid or 0, os.WSTOPPED | os.WNOWAIT)
        with pytest.raises(AuditError) as caught:
            note(tmp_path)
        if sys.platform == "linux":
            assert f": process {holder.pid} holds the audit's lock for more than 0.3 s" in str(caught.value)
    finally:
        holder.kill()
        holder.join()
    assert note(tmp_path).seq == 1


@pytest.mark.parametrize("name", ["write_all", "fsync", "sync_path_to"])
@pytest.mark.parametrize(("entries", "days_later"), [(0, 0), (1, 0), (2, 1)])
def test_what_the_disk_refuses_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, entries: int, days_later: int
) -> None:
    for _ in range(entries):
        note(tmp_path)
    before = [segment.path.read_bytes() for segment in list_segments(tmp_path)]

    def refuse(descriptor: Any, content: bytes = b"") -> None:
        if content:
            os.write(descriptor, content[:50])
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os if name == "fsync" else state.audit, name, refuse)
        with pytest.raises(AuditError, match=r"cannot be written: .*Input/output error"):
            note(tmp_path, wall_us=NOON_US + days_later * DAY_US)
    assert b"".join(segment.path.read_bytes() for segment in list_segments(tmp_path)) == b"".join(before)
    assert note(tmp_path).seq == entries + 1
    assert [each.action for each in read_audit(tmp_path)] == ["stop"] * (entries + 1)


def _write_until_refused(folder: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        while True:
            note(folder)
    except AuditError as error:
        sys.exit(0 if "File too large" in str(error) else 1)


def test_a_real_system_that_takes_a_part_and_then_refuses_leaves_whole_entries(tmp_path: Path) -> None:
    writer = multiprocessing.get_context("spawn").Process(target=_write_until_refused, args=(tmp_path,))
    writer.start()
    writer.join()
    assert writer.exitcode == 0
    (segment,) = list_segments(tmp_path)
    assert segment.path.read_bytes().endswith(b"\n")
    assert segment.path.stat().st_size < 1000
    written = verify(tmp_path).records
    assert written >= 3
    assert verify(tmp_path).ok
    assert note(tmp_path).seq == written + 1


def test_an_entry_of_another_version_is_damage_at_its_place(tmp_path: Path) -> None:
    sealed, _ = seal(Head(), b'{"seq":1,"other":true}')
    segment_path(tmp_path, "20261120", 1).write_bytes(sealed)
    assert newest_audit(tmp_path, 5) == []
    with pytest.raises(JournalDamaged) as caught:
        read_audit(tmp_path)
    assert (caught.value.line, caught.value.kind) == (1, "unknown_type")


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "audit").touch()
    with pytest.raises(AuditError, match="cannot be written"):
        note(tmp_path / "audit")
