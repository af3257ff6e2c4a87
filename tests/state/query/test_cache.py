"""The cache's life: what is built when, what is believed, and what becomes of it when files change or go."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from state.anchors import append_anchor
from state.query import Filter, JournalIndex, TooManyGroups, aggregates, build, engine, manifest
from state.query.build import Built
from state.records import JournalType, SegmentAnchor
from state.segments import list_segments
from tests.support.journal_segments import compress, plain_scan, story, write_segments

ALL = Filter()
FILLS = Filter(types=frozenset({JournalType.FILL}))


def total(index: JournalIndex) -> int:
    return index.count_by(ALL).counts[0].count


def right(index: JournalIndex) -> bool:
    """Whether answers are those of a plain reading."""
    fills = plain_scan(index.journal, FILLS)
    return total(index) == len(plain_scan(index.journal, ALL)) and list(index.newest(FILLS, 999).lines) == fills[::-1]


def names(index: JournalIndex) -> list[str]:
    return sorted(path.name for path in index.cache.iterdir() if not path.name.startswith("."))


def test_only_the_open_segment_is_read_when_the_rest_is_cached(index: JournalIndex, read_through: list[str]) -> None:
    assert right(index)
    assert len(read_through) == 2 * 6
    read_through.clear()
    assert index.build() == Built(segments=5, complete=True)
    assert names(index) == [*(f"20260101-000{number}.parquet" for number in range(1, 6)), "manifest.json"]
    assert right(index)
    assert index.life_of_intent("run-1.3").lines
    assert read_through == ["20260101-0006"] * 3
    status = index.status()
    assert (status.segments_closed, status.segments_cached, status.uncached_bytes) == (5, 5, 0)
    assert index.build() == Built(segments=0, complete=True)


def test_without_a_cache_nothing_is_written(index: JournalIndex) -> None:
    assert right(index)
    assert not index.cache.exists()
    assert index.status().segments_cached == 0
    assert index.status().uncached_bytes == sum(s.path.stat().st_size for s in list_segments(index.journal)[:-1])


def test_the_newest_are_read_back_without_asking_the_cache(
    index: JournalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.build()
    monkeypatch.setattr(engine, "nearest_places", None)
    assert len(index.newest(ALL, 60).lines) == 60
    assert len(index.newest(FILLS, 5, routine=False).lines) == 5


def test_nothing_to_build_for_no_journal_or_an_open_segment(tmp_path: Path) -> None:
    index = JournalIndex(tmp_path / "none", tmp_path / "cache")
    assert index.build() == Built(segments=0, complete=True)
    assert index.newest(FILLS, 10).lines == ()
    assert index.count_by(ALL).counts == ()
    write_segments(index.journal, [10])
    assert index.build() == Built(segments=0, complete=True)


def test_a_segment_is_cached_once_it_is_closed(index: JournalIndex, read_through: list[str]) -> None:
    index.build()
    last = list_segments(index.journal)[-1]
    last.path.write_bytes(last.path.read_bytes().removesuffix(b'{"seq":999,"ts":"2026'))
    (index.journal / "20260102-0007.jsonl").write_bytes(b"")
    assert index.build() == Built(segments=1, complete=True)
    assert total(index) == len(plain_scan(index.journal, ALL))
    assert read_through == ["20260102-0007"]


@pytest.mark.parametrize("spoil", ["delete", "truncate", "flip", "swap"])
def test_a_spoilt_file_is_not_believed_and_made_again(index: JournalIndex, read_through: list[str], spoil: str) -> None:
    index.build()
    path = index.cache / "20260101-0003.parquet"
    good = path.read_bytes()
    if spoil == "delete":
        path.unlink()
    elif spoil == "truncate":
        path.write_bytes(good[:-1])
    elif spoil == "swap":
        path.write_bytes((index.cache / "20260101-0004.parquet").read_bytes())
    else:
        path.write_bytes(bytes([*good[:40], good[40] ^ 1, *good[41:]]))
    assert total(index) == len(plain_scan(index.journal, ALL))
    assert read_through == ["20260101-0003", "20260101-0006"]
    assert index.build() == Built(segments=1, complete=True)
    assert (index.status().segments_cached, right(index)) == (5, True)


def test_every_changed_byte_of_the_manifest_makes_it_void(index: JournalIndex) -> None:
    index.build()
    path = index.cache / "manifest.json"
    good = path.read_bytes()
    for place in range(0, len(good), 13):
        changed = bytearray(good)
        changed[place] ^= 1 << (place % 8)
        path.write_bytes(changed)
        assert manifest.read_manifest(index.cache).entries == {}
    path.write_bytes(good)
    assert len(manifest.read_manifest(index.cache).entries) == 5


def test_another_version_of_the_reader_starts_anew(index: JournalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index.build()
    monkeypatch.setattr(manifest, "reader_mark", lambda: "of-tomorrow")
    assert index.status().segments_cached == 0
    assert right(index)
    assert index.build().segments == 5
    monkeypatch.undo()
    assert JournalIndex(index.journal, index.cache).build().segments == 5


def test_compressing_a_segment_does_not_cost_its_cache(index: JournalIndex, read_through: list[str]) -> None:
    index.build()
    compress(list_segments(index.journal)[0])
    assert right(index)
    assert set(read_through) == {"20260101-0006"}
    assert index.build() == Built(segments=0, complete=True)


def test_a_segment_that_was_only_touched_is_read_again_but_not_cached_again(index: JournalIndex) -> None:
    index.build()
    first = list_segments(index.journal)[0]
    made_ns = (index.cache / "20260101-0001.parquet").stat().st_mtime_ns
    os.utime(first.path, (1, 1))
    assert index.status().segments_cached == 4
    assert index.build() == Built(segments=0, complete=True)
    assert index.status().segments_cached == 5
    assert (index.cache / "20260101-0001.parquet").stat().st_mtime_ns == made_ns


def test_an_edited_segment_is_not_cached_and_every_answer_says_so(index: JournalIndex) -> None:
    index.build()
    third = list_segments(index.journal)[3]
    good = third.path.read_bytes()
    third.path.write_bytes(good.replace(b'"quantity":1.5', b'"quantity":9.5', 1))
    assert right(index)  # what the file says now, not what the cache remembers
    built = index.build()
    assert built.complete
    [problem] = built.problems
    assert problem.startswith(f"{third.path}, line ")
    assert index.build() == Built(segments=0, complete=True, problems=(problem,))
    assert index.count_by(ALL).problems == (problem,)
    assert index.newest(FILLS, 999).problems == (problem,)
    assert index.life_of_intent("run-1.3").problems == (problem,)
    assert index.status().segments_cached == 4
    assert right(index)
    third.path.write_bytes(good)
    assert index.build() == Built(segments=1, complete=True)
    assert index.count_by(ALL).problems == ()


def test_a_segment_that_was_written_anew_is_noticed_by_the_next_one(index: JournalIndex, tmp_path: Path) -> None:
    index.build()
    write_segments(tmp_path / "other", [40], lambda seq: story(seq).replace(b"demo", b"DEMO"))
    first, second = list_segments(index.journal)[:2]
    first.path.write_bytes((tmp_path / "other" / first.path.name).read_bytes())
    built = index.build()
    assert built.segments == 2
    [problem] = built.problems
    assert problem.startswith(f"{second.path}, line 1: ")
    assert index.status().segments_cached == 4
    assert right(index)


def test_a_segment_that_went_missing_is_said_and_the_rest_still_answers(index: JournalIndex) -> None:
    list_segments(index.journal)[2].path.unlink()
    built = index.build()
    assert built.complete
    assert len(built.problems) == 1
    assert "20260101-0004.jsonl, line 1: " in built.problems[0]
    assert index.status().segments_cached == 3
    assert right(index)


def test_a_compressed_segment_that_does_not_unpack_gives_what_comes_before_the_damage(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write_segments(journal, [3000, 10])
    first = list_segments(journal)[0]
    whole = gzip.compress(first.path.read_bytes())
    compress(first)
    first = list_segments(journal)[0]
    first.path.write_bytes(whole[: len(whole) // 2])
    index = JournalIndex(journal, tmp_path / "cache")
    counted = index.count_by(ALL)
    assert 10 < counted.counts[0].count < 3010
    assert "cannot be unpacked" in counted.problems[0]
    assert len(index.newest(ALL, 99_999).lines) == counted.counts[0].count
    assert "cannot be unpacked" in index.build().problems[0]


def test_what_retention_removed_leaves_the_cache_and_nothing_else_is_built(index: JournalIndex) -> None:
    index.build()
    entry = manifest.read_manifest(index.cache).entries["20260101-0001"]
    assert entry.before is not None
    assert entry.after is not None
    first = list_segments(index.journal)[0]
    with first.path.open() as file:
        opening = file.readline().rstrip("\n")
    anchor = SegmentAnchor(
        seq=1, wall_ts="-", segment="20260101-0001", number=1, lines=40, first_seq=1, last_seq=entry.after.seq,
        previous_hash=entry.before.hash, last_hash=entry.after.hash, opening=opening,
    )  # fmt: skip
    append_anchor(index.journal, anchor)
    first.path.unlink()
    assert right(index)
    assert index.build() == Built(segments=0, complete=True)
    assert "20260101-0001.parquet" not in names(index)
    assert right(index)


def test_a_build_can_be_stopped_interrupted_and_taken_up(index: JournalIndex) -> None:
    steps: list[tuple[int, int]] = []
    built = index.build(progress=lambda *step: steps.append(step), should_stop=lambda: len(steps) == 2)
    assert (built.segments, built.complete) == (2, False)
    assert right(index)

    def interrupt(done: int, todo: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.build(progress=interrupt)
    (index.cache / "20260101-0004.parquet.tmp").write_bytes(b"left by a builder that died")
    (index.cache / "20250101-0001.parquet").write_bytes(b"of no segment")
    assert index.build(progress=lambda *step: steps.append(step)) == Built(segments=3, complete=True)
    assert [done for done, _ in steps[2:]] == sorted({done for done, _ in steps[2:]})
    assert steps[-1][0] == steps[-1][1]
    assert len(names(index)) == 6
    assert right(index)


def test_one_builder_at_a_time(index: JournalIndex) -> None:
    index.cache.mkdir()
    with filelock.FileLock(index.cache / ".lock"):
        assert index.build() == Built(busy=True)
    assert index.build().complete


def test_a_cache_that_cannot_be_written_is_a_problem_in_words(
    index: JournalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MIN_FREE_BYTES", 2**62)
    built = index.build()
    assert (built.complete, built.segments) == (False, 0)
    assert "MiB of its disk are free" in built.problems[0]
    monkeypatch.undo()
    in_the_way = JournalIndex(index.journal, index.journal / "20260101-0001.jsonl")
    assert str(in_the_way.cache) in in_the_way.build().problems[0]
    assert right(in_the_way)


def before_the_cache_is_asked(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Between the check of a file and its use, something happens."""
    for name in ("tallied", "nearest_places"):
        real = getattr(engine, name)

        def disturbed(*asked: object, real: Callable[..., object] = real, **named: object) -> object:
            happens()
            return real(*asked, **named)

        monkeypatch.setattr(engine, name, disturbed)


