"""What a start believes of closed segments without reading them again, and what it does not."""

import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import state.verified
from state.anchors import append_anchor
from state.chain import GENESIS, Head
from state.journal import JournalDamaged, JournalWriter
from state.records import JournalType, SegmentAnchor
from state.segments import list_segments, scan
from state.times import iso_from_us
from state.verification import verify
from state.verified import CACHE_NAME, checked_until, verify_closed
from tests.support.desk_files import NOON_US, make_line

CHECKPOINT = JournalType.LEDGER_CHECKPOINT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five segments of three lines."""
    writer = JournalWriter(tmp_path, wall_us=lambda: NOON_US, segment_bytes=1)
    writer.open()
    for first in range(1, 16, 3):
        writer.append([make_line(first, CHECKPOINT), make_line(first + 1), make_line(first + 2)])
    writer.close()
    assert len(list_segments(tmp_path)) == 5
    return tmp_path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the segments that were read in full."""
    names: list[str] = []

    def watched(segment: Any, head: Head, *, last: bool) -> Any:
        names.append(segment.path.name)
        return scan(segment, head, last=last)

    monkeypatch.setattr(state.verified, "scan", watched)
    return names


def change_keeping_size_and_mtime(path: Path) -> None:
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b'"desk":"demo"', b'"desk":"dem0"', 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def pack(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def test_a_closed_segment_is_read_once(folder: Path, read: list[str]) -> None:
    verify_closed(folder)
    assert len(read) == 4
    read.clear()
    verify_closed(folder)
    assert read == []
    (folder / CACHE_NAME).unlink()
    verify_closed(folder)
    assert len(read) == 4


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_change_in_any_closed_segment_is_seen_although_the_cache_knows_it(folder: Path, number: int) -> None:
    verify_closed(folder)
    path = list_segments(folder)[number].path
    change_keeping_size_and_mtime(path)
    with pytest.raises(JournalDamaged) as caught:
        verify_closed(folder)
    assert (caught.value.path, caught.value.line, caught.value.kind) == (path, 1, "hash")
    with pytest.raises(JournalDamaged):
        verify_closed(folder)  # and is not believed the second time


def test_only_what_changed_is_read_again(folder: Path, read: list[str]) -> None:
    verify_closed(folder)
    read.clear()
    packed = pack(list_segments(folder)[1].path)
    verify_closed(folder)
    assert read == [packed.name]
    read.clear()
    verify_closed(folder)
    assert read == []


def test_a_segment_of_another_journal_is_not_believed_for_its_name(folder: Path, tmp_path_factory: Any) -> None:
    verify_closed(folder)
    stranger = tmp_path_factory.mktemp("other")
    writer = JournalWriter(stranger, wall_us=lambda: NOON_US, segment_bytes=1)
    writer.open()
    for first in range(1, 16, 3):
        writer.append([make_line(first, CHECKPOINT, reason="other"), make_line(first + 1), make_line(first + 2)])
    writer.close()
    mine, others = list_segments(folder), list_segments(stranger)
    shutil.copy2(others[2].path, mine[2].path)
    with pytest.raises(JournalDamaged) as caught:
        verify_closed(folder)
    assert caught.value.path == mine[2].path


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b'[{"name":"x"}]', b"[" * 10_000])
def test_a_cache_that_is_none_costs_only_time(folder: Path, read: list[str], content: bytes) -> None:
    (folder / CACHE_NAME).write_bytes(content)
    verify_closed(folder)
    assert len(read) == 4


