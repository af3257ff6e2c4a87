import errno
import math
import os
from pathlib import Path
from typing import Any

import pytest

import state.journal
from state.journal import JournalDamaged, JournalError, JournalWriter
from state.journal_reader import read_journal
from state.records import JournalType
from state.verification import verify
from tests.support.desk_files import NOON_US, make_journal, make_line

DAY_US = 86_400_000_000


def reopen(folder: Path, **options: Any) -> Any:
    writer = JournalWriter(folder, wall_us=lambda: NOON_US)
    opened = writer.open(**options)
    return writer, opened


def the_segment(folder: Path) -> Any:
    (segment,) = folder.glob("*.jsonl")
    return segment


def test_a_new_journal_starts_at_one_and_goes_on_after_reopening(tmp_path: Path) -> None:
    writer, opened = reopen(tmp_path / "journal")
    assert (opened.repaired, opened.head_seq, writer.next_seq) == (None, 0, 1)
    writer.append([make_line(1), make_line(2)])
    head = writer.head
    writer.close()
    writer, opened = reopen(tmp_path / "journal")
    assert (opened.head_seq, opened.head_hash) == head
    writer.append([make_line(3)])
    writer.close()
    assert [line.seq for line in read_journal(tmp_path / "journal")] == [1, 2, 3]
    assert the_segment(tmp_path / "journal").name == "20261120-0001.jsonl"


def test_an_append_is_one_write_and_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = make_journal(tmp_path, 1)
    writes, syncs = [], []
    real_write, real_sync = os.write, state.journal._sync_data
    monkeypatch.setattr(os, "write", lambda fd, data: writes.append(len(data)) or real_write(fd, data))
    monkeypatch.setattr(state.journal, "_sync_data", lambda fd: syncs.append(len(writes)) or real_sync(fd))
    writer.append([make_line(seq) for seq in range(2, 102)])
    assert len(writes) == 1
    assert syncs == [1]
    monkeypatch.undo()
    writer.close()


def test_truncated_at_every_byte_the_whole_lines_survive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # 450 repairs; what is durable is tested elsewhere
    monkeypatch.setattr(state.journal, "_sync_data", lambda descriptor: None)
    make_journal(tmp_path, 2).close()
    segment = the_segment(tmp_path)
    content = segment.read_bytes()
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
    for length in range(len(content) + 1):
        segment.write_bytes(content[:length])
        for kept in tmp_path.glob("*.torn-*"):
            kept.unlink()
        whole = sum(end <= length for end in ends)
        good = ends[whole - 1] if whole else 0
        writer, opened = reopen(tmp_path)
        assert opened.head_seq == whole
        if length == good:
            assert opened.repaired is None
        else:
            assert opened.repaired is not None
            assert opened.repaired.torn_bytes == length - good
            assert (tmp_path / opened.repaired.kept_in).read_bytes() == content[good:length]
        writer.append([make_line(writer.next_seq)])
        writer.close()
        assert verify(tmp_path).records == whole + 1
        assert verify(tmp_path).ok


@pytest.mark.parametrize("kept", [0, 20])
def test_an_end_filled_with_zeros_is_a_torn_one(tmp_path: Path, kept: int) -> None:
    make_journal(tmp_path, 3).close()
    segment = the_segment(tmp_path)
    content = segment.read_bytes()
    last = content.rfind(b"\n", 0, -1) + 1
    segment.write_bytes(content[: last + kept] + b"\0" * 4096)
    _, opened = reopen(tmp_path)
    assert opened.head_seq == 2
    assert opened.repaired.torn_bytes == kept + 4096


def test_a_second_tear_at_the_same_place_keeps_both_copies(tmp_path: Path) -> None:
    make_journal(tmp_path, 1).close()
    for torn in (b"one", b"two"):
        with the_segment(tmp_path).open("ab") as file:
            file.write(torn)
        writer, _ = reopen(tmp_path)
        writer.close()
    assert {path.read_bytes() for path in tmp_path.glob("*.torn-*")} == {b"one", b"two"}


def test_a_flipped_bit_before_the_torn_end_is_never_repaired(tmp_path: Path) -> None:
    make_journal(tmp_path, 4).close()
    segment = the_segment(tmp_path)
    content = segment.read_bytes()
    for place in range(0, len(content) - 1, 7):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        segment.write_bytes(flipped)
        with pytest.raises(JournalDamaged):
            reopen(tmp_path)
        assert segment.read_bytes() == bytes(flipped)
        assert not verify(tmp_path).ok
    assert not list(tmp_path.glob("*.torn-*"))


@pytest.mark.parametrize(
    ("mangle", "line", "kind"),
    [
        (lambda lines: lines[:1] + lines[2:], 2, "sequence"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2, "sequence"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], 3, "sequence"),
        (lambda lines: [lines[0], lines[1].replace(b"demo", b"dem0"), *lines[2:]], 2, "hash"),
        (lambda lines: [lines[0], b"\n", *lines[1:]], 2, "not_a_line"),
        (lambda lines: [*lines, b"by hand\n"], 5, "not_a_line"),
    ],
    ids=["deleted", "swapped", "doubled", "edited", "empty line", "added by hand"],
)
def test_changed_lines_are_damage_with_place_and_kind(tmp_path: Path, mangle: Any, line: Any, kind: Any) -> None:
    make_journal(tmp_path, 4).close()
    segment = the_segment(tmp_path)
    segment.write_bytes(b"".join(mangle(segment.read_bytes().splitlines(keepends=True))))
    with pytest.raises(JournalDamaged) as caught:
        reopen(tmp_path)
    assert (caught.value.path, caught.value.line, caught.value.kind) == (segment, line, kind)
    assert f"{segment}, line {line}:" in verify(tmp_path).problem