def test_files_that_vanish_while_they_are_asked_make_no_difference(
    index: JournalIndex, monkeypatch: pytest.MonkeyPatch, read_through: list[str]
) -> None:
    index.build()
    file = index.cache / "20260101-0002.parquet"
    before_the_cache_is_asked(monkeypatch, lambda: file.unlink(missing_ok=True))
    assert right(index)


def test_a_segment_that_is_compressed_while_it_is_asked_makes_no_difference(
    index: JournalIndex, monkeypatch: pytest.MonkeyPatch, read_through: list[str]
) -> None:
    index.build()
    expected = plain_scan(index.journal, FILLS)[::-1]
    as_it_was = list_segments(index.journal)
    monkeypatch.setattr(engine, "list_segments", lambda _: as_it_was)
    for segment in as_it_was[2:5]:
        compress(segment)
    assert list(index.newest(FILLS, 999).lines) == expected
    assert total(index) == len(plain_scan(index.journal, ALL))


def test_an_answer_as_long_as_the_journal_is_refused(index: JournalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregates, "MAX_GROUPS", 5)
    for _ in range(2):
        with pytest.raises(TooManyGroups, match="more than 5 groups; ask for less time"):
            index.count_by(ALL, ["day", "reason"])
        index.build()


def test_a_desk_has_its_cache_beside_its_journal(tmp_path: Path) -> None:
    from state.layout import DeskPaths

    paths = DeskPaths(tmp_path, "demo")
    paths.create()
    write_segments(paths.journal, [5, 5], story)
    JournalIndex.of(paths).build()
    assert (paths.cache / "journal" / "20260101-0001.parquet").exists()
