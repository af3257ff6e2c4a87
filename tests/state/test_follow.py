"""Following a journal in one process: what comes, what is missing, and what is never given twice."""

import gzip
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from state.chain import Head, seal
from state.follow import Gap, JournalTail
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.records import JournalLine, JournalType
from state.segments import list_segments
from tests.support.desk_files import NOON_US, make_journal, make_line

CHECKPOINT = JournalType.LEDGER_CHECKPOINT


def sequence(lines: Iterable[JournalLine]) -> list[int]:
    return [line.seq for line in lines]


def segmented(folder: Path, segments: int, lines_each: int = 3) -> JournalWriter:
    """An open writer over equal segments."""
    writer = JournalWriter(folder, wall_us=lambda: NOON_US, segment_bytes=1)
    writer.open()
    for _ in range(segments):
        add_segment(writer, lines_each)
    return writer


def add_segment(writer: JournalWriter, lines_each: int = 3) -> None:
    first = writer.next_seq
    writer.append([make_line(first, CHECKPOINT), *(make_line(first + more) for more in range(1, lines_each))])


def pack(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def all_polls(tail: JournalTail) -> tuple[list[int], list[Gap]]:
    """Everything that a tail has to give now."""
    lines, gaps = sequence(tail.poll()), [] if tail.gap is None else [tail.gap]
    while tail.has_more:
        lines += sequence(tail.poll())
        gaps += [] if tail.gap is None else [tail.gap]
    return lines, gaps


def test_no_journal_gives_nothing(tmp_path: Path) -> None:
    assert JournalTail(tmp_path / "none").poll() == []


def test_a_growing_last_line_is_followed_once_it_is_whole(tmp_path: Path) -> None:
    writer = make_journal(tmp_path, 2)
    tail = JournalTail(tmp_path)
    everything = JournalTail(tmp_path, from_end=False)
    assert tail.poll() == []
    assert sequence(everything.poll()) == [1, 2]
    writer.append([make_line(3)])
    writer.close()
    (segment,) = tmp_path.glob("*.jsonl")
    whole = segment.read_bytes()
    start = whole.rfind(b"\n", 0, -1) + 1
    for length in range(start, len(whole)):
        segment.write_bytes(whole[:length])
        assert tail.poll() == []
        assert sequence(read_journal(tmp_path)) == [1, 2]
    segment.write_bytes(whole)
    assert sequence(tail.poll()) == [3]
    assert sequence(everything.poll()) == [3]
    assert tail.poll() == []


def test_a_tail_that_starts_on_an_unfinished_line_gets_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_journal(tmp_path, 2).close()
    (segment,) = tmp_path.glob("*.jsonl")
    whole = segment.read_bytes()
    for chunk in (3, 100_000):
        monkeypatch.setattr("state.segments._TAIL_BYTES", chunk)
        segment.write_bytes(whole[:-20])
        tail = JournalTail(tmp_path)
        segment.write_bytes(whole)
        assert sequence(tail.poll()) == [2]


def test_followers_see_every_line_once_over_rotations(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, wall_us=lambda: NOON_US, segment_bytes=700)
    writer.open()
    tails = [JournalTail(tmp_path) for _ in range(3)]
    seen = [[], [], []]
    for seq in range(1, 61):
        writer.append([make_line(seq, CHECKPOINT if writer.rotation_due() else JournalType.INTENT)])
        for every, (tail, lines) in enumerate(zip(tails, seen, strict=True), start=1):
            if seq % (every * every) == 0:
                lines.extend(sequence(tail.poll()))
    for tail, lines in zip(tails, seen, strict=True):
        lines.extend(sequence(tail.poll()))
    writer.close()
    assert len(list(tmp_path.glob("*.jsonl"))) > 5
    assert seen == [list(range(1, 61))] * 3


def test_a_journal_begun_anew_is_followed_from_its_start(tmp_path: Path) -> None:
    make_journal(tmp_path / "journal", 5).close()
    tail = JournalTail(tmp_path / "journal")
    (tmp_path / "journal").rename(tmp_path / "archived")
    assert tail.poll() == []
    make_journal(tmp_path / "journal", 2).close()
    assert sequence(tail.poll()) == [1, 2]


@pytest.mark.parametrize("bound", [{"max_lines": 1}, {"max_lines": 4}, {"max_bytes": 1}, {"max_bytes": 1000}])
def test_a_poll_is_bounded_and_says_that_there_is_more(tmp_path: Path, bound: dict[str, int]) -> None:
    segmented(tmp_path, 5).close()
    tail = JournalTail(tmp_path, from_end=False, **bound)
    first = tail.poll()
    assert 1 <= len(first) <= 5
    assert tail.has_more
    assert all_polls(tail) == (list(range(len(first) + 1, 16)), [])
    assert not tail.has_more


@pytest.mark.parametrize("seen", range(1, 13))
def test_compressed_segments_are_followed_at_the_same_place(tmp_path: Path, seen: int) -> None:
    writer = segmented(tmp_path, 4)
    tail = JournalTail(tmp_path, from_end=False, max_lines=seen)
    assert sequence(tail.poll()) == list(range(1, seen + 1))
    for segment in list_segments(tmp_path)[:-1]:
        pack(segment.path)
    add_segment(writer)
    writer.close()
    assert all_polls(tail) == (list(range(seen + 1, 16)), [])


@pytest.mark.parametrize("seen", range(1, 13))
def test_removed_segments_are_a_gap_only_for_who_was_behind(tmp_path: Path, seen: int) -> None:
    segmented(tmp_path, 4).close()
    tail = JournalTail(tmp_path, from_end=False, max_lines=seen)
    tail.poll()
    for segment in list_segments(tmp_path)[:2]:
        segment.path.unlink()
    gaps = [Gap(after_seq=seen, next_seq=7)] if seen < 6 else []
    assert all_polls(tail) == (list(range(max(seen, 6) + 1, 13)), gaps)


def test_lines_before_a_gap_come_in_a_poll_of_their_own(tmp_path: Path) -> None:
    writer = segmented(tmp_path, 1)
    tail = JournalTail(tmp_path)
    add_segment(writer)
    add_segment(writer)
    add_segment(writer)
    writer.close()
    list_segments(tmp_path)[2].path.unlink()
    assert (sequence(tail.poll()), tail.gap, tail.has_more) == ([4, 5, 6], None, True)
    assert (sequence(tail.poll()), tail.gap, tail.has_more) == ([10, 11, 12], Gap(after_seq=6, next_seq=10), False)
    assert (tail.poll(), tail.gap) == ([], None)


def test_a_damaged_archive_gives_what_can_be_unpacked_and_a_gap(tmp_path: Path) -> None:
    segmented(tmp_path, 3, lines_each=400).close()
    tail = JournalTail(tmp_path, from_end=False)
    packed = pack(list_segments(tmp_path)[1].path)
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    lines, gaps = all_polls(tail)
    (gap,) = gaps
    assert 400 <= gap.after_seq < 800
    assert gap.next_seq == 801
    assert lines == [*range(1, gap.after_seq + 1), *range(801, 1201)]
    assert all_polls(tail) == ([], [])


def test_a_torn_end_that_the_next_writer_cuts_is_never_given(tmp_path: Path) -> None:
    make_journal(tmp_path, 2).close()
    tail = JournalTail(tmp_path, from_end=False)
    (segment,) = tmp_path.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes() + b'{"seq":3,"half')
    assert sequence(tail.poll()) == [1, 2]
    writer = JournalWriter(tmp_path, wall_us=lambda: NOON_US)
    writer.open()
    writer.append([make_line(3), make_line(4)])
    writer.close()
    assert sequence(tail.poll()) == [3, 4]