def test_lines_lost_from_the_end_are_seen_by_who_remembers_the_head(tmp_path: Path) -> None:
    writer = make_journal(tmp_path, 4)
    anchor = writer.head
    writer.close()
    segment = the_segment(tmp_path)
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:3]))
    assert verify(tmp_path).ok
    assert "lost_tail" in verify(tmp_path, anchor=anchor).problem
    with pytest.raises(JournalDamaged, match="lost or replaced"):
        reopen(tmp_path, anchor=anchor)
    writer, _ = reopen(tmp_path, anchor=(2, "an older snapshot may remember less"))
    writer.close()


def test_a_segment_starts_only_with_a_checkpoint_once_one_is_due(tmp_path: Path) -> None:
    now = [NOON_US]
    writer = JournalWriter(tmp_path, wall_us=lambda: now[0], segment_bytes=500)
    writer.open()
    assert writer.rotation_due()
    writer.append([make_line(1)])
    assert not writer.rotation_due()
    now[0] += DAY_US
    assert writer.rotation_due()
    writer.append([make_line(2)])
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    writer.append([make_line(3, JournalType.LEDGER_CHECKPOINT), make_line(4)])
    assert not writer.rotation_due()
    writer.append([make_line(5), make_line(6)])
    assert writer.rotation_due()  # by size
    writer.append([make_line(7, JournalType.LEDGER_CHECKPOINT)])
    now[0] -= DAY_US  # a clock that jumps back does not reorder
    writer.append([make_line(8, JournalType.LEDGER_CHECKPOINT)])
    writer.close()
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [
        "20261120-0001.jsonl",
        "20261120-0004.jsonl",
        "20261121-0002.jsonl",
        "20261121-0003.jsonl",
    ]
    assert [line.seq for line in read_journal(tmp_path)] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert verify(tmp_path).ok
    _, opened = reopen(tmp_path)
    assert opened.head_seq == 8


def test_a_missing_segment_is_damage(tmp_path: Path) -> None:
    writer = make_journal(tmp_path, 1, segment_bytes=1)
    for seq in (2, 3):
        writer.append([make_line(seq, JournalType.LEDGER_CHECKPOINT)])
    writer.close()
    (tmp_path / "20261120-0002.jsonl").unlink()
    with pytest.raises(JournalDamaged, match="segment number 2 is missing"):
        reopen(tmp_path)
    assert not verify(tmp_path).ok


def test_a_closed_segment_without_its_last_line_break_is_damage(tmp_path: Path) -> None:
    writer = make_journal(tmp_path, 1, segment_bytes=1)
    writer.append([make_line(2, JournalType.LEDGER_CHECKPOINT)])
    writer.close()
    first = tmp_path / "20261120-0001.jsonl"
    first.write_bytes(first.read_bytes()[:-1])
    with pytest.raises(JournalDamaged) as caught:
        reopen(tmp_path)
    assert caught.value.kind == "torn"
    assert "(torn)" in verify(tmp_path).problem


def test_a_start_that_died_before_its_first_line_is_taken_up(tmp_path: Path) -> None:
    make_journal(tmp_path, 2).close()
    (tmp_path / "20261120-0002.jsonl").touch()
    writer, opened = reopen(tmp_path)
    assert opened.head_seq == 2
    assert writer.rotation_due()
    writer.append([make_line(3, JournalType.LEDGER_CHECKPOINT)])
    writer.close()
    assert verify(tmp_path).records == 3
    assert len(list(tmp_path.glob("*.jsonl"))) == 2


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_failed_sync_breaks_the_writer_for_life_and_is_never_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    writer = make_journal(tmp_path, 1)
    writer.append([])
    tries = []

    def fail(descriptor: Any) -> Any:
        tries.append(descriptor)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(state.journal, "_sync_data", fail)
    with pytest.raises(JournalError, match=os.strerror(code)):
        writer.append([make_line(2)])
    monkeypatch.undo()
    with pytest.raises(JournalError, match="closed to writing"):
        writer.append([make_line(writer.next_seq)])
    assert writer.broken is not None
    writer.close()
    assert len(tries) == 1


def test_a_disk_that_fills_up_within_a_line_leaves_a_torn_end_that_the_next_start_repairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make_journal(tmp_path, 2)
    writer.append([])
    real = os.write
    calls = []

    def fill(descriptor: Any, data: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:10])

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(JournalError, match="No space left"):
        writer.append([make_line(3)])
    monkeypatch.undo()
    writer.close()
    assert not verify(tmp_path).ok
    _, opened = reopen(tmp_path)
    assert (opened.head_seq, opened.repaired.torn_bytes) == (2, 10)
    assert verify(tmp_path).ok


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(JournalError, match="cannot be written"):
        reopen(tmp_path / "journal")


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    writer = make_journal(tmp_path, 1)
    with pytest.raises(JournalError, match="another process writes"):
        reopen(tmp_path)
    writer.close()
    reopen(tmp_path)[0].close()


@pytest.mark.parametrize(
    "line",
    [
        make_line(5),
        make_line(2, price=math.nan),
        make_line(2, quantity=math.inf),
        make_line(2, data={"rules": [{"measured": -math.inf}]}),
    ],
    ids=["number", "nan", "inf", "nested"],
)
def test_a_line_that_cannot_be_journaled_writes_nothing(tmp_path: Path, line: Any) -> None:
    writer = make_journal(tmp_path, 1)
    before = the_segment(tmp_path).read_bytes()
    with pytest.raises(ValueError, match="journal line"):
        writer.append([line])
    assert the_segment(tmp_path).read_bytes() == before
    writer.append([make_line(2)])
    writer.close()
    assert verify(tmp_path).records == 2
