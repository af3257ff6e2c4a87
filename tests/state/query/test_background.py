"""The builder beside a long-lived reader, as a real process; and who never loads DuckDB."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from cli.options import CHECKOUT
from state.query import JournalIndex
from state.query.background import CacheKeeper
from state.segments import list_segments
from tests.support.journal_segments import story, write_segments


def wait_until(happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.fixture
def keeper(index: JournalIndex) -> CacheKeeper:
    return CacheKeeper(index.journal, index.cache, every_s=0.05)


def test_it_builds_and_goes_on_building(keeper: CacheKeeper, index: JournalIndex) -> None:
    keeper.start()
    try:
        wait_until(lambda: index.status().segments_cached == 5)
        last = list_segments(index.journal)[-1].path
        last.write_bytes(last.read_bytes().rpartition(b"\n")[0] + b"\n")
        (index.journal / "20260102-0007.jsonl").write_bytes(b"")
        wait_until(lambda: index.status().segments_cached == 6)
        wait_until(lambda: not keeper.progress.is_building)
        assert keeper.progress.problem is None
        assert keeper.progress.done_bytes == keeper.progress.todo_bytes > 0
    finally:
        keeper.stop()
    keeper.stop()


def test_what_keeps_it_from_building_is_told_as_a_value(keeper: CacheKeeper, index: JournalIndex) -> None:
    index.cache.write_text("in the way")
    keeper.start()
    try:
        wait_until(lambda: keeper.progress.problem is not None)
        assert str(index.cache) in str(keeper.progress.problem)
        index.cache.unlink()
        wait_until(lambda: index.status().segments_cached == 5)
        assert keeper.progress.problem is None
    finally:
        keeper.stop()


def test_a_second_builder_goes_on_without(keeper: CacheKeeper, index: JournalIndex) -> None:
    index.cache.mkdir()
    with filelock.FileLock(index.cache / ".lock"):
        command = [sys.executable, "-P", "-m", "state.query", str(index.journal), str(index.cache)]
        said = subprocess.run(command, env={"PYTHONPATH": str(CHECKOUT)}, capture_output=True, check=True)
    assert b'"busy":true' in said.stdout
    assert index.status().segments_cached == 0


def test_it_can_be_stopped_in_the_middle_and_leaves_the_lock(tmp_path: Path) -> None:
    index = JournalIndex(tmp_path / "journal", tmp_path / "cache")
    write_segments(index.journal, [1000] * 20, story)
    keeper = CacheKeeper(index.journal, index.cache)
    keeper.start()
    wait_until(lambda: keeper.progress.done_bytes > 0)
    started_s = time.monotonic()
    keeper.stop()
    assert time.monotonic() - started_s < 5
    assert not keeper.progress.is_building
    assert 0 < index.status().segments_cached < 20
    assert index.build().complete


def test_neither_the_daemon_nor_a_look_at_the_newest_loads_duckdb(index: JournalIndex) -> None:
    program = (
        "import sys; from pathlib import Path; import daemon.runtime.app, daemon.runtime.supervisor\n"
        "from state.query import Filter, JournalIndex\n"
        f"found = JournalIndex(Path({str(index.journal)!r}), Path({str(index.cache)!r})).newest(Filter(), 5)\n"
        "assert len(found.lines) == 5\n"
        "print('duckdb' in sys.modules)\n"
    )
    index.build()
    said = subprocess.run(
        [sys.executable, "-P", "-c", program], env={"PYTHONPATH": str(CHECKOUT)}, capture_output=True, check=True
    )
    assert said.stdout == b"False\n"
