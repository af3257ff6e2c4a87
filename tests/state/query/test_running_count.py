"""A count that is asked again and again reads only what was added, and is right whatever happened to the files."""

from pathlib import Path

import pytest

from state.query import Filter, JournalIndex, RunningCount, matches
from state.query import running_count as module
from state.records import JournalType
from state.segments import list_segments
from tests.support.journal_segments import compress, plain_scan, write_segments

FILLS = Filter(types=frozenset({JournalType.FILL}))


@pytest.fixture
def index(tmp_path: Path) -> JournalIndex:
    journal = tmp_path / "journal"
    write_segments(journal, [40, 30, 5])
    return JournalIndex(journal, tmp_path / "cache")


def expected(index: JournalIndex, wanted: Filter) -> int:
    return len(plain_scan(index.journal, wanted))


def grow(index: JournalIndex, sizes: list[int], tmp_path: Path) -> None:
    """The same journal, told further: its files only grow, as a writer's do."""
    longer = tmp_path / "longer"
    write_segments(longer, sizes)
    for segment in list_segments(longer):
        target = index.journal / segment.path.name
        known = target.read_bytes() if target.exists() else b""
        assert segment.path.read_bytes().startswith(known)
        with target.open("ab") as file:
            file.write(segment.path.read_bytes()[len(known) :])


def test_what_is_added_is_counted_and_nothing_else_is_read(
    index: JournalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = RunningCount(index, FILLS)
    assert running.count().total == expected(index, FILLS)
    newest = plain_scan(index.journal, Filter())[-1].seq
    grow(index, [40, 30, 35], tmp_path)
    read: list[int] = []
    real = module.matches
    monkeypatch.setattr(module, "matches", lambda line, wanted: read.append(line.seq) or real(line, wanted))
    found = running.count(newer_than=newest)
    assert found.total == expected(index, FILLS)
    assert found.newer == sum(matches(line, FILLS) and line.seq > newest for line in plain_scan(index.journal, FILLS))
    assert min(read) > newest
    read.clear()
    assert running.count(newer_than=newest) == found
    assert read == []


def test_rotation_compression_retention_and_a_new_journal(index: JournalIndex, tmp_path: Path) -> None:
    running = RunningCount(index, FILLS)
    running.count()
    grow(index, [40, 30, 35, 25], tmp_path)
    assert running.count().total == expected(index, FILLS)
    compress(list_segments(index.journal)[1])
    assert running.count().total == expected(index, FILLS)
    list_segments(index.journal)[0].path.unlink()
    assert running.count().total == expected(index, FILLS)
    for segment in list_segments(index.journal):
        segment.path.rename(tmp_path / segment.path.name)
    assert running.count().total == 0
    write_segments(index.journal, [12])
    assert running.count(newer_than=0).newer == running.count().total == expected(index, FILLS)


def test_an_unfinished_line_counts_once_it_is_whole(index: JournalIndex) -> None:
    running = RunningCount(index, Filter())
    last = list_segments(index.journal)[-1].path
    whole = last.read_bytes()
    last.write_bytes(whole[:-30])
    before = running.count().total
    last.write_bytes(whole)
    assert (before, running.count().total) == (expected(index, Filter()) - 1, expected(index, Filter()))


def test_more_newer_lines_than_are_told_apart_are_called_so(
    index: JournalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 10)
    found = RunningCount(index, Filter()).count(newer_than=0)
    assert (found.newer, found.is_newer_bounded) == (10, True)