@pytest.mark.parametrize("seen", [1, 3, 5])
@pytest.mark.parametrize("fresh", [1, 3, 5, 9])
def test_a_journal_begun_anew_under_the_same_names_and_inode_is_another(tmp_path: Path, seen: int, fresh: int) -> None:
    """Also one that has as many bytes as the old, or more: only its hashes tell."""
    make_journal(tmp_path / "journal", 5).close()
    tail = JournalTail(tmp_path / "journal", from_end=False, max_lines=seen)
    tail.poll()
    (segment,) = (tmp_path / "journal").glob("*.jsonl")
    writer = make_journal(tmp_path / "other", 0)
    writer.append([make_line(seq, reason="other") for seq in range(1, fresh + 1)])
    writer.close()
    (other,) = (tmp_path / "other").glob("*.jsonl")
    with segment.open("r+b") as file:
        file.truncate(0)
        file.write(other.read_bytes())
    assert all_polls(tail) == (list(range(1, fresh + 1)), [])


def test_a_copy_put_back_in_place_of_the_original_is_the_same_journal(tmp_path: Path) -> None:
    segmented(tmp_path / "journal", 3).close()
    tail = JournalTail(tmp_path / "journal", from_end=False, max_lines=5)
    tail.poll()
    shutil.copytree(tmp_path / "journal", tmp_path / "backup")
    shutil.rmtree(tmp_path / "journal")
    (tmp_path / "journal").mkdir()
    assert tail.poll() == []
    (tmp_path / "journal" / "20261120-0001.jsonl").touch()
    assert tail.poll() == []
    shutil.rmtree(tmp_path / "journal")
    shutil.copytree(tmp_path / "backup", tmp_path / "journal")
    assert all_polls(tail) == ([6, 7, 8, 9], [])


def test_lines_that_are_none_are_passed_over_and_lines_of_a_newer_version_are_no_gap(tmp_path: Path) -> None:
    make_journal(tmp_path, 2).close()
    tail = JournalTail(tmp_path, from_end=False)
    (segment,) = tmp_path.glob("*.jsonl")
    head = Head(2, list(read_raw(segment))[-1][-67:-3].decode())
    strange, head = seal(head, b'{"seq":3,"ts":"","wall_ts":"","type":"teleported","desk":"d","run_id":"r"}')
    normal, head = seal(head, b'{"seq":4,"ts":"","wall_ts":"","type":"halt","desk":"d","run_id":"r"}')
    segment.write_bytes(segment.read_bytes() + strange + b"garbage\n" * 50 + normal)
    assert all_polls(tail) == ([1, 2, 4], [])
    assert sequence(JournalTail(tmp_path, from_end=False, max_bytes=1).poll()) == [1]
    assert all_polls(JournalTail(tmp_path, from_end=False, max_bytes=1)) == ([1, 2, 4], [])


def read_raw(segment: Path) -> list[bytes]:
    return segment.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("packed", [False, True])
def test_a_tail_from_the_end_stands_after_the_newest_line(tmp_path: Path, *, packed: bool) -> None:
    """Also where the newest segment is still empty."""
    segmented(tmp_path, 2).close()
    if packed:
        pack(list_segments(tmp_path)[-1].path)
    (tmp_path / "20261120-0003.jsonl").touch()
    tail = JournalTail(tmp_path)
    assert tail.poll() == []
    writer = JournalWriter(tmp_path, wall_us=lambda: NOON_US)
    writer.open()
    writer.append([make_line(7, CHECKPOINT)])
    writer.close()
    assert all_polls(tail) == ([7], [])
    assert sequence(read_journal(tmp_path)) == list(range(1, 8))