def test_a_cache_that_cannot_be_written_is_no_failure(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(state.verified, "replace_file", refuse)
    verify_closed(folder)
    verify_closed(folder)
    assert len(read) == 8


def test_no_journal_and_an_open_segment_alone_need_no_cache(tmp_path: Path) -> None:
    verify_closed(tmp_path / "none")
    verify_closed(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_segments(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    verify_closed(folder, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def anchor_of(folder: Path, index: int, **changes: Any) -> SegmentAnchor:
    segments = list_segments(folder)
    head = Head(0, GENESIS)
    for segment in segments[:index]:
        head = scan(segment, head, last=False).head
    found = scan(segments[index], head, last=False)
    fields = {
        "seq": segments[index].number,
        "wall_ts": iso_from_us(NOON_US),
        "segment": segments[index].name,
        "number": segments[index].number,
        "lines": found.lines,
        "first_seq": head.seq + 1,
        "last_seq": found.head.seq,
        "previous_hash": head.hash,
        "last_hash": found.head.hash,
        "opening": segments[index].path.read_text().split("\n", 1)[0],
    }
    return SegmentAnchor(**{**fields, **changes})


def test_what_follows_removed_segments_goes_on_from_their_anchors(folder: Path) -> None:
    anchors = [anchor_of(folder, index) for index in range(2)]
    segments = list_segments(folder)
    for anchor, segment in zip(anchors, segments, strict=False):
        append_anchor(folder, anchor)
        assert verify(folder).ok  # retention cut short between the two steps
        segment.path.unlink()
    verify_closed(folder)
    found = verify(folder)
    assert (found.ok, found.records, found.removed_segments, found.head_seq) == (True, 9, 2, 15)
    segments[2].path.unlink()
    found = verify(folder)
    assert (found.ok, found.kind, found.file) == (False, "missing_segment", str(segments[3].path))
    with pytest.raises(JournalDamaged):
        verify_closed(folder)
    for segment in segments[3:]:
        segment.path.unlink()
    assert (verify(folder).kind, verify(folder).file) == ("missing_segment", str(folder))


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"number": 3}, "missing_segment"),
        ({"first_seq": 5}, "sequence"),
        ({"last_seq": 7}, "sequence"),
        ({"lines": 2}, "sequence"),
        ({"previous_hash": "1" * 64}, "hash"),
        ({"opening": '{"seq":4}'}, "not_a_line"),
    ],
)
def test_an_anchor_that_does_not_go_on_from_the_one_before_is_damage(
    folder: Path, changes: dict[str, Any], kind: str
) -> None:
    anchors = [anchor_of(folder, 0), anchor_of(folder, 1, **changes)]
    segments = list_segments(folder)
    for anchor, segment in zip(anchors, segments, strict=False):
        append_anchor(folder, anchor)
        segment.path.unlink()
    found = verify(folder)
    assert (found.ok, found.file, found.line, found.kind) == (False, str(folder / "anchors.jsonl"), 2, kind)


def test_an_edited_opening_line_of_a_removed_segment_is_damage(folder: Path) -> None:
    good = anchor_of(folder, 0)
    append_anchor(folder, anchor_of(folder, 0, opening=good.opening.replace("demo", "dem0")))
    list_segments(folder)[0].path.unlink()
    found = verify(folder)
    assert (found.line, found.kind) == (1, "hash")


def test_a_segment_that_its_anchor_does_not_remember_is_damage(folder: Path) -> None:
    append_anchor(folder, anchor_of(folder, 0, last_hash="2" * 64))
    found = verify(folder)
    assert (found.file, found.line, found.kind) == (str(list_segments(folder)[0].path), 0, "hash")


def test_a_segment_that_goes_while_it_is_verified_is_looked_for_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention removes the first segment right after the folder was listed."""
    anchor = anchor_of(folder, 0)
    first = list_segments(folder)[0].path

    def remove(done: int, total: int) -> None:
        if first.exists():
            append_anchor(folder, anchor)
            first.unlink()

    assert verify(folder, progress=remove).records == 12
    assert verify(folder).ok


def test_how_far_a_start_has_checked_is_told(folder: Path) -> None:
    assert checked_until(folder) is None
    verify_closed(folder)
    told = checked_until(folder)
    assert told is not None
    assert (told.segments, told.head.seq) == (4, 12)
    assert told.noted_us == (folder / CACHE_NAME).stat().st_mtime_ns // 1000
    (folder / CACHE_NAME).write_bytes(b"{}")
    assert checked_until(folder) is None
