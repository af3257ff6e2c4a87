import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from state.journal import JournalDamaged
from state.journal_reader import (
    lines_backwards,
    raw_lines_backwards,
    read_journal,
    read_since_checkpoint,
)
from state.records import JournalType
from state.segments import list_segments
from state.verification import verify
from tests.support.desk_files import make_journal, make_line

CHECKPOINT = JournalType.LEDGER_CHECKPOINT


def sequence(lines: Any) -> Any:
    return [line.seq for line in lines]


def test_no_journal_is_an_empty_and_sound_one(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path / "none")) == []
    assert verify(tmp_path / "none").ok


def test_a_ledger_needs_only_what_follows_the_newest_opening_checkpoint(tmp_path: Path) -> None:
    writer = make_journal(tmp_path, 2, segment_bytes=1)
    writer.append([make_line(3, CHECKPOINT), make_line(4)])
    writer.append([make_line(5, CHECKPOINT)])
    writer.append([make_line(6)])
    writer.close()
    assert sequence(read_since_checkpoint(tmp_path)) == [5, 6]
    (tmp_path / "20261120-0004.jsonl").touch()
    assert sequence(read_since_checkpoint(tmp_path)) == [5, 6]


def test_what_the_writer_wrote_is_read_back_equal(tmp_path: Path) -> None:
    line = make_line(
        1,
        JournalType.FILL,
        intent_id="i",
        order_ref="demo.x.1",
        side="BUY",
        quantity=3.0,
        price=70.25,
        reason="ü\u2028\n",
        data={"a": [1, {"b": None}]},
    )
    writer = make_journal(tmp_path, 0)
    writer.append([line])
    writer.close()
    assert list(read_journal(tmp_path)) == [line]


def test_a_type_of_a_newer_version_verifies_but_is_not_guessed_at(tmp_path: Path) -> None:
    from state.chain import Head, seal

    first, head = seal(Head(), b'{"seq":1,"ts":"","wall_ts":"","type":"teleported","desk":"d","run_id":"r"}')
    (tmp_path / "20261120-0001.jsonl").write_bytes(first)
    assert verify(tmp_path).ok
    assert verify(tmp_path).head_hash == head.hash
    assert list(lines_backwards(tmp_path)) == []
    with pytest.raises(JournalDamaged) as caught:
        list(read_journal(tmp_path))
    assert caught.value.kind == "unknown_type"


def test_backwards_is_forwards_reversed_at_any_chunk_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    rows = [bytes([65 + n]) * (n * 3 % 11) for n in range(20)]
    for end in (b"", b"unfinished, and longer than a chunk or two"):
        path.write_bytes(b"".join(row + b"\n" for row in rows) + end)
        for size in (1, 2, 5, 7, 16, 1000):
            monkeypatch.setattr("state.journal_reader._CHUNK_BYTES", size)
            found = [row for row in raw_lines_backwards(path) if row]
            assert found == [row for row in reversed(rows) if row]


def test_a_half_line_that_stays_is_a_problem_with_its_size(tmp_path: Path) -> None:
    make_journal(tmp_path, 2).close()
    (segment,) = tmp_path.glob("*.jsonl")
    segment.write_bytes(segment.read_bytes() + b'{"seq":3')
    verdict = verify(tmp_path)
    assert (verdict.ok, verdict.records, verdict.head_seq) == (False, 2, 2)
    assert "8 bytes of an unfinished line" in verdict.problem


def test_another_line_at_the_remembered_place_is_a_problem(tmp_path: Path) -> None:
    writer = make_journal(tmp_path, 3)
    seq, digest = writer.head
    writer.close()
    assert verify(tmp_path, anchor=(seq, digest)).ok
    assert "not the one" in verify(tmp_path, anchor=(seq, "0" * 64)).problem


def compressed(folder: Path, count: int) -> Path:
    """A journal of one compressed segment and a plain one with one line behind it."""
    writer = make_journal(folder, count, segment_bytes=1, per_append=count)
    writer.append([make_line(count + 1, CHECKPOINT)])
    writer.close()
    path = min(folder.glob("*.jsonl"))
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


def test_compressed_segments_are_read_like_plain_ones(tmp_path: Path) -> None:
    compressed(tmp_path, 20)
    assert sequence(read_journal(tmp_path)) == list(range(1, 22))
    assert sequence(lines_backwards(tmp_path)) == list(range(21, 0, -1))
    assert verify(tmp_path).records == 21


def test_of_a_damaged_archive_the_lines_before_the_damage_are_shown(tmp_path: Path) -> None:
    packed = compressed(tmp_path, 1000)
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    shown = sequence(lines_backwards(tmp_path))
    assert shown[0] == 1001
    assert 300 < shown[1] < 700
    assert shown[1:] == list(range(shown[1], 0, -1))
    with pytest.raises(JournalDamaged) as caught:
        list(read_journal(tmp_path))
    assert (caught.value.path, caught.value.kind) == (packed, "archive")
    packed.write_bytes(b"no archive at all")
    assert sequence(lines_backwards(tmp_path)) == [1001]


def test_a_segment_that_is_compressed_or_removed_while_it_is_read_backwards(tmp_path: Path) -> None:
    writer = make_journal(tmp_path, 0, segment_bytes=1)
    for first in (1, 3, 5, 7):
        writer.append([make_line(first, CHECKPOINT), make_line(first + 1)])
    writer.close()
    lines = lines_backwards(tmp_path)
    assert next(lines).seq == 8
    segments = list_segments(tmp_path)
    segments[0].path.unlink()
    packed = segments[2].path.with_name(f"{segments[2].path.name}.gz")
    packed.write_bytes(gzip.compress(segments[2].path.read_bytes()))
    segments[2].path.unlink()
    assert sequence(lines) == [7, 6, 5, 4, 3]


def test_unpacking_backwards_holds_little_in_memory(tmp_path: Path) -> None:
    packed = compressed(tmp_path, 1)
    rows = [b'{"seq":%d,"x":"%s"}\n' % (n, b"y" * 1000) for n in range(20_000)]
    packed.write_bytes(gzip.compress(b"".join(rows), 1))
    del rows
    tracemalloc.start()
    count = sum(1 for _ in raw_lines_backwards(packed))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 3_000_000
